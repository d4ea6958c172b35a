"""Material lots."""

from datetime import timedelta

import pytest

from ledger.quantities import Quantity
from ledger.trace.bill_of_materials import NotPositive, UnknownMaterial
from ledger.trace.material_lot import (
    InTheFuture,
    MaterialLotExists,
    ReceiveMaterialLot,
    UnknownMaterialLot,
    get_material_lot,
    list_material_lots,
)
from ledger.trace.party import UnknownParty
from tests.world import World


def arrival(world: World, **changes: object) -> ReceiveMaterialLot:
    world.party("TALLOW", role="supplier")
    world.material("FILM")
    told: dict[str, object] = {
        "code": "SF-1",
        "supplier_code": "TFW-1",
        "supplier": "TALLOW",
        "material": "FILM",
        "quantity": Quantity(4_000, "m"),
        "declared": "16 µm",
        "occurred_on": world.today,
    }
    return ReceiveMaterialLot(**{**told, **changes})  # type: ignore[arg-type]  # changed one by one


def test_a_lot_keeps_our_code_and_the_suppliers_apart(world: World) -> None:
    world.do(arrival(world))
    lot = world.read(lambda connection: get_material_lot(connection, "SF-1"))
    assert (lot.code, lot.supplier_code, lot.quantity) == ("SF-1", "TFW-1", Quantity(4_000, "m"))
    assert world.read(lambda connection: get_material_lot(connection, lot.id)) == lot
    with pytest.raises(UnknownMaterialLot, match="TFW-1"):
        world.read(lambda connection: get_material_lot(connection, "TFW-1"))


def test_a_lots_code_is_taken_once(world: World) -> None:
    world.do(arrival(world))
    with pytest.raises(MaterialLotExists, match="SF-1"):
        world.do(arrival(world, supplier_code="TFW-2"))


def test_a_supplier_or_a_material_that_is_not_registered_is_refused(world: World) -> None:
    with pytest.raises(UnknownParty, match="NOBODY"):
        world.do(arrival(world, supplier="NOBODY"))
    with pytest.raises(UnknownMaterial, match="FOIL"):
        world.do(arrival(world, material="FOIL"))


@pytest.mark.parametrize(("ahead", "is_taken"), [(-400, True), (0, True), (1, True), (2, False), (40, False)])
def test_a_lot_cannot_arrive_later_than_tomorrow(world: World, ahead: int, is_taken: bool) -> None:
    # Tomorrow has begun somewhere already.
    request = arrival(world, occurred_on=world.today + timedelta(days=ahead))
    if is_taken:
        world.do(request)
    else:
        with pytest.raises(InTheFuture):
            world.do(request)


@pytest.mark.parametrize("quantity", [Quantity(0, "m"), Quantity(-5, "m")])
def test_an_arrival_of_nothing_or_less_is_refused(world: World, quantity: Quantity) -> None:
    with pytest.raises(NotPositive, match=str(quantity)):
        world.do(arrival(world, quantity=quantity))


def test_lots_are_listed_by_code(world: World) -> None:
    for code in ("SF-2", "SF-1"):
        world.do(arrival(world, code=code))
    assert [one.code for one in world.read(list_material_lots)] == ["SF-1", "SF-2"]
