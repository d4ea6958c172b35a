"""What the public is told about a number.

A recall beats everything, sold or not, shipped or not. The order is: recalled; recalled and put right; in no
recall published as of a time; unknown. Never "safe".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Select, bindparam, select

from ledger.identifiers import as_printed, grouped, has_valid_pair, is_own_serial, never_occurring, search_key
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
_UNITS = (
    select(units.c.serial.label("printed"), unit_sets.c.c, units.c.i, *_PRODUCT)
    .join(unit_sets, unit_sets.c.id == units.c.unit_set)
    .join(batches, batches.c.id == unit_sets.c.batch)
    .join(products, products.c.id == batches.c.product)
    .where(units.c.search_key == bindparam("key"))
    .order_by(unit_sets.c.c)
)
_BATCHES = (
    select(batch_codes.c.code.label("printed"), *_PRODUCT)
    .join(batches, batches.c.id == batch_codes.c.batch)
    .join(products, products.c.id == batches.c.product)
    .where(batch_codes.c.search_key == bindparam("key"))
    .order_by(batches.c.recorded)
)
_SETS = select(unit_sets.c.c, unit_sets.c.count).where(unit_sets.c.batch == bindparam("batch"))
_RECALLS = (
    select(recalls.c.id, recalls.c.code, recalls.c.hazard, recalls.c.published_at, recalls.c.published_index)
    .add_columns(recalls.c.standing)
    .join(recall_ranges, recall_ranges.c.recall == recalls.c.id)
    .where(
        recall_ranges.c.c == bindparam("c"),
        recall_ranges.c.start < bindparam("end"),
        recall_ranges.c.end > bindparam("start"),
        recalls.c.published_index.is_not(None),
    )
    .order_by(recalls.c.published_index)
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
    carried = _found(connection, _UNITS, key, gtin)
    coded = _found(connection, _BATCHES, key, gtin)
    matches = [_unit_match(connection, row) for row in carried] + [
        _batch_match(connection, row) for row in coded
    ]
    if not matches:
        shown = as_printed(number)
        return Answer(shown, shown, False, False, "unknown", (), spoken_for, _hint(number, key))
    matches = _one_each(matches)
    printed = (carried or coded)[0].printed
    return Answer(
        number=as_printed(number),
        shown=grouped(printed) if carried else printed,
        is_own_serial=bool(carried) and is_own_serial(printed),
        is_batch_code=not carried,
        status=matches[0].status,
        matches=tuple(matches),
        spoken_for=spoken_for,
        hint="",
    )


def _found(connection: Connection, query: Select[Any], key: str, gtin: str | None) -> list[Any]:
    """The rows for a number; those of the product that the code names, if any of them is."""
    rows = list(connection.execute(query, {"key": key})) if key else []
    return [row for row in rows if row.gtin == gtin] or rows if gtin else rows


def _unit_match(connection: Connection, row: Any) -> Match:
    position = (row.c, row.i)
    found = _recalls(connection, [(row.c, row.i, row.i + 1)])
    standing = tuple(recall for recall, is_retracted in found if not is_retracted)
    status: Status = "not_recalled"
    if standing:
        settled = settled_recalls(connection, position)
        status = "settled" if {recall.id for recall in standing} <= settled else "recalled"
    return _match(row, position, status, found)


def _batch_match(connection: Connection, row: Any) -> Match:
    """A code typed alone is recalled if any position of its batch is."""
    sets = connection.execute(_SETS, {"batch": row.batch_id})
    found = _recalls(connection, [(row.b, 0, 1), *((c, 0, count) for c, count in sets)])
    stands = any(not is_retracted for _, is_retracted in found)
    return _match(row, (row.b, 0), "recalled" if stands else "not_recalled", found)


def _match(
    row: Any,
    position: Position,
    status: Status,
    found: Sequence[tuple[PublicRecall, bool]],
) -> Match:
    return Match(
        product_id=row.product_id,
        brand=row.brand,
        product=row.name,
        model=row.model,
        picture=row.picture,
        batch=row.batch,
        batch_id=row.batch_id,
        status=status,
        recalls=tuple(recall for recall, is_retracted in found if not is_retracted),
        retracted=tuple(recall for recall, is_retracted in found if is_retracted),
        position=position,
    )


def _recalls(connection: Connection, ranges: Iterable[Range]) -> list[tuple[PublicRecall, bool]]:
    """The recalls that were ever published over any of these positions, and whether each was retracted."""
    found: dict[str, tuple[PublicRecall, bool]] = {}
    for c, start, end in ranges:
        for row in connection.execute(_RECALLS, {"c": c, "start": start, "end": end}):
            recall = PublicRecall(
                id=row.id,
                code=row.code,
                hazard=row.hazard,
                published_at=row.published_at,
                index=row.published_index,
                is_closed=row.standing == "closed",
            )
            found[row.id] = (recall, row.standing == "retracted")
    return sorted(found.values(), key=lambda pair: pair[0].index)


def _one_each(matches: Sequence[Match]) -> list[Match]:
    """One match a product, its gravest; the gravest of all first."""
    ranked = sorted(matches, key=lambda match: _ORDER[match.status])
    by_product: dict[str, Match] = {}
    for match in ranked:
        by_product.setdefault(match.product_id, match)
    return list(by_product.values())


def _hint(number: str, key: str) -> Hint:
    """Why a number may have been mistyped; only said when nothing was found."""
    if len(key) != _SERIAL_LENGTH:
        return "length" if key.isalnum() and abs(len(key) - _SERIAL_LENGTH) <= 2 else ""
    if never_occurring(number):
        return "never_occurring"
    return "" if has_valid_pair(key) else "check_pair"
