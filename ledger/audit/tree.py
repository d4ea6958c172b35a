"""The tree of one range of entries, computed again and compared with the tiles that are stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.audit.finding import Findings
from ledger.audit.rows import StoredTile
from ledger.log.merkle import HASH_BYTES, root
from ledger.log.tiles import TILE_WIDTH, Edge, FullTile


@dataclass(slots=True)
class RangeTree:
    """A perfect subtree of the log's tree, or the beginning of one, as a tree of its own.

    `first_tile` is the number, in the log, of its first tile of level 0. Its root at some size is the last
    part of the log's root at that size, so ranges can be computed apart and joined.
    """

    first_tile: int
    findings: Findings
    edge: Edge = field(default_factory=Edge.empty)
    above: list[FullTile] = field(default_factory=list)  # the full tiles of level 1

    def add(
        self, leaves: Sequence[bytes], cuts: Sequence[int], stored: StoredTile | None
    ) -> list[tuple[int, bytes]]:
        """Append the leaves of one tile of level 0, 256 or at the end fewer.

        Gives (size, root) of this tree at each of `cuts`, sizes within the tile. Where the leaves are others
        than those of the stored tile, the side counts that agrees with the stored root: so one changed row
        is named, and not everything after it.
        """
        before = self.edge
        rights, full = self._extend(leaves, cuts)
        made = next((tile for tile in full if tile.level == 0), None)
        if made is not None and self._has_other_leaves(made, stored):
            assert stored is not None
            self.edge = before
            rights, full = self._extend(_split(stored.hashes), cuts)
        self.above += [tile for tile in full if tile.level == 1]
        return rights

    def compare_above(self, made: FullTile, number: int, level: int, stored: StoredTile | None) -> None:
        """Compare a full tile of an upper level; nothing votes there, every wrong byte is named."""
        if self._is_there(number, level, stored):
            assert stored is not None
            self._compare_hashes(made.hashes, number, level, stored)
            self._compare_root(made.root, number, level, stored)

    def _extend(
        self, leaves: Sequence[bytes], cuts: Sequence[int]
    ) -> tuple[list[tuple[int, bytes]], list[FullTile]]:
        rights: list[tuple[int, bytes]] = []
        full: list[FullTile] = []
        start, done = self.edge.size, 0
        for cut in (*cuts, start + len(leaves)):
            self.edge, filled = self.edge.extend(leaves[done : cut - start])
            full += filled
            done = cut - start
            if len(rights) < len(cuts):
                rights.append((cut, self.edge.root()))
        return rights, full

    def _has_other_leaves(self, made: FullTile, stored: StoredTile | None) -> bool:
        """Whether the stored tile is whole and the leaves are not its own; names what differs."""
        number = self.first_tile + made.number
        if not self._is_there(number, 0, stored):
            return False
        assert stored is not None
        if made.hashes == stored.hashes:
            self._compare_root(made.root, number, 0, stored)
            return False
        if made.root != stored.root and _is_whole(stored):
            self._name_leaves(number, made.hashes, stored.hashes)
            return True
        self._compare_hashes(made.hashes, number, 0, stored)
        self._compare_root(made.root, number, 0, stored)
        return False

    def _is_there(self, number: int, level: int, stored: StoredTile | None) -> bool:
        if stored is None:
            row = f"{level}/{number}"
            self.findings.add("tile_missing", "log_tiles", row, "", "the tile is full and not stored")
        return stored is not None

    def _name_leaves(self, number: int, leaves: bytes, hashes: bytes) -> None:
        for place in _differing(leaves, hashes):
            self.findings.add(
                "leaf_differs",
                "log_entries",
                number * TILE_WIDTH + place,
                "leaf",
                "is another than the one in the stored tile",
                stands=leaves[place * HASH_BYTES : (place + 1) * HASH_BYTES].hex(),
                should=hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES].hex(),
            )

    def _compare_hashes(self, made: bytes, number: int, level: int, stored: StoredTile) -> None:
        if stored.hashes != made:
            places = _differing(made, stored.hashes)
            problem = f"differ from those computed from the entries, first the one at place {places[0]}"
            self.findings.add(
                "tile_differs", "log_tiles", f"{level}/{number}", "hashes", problem, places=places
            )

    def _compare_root(self, made: bytes, number: int, level: int, stored: StoredTile) -> None:
        if stored.root != made:
            self.findings.add(
                "tile_differs",
                "log_tiles",
                f"{level}/{number}",
                "root",
                "differs from the root over the tile's hashes",
                stands=stored.root.hex(),
                should=made.hex(),
            )


def _is_whole(stored: StoredTile) -> bool:
    return len(stored.hashes) == TILE_WIDTH * HASH_BYTES and root(_split(stored.hashes)) == stored.root


def _differing(one: bytes, other: bytes) -> list[int]:
    return [
        place
        for place in range(TILE_WIDTH)
        if one[place * HASH_BYTES : (place + 1) * HASH_BYTES]
        != other[place * HASH_BYTES : (place + 1) * HASH_BYTES]
    ] or [TILE_WIDTH]


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
