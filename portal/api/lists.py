"""Lists: `GET /api/v1/NAME` for each of `portal.listings`, newest first, narrowed by its filters."""

from collections.abc import Callable
from typing import Any, Protocol, cast
from urllib.parse import urlencode

import msgspec
from flask import Response, current_app, request

from ledger.errors import LedgerError
from portal.api.frame import api, snapshot
from portal.api.shapes import JSON
from portal.listings import LISTINGS, Listing
from portal.permissions import sees
from portal.services import EXTENSION, House

USUAL_ROWS, MOST_ROWS = 100, 500
LARGEST_KEY = 2**53
# The JSON Schema of a cell by its column's kind; all but a count and a flag may be null.
TEXT: dict[str, Any] = {"type": ["string", "null"]}
SHAPES: dict[str, dict[str, Any]] = {
    "count": {"type": "integer"},
    "flag": {"type": "boolean"},
    "quantity": {
        "type": ["object", "null"],
        "required": ["amount", "unit"],
        "properties": {"amount": {"type": "integer"}, "unit": {"type": "string"}},
    },
    "date": {**TEXT, "format": "date"},
    "moment": {**TEXT, "format": "date-time"},
}


class Zoned(Protocol):
    """What lists need of the running application: in whose zone days begin."""

    def house(self) -> House: ...


class NotANumber(LedgerError):
    """A parameter of a list that is no number, or too large a one."""

    message = "{name} is a whole number from {least} to {most}."
    http_status = 400


def view_of(listing: Listing) -> Callable[[], Response]:
    """The view that gives a listing's pages to whom its area is for."""

    @sees(listing.area)
    def view() -> Response:
        return _page(listing)

    return view


for _one in LISTINGS.values():
    api.add_url_rule(f"/v1/{_one.name}", f"list_{_one.name}", view_of(_one))


def parameters_of(listing: Listing) -> list[dict[str, Any]]:
    """What the address of a list may say, as OpenAPI has it."""
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": USUAL_ROWS}
    before = {"type": "integer", "minimum": 0, "maximum": LARGEST_KEY}
    return [
        {"name": "limit", "in": "query", "schema": limit},
        {"name": "before", "in": "query", "schema": before, "description": "As `next` has it."},
        *(
            {
                "name": one.name,
                "in": "query",
                "description": f"{one.title}.",
                "schema": _filter(one.kind, one.choices),
            }
            for one in listing.filters
        ),
    ]


def shape_of(listing: Listing) -> dict[str, Any]:
    """What a page of a list looks like, as JSON Schema."""
    columns = {one.name: SHAPES.get(one.kind, TEXT) for one in listing.public_columns}
    rows = {"type": "array", "items": {"type": "object", "properties": columns}}
    return {
        "type": "object",
        "required": ["items", "next"],
        "properties": {"items": rows, "next": {"type": ["string", "null"]}},
    }


def _filter(kind: str, choices: tuple[str, ...]) -> dict[str, Any]:
    if choices:
        return {"type": "string", "enum": list(choices)}
    return {"type": "string", "format": "date"} if kind in ("since", "until") else {"type": "string"}


def _page(listing: Listing) -> Response:
    before = _number("before", None, least=0, most=LARGEST_KEY)
    limit = _number("limit", USUAL_ROWS, least=1, most=MOST_ROWS) or USUAL_ROWS
    zone = cast(Zoned, current_app.extensions[EXTENSION]).house().zone
    page = listing.rows(snapshot(), listing.read(request.args, zone), before=before, limit=limit)
    following = None
    if page.older is not None:
        following = f"{request.path}?{urlencode({**request.args, 'before': page.older})}"
    body = {"items": [listing.public(row) for row in page.rows], "next": following}
    return Response(msgspec.json.encode(body), content_type=JSON)


def _number(name: str, otherwise: int | None, *, least: int, most: int) -> int | None:
    text = request.args.get(name)
    if text is None:
        return otherwise
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not is_number or not least <= int(text) <= most:
        raise NotANumber(name=name, least=least, most=most)
    return int(text)
