"""The products' pictures and the logo, drawn anew, and no other file: to be named in an entry makes nothing public."""

from flask import Blueprint, Response, abort
from sqlalchemy import select, union_all

from ledger.database import reading
from ledger.files import Files
from ledger.trace.product import products
from ledger.trace.seller import seller_styles
from portal.live import Live
from portal.renditions import Rendition, rendition_of
from portal.services import current

pictures = Blueprint("pictures", __name__)

PUBLIC = union_all(select(products.c.picture.label("sha256")), select(seller_styles.c.logo)).subquery()
FOR_EVER = "public, max-age=31536000, immutable"
# A file by itself: whatever is in it, it may load and run nothing.
ALONE = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; sandbox"


@pictures.get("/pictures/<sha256>")
@pictures.get("/pictures/<sha256>/<size>")
def picture(sha256: str, size: str = "display") -> Response:
    """A product's picture or the logo by the SHA-256 of its original, whole or `small`.

    It never becomes another, so it may be kept for ever.
    """
    services = current()
    assert isinstance(services, Live)
    with reading(services.ledger.engine) as connection:
        is_shown = connection.execute(select(PUBLIC.c.sha256).where(PUBLIC.c.sha256 == sha256)).first()
    files = services.ledger.files
    if is_shown is None or not files.exists(sha256):
        abort(404)
    found = rendition_of(services.state, files, sha256, now=services.ledger.clock.now())
    response = as_picture(files, found, size)
    response.headers["Cache-Control"] = FOR_EVER
    return response


def as_picture(files: Files, rendition: Rendition | None, size: str) -> Response:
    """The rendition in one of its sizes, `display` or `small`; 404 for any other, and where nothing can be shown."""
    if rendition is None or size not in ("display", "small"):
        abort(404)
    content = files.read(rendition.small if size == "small" else rendition.display)
    return Response(content, content_type=rendition.kind, headers={"Content-Security-Policy": ALONE})
