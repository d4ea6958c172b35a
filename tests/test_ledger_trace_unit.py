"""Units: serials made here or received, committed to as a set, staged outside the lock."""

import hashlib
import hmac
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.identifiers import InvalidForeignCode, is_own_serial
from ledger.journal.journal import By, Journal, SameKeyOtherRequest
from ledger.journal.projections import rebuild
from ledger.journal.registry import NOUNS
from ledger.journal.turnstile import Turnstile
from ledger.log.guard import Guard, Guarded, GuardMissing
from ledger.trace.batch import UnknownBatch
from ledger.trace.commissioning import (
    MakeSerials,
    commission_made,
    drop_leftovers,
    stage,
)
from ledger.trace.unit import (
    CommissionUnits,
    MoreThanMade,
    NothingStaged,
    SerialsRepeated,
    SerialsTaken,
    Unit,
    UnitsCommissioned,
    UnitSet,
    find_units,
    format_list,
    parse_list,
    serials_in,
    set_root,
    sets_of,
    unit_at,
    was_received,
)
from tests.whole_log import assert_whole
from tests.world import ADA, MadeBatch, World

serials = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1))


def sets(world: World, batch: MadeBatch) -> list[UnitSet]:
    return world.read(lambda connection: sets_of(connection, batch.found.id))


def found(world: World, text: str) -> list[Unit]:
    return world.read(lambda connection: find_units(connection, text))


@given(serials)
def test_a_list_of_serials_gives_them_back(some: list[str]) -> None:
    assert parse_list(format_list(some)) == some


def test_made_serials_are_our_own_and_all_different(world: World) -> None:
    batch = world.batch("B1", units=50)
    assert len(set(batch.serials)) == 50
    assert all(is_own_serial(serial) for serial in batch.serials)


def test_a_set_is_committed_to_by_count_list_and_root(world: World) -> None:
    batch = world.batch("B1", units=5)
    (made,) = sets(world, batch)
    event = world.ledger.journal.read(made.c).event
    assert isinstance(event, UnitsCommissioned)
    content = world.ledger.files.read(event.list_file.sha256)
    assert parse_list(content) == list(batch.serials)
    assert event.count == 5
    assert event.root == reference_root(world.ledger.keys.units, made.id, batch.serials).hex()
    assert event.root == set_root(world.ledger.keys.units, made.id, batch.serials).hex()


