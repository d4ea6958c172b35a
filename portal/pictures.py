"""The products' pictures and the logo, and no other file: what is named in an entry is not thereby public."""

from flask import Blueprint, Response, abort
from sqlalchemy import select, union_all

from ledger.database import reading
from ledger.trace.product import products
from ledger.trace.seller import picture_type, seller_styles
from portal.live import Live
from portal.services import current

pictures = Blueprint("pictures", __name__)

PUBLIC = union_all(select(products.c.picture.label("sha256")), select(seller_styles.c.logo)).subquery()


@pictures.get("/pictures/<sha256>")
def picture(sha256: str) -> Response:
    """A product's picture or the logo by its file's SHA-256: the name is the content, so it may be kept for ever."""
    services = current()
    assert isinstance(services, Live)
    with reading(services.ledger.engine) as connection:
        if connection.execute(select(PUBLIC.c.sha256).where(PUBLIC.c.sha256 == sha256)).first() is None:
            abort(404)
    content = services.ledger.files.read(sha256)
    kind = picture_type(content)
    if kind is None:
        abort(404)
    response = Response(content, content_type=kind)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
