"""Tiles, bundles, the right edge and reading nodes, against the whole tree computed at once."""

import doctest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.log import tiles
from ledger.log.merkle import (
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    range_nodes,
    root,
    verify_consistency,
    verify_inclusion,
)
from ledger.log.tiles import (
    MAX_ENTRY_BYTES,
    Edge,
    FullTile,
    MalformedBundle,
    MalformedPath,
    MalformedTile,
    Tile,
    TileCache,
    TileHashes,
    entries_path,
    format_bundle,
    parse_bundle,
    parse_entries_path,
    parse_path,
    path,
    tiles_of,
)

LEAVES = [leaf_hash(str(index).encode()) for index in range(66_500)]

levels = st.integers(0, 63)
numbers = st.integers(0, 2**56) | st.integers(0, 2000)
widths = st.integers(1, 256)


class Shelf:
    """The tiles of a tree, each computed from all of its leaves, and how often each was read."""

    def __init__(self, size: int) -> None:
        self.reads: Counter[Tile] = Counter()
        self._rows = [LEAVES[:size]]
        while len(self._rows[-1]) >= 256:
            row = self._rows[-1]
            self._rows.append([root(row[i : i + 256]) for i in range(0, len(row) - 255, 256)])

    def read(self, tile: Tile) -> bytes:
        self.reads[tile] += 1
        start = tile.number * 256
        hashes = self._rows[tile.level][start : start + tile.width]
        assert len(hashes) == tile.width
        return b"".join(hashes)


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(tiles) == (0, 3)


@given(levels, numbers, widths)
def test_a_path_names_its_tile(level: int, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert parse_path(path(tile)) == tile


@given(numbers, widths)
def test_a_path_names_its_bundle(number: int, width: int) -> None:
    assert parse_entries_path(entries_path(number, width)) == (number, width)


@given(st.text("0123456789x/.p +-\n", max_size=20))
def test_a_text_is_no_path_or_the_only_one_of_its_tile(text: str) -> None:
    try:
        tile = parse_path(text)
    except MalformedPath:
        return
    assert path(tile) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "000",
        "02",
        "x001/067",
        "0/2",
        "0/02",
        "0/+02",
        "0/ 02",
        " 0/002",
        "0/002 ",
        "0/002\n",
        "0/002\r\n",
        "+0/002",
        "00/002",
        "64/002",
        "-1/002",
        "0/x000/002",
        "0/x1/002",
        "0/1/002",
        "0/001/002",
        "0/x001",
        "0/x001/x002",
        "0/x001/002/",
        "0//002",
        "0/002.p/0",
        "0/002.p/05",
        "0/002.p/256",
        "0/002.p/257",
        "0/002.p/",
        "0/002.p/5/",
        "0/002.p",
        "0/٠٠٢",
        "٠/002",
        "0/xxx",
    ],
)
def test_every_other_spelling_of_a_path_is_refused(text: str) -> None:
    with pytest.raises(MalformedPath):
        parse_path(text)
    with pytest.raises(MalformedPath):
        parse_entries_path(text.removeprefix("0/") if text not in ("000", "x001/067") else text + ".p/0")


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_gives_back_its_entries(entries: list[bytes]) -> None:
    assert parse_bundle(format_bundle(entries), len(entries)) == entries


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=8), st.integers(1, 10))
def test_a_bundle_with_bytes_missing_or_left_over_is_refused(entries: list[bytes], count: int) -> None:
    data = format_bundle(entries)
    for broken in (data[:-1], data + b"\0"):
        with pytest.raises(MalformedBundle):
            parse_bundle(broken, len(entries))
    if count != len(entries):
        with pytest.raises(MalformedBundle):
            parse_bundle(data, count)


def test_an_entry_of_two_to_the_sixteen_bytes_fits_no_bundle() -> None:
    longest = bytes(MAX_ENTRY_BYTES)
    assert parse_bundle(format_bundle([longest]), 1) == [longest]
    with pytest.raises(ValueError, match="65536 bytes"):
        format_bundle([longest + b"\0"])


def test_a_tree_needs_each_full_tile_and_the_partial_one_of_every_level() -> None:
    assert list(tiles_of(0)) == []
    assert list(tiles_of(255)) == [Tile(0, 0, 255)]
    assert list(tiles_of(256)) == [Tile(0, 0, 256), Tile(1, 0, 1)]
    assert list(tiles_of(600)) == [Tile(0, 0, 256), Tile(0, 1, 256), Tile(0, 2, 88), Tile(1, 0, 2)]
    assert list(tiles_of(65_536))[-2:] == [Tile(1, 0, 256), Tile(2, 0, 1)]


def test_an_edge_that_grows_leaf_by_leaf_has_the_root_of_every_tree_and_equals_the_one_read_from_tiles() -> (
    None
):
    edge, filled = Edge.empty(), list[FullTile]()
    for size in range(601):
        assert edge.root() == root(LEAVES[:size])
        assert edge == Edge.from_tiles(size, Shelf(size).read)
        edge, full = edge.extend([LEAVES[size]])
        filled += full
    assert [(tile.level, tile.number) for tile in filled] == [(0, 0), (0, 1)]


