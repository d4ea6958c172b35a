"""Tiles: the tree cut into files of 256 hashes, and what is computed from them (C2SP tlog-tiles).

A tile of level 0 holds 256 leaf hashes; a tile of level L the roots of 256 tiles of level L - 1. A full tile
is 8,192 bytes and never changes; the last tile of each level may be partial, which its path says:

    >>> path(Tile(level=0, number=1234067, width=5))
    '0/x001/x234/067.p/5'
    >>> parse_path('1/000') == Tile(level=1, number=0, width=256)
    True
    >>> list(tiles_of(257)) == [Tile(0, 0, 256), Tile(0, 1, 1), Tile(1, 0, 1)]
    True

Entries are served in bundles, cut like the tiles of level 0, each entry behind its length in two bytes.

`Edge` is the right edge of the tree as a value: what appending needs. `TileHashes` reads any node of the tree
from its tiles: what proofs need.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from ledger.log.merkle import EMPTY_ROOT, HASH_BYTES, Node, fold

TILE_WIDTH = 256
TILE_HEIGHT = 8  # levels of the tree within a tile: 2**8 == 256
TILE_BYTES = TILE_WIDTH * HASH_BYTES
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 65_535  # what two bytes of length can say

_PATH = re.compile(r"([0-9]{1,2})/([0-9x/]{1,33})(?:\.p/([0-9]{1,3}))?", re.ASCII)
_ENTRIES_PATH = re.compile(r"([0-9x/]{1,33})(?:\.p/([0-9]{1,3}))?", re.ASCII)


class MalformedPath(ValueError):
    """The text is not the one path of a tile or of a bundle."""


class MalformedBundle(ValueError):
    """The bytes are not that many entries, each behind its length."""


class MalformedTile(ValueError):
    """A tile was read that has not the bytes its width demands."""


@dataclass(frozen=True, slots=True)
class Tile:
    """The `number`-th tile of `level`, as wide as it was at some size of the log: 1 to 256 hashes."""

    level: int
    number: int
    width: int


ReadTile = Callable[[Tile], bytes]
"""Gives the hashes of a tile, width * 32 bytes."""


def path(tile: Tile) -> str:
    """Where `tile` is served, below `tile/`."""
    return f"{tile.level}/{entries_path(tile.number, tile.width)}"


def parse_path(text: str) -> Tile:
    """The tile that is served at `text`; raises MalformedPath unless `path` gives back exactly that."""
    match = _PATH.fullmatch(text)
    if not match:
        raise MalformedPath(text)
    tile = Tile(int(match[1]), _parse_number(match[2]), int(match[3] or TILE_WIDTH))
    if tile.level > MAX_LEVEL or not 1 <= tile.width <= TILE_WIDTH or path(tile) != text:
        raise MalformedPath(text)
    return tile


def entries_path(number: int, width: int) -> str:
    """Where the `number`-th bundle of entries is served, below `tile/entries/`."""
    thousands, rest = divmod(number, 1000)
    text = f"{rest:03}"
    while thousands:
        thousands, rest = divmod(thousands, 1000)
        text = f"x{rest:03}/{text}"
    return text if width == TILE_WIDTH else f"{text}.p/{width}"


def parse_entries_path(text: str) -> tuple[int, int]:
    """(number, width) of the bundle served at `text`; raises MalformedPath for all but its one spelling."""
    match = _ENTRIES_PATH.fullmatch(text)
    if not match:
        raise MalformedPath(text)
    number, width = _parse_number(match[1]), int(match[2] or TILE_WIDTH)
    if not 1 <= width <= TILE_WIDTH or entries_path(number, width) != text:
        raise MalformedPath(text)
    return number, width


def _parse_number(text: str) -> int:
    # Only the digits count: that x and / stand where they must, the caller sees by writing it again.
    digits = text.replace("x", "").replace("/", "")
    if not digits:
        raise MalformedPath(text)
    return int(digits)


def tiles_of(size: int) -> Iterator[Tile]:
    """All tiles of the tree of `size` entries: level by level the full ones, then the partial one."""
    level = 0
    while size:
        full, width = divmod(size, TILE_WIDTH)
        for number in range(full):
            yield Tile(level, number, TILE_WIDTH)
        if width:
            yield Tile(level, full, width)
        level, size = level + 1, full


def format_bundle(entries: Iterable[bytes]) -> bytes:
    """The bytes of a bundle; raises ValueError for an entry of more than 65,535 bytes."""
    pieces: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError(f"an entry has {len(entry)} bytes; at most {MAX_ENTRY_BYTES} can be served")
        pieces += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(pieces)


def parse_bundle(data: bytes, count: int) -> list[bytes]:
    """The `count` entries of a bundle; raises MalformedBundle where bytes are missing or left over."""
    entries: list[bytes] = []
    position, end = 0, len(data)
    for _ in range(count):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        if start > end or position > end:
            raise MalformedBundle(f"{end} bytes end within entry {len(entries)} of {count}")
        entries.append(data[start:position])
    if position != end:
        raise MalformedBundle(f"{end - position} bytes are left over after {count} entries")
    return entries


@dataclass(frozen=True, slots=True)
class FullTile:
    """A tile that has become full: its 8,192 bytes and the root over them, which the level above holds."""

    level: int
    number: int
    root: bytes
    hashes: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree: all that appending to it needs, as a value that never changes.

    `peaks` are the roots of the perfect subtrees that make up the tree, left to right: one for each 1 among
    the binary digits of `size`. `partials` are the bytes of the partial tile of each level, lowest first,
    empty where the level ends with a full one: one for each digit of `size` in base 256.
    """

    size: int
    peaks: tuple[bytes, ...]
    partials: tuple[bytes, ...]

    @classmethod
    def empty(cls) -> "Edge":
        return cls(0, (), ())

    @classmethod
    def from_tiles(cls, size: int, read_tile: ReadTile) -> "Edge":
        """The edge of the tree of `size` entries, from the partial tile of each level, read once each.

        Raises MalformedTile where `read_tile` gives bytes of another length.
        """
        peaks: list[bytes] = []
        partials: list[bytes] = []
        level, count = 0, size
        while count:
            number, width = divmod(count, TILE_WIDTH)
            partial = _read_whole(read_tile, Tile(level, number, width)) if width else b""
            own: list[bytes] = []
            _push_all(own, 0, _split(partial))
            peaks = own + peaks
            partials.append(partial)
            level, count = level + 1, number
        return cls(size, tuple(peaks), tuple(partials))

    def root(self) -> bytes:
        """The root of the tree; a hash for each peak after the first."""
        return fold(self.peaks) if self.peaks else EMPTY_ROOT

    def extend(self, leaves: Sequence[bytes]) -> tuple["Edge", list[FullTile]]:
        """The edge after `leaves` (hashes of 32 bytes) are appended, and the tiles that they filled.

        The tiles come level by level, in the order of their numbers. About one hash a leaf.
        """
        partials = list(self.partials)
        peaks = list(self.peaks)
        full: list[FullTile] = []
        upper: list[bytes] = []
        level, count, hashes = 0, self.size, leaves
        while hashes:
            number, width = divmod(count, TILE_WIDTH)
            own = _take_last(peaks, width.bit_count())
            partial = partials[level] if level < len(partials) else b""
            tiles, rest = _fill(level, number, partial, own, hashes)
            partials[level : level + 1] = [rest]
            upper = own + upper
            full += tiles
            level, count, hashes = level + 1, number, [tile.root for tile in tiles]
        return Edge(self.size + len(leaves), tuple(peaks + upper), tuple(partials)), full


