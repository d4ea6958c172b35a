"""Quantities and money as whole numbers with a unit: never a float, never a sum of metres and grams.

>>> str(Quantity.parse("2 kg") + Quantity.parse("350 g"))
'2350 g'
>>> str(Money.parse("34.90 EUR"))
'34.90 EUR'
"""

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Self

from ledger.errors import LedgerError

LARGEST = 2**53 - 1  # what an entry can hold (RFC 8785 within the limits of a double)


class UnitsDiffer(LedgerError):
    """Two amounts that cannot be added or compared."""

    message = "{left} and {right} measure different things. Give both in units of the same kind."


class InvalidQuantity(LedgerError):
    """A text that is not a whole number and a unit of the list."""

    message = "{text!r} is not a quantity. Write a whole number and one of {units}, such as 350 m."


class InvalidMoney(LedgerError):
    """A text that is not an amount and a currency."""

    message = "{text!r} is not an amount of money. Write it like 34.90 EUR."


class TooLarge(LedgerError):
    """A number that an entry cannot hold."""

    message = "{amount} is too large to be recorded. Use a larger unit."


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure: what it measures, and how many of the smallest unit of that dimension it holds."""

    dimension: str
    factor: int


UNITS = {
    "pcs": Unit("count", 1),
    "mg": Unit("mass", 1),
    "g": Unit("mass", 1_000),
    "kg": Unit("mass", 1_000_000),
    "mm": Unit("length", 1),
    "cm": Unit("length", 10),
    "m": Unit("length", 1_000),
    "ml": Unit("volume", 1),
    "l": Unit("volume", 1_000),
    "mm2": Unit("area", 1),
    "cm2": Unit("area", 100),
    "m2": Unit("area", 1_000_000),
}

_QUANTITY = re.compile(r"(0|-?[1-9][0-9]*) ?([a-z]+2?)")


def _check_size(amount: int) -> None:
    if abs(amount) > LARGEST:
        raise TooLarge(amount=amount)


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """A whole number of one unit. Equal means the same amount, whatever the unit: 1000 g == 1 kg."""

    amount: int
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise InvalidQuantity(text=f"{self.amount} {self.unit}", units=", ".join(UNITS))
        _check_size(self.amount)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The quantity in `350 m`. Raises InvalidQuantity unless it is a whole number and a known unit."""
        match = _QUANTITY.fullmatch(text.strip())
        if match is None or match[2] not in UNITS:
            raise InvalidQuantity(text=text, units=", ".join(UNITS))
        return cls(int(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}"

    @property
    def dimension(self) -> str:
        """What it measures: count, mass, length, volume or area."""
        return UNITS[self.unit].dimension

    @property
    def base_amount(self) -> int:
        """The amount in the smallest unit of its dimension."""
        return self.amount * UNITS[self.unit].factor

    def __add__(self, other: "Quantity") -> "Quantity":
        self._check_same_dimension(other)
        return _in_finer_unit(self, other, self.base_amount + other.base_amount)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return self + -other

    def __neg__(self) -> "Quantity":
        return Quantity(-self.amount, self.unit)

    def __mul__(self, count: int) -> "Quantity":
        return Quantity(self.amount * count, self.unit)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quantity):
            return NotImplemented
        return (self.dimension, self.base_amount) == (other.dimension, other.base_amount)

    def __hash__(self) -> int:
        return hash((self.dimension, self.base_amount))

    def __lt__(self, other: "Quantity") -> bool:
        self._check_same_dimension(other)
        return self.base_amount < other.base_amount

    def _check_same_dimension(self, other: "Quantity") -> None:
        if self.dimension != other.dimension:
            raise UnitsDiffer(left=self, right=other)


def _in_finer_unit(left: Quantity, right: Quantity, base_amount: int) -> Quantity:
    """The sum in the smaller of both units, in which it is always a whole number."""
    unit = min(left.unit, right.unit, key=lambda name: UNITS[name].factor)
    return Quantity(base_amount // UNITS[unit].factor, unit)


# ISO 4217: currencies whose minor unit is not a hundredth.
_WITHOUT_MINOR = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW"}
    | {"PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_WITH_THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_CURRENCY = re.compile("[A-Z]{3}")
_MONEY = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))? ([A-Z]{3})")


def minor_digits(currency: str) -> int:
    """Digits after the point in this currency: 2, 0 for the yen, 3 for the dinar of Kuwait (ISO 4217)."""
    if currency in _WITHOUT_MINOR:
        return 0
    return 3 if currency in _WITH_THOUSANDTHS else 2


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """A whole number of a currency's minor units: 34.90 EUR is `Money(3490, "EUR")`."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if not _CURRENCY.fullmatch(self.currency):
            raise InvalidMoney(text=f"{self.minor} {self.currency}")
        _check_size(self.minor)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The amount in `34.90 EUR`: a point, no thousands marks, all of the currency's digits or none."""
        match = _MONEY.fullmatch(text.strip())
        if match is None:
            raise InvalidMoney(text=text)
        sign, whole, fraction, currency = match.groups()
        digits = minor_digits(currency)
        if fraction is not None and len(fraction) != digits:
            raise InvalidMoney(text=text)
        return cls(int(sign + whole + (fraction or "0" * digits)), currency)

    def __str__(self) -> str:
        digits = minor_digits(self.currency)
        sign, padded = "-" * (self.minor < 0), str(abs(self.minor)).zfill(digits + 1)
        if digits == 0:
            return f"{sign}{padded} {self.currency}"
        return f"{sign}{padded[:-digits]}.{padded[-digits:]} {self.currency}"

    def __add__(self, other: "Money") -> "Money":
        self._check_same_currency(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return self + -other

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __mul__(self, count: int) -> "Money":
        return Money(self.minor * count, self.currency)

    def __lt__(self, other: "Money") -> bool:
        self._check_same_currency(other)
        return self.minor < other.minor

    def _check_same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise UnitsDiffer(left=self, right=other)
