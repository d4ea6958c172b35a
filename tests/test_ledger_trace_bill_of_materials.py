"""Materials and bills of materials."""

import pytest

from ledger.quantities import Quantity
from ledger.trace.bill_of_materials import (
    MaterialExists,
    NeededMaterial,
    NotPositive,
    RegisterMaterial,
    ReviseBillOfMaterials,
    RevisionExists,
    UnknownMaterial,
    get_material,
    list_materials,
    revisions,
)
from ledger.trace.product import UnknownProduct, get_product
from tests.world import World


def revision(name: str, material: str = "FILM", quantity: str = "1500 mm") -> ReviseBillOfMaterials:
    line = NeededMaterial(material, Quantity.parse(quantity), "ceramic-coated, 16 µm")
    return ReviseBillOfMaterials(product="VS-10", revision=name, lines=(line,))


@pytest.fixture(autouse=True)
def registered(world: World) -> None:
    world.product("VS-10")
    world.material("FILM")


def test_revisions_stand_in_the_order_in_which_they_were_made(world: World) -> None:
    for name in ("B", "A", "C"):
        world.do(revision(name))
    product = world.read(lambda connection: get_product(connection, "VS-10")).id
    assert world.read(lambda connection: revisions(connection, product)) == ["B", "A", "C"]


def test_a_revision_is_never_edited(world: World) -> None:
    world.do(revision("A"))
    with pytest.raises(RevisionExists, match="“A”"):
        world.do(revision("A"))


def test_a_material_that_is_not_registered_is_refused(world: World) -> None:
    with pytest.raises(UnknownMaterial, match="FOIL"):
        world.do(revision("A", material="FOIL"))


def test_a_product_that_is_not_registered_is_refused(world: World) -> None:
    line = NeededMaterial("FILM", Quantity(1, "pcs"), "x")
    with pytest.raises(UnknownProduct):
        world.do(ReviseBillOfMaterials(product="VS-20", revision="A", lines=(line,)))


@pytest.mark.parametrize("quantity", ["0 mm", "-1500 mm"])
def test_a_product_needs_more_than_nothing_of_a_material(world: World, quantity: str) -> None:
    with pytest.raises(NotPositive, match=quantity):
        world.do(revision("A", quantity=quantity))


def test_a_materials_code_is_taken_once(world: World) -> None:
    with pytest.raises(MaterialExists, match="FILM"):
        world.do(RegisterMaterial(code="FILM", name="Another"))


def test_materials_are_found_by_code_and_id_and_listed_by_code(world: World) -> None:
    world.material("CELL")
    film = world.read(lambda connection: get_material(connection, "FILM"))
    assert world.read(lambda connection: get_material(connection, film.id)) == film
    assert [one.code for one in world.read(list_materials)] == ["CELL", "FILM"]
