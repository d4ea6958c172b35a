"""What is shown of a picture: drawn anew, and kept beside the original by a table of state.db.

The original stays as it came, byte for byte, because an entry names it by its SHA-256; it is never shown, only handed
out as a file. A rendition is derived: where it is missing it is made again at the first look.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Engine, Integer, String, Table, delete, insert, select

from ledger.database import reading, writing
from ledger.files import Files
from ledger.moments import Moment
from ledger.state import STATE
from portal.file_types import NoPicture
from portal.redrawing import PictureTooLarge, PictureUnreadable, redraw

renditions = Table(
    "renditions",
    STATE,
    Column("original", String(64), primary_key=True),
    Column("kind", String, nullable=False),  # media type; "" for what cannot be shown
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("display", String(64), nullable=False),
    Column("small", String(64), nullable=False),
    Column("made_at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Rendition:
    """The pictures made of an original: SHA-256 of each in the files; `width` and `height` are the display's."""

    kind: str  # image/jpeg or image/png
    width: int
    height: int
    display: str
    small: str


def rendition_of(state: Engine, files: Files, original: str, *, now: datetime) -> Rendition | None:
    """The rendition of a stored file, made now if there is none; None for what is no picture that can be shown.

    Raises FileMissing or FileDamaged for the original. What could not be shown once is not tried at each look.
    """
    found = _find(state, original)
    if found is not None and not (found.kind and not _is_whole(files, found)):
        return found if found.kind else None
    content = files.read(original)
    try:
        return make_rendition(state, files, original, content, now=now)
    except (NoPicture, PictureUnreadable, PictureTooLarge):
        _keep(state, original, Rendition("", 0, 0, "", ""), now)
        return None


def make_rendition(state: Engine, files: Files, original: str, content: bytes, *, now: datetime) -> Rendition:
    """Draw `content`, whose SHA-256 is `original`, anew and keep that; one that is there already is given back.

    Raises what `redraw` raises, and then keeps nothing.
    """
    found = _find(state, original)
    if found is not None and found.kind and _is_whole(files, found):
        return found
    redrawn = redraw(content)
    # Files first, row second: a crash between leaves files that nobody names, never a row without its files.
    made = Rendition(
        redrawn.kind,
        redrawn.width,
        redrawn.height,
        display=files.put(redrawn.display).sha256,
        small=files.put(redrawn.small).sha256,
    )
    _keep(state, original, made, now)
    return made


def _is_whole(files: Files, rendition: Rendition) -> bool:
    """False after a restore: a backup holds what entries name, and no entry names a rendition."""
    return files.exists(rendition.display) and files.exists(rendition.small)


def _find(state: Engine, original: str) -> Rendition | None:
    columns = (getattr(renditions.c, name) for name in Rendition.__dataclass_fields__)
    with reading(state) as connection:
        row = connection.execute(select(*columns).where(renditions.c.original == original)).first()
    return None if row is None else Rendition(*row)


def _keep(state: Engine, original: str, made: Rendition, now: datetime) -> None:
    """Put the row in place of the one there was: two processes may have made the same."""
    values = {name: getattr(made, name) for name in Rendition.__dataclass_fields__}
    with writing(state) as connection:
        connection.execute(delete(renditions).where(renditions.c.original == original))
        connection.execute(insert(renditions).values(original=original, made_at=now, **values))
