"""openapi.json (OpenAPI 3.1), made from the commands that run: a command that is new is described without a line."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from flask import Response, render_template

from ledger.journal.registry import COMMANDS, Request
from portal.api.commands import KEY
from portal.api.frame import api
from portal.api.lists import parameters_of, shape_of
from portal.api.shapes import JSON, PROBLEM_JSON, Caller, Problem, Recorded, UnitAnswer, WholeEntry
from portal.assets import POLICY_WITH_SCRIPTS
from portal.listings import LISTINGS
from portal.orders import orders

REF = "#/components/schemas/{name}"
ABOUT = """\
Orders are the same as in the console, refused for the same reasons, and stand in the log under the token's name.
Times are UTC with milliseconds. Money is whole minor units with a currency, quantities are whole numbers with a unit.
Errors are problem details (RFC 9457): read `type`, show `detail`."""
WHEN = {
    400: "The request cannot be read.",
    401: "There is no token, or it has ended.",
    403: "The token's scopes do not allow it.",
    404: "Something that is named is not recorded.",
    405: "Not with this method.",
    409: "The state of things forbids it, or there is nothing to record.",
    413: "Too large.",
    415: "Not JSON.",
    422: "A value cannot be taken, or the key was used for another order.",
    429: "Too many requests: wait as long as Retry-After says.",
    500: "The fault is ours.",
    503: "Disk or database refuse.",
}
KEY_PARAMETER = {
    "name": KEY,
    "in": "header",
    "required": True,
    "description": "New for a new order, the same when one is sent again: it is recorded once.",
    "schema": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,200}$"},
}


@api.get("/v1/openapi.json")
def description() -> Response:
    """The API's description, for programs and for the page below."""
    return Response(msgspec.json.encode(openapi()), content_type=JSON)


@api.get("/docs")
def docs() -> Response:
    """The same for people. Without scripts it leads to the file."""
    shown = Response(render_template("api/docs.html"), content_type="text/html; charset=utf-8")
    shown.headers["Content-Security-Policy"] = POLICY_WITH_SCRIPTS
    return shown


@cache
def openapi() -> dict[str, Any]:
    """The whole description. The same as long as the program runs."""
    offered = orders()
    shapes: list[Any] = [*offered.values(), Problem, Recorded, WholeEntry, Caller, UnitAnswer]
    _, schemas = msgspec.json.schema_components(shapes, ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lotproof", "version": "1", "description": ABOUT},
        "security": [{"token": []}],
        "paths": {
            **dict(_reads()),
            **dict(_lists()),
            **{
                f"/api/v1/commands/{name}": {"post": _order(name, wanted)} for name, wanted in offered.items()
            },
        },
        "components": {
            "schemas": {name: _plain(schema) for name, schema in schemas.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _order(name: str, wanted: type[Request]) -> dict[str, Any]:
    summary = (wanted.__doc__ or COMMANDS[name].summary).strip().partition("\n")[0]
    refusals = (400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503)
    return {
        "operationId": name,
        "tags": [name.partition(".")[0]],
        "summary": summary,
        "description": f"Asks for the scope `do:{name}`, or a role that holds it.",
        "parameters": [KEY_PARAMETER],
        "requestBody": {"required": True, "content": {JSON: {"schema": _ref(wanted)}}},
        "responses": _responses(Recorded, "What was recorded.", refusals),
    }


def _reads() -> Iterator[tuple[str, dict[str, Any]]]:
    index = {"name": "index", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
    number = {"name": "number", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    yield "/api/v1/me", {"get": _read("me", "Who asks, and what they may do", Caller)}
    one = _read("entry", "One entry of the log", WholeEntry, index)
    yield "/api/v1/entries/{index}", {"get": one}
    unit = _read("unit", "What the public is told about a number", UnitAnswer, number)
    yield "/api/v1/units/{number}", {"get": {**unit, "security": []}}


def _lists() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in LISTINGS.values():
        said = f"The list {one.name}, newest first"
        listed = _read(f"list_{one.name}", said, None, *parameters_of(one))
        listed["responses"]["200"]["content"] = {JSON: {"schema": shape_of(one)}}
        yield f"/api/v1/{one.name}", {"get": listed}


def _read(name: str, summary: str, shape: type | None, *parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": ["reading"],
        "summary": summary,
        "parameters": list(parameters),
        "responses": _responses(shape, "The answer.", (400, 401, 403, 404, 405, 429, 500, 503)),
    }


def _responses(shape: type | None, said: str, refusals: tuple[int, ...]) -> dict[str, Any]:
    content = {JSON: {"schema": _ref(shape) if shape else {}}}
    problem = {PROBLEM_JSON: {"schema": _ref(Problem)}}
    return {
        "200": {"description": said, "content": content},
        **{str(status): {"description": WHEN[status], "content": problem} for status in refusals},
    }


def _ref(shape: type) -> dict[str, str]:
    return {"$ref": REF.format(name=shape.__name__)}


def _plain(schema: Any) -> Any:
    """The schema without examples of what is typed into a form: to a program `350 m` is two fields."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    is_text = schema.get("type") == "string"
    return {key: _plain(value) for key, value in schema.items() if is_text or key != "examples"}
