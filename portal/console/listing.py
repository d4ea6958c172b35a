"""Lists: a table that is cards on a phone, with what to do first where it is empty."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, request
from markupsafe import Markup

from portal.console.desk import may, words
from portal.console.record import order_of
from portal.console.shell import address, page

Cell = Markup | str
MORE_KEY = "before"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a page shows it; the first cell of a row names it, the last is its figure."""

    heads: tuple[tuple[str, bool], ...]  # words, is a number
    rows: tuple[tuple[Cell, ...], ...]


def before() -> int | None:
    """The key before which this page of a list begins."""
    return request.args.get(MORE_KEY, type=int)


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
    older: int | None,
    commands: Sequence[str],
    empty: str,
    place: str = "",
    tabs: Sequence[tuple[str, str, bool]] = (),
    **more: Any,
) -> Response:
    """A page with one list; `commands` are what can be recorded here, the first as the main action.

    `place` is its row in the navigation, where that is another page's; `tabs` lead to its neighbours.
    """
    spoken = words()
    actions = [order_of(name) for name in commands if may(name)]
    return page(
        "list.html",
        here=place or here,
        tabs=tabs,
        title=spoken.text(title),
        table=listing,
        older=address(here, **{MORE_KEY: older}) if older is not None else "",
        actions=actions,
        empty=spoken.text(empty),
        is_first_page=before() is None,
        **more,
    )
