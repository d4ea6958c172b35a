"""Batches and what they consume."""

from datetime import timedelta

import pytest

from ledger.identifiers import InvalidForeignCode
from ledger.quantities import Quantity, UnitsDiffer
from ledger.trace.batch import (
    AmbiguousBatch,
    Batch,
    BatchExists,
    Consumption,
    LotNotThereYet,
    NotThatMuch,
    ProduceBatch,
    UnknownBatch,
    batches_with,
    find_batches,
    get_batch,
    inputs_of,
    list_batches,
    unconsumed,
)
from ledger.trace.bill_of_materials import (
    NeededMaterial,
    NotPositive,
    ReviseBillOfMaterials,
    UnknownRevision,
)
from ledger.trace.material_lot import InTheFuture, MaterialLot, UnknownMaterialLot, get_material_lot
from ledger.trace.party import UnknownParty
from ledger.trace.product import UnknownProduct
from tests.world import World


def left(world: World, lot: str) -> Quantity:
    return world.read(lambda connection: unconsumed(connection, get_material_lot(connection, lot)))


def lot_of(world: World, code: str) -> MaterialLot:
    return world.read(lambda connection: get_material_lot(connection, code))


def batch_of(world: World, code: str) -> Batch:
    return world.read(lambda connection: get_batch(connection, code))


def production(world: World, **changes: object) -> ProduceBatch:
    world.product("VS-10")
    world.party("QINGLUO")
    told: dict[str, object] = {
        "code": "B1",
        "product": "VS-10",
        "factory": "QINGLUO",
        "made_on": world.today,
        "quantity": 5,
    }
    return ProduceBatch(**{**told, **changes})  # type: ignore[arg-type]  # changed one by one


def test_a_lot_that_is_not_recorded_is_refused(world: World) -> None:
    with pytest.raises(UnknownMaterialLot, match="SF-1"):
        world.batch("B1", lots={"SF-1": "1 m"})


def test_a_product_a_factory_or_a_revision_that_is_not_recorded_is_refused(world: World) -> None:
    with pytest.raises(UnknownProduct):
        world.do(production(world, product="VS-20"))
    with pytest.raises(UnknownParty):
        world.do(production(world, factory="NOBODY"))
    with pytest.raises(UnknownRevision):
        world.do(production(world, revision="A"))
    line = NeededMaterial(world.material("FILM"), Quantity(1, "pcs"), "x")
    world.do(ReviseBillOfMaterials(product="VS-10", revision="A", lines=(line,)))
    world.do(production(world, revision="A"))


def test_no_more_is_consumed_than_was_received(world: World) -> None:
    world.lot("SF-1", "4000 m")
    world.batch("B1", lots={"SF-1": "3999 m"})
    assert left(world, "SF-1") == Quantity(1, "m")
    before = world.bodies()
    with pytest.raises(NotThatMuch) as refused:
        world.batch("B2", lots={"SF-1": "1001 mm"})
    assert "1000 mm" in str(refused.value) or "1 m" in str(refused.value)
    assert len(world.bodies()) == len(before)
    world.batch("B2", lots={"SF-1": "1000 mm"})
    assert left(world, "SF-1") == Quantity(0, "m")
    with pytest.raises(NotThatMuch):
        world.batch("B3", lots={"SF-1": "1 mm"})


def test_the_same_lot_named_twice_counts_twice(world: World) -> None:
    world.lot("SF-1", "10 m")
    six = Consumption("SF-1", Quantity(6, "m"))
    with pytest.raises(NotThatMuch, match="12 m"):
        world.do(production(world, inputs=(six, six)))
    four = Consumption("SF-1", Quantity(400, "cm"))
    world.do(production(world, inputs=(six, four)))
    assert left(world, "SF-1") == Quantity(0, "m")


def test_several_lots_of_one_material_go_into_a_batch_in_the_order_given(world: World) -> None:
    for lot in ("SF-1", "SF-2"):
        world.lot(lot, "10 m")
    batch = world.batch("B1", lots={"SF-2": "3 m", "SF-1": "4 m"})
    lots = [lot_of(world, code) for code in ("SF-2", "SF-1")]
    assert [
        (one.lot, one.quantity)
        for one in world.read(lambda connection: inputs_of(connection, batch.found.id))
    ] == [
        (lots[0].id, Quantity(3, "m")),
        (lots[1].id, Quantity(4, "m")),
    ]
    assert [one.code for one in world.read(lambda connection: batches_with(connection, lots[0].id))] == ["B1"]


def test_a_quantity_of_another_kind_is_refused(world: World) -> None:
    world.lot("SF-1", "10 m")
    with pytest.raises(UnitsDiffer):
        world.batch("B1", lots={"SF-1": "1 kg"})


@pytest.mark.parametrize("amount", ["0 m", "-5 m"])
def test_nothing_or_less_is_not_consumed(world: World, amount: str) -> None:
    world.lot("SF-1", "10 m")
    with pytest.raises(NotPositive, match=amount):
        world.batch("B1", lots={"SF-1": amount})
    assert left(world, "SF-1") == Quantity(10, "m")


def test_a_lot_is_not_consumed_before_it_arrived(world: World) -> None:
    world.lot("SF-1", "10 m")
    with pytest.raises(LotNotThereYet, match="SF-1"):
        world.batch("B1", lots={"SF-1": "1 m"}, made=world.today - timedelta(days=1))
    world.batch("B1", lots={"SF-1": "1 m"})


def test_a_batch_is_not_made_in_the_future(world: World) -> None:
    with pytest.raises(InTheFuture):
        world.batch("B1", made=world.today + timedelta(days=2))


@pytest.mark.parametrize("again", ["B1", "b1", "B-1", " B 1 ", "Ｂ１"])
def test_a_code_that_reads_the_same_is_taken_once_a_product(world: World, again: str) -> None:
    world.batch("B1")
    with pytest.raises(BatchExists):
        world.do(production(world, code=again))
    world.batch("B1", product="VS-20")


@pytest.mark.parametrize("code", ["", " ", "B\n1", "B\u202e1", "x" * 61, "u\u0308", "-", "- -"])
def test_a_code_that_cannot_be_printed_or_found_again_is_refused(world: World, code: str) -> None:
    with pytest.raises(InvalidForeignCode):
        world.do(production(world, code=code))
    with pytest.raises(InvalidForeignCode):
        world.do(production(world, date_codes=("2025-W21", code)))


def test_a_code_that_two_products_use_asks_for_the_product(world: World) -> None:
    world.batch("B1")
    world.batch("B1", product="VS-20")
    with pytest.raises(AmbiguousBatch, match="PRODUCT/BATCH"):
        batch_of(world, "B1")
    assert len(world.read(lambda connection: find_batches(connection, "b1"))) == 2
    found = batch_of(world, "VS-20/b-1")
    assert batch_of(world, found.id) == found


def test_a_factorys_code_may_have_a_slash(world: World) -> None:
    batch = world.batch("25/21")
    assert batch.found.code == "25/21"
    assert batch_of(world, "25/21") == batch.found


def test_an_unknown_code_is_no_batch(world: World) -> None:
    world.batch("B1")
    for code in ("B2", "VS-10/B2", ""):
        with pytest.raises(UnknownBatch):
            batch_of(world, code)


def test_batches_are_listed_newest_first(world: World) -> None:
    for code in ("B1", "B2"):
        world.batch(code)
    assert [one.code for one in world.read(list_batches)] == ["B2", "B1"]
