"""The log as plain files, laid out as they are served (C2SP tlog-tiles), and how they are read.

    checkpoint                    the last published checkpoint, signed
    checkpoints                   every published checkpoint, each behind its length in two bytes, by size
    vkey                          the key to check the last one with
    tile/<L>/<N>[.p/<W>]          hashes
    tile/entries/<N>[.p/<W>]      the entries themselves, in bundles, each behind its length in two bytes
    files/ab/cdef…                where wanted, the files that entries name

`checkpoints` only ever grows. What stands in it behind the note of `checkpoint` does not count: an export is being
brought up to date, or was cut short.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ledger.errors import LedgerError
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import HASH_BYTES
from ledger.log.note import split_note
from ledger.log.tiles import TILE_WIDTH, MalformedBundle, Tile, entries_path, parse_bundle, path

CHECKPOINT, CHECKPOINTS, VKEY, TILES = "checkpoint", "checkpoints", "vkey", "tile"
ENTRIES, FILES = "tile/entries", "files"
OURS = {CHECKPOINT, CHECKPOINTS, VKEY, TILES, FILES}
LENGTH_BYTES = 2
MOST_NOTE_BYTES = 2 ** (8 * LENGTH_BYTES) - 1
MOST_FRAME_BYTES = LENGTH_BYTES + MOST_NOTE_BYTES  # of an entry too

Progress = Callable[[int, int], None]
"""Told how many entries are done, of how many."""


def no_progress(_done: int, _all: int) -> None:
    """For nobody who waits."""


class FileDiffers(LedgerError):
    """A file of an export is missing, or is not what the entries and the checkpoint demand."""

    message = "{file} {problem}. This is no true copy of the log."


@dataclass(frozen=True, slots=True)
class StoredNote:
    """A checkpoint as it stands in `checkpoints`: `end` is the first byte behind it."""

    size: int
    note: str
    end: int


@dataclass(frozen=True, slots=True)
class Directory:
    """An exported log, or a mirror of a served one."""

    folder: Path

    def note(self) -> str:
        """The signed checkpoint, not verified. Raises FileDiffers."""
        return _text(self._read(CHECKPOINT, MOST_NOTE_BYTES), CHECKPOINT)

    def notes(self, start: int = 0, end: int | None = None) -> Iterator[StoredNote]:
        """The notes in `checkpoints` from byte `start` on, to before byte `end` or the note of `checkpoint`.

        Nothing is verified but their form and their order. Raises FileDiffers, also where that note is not among them.
        """
        last = self.note() if end is None else None
        before = 0
        for stored in self._framed(start, end):
            if stored.size <= before:
                raise FileDiffers(file=CHECKPOINTS, problem=f"is out of order at size {stored.size}")
            yield stored
            if stored.note == last:
                return
            before = stored.size
        if last is not None:
            raise FileDiffers(file=CHECKPOINTS, problem="does not hold the last checkpoint")

    def read_tile(self, tile: Tile) -> bytes:
        """The hashes of `tile`, from the full tile where the partial one is gone. Raises FileDiffers."""
        full = Tile(tile.level, tile.number, TILE_WIDTH)
        stored = tile if (self.folder / TILES / path(tile)).is_file() else full
        content = self._read(f"{TILES}/{path(stored)}", stored.width * HASH_BYTES)
        if len(content) != stored.width * HASH_BYTES:
            raise FileDiffers(file=f"{TILES}/{path(stored)}", problem=f"has {len(content)} bytes")
        return content[: tile.width * HASH_BYTES]

    def read_entries(self, number: int, width: int) -> list[bytes]:
        """The first `width` entries of a bundle. Raises FileDiffers."""
        partial = f"{ENTRIES}/{entries_path(number, width)}"
        full = f"{ENTRIES}/{entries_path(number, TILE_WIDTH)}"
        try:
            if (self.folder / partial).is_file():
                return parse_bundle(self._read(partial, width * MOST_FRAME_BYTES), width)
            return parse_bundle(self._read(full, TILE_WIDTH * MOST_FRAME_BYTES), TILE_WIDTH)[:width]
        except MalformedBundle as error:
            raise FileDiffers(file=partial, problem=f"is no bundle of {width} entries: {error}") from error

    def _framed(self, start: int, end: int | None) -> Iterator[StoredNote]:
        """Every note behind its length; a last one that is cut off ends them, as an export cut short leaves it."""
        with self._open(CHECKPOINTS) as file:
            place = file.seek(start)
            while end is None or place < end:
                length = file.read(LENGTH_BYTES)
                content = file.read(int.from_bytes(length, "big"))
                if len(length) < LENGTH_BYTES or len(content) < int.from_bytes(length, "big"):
                    return
                place += LENGTH_BYTES + len(content)
                note = _text(content, CHECKPOINTS)
                yield StoredNote(_size_of(note), note, place)

    def _read(self, name: str, most: int) -> bytes:
        """The file's bytes, of which there can be `most`: whoever made the export may have put anything there."""
        with self._open(name) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise FileDiffers(file=name, problem=f"has more than {most} bytes")
        return content

    @contextmanager
    def _open(self, name: str) -> Iterator[BinaryIO]:
        """A file of the export, and nothing that one could wait for or read without end. Raises FileDiffers."""
        try:
            # A pipe's opening would wait for a writer; a file's never waits.
            descriptor = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise FileDiffers(file=name, problem="is no file")
                yield file
        except OSError as error:
            raise FileDiffers(file=name, problem=f"cannot be read ({error.strerror})") from error


def frame_note(note: str) -> bytes:
    """A checkpoint as it stands in `checkpoints`."""
    content = note.encode()
    return len(content).to_bytes(LENGTH_BYTES, "big") + content


def _text(content: bytes, file: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise FileDiffers(file=file, problem="is not text") from error


def _size_of(note: str) -> int:
    """What the note says of the log's size."""
    try:
        return Checkpoint.parse(split_note(note)[0]).size
    except LedgerError as error:
        raise FileDiffers(file=CHECKPOINTS, problem=f"holds what is no checkpoint: {error}") from error
