"""Figures that add up: made = shipped, by country, + in stock. Each stands as a sum, as a bar and as a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.trace.shipment import Shipped
from portal.console.reads import BatchLine
from translations import Words

BAR = 1_000  # the bar's width, in its own units
GAP = 2.0
NARROWEST = 3.4  # a slice that is there can be seen


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the bar: its meaning (out, held, way), where it begins, how wide it is."""

    part: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Term:
    """One figure of the sum: as written, what it counts, its meaning in the bar ("" for the sum)."""

    figure: str
    said: str
    part: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Where units are."""

    made: int
    shipped: int
    terms: tuple[Term, ...]
    slices: tuple[Slice, ...]
    by_country: tuple[tuple[str, str, str], ...]  # country, channels, units
    in_stock: str


def figures_of(words: Words, made: int, shipped: Sequence[Shipped], *, is_held: bool = False) -> Figures:
    """The figures of batches that have `made` units together."""
    out = sum(one.quantity for one in shipped)
    stock = made - out
    kept = words.text("held in stock") if is_held else words.text("in stock")
    parts = [("out", out, words.text("shipped")), ("held" if is_held else "way", stock, kept)]
    terms = [Term(words.number(made), words.text("made"), "")]
    terms += [Term(words.number(count), said, part) for part, count, said in parts]
    return Figures(
        made=made,
        shipped=out,
        terms=tuple(terms),
        slices=tuple(slices([(part, count) for part, count, _ in parts])),
        by_country=tuple(_countries(words, shipped)),
        in_stock=words.number(stock),
    )


def slices(parts: Iterable[tuple[str, int]]) -> list[Slice]:
    """The bar's slices in order, with a gap between; parts of nothing are left out."""
    there = [(part, count) for part, count in parts if count > 0]
    total = sum(count for _, count in there)
    room = BAR - GAP * (len(there) - 1)
    widths = [max(NARROWEST, room * count / total) for _, count in there]
    excess = sum(widths) - room
    widest = max(range(len(widths)), key=widths.__getitem__, default=0)
    cut, start = [], 0.0
    for place, ((part, _), width) in enumerate(zip(there, widths, strict=True)):
        width -= excess if place == widest else 0
        cut.append(Slice(part, round(start, 1), round(width, 1)))
        start += width + GAP
    return cut


def by_batch(lines: Iterable[BatchLine], shipped: Iterable[Shipped]) -> dict[str, list[Shipped]]:
    """What was shipped of each of these batches (ids)."""
    found: dict[str, list[Shipped]] = {line.id: [] for line in lines}
    for one in shipped:
        found.setdefault(one.batch, []).append(one)
    return found


def countries_of(shipped: Iterable[Shipped]) -> list[tuple[str, int]]:
    """(country, units), most first."""
    sums: dict[str, int] = {}
    for one in shipped:
        sums[one.country] = sums.get(one.country, 0) + one.quantity
    return sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))


def _countries(words: Words, shipped: Sequence[Shipped]) -> list[tuple[str, str, str]]:
    return [
        (
            words.country(country),
            words.list(list(dict.fromkeys(one.channel for one in shipped if one.country == country))),
            words.number(count),
        )
        for country, count in countries_of(shipped)
    ]
