"""What a search reads: units, batches and whatever has a code or a name, by what finds them.

Each function is one query (`marked` at most three), capped, by an index; names alone are read through.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

from sqlalchemy import Connection, Select, String, literal, literal_column, or_, select, union_all
from sqlalchemy.sql.elements import ColumnElement

from ledger.identifiers import in_groups, search_key
from ledger.recall.claim import claims
from ledger.recall.recall import recall_batches, recall_ranges, recalls
from ledger.trace.batch import batch_codes, batches
from ledger.trace.bill_of_materials import materials
from ledger.trace.material_lot import material_lots
from ledger.trace.party import parties
from ledger.trace.product import products
from ledger.trace.quality import holds
from ledger.trace.shipment import shipments
from ledger.trace.substitution import substitutions
from ledger.trace.unit import unit_sets, units

MOST_HITS = 20  # of one kind
MOST_ROWS = 100  # for all the ways to read one text
MOST_NEAR = 5
NEIGHBOURS = 3  # on each side of a code, in the order of codes
ALIKE = 0.6  # of 1: less is no help to somebody who mistyped
PUBLIC = ("published", "closed")
_NOTHING: ColumnElement[str] = literal_column("''", String)


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was found: its noun and id, the code it is known by, a name beside it.

    For a unit the id is its position, `C/I`, and `batch` the id of its batch; for an entry the id is its index.
    """

    noun: str
    id: str
    code: str
    name: str = ""
    standing: str = ""
    batch: str = ""
    is_exact: bool = True
    is_recalled: bool = False
    is_held: bool = False


_UNITS = (
    select(
        units.c.search_key,
        units.c.serial,
        units.c.i,
        unit_sets.c.c,
        unit_sets.c.batch,
        unit_sets.c.received_sha256,
        products.c.name,
        products.c.gtin,
    )
    .join(unit_sets, unit_sets.c.id == units.c.unit_set)
    .join(products, products.c.id == unit_sets.c.product)
)
_BATCHES = (
    select(
        batch_codes.c.search_key,
        batch_codes.c.code.label("printed"),
        batches.c.id,
        batches.c.code,
        products.c.name,
        products.c.code.label("product"),
    )
    .join(batches, batches.c.id == batch_codes.c.batch)
    .join(products, products.c.id == batches.c.product)
)


def unit_rows(connection: Connection, keys: Sequence[str]) -> Iterable[tuple[str, tuple[Hit, str | None]]]:
    query = _UNITS.where(units.c.search_key.in_(keys)).limit(MOST_ROWS)
    for row in connection.execute(query):
        shown = in_groups(row.serial) if row.received_sha256 is None else row.serial
        hit = Hit("unit", f"{row.c}/{row.i}", shown, row.name, batch=row.batch)
        yield row.search_key, (hit, row.gtin)


def batch_rows(connection: Connection, keys: Sequence[str]) -> Iterable[tuple[str, tuple[Hit, str]]]:
    query = (
        _BATCHES.where(batch_codes.c.search_key.in_(keys))
        .order_by(batches.c.recorded.desc())
        .limit(MOST_ROWS)
    )
    for row in connection.execute(query):
        yield row.search_key, (Hit("batch", row.id, row.code, row.name, batch=row.id), row.product)


@dataclass(frozen=True, slots=True)
class _Coded:
    """A noun with a code of its own: its columns, and by what else it is found."""

    id: ColumnElement[str]
    code: ColumnElement[str]
    name: ColumnElement[str]
    standing: ColumnElement[str] = _NOTHING
    other: ColumnElement[str] | None = None

    def rows(self, noun: str, by: ColumnElement[str]) -> Select[Any]:
        """(noun, id, code, name, standing, what it was found by)."""
        named = {"id": self.id, "code": self.code, "name": self.name, "standing": self.standing, "by": by}
        itself: ColumnElement[str] = literal(noun, String)
        columns: list[ColumnElement[Any]] = [itself.label("noun")]
        return select(*columns, *(column.label(name) for name, column in named.items()))


_CODED = {
    "product": _Coded(products.c.id, products.c.code, products.c.name, other=products.c.gtin),
    "material_lot": _Coded(
        material_lots.c.id,
        material_lots.c.code,
        material_lots.c.declared,
        other=material_lots.c.supplier_code,
    ),
    "material": _Coded(materials.c.id, materials.c.code, materials.c.name),
    "party": _Coded(parties.c.id, parties.c.code, parties.c.name),
    "shipment": _Coded(shipments.c.id, shipments.c.code, shipments.c.channel),
    "recall": _Coded(recalls.c.id, recalls.c.code, _NOTHING, recalls.c.standing),
    "substitution": _Coded(
        substitutions.c.id, substitutions.c.code, substitutions.c.known, substitutions.c.standing
    ),
    "claim": _Coded(claims.c.id, claims.c.id, _NOTHING, claims.c.standing),
}
_NAMED = {"product": products, "material": materials, "party": parties}


