"""Genealogy: from a lot forward to every batch, unit and country that holds it, and back again.

A batch that consumed a lot "may contain" it in every unit, until someone narrows that on record; a sibling that
never consumed it is not taken in. What a lot went into before it was changed is left to the scope that a person
approves: here every batch that consumed the lot counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.trace.batch import Batch, batches_with, inputs_of
from ledger.trace.material_lot import MaterialLot, get_material_lot
from ledger.trace.positions import Range, joined
from ledger.trace.shipment import Shipped, shipped_from
from ledger.trace.unit import ranges_of, sets_of


@dataclass(frozen=True, slots=True)
class AffectedBatch:
    """A batch that holds one of the lots: how many units it has, with serials or without, and where they went."""

    batch: Batch
    lots: tuple[str, ...]  # the lots (ids) through which it is affected
    is_partly: bool  # it holds another lot of the same material too: "may contain"
    with_serial: int
    shipped: tuple[Shipped, ...]

    @property
    def shipped_count(self) -> int:
        return sum(one.quantity for one in self.shipped)

    @property
    def in_stock(self) -> int:
        return self.batch.quantity - self.shipped_count


@dataclass(frozen=True, slots=True)
class Trace:
    """What lots went into, all the way forward; figures add up: made = shipped + in stock."""

    lots: tuple[MaterialLot, ...]
    batches: tuple[AffectedBatch, ...]
    ranges: tuple[Range, ...]  # the positions of all of it, as a scope

    @property
    def made(self) -> int:
        return sum(one.batch.quantity for one in self.batches)

    @property
    def shipped(self) -> int:
        return sum(one.shipped_count for one in self.batches)

    @property
    def by_country(self) -> dict[str, int]:
        """Units shipped, by country, most first."""
        sums: dict[str, int] = {}
        for one in self.batches:
            for line in one.shipped:
                sums[line.country] = sums.get(line.country, 0) + line.quantity
        return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def trace_forward(connection: Connection, lots: Iterable[str]) -> Trace:
    """Everything that these lots (codes or ids) went into. Raises UnknownMaterialLot."""
    starting = tuple(dict.fromkeys(get_material_lot(connection, code) for code in lots))
    through: dict[str, list[str]] = {}
    found: dict[str, Batch] = {}
    for lot in starting:
        for batch in batches_with(connection, lot.id):
            found[batch.id] = batch
            through.setdefault(batch.id, []).append(lot.id)
    affected = tuple(
        _affected(connection, batch, tuple(through[batch.id]))
        for batch in sorted(found.values(), key=lambda batch: batch.recorded)
    )
    ranges = joined(one for item in affected for one in ranges_of(connection, item.batch))
    return Trace(starting, affected, ranges)


def trace_batches(connection: Connection, batches: Iterable[Batch]) -> Trace:
    """The same figures for batches named directly."""
    affected = tuple(_affected(connection, batch, ()) for batch in batches)
    ranges = joined(one for item in affected for one in ranges_of(connection, item.batch))
    return Trace((), affected, ranges)


def trace_back(connection: Connection, batch: Batch) -> list[MaterialLot]:
    """The lots that went into a batch, in the order given."""
    return [get_material_lot(connection, one.lot) for one in inputs_of(connection, batch.id)]


def _affected(connection: Connection, batch: Batch, through: tuple[str, ...]) -> AffectedBatch:
    lots = trace_back(connection, batch)
    touched = {lot.material for lot in lots if lot.id in through}
    others = any(lot.material in touched and lot.id not in through for lot in lots)
    return AffectedBatch(
        batch=batch,
        lots=through,
        is_partly=others,
        with_serial=sum(one.count for one in sets_of(connection, batch.id)),
        shipped=tuple(shipped_from(connection, [batch.id])),
    )
