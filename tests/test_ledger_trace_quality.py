"""Holds."""

import pytest

from ledger.trace.batch import UnknownBatch
from ledger.trace.quality import HeldAlready, NotHeld, PlaceHold, hold_on
from ledger.trace.shipment import BatchHeld
from tests.world import World


def test_a_held_batch_cannot_ship_until_it_is_released(world: World) -> None:
    batch = world.batch("B1", quantity=5)
    batch.is_held("A sample failed.")
    with pytest.raises(BatchHeld, match="A sample failed"):
        batch.ships(to="DE", count=1)
    batch.is_released()
    batch.ships(to="DE", count=1)


def test_a_hold_on_one_batch_holds_no_other(world: World) -> None:
    world.batch("B1", quantity=5).is_held()
    world.batch("B2", quantity=5).ships(to="DE", count=1)


def test_a_batch_is_held_once_at_a_time_and_may_be_held_again(world: World) -> None:
    batch = world.batch("B1")
    batch.is_held("The first reason.")
    with pytest.raises(HeldAlready, match="The first reason"):
        batch.is_held("Another reason.")
    batch.is_released()
    batch.is_held("The second reason.")
    hold = world.read(lambda connection: hold_on(connection, batch.found.id))
    assert hold
    assert hold.reason == "The second reason."


def test_a_batch_that_is_not_held_cannot_be_released(world: World) -> None:
    batch = world.batch("B1")
    with pytest.raises(NotHeld):
        batch.is_released()
    batch.is_held()
    batch.is_released()
    with pytest.raises(NotHeld):
        batch.is_released()


def test_an_unknown_batch_cannot_be_held(world: World) -> None:
    with pytest.raises(UnknownBatch):
        world.do(PlaceHold(batch="B1", reason="A sample failed."))
