"""The log as plain files: to hand over, to mirror, to check. How they are laid out stands in `layout`.

`verify_directory` needs nothing but these files and the key, which must come from elsewhere: who can change
the files can change `vkey` too.
"""

import ctypes
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from ledger.durable import sync_folder
from ledger.errors import LedgerError, Refused
from ledger.log import store
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.keyring import Keyring
from ledger.log.layout import (
    CHECKPOINT,
    CHECKPOINTS,
    ENTRIES,
    OURS,
    TILES,
    VKEY,
    Progress,
    frame_note,
    no_progress,
)
from ledger.log.layout import Directory as Directory
from ledger.log.layout import FileDiffers as FileDiffers
from ledger.log.merkle import HASH_BYTES
from ledger.log.note import Verifier, split_note
from ledger.log.tiles import TILE_WIDTH, Edge, Tile, entries_path, format_bundle, path, tiles_of
from ledger.log.walking import Place, compare_edge, same_keys, walk

NOTES_WINDOW = 8_192  # entries whose checkpoints are read at once
SEARCH_BYTES = 1 << 20


class NothingPublished(LedgerError):
    """There is no checkpoint yet."""

    message = "Nothing was published yet: the log is empty."


class FolderTaken(Refused):
    """The folder holds something else than an older export of this log."""

    message = "{folder} holds something else than an export of this log. Choose an empty folder."


# --- writing


def export(
    connection: Connection,
    folder: Path,
    vkey: str,
    progress: Progress = no_progress,
    *,
    check: bool = False,
    write_more: Callable[[], object] = lambda: None,
) -> Checkpoint:
    """Write the log as its newest checkpoint has it into `folder`; gives that checkpoint.

    An older export is brought up to date: what its own checkpoint covers is left alone where the files have the
    right length, or, with `check`, the right content. `write_more` writes what goes along (the files that entries
    name). The checkpoint is written last: whoever reads the folder meanwhile, or after a crash, finds the log whole as
    some checkpoint has it. One bundle in memory at a time.
    Raises NothingPublished, FolderTaken.
    """
    note = store.newest_note(connection)
    if note is None:
        raise NothingPublished()
    older = _older_export(connection, folder)
    checkpoint = Checkpoint.parse(split_note(note)[0])
    folder.mkdir(parents=True, exist_ok=True)
    writing = _Writing(folder, 0 if check or older is None else older.size)
    writing.tiles(connection, checkpoint.size, progress)
    _write_notes(connection, folder, None if check else older, checkpoint.size)
    _write(folder / VKEY, f"{vkey}\n".encode())
    write_more()
    _sync_all(folder)  # a checkpoint must never outlive, in a power cut, the tiles that it speaks for
    _write(folder / CHECKPOINT, note.encode())
    sync_folder(folder)
    if older is not None:
        _remove_outgrown(folder, older.size, checkpoint.size)
    return checkpoint


@dataclass(frozen=True, slots=True)
class _Writing:
    """Tiles and bundles on their way into `folder`, where those of the first `standing` entries stand already."""

    folder: Path
    standing: int

    def tiles(self, connection: Connection, size: int, progress: Progress) -> None:
        """Write all that the tree of `size` entries has and the folder has not."""
        for tile in tiles_of(size):
            if tile.level == 0:
                self._bundle(connection, tile)
                progress(min((tile.number + 1) * TILE_WIDTH, size), size)
            elif not self._stands(tile, f"{TILES}/{path(tile)}", tile.width * HASH_BYTES):
                _write(self.folder / TILES / path(tile), store.read_tile(connection, tile))

    def _bundle(self, connection: Connection, tile: Tile) -> None:
        """The entries under a tile of level 0, and the tile, from one reading of the rows."""
        hashes, bundle = f"{TILES}/{path(tile)}", f"{ENTRIES}/{entries_path(tile.number, tile.width)}"
        if self._stands(tile, hashes, tile.width * HASH_BYTES) and self._stands(tile, bundle, None):
            return
        start = tile.number * TILE_WIDTH
        rows = store.read_entries(connection, start, start + tile.width)
        if len(rows) != tile.width:
            raise store.NoSuchTile(tile)
        _write(self.folder / hashes, b"".join([leaf for leaf, _body in rows]))
        _write(self.folder / bundle, format_bundle([body for _leaf, body in rows]))

    def _stands(self, tile: Tile, name: str, length: int | None) -> bool:
        """Whether a file was there under the last checkpoint, and has its length as far as that is known.

        Only what that checkpoint covers was certainly synced. A wrong byte in it is found by whoever verifies the
        folder, and mended by `check`.
        """
        if (tile.number * TILE_WIDTH + tile.width) << 8 * tile.level > self.standing:
            return False
        try:
            found = (self.folder / name).stat().st_size
        except OSError:
            return False
        return found == length if length is not None else found > 0


