"""Commissioning: many serials staged outside the lock, then made live by one small event."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

from sqlalchemy import Connection, delete, select

from ledger.database import insert_into, reading
from ledger.errors import LedgerError
from ledger.files import FileRef
from ledger.identifiers import check_foreign_code, new_id, new_serials, search_key
from ledger.journal.fields import Code, Positive, ask
from ledger.journal.journal import By, Journal, Receipt
from ledger.journal.registry import Request
from ledger.trace.unit import (
    CHUNK_ROWS,
    CommissionUnits,
    SerialsRepeated,
    UnitsCommissioned,
    commission_units,
    format_list,
    set_root,
    stagings,
    unit_rows,
    unit_sets,
    units,
)

LEFTOVER_AFTER = timedelta(hours=1)  # no staging takes that long


class MakeSerials(Request, frozen=True):
    """Make random serials for units of a batch."""

    batch: Annotated[Code, ask("Batch", ref="batch")]
    count: Annotated[Positive, ask("Units", "How many serials.", example="20000")]


@dataclass(frozen=True, slots=True)
class Staged:
    """A set whose rows are in the database and which no event has made live yet."""

    unit_set: str
    count: int
    root: str
    list_file: FileRef


def commission_made(
    journal: Journal, units_key: bytes, request: MakeSerials, by: By, *, not_recalled_because: str = ""
) -> Receipt:
    """Make `count` random serials, stage them and make them live for a batch."""
    serials = new_serials(request.count, journal.random_bytes)
    staged = stage(journal, units_key, serials)
    # The serials are new at every try: the request's digest is over what was asked for.
    asked = By(by.actor, by.key, by.body or f"{request.batch}\n{request.count}".encode())
    return _commission(journal, staged, request.batch, asked, None, not_recalled_because)


def commission_received(
    journal: Journal,
    units_key: bytes,
    *,
    batch: str,
    serials: Sequence[str],
    received: FileRef,
    by: By,
    not_recalled_because: str = "",
) -> Receipt:
    """Stage a factory's serials, in the order of its rows, and make them live for a batch.

    Raises InvalidForeignCode, SerialsRepeated, and what commission_units raises.
    """
    staged = stage(journal, units_key, [check_foreign_code(serial) for serial in serials])
    asked = By(by.actor, by.key, by.body or f"{batch}\n{received.sha256}".encode())
    return _commission(journal, staged, batch, asked, received, not_recalled_because)


def _commission(
    journal: Journal, staged: Staged, batch: str, by: By, received: FileRef | None, reason: str
) -> Receipt:
    request = CommissionUnits(
        unit_set=staged.unit_set,
        batch=batch,
        count=staged.count,
        root=staged.root,
        list_file=staged.list_file,
        received_file=received,
        not_recalled_because=reason,
    )
    try:
        receipt = journal.write(commission_units, request, by)
    except LedgerError:
        unstage(journal, staged.unit_set)
        raise
    if receipt.first(UnitsCommissioned).event.unit_set != staged.unit_set:
        unstage(journal, staged.unit_set)  # a repeated request: the first one's set stands
    return receipt


def stage(journal: Journal, units_key: bytes, serials: Sequence[str]) -> Staged:
    """Write a set's rows in chunks that hold the lock briefly; nobody sees them until an event names the set.

    Raises SerialsRepeated.
    """
    _refuse_repeated(serials)
    unit_set = new_id(journal.random_bytes)
    stored = journal.files.put(format_list(serials))
    journal.stage(partial(_begin, unit_set=unit_set, begun=journal.now()))
    for start in range(0, len(serials), CHUNK_ROWS):
        rows = unit_rows(unit_set, start, serials[start : start + CHUNK_ROWS])
        journal.stage(partial(_insert_rows, rows=rows))
    committed = set_root(units_key, unit_set, serials)
    return Staged(unit_set, len(serials), committed.hex(), stored)


def _refuse_repeated(serials: Sequence[str]) -> None:
    counted = Counter(map(search_key, serials))
    if len(counted) < len(serials):
        twice = [serial for serial in serials if counted[search_key(serial)] > 1]
        raise SerialsRepeated(count=len(twice), serial=twice[0])


def _begin(connection: Connection, *, unit_set: str, begun: datetime) -> None:
    insert_into(connection, stagings, {"unit_set": unit_set, "begun": begun})


def _insert_rows(connection: Connection, *, rows: Sequence[dict[str, object]]) -> None:
    insert_into(connection, units, rows)


def unstage(journal: Journal, *unit_sets_left: str) -> None:
    """Drop the rows of sets that were never made live.

    Live ones stay: a command may fail after its commit, when the guard cannot be written.
    """

    def drop(connection: Connection) -> None:
        live = select(unit_sets.c.id)
        for table in (units, stagings):
            left = table.c.unit_set.in_(unit_sets_left) & table.c.unit_set.not_in(live)
            connection.execute(delete(table).where(left))

    journal.stage(drop)


def drop_leftovers(journal: Journal) -> int:
    """Drop the staged rows that a crash left an hour ago or earlier; gives how many sets they were of."""
    with reading(journal.engine) as connection:
        old = select(stagings.c.unit_set).where(stagings.c.begun < journal.now() - LEFTOVER_AFTER)
        left = connection.execute(old).scalars().all()
    if left:
        unstage(journal, *left)
    return len(left)
