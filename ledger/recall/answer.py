"""What the public is told about a number.

A recall beats everything, sold or not, shipped or not. The order is: recalled; recalled and put right; in no
recall published as of a time; unknown. Never "safe".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection, bindparam, false, literal, select

from ledger.database import Prepared
from ledger.identifiers import as_printed, has_valid_pair, in_groups, never_occurring, search_key
from ledger.journal.publish import Standing
from ledger.recall.claim import settled_recalls
from ledger.recall.recall import recall_ranges, recalls
from ledger.trace.batch import batch_codes, batches
from ledger.trace.positions import Position, Range
from ledger.trace.product import products
from ledger.trace.unit import unit_sets, units

Status = Literal["recalled", "settled", "not_recalled", "unknown"]
Hint = Literal["", "check_pair", "never_occurring", "length"]


@dataclass(frozen=True, slots=True)
class SpokenFor:
    """The moment an answer speaks for: the newest checkpoint in the same snapshot."""

    as_of: datetime
    size: int
    root: str  # hex
    is_old: bool  # the database is behind or beside its last published checkpoint: say so


@dataclass(frozen=True, slots=True)
class PublicRecall:
    """A published recall as the public may see it."""

    id: str
    code: str
    hazard: str  # a key of recall/data/hazards.toml
    published_at: datetime
    index: int  # log index of the entry that published it
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Match:
    """One product and batch that carry the number."""

    product_id: str
    brand: str
    product: str
    model: str
    picture: str | None  # SHA-256 of the picture's file
    batch: str  # the batch's code
    batch_id: str
    status: Status
    recalls: tuple[PublicRecall, ...]
    retracted: tuple[PublicRecall, ...]
    position: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one number; `matches` has more than one member when several products carry it."""

    number: str  # what was asked, normalised for showing
    shown: str  # as printed on the label; the number itself when unknown
    is_own_serial: bool  # 14 characters, shown in groups of four
    is_batch_code: bool
    status: Status
    matches: tuple[Match, ...]
    spoken_for: SpokenFor
    hint: Hint


_PRODUCT = (
    batches.c.code.label("batch"),
    batches.c.id.label("batch_id"),
    batches.c.recorded.label("b"),
    products.c.id.label("product_id"),
    products.c.brand,
    products.c.name,
    products.c.model,
    products.c.picture,
    products.c.gtin,
)
_CARRIED = (
    select(
        literal(1).label("is_unit"),
        unit_sets.c.received_sha256.is_(None).label("is_own"),
        units.c.serial.label("printed"),
        unit_sets.c.c,
        units.c.i,
        *_PRODUCT,
    )
    .join(unit_sets, unit_sets.c.id == units.c.unit_set)
    .join(batches, batches.c.id == unit_sets.c.batch)
    .join(products, products.c.id == batches.c.product)
    .where(units.c.search_key == bindparam("key"))
)
_CODED = (
    select(literal(0), false(), batch_codes.c.code, batches.c.recorded, literal(0), *_PRODUCT)
    .join(batches, batches.c.id == batch_codes.c.batch)
    .join(products, products.c.id == batches.c.product)
    .where(batch_codes.c.search_key == bindparam("key"))
)
_FOUND = Prepared(select(_CARRIED.union_all(_CODED).subquery()))
_SETS = select(unit_sets.c.c, unit_sets.c.count).where(unit_sets.c.batch == bindparam("batch"))
_RECALLS = Prepared(
    select(
        recalls.c.id,
        recalls.c.code,
        recalls.c.hazard,
        recalls.c.published_at,
        recalls.c.published_index,
        recalls.c.standing,
    )
    .join(recall_ranges, recall_ranges.c.recall == recalls.c.id)
    .where(
        recall_ranges.c.c == bindparam("c"),
        recall_ranges.c.start < bindparam("end"),
        recall_ranges.c.end > bindparam("start"),
        recalls.c.published_index.is_not(None),
    )
)
_SERIAL_LENGTH = 14
_ORDER: dict[Status, int] = {"recalled": 0, "settled": 1, "not_recalled": 2, "unknown": 3}


