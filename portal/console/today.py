"""Today: what waits for somebody, what was recorded just now, and the first steps of an empty company."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response
from markupsafe import Markup
from sqlalchemy import Connection, select

from ledger.people.roles import may_see
from ledger.trace.batch import batches
from ledger.trace.quality import holds
from portal.console.desk import ledger, may, roles, session, snapshot, words
from portal.console.first_steps import steps_of
from portal.console.history import newest_entries, without_seals
from portal.console.names import Names
from portal.console.sentences import Say
from portal.console.shell import address, console, page, zone
from portal.console.timeline import Happening, happenings
from portal.permissions import for_all
from translations import Words

RECENT = 8
LOOKED_AT = 40  # every other entry may be a seal


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a person: what, why, and what to do about it."""

    meaning: str
    sentence: Markup
    reason: Markup | str
    verb: str
    address: str


Wait = Callable[[Connection, Words], list[Waiting]]
# Each noun that may wait for somebody adds a function here, with the command that it waits for; it reads at most once.
WAITING: list[tuple[str, Wait]] = []


def waits(command: str) -> Callable[[Wait], Wait]:
    """Register what may wait for somebody who may carry out this command."""

    def register(found: Wait) -> Wait:
        WAITING.append((command, found))
        return found

    return register


@console.get("/")
@for_all
def today() -> Response:
    """The first page after the door."""
    connection = snapshot()
    waiting = [one for command, found in WAITING if may(command) for one in found(connection, words())]
    return page(
        "today.html",
        here="today",
        day=words().day(ledger().clock.now(), zone()),
        person=session().account.name,
        waiting=waiting,
        recent=_recent(connection) if may_see(roles(), "log") else None,
        steps=steps_of(connection),
    )


def _recent(connection: Connection) -> list[Happening]:
    newest = newest_entries(
        connection, end=ledger().journal.standing(connection).size, limit=LOOKED_AT
    ).entries
    return happenings(without_seals(newest)[:RECENT])


def some(spoken: Words, rows: Sequence[Any]) -> str:
    """The first few of these rows by their codes."""
    return spoken.list([row.code for row in rows[:5]])


@waits("hold.release")
def held(connection: Connection, spoken: Words) -> list[Waiting]:
    """Batches that may not leave."""
    standing = select(batches.c.id, batches.c.code).join(holds, holds.c.batch == batches.c.id)
    rows = connection.execute(standing.where(holds.c.released.is_(None)).order_by(holds.c.placed)).all()
    if not rows:
        return []
    said = Say(spoken, Names()).plural(
        "{count} batch is on hold", "{count} batches are on hold", len(rows), is_bold=True
    )
    reason = spoken.text(
        "{codes}: cannot be shipped until the hold is released.",
        codes=some(spoken, rows),
    )
    place = address("batch", subject_id=rows[0].id) if len(rows) == 1 else address("batches")
    return [Waiting("waiting", said, reason, spoken.text("Look at it"), place)]
