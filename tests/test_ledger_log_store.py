"""The log's tables: tiles as a slow reference has them, and rows that nobody changes."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from ledger.database import connect, migrate, reading, writing
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import leaf_hash, root
from ledger.log.note import Signer, sign_note
from ledger.log.store import NoSuchTile, read_tile
from ledger.log.tiles import TILE_WIDTH, Edge, Tile, tiles_of

SIZES = (0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537)
LEAVES = [leaf_hash(b"%d" % index) for index in range(max(SIZES))]
SIGNER = Signer.generate("example.com/log", random_bytes=bytes)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = connect(tmp_path / "lotproof.db")
    migrate(made, "lotproof")
    yield made
    made.dispose()


def grow(connection: Connection, edge: Edge, end: int) -> Edge:
    """Append leaves up to `end` as the publisher does; gives the new edge."""
    leaves = LEAVES[edge.size : end]
    store.append_entries(
        connection, edge.size, [(leaf, b"%d" % (edge.size + i)) for i, leaf in enumerate(leaves)]
    )
    grown, full = edge.extend(leaves)
    store.append_tiles(connection, full)
    return grown


def rows_of_tree(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The hashes of every level of tiles, from the definition: level L holds the roots over 256**L leaves."""
    rows = [list(leaves)]
    while len(rows[-1]) >= TILE_WIDTH:
        below = rows[-1]
        whole = range(0, len(below) - TILE_WIDTH + 1, TILE_WIDTH)
        rows.append([root(below[start : start + TILE_WIDTH]) for start in whole])
    return rows


@pytest.mark.slow
def test_every_tile_of_every_size_is_what_the_reference_computes(engine: Engine) -> None:
    edge = Edge.empty()
    for size in SIZES:
        with writing(engine) as connection:
            edge = grow(connection, edge, size)
        rows = rows_of_tree(LEAVES[:size])
        with reading(engine) as connection:
            assert store.size(connection) == size
            assert store.read_edge(connection) == edge
            assert edge.root() == root(LEAVES[:size])
            for tile in tiles_of(size):
                start = tile.number * TILE_WIDTH
                expected = b"".join(rows[tile.level][start : start + tile.width])
                assert read_tile(connection, tile) == expected, tile


def test_a_partial_tile_of_every_width_is_computed(engine: Engine) -> None:
    with writing(engine) as connection:
        grow(connection, Edge.empty(), 600)
        upper = root(LEAVES[:256]) + root(LEAVES[256:512])
        for width in range(1, 257):
            assert read_tile(connection, Tile(0, 1, width)) == b"".join(LEAVES[256 : 256 + width])
        for width in (1, 2):
            assert read_tile(connection, Tile(1, 0, width)) == upper[: 32 * width]


@pytest.mark.parametrize(
    "tile", [Tile(0, 2, 89), Tile(0, 2, 256), Tile(0, 3, 1), Tile(1, 0, 3), Tile(1, 1, 1), Tile(2, 0, 1)]
)
def test_a_tile_that_the_tree_has_not_is_refused(engine: Engine, tile: Tile) -> None:
    with writing(engine) as connection:
        grow(connection, Edge.empty(), 600)
        with pytest.raises(NoSuchTile):
            read_tile(connection, tile)


def test_the_edge_read_from_the_store_is_the_edge_that_appending_gave(engine: Engine) -> None:
    edge = Edge.empty()
    with writing(engine) as connection:
        for size in (1, 2, 3, 100, 255, 256, 257, 258, 600, 1025):
            edge = grow(connection, edge, size)
            assert store.read_edge(connection) == edge
            assert edge.root() == root(LEAVES[:size])


def test_bodies_are_read_in_order_and_in_chunks(engine: Engine) -> None:
    with writing(engine) as connection:
        grow(connection, Edge.empty(), 10)
        assert store.read_body(connection, 3) == b"3"
        assert store.read_body(connection, 10) is None
        assert store.read_bodies(connection, 8, 99) == [b"8", b"9"]
        assert list(store.walk(connection, 1, 8, chunk=3)) == [
            (1, [b"1", b"2", b"3"]),
            (4, [b"4", b"5", b"6"]),
            (7, [b"7"]),
        ]


def test_the_newest_checkpoint_is_the_largest(engine: Engine) -> None:
    with writing(engine) as connection:
        assert store.newest_note(connection) is None
        assert store.newest_checkpoint(connection) is None
        for size in (9, 100, 20):
            point = Checkpoint("example.com/log", size, root(LEAVES[:size]))
            store.append_checkpoint(connection, size, sign_note(point.format(), SIGNER))
        newest = store.newest_checkpoint(connection)
        assert newest == Checkpoint("example.com/log", 100, root(LEAVES[:100]))
        assert store.note_at(connection, 100) == store.newest_note(connection)
        assert store.note_at(connection, 21) is None


def test_an_entry_cannot_be_appended_twice(engine: Engine) -> None:
    with writing(engine) as connection:
        grow(connection, Edge.empty(), 3)
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            store.append_entries(connection, 2, [(LEAVES[2], b"another")])


def test_two_entries_may_have_the_same_leaf(engine: Engine) -> None:
    # Nothing in the format forbids it; a unique index on hashes would make a log that cannot go on.
    with writing(engine) as connection:
        store.append_entries(connection, 0, [(LEAVES[0], b"0"), (LEAVES[0], b"0")])
        assert store.size(connection) == 2


CHANGES = {
    "log_entries": ("leaf", "INSERT OR REPLACE INTO log_entries VALUES (0, x'00', x'00')"),
    "log_tiles": ("root", "INSERT OR REPLACE INTO log_tiles VALUES (0, 0, x'00', x'00')"),
    "log_checkpoints": ("note", "INSERT OR REPLACE INTO log_checkpoints VALUES (256, 'x')"),
}


@pytest.mark.parametrize("table", CHANGES)
def test_rows_of_the_log_are_neither_changed_nor_deleted_nor_replaced(engine: Engine, table: str) -> None:
    with writing(engine) as connection:
        grow(connection, Edge.empty(), 256)
        store.append_checkpoint(connection, 256, "note")
    column, replace = CHANGES[table]
    before = everything(engine)
    for statement in (
        f"UPDATE {table} SET {column} = x'00'",
        f"UPDATE OR REPLACE {table} SET {column} = x'00'",
        f"DELETE FROM {table}",
        replace,
    ):
        with pytest.raises(IntegrityError, match="only ever inserted"), writing(engine) as connection:
            connection.exec_driver_sql(statement)
    assert everything(engine) == before


def test_an_upsert_does_not_get_past_the_triggers(engine: Engine) -> None:
    with writing(engine) as connection:
        grow(connection, Edge.empty(), 1)
    upsert = "INSERT INTO log_entries VALUES (0, x'00', x'00') ON CONFLICT DO UPDATE SET leaf = x'00'"
    with pytest.raises(IntegrityError, match="only ever inserted"), writing(engine) as connection:
        connection.exec_driver_sql(upsert)


def everything(engine: Engine) -> list[list[tuple[object, ...]]]:
    with reading(engine) as connection:
        return [
            [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")] for table in CHANGES
        ]