def _fill(
    level: int, number: int, partial: bytes, peaks: list[bytes], hashes: Sequence[bytes]
) -> tuple[list[FullTile], bytes]:
    """Append `hashes` to one level: the tiles that became full, and the bytes of the partial one left.

    `partial` are the bytes and `peaks` the peaks of the partial tile `number`; `peaks` becomes those of the
    one left.
    """
    tiles: list[FullTile] = []
    width = len(partial) // HASH_BYTES
    start, room = 0, TILE_WIDTH - width
    while len(hashes) - start >= room:
        chunk = hashes[start : start + room]
        if width:
            _push_all(peaks, width, chunk)
            root = peaks.pop()
        else:
            root = _perfect_root(chunk)
        tiles.append(FullTile(level, number + len(tiles), root, partial + b"".join(chunk)))
        start, room, width, partial = start + room, TILE_WIDTH, 0, b""
    chunk = hashes[start:]
    _push_all(peaks, width, chunk)
    return tiles, partial + b"".join(chunk)


def _push_all(peaks: list[bytes], count: int, hashes: Iterable[bytes]) -> None:
    """Append `hashes` to a tree of `count` hashes with these `peaks`: like carrying in binary addition."""
    hash_function = sha256
    for carried in hashes:
        remaining = count
        while remaining & 1:
            carried = hash_function(b"\x01" + peaks.pop() + carried).digest()
            remaining >>= 1
        peaks.append(carried)
        count += 1


