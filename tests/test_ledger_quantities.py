"""Quantities and money: whole numbers that never mix what they measure."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import quantities
from ledger.quantities import (
    LARGEST,
    UNITS,
    InvalidMoney,
    InvalidQuantity,
    Money,
    Quantity,
    TooLarge,
    UnitsDiffer,
    minor_digits,
)

amounts = st.integers(-(10**9), 10**9)
any_quantity = st.builds(Quantity, st.integers(-LARGEST, LARGEST), st.sampled_from(sorted(UNITS)))
any_money = st.builds(
    Money, st.integers(-LARGEST, LARGEST), st.sampled_from(["EUR", "USD", "JPY", "KWD", "CNY", "VND"])
)


def test_the_example_in_the_module_holds() -> None:
    result = doctest.testmod(quantities)
    assert (result.failed, result.attempted > 0) == (0, True)


@given(any_quantity)
def test_a_quantity_survives_being_written_and_read(quantity: Quantity) -> None:
    read = Quantity.parse(str(quantity))
    assert (read.amount, read.unit) == (quantity.amount, quantity.unit)


@given(any_money)
def test_money_survives_being_written_and_read(money: Money) -> None:
    assert Money.parse(str(money)) == money


@given(amounts, amounts, st.sampled_from(["mg", "g", "kg"]), st.sampled_from(["mg", "g", "kg"]))
def test_sums_lose_nothing(left: int, right: int, left_unit: str, right_unit: str) -> None:
    a, b = Quantity(left, left_unit), Quantity(right, right_unit)
    assert (a + b).base_amount == a.base_amount + b.base_amount
    assert a + b - b == a
    assert a + b == b + a


def test_the_same_amount_is_equal_in_every_unit() -> None:
    assert Quantity(1, "kg") == Quantity(1000, "g") == Quantity(1_000_000, "mg")
    assert hash(Quantity(1, "m2")) == hash(Quantity(10_000, "cm2"))
    assert Quantity(1, "m") != Quantity(1, "kg")
    assert Quantity(99, "cm") < Quantity(1, "m") <= Quantity(1000, "mm")
    assert max(Quantity(2, "l"), Quantity(1999, "ml")) == Quantity(2, "l")


def test_metres_and_grams_never_meet() -> None:
    length, mass = Quantity(1, "m"), Quantity(1, "g")
    with pytest.raises(UnitsDiffer, match="1 m and 1 g"):
        length + mass
    with pytest.raises(UnitsDiffer):
        length - mass
    with pytest.raises(UnitsDiffer):
        assert length < mass


def test_euros_and_dollars_never_meet() -> None:
    with pytest.raises(UnitsDiffer, match=r"1\.00 EUR and 1\.00 USD"):
        Money(100, "EUR") + Money(100, "USD")
    with pytest.raises(UnitsDiffer):
        assert Money(1, "EUR") < Money(2, "USD")


@pytest.mark.parametrize(
    "text", ["", "350", "m", "1.5 m", "1,000 m", "01 m", "+1 m", "-0 m", "1 M", "1 ft", "٣ m"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuantity):
        Quantity.parse(text)


def test_a_unit_outside_the_list_cannot_be_made() -> None:
    with pytest.raises(InvalidQuantity):
        Quantity(1, "furlong")


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("34.90 EUR", 3490),
        ("34 EUR", 3400),
        ("0.05 USD", 5),
        ("-1.00 GBP", -100),
        ("1500 JPY", 1500),
        ("1.250 KWD", 1250),
    ],
)
def test_money_counts_in_the_minor_units_of_its_currency(text: str, minor: int) -> None:
    assert Money.parse(text).minor == minor


@pytest.mark.parametrize(
    "text", ["", "34.90", "34.9 EUR", "34,90 EUR", "1.5 JPY", "1.25 KWD", "34.90 eur", "€34.90"]
)
def test_what_is_no_amount_of_money_is_refused(text: str) -> None:
    with pytest.raises(InvalidMoney):
        Money.parse(text)


def test_small_amounts_keep_their_zeros() -> None:
    assert str(Money(5, "EUR")) == "0.05 EUR"
    assert str(Money(-5, "EUR")) == "-0.05 EUR"
    assert str(Money(0, "JPY")) == "0 JPY"
    assert str(Money(3490, "EUR") * 24_118) == "841718.20 EUR"
    assert minor_digits("KRW") == 0


def test_what_an_entry_cannot_hold_is_refused_at_once() -> None:
    with pytest.raises(TooLarge):
        Quantity(LARGEST, "pcs") + Quantity(1, "pcs")
    with pytest.raises(TooLarge):
        Money(LARGEST + 1, "EUR")
