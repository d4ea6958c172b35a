"""The log as plain files, laid out as they are served (C2SP tlog-tiles): to hand over, to mirror, to check.

    checkpoint                    the last published checkpoint, signed
    vkey                          the key to check it with
    tile/<L>/<N>[.p/<W>]          hashes
    tile/entries/<N>[.p/<W>]      the entries themselves, in bundles

`verify_directory` needs nothing but these files and the key, which must come from elsewhere: who can change
the files can change `vkey` too.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from ledger.durable import sync_folder
from ledger.errors import LedgerError, Refused
from ledger.log import store
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.merkle import HASH_BYTES, leaf_hash
from ledger.log.note import Verifier, split_note
from ledger.log.tiles import (
    TILE_WIDTH,
    Edge,
    MalformedBundle,
    Tile,
    entries_path,
    format_bundle,
    parse_bundle,
    path,
    tiles_of,
)

CHECKPOINT, VKEY, TILES, ENTRIES = "checkpoint", "vkey", "tile", "tile/entries"
OURS = {CHECKPOINT, VKEY, TILES}

Progress = Callable[[int, int], None]
"""Told how much is done, of how much."""


class NothingPublished(LedgerError):
    """There is no checkpoint yet."""

    message = "Nothing was published yet: the log is empty."


class FolderTaken(Refused):
    """The folder holds something else than an older export of this log."""

    message = "{folder} holds something else than an export of this log. Choose an empty folder."


class FileDiffers(LedgerError):
    """A file of an export is missing, or is not what the entries and the checkpoint demand."""

    message = "{file} {problem}. This is no true copy of the log."


# --- writing


def export(
    connection: Connection, folder: Path, vkey: str, progress: Progress = lambda _done, _all: None
) -> Checkpoint:
    """Write the log as its newest checkpoint has it into `folder`; gives that checkpoint.

    An older export is brought up to date. The checkpoint is written last: whoever reads the folder meanwhile,
    or after a crash, finds the log whole as some checkpoint has it. One bundle in memory at a time.
    Raises NothingPublished, FolderTaken.
    """
    note = store.newest_note(connection)
    if note is None:
        raise NothingPublished()
    _refuse_foreign(connection, folder)
    checkpoint = Checkpoint.parse(split_note(note)[0])
    folder.mkdir(parents=True, exist_ok=True)
    count = sum(1 for _ in tiles_of(checkpoint.size))
    for done, tile in enumerate(tiles_of(checkpoint.size), 1):
        _write(folder / TILES / path(tile), store.read_tile(connection, tile))
        if tile.level == 0:
            _write(folder / ENTRIES / entries_path(tile.number, tile.width), read_bundle(connection, tile))
        progress(done, count)
    _write(folder / VKEY, f"{vkey}\n".encode())
    os.sync()  # a checkpoint must never outlive, in a power cut, the tiles that it speaks for
    _write(folder / CHECKPOINT, note.encode())
    sync_folder(folder)
    return checkpoint


def read_bundle(connection: Connection, tile: Tile) -> bytes:
    """The bundle of the entries under a tile of level 0. Raises NoSuchTile where there are not that many."""
    start = tile.number * TILE_WIDTH
    bodies = store.read_bodies(connection, start, start + tile.width)
    if len(bodies) != tile.width:
        raise store.NoSuchTile(tile)
    return format_bundle(bodies)


def _refuse_foreign(connection: Connection, folder: Path) -> None:
    """Raise FolderTaken unless `folder` is empty, or an export of this log that may have been cut short."""
    if not folder.exists():
        return
    if not folder.is_dir() or not {found.name for found in folder.iterdir()} <= OURS:
        raise FolderTaken(folder=folder)
    if (folder / CHECKPOINT).exists():
        note = (folder / CHECKPOINT).read_text()
        if store.note_at(connection, Checkpoint.parse(split_note(note)[0]).size) != note:
            raise FolderTaken(folder=folder)


def _write(file: Path, content: bytes) -> None:
    """Put `content` under its name at once; a file that stands as it should is left alone."""
    if file.is_file() and file.read_bytes() == content:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.new")
    temporary.write_bytes(content)
    temporary.replace(file)


# --- reading


@dataclass(frozen=True, slots=True)
class Directory:
    """An exported log, or a mirror of a served one."""

    folder: Path

    def note(self) -> str:
        """The signed checkpoint, not verified. Raises FileDiffers."""
        try:
            return self._read(CHECKPOINT).decode()
        except UnicodeDecodeError as error:
            raise FileDiffers(file=CHECKPOINT, problem="is not text") from error

    def read_tile(self, tile: Tile) -> bytes:
        """The hashes of `tile`, from the full tile where the partial one is gone. Raises FileDiffers."""
        full = Tile(tile.level, tile.number, TILE_WIDTH)
        stored = tile if (self.folder / TILES / path(tile)).is_file() else full
        content = self._read(f"{TILES}/{path(stored)}")
        if len(content) != stored.width * HASH_BYTES:
            raise FileDiffers(file=f"{TILES}/{path(stored)}", problem=f"has {len(content)} bytes")
        return content[: tile.width * HASH_BYTES]

    def read_entries(self, number: int, width: int) -> list[bytes]:
        """The first `width` entries of a bundle. Raises FileDiffers."""
        partial = f"{ENTRIES}/{entries_path(number, width)}"
        full = f"{ENTRIES}/{entries_path(number, TILE_WIDTH)}"
        try:
            if (self.folder / partial).is_file():
                return parse_bundle(self._read(partial), width)
            return parse_bundle(self._read(full), TILE_WIDTH)[:width]
        except MalformedBundle as error:
            raise FileDiffers(file=partial, problem=f"is no bundle of {width} entries: {error}") from error

    def _read(self, name: str) -> bytes:
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise FileDiffers(file=name, problem=f"cannot be read ({error.strerror})") from error


def verify_directory(
    folder: Path, verifier: Verifier, progress: Progress = lambda _done, _all: None
) -> Checkpoint:
    """The checkpoint of the log in `folder`, once every entry, every tile and the root were computed again.

    Raises FileDiffers naming the first file that differs, or what opening the checkpoint raises.
    """
    directory = Directory(folder)
    checkpoint = open_checkpoint(directory.note(), verifier)
    edge = Edge.empty()
    for tile in tiles_of(checkpoint.size):
        if tile.level:
            break
        leaves = [leaf_hash(entry) for entry in directory.read_entries(tile.number, tile.width)]
        edge, full = edge.extend(leaves)
        for made in full:
            _compare(directory, Tile(made.level, made.number, TILE_WIDTH), made.hashes)
        progress(min(edge.size, checkpoint.size), checkpoint.size)
    for tile, hashes in _partial_tiles(edge):
        _compare(directory, tile, hashes)
    if edge.root() != checkpoint.root:
        raise FileDiffers(file=CHECKPOINT, problem="names another root than the entries have")
    return checkpoint


def _partial_tiles(edge: Edge) -> Iterator[tuple[Tile, bytes]]:
    for level, hashes in enumerate(edge.partials):
        if hashes:
            number = (edge.size >> 8 * level) // TILE_WIDTH
            yield Tile(level, number, len(hashes) // HASH_BYTES), hashes


def _compare(directory: Directory, tile: Tile, hashes: bytes) -> None:
    if directory.read_tile(tile) != hashes:
        raise FileDiffers(file=f"{TILES}/{path(tile)}", problem="holds other hashes than the entries have")
