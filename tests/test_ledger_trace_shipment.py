"""Shipments."""

from datetime import timedelta

import pytest

from ledger.recall.errors import BatchRecalled
from ledger.trace.batch import UnknownBatch
from ledger.trace.material_lot import InTheFuture
from ledger.trace.shipment import (
    BatchHeld,
    LineToShip,
    NotMadeYet,
    NotThatMany,
    SendShipment,
    ShipmentExists,
    Shipped,
    list_shipments,
    shipped_from,
)
from tests.world import World


def sending(world: World, *lines: tuple[str, int], code: str = "SH-1", days: int = 0) -> SendShipment:
    return SendShipment(
        code=code,
        channel="own shop",
        country="DE",
        sent_on=world.today + timedelta(days=days),
        lines=tuple(LineToShip(batch, count) for batch, count in lines),
    )


def test_no_more_leaves_than_was_made(world: World) -> None:
    batch = world.batch("B1", quantity=5)
    batch.ships(to="DE", count=3)
    before = world.bodies()
    with pytest.raises(NotThatMany) as refused:
        batch.ships(to="FR", count=3)
    assert refused.value.facts["left"] == 2
    assert world.bodies() == before
    batch.ships(to="FR", count=2)
    with pytest.raises(NotThatMany):
        batch.ships(to="FR", count=1)


def test_a_batch_on_several_lines_is_added_up(world: World) -> None:
    world.batch("B1", quantity=5)
    with pytest.raises(NotThatMany):
        world.do(sending(world, ("B1", 3), ("B1", 3)))
    world.do(sending(world, ("B1", 3), ("B1", 2)))


def test_one_refused_line_refuses_the_shipment(world: World) -> None:
    good, held = world.batch("B1", quantity=5), world.batch("B2", quantity=5)
    held.is_held()
    before = world.rows()
    with pytest.raises(BatchHeld):
        world.do(sending(world, ("B1", 1), ("B2", 1)))
    with pytest.raises(UnknownBatch):
        world.do(sending(world, ("B1", 1), ("B3", 1)))
    assert world.rows() == before
    good.ships(to="DE", count=1)


def test_a_recalled_batch_cannot_ship_and_its_neighbour_can(world: World) -> None:
    recalled, other = world.batch("B1", units=5), world.batch("B2", units=5)
    recall = world.recall("R1", batches=["B1"])
    with pytest.raises(BatchRecalled, match="R1"):
        recalled.ships(to="DE", count=1)
    other.ships(to="DE", count=1)
    recall.close()
    with pytest.raises(BatchRecalled):
        recalled.ships(to="DE", count=1)
    recall.retract()
    recalled.ships(to="DE", count=1)


def test_a_batch_without_serials_that_is_recalled_cannot_ship(world: World) -> None:
    batch = world.batch("B1", quantity=5)
    world.recall("R1", batches=["B1"])
    with pytest.raises(BatchRecalled):
        batch.ships(to="DE", count=1)


def test_a_draft_keeps_nothing_from_being_shipped(world: World) -> None:
    batch = world.batch("B1", units=5)
    world.draft("R1", batches=["B1"]).approve()
    batch.ships(to="DE", count=1)


def test_nothing_leaves_before_it_was_made_or_in_the_future(world: World) -> None:
    world.batch("B1", quantity=5)
    with pytest.raises(NotMadeYet):
        world.do(sending(world, ("B1", 1), days=-1))
    with pytest.raises(InTheFuture):
        world.do(sending(world, ("B1", 1), days=2))
    world.do(sending(world, ("B1", 1), days=1))


def test_a_shipments_code_is_taken_once(world: World) -> None:
    world.batch("B1", quantity=5)
    world.do(sending(world, ("B1", 1)))
    with pytest.raises(ShipmentExists, match="SH-1"):
        world.do(sending(world, ("B1", 1)))


def test_what_went_where_is_added_up_by_channel_and_country(world: World) -> None:
    first, second = world.batch("B1", quantity=9), world.batch("B2", quantity=9)
    first.ships(to="FR", count=1)
    first.ships(to="DE", count=2)
    first.ships(to="DE", count=3)
    first.ships(to="DE", count=1, channel="marketplace")
    second.ships(to="DE", count=4)
    one, two = first.found.id, second.found.id
    assert world.read(lambda connection: shipped_from(connection, [one])) == [
        Shipped(one, "marketplace", "DE", 1),
        Shipped(one, "own shop", "DE", 5),
        Shipped(one, "own shop", "FR", 1),
    ]
    both = world.read(lambda connection: shipped_from(connection, [one, two]))
    assert sum(line.quantity for line in both) == 11
    assert len(world.read(list_shipments)) == 5
