"""Tokens in the log: what they may do, until when, and that nobody hands out more than they have."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.registry import COMMANDS
from ledger.people.account import AdmitAccount, GiveRoles
from ledger.people.roles import UnknownScope, areas, check_scopes, covers, may_do, may_see, roles
from ledger.people.token import (
    LONGEST,
    OPERATOR,
    EndsTooLate,
    Holding,
    IssueToken,
    NothingGranted,
    NothingKnownAbout,
    NotYoursToGive,
    RevokeToken,
    TokenEnded,
    TokenKnown,
    UnknownIssuedToken,
    find_issued,
    held_by,
)
from ledger.trace.batch import get_batch
from tests.world import ADA, World

TOKEN, ACTOR = "T" * 16, f"token:{'T' * 16}"
SCOPES = sorted(
    [*roles(), *(f"see:{area}" for area in areas()), "see:*"]
    + [f"do:{name}" for name in COMMANDS]
    + [f"do:{name.partition('.')[0]}.*" for name in COMMANDS]
)


def issue(world: World, *scopes: str, days: int = 30, by: str = OPERATOR, about: str | None = None) -> None:
    ends_at = world.clock.now() + timedelta(days=days)
    world.do(IssueToken(token=TOKEN, scopes=scopes, ends_at=ends_at, about=about), by=by)


def held(world: World) -> Holding:
    return world.read(lambda connection: held_by(connection, ACTOR, now=world.clock.now()))


def test_a_token_holds_its_scopes_until_it_ends(world: World) -> None:
    issue(world, "do:batch.produce", "warehouse", days=30)
    assert held(world) == Holding(("warehouse", "do:batch.produce"))
    world.later(days=29)
    assert held(world).scopes
    world.later(days=1)
    assert held(world) == Holding()


def test_a_token_that_was_revoked_holds_nothing_and_stays_so(world: World) -> None:
    issue(world, "auditor")
    world.do(RevokeToken(token=TOKEN, reason="The audit is over."))
    assert held(world) == Holding()
    with pytest.raises(TokenEnded):
        world.do(RevokeToken(token=TOKEN, reason="Twice."))
    with pytest.raises(TokenKnown):
        issue(world, "auditor")
    with pytest.raises(UnknownIssuedToken):
        world.do(RevokeToken(token="U" * 16, reason="Nobody's."))


def test_nobody_hands_out_more_than_they_have(world: World) -> None:
    world.do(AdmitAccount(account=ADA.partition(":")[2], roles=("admin", "warehouse")))
    for scope in ("seller", "do:recall.publish", "do:hold.*", "see:recalls", "see:*", "auditor"):
        with pytest.raises(NotYoursToGive):
            issue(world, "warehouse", scope, by=ADA)
    assert held(world) == Holding()
    world.do(GiveRoles(account=ADA.partition(":")[2], roles=("admin", "seller")))
    issue(world, "auditor", "do:hold.place", by=ADA)
    assert held(world).scopes == ("auditor", "do:hold.place")


def test_a_token_issues_no_token(world: World) -> None:
    issue(world, "admin")
    later = world.clock.now() + timedelta(days=60)
    with pytest.raises(NotYoursToGive):
        world.do(IssueToken(token="U" * 16, scopes=("admin",), ends_at=later), by=ACTOR)


@pytest.mark.parametrize("days", [-1, 0, LONGEST.days + 1])
def test_a_token_ends_and_within_a_year(world: World, days: int) -> None:
    with pytest.raises(EndsTooLate):
        issue(world, "auditor", days=days)


def test_a_token_about_a_subject_names_one_that_was_recorded(world: World) -> None:
    for about in ("recall:" + "X" * 16, "recall", "", "recall:R1\n"):
        with pytest.raises(NothingKnownAbout):
            issue(world, "do:recall.approve", about=about)
    world.lot("SF-1", "4000 m")
    world.batch("B1", lots={"SF-1": "1200 m"})
    about = f"batch:{world.read(lambda connection: get_batch(connection, 'B1')).id}"
    issue(world, "do:hold.place", about=about)
    assert held(world) == Holding(("do:hold.place",), about)


def test_what_grants_nothing_is_no_scope(world: World) -> None:
    for scope in ("janitor", "see:cellar", "do:batch.eat", "do:cake.*", "see:", "do:", "", "do:*", "a b"):
        with pytest.raises(UnknownScope):
            issue(world, "auditor", scope)
    with pytest.raises(NothingGranted):
        issue(world)


def test_the_end_is_kept_in_whole_seconds_of_utc(world: World) -> None:
    issue(world, "auditor", days=1)
    found = world.read(lambda connection: find_issued(connection, TOKEN))
    assert found is not None
    assert found.ends_at.utcoffset() == timedelta(0)
    assert found.ends_at.microsecond == 0


# --- scopes


@given(st.sets(st.sampled_from(SCOPES), max_size=4), st.sampled_from(SCOPES))
def test_who_covers_a_scope_has_all_that_it_grants(held: set[str], scope: str) -> None:
    if covers(held, scope):
        assert all(may_do(held, command) for command in COMMANDS if may_do([scope], command))
        assert all(may_see(held, area) for area in areas() if may_see([scope], area))
    assert covers([*held, scope], scope)


@given(st.lists(st.sampled_from(SCOPES), max_size=6))
def test_scopes_come_once_each_and_in_one_order(words: list[str]) -> None:
    checked = check_scopes(words)
    assert set(checked) == set(words)
    assert check_scopes(reversed(checked)) == checked


def test_see_all_is_not_what_buyers_left() -> None:
    assert not may_see(["see:*"], "persons")
    assert may_see(["see:persons"], "persons")
    assert not covers(["auditor"], "see:persons")
