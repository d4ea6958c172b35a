"""Destroying what the log says was destroyed: after the entry, after a crash, after a backup came back.

record → destroy            the way of every erasure and of every retention that runs out
whoever opens the ledger    finds what a crash between the two left, or what an older vault brought back
restore                     calls `erase_recorded` before it serves
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, func, select

from ledger.database import reading
from ledger.journal.journal import By, NothingRecorded, Receipt
from ledger.journal.opening import Ledger, when_opened
from ledger.people.account import staff_names
from ledger.recall.claim import claims
from ledger.recall.person import (
    ErasePerson,
    ExpireItems,
    PersonErased,
    PersonExpired,
    due_items,
    erase_person,
    erased_persons,
    expire_items,
    expired_items,
    is_gone,
)
from ledger.vault.checking import VaultProblem, check_vault
from ledger.vault.tables import items, persons
from ledger.vault.vault import Vault

AT_ONCE = 500
WORKER = By("system:worker")


def carry_out_erasure(ledger: Ledger, request: ErasePerson, by: By) -> Receipt:
    """Record that a person is erased, and destroy what was held on them. Raises what the command raises."""
    receipt = ledger.journal.write(erase_person, request, by)
    # A crash here: the log says so and the vault does not yet. `finish_erasures` runs when the ledger is opened again.
    ledger.vault.erase([receipt.first(PersonErased).event.person])
    return receipt


def keep_to_retention(ledger: Ledger, *, now: datetime) -> int:
    """Record and destroy the values whose time has run out; gives how many. Any number of workers may."""
    gone = 0
    while True:
        with reading(ledger.engine) as connection:
            if not due_items(connection, at=now):
                return gone
        try:
            receipt = ledger.journal.write(expire_items, ExpireItems(), WORKER)
        except NothingRecorded:  # another worker was quicker, or the clock stood still
            return gone
        # A crash here: as in `carry_out_erasure`.
        events = [one.event for one in receipt.entries if isinstance(one.event, PersonExpired)]
        ledger.vault.forget([item.item for event in events for item in event.items])
        gone += sum(len(event.items) for event in events)


@when_opened
def finish_erasures(ledger: Ledger) -> int:
    """Destroy what the log of this ledger says was destroyed, if any of it is there; gives how much was."""
    with reading(ledger.engine) as connection:
        return erase_recorded(ledger.vault, connection)


def erase_recorded(vault: Vault, connection: Connection) -> int:
    """Destroy in `vault` every person and item that the log behind `connection` says was destroyed.

    Gives how many persons and items were there still: after a crash, or because an older vault came back. Looks at
    as many ids as the shorter of the two sides has: 0.1 s for 100,000.
    """
    with reading(vault.engine) as held:
        erased = _on_both_sides(connection, erased_persons.c.person, held, persons.c.id)
        expired = _on_both_sides(connection, expired_items.c.item, held, items.c.id)
    return vault.erase(erased) + vault.forget(expired)


def vault_problems(vault: Vault, connection: Connection) -> Iterator[VaultProblem]:
    """What is wrong with the vault: rows that do not open, values that the log names and that are gone, or that it
    says are destroyed and that are there. Nothing is repaired."""
    yield from check_vault(vault)
    with reading(vault.engine) as held:
        for person in _on_both_sides(connection, erased_persons.c.person, held, persons.c.id):
            yield VaultProblem("persons", person, "the log says this person was erased")
        for item in _on_both_sides(connection, expired_items.c.item, held, items.c.id):
            yield VaultProblem("items", item, "the log says this value's time ran out and it was destroyed")
        yield from _lost(connection, held)


def _lost(connection: Connection, held: Connection) -> Iterator[VaultProblem]:
    """Items that an entry names, that nothing destroyed, and that are not in the vault."""
    for column, person, order, who in (
        (claims.c.contact, claims.c.person, claims.c.opened, "a claim"),
        (claims.c.payout, claims.c.person, claims.c.opened, "a claim"),
        (staff_names.c.item, staff_names.c.person, staff_names.c.recorded, "an account"),
    ):
        wanted = select(column).where(column.is_not(None), ~is_gone(column, person)).order_by(order)
        named = list(connection.scalars(wanted))
        there = set(_present(held, items.c.id, named))
        for item in named:
            if item not in there:
                yield VaultProblem("items", item, f"{who} names this value, and it is not there")


def _on_both_sides(
    left: Connection, left_ids: "Column[str]", right: Connection, right_ids: "Column[str]"
) -> list[str]:
    """The ids that stand in both columns, of two databases."""
    if _count(left, left_ids) <= _count(right, right_ids):
        return _present(right, right_ids, list(left.scalars(select(left_ids))))
    return _present(left, left_ids, list(right.scalars(select(right_ids))))


def _count(connection: Connection, column: "Column[str]") -> int:
    return connection.scalar(select(func.count(column))) or 0


def _present(connection: Connection, column: "Column[str]", wanted: Sequence[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(wanted), AT_ONCE):
        found += connection.scalars(select(column).where(column.in_(wanted[start : start + AT_ONCE])))
    return found
