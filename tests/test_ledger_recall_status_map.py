"""The status map, against a reference that asks every position for itself."""

import hashlib
import json
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.events import FIRST_MAP_LEAF, FIRST_MAP_ROOT
from ledger.log.canonical import parse
from ledger.recall.recall import public_scopes
from ledger.recall.status_map import status_map
from ledger.trace.positions import Position, Range, joined
from tests.whole_log import assert_whole
from tests.world import World

SETS, UNITS = 4, 8  # the space that the reference walks: c below SETS, i up to UNITS

ranges = st.lists(
    st.tuples(st.integers(0, SETS - 1), st.integers(0, UNITS), st.integers(0, UNITS)), max_size=6
)
scopes = st.dictionaries(st.sampled_from(["AAAA", "BBBB", "CCCC", "DDDD"]), ranges.map(joined), max_size=4)
Scopes = dict[str, tuple[Range, ...]]


def recalls_at(scopes: Scopes, position: Position) -> list[str]:
    """The recalls in which one position stands, from the definition."""
    c, i = position
    return sorted(
        recall
        for recall, own in scopes.items()
        if any(c == of and start <= i < end for of, start, end in own)
    )


def reference(scopes: Scopes) -> list[bytes]:
    """The leaves: walk every position in order, begin a new leaf wherever the answer changes."""
    space = [(c, i) for c in range(SETS) for i in range(UNITS + 1)]
    begun: list[tuple[Position, list[str]]] = [((0, 0), recalls_at(scopes, (0, 0)))]
    for position in space:
        here = recalls_at(scopes, position)
        if here != begun[-1][1]:
            begun.append((position, here))
    ends = [list(start) for start, _ in begun[1:]] + [None]
    return [
        json.dumps({"from": list(start), "recalls": here, "to": end}, separators=(",", ":")).encode()
        for (start, here), end in zip(begun, ends, strict=True)
    ]


def reference_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as written."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    both = reference_root(leaves[:split]) + reference_root(leaves[split:])
    return hashlib.sha256(b"\1" + both).digest()


@given(scopes)
def test_the_map_says_of_every_position_what_the_scopes_say(scopes: Scopes) -> None:
    made = status_map(scopes)
    assert list(made.leaves) == reference(scopes)
    assert made.root == reference_root(reference(scopes))


@given(scopes)
def test_the_leaves_are_a_partition_of_the_whole_space(scopes: Scopes) -> None:
    leaves: list[dict[str, Any]] = [parse(leaf) for leaf in status_map(scopes).leaves]
    assert leaves[0]["from"] == [0, 0]
    assert leaves[-1]["to"] is None
    assert leaves[-1]["recalls"] == []
    for earlier, later in pairwise(leaves):
        assert earlier["to"] == later["from"]
        assert earlier["from"] < earlier["to"]
        assert earlier["recalls"] != later["recalls"]
    for leaf in leaves:
        assert leaf["recalls"] == sorted(set(leaf["recalls"]))


@given(scopes, st.randoms())
def test_the_order_in_which_scopes_are_given_changes_nothing(scopes: Scopes, chance: Random) -> None:
    names = list(scopes)
    chance.shuffle(names)
    shuffled = {name: tuple(reversed(scopes[name])) for name in names}
    assert status_map(shuffled) == status_map(scopes)


@given(scopes, ranges.map(joined))
def test_a_recall_added_and_taken_out_again_leaves_the_map_as_it_was(
    scopes: Scopes, more: tuple[Range, ...]
) -> None:
    assert status_map({**scopes, "ZZZZ": ()}) == status_map(scopes)
    added = status_map({**scopes, "ZZZZ": more})
    assert (added == status_map(scopes)) == (not more)


def test_the_map_without_recalls_is_the_first_maps_leaf() -> None:
    assert status_map({}).leaves == (FIRST_MAP_LEAF,)
    assert status_map({}).root.hex() == FIRST_MAP_ROOT


def test_the_map_of_two_overlapping_recalls_is_these_bytes() -> None:
    made = status_map({"BBBB": ((17, 100, 20_000), (23, 0, 1)), "AAAA": ((17, 0, 200),)})
    assert made.leaves == (
        b'{"from":[0,0],"recalls":[],"to":[17,0]}',
        b'{"from":[17,0],"recalls":["AAAA"],"to":[17,100]}',
        b'{"from":[17,100],"recalls":["AAAA","BBBB"],"to":[17,200]}',
        b'{"from":[17,200],"recalls":["BBBB"],"to":[17,20000]}',
        b'{"from":[17,20000],"recalls":[],"to":[23,0]}',
        b'{"from":[23,0],"recalls":["BBBB"],"to":[23,1]}',
        b'{"from":[23,1],"recalls":[],"to":null}',
    )
    assert made.root == reference_root(list(made.leaves))
    assert made.root.hex() == "5a38937c1b7a6f4954df7f60dab6c81701068f4d49519c32302b4333bb6aa43a"


def test_a_scope_from_the_very_first_position_leaves_no_gap_before_it() -> None:
    assert status_map({"AAAA": ((0, 0, 2),)}).leaves == (
        b'{"from":[0,0],"recalls":["AAAA"],"to":[0,2]}',
        b'{"from":[0,2],"recalls":[],"to":null}',
    )


def test_the_map_that_the_log_states_is_that_of_the_published_scopes(world: World) -> None:
    for code in ("B1", "B2", "B3"):
        world.batch(code, units=3)

    def stated() -> tuple[str, int]:
        entries = assert_whole(world.ledger)
        last = entries[-1].data["map"]
        assert isinstance(last, dict)
        return str(last["root"]), int(str(last["leaves"]))

    def computed() -> tuple[str, int]:
        made = status_map(world.read(public_scopes))
        return made.root.hex(), len(made.leaves)

    world.draft("R0", batches=["B1"]).approve()
    assert stated() == computed() == (FIRST_MAP_ROOT, 1)  # drafts never enter
    first = world.recall("R1", batches=["B1"])
    assert stated() == computed()
    assert stated()[1] > 1
    second = world.recall("R2", batches=["B1", "B2"])
    assert stated() == computed()
    first.widen(batches=["B3"])
    assert stated() == computed()
    first.close()
    assert stated() == computed()
    second.retract()
    first.retract()
    assert stated() == computed() == (FIRST_MAP_ROOT, 1)
