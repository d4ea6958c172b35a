"""The products' pictures, and no other file: what is named in an entry is not thereby public."""

from flask import Blueprint, Response, abort
from sqlalchemy import select

from ledger.database import reading
from ledger.trace.product import products
from portal.live import Live
from portal.services import current

pictures = Blueprint("pictures", __name__)

KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


@pictures.get("/pictures/<sha256>")
def picture(sha256: str) -> Response:
    """A product's picture by the SHA-256 of its file; its name is its content, so it may be kept for ever."""
    services = current()
    assert isinstance(services, Live)
    with reading(services.ledger.engine) as connection:
        if connection.execute(select(products.c.id).where(products.c.picture == sha256)).first() is None:
            abort(404)
    content = services.ledger.files.read(sha256)
    kind = next((kind for magic, kind in KINDS.items() if content.startswith(magic)), None)
    if kind is None:
        abort(404)
    response = Response(content, content_type=kind)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
