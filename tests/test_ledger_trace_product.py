"""Products."""

import pytest

from ledger.errors import LedgerError
from ledger.identifiers import InvalidGtin, WrongCheckDigit
from ledger.trace.product import (
    ProductExists,
    RegisterProduct,
    UnknownProduct,
    find_product,
    get_product,
    list_products,
)
from tests.world import World, refusal


def a_product(code: str, gtin: str = "") -> RegisterProduct:
    return RegisterProduct(code=code, brand="Voltaro", name=f"Bank {code}", model=code, gtin=gtin)


@pytest.mark.parametrize(
    "typed", ["4012345678901", "04012345678901", " 401234-5678901 ", "４０１２３４５６７８９０１"]
)
def test_a_product_is_found_by_code_gtin_and_id(world: World, typed: str) -> None:
    world.do(a_product("VS-10", typed))
    found = world.read(lambda connection: get_product(connection, "VS-10"))
    assert found.gtin == "04012345678901"
    assert world.read(lambda connection: find_product(connection, "04012345678901")) == found
    assert world.read(lambda connection: find_product(connection, found.id)) == found


@pytest.mark.parametrize(
    ("gtin", "error"),
    [
        ("4012345678902", WrongCheckDigit),
        ("401234567890", WrongCheckDigit),
        ("123", InvalidGtin),
        ("40123456789O1", InvalidGtin),
        ("123456789", InvalidGtin),
    ],
)
def test_a_wrong_gtin_is_refused_and_nothing_is_written(
    world: World, gtin: str, error: type[LedgerError]
) -> None:
    before = world.bodies()
    assert isinstance(refusal(lambda: world.do(a_product("VS-10", gtin))), error)
    assert world.bodies() == before


def test_a_product_without_a_gtin_is_taken_and_two_of_them_do_not_meet(world: World) -> None:
    world.do(a_product("VS-10"))
    world.do(a_product("VS-20"))
    assert [one.gtin for one in world.read(list_products)] == [None, None]


def test_a_code_and_a_gtin_belong_to_one_product(world: World) -> None:
    world.do(a_product("VS-10", "4012345678901"))
    with pytest.raises(ProductExists, match="VS-10"):
        world.do(a_product("VS-10"))
    with pytest.raises(ProductExists, match="04012345678901"):
        world.do(a_product("VS-20", "4012345678901"))


def test_a_code_that_is_another_products_gtin_is_refused(world: World) -> None:
    world.do(a_product("VS-10", "4012345678901"))
    with pytest.raises(ProductExists):
        world.do(a_product("04012345678901"))


def test_an_unknown_code_is_no_product(world: World) -> None:
    with pytest.raises(UnknownProduct, match="VS-10"):
        world.read(lambda connection: get_product(connection, "VS-10"))