def read_bundle(connection: Connection, tile: Tile) -> bytes:
    """The bundle of the entries under a tile of level 0. Raises NoSuchTile where there are not that many."""
    start = tile.number * TILE_WIDTH
    bodies = store.read_bodies(connection, start, start + tile.width)
    if len(bodies) != tile.width:
        raise store.NoSuchTile(tile)
    return format_bundle(bodies)


def _older_export(connection: Connection, folder: Path) -> Checkpoint | None:
    """The checkpoint of the older export in `folder`; None where it is empty, or was cut short before its first.

    Raises FolderTaken where it holds something else.
    """
    if not folder.exists():
        return None
    if not folder.is_dir() or not {found.name.removesuffix(".new") for found in folder.iterdir()} <= OURS:
        raise FolderTaken(folder=folder)
    if not (folder / CHECKPOINT).exists():
        return None
    note = (folder / CHECKPOINT).read_text()
    checkpoint = Checkpoint.parse(split_note(note)[0])
    if store.note_at(connection, checkpoint.size) != note:
        raise FolderTaken(folder=folder)
    return checkpoint


def _write_notes(connection: Connection, folder: Path, older: Checkpoint | None, size: int) -> None:
    """Bring `checkpoints` up to `size`: what stands behind the older export's last one was cut short."""
    file = folder / CHECKPOINTS
    place, after = 0, 0
    last = store.note_at(connection, older.size) if older is not None else None
    if older is not None and last is not None and file.exists():
        place = _end_of(file, frame_note(last))
        after = older.size if place else 0
    with file.open("r+b" if file.exists() else "xb") as opened:
        # In place: readers stop at the note of `checkpoint`, and everything up to it stays as it is.
        opened.seek(place)
        opened.truncate()
        for start in range(after, size, NOTES_WINDOW):
            notes = store.read_notes(connection, start, min(start + NOTES_WINDOW, size))
            opened.write(b"".join([frame_note(note) for note in notes]))


def _end_of(file: Path, framed: bytes) -> int:
    """The first byte behind `framed` in the file, looked for from the end; 0 where it is not there."""
    with file.open("rb") as opened:
        end = opened.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - SEARCH_BYTES)
            opened.seek(start)
            found = opened.read(end - start + len(framed)).rfind(framed)
            if found >= 0:
                return start + found + len(framed)
            end = start
    return 0


def _write(file: Path, content: bytes) -> None:
    """Put `content` under its name at once: a web server may be handing out the folder at this moment."""
    temporary = file.with_name(f"{file.name}.new")
    try:
        temporary.write_bytes(content)
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
    temporary.replace(file)


def _sync_all(folder: Path) -> None:
    """Make everything written below `folder` durable.

    syncfs(2), which waits for one file system and tells of its errors: a sync a file would be one journal commit
    for each of thousands, and `os.sync` waits for every disk of the machine and tells of no error.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(descriptor)


def _remove_outgrown(folder: Path, old: int, new: int) -> None:
    """Remove the older export's partial tiles whose full tile stands now; readers turn to that (C2SP tlog-tiles)."""
    for tile in tiles_of(old):
        if tile.width < TILE_WIDTH and (tile.number + 1) * TILE_WIDTH << 8 * tile.level <= new:
            full = entries_path(tile.number, TILE_WIDTH)
            shutil.rmtree(folder / TILES / str(tile.level) / f"{full}.p", ignore_errors=True)
            if tile.level == 0:
                shutil.rmtree(folder / ENTRIES / f"{full}.p", ignore_errors=True)


# --- reading


def verify_directory(folder: Path, verifier: Verifier, progress: Progress = no_progress) -> Checkpoint:
    """The checkpoint of the log in `folder`, once every entry, tile, checkpoint and root were computed again.

    For a log that always had the one key `verifier`; `ledger.journal.carrying.verify_log` also follows its keys.
    Raises FileDiffers naming the first file that differs, or what opening the checkpoint raises.
    """
    directory = Directory(folder)
    checkpoint = open_checkpoint(directory.note(), verifier)
    place = Place(Edge.empty(), Keyring.begin(verifier))
    for step in walk(directory, place, checkpoint.size, directory.notes(), same_keys):
        place = step.after
        progress(place.edge.size, checkpoint.size)
    compare_edge(directory, place.edge)
    return checkpoint
