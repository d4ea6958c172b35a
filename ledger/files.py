"""Files by their content: `files/ab/cdef…`, where `abcdef…` is the SHA-256 of the bytes.

A file is written under a temporary name, synced, renamed, and its folder synced; so a name that exists
stands for a whole file, whenever the power went. What a crash leaves behind lies in `files/incoming`, is
never listed and is removed by `sweep`.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ledger.durable import make_private_folder, sync_folder
from ledger.errors import LedgerError, NotFound

CHUNK_BYTES = 1 << 20
INCOMING = "incoming"  # no name of content begins so: folders of content have two characters
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FileMissing(NotFound):
    """No file of this content is stored."""

    message = "The file {sha256} is not stored here. Put it back from a backup, or attach it again."


class FileDamaged(LedgerError):
    """The bytes under this name are others than those that were stored."""

    message = "The file {sha256} was changed or damaged on disk. Put it back from a backup."
    http_status = 500


@dataclass(frozen=True, slots=True)
class FileRef:
    """What an entry keeps of a file."""

    sha256: str  # hex
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Files:
    """The files below `folder`, which is created at the first `put`; its parent must exist."""

    folder: Path

    def put(self, content: bytes | Iterable[bytes]) -> FileRef:
        """Store `content`, whole or in chunks, and return once it is durable. A second time changes nothing.

        Raises FileDamaged where the name is taken by other bytes: damage is reported, never painted over.
        """
        incoming = self.folder / INCOMING
        make_private_folder(self.folder)
        make_private_folder(incoming)
        temporary = incoming / secrets.token_hex(16)
        try:
            ref = _write(temporary, [content] if isinstance(content, bytes) else content)
            self._place(temporary, ref.sha256)
        finally:
            # A crash before this line leaves the temporary file to `sweep`.
            temporary.unlink(missing_ok=True)
        return ref

    def path(self, sha256: str) -> Path:
        """Where the file of this content stands or would stand. Raises FileMissing for what is no SHA-256."""
        if not _SHA256.fullmatch(sha256):
            raise FileMissing(sha256=sha256)
        return self.folder / sha256[:2] / sha256[2:]

    def exists(self, sha256: str) -> bool:
        """Whether a file of this name is stored; `read` also looks at its bytes."""
        return _SHA256.fullmatch(sha256) is not None and self.path(sha256).is_file()

    def read(self, sha256: str) -> bytes:
        """The file's bytes, hashed once more. Raises FileMissing or FileDamaged."""
        with self.open(sha256) as file:
            return file.read()

    def open(self, sha256: str) -> BinaryIO:
        """The file, hashed once more and rewound, to read in chunks. Raises FileMissing or FileDamaged."""
        try:
            file = self.path(sha256).open("rb")
        except FileNotFoundError as error:
            raise FileMissing(sha256=sha256) from error
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            file.close()
            raise FileDamaged(sha256=sha256)
        file.seek(0)
        return file

    def names(self) -> Iterator[str]:
        """The SHA-256 of every file, in order; temporary and foreign files, and what is no file, are passed over."""
        for folder in filter(Path.is_dir, sorted(self.folder.glob("[0-9a-f][0-9a-f]"))):
            for file in sorted(folder.iterdir()):
                if _SHA256.fullmatch(folder.name + file.name) and file.is_file():
                    yield folder.name + file.name

    def sweep(self, *, older_than: datetime) -> int:
        """Remove what crashes left behind, and say how many. Newer ones may still be on their way."""
        removed = 0
        for file in self.folder.glob(f"{INCOMING}/*"):
            with suppress(FileNotFoundError):  # its writer came to an end meanwhile
                if file.stat().st_mtime < older_than.timestamp():
                    file.unlink()
                    removed += 1
        return removed

    def _place(self, temporary: Path, sha256: str) -> None:
        """Give the synced temporary file its name, durably."""
        path = self.path(sha256)
        make_private_folder(path.parent)
        if path.exists():
            self.open(sha256).close()
        else:
            temporary.rename(path)
        # Also when it was there: whoever renamed it may not have come as far as this line.
        sync_folder(path.parent)


def _write(path: Path, chunks: Iterable[bytes]) -> FileRef:
    """Write and sync a new file of mode 0600, hashing on the way."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb", buffering=CHUNK_BYTES) as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
        return FileRef(sha256=digest.hexdigest(), size_bytes=file.tell())