def coded_rows(
    connection: Connection, codes: Sequence[str], gtins: Sequence[str], seen: Iterable[str]
) -> Iterable[tuple[str, Hit]]:
    """Hits of every noun that has codes, by the code in capitals or by the GTIN. One query."""
    parts = []
    for noun, one in _CODED.items():
        if noun in seen:
            parts.append(one.rows(noun, one.code).where(one.code.in_(codes)))
            if one.other is not None:
                wanted = [*gtins, *codes] if noun == "product" else codes
                parts.append(one.rows(noun, one.other).where(one.other.in_(wanted)))
    found: dict[tuple[str, str], Hit] = {}
    for row in _capped(connection, parts):
        noun, id_, code, name, standing, by = row
        found.setdefault((by.upper(), id_), Hit(noun, id_, code, name, standing))
    return [(key, hit) for (key, _), hit in found.items()]


def _capped(connection: Connection, parts: Sequence[Select[Any]], most: int = MOST_HITS) -> Sequence[Any]:
    """The rows of all parts, so many of each at most."""
    if not parts:
        return ()
    return connection.execute(union_all(*(select(part.limit(most).subquery()) for part in parts))).all()


def by_name(connection: Connection, text: str, seen: Iterable[str]) -> list[Hit]:
    parts = []
    for noun, table in _NAMED.items():
        if noun in seen:
            columns = [table.c.name, *([table.c.model] if noun == "product" else [])]
            forms = {
                text,
                text.lower(),
                text.upper(),
                text.capitalize(),
            }  # SQLite folds the case of a-z alone
            holds_text = or_(*(one.icontains(form, autoescape=True) for one in columns for form in forms))
            parts.append(_CODED[noun].rows(noun, table.c.name).where(holds_text))
    rows = _capped(connection, parts)
    return [
        Hit(noun, id_, code, name, is_exact=name.casefold() == text.casefold())
        for noun, id_, code, name, _, _ in rows
    ]


def neighbours(connection: Connection, number: str, seen: Iterable[str]) -> Sequence[Hit]:
    listed = {noun: one for noun, one in _CODED.items() if noun != "claim"}  # their ids are random
    listed["batch"] = _Coded(batches.c.id, batches.c.code, products.c.name)
    parts = []
    for noun, one in listed.items():
        if noun in seen:
            by, asked = (
                (batches.c.search_key, search_key(number)) if noun == "batch" else (one.code, number.upper())
            )
            rows = one.rows(noun, by)
            rows = rows.join(products, products.c.id == batches.c.product) if noun == "batch" else rows
            parts.append(rows.where(by >= asked).order_by(by))
            parts.append(rows.where(by < asked).order_by(by.desc()))
    near = [
        (
            SequenceMatcher(None, search_key(code), search_key(number)).ratio(),
            Hit(noun, id_, code, name, standing),
        )
        for noun, id_, code, name, standing, _ in _capped(connection, parts, NEIGHBOURS)
    ]
    near.sort(key=lambda pair: -pair[0])
    return [
        replace(hit, batch=hit.id if hit.noun == "batch" else "") for share, hit in near if share >= ALIKE
    ][:MOST_NEAR]


def marked(connection: Connection, hits: Sequence[Hit]) -> tuple[Hit, ...]:
    """The hits, those that are recalled or on hold marked: at most three queries."""
    named = sorted({hit.batch for hit in hits if hit.batch})
    if not named:
        return tuple(hits)
    held = set(
        connection.scalars(select(holds.c.batch).where(holds.c.batch.in_(named), holds.c.released.is_(None)))
    )
    recalled = _recalled_positions(connection, hits) | _recalled_batches(connection, hits)
    return tuple(replace(hit, is_recalled=hit.id in recalled, is_held=hit.batch in held) for hit in hits)


def _recalled_batches(connection: Connection, hits: Sequence[Hit]) -> set[str]:
    named = [hit.id for hit in hits if hit.noun == "batch"]
    query = (
        select(recall_batches.c.batch)
        .join(
            recalls,
            (recalls.c.id == recall_batches.c.recall) & (recalls.c.version == recall_batches.c.version),
        )
        .where(recall_batches.c.batch.in_(named), recalls.c.standing.in_(PUBLIC))
    )
    return set(connection.scalars(query)) if named else set()


def _recalled_positions(connection: Connection, hits: Sequence[Hit]) -> set[str]:
    places = {hit.id: tuple(map(int, hit.id.split("/"))) for hit in hits if hit.noun == "unit"}
    query = (
        select(recall_ranges.c.c, recall_ranges.c.start, recall_ranges.c.end)
        .join(recalls, recalls.c.id == recall_ranges.c.recall)
        .where(recall_ranges.c.c.in_({c for c, _ in places.values()}), recalls.c.standing.in_(PUBLIC))
    )
    ranges = connection.execute(query).all() if places else []
    return {
        id_
        for id_, (c, i) in places.items()
        if any(one.c == c and one.start <= i < one.end for one in ranges)
    }
