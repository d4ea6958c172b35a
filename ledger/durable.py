"""Writing to disk so that it is there after a power cut, and readable by nobody else."""

import os
from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable: a rename or a new file is lost without it (fsync(2), "Notes")."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Create `folder` with mode 0700 where it is missing; its name is durable. The parent must exist."""
    try:
        folder.mkdir(mode=PRIVATE_FOLDER)
    except FileExistsError:
        if not folder.is_dir():
            raise
    sync_folder(folder.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write `content` to a new file of mode 0600 and sync it; the folder's sync is the caller's.

    Raises FileExistsError where anything has that name already, a dangling link included.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def is_private(mode: int) -> bool:
    """Whether a file or folder of this `st_mode` is closed to everybody but its owner."""
    return mode & 0o077 == 0
