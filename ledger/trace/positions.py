"""Positions of units and ranges of them: the language of holds, shipments and recalls.

A unit's position is (c, i): c the log index that commissioned its set, i its place in the set's list. Every
batch owns (b, 0), b the index of its `batch.produced/1`. Ranges are half-open: (c, start, end).

A scope is a sorted, disjoint list of ranges, neighbours joined. Its file is canonical JSON:

    {"ranges":[[17,0,20000],[42,120,180]],"v":1}
"""

from collections.abc import Iterable, Sequence

from ledger.log.canonical import JSON, encode, parse

Position = tuple[int, int]
Range = tuple[int, int, int]  # (c, start, end), half-open


class BadScope(ValueError):
    """Bytes that are no canonical scope; the reason says why."""


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same positions as a scope: sorted, disjoint, neighbours joined, empty ranges gone."""
    result: list[Range] = []
    for c, start, end in sorted(ranges):
        if start >= end:
            continue
        if result and result[-1][0] == c and start <= result[-1][2]:
            result[-1] = (c, result[-1][1], max(end, result[-1][2]))
        else:
            result.append((c, start, end))
    return tuple(result)


def count(ranges: Iterable[Range]) -> int:
    """How many positions a scope holds."""
    return sum(end - start for _, start, end in ranges)


def covers(outer: Sequence[Range], inner: Iterable[Range]) -> bool:
    """Whether every position of `inner` stands in `outer` (a scope)."""
    return joined([*outer, *inner]) == tuple(outer)


def overlapping(first: Iterable[Range], second: Iterable[Range]) -> tuple[Range, ...]:
    """The positions that stand in both."""
    others: dict[int, list[Range]] = {}
    for one in second:
        others.setdefault(one[0], []).append(one)
    return joined(
        (c, max(start, other_start), min(end, other_end))
        for c, start, end in first
        for _, other_start, other_end in others.get(c, ())
    )


def format_scope(ranges: Sequence[Range]) -> bytes:
    """The canonical file of a scope."""
    return encode({"ranges": [list(one) for one in ranges], "v": 1})


def parse_scope(content: bytes) -> tuple[Range, ...]:
    """The scope that `content` is. Raises BadScope, or NotCanonical."""
    value = parse(content)
    if value.keys() != {"ranges", "v"} or value["v"] != 1 or value["v"] is True:
        raise BadScope("not a scope of version 1")
    if not isinstance(value["ranges"], list):
        raise BadScope("its ranges are no list")
    ranges = tuple(_range(one) for one in value["ranges"])
    if joined(ranges) != ranges:
        raise BadScope("ranges are not sorted, disjoint and joined")
    return ranges


def _range(value: JSON) -> Range:
    match value:
        case [int(c), int(start), int(end)] if min(c, start, end) >= 0 and bool not in map(type, value):
            return c, start, end
    raise BadScope(f"not a range: {value!r}")
