"""Files that entries name as evidence: handed out as they came, shown only as they were drawn anew."""

from dataclasses import dataclass

from flask import Response, abort

from portal.console.desk import desk, ledger
from portal.console.shell import address, console
from portal.file_types import type_of
from portal.permissions import sees
from portal.pictures import ALONE, as_picture
from portal.renditions import Rendition, rendition_of
from portal.uploads import Keeper

HEAD_BYTES = 64  # enough to tell a picture


@dataclass(frozen=True, slots=True)
class Evidence:
    """A file as a page shows it: where it is handed out, and where its pictures are, "" for what is none."""

    name: str
    download: str
    display: str
    small: str


@console.get("/files/<sha256>")
@sees("files")
def file(sha256: str) -> Response:
    """A stored file, always as a download: what a supplier sent must not run as a page of ours.

    Its name is made of its hash and of what it is, never of how it was called. Raises FileMissing or FileDamaged.
    """
    content = ledger().files.read(sha256)
    name = f"{sha256[:16]}.{type_of(content).extension}"
    return Response(
        content,
        content_type="application/octet-stream",
        headers={
            # RFC 6266; the name is ASCII, so both forms say the same.
            "Content-Disposition": f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}",
            "Content-Security-Policy": ALONE,
        },
    )


@console.get("/files/<sha256>/<size>")
@sees("files")
def file_picture(sha256: str, size: str) -> Response:
    """A stored picture as it may be shown, `display` or `small`."""
    if not ledger().files.exists(sha256):
        abort(404)
    return as_picture(ledger().files, _rendition(sha256), size)


def keeper() -> Keeper:
    """What keeps the files of this request."""
    return Keeper(ledger().files, desk().state, ledger().clock.now())


def evidence(sha256: str) -> Evidence:
    """A file for a page; it may be missing."""
    is_shown = _is_picture(sha256) and _rendition(sha256) is not None
    return Evidence(
        name=sha256[:8],
        download=address("file", sha256=sha256),
        display=address("file_picture", sha256=sha256, size="display") if is_shown else "",
        small=address("file_picture", sha256=sha256, size="small") if is_shown else "",
    )


def _is_picture(sha256: str) -> bool:
    files = ledger().files
    if not files.exists(sha256):
        return False
    with files.path(sha256).open("rb") as stored:
        return type_of(stored.read(HEAD_BYTES)).is_picture


def _rendition(sha256: str) -> Rendition | None:
    return rendition_of(desk().state, ledger().files, sha256, now=ledger().clock.now())
