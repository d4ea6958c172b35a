"""`--since`: what lies before a checkpoint that somebody has already checked is taken from its tiles.

All tiles before it are hashed again up to the root of that checkpoint, so every one of them is as it was; the
entries below them are not read. From the last border of 65,536 entries on, everything is looked at as ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ledger.audit.entries import Borders
from ledger.audit.finding import Findings
from ledger.audit.ranges import RANGE_ENTRIES, RangeReport
from ledger.audit.reading import BadBody, EntryReader, UnknownKind
from ledger.audit.rows import DRIVER_ERRORS, StoredTile, fetch, read_tiles, recover
from ledger.audit.tree import RangeTree
from ledger.errors import LedgerError
from ledger.journal.key_events import keyring_after, read_keyring
from ledger.journal.registry import Event
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.keyring import Keyring
from ledger.log.merkle import HASH_BYTES, leaf_hash, root
from ledger.log.tiles import TILE_BYTES, TILE_WIDTH, Edge, FullTile, MalformedTile

_BODY = "SELECT body FROM log_entries WHERE position = ?"
_TILES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Prefix:
    """The entries before `first`, a multiple of 65,536: which keys they brought, and how they end."""

    first: int
    keyring: Keyring
    borders: Borders


def first_to_read(size: int) -> int:
    """Where an audit begins to read entries that trusts what a checkpoint of `size` entries says before."""
    return size // RANGE_ENTRIES * RANGE_ENTRIES


def read_prefix(connection: Connection, first: int) -> Prefix | None:
    """What has to be known of the entries before `first`; None where it cannot be read, so that all must be.

    Which entries changed the log's keys is looked up in the derived table, and each is held against its tile. An
    entry that the table hides shows by the checkpoint that was given: it would not be signed by the keys of its size.
    """
    try:
        hinted = read_keyring(connection)
        if hinted is None:
            return None
        keyring: Keyring | None = None
        for index in _changes(hinted, first):
            keyring = keyring_after(keyring, index, _event(connection, index))
        return None if keyring is None else Prefix(first, keyring, _borders(connection, first))
    except (LedgerError, LookupError, SQLAlchemyError, BadBody, UnknownKind, *DRIVER_ERRORS):
        recover(connection)
        return None


def root_at(connection: Connection, size: int) -> bytes | None:
    """The root over the first `size` entries as tiles and leaves are stored; None where they do not make one."""
    try:
        return Edge.from_tiles(size, lambda tile: store.read_tile(connection, tile)).root()
    except (store.NoSuchTile, MalformedTile, SQLAlchemyError, *DRIVER_ERRORS):
        recover(connection)
        return None


def name_other_root(given: Checkpoint, stands: bytes | None, findings: Findings) -> None:
    """Note that the log does not have the beginning that the checkpoint names."""
    problem = "has another root over its entries than the checkpoint that was given: history was rewritten"
    shown = stands.hex() if stands else "none"
    findings.add(
        "since", "log_checkpoints", given.size, "note", problem, stands=shown, should=given.root.hex()
    )


def _changes(keyring: Keyring, first: int) -> list[int]:
    """The entries before `first` that changed the keys."""
    found = {one.first_size - 1 for one in keyring.keys}
    found |= {one.last_size for one in keyring.keys if one.last_size is not None}
    return sorted(index for index in found if index < first)


def _event(connection: Connection, index: int) -> Event:
    """The event at `index`, whose leaf must stand in the tile. Raises LookupError and what the reader raises."""
    body = fetch(connection, _BODY, index)[0][0]
    if leaf_hash(body) != _tile_leaf(connection, index):
        raise LookupError(index)
    return EntryReader().read(body)[1]


def _borders(connection: Connection, first: int) -> Borders:
    if not first:
        return Borders()
    leaf = _tile_leaf(connection, first - 1)
    body = fetch(connection, _BODY, first - 1)[0][0]
    at = EntryReader().read(body)[0]["at"] if leaf_hash(body) == leaf else ""
    return Borders(last_leaves=(leaf.hex(),), last_at=at)


def _tile_leaf(connection: Connection, index: int) -> bytes:
    number, place = divmod(index, TILE_WIDTH)
    hashes = read_tiles(connection, 0, number, number + 1)[number].hashes
    return hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES]


def check_tiles(connection: Connection, start: int, end: int) -> RangeReport:
    """Hash the tiles of a whole range again, from `start` to `end`; its entries are not read."""
    findings = Findings()
    number = start // RANGE_ENTRIES
    stored = read_tiles(connection, 1, number, number + 1).get(number)
    above = _split(stored.hashes) if stored else []
    roots = [
        _root_of(tile, place, above[place % TILE_WIDTH] if len(above) == TILE_WIDTH else None, findings)
        for place, tile in _tiles(connection, start // TILE_WIDTH, end // TILE_WIDTH)
    ]
    made = FullTile(1, number, root(roots), b"".join(roots))
    RangeTree(0, findings).compare_above(made, number, 1, stored)
    return RangeReport(start, end, findings, made.root, has_entries=False)


def _tiles(connection: Connection, first: int, end: int) -> Iterator[tuple[int, StoredTile | None]]:
    for start in range(first, end, _TILES_AT_ONCE):
        stop = min(start + _TILES_AT_ONCE, end)
        stored = read_tiles(connection, 0, start, stop)
        for number in range(start, stop):
            yield number, stored.get(number)


def _root_of(tile: StoredTile | None, number: int, above: bytes | None, findings: Findings) -> bytes:
    """The root of a tile of level 0, as two of these three say it: its hashes, its own root, the tile above."""
    row = f"0/{number}"
    if tile is None:
        findings.add("tile_missing", "log_tiles", row, "", "the tile is full and not stored")
        return above or bytes(HASH_BYTES)
    made = root(_split(tile.hashes)) if len(tile.hashes) == TILE_BYTES else b""
    if made == tile.root:
        return made
    field = "hashes" if tile.root == above else "root"
    problem = (
        "differs from the tile above" if field == "root" else "do not give the root that two others name"
    )
    findings.add("tile_differs", "log_tiles", row, field, problem, stands=tile.root.hex(), should=made.hex())
    return tile.root if field == "hashes" else made or bytes(HASH_BYTES)


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
