"""The graph of what a swapped lot touched: lots at the start, batches in the middle, countries at the end.

Left to right in time. Lots are round, batches square, shipments arrows. What the swapped lot touched stands in
the danger colour, this batch with the strongest frame; all else is grey. Below 1,100 px the same is a list.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ledger.trace.shipment import Shipped
from portal.console.figures import countries_of
from portal.console.reads import BatchLine, LotLine, unique
from translations import Words

WIDTH, LOT_WIDTH, BATCH_X, BATCH_WIDTH, ARROW_END = 1008, 232, 392, 220, 736
BOX, PITCH, TOP = 48, 76, 34
LINE = 22  # between two arrows of one batch
MOST_LOTS, MOST_BATCHES, MOST_SIBLINGS = 6, 8, 3


@dataclass(frozen=True, slots=True)
class Box:
    """A lot or a batch: where it stands, what stands in it."""

    x: int
    y: float
    width: int
    label: str
    note: str
    address_of: str  # its id
    is_hit: bool
    is_here: bool = False

    @property
    def middle(self) -> float:
        return self.y + BOX / 2


@dataclass(frozen=True, slots=True)
class Line:
    """A curve from one box to the next, as an SVG path."""

    path: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class Arrow:
    """Units that left: a curve with a tip, the figure, the country, and a note."""

    path: str
    tip: str
    y: float
    figure: str
    place: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class Graph:
    """The drawing, and the same in words as a list."""

    height: int
    lots: tuple[Box, ...]
    batches: tuple[Box, ...]
    lines: tuple[Line, ...]
    arrows: tuple[Arrow, ...]
    touched: tuple[tuple[Box, str], ...]  # a batch that holds the lot, and where its units went
    spared: tuple[Box, ...]
    units: int


def shown_batches(edges: Sequence[BatchLine], hit_lots: Iterable[str], here: str) -> list[BatchLine]:
    """The batches to draw: this one and others that hold a swapped lot, then a few that never did."""
    hit = set(hit_lots)
    touched = {one.id for one in edges if one.lot in hit}
    all_batches = unique(edges)
    affected = [one for one in all_batches if one.id in touched]
    affected.sort(key=lambda one: (one.id != here, one.recorded))
    spared = [one for one in all_batches if one.id not in touched][:MOST_SIBLINGS]
    chosen = affected[: MOST_BATCHES - len(spared)] + spared
    return sorted(chosen, key=lambda one: one.recorded)


def draw(
    words: Words,
    *,
    lots: Sequence[LotLine],
    edges: Sequence[BatchLine],
    hit_lots: Mapping[str, str],
    shipped: Mapping[str, Sequence[Shipped]],
    here: str,
) -> Graph:
    """The graph around the batch `here`; `hit_lots` says of each swapped lot what it really is."""
    chosen = shown_batches(edges, hit_lots, here)
    touched = {one.id for one in edges if one.lot in hit_lots}
    arrows_of = {
        one.id: _destinations(words, shipped.get(one.id, ()), is_wide=one.id == here) for one in chosen
    }
    batch_boxes = _batch_boxes(words, chosen, touched, arrows_of, here)
    bottom = max(box.y + BOX for box in batch_boxes)
    lot_boxes = _lot_boxes(words, lots, hit_lots, bottom)
    by_id = {box.address_of: box for box in (*lot_boxes, *batch_boxes)}
    lines = [
        Line(_curve(by_id[one.lot], by_id[one.id]), one.lot in hit_lots)
        for one in edges
        if one.lot in by_id and one.id in by_id
    ]
    arrows = [arrow for box in batch_boxes for arrow in _arrows(box, arrows_of[box.address_of])]
    return Graph(
        height=int(max(bottom, *(box.y + BOX for box in lot_boxes)) + 12),
        lots=tuple(lot_boxes),
        batches=tuple(batch_boxes),
        lines=tuple(sorted(lines, key=lambda line: line.is_hit)),
        arrows=tuple(arrows),
        touched=tuple(
            (box, _said(words, shipped.get(box.address_of, ()))) for box in batch_boxes if box.is_hit
        ),
        spared=tuple(box for box in batch_boxes if not box.is_hit),
        units=sum(one.quantity for one in unique(edges) if one.id in touched),
    )


def _batch_boxes(
    words: Words,
    chosen: Sequence[BatchLine],
    touched: set[str],
    arrows_of: Mapping[str, Sequence[tuple[str, str]]],
    here: str,
) -> list[Box]:
    boxes, y = [], float(TOP)
    for one in chosen:
        room = max(BOX, LINE * len(arrows_of[one.id]))
        units = words.plural("{count} unit", "{count} units", one.quantity)
        note = words.text("{units}, this batch", units=units) if one.id == here else units
        boxes.append(
            Box(
                BATCH_X,
                y + (room - BOX) / 2,
                BATCH_WIDTH,
                one.code,
                note,
                one.id,
                one.id in touched,
                one.id == here,
            )
        )
        y += room + PITCH - BOX
    return boxes


def _lot_boxes(words: Words, lots: Sequence[LotLine], hit: Mapping[str, str], bottom: float) -> list[Box]:
    """The lots, spread over the height of the batches; the swapped ones are never left out."""
    order = sorted(lots, key=lambda lot: lot.id not in hit)[:MOST_LOTS]
    kept = [lot for lot in {lot.id: lot for lot in lots}.values() if lot in order]
    pitch = max(BOX + 16.0, (bottom - TOP) / len(kept))
    first = TOP + max(0.0, (bottom - TOP - pitch * len(kept)) / 2) + (pitch - BOX) / 2
    return [
        Box(0, first + pitch * place, LOT_WIDTH, lot.code, _lot_note(words, lot, hit), lot.id, lot.id in hit)
        for place, lot in enumerate(kept)
    ]


def _lot_note(words: Words, lot: LotLine, hit: Mapping[str, str]) -> str:
    if lot.id in hit:
        return _short(words.text("{known}, swapped in", known=hit[lot.id]))
    return _short(
        words.text("{material}, {supplier}", material=lot.material_name, supplier=lot.supplier_name)
    )


def _destinations(words: Words, shipped: Sequence[Shipped], *, is_wide: bool) -> list[tuple[str, str]]:
    """(figure, where): each country of this batch, one line for every other."""
    counted = countries_of(shipped)
    if is_wide and len(counted) <= MOST_LOTS:
        return [(words.number(count), words.country(country)) for country, count in counted]
    if not counted:
        return []
    total = sum(count for _, count in counted)
    return [(words.number(total), words.plural("{count} country", "{count} countries", len(counted)))]


def _arrows(box: Box, destinations: Sequence[tuple[str, str]]) -> list[Arrow]:
    first = box.middle - LINE * (len(destinations) - 1) / 2
    arrows = []
    for place, (figure, where) in enumerate(destinations):
        y = first + LINE * place
        end = BATCH_X + BATCH_WIDTH
        path = (
            f"M{end} {box.middle:g}C{end + 48} {box.middle:g} {end + 48} {y:g} {end + 96} {y:g}H{ARROW_END}"
        )
        tip = f"M{ARROW_END} {y - 4.5:g}l9 4.5-9 4.5z"
        arrows.append(Arrow(path, tip, y + 4.5, figure, where, box.is_hit))
    return arrows


def _curve(start: Box, end: Box) -> str:
    x1, x2 = start.x + start.width, end.x
    middle = (x1 + x2) / 2
    return f"M{x1} {start.middle:g}C{middle:g} {start.middle:g} {middle:g} {end.middle:g} {x2} {end.middle:g}"


def _said(words: Words, shipped: Sequence[Shipped]) -> str:
    return " · ".join(
        f"{words.country(country)} {words.number(count)}" for country, count in countries_of(shipped)
    )


def _short(text: str) -> str:
    """What fits into a box of 232 px at 12 px type."""
    width = sum(2 if ord(character) > 0x2E7F else 1 for character in text)
    if width <= 34:
        return text
    kept, room = "", 33
    for character in text:
        room -= 2 if ord(character) > 0x2E7F else 1
        if room < 0:
            break
        kept += character
    return kept.rstrip(" ,") + "…"
