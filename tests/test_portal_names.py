"""portal.names: names of staff lie in the vault, and nowhere else."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from ledger.database import writing
from ledger.journal.journal import By
from ledger.people.account import UnknownStaff, name_items
from ledger.recall.erasing import carry_out_erasure, keep_to_retention, vault_problems
from ledger.recall.errors import AccountStands
from ledger.recall.holding import holding_on
from ledger.recall.person import ErasePerson
from ledger.recall.retention import default_rules
from portal.accounts import NameTaken, account_named, accounts, accounts_table, add_account, forget_name
from portal.names import Names
from portal.staff import end, give_name, let_in, move_names
from tests.staff import PASSWORD, Desk
from tests.world import World

OPERATOR = By("system:operator")


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    desk = Desk.of(world)
    desk.account("Ada")
    desk.account("Wim Beispiel", "warehouse")
    yield desk
    desk.state.dispose()


def test_neither_log_nor_state_holds_a_name(desk: Desk) -> None:
    bodies = b"".join(desk.world.bodies())
    assert b"account.named/1" in bodies
    with desk.state.connect() as connection:
        tables = (
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        )
        rows = [str(connection.execute(text(f"SELECT * FROM {table}")).all()) for table in tables]
    for where in (bodies.decode(), *rows):
        assert "Wim" not in where
        assert "wim" not in where


def test_who_has_gone_is_called_by_name_until_they_are_erased(desk: Desk) -> None:
    ada, wim = desk.signed_in("Ada"), desk.accounts["Wim Beispiel"]
    now = desk.world.clock.now()
    with pytest.raises(AccountStands):
        carry_out_erasure(desk.world.ledger, ErasePerson(person=wim.id, reason="They asked."), OPERATOR)
    end(desk.world.ledger, desk.state, wim.id, "Works elsewhere now.", now=now)
    page = f"/console/people/{wim.id}"
    assert "Wim Beispiel" in ada.page(page)
    held = holding_on(desk.world.ledger, wim.id, actor="system:operator")
    assert [value.value for value in held.values] == [{"name": "Wim Beispiel"}]
    assert [one.id for one in held.accounts] == [wim.id]
    carry_out_erasure(desk.world.ledger, ErasePerson(person=wim.id, reason="They asked."), OPERATOR)
    other = Desk.of(desk.world)  # another process, which has read no name yet
    other.accounts.update(desk.accounts)
    again = other.signed_in("Ada")
    assert "Wim Beispiel" not in again.page(page)
    assert wim.id in again.page(page)
    with desk.world.ledger.engine.connect() as connection:
        assert list(vault_problems(desk.world.ledger.vault, connection)) == []


def test_a_name_goes_when_its_time_is_over(desk: Desk) -> None:
    world, wim = desk.world, desk.accounts["Wim Beispiel"]
    end(world.ledger, desk.state, wim.id, "Works elsewhere now.", now=world.clock.now())
    ended = world.clock.moment
    days = timedelta(days=default_rules()["staff_name"].days)
    for step in range(1, 13):
        world.clock.moment = ended + days * step / 12 - timedelta(seconds=1)
        world.ledger.journal.seal()
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 0
    world.later(seconds=1)
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 1
    item = world.read(name_items)[wim.actor]
    assert Names.of(world.ledger).read(item) == ""


def test_another_name_replaces_the_first_and_may_not_be_anothers(desk: Desk) -> None:
    wim, names = desk.accounts["Wim Beispiel"], desk.names
    first = desk.world.read(name_items)[wim.actor]
    with pytest.raises(NameTaken):
        give_name(desk.world.ledger, desk.state, wim.id, "ADA")
    give_name(desk.world.ledger, desk.state, wim.id, "Wim Muster")
    assert account_named(desk.state, names, "wim muster").id == wim.id
    assert desk.world.read(name_items)[wim.actor] != first
    browser = desk.browser()
    assert browser.post("/console/sign-in", {"name": "Wim Muster", "password": PASSWORD}).status_code == 303
    with pytest.raises(UnknownStaff):
        give_name(desk.world.ledger, desk.state, desk_only(desk), "Nobody Else")


def desk_only(desk: Desk) -> str:
    """An account that a crash kept out of the log."""
    now = desk.world.clock.now()
    return add_account(desk.state, desk.names.keep("Nobody", now=now), PASSWORD, now=now).id


def test_names_that_stood_in_the_state_before_are_moved_into_the_vault(desk: Desk) -> None:
    wim, names = desk.accounts["Wim Beispiel"], desk.names
    forget_name(desk.state, wim.id)
    with writing(desk.state) as connection:
        old = update(accounts_table).where(accounts_table.c.id == wim.id)
        connection.execute(old.values(name="Wim Beispiel"))
    move_names(desk.world.ledger, desk.state)
    assert [one.name for one in accounts(desk.state, names)] == ["Ada", "Wim Beispiel"]
    with desk.state.connect() as connection:
        assert connection.execute(text("SELECT count(name) FROM accounts")).scalar() == 0


def test_a_buyers_value_is_no_name(desk: Desk) -> None:
    kept = desk.world.ledger.vault.put(None, "contact", {"name": "Uta Muster"}, now=desk.world.clock.now())
    assert desk.names.read(kept.item) == ""


def test_somebody_let_in_under_a_name_that_is_taken_leaves_no_entry(desk: Desk) -> None:
    before = len(desk.world.bodies())
    with pytest.raises(NameTaken):
        let_in(desk.world.ledger, desk.state, "ada", ("seller",), now=desk.world.clock.now())
    assert len(desk.world.bodies()) == before