def reference_root(units_key: bytes, unit_set: str, some: tuple[str, ...]) -> bytes:
    """RFC 6962 over HMAC(HMAC(key, set), serial) ‖ serial, as the format says."""
    set_key = hmac.new(units_key, unit_set.encode(), hashlib.sha256).digest()
    row = [
        hashlib.sha256(
            b"\0" + hmac.new(set_key, one.encode(), hashlib.sha256).digest() + one.encode()
        ).digest()
        for one in some
    ]

    def over(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        split = 1
        while split * 2 < len(leaves):
            split *= 2
        return hashlib.sha256(b"\1" + over(leaves[:split]) + over(leaves[split:])).digest()

    return over(row)


def test_a_unit_is_found_at_its_place_in_the_list(world: World) -> None:
    batch = world.batch("B1", units=5)
    (made,) = sets(world, batch)
    for place, serial in enumerate(batch.serials):
        unit = Unit(serial, (made.c, place), batch.found.id, batch.found.product, is_own=True)
        assert found(world, serial) == [unit]
        assert found(world, f" {serial[:4].lower()}-{serial[4:]} ") == [unit]
    assert (
        world.read(lambda connection: unit_at(connection, (made.c, 4))) == found(world, batch.serials[4])[0]
    )
    assert world.read(lambda connection: unit_at(connection, (made.c, 5))) is None
    assert world.read(lambda connection: unit_at(connection, (batch.found.recorded, 0))) is None
    assert world.read(lambda connection: serials_in(connection, (made.c, 1, 3))) == list(batch.serials[1:3])


def test_a_batch_has_its_own_position_and_those_of_its_units(world: World) -> None:
    batch = world.batch("B1", units=5, quantity=9)
    batch.gets_units(4)
    first, second = sets(world, batch)
    assert batch.ranges == ((batch.found.recorded, 0, 1), (first.c, 0, 5), (second.c, 0, 4))


def test_no_more_units_than_were_made(world: World) -> None:
    batch = world.batch("B1", units=5, quantity=6)
    before = world.rows()
    with pytest.raises(MoreThanMade):
        batch.gets_units(2)
    assert world.rows() == before
    batch.gets_units(1)


def test_units_of_an_unknown_batch_are_refused_and_none_is_left_staged(world: World) -> None:
    before = world.rows()
    with pytest.raises(UnknownBatch):
        MadeBatch(world, "B1", ()).gets_units(3)
    assert world.rows() == before


def test_a_factorys_serials_are_kept_as_they_are_and_found_as_they_are_typed(world: World) -> None:
    batch = world.batch("B1", quantity=3)
    given = ["ab-0001", "AB 0002", "0001:x"]
    assert batch.receives_units(given) == tuple(given)
    assert [one.serial for one in found(world, "AB0001")] == ["ab-0001"]
    assert [one.serial for one in found(world, "ab-0002")] == ["AB 0002"]
    (made,) = sets(world, batch)
    assert made.received_sha256
    received = made.received_sha256
    assert world.read(lambda connection: was_received(connection, received)) == [made]
    assert world.read(lambda connection: was_received(connection, "00" * 32)) == []


def test_a_serial_stands_once_on_a_product_and_may_stand_on_another(world: World) -> None:
    world.batch("B1", quantity=3).receives_units(["AB-0001", "AB-0002"])
    before = world.rows()
    with pytest.raises(SerialsTaken) as refused:
        world.batch("B2", quantity=3).receives_units(["ab0002", "ab0003"])
    assert refused.value.facts == {"count": 1, "serial": "ab0002"}
    assert world.rows([NOUNS["unit"]]) == {
        table: before[table] for table in ("unit_sets", "units", "stagings")
    }
    world.batch("B2", quantity=3, product="VS-20").receives_units(["ab0002", "ab0003"])
    assert [one.serial for one in found(world, "AB-0002")] == ["AB-0002", "ab0002"]


def test_a_serial_that_stands_twice_in_one_set_is_refused(world: World) -> None:
    batch = world.batch("B1", quantity=9)
    with pytest.raises(SerialsRepeated) as refused:
        batch.receives_units(["AB-0001", "AB-0002", "ab0001"])
    assert refused.value.facts == {"count": 2, "serial": "AB-0001"}
    assert world.rows()["units"] == []


@pytest.mark.parametrize("serial", ["", " ", "--", "A\nB", "A\u202eB", "u\u0308", "x" * 61])
def test_a_serial_that_no_list_can_hold_is_refused(world: World, serial: str) -> None:
    with pytest.raises(InvalidForeignCode):
        world.batch("B1", quantity=9).receives_units(["AB-0001", serial])
    assert world.rows()["units"] == []


# --- staging


def a_staged_set(world: World, some: list[str], batch: str = "VS-10/B1") -> CommissionUnits:
    staged = stage(world.ledger.journal, world.ledger.keys.units, some)
    return CommissionUnits(
        unit_set=staged.unit_set,
        batch=batch,
        count=staged.count,
        root=staged.root,
        list_file=staged.list_file,
    )


def test_staged_serials_are_seen_by_nobody(world: World) -> None:
    world.batch("B1", quantity=3)
    a_staged_set(world, ["AB-0001"])
    assert found(world, "AB-0001") == []
    assert world.answer("AB-0001").status == "unknown"


def test_staged_serials_do_not_keep_others_from_being_recorded(world: World) -> None:
    batch = world.batch("B1", quantity=3)
    a_staged_set(world, ["AB-0001"])
    batch.receives_units(["AB-0001"])
    assert len(found(world, "AB-0001")) == 1


def test_one_staged_set_is_made_live_once(world: World) -> None:
    world.batch("B1", quantity=9)
    request = a_staged_set(world, ["AB-0001", "AB-0002"])
    world.do(request)
    before = world.bodies()
    with pytest.raises(NothingStaged):
        world.do(request)
    assert world.bodies() == before


def test_a_set_whose_rows_are_gone_or_not_all_there_is_refused(world: World) -> None:
    world.batch("B1", quantity=9)
    request = a_staged_set(world, ["AB-0001", "AB-0002"])
    fewer = CommissionUnits(
        **{name: getattr(request, name) for name in request.__struct_fields__} | {"count": 1}
    )
    with pytest.raises(NothingStaged):
        world.do(fewer)
    world.later(hours=2)
    assert drop_leftovers(world.ledger.journal) == 1
    with pytest.raises(NothingStaged):
        world.do(request)


def test_leftovers_are_dropped_after_an_hour_and_live_units_never(world: World) -> None:
    batch = world.batch("B1", units=2, quantity=9)
    a_staged_set(world, ["AB-0001"])
    world.later(hours=0.9)
    a_staged_set(world, ["AB-0002"])
    assert drop_leftovers(world.ledger.journal) == 0
    world.later(hours=0.2)
    assert drop_leftovers(world.ledger.journal) == 1
    world.clock.moment += timedelta(hours=1)
    assert drop_leftovers(world.ledger.journal) == 1
    assert drop_leftovers(world.ledger.journal) == 0
    assert len(world.rows()["units"]) == 2
    assert found(world, batch.serials[0])


def test_serials_asked_for_again_under_one_key_are_made_once(world: World) -> None:
    world.batch("B1", quantity=9)
    ledger, asked = world.ledger, MakeSerials(batch="B1", count=3)
    first = commission_made(ledger.journal, ledger.keys.units, asked, By(ADA, "k"))
    assert commission_made(ledger.journal, ledger.keys.units, asked, By(ADA, "k")) == first
    assert len(world.rows()["units"]) == 3
    assert world.rows()["stagings"] == []
    with pytest.raises(SameKeyOtherRequest):
        commission_made(ledger.journal, ledger.keys.units, MakeSerials(batch="B1", count=4), By(ADA, "k"))
    assert len(world.rows()["units"]) == 3


class VanishingGuard(Guard):
    """Is gone when the commit is through."""

    def swap(self, expected: Guarded, note: str) -> Guarded:
        self.path.rename(self.path.with_suffix(".away"))
        return super().swap(expected, note)


def test_units_that_were_committed_stay_when_the_guard_fails_after_the_commit(world: World) -> None:
    batch = world.batch("B1", quantity=9)
    ledger = world.ledger
    journal = Journal(
        engine=ledger.engine,
        signer=ledger.keys.signer,
        guard=VanishingGuard(ledger.settings.guard),
        files=ledger.files,
        turnstile=Turnstile(ledger.settings.data),
        clock=world.clock,
    )
    with pytest.raises(GuardMissing):
        commission_made(journal, ledger.keys.units, MakeSerials(batch="B1", count=3), By(ADA))
    ledger.settings.guard.with_suffix(".away").rename(ledger.settings.guard)
    assert not world.standing().is_old
    (made,) = sets(world, batch)
    assert len(world.read(lambda connection: serials_in(connection, made.range))) == 3
    live = world.rows()
    rebuild(ledger.engine, [NOUNS["unit"]], ledger.files.read)
    assert world.rows() == live
    assert_whole(ledger)
