"""Substitutions: decided by somebody else, or found and dated back."""

from datetime import date, timedelta
from typing import Literal

import pytest

from ledger.errors import LedgerError
from ledger.people.approval import NotApproved, SameAuthor
from ledger.trace.bill_of_materials import UnknownMaterial
from ledger.trace.material_lot import InTheFuture, UnknownMaterialLot, get_material_lot
from ledger.trace.product import UnknownProduct
from ledger.trace.substitution import (
    AlreadyDecided,
    DecideSubstitution,
    FindSubstitution,
    NoLots,
    OtherMaterial,
    ProposeSubstitution,
    Substitution,
    SubstitutionExists,
    UnknownSubstitution,
    found_in,
    get_substitution,
    list_substitutions,
)
from tests.world import ADA, BEN, World


def proposal(
    world: World, code: str = "S-1", material: str = "FILM", product: str = "VS-10"
) -> ProposeSubstitution:
    return ProposeSubstitution(
        code=code,
        material=material,
        product=product,
        declared="16 µm",
        wanted="14 µm",
        effective_on=world.today + timedelta(days=30),
        statement="It is thinner.",
    )


def finding(world: World, *lots: str, code: str = "S-9", on: date | None = None) -> FindSubstitution:
    return FindSubstitution(
        code=code,
        lots=lots,
        known="uncoated, 12 µm",
        effective_on=on or world.today - timedelta(days=40),
        statement="The laboratory opened cells.",
    )


def decision(decided: Literal["approve", "refuse"], code: str = "S-1") -> DecideSubstitution:
    return DecideSubstitution(code=code, decision=decided, statement="Tested.")


def standing(world: World, code: str = "S-1") -> Substitution:
    return world.read(lambda connection: get_substitution(connection, code))


@pytest.fixture(autouse=True)
def registered(world: World) -> None:
    world.product("VS-10")
    world.material("FILM")


@pytest.mark.parametrize(
    ("decided", "then", "error"),
    [("approve", "approved", NotApproved), ("refuse", "refused", SameAuthor)],
)
def test_somebody_else_decides(
    world: World, decided: Literal["approve", "refuse"], then: str, error: type[LedgerError]
) -> None:
    world.do(proposal(world), by=ADA)
    with pytest.raises(error):
        world.do(decision(decided), by=ADA)
    assert standing(world).standing == "proposed"
    receipt = world.do(decision(decided), by=BEN)
    assert standing(world).standing == then
    assert standing(world).decided == receipt.entries[-1].index
    assert standing(world).proposed_by == ADA


def test_a_decision_is_final(world: World) -> None:
    world.do(proposal(world))
    world.do(decision("approve"), by=BEN)
    with pytest.raises(AlreadyDecided, match="approved"):
        world.do(decision("refuse"), by=BEN)


def test_what_was_found_cannot_be_approved_afterwards(world: World) -> None:
    world.lot("SF-1", "10 m")
    world.do(finding(world, "SF-1", code="S-1"))
    with pytest.raises(AlreadyDecided, match="found"):
        world.do(decision("approve"), by=BEN)


def test_a_code_is_taken_once(world: World) -> None:
    world.do(proposal(world))
    world.lot("SF-1", "10 m")
    with pytest.raises(SubstitutionExists):
        world.do(proposal(world))
    with pytest.raises(SubstitutionExists):
        world.do(finding(world, "SF-1", code="S-1"))


def test_what_is_not_registered_is_refused(world: World) -> None:
    with pytest.raises(UnknownMaterial):
        world.do(proposal(world, material="FOIL"))
    with pytest.raises(UnknownProduct):
        world.do(proposal(world, product="VS-20"))
    with pytest.raises(UnknownMaterialLot):
        world.do(finding(world, "SF-1"))
    with pytest.raises(UnknownSubstitution):
        world.do(decision("approve", code="S-7"))


def test_a_finding_is_dated_back_and_leaves_what_was_declared(world: World) -> None:
    world.lot("SF-1", "10 m")
    world.lot("SF-2", "10 m")
    on = world.today - timedelta(days=40)
    receipt = world.do(finding(world, "SF-1", "SF-1", on=on))
    found = standing(world, "S-9")
    assert (found.declared, found.known) == ("ceramic-coated, 16 µm", "uncoated, 12 µm")
    assert found.effective_on == on
    assert receipt.entries[0].at.date() == world.today
    lots = [
        world.read(lambda connection: get_material_lot(connection, "SF-1")),
        world.read(lambda connection: get_material_lot(connection, "SF-2")),
    ]
    assert lots[0].declared == "ceramic-coated, 16 µm"
    ids = [lot.id for lot in lots]
    assert world.read(lambda connection: found_in(connection, ids)) == {lots[0].id: [found]}


def test_a_finding_names_at_least_one_lot_of_one_material(world: World) -> None:
    world.lot("SF-1", "10 m")
    world.lot("C-1", "10 pcs", material="CELL")
    with pytest.raises(NoLots):
        world.do(finding(world))
    with pytest.raises(OtherMaterial, match="C-1"):
        world.do(finding(world, "SF-1", "C-1"))


def test_a_finding_cannot_take_effect_in_the_future(world: World) -> None:
    world.lot("SF-1", "10 m")
    with pytest.raises(InTheFuture):
        world.do(finding(world, "SF-1", on=world.today + timedelta(days=2)))


def test_substitutions_are_listed_newest_first(world: World) -> None:
    for code in ("S-1", "S-2"):
        world.do(proposal(world, code=code))
    assert [one.code for one in world.read(list_substitutions)] == ["S-2", "S-1"]
