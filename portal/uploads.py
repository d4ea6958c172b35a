"""Files that people send: bounded while they arrive, taken by what they are, kept by their content.

A request's files are held in memory, never on a disk: one that breaks off, or is refused, leaves nothing behind, and
a buyer's photo lies nowhere in clear. So memory must be bounded, and is: by LARGEST_REQUEST_BYTES for all that one
request sends, refused at the byte that is one too many. Only views that say so take files at all:

    @console.post("/import")
    @does("unit.commission_sets")
    @takes_files
    def look_at() -> Response: ...
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Literal, TypeVar

from flask import Request as FlaskRequest
from flask import current_app
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from werkzeug.datastructures import FileStorage

from ledger.errors import LedgerError, storage_error
from ledger.files import FileRef, Files
from portal.file_types import demand_document, demand_picture, type_of
from portal.renditions import make_rendition

LARGEST_REQUEST_BYTES = 12 * 1024 * 1024  # all files and fields of a request
LARGEST_FILE_MEGABYTES = 10
MOST_FILES = 20
MEGABYTE = 1_000_000
ACCEPTED = {  # what a file field suggests to a browser; telephones need HEIC's name to hand it over as it is
    "picture": "image/*,.heic,.heif,.avif",
    "document": "image/*,.heic,.heif,.avif,.pdf,.xlsx,.docx,.csv,.txt",
}
TAKES_FILES = "takes_files"  # the attribute of a view that takes them
Purpose = Literal["picture", "document"]
View = TypeVar("View", bound=Callable[..., Any])


class UploadRefused(LedgerError):
    """More was sent than we take; nothing of it is kept."""

    http_status = 413


class FileTooLarge(UploadRefused):
    """A single file beyond the limit."""

    message = (
        "One of the files is too large: at most {megabytes} MB fit. Nothing was kept. Choose a smaller one."
    )


class TooManyFiles(UploadRefused):
    """More files than a request may bring."""

    message = "At most {most} files can be sent at once. Nothing was kept. Send the others after these."


class NoFilesHere(UploadRefused):
    """A file where nobody asked for one."""

    message = "Files are not taken here. Nothing was kept."


class NoRoom(LedgerError):
    """The disk did not take the file."""

    message = (
        "There is no room to keep this file: the disk is full or cannot be written to. Nothing was recorded. Tell "
        "whoever runs the machine, then send it again."
    )
    http_status = 503


def takes_files(view: View) -> View:
    """The view reads files out of its request."""
    setattr(view, TAKES_FILES, True)
    return view


class BoundedRequest(FlaskRequest):
    """A request whose files are counted and measured while they arrive."""

    files_begun = 0

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        """Where werkzeug writes the next file. Raises UploadRefused."""
        view = current_app.view_functions.get(self.endpoint or "")
        if not hasattr(view, TAKES_FILES) and filename:
            raise NoFilesHere()
        self.files_begun += 1
        if self.files_begun > MOST_FILES:
            raise TooManyFiles(most=MOST_FILES)
        return BoundedFile(LARGEST_FILE_MEGABYTES * MEGABYTE)


class BoundedFile(io.BytesIO):
    """A file in memory that refuses to grow beyond `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def write(self, some: Any) -> int:
        """Raises FileTooLarge, before the bytes are taken."""
        if self.tell() + len(some) > self.most:
            raise FileTooLarge(megabytes=LARGEST_FILE_MEGABYTES)
        return super().write(some)


def content_of(upload: FileStorage | None) -> bytes:
    """What was sent in a file's field; b"" for nothing."""
    if upload is None:
        return b""
    with upload.stream as stream:
        return stream.read()


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps what was sent: the original as it came, and for a picture what is shown of it."""

    files: Files
    state: Engine
    now: datetime

    def keep(self, content: bytes, purpose: Purpose) -> FileRef:
        """Store a file that is what `purpose` asks for, durably. What begins like a picture must be one, whole.

        Raises NoPicture, NoDocument, PictureUnreadable, PictureTooLarge, NoRoom; what is refused is not kept.
        """
        _demand(content, purpose)
        if type_of(content).is_picture:
            original = hashlib.sha256(content).hexdigest()
            with _room_needed():
                make_rendition(self.state, self.files, original, content, now=self.now)
        return self.put(content)

    def put(self, content: bytes) -> FileRef:
        """Store a file that somebody else has judged, durably. Raises NoRoom."""
        with _room_needed():
            return self.files.put(content)

    def kept(self, text: str, purpose: Purpose) -> FileRef | None:
        """The file that a form's hidden field names, `SHA256.SIZE`, if it is stored and is what is asked for."""
        sha256, _, size = text.partition(".")
        if not self.files.exists(sha256) or str(self.files.path(sha256).stat().st_size) != size:
            return None
        _demand(self.files.read(sha256), purpose)
        return FileRef(sha256=sha256, size_bytes=int(size))


def _demand(content: bytes, purpose: Purpose) -> None:
    (demand_picture if purpose == "picture" else demand_document)(content)


@contextmanager
def _room_needed() -> Iterator[None]:
    """Raises NoRoom for what a full or broken disk answers."""
    try:
        yield
    except (OSError, OperationalError) as error:
        if storage_error(error) is None:
            raise
        raise NoRoom() from error
