"""The log's three tables: entries, full tiles, checkpoints. Rows are only ever inserted; triggers see to that.

    log_entries      position (the index, from 0), leaf (32 bytes), body (the exact bytes)
    log_tiles        level, number, root (32 bytes), hashes (8,192 bytes): full tiles alone
    log_checkpoints  size, note: every checkpoint that was ever published

A partial tile is computed: at level 0 from the leaves of its entries, above from the roots of the full tiles
below. `root` stands in a column before `hashes` so that reading it does not read the tile.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    literal_column,
    select,
)

from ledger.database import Prepared, insert_rows
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import HASH_BYTES
from ledger.log.note import split_note
from ledger.log.tiles import TILE_WIDTH, Edge, FullTile, Tile

LOG = MetaData()

entries = Table(
    "log_entries",
    LOG,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
tiles = Table(
    "log_tiles",
    LOG,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
)
checkpoints = Table(
    "log_checkpoints",
    LOG,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)

_SIZE = select(func.coalesce(func.max(entries.c.position) + 1, 0))
_BODY = select(entries.c.body).where(entries.c.position == bindparam("position"))
_ENTRIES = Prepared(
    select(entries.c.leaf, entries.c.body)
    .where(entries.c.position >= bindparam("start"), entries.c.position < bindparam("end"))
    .order_by(entries.c.position)
)
_LEAVES = (
    select(entries.c.leaf)
    .where(entries.c.position >= bindparam("start"), entries.c.position < bindparam("end"))
    .order_by(entries.c.position)
)
_BODIES = (
    select(entries.c.body)
    .where(entries.c.position >= bindparam("start"), entries.c.position < bindparam("end"))
    .order_by(entries.c.position)
)
_TILE = select(tiles.c.hashes).where(
    tiles.c.level == bindparam("level"), tiles.c.number == bindparam("number")
)
_NEWEST_TILES = (
    select(tiles.c.number, tiles.c.hashes)
    .where(tiles.c.level == 0)
    .order_by(tiles.c.number.desc())
    .limit(1_000)
)
_ROOTS = (
    select(tiles.c.root)
    .where(
        tiles.c.level == bindparam("level"),
        tiles.c.number >= bindparam("start"),
        tiles.c.number < bindparam("end"),
    )
    .order_by(tiles.c.number)
)
# The limit as a word of the statement: with one that is a parameter PostgreSQL plans anew each time.
_BY_SIZE = select(checkpoints.c.note).order_by(checkpoints.c.size.desc())
_NEWEST = Prepared(_BY_SIZE.limit(literal_column("1")))
NEWEST_NOTES = Prepared(_BY_SIZE.limit(literal_column("2")))
_FROM_SIZE = Prepared(
    select(checkpoints.c.note).where(checkpoints.c.size >= bindparam("size")).order_by(checkpoints.c.size)
)
_NOTES = Prepared(
    select(checkpoints.c.note)
    .where(checkpoints.c.size > bindparam("after"), checkpoints.c.size <= bindparam("until"))
    .order_by(checkpoints.c.size)
)
_AT_SIZE = Prepared(select(checkpoints.c.note).where(checkpoints.c.size == bindparam("size")))


class NoSuchTile(LookupError):
    """The tree has no such tile, or not that wide."""


def append_entries(
    connection: Connection, start: int, rows: Iterable[tuple[bytes, bytes]], *, count: int | None = None
) -> None:
    """Insert (leaf, body) pairs from position `start` on; with their `count` they may be made on the way."""
    placed = ((start + i, leaf, body) for i, (leaf, body) in enumerate(rows))
    insert_rows(connection, entries, placed, count=count)


def append_tiles(connection: Connection, full: Sequence[FullTile]) -> None:
    """Insert the tiles that became full."""
    insert_rows(connection, tiles, [(tile.level, tile.number, tile.root, tile.hashes) for tile in full])


def append_checkpoint(connection: Connection, size: int, note: str) -> None:
    """Insert a signed checkpoint."""
    insert_rows(connection, checkpoints, [(size, note)])


def size(connection: Connection) -> int:
    """How many entries there are."""
    return int(connection.execute(_SIZE).scalar_one())


def read_body(connection: Connection, position: int) -> bytes | None:
    """The exact bytes of one entry, or None."""
    body: bytes | None = connection.execute(_BODY, {"position": position}).scalar()
    return body


def read_entries(connection: Connection, start: int, end: int) -> list[tuple[bytes, bytes]]:
    """(leaf, body) of the entries from `start` to before `end`, as far as they exist."""
    return [(leaf, body) for leaf, body in _ENTRIES.fetch(connection, start=start, end=end)]


def read_bodies(connection: Connection, start: int, end: int) -> list[bytes]:
    """The bytes of the entries from `start` to before `end`, as far as they exist."""
    return [row[0] for row in connection.execute(_BODIES, {"start": start, "end": end})]


def read_leaves(connection: Connection, start: int, end: int) -> list[bytes]:
    """The leaf hashes from `start` to before `end`, as far as they exist."""
    return [row[0] for row in connection.execute(_LEAVES, {"start": start, "end": end})]


def find_leaves(connection: Connection, prefix_hex: str, *, limit: int) -> list[int]:
    """Positions of entries whose leaf hash begins with these hex digits (8 or more), newest first.

    Hashes have no index, so that appending stays cheap: this reads 32 bytes an entry, of the newest 256,000.
    """
    start = bytes.fromhex(prefix_hex[: len(prefix_hex) // 2 * 2])
    full = [(number * TILE_WIDTH, hashes) for number, hashes in connection.execute(_NEWEST_TILES)]
    tail = full[0][0] + TILE_WIDTH if full else 0
    stretches = [(tail, b"".join(read_leaves(connection, tail, tail + TILE_WIDTH))), *full]
    found = (
        first + place // HASH_BYTES
        for first, hashes in stretches
        for place in _places(hashes, start)
        if hashes[place : place + HASH_BYTES].hex().startswith(prefix_hex)
    )
    return sorted(islice(found, limit), reverse=True)


def _places(hashes: bytes, start: bytes) -> Iterator[int]:
    """Where in a row of hashes one begins with `start`."""
    place = hashes.find(start)
    while place >= 0:
        if place % HASH_BYTES == 0:
            yield place
        place = hashes.find(start, place + 1)


def walk(
    connection: Connection, start: int = 0, end: int | None = None, chunk: int = 2_000
) -> Iterator[tuple[int, list[bytes]]]:
    """The bodies in order, in chunks with the position of the first: flat in memory."""
    stop = size(connection) if end is None else end
    for first in range(start, stop, chunk):
        yield first, read_bodies(connection, first, min(first + chunk, stop))


def read_tile(connection: Connection, tile: Tile) -> bytes:
    """The hashes of `tile`, 32 bytes each. Raises NoSuchTile when there are not that many."""
    if tile.width == TILE_WIDTH:
        hashes = connection.execute(_TILE, {"level": tile.level, "number": tile.number}).scalar()
        if hashes is None:
            raise NoSuchTile(tile)
        return bytes(hashes)
    start = tile.number * TILE_WIDTH
    found = _hashes_of_level(connection, tile.level, start, start + tile.width)
    if len(found) != tile.width:
        raise NoSuchTile(tile)
    return b"".join(found)


def _hashes_of_level(connection: Connection, level: int, start: int, end: int) -> list[bytes]:
    if level == 0:
        return read_leaves(connection, start, end)
    return [row[0] for row in connection.execute(_ROOTS, {"level": level - 1, "start": start, "end": end})]


def read_edge(connection: Connection) -> Edge:
    """The right edge of the tree as it stands."""
    return Edge.from_tiles(size(connection), lambda tile: read_tile(connection, tile))


def newest_note(connection: Connection) -> str | None:
    """The last published checkpoint, signed, or None in an empty log."""
    found = _NEWEST.fetch(connection)
    return found[0][0] if found else None


def notes_from(connection: Connection, least_size: int) -> list[str]:
    """The checkpoints of this size and larger, by size."""
    return [note for (note,) in _FROM_SIZE.fetch(connection, size=least_size)]


def read_notes(connection: Connection, after: int, until: int) -> list[str]:
    """The checkpoints of sizes larger than `after` and up to `until`, by size."""
    return [note for (note,) in _NOTES.fetch(connection, after=after, until=until)]


def note_at(connection: Connection, at_size: int) -> str | None:
    """The checkpoint published at exactly this size, or None."""
    found = _AT_SIZE.fetch(connection, size=at_size)
    return found[0][0] if found else None


def newest_checkpoint(connection: Connection) -> Checkpoint | None:
    """The last published checkpoint, its signature not checked again, or None in an empty log."""
    note = newest_note(connection)
    return None if note is None else Checkpoint.parse(split_note(note)[0])


def count_checkpoints(connection: Connection) -> int:
    """How many checkpoints were published."""
    return int(connection.execute(select(func.count()).select_from(checkpoints)).scalar_one())
