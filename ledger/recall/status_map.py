"""The status map: which recalls every position of the whole space stands in, as one Merkle root.

A pure function of published scopes. Positions are ordered as pairs (c, i). The leaves are canonical JSON,
half-open, the first from [0,0], the last to null: a partition without gaps, equal neighbours joined:

    {"from":[0,0],"recalls":[],"to":[17,0]}
    {"from":[17,0],"recalls":["K7Q2M9TXC2WHE3AB"],"to":[17,20000]}
    {"from":[17,20000],"recalls":[],"to":null}

The root over their bytes (RFC 6962) stands in `status.stated/1`, the last entry of every published checkpoint:
so "in no recall published as of T" can be proven complete.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ledger.log.canonical import encode
from ledger.log.merkle import leaf_hash, root
from ledger.trace.positions import Position, Range


@dataclass(frozen=True, slots=True)
class StatusMap:
    """The map's leaves, in order, as the bytes that are hashed."""

    leaves: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        return root([leaf_hash(leaf) for leaf in self.leaves])


def status_map(scopes: Mapping[str, Iterable[Range]]) -> StatusMap:
    """The map of published scopes by recall id. O(n log n) in ranges; recalls may overlap."""
    starts: dict[Position, list[str]] = {}
    ends: dict[Position, list[str]] = {}
    for recall, ranges in scopes.items():
        for c, start, end in ranges:
            starts.setdefault((c, start), []).append(recall)
            ends.setdefault((c, end), []).append(recall)
    return StatusMap(_partition(starts, ends))


def _partition(starts: Mapping[Position, list[str]], ends: Mapping[Position, list[str]]) -> tuple[bytes, ...]:
    """Sweep over the borders; a leaf ends where the set of recalls changes."""
    leaves: list[bytes] = []
    standing: set[str] = set()
    begun: Position = (0, 0)
    for border in sorted(starts.keys() | ends.keys()):
        following = (standing - set(ends.get(border, ()))) | set(starts.get(border, ()))
        if following != standing:
            if border != begun:
                leaves.append(_leaf(begun, sorted(standing), border))
            standing, begun = following, border
    leaves.append(_leaf(begun, sorted(standing), None))
    return tuple(leaves)


def _leaf(start: Position, recalls: Sequence[str], end: Position | None) -> bytes:
    return encode({"from": list(start), "recalls": list(recalls), "to": None if end is None else list(end)})
