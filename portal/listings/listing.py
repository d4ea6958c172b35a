"""What a list is made of: where its rows come from, their columns, their filters, and how pages go on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Select, Table, func, select

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.moments import format_moment
from ledger.quantities import Quantity
from portal.listings.filters import Asked, Filter

PAGE = 100
MOST_VALUES = 300  # that a filter offers of what stands in its column
CHUNK = 2_000  # rows of an export that are read at once: some 30 ms
LARGEST_KEY = 2**53

# In JSON a count is a number, a flag a boolean, a quantity {"amount": 4000, "unit": "m"}, all else text or null: a
# date as 2025-05-22, a moment as in the log, a country as ISO 3166, a state or hazard by its key.
Kind = Literal["code", "text", "date", "moment", "count", "quantity", "country", "state", "hazard", "flag"]
Row = Mapping[
    str, Any
]  # str, int, bool, date, datetime, Quantity or None by the columns' names, `id` and `entry`


class NoSuchPlace(LedgerError):
    """No log index, so no page begins there."""

    message = "“{key}” is no place in this list. Begin again at its first page."
    http_status = 400


@dataclass(frozen=True, eq=False)
class Column:
    """One column: `title` stands over it on the page, and one without stands in files and the API alone.

    `unit` is that of a quantity. One that is not public is put together for the page from others that are.
    """

    name: str
    kind: Kind
    value: ColumnElement[Any]
    title: str = ""
    unit: ColumnElement[Any] | None = None
    is_public: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, newest first. `older` is the key to go on with as `before`, `newer` the one as `after`."""

    rows: tuple[Row, ...]
    older: int | None
    newer: int | None


@dataclass(frozen=True, eq=False)
class Listing:
    """The list of one noun. Newest first by `key`, the log index of what recorded the row: unique, never changed.

    `area` is what somebody must see to be shown it; `page` the endpoint of the page that a row's first cell leads to.
    `table` has the rows, `source` joins what else columns name.
    """

    name: str
    area: str
    page: str
    table: Table
    source: FromClause
    key: ColumnElement[int]
    columns: tuple[Column, ...]
    filters: tuple[Filter, ...]

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns of the page."""
        return tuple(one for one in self.columns if one.title)

    @property
    def public_columns(self) -> tuple[Column, ...]:
        """The columns of files and of the API."""
        return tuple(one for one in self.columns if one.is_public)

    def read(self, arguments: Mapping[str, str], zone: str = "UTC") -> Asked:
        """What the parameters of an address narrow the list to; those of no filter are left alone.

        Raises FilterNotUnderstood.
        """
        values = {one.name: one.read(arguments.get(one.name, "")) for one in self.filters}
        return Asked({name: value for name, value in values.items() if value}, zone)

    def rows(
        self,
        connection: Connection,
        asked: Asked,
        *,
        before: int | None = None,
        after: int | None = None,
        limit: int = PAGE,
    ) -> Page:
        """The page that goes on before the key `before`, or the one that ends after `after`; else the newest rows.

        Rows that are added meanwhile move no other row to another page. At most one of the two keys.
        """
        is_upward = before is None and after is not None
        order = self.key.asc() if is_upward else self.key.desc()
        keys = select(self.key).where(*self._conditions(asked, before, after)).order_by(order)
        # First the keys alone, so that what a row shows is made for the rows of the page and for no other.
        query = _query(self).where(self.key.in_(keys.limit(limit + 1))).order_by(order)
        found = [_row(self, one) for one in connection.execute(query)]
        has_more, found = len(found) > limit, found[:limit]
        if is_upward:
            assert after is not None
            found.reverse()
            return Page(tuple(found), _last(found, after + 1), _first(found, after) if has_more else None)
        older = _last(found, 0) if has_more else None
        return Page(tuple(found), older, None if before is None else _first(found, before - 1))

    def _conditions(
        self, asked: Asked, before: int | None, after: int | None
    ) -> Iterator[ColumnElement[bool]]:
        zone = ZoneInfo(asked.zone)
        if before is not None:
            yield self.key < before
        elif after is not None:
            yield self.key > after
        for one in self.filters:
            if one.name in asked.values:
                yield one.condition(asked.values[one.name], zone)

    def all_rows(self, engine: Engine, asked: Asked, *, chunk: int = CHUNK) -> Iterator[Sequence[Row]]:
        """Every row, newest first, in chunks, each of a snapshot of its own: a long export holds none for a minute.

        A row recorded after the first chunk is not among them, and none is there twice or missing; what a row says
        of itself (a hold, a sum) is of the moment at which its chunk was read.
        """
        before: int | None = None
        while True:
            with reading(engine) as connection:
                page = self.rows(connection, asked, before=before, limit=chunk)
            yield page.rows
            before = page.older
            if before is None:
                return

    def public(self, row: Row) -> dict[str, Any]:
        """A row as JSON: its `id`, its public columns, and `entry`, the log index of what recorded it."""
        values = {one.name: _json(row[one.name]) for one in self.public_columns}
        return {"id": row["id"], **values, "entry": row["entry"]}


def key_from(text: str | None) -> int | None:
    """The key in a parameter of an address, None for no parameter. Raises NoSuchPlace."""
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 16 or int(text) > LARGEST_KEY:
        raise NoSuchPlace(key=text[:40])
    return int(text)


def values_of(connection: Connection, column: ColumnElement[Any]) -> list[str]:
    """What stands in an indexed column, each value once, in order; a step of the index for each, not for each row."""
    first = select(func.min(column).label("value")).cte("first", recursive=True)
    step = select(func.min(column)).where(column > first.c.value).scalar_subquery()
    found = first.union_all(select(step).where(first.c.value.is_not(None)))
    query = select(found.c.value).where(found.c.value.is_not(None)).limit(MOST_VALUES)
    return list(connection.scalars(query))


@cache
def _query(listing: Listing) -> Select[Any]:
    """Everything that a row says."""
    values = [one.value.label(one.name) for one in listing.columns]
    units = [one.unit.label(f"{one.name}_unit") for one in listing.columns if one.unit is not None]
    named = (listing.table.c.id.label("id"), listing.key.label("entry"))
    return select(*named, *values, *units).select_from(listing.source)


def _row(listing: Listing, found: Any) -> Row:
    row = dict(found._mapping)
    for one in listing.columns:
        if one.unit is not None:
            row[one.name] = Quantity(row[one.name], row.pop(f"{one.name}_unit"))
    return row


def _first(rows: Sequence[Row], otherwise: int) -> int:
    return rows[0]["entry"] if rows else otherwise


def _last(rows: Sequence[Row], otherwise: int) -> int:
    return rows[-1]["entry"] if rows else otherwise


def _json(value: object) -> object:
    if isinstance(value, Quantity):
        return {"amount": value.amount, "unit": value.unit}
    if isinstance(value, datetime):
        return format_moment(value)
    return value.isoformat() if isinstance(value, date) else value