near = st.integers(65_500, 65_600) | st.sampled_from([65_535, 65_536, 65_537])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 66_000), max_size=4), near)
def test_the_edge_is_the_same_however_the_leaves_are_grouped(cuts: list[int], size: int) -> None:
    edge, filled = Edge.empty(), list[FullTile]()
    borders = sorted({0, size, *(cut for cut in cuts if cut < size)})
    for start, end in pairwise(borders):
        edge, full = edge.extend(LEAVES[start:end])
        filled += full
    shelf = Shelf(size)
    assert edge == Edge.from_tiles(size, shelf.read)
    assert edge.root() == root(LEAVES[:size])
    expected = [tile for tile in tiles_of(size) if tile.width == 256]
    assert sorted((tile.level, tile.number) for tile in filled) == [(t.level, t.number) for t in expected]
    for tile in filled:
        assert tile.hashes == shelf.read(Tile(tile.level, tile.number, 256))
        assert tile.root == root([tile.hashes[i : i + 32] for i in range(0, 8192, 32)])


@given(st.integers(0, 600), st.integers(0, 600), st.integers(0, 600))
def test_dropping_what_extend_gave_is_undoing_it(size: int, dropped: int, added: int) -> None:
    edge, _ = Edge.empty().extend(LEAVES[:size])
    before = Edge(edge.size, edge.peaks, edge.partials)
    edge.extend(LEAVES[5_000 : 5_000 + dropped])
    assert edge == before
    assert edge.extend(LEAVES[size : size + added])[0].root() == root(LEAVES[: size + added])


def test_appending_nothing_changes_nothing() -> None:
    edge, _ = Edge.empty().extend(LEAVES[:300])
    assert edge.extend([]) == (edge, [])


def test_a_tile_of_another_length_is_refused() -> None:
    with pytest.raises(MalformedTile):
        Edge.from_tiles(5, lambda tile: bytes(tile.width * 32 - 1))
    with pytest.raises(MalformedTile):
        TileHashes(lambda tile: bytes(tile.width * 32 + 32), 5)([(0, 0)])


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
def test_every_node_of_a_tree_is_read_from_its_tiles(size: int) -> None:
    read = TileHashes(Shelf(size).read, size)
    for level in range(size.bit_length()):
        nodes = [(level, index) for index in range(size >> level)]
        expected = [root(LEAVES[i << level : (i + 1) << level]) for _, i in nodes]
        assert read(nodes) == expected


def test_a_shared_cache_serves_trees_of_different_sizes() -> None:
    cache = TileCache()
    for size in (500, 257, 600, 512):
        read = TileHashes(Shelf(size).read, size, cache)
        for index in range(0, size, 17):
            proof = prove_inclusion(index, size, read)
            verify_inclusion(LEAVES[index], index, size, proof, root(LEAVES[:size]))


@pytest.mark.parametrize("node", [(0, 600), (0, -1), (9, 1), (10, 0), (3, 75)])
def test_a_node_that_the_tree_does_not_have_whole_is_not_read(node: tuple[int, int]) -> None:
    with pytest.raises(IndexError):
        TileHashes(Shelf(600).read, 600)([node])


SHELVES = {size: Shelf(size) for size in (65_535, 65_536, 65_537, 66_000)}
ROOTS = {size: root(LEAVES[:size]) for size in SHELVES}


@settings(deadline=None)
@given(st.sampled_from(sorted(SHELVES)), st.data())
def test_proofs_from_tiles_verify_in_a_tree_of_three_levels_of_tiles(size: int, data: st.DataObject) -> None:
    read = TileHashes(SHELVES[size].read, size)
    index = data.draw(st.integers(0, size - 1))
    verify_inclusion(LEAVES[index], index, size, prove_inclusion(index, size, read), ROOTS[size])
    old = data.draw(st.sampled_from([known for known in SHELVES if known <= size]))
    proof = prove_consistency(old, size, read)
    verify_consistency(old, ROOTS[old], size, ROOTS[size], proof)


def test_a_shared_cache_reads_a_full_tile_once_and_a_partial_one_once_a_reader() -> None:
    shelf, cache = Shelf(600), TileCache(tiles=4)
    for _ in range(3):
        read = TileHashes(shelf.read, 600, cache)
        assert read(range_nodes(100, 600)) == read(range_nodes(100, 600))
    assert shelf.reads == {Tile(0, 0, 256): 1, Tile(1, 0, 2): 3, Tile(0, 2, 88): 3}


def test_a_cache_forgets_the_tile_not_asked_for_longest() -> None:
    shelf, cache = Shelf(1024), TileCache(tiles=2)
    read = TileHashes(shelf.read, 1024, cache)
    for number in (0, 1, 0, 2, 0, 1):
        read([(0, number * 256)])
    assert [shelf.reads[Tile(0, number, 256)] for number in range(3)] == [1, 2, 1]


def test_threads_that_share_a_cache_read_the_same_hashes() -> None:
    read = TileHashes(SHELVES[66_000].read, 66_000, TileCache(tiles=3))

    def check(index: int) -> None:
        verify_inclusion(LEAVES[index], index, 66_000, prove_inclusion(index, 66_000, read), ROOTS[66_000])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(check, range(0, 66_000, 331))) == [None] * 200
