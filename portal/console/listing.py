"""Lists: a table that is cards on a phone, filters above it, and what to do first where it is empty."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from markupsafe import Markup

from portal.console.desk import house, may, snapshot, words
from portal.console.forms import said
from portal.console.list_filters import fields
from portal.console.names import code, isolated, link
from portal.console.options import choice_label, hazard_said
from portal.console.record import order_of
from portal.console.sentences import amount
from portal.console.shell import address, moment, page
from portal.forms import Problem, Problems, problems
from portal.listings import LISTINGS, Asked, FilterNotUnderstood, Listing, Page, Row, key_from
from portal.listings.listing import Kind
from translations import Words

Cell = Markup | str
Marks = Callable[[Words, Row], Markup]
BEFORE, AFTER = "before", "after"
FORMS = ("csv", "xlsx")


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a page shows it; the first cell of a row names it, the last is its figure."""

    heads: tuple[tuple[str, bool], ...]  # words, is a number
    rows: tuple[tuple[Cell, ...], ...]


def table(heads: Sequence[tuple[str, bool]], rows: Sequence[Sequence[Cell]]) -> Table:
    """A table with its heads translated."""
    spoken = words()
    return Table(
        tuple((spoken.text(text), is_number) for text, is_number in heads), tuple(tuple(row) for row in rows)
    )


def list_page(
    *,
    here: str,
    title: str,
    listing: Table,
    commands: Sequence[str],
    empty: str,
    first: str = "",
    template: str = "list.html",
    place: str = "",
    tabs: Sequence[tuple[str, str, bool]] = (),
    **more: Any,
) -> Response:
    """A page with one list; `commands` are what can be recorded here, the first as the main action.

    Where the list is empty it says what to do first: the command `first`, else the main one.
    `place` is its row in the navigation, where that is another page's; `tabs` lead to its neighbours.
    """
    spoken = words()
    start = first or (commands[0] if commands else "")
    return page(
        template,
        here=place or here,
        tabs=tabs,
        title=spoken.text(title),
        table=listing,
        actions=[order_of(name) for name in commands if may(name)],
        empty=spoken.text(empty),
        start=order_of(start) if start and may(start) else ("", ""),
        **more,
    )


# --- the page of a Listing


def no_marks(_spoken: Words, _row: Row) -> Markup:
    """Nothing to mark."""
    return Markup()


def show(
    name: str,
    *,
    title: str,
    commands: Sequence[str],
    empty: str,
    first: str = "",
    marks: Marks = no_marks,
) -> Response:
    """The page of a listing, narrowed to what the address asks for; `marks` stand behind a row's first cell.

    Raises NoSuchPlace.
    """
    listing = LISTINGS[name]
    before, after = (key_from(request.args.get(one)) for one in (BEFORE, AFTER))
    try:
        asked = listing.read(request.args, house().zone)
    except FilterNotUnderstood as error:
        wrong = problems([Problem(str(error.facts["filter"]), said(words(), error))])
        typed = {one.name: request.args.get(one.name, "") for one in listing.filters}
        asked, found = Asked(typed), Page((), None, None)
    else:
        wrong, found = problems(()), listing.rows(snapshot(), asked, before=before, after=after)
    is_begun = before is not None or after is not None
    return list_page(
        here=name,
        title=title,
        listing=_table(listing, found, marks),
        commands=commands,
        empty=empty,
        first=first,
        template="listing.html",
        **_around(listing, asked, found, wrong, is_begun=is_begun),
    )


def _around(
    listing: Listing, asked: Asked, found: Page, wrong: Problems, *, is_begun: bool
) -> dict[str, Any]:
    """What stands around the table. Filters only where there is something to narrow."""
    is_narrowed = bool(asked.values)
    has_any = bool(found.rows) or is_narrowed or is_begun
    return {
        "status": 400 if wrong.all else 200,
        "problems": wrong,
        "fields": fields(snapshot(), words(), listing, asked) if has_any else (),
        "is_narrowed": is_narrowed,
        "has_any": has_any,
        "older": _address(listing, asked, {BEFORE: found.older}),
        "newer": _address(listing, asked, {AFTER: found.newer}),
        "all_rows": address(listing.name),
        "files": [(form.upper(), address(f"{listing.name}_{form}", **asked.values)) for form in FORMS]
        if found.rows
        else [],
    }


def _address(listing: Listing, asked: Asked, key: Mapping[str, int | None]) -> str:
    """The page that goes on at the key, the filters kept; "" for no key."""
    return (
        address(listing.name, **asked.values, **key) if any(one is not None for one in key.values()) else ""
    )


def _table(listing: Listing, found: Page, marks: Marks) -> Table:
    spoken, last = words(), listing.shown[-1]
    heads = [
        (spoken.text(one.title), one is last or one.kind in ("count", "quantity")) for one in listing.shown
    ]
    return Table(tuple(heads), tuple(_cells(spoken, listing, row, marks) for row in found.rows))


def _cells(spoken: Words, listing: Listing, row: Row, marks: Marks) -> tuple[Cell, ...]:
    first, *rest = (
        "" if row[one.name] is None else CELLS[one.kind](spoken, row[one.name]) for one in listing.shown
    )
    place = address(listing.page, subject_id=row["id"])
    return link(place, first) + marks(spoken, row), *rest


def _code(_spoken: Words, text: str) -> Markup:
    return code(text)


def _text(_spoken: Words, text: str) -> Markup:
    return isolated(text)


CELLS: dict[Kind, Callable[[Words, Any], Cell]] = {
    "code": _code,
    "text": _text,
    "date": Words.date,
    "moment": lambda _spoken, when: moment(when),
    "count": Words.number,
    "quantity": lambda spoken, one: amount(spoken, one.amount, one.unit),
    "country": Words.country,
    "state": choice_label,
    "hazard": hazard_said,
    "flag": lambda spoken, holds: choice_label(spoken, "yes" if holds else "no"),
}