def _perfect_root(row: Sequence[bytes]) -> bytes:
    """The root over 256 hashes, row by row: half the time of pushing them one by one."""
    while len(row) > 1:
        row = _row_above(row)
    return row[0]


def _row_above(row: Sequence[bytes]) -> list[bytes]:
    hash_function = sha256
    pairs = zip(row[::2], row[1::2], strict=False)
    return [hash_function(b"\x01" + left + right).digest() for left, right in pairs]


def _take_last(items: list[bytes], count: int) -> list[bytes]:
    border = len(items) - count
    taken = items[border:]
    del items[border:]
    return taken


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]


def _read_whole(read_tile: ReadTile, tile: Tile) -> bytes:
    hashes = read_tile(tile)
    if len(hashes) != tile.width * HASH_BYTES:
        raise MalformedTile(f"tile {path(tile)} has {len(hashes)} bytes, not {tile.width * HASH_BYTES}")
    return hashes


Rows = tuple[bytes, ...]
"""The hashes of a tile, then the row of nodes above them, and so on, as far up as was asked for."""


class TileCache:
    """The full tiles read last, with the nodes within them; safe to share between threads and sizes.

    A full tile never changes, so nothing is ever stale. At most 16 KB a tile.
    """

    def __init__(self, tiles: int = 512) -> None:
        self._limit = tiles
        self._rows: OrderedDict[tuple[int, int], Rows] = OrderedDict()
        self._lock = Lock()

    def get(self, tile: Tile) -> Rows:
        """The rows known of `tile`; none if it is unknown."""
        key = (tile.level, tile.number)
        with self._lock:
            rows = self._rows.get(key, ())
            if rows:
                self._rows.move_to_end(key)
        return rows

    def put(self, tile: Tile, rows: Rows) -> None:
        """Keep `rows`, unless more is known already, and forget the tile not asked for longest."""
        key = (tile.level, tile.number)
        with self._lock:
            if len(rows) > len(self._rows.get(key, ())):
                self._rows[key] = rows
            self._rows.move_to_end(key)
            if len(self._rows) > self._limit:
                self._rows.popitem(last=False)


class TileHashes:
    """Reads nodes of the tree of `size` entries from its tiles: a `ReadHashes` for proofs.

    It reads a tile at most once a call, no full one that `cache` holds, and a partial one only once: at this
    size it never changes. Safe to share between threads if `read_tile` is.
    """

    def __init__(self, read_tile: ReadTile, size: int, cache: TileCache | None = None) -> None:
        self._read_tile = read_tile
        self._size = size
        self._cache = TileCache(tiles=16) if cache is None else cache
        self._partials: dict[int, Rows] = {}

    def __call__(self, nodes: Sequence[Node]) -> list[bytes]:
        """The hash of each of `nodes`; IndexError for one that the tree does not have whole."""
        heights: dict[tuple[int, int], int] = {}
        places = [self._place(level, index) for level, index in nodes]
        for tile_level, number, height, _ in places:
            heights[tile_level, number] = max(height, heights.get((tile_level, number), 0))
        rows = {key: self._rows(*key, height) for key, height in heights.items()}
        return [
            rows[tile_level, number][height][offset : offset + HASH_BYTES]
            for tile_level, number, height, offset in places
        ]

    def _place(self, level: int, index: int) -> tuple[int, int, int, int]:
        """Where a node stands: level and number of its tile, row within the tile, first byte in the row."""
        if index < 0 or (index + 1) << level > self._size:
            raise IndexError(f"the tree of {self._size} entries has no node {index} on level {level}")
        tile_level, height = divmod(level, TILE_HEIGHT)
        number, column = divmod(index, TILE_WIDTH >> height)
        return tile_level, number, height, column * HASH_BYTES

    def _rows(self, level: int, number: int, height: int) -> Rows:
        """The rows of a tile up to `height` above its hashes."""
        available = (self._size >> TILE_HEIGHT * level) - number * TILE_WIDTH
        tile = Tile(level, number, min(available, TILE_WIDTH))
        is_full = tile.width == TILE_WIDTH
        rows = self._cache.get(tile) if is_full else self._partials.get(level, ())
        if len(rows) <= height:
            rows = _raised(rows or (_read_whole(self._read_tile, tile),), height)
            if is_full:
                self._cache.put(tile, rows)
            else:
                self._partials[level] = rows
        return rows


def _raised(rows: Rows, height: int) -> Rows:
    """`rows` with the rows above them, up to `height`."""
    raised = list(rows)
    row = _split(rows[-1])
    while len(raised) <= height:
        row = _row_above(row)
        raised.append(b"".join(row))
    return tuple(raised)
