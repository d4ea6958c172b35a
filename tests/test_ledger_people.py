"""Accounts in the log: let in, given roles, ended; and roles as data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.journal import NothingRecorded
from ledger.journal.registry import COMMANDS
from ledger.people.account import (
    AccountEnded,
    AdmitAccount,
    EndAccount,
    GiveRoles,
    LastManager,
    UnknownStaff,
    find_staff,
    list_staff,
    roles_of,
)
from ledger.people.roles import NotAllowed, UnknownRole, check_roles, demand, may_do, may_see, roles
from tests.world import World

ADA, BEN = "A" * 16, "B" * 16


def held(world: World, account: str) -> tuple[str, ...]:
    return world.read(lambda connection: roles_of(connection, f"account:{account}"))


def test_who_is_let_in_has_the_roles_given_and_no_others(world: World) -> None:
    world.do(AdmitAccount(account=ADA, roles=("support", "admin")))
    assert held(world, ADA) == ("support", "admin")
    world.do(GiveRoles(account=ADA, roles=("admin", "warehouse", "admin")))
    assert held(world, ADA) == ("warehouse", "admin")
    assert held(world, BEN) == ()
    assert world.read(lambda connection: roles_of(connection, "system:worker")) == ()


def test_the_same_again_records_nothing(world: World) -> None:
    world.do(AdmitAccount(account=ADA, roles=("admin",)))
    for again in (AdmitAccount(account=ADA, roles=("seller",)), GiveRoles(account=ADA, roles=("admin",))):
        with pytest.raises(NothingRecorded):
            world.do(again)
    assert held(world, ADA) == ("admin",)


def test_an_account_that_ended_stays_ended(world: World) -> None:
    for account in (ADA, BEN):
        world.do(AdmitAccount(account=account, roles=("admin",)))
    world.do(EndAccount(account=BEN, reason="They left."))
    assert held(world, BEN) == ()
    for again in (
        AdmitAccount(account=BEN, roles=("admin",)),
        GiveRoles(account=BEN, roles=("admin",)),
        EndAccount(account=BEN, reason="Twice."),
    ):
        with pytest.raises(AccountEnded):
            world.do(again)
    found = world.read(lambda connection: find_staff(connection, BEN))
    assert found is not None
    assert found.ended_at is not None


def test_somebody_always_keeps_the_accounts(world: World) -> None:
    world.do(AdmitAccount(account=ADA, roles=("admin", "seller")))
    world.do(AdmitAccount(account=BEN, roles=("seller",)))
    for last in (GiveRoles(account=ADA, roles=("seller",)), EndAccount(account=ADA, reason="They left.")):
        with pytest.raises(LastManager):
            world.do(last)
    world.do(GiveRoles(account=BEN, roles=("admin",)))
    world.do(EndAccount(account=ADA, reason="They left."))
    assert [one.id for one in world.read(list_staff) if one.ended_at is None] == [BEN]


def test_who_is_unknown_is_refused(world: World) -> None:
    with pytest.raises(UnknownStaff):
        world.do(GiveRoles(account=ADA, roles=("admin",)))
    with pytest.raises(UnknownRole, match="janitor"):
        world.do(AdmitAccount(account=ADA, roles=("janitor",)))


# --- roles


@given(st.sets(st.sampled_from(sorted(roles()))), st.sampled_from(sorted(COMMANDS)))
def test_roles_add_up_and_never_forbid(some: set[str], command: str) -> None:
    assert may_do(some, command) == any(may_do([one], command) for one in some)
    if may_do(some, command):
        assert may_do([*some, "auditor"], command)
        demand(some, command)
    else:
        with pytest.raises(NotAllowed):
            demand(some, command)


def test_an_auditor_does_nothing_and_a_role_that_is_no_more_allows_nothing() -> None:
    assert not any(may_do(["auditor"], command) for command in COMMANDS)
    assert not may_do(["janitor"], "batch.produce")
    assert not may_see(["janitor"], "batches")


def test_what_buyers_left_is_only_for_those_who_are_named_for_it() -> None:
    assert {name for name in roles() if may_see([name], "persons")} == {"coordinator", "support", "admin"}


def test_the_keys_of_the_log_are_for_whoever_has_the_machine() -> None:
    noun = {name: name.partition(".")[0] for name in COMMANDS}
    own = [name for name in COMMANDS if noun[name] in ("log", "master_key") and name != "log.correct_clock"]
    assert own
    assert not [name for name in own if may_do(roles(), name)]


def test_names_of_roles_come_once_each_in_the_order_of_the_data() -> None:
    assert check_roles(["admin", "warehouse", "admin"]) == ("warehouse", "admin")