def find_answer(connection: Connection, standing: Standing, number: str, gtin: str | None = None) -> Answer:
    """The answer to a number as typed: a serial, a batch code or a date code; `gtin` narrows it to one product's.

    `standing` is the newest checkpoint in the snapshot that `connection` reads. What is found is looked up
    first; check pair and hints matter only when nothing is.
    """
    key = search_key(number)
    spoken_for = SpokenFor(standing.as_of, standing.size, standing.root, standing.is_old)
    found = _find(connection, key, gtin)
    if not found:
        shown = as_printed(number)
        return Answer(shown, shown, False, False, "unknown", (), spoken_for, hint_on(number))
    matches = _one_each([_match(connection, one) for one in found])
    first = found[0]
    return Answer(
        number=as_printed(number),
        shown=in_groups(first.printed) if first.is_own else first.printed,
        is_own_serial=bool(first.is_own),
        is_batch_code=not first.is_unit,
        status=matches[0].status,
        matches=matches,
        spoken_for=spoken_for,
        hint="",
    )


class _Found(NamedTuple):
    """A row of `_FOUND`: what carries the number, its position, its batch and its product."""

    is_unit: int
    is_own: int  # its serial was made here
    printed: str
    c: int
    i: int
    batch: str
    batch_id: str
    b: int
    product_id: str
    brand: str
    product: str
    model: str
    picture: str | None
    gtin: str | None


def _find(connection: Connection, key: str, gtin: str | None) -> list[_Found]:
    """What carries a number, units first; that of the product which a code names, if any of them is."""
    found = [_Found(*row) for row in _FOUND.fetch(connection, key=key)] if key else []
    if len(found) > 1:
        found.sort(key=lambda one: (not one.is_unit, one.c))
        found = [one for one in found if one.gtin == gtin] or found if gtin else found
    return found


def _match(connection: Connection, one: _Found) -> Match:
    """A code typed alone is recalled if any position of its batch is."""
    position = (one.c, one.i)
    ranges: list[Range] = [(one.c, one.i, one.i + 1)]
    if not one.is_unit:
        ranges += [(c, 0, count) for c, count in connection.execute(_SETS, {"batch": one.batch_id})]
    standing, retracted = _recalls(connection, ranges)
    return Match(
        product_id=one.product_id,
        brand=one.brand,
        product=one.product,
        model=one.model,
        picture=one.picture,
        batch=one.batch,
        batch_id=one.batch_id,
        status=_status(connection, position, standing) if standing else "not_recalled",
        recalls=standing,
        retracted=retracted,
        position=position,
    )


def _status(connection: Connection, position: Position, standing: Sequence[PublicRecall]) -> Status:
    """Recalled; settled only when a remedy is complete for every recall that the unit stands in."""
    settled = settled_recalls(connection, position)
    return "settled" if all(recall.id in settled for recall in standing) else "recalled"


def _recalls(
    connection: Connection, ranges: Iterable[Range]
) -> tuple[tuple[PublicRecall, ...], tuple[PublicRecall, ...]]:
    """The recalls that were ever published over any of these positions: those that stand, those retracted."""
    found: dict[PublicRecall, bool] = {}
    for c, start, end in ranges:
        for id_, code, hazard, at, index, standing in _RECALLS.fetch(connection, c=c, start=start, end=end):
            published_at = datetime.fromisoformat(at)
            recall = PublicRecall(id_, code, hazard, published_at, index, standing == "closed")
            found[recall] = standing == "retracted"
    ordered = sorted(found, key=lambda recall: recall.index)
    return (
        tuple(recall for recall in ordered if not found[recall]),
        tuple(recall for recall in ordered if found[recall]),
    )


def _one_each(matches: Sequence[Match]) -> tuple[Match, ...]:
    """One match a product, its gravest; the gravest of all first."""
    by_product: dict[str, Match] = {}
    for match in sorted(matches, key=lambda match: _ORDER[match.status]):
        by_product.setdefault(match.product_id, match)
    return tuple(by_product.values())


def hint_on(number: str) -> Hint:
    """Why a number may have been mistyped; only said when nothing was found."""
    key = search_key(number)
    if len(key) != _SERIAL_LENGTH:
        return "length" if key.isalnum() and abs(len(key) - _SERIAL_LENGTH) <= 2 else ""
    if never_occurring(number):
        return "never_occurring"
    return "" if has_valid_pair(key) else "check_pair"
