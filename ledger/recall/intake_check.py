"""What recording a factory's file would be refused for, asked without staging or recording anything."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from ledger.identifiers import search_key
from ledger.recall.errors import IntoRecalledBatch
from ledger.recall.recall import recalls_over
from ledger.trace.batch import Batch, get_batch
from ledger.trace.intake import Intake
from ledger.trace.unit import MoreThanMade, SerialsTaken, ranges_of, sets_of, unit_sets, units

AT_ONCE = 500


def refuse_intake(connection: Connection, intake: Intake, *, not_recalled_because: str = "") -> None:
    """Raises MoreThanMade, SerialsTaken, IntoRecalledBatch, as recording the file would."""
    for code, rows in intake.file.by_batch().items():
        batch = get_batch(connection, code)
        there = sum(one.count for one in sets_of(connection, batch.id))
        if there + len(rows) > batch.quantity:
            raise MoreThanMade(batch=batch.code, made=batch.quantity, commissioned=there, count=len(rows))
        taken = _taken(connection, batch, [search_key(row.serial) for row in rows])
        if taken:
            raise SerialsTaken(count=len(taken), serial=min(taken))
        standing = recalls_over(connection, ranges_of(connection, batch))
        if standing and not not_recalled_because:
            raise IntoRecalledBatch(batch=batch.code, recall=standing[0].code)


def _taken(connection: Connection, batch: Batch, keys: Sequence[str]) -> list[str]:
    """The serials of live units of the batch's product that are found by one of these keys."""
    live = select(units.c.serial).join(unit_sets, unit_sets.c.id == units.c.unit_set)
    of_product = live.where(unit_sets.c.product == batch.product)
    found: list[str] = []
    for start in range(0, len(keys), AT_ONCE):
        some = units.c.search_key.in_(keys[start : start + AT_ONCE])
        found += connection.scalars(of_product.where(some))
    return found
