"""Positions and ranges, against plain sets of positions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log.canonical import NotCanonical, encode
from ledger.trace.positions import (
    BadScope,
    Position,
    Range,
    count,
    covers,
    format_scope,
    joined,
    overlapping,
    parse_scope,
)

ranges = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)), max_size=8)


def positions(some: list[Range] | tuple[Range, ...]) -> set[Position]:
    return {(c, i) for c, start, end in some for i in range(start, end)}


@given(ranges)
def test_joined_ranges_hold_the_same_positions_in_the_fewest_ranges(some: list[Range]) -> None:
    scope = joined(some)
    assert positions(scope) == positions(some)
    assert all(start < end for _, start, end in scope)
    runs = sum((c, i - 1) not in positions(some) for c, i in positions(some))
    assert len(scope) == runs
    assert list(scope) == sorted(scope)
    assert joined(scope) == scope
    assert joined(reversed(scope)) == scope


@given(ranges)
def test_a_scope_counts_each_position_once(some: list[Range]) -> None:
    assert count(joined(some)) == len(positions(some))


@given(ranges, ranges)
def test_a_scope_covers_what_is_a_subset_of_it(outer: list[Range], inner: list[Range]) -> None:
    assert covers(joined(outer), inner) == (positions(inner) <= positions(outer))


@given(ranges, ranges)
def test_what_overlaps_is_the_intersection(first: list[Range], second: list[Range]) -> None:
    both = overlapping(first, second)
    assert positions(both) == positions(first) & positions(second)
    assert joined(both) == both
    assert overlapping(second, first) == both


@given(ranges)
def test_a_scopes_file_gives_the_scope_back(some: list[Range]) -> None:
    scope = joined(some)
    assert parse_scope(format_scope(scope)) == scope
    assert format_scope(parse_scope(format_scope(scope))) == format_scope(scope)


def test_the_file_of_a_scope_is_these_bytes() -> None:
    scope = ((17, 0, 20_000), (42, 120, 180))
    assert format_scope(scope) == b'{"ranges":[[17,0,20000],[42,120,180]],"v":1}'


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b'{"ranges":[]}',
        b'{"ranges":[],"v":2}',
        b'{"ranges":{},"v":1}',
        b'{"ranges":[],"u":1,"v":1}',
        b'{"ranges":[[1,0]],"v":1}',
        b'{"ranges":[[1,0,1,2]],"v":1}',
        b'{"ranges":[1],"v":1}',
        b'{"ranges":[[1,0,"2"]],"v":1}',
        b'{"ranges":[[1,false,2]],"v":1}',
        b'{"ranges":[[-1,0,2]],"v":1}',
        b'{"ranges":[[1,-2,2]],"v":1}',
        b'{"ranges":[[1,2,2]],"v":1}',
        b'{"ranges":[[1,3,2]],"v":1}',
        b'{"ranges":[[2,0,1],[1,0,1]],"v":1}',
        b'{"ranges":[[1,0,2],[1,2,3]],"v":1}',
        b'{"ranges":[[1,0,3],[1,2,4]],"v":1}',
        b'{"ranges":[[1,0,2],[1,0,2]],"v":1}',
    ],
)
def test_bytes_that_are_no_scope_are_refused(content: bytes) -> None:
    with pytest.raises(BadScope):
        parse_scope(content)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"v":1,"ranges":[]}', b'{"ranges": [],"v":1}'])
def test_a_scope_in_other_bytes_is_refused(content: bytes) -> None:
    with pytest.raises(NotCanonical):
        parse_scope(content)


def test_version_true_is_not_version_one() -> None:
    with pytest.raises(BadScope):
        parse_scope(encode({"ranges": [], "v": True}))
