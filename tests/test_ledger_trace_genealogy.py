"""Genealogy: no affected batch is missed, and no sibling is taken in."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.trace.genealogy import Trace, trace_back, trace_batches, trace_forward
from ledger.trace.material_lot import UnknownMaterialLot
from ledger.trace.positions import joined
from tests.world import World


def forward(world: World, *lots: str) -> Trace:
    return world.read(lambda connection: trace_forward(connection, lots))


def test_a_lot_leads_to_every_batch_that_holds_it_and_to_no_sibling(world: World) -> None:
    for lot in ("SF-1", "SF-2"):
        world.lot(lot, "100 m")
    world.batch("B1", lots={"SF-1": "1 m"}, units=3)
    world.batch("B2", lots={"SF-2": "1 m"}, units=3)  # made beside it, never held the lot
    world.batch("B3", lots={"SF-1": "1 m", "SF-2": "1 m"}, quantity=7)
    trace = forward(world, "SF-1")
    assert [one.batch.code for one in trace.batches] == ["B1", "B3"]
    assert trace.made == 10
    assert [one.with_serial for one in trace.batches] == [3, 0]


def test_a_batch_with_another_lot_of_the_material_too_is_partly_affected(world: World) -> None:
    for lot in ("SF-1", "SF-2"):
        world.lot(lot, "100 m")
    world.lot("C-1", "100 pcs", material="CELL")
    world.batch("B1", lots={"SF-1": "1 m", "C-1": "1 pcs"})
    world.batch("B2", lots={"SF-1": "1 m", "SF-2": "1 m"})
    assert [one.is_partly for one in forward(world, "SF-1").batches] == [False, True]
    assert [one.is_partly for one in forward(world, "SF-1", "SF-2").batches] == [False, False]


def test_the_same_lot_twice_counts_its_batches_once(world: World) -> None:
    world.lot("SF-1", "100 m")
    world.batch("B1", lots={"SF-1": "1 m"}, units=2)
    trace = forward(world, "SF-1", "SF-1")
    assert trace == forward(world, "SF-1")
    assert len(trace.batches) == len(trace.lots) == 1


def test_figures_add_up(world: World) -> None:
    world.lot("SF-1", "100 m")
    first = world.batch("B1", lots={"SF-1": "1 m"}, units=9)
    second = world.batch("B2", lots={"SF-1": "1 m"}, quantity=5)
    first.ships(to="DE", count=2)
    first.ships(to="FR", count=3)
    second.ships(to="FR", count=1)
    trace = forward(world, "SF-1")
    assert trace.by_country == {"FR": 4, "DE": 2}
    assert trace.shipped == 6
    assert trace.made == 14 == trace.shipped + sum(one.in_stock for one in trace.batches)


def test_the_scope_holds_every_position_of_every_batch_and_no_other(world: World) -> None:
    world.lot("SF-1", "100 m")
    first = world.batch("B1", lots={"SF-1": "1 m"}, units=3, quantity=5)
    world.batch("B2", units=4)
    third = world.batch("B3", lots={"SF-1": "1 m"}, quantity=2)
    first.gets_units(2)
    assert forward(world, "SF-1").ranges == joined((*first.ranges, *third.ranges))


def test_a_lot_that_went_nowhere_leads_nowhere(world: World) -> None:
    world.lot("SF-1", "100 m")
    trace = forward(world, "SF-1")
    assert (trace.batches, trace.ranges, trace.made) == ((), (), 0)


def test_an_unknown_lot_is_refused(world: World) -> None:
    with pytest.raises(UnknownMaterialLot):
        forward(world, "SF-1")


def test_a_batch_leads_back_to_its_lots_in_the_order_given(world: World) -> None:
    for lot in ("SF-1", "SF-2"):
        world.lot(lot, "100 m")
    batch = world.batch("B1", lots={"SF-2": "1 m", "SF-1": "1 m"}).found
    back = world.read(lambda connection: trace_back(connection, batch))
    assert [lot.code for lot in back] == ["SF-2", "SF-1"]


def test_batches_named_directly_have_the_same_figures(world: World) -> None:
    world.lot("SF-1", "100 m")
    batch = world.batch("B1", lots={"SF-1": "1 m"}, units=3)
    batch.ships(to="DE", count=1)
    named = world.read(lambda connection: trace_batches(connection, [batch.found]))
    traced = forward(world, "SF-1")
    assert (named.made, named.shipped, named.ranges) == (traced.made, traced.shipped, traced.ranges)


LOTS, BATCHES = 5, 8


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_forward_and_back_agree_for_any_consumption(world: World, data: st.DataObject) -> None:
    run = world.size()  # the fixture's world goes on from example to example
    lots = [world.lot(f"L{run}-{number}", "1000 m") for number in range(LOTS)]
    held: dict[str, set[str]] = {}
    for number in range(BATCHES):
        chosen = data.draw(st.sets(st.sampled_from(lots), max_size=3))
        code = f"B{run}-{number}"
        world.batch(code, lots=dict.fromkeys(sorted(chosen), "1 m"), quantity=number + 1)
        held[code] = chosen
    wanted = data.draw(st.sets(st.sampled_from(lots), max_size=LOTS))
    trace = forward(world, *sorted(wanted))
    expected = {code for code, own in held.items() if own & wanted}
    assert {one.batch.code for one in trace.batches} == expected
    for one in trace.batches:
        codes = {lot.code for lot in world.read(lambda connection: trace_back(connection, one.batch))}  # noqa: B023
        assert codes == held[one.batch.code]
        assert len(one.lots) == len(codes & wanted)
        assert one.is_partly == bool(codes - wanted)
