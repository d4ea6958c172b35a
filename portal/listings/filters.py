"""Ways to narrow a list, each read from one parameter of an address and turned into one condition.

What stands in the address reaches the database as a bound value, never as a part of a statement.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Column, ColumnElement, Table, false, func, or_, select

from ledger.database import code_key
from ledger.errors import LedgerError
from ledger.identifiers import search_key
from translations import mark

LONGEST = 100  # characters of a text to look for
KEYS = ("id", "search_key")  # columns that hold what `search_key` makes of a code
LAST = "\U0010ffff"  # sorts after whatever may follow a prefix
FIRST_YEAR, LAST_YEAR = 1970, 2999  # midnight exists there in every zone

Kind = Literal["text", "choice", "country", "value", "noun", "since", "until"]
Far = tuple[Column[Any], Column[Any]]
Condition = Callable[[str, ZoneInfo], ColumnElement[bool]]


class FilterNotUnderstood(LedgerError):
    """What stands in the address is nothing that the filter can be set to."""

    message = "“{value}” cannot be looked for here. Choose one of those offered, or leave the filter empty."
    http_status = 400


class NoSuchDay(FilterNotUnderstood):
    """No day of a calendar."""

    message = "“{value}” is no day. Write year, month and day, such as 2025-05-22."


@dataclass(frozen=True, eq=False)
class Filter:
    """One way to narrow a list: `name` in the address, `title` on the page.

    `choices` are the values it can be set to, "value" and "country" offer what stands in `column`, "noun" the codes
    of `noun`; "since" and "until" take a day (2025-05-22) and hold on the day itself.
    """

    name: str
    title: str
    kind: Kind
    condition: Condition
    choices: tuple[str, ...] = ()
    column: ColumnElement[Any] | None = None
    noun: str = ""

    def read(self, text: str) -> str:
        """What the filter is set to, "" for not at all. Raises FilterNotUnderstood."""
        value = "".join(one for one in text if one.isprintable()).strip()
        if self.kind in ("since", "until") and value:
            return _day(self.name, value)
        is_odd = self.kind == "choice" and value and value not in self.choices
        if is_odd or len(value) > LONGEST:
            raise FilterNotUnderstood(filter=self.name, value=value[:LONGEST])
        return value


def _day(name: str, value: str) -> str:
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise NoSuchDay(filter=name, value=value[:LONGEST]) from error
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise NoSuchDay(filter=name, value=value)
    return day.isoformat()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is narrowed to: the filters that are set, and the zone in which days are days."""

    values: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"


# --- the kinds


def words(
    *, codes: tuple[ColumnElement[Any], ...], names: tuple[ColumnElement[Any] | Far, ...] = ()
) -> Filter:
    """Free text: the beginning of a code, whatever its case and separators; or a part of a name, whatever its case.

    Codes of ASCII are looked up by the index over their keys. What another noun is called is found in its table:
    (the column with its id, its column with the name).
    """

    def condition(text: str, _zone: ZoneInfo) -> ColumnElement[bool]:
        key = search_key(text)
        begun = [_begins(code, key) for code in codes] if key else []
        return or_(false(), *begun, *(_named(name, text.casefold()) for name in names))

    return Filter("q", mark("Code or name") if names else mark("Code"), "text", condition)


def code_of(name: str, title: str, noun: str, column: ColumnElement[Any], table: Table) -> Filter:
    """Rows whose `column` is the id of the thing with this code in `table`."""

    def condition(code: str, _zone: ZoneInfo) -> ColumnElement[bool]:
        return column == select(table.c.id).where(table.c.code == code).scalar_subquery()

    return Filter(name, title, "noun", condition, noun=noun)


def choice(name: str, title: str, conditions: Mapping[str, ColumnElement[bool]]) -> Filter:
    """One of several conditions, each with a name."""
    return Filter(name, title, "choice", lambda value, _zone: conditions[value], tuple(conditions))


def one_of(name: str, title: str, column: ColumnElement[Any], choices: tuple[str, ...]) -> Filter:
    """Rows whose `column` holds one of these values."""
    return Filter(name, title, "choice", lambda value, _zone: column == value, choices)


def same(name: str, title: str, column: ColumnElement[Any], kind: Kind = "value") -> Filter:
    """Rows whose `column` holds the value itself; what stands in it is offered."""
    return Filter(name, title, kind, lambda value, _zone: column == value, column=column)


def days(name: str, since: str, until: str, column: ColumnElement[Any]) -> tuple[Filter, Filter]:
    """From a day on, and up to and with a day; `column` holds days."""
    return (
        Filter(f"{name}_from", since, "since", lambda day, _zone: column >= date.fromisoformat(day)),
        Filter(f"{name}_until", until, "until", lambda day, _zone: column <= date.fromisoformat(day)),
    )


def moments(name: str, since: str, until: str, column: ColumnElement[Any]) -> tuple[Filter, Filter]:
    """The same where `column` holds times: the days are those of the zone."""
    return (
        Filter(f"{name}_from", since, "since", lambda day, zone: column >= _midnight(day, zone)),
        Filter(f"{name}_until", until, "until", lambda day, zone: column < _midnight(day, zone, later=1)),
    )


def _midnight(day: str, zone: ZoneInfo, *, later: int = 0) -> datetime:
    wanted = date.fromisoformat(day) + timedelta(days=later)
    return datetime.combine(wanted, time(), zone).astimezone(UTC)


# --- text


def _begins(code: ColumnElement[Any], key: str) -> ColumnElement[bool]:
    column = code if code.key in KEYS else code_key(code)
    if not key.isascii() and code.key not in KEYS:
        key = key.casefold()
        column = func.replace(func.replace(_folded(code, key), "-", ""), " ", "")
    return (column >= key) & (column < key + LAST)


def _named(name: ColumnElement[Any] | Far, text: str) -> ColumnElement[bool]:
    if not isinstance(name, tuple):
        return _folded(name, text).contains(text, autoescape=True)
    link, far = name
    return link.in_(select(far.table.c.id).where(_named(far, text)))


def _folded(column: ColumnElement[Any], text: str) -> ColumnElement[Any]:
    """`column` without case, as far as it matters to a search for `text` (folded).

    Both databases fold ASCII alone, so other letters that could stand for one of `text` are replaced one by one.
    """
    folded: ColumnElement[Any] = func.lower(column)
    if "ss" in text:
        folded = func.replace(folded, "ß", "ss")
    for letter in sorted(set(text)):
        for other in _others().get(letter, ()):
            folded = func.replace(folded, other, letter)
    return folded


@cache
def _others() -> Mapping[str, Sequence[str]]:
    """Letters beyond ASCII by the one that each is folded to: Ä by ä, Σ and ς by σ. 15 ms, once a process."""
    others: dict[str, list[str]] = {}
    for letter in map(chr, range(128, 0x20000)):
        if letter != (folded := letter.casefold()):
            others.setdefault(folded, []).append(letter)
    return others
