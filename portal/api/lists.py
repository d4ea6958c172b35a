"""Lists: `GET /api/v1/NAME` for each listing that is offered, newest first.

`offer` is where a listing is plugged in: it gets a route, its rule, and a place in the description.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode

import msgspec
from flask import Response, request
from sqlalchemy import Connection

from ledger.errors import LedgerError
from portal.api.frame import api, snapshot
from portal.api.shapes import JSON
from portal.permissions import sees

USUAL_ROWS, MOST_ROWS = 100, 500
_NUMBER = re.compile("[0-9]{1,16}")


class Page(Protocol):
    """Some rows, newest first; `older` is the key to go on with, None at the end."""

    @property
    def rows(self) -> Sequence[Any]: ...

    @property
    def older(self) -> int | None: ...


class Listing(Protocol):
    """What a list must be able to say of itself; `area` is what one must see to be shown it."""

    @property
    def name(self) -> str: ...

    @property
    def area(self) -> str: ...

    def read(self, arguments: Mapping[str, str], /) -> Any:
        """What the parameters of an address narrow it to."""

    def rows(self, connection: Connection, asked: Any, /, *, before: int | None, limit: int) -> Page:
        """The rows before this key, or the newest."""

    def public(self, row: Any, /) -> dict[str, Any]:
        """A row as plain JSON."""


class NotANumber(LedgerError):
    """A parameter of a list that is no number, or too large a one."""

    message = "{name} is a whole number from {least} to {most}."
    http_status = 400


LISTED: dict[str, Listing] = {}


def offer(listing: Listing) -> None:
    """Give a listing its route. To be called while modules are imported, before an application is made."""
    LISTED[listing.name] = listing
    api.add_url_rule(f"/v1/{listing.name}", f"list_{listing.name}", view_of(listing))


def view_of(listing: Listing) -> Callable[[], Response]:
    """The view that gives a listing's pages to whom its area is for."""

    @sees(listing.area)
    def view() -> Response:
        return _page(listing)

    return view


def _page(listing: Listing) -> Response:
    before = _number("before", None, least=0, most=2**53)
    limit = _number("limit", USUAL_ROWS, least=1, most=MOST_ROWS) or USUAL_ROWS
    page = listing.rows(snapshot(), listing.read(request.args), before=before, limit=limit)
    following = None
    if page.older is not None:
        following = f"{request.path}?{urlencode({**request.args, 'before': page.older})}"
    body = {"items": [listing.public(row) for row in page.rows], "next": following}
    return Response(msgspec.json.encode(body), content_type=JSON)


def _number(name: str, otherwise: int | None, *, least: int, most: int) -> int | None:
    text = request.args.get(name)
    if text is None:
        return otherwise
    if not _NUMBER.fullmatch(text) or not least <= int(text) <= most:
        raise NotANumber(name=name, least=least, most=most)
    return int(text)
