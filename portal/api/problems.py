"""Errors of the API: problem details (RFC 9457), whatever went wrong and wherever.

`type` is made from the error's class and stays; `detail` is the sentence that the console would show.
"""

import re
from collections.abc import Mapping

import msgspec
from flask import Response
from werkzeug.exceptions import HTTPException

from ledger.errors import LedgerError, storage_error
from portal.api.shapes import PROBLEM_JSON, FieldProblem, Problem

# What the web itself refuses: the type's name, its title, what to do.
REFUSALS: Mapping[int, tuple[str, str, str]] = {
    400: ("bad-request", "The request cannot be read", "The request is not complete, or not as HTTP has it."),
    403: ("closed", "Not for this token", "No scope of this token opens this address."),
    404: ("not-found", "There is nothing here", "Look for the address in /api/v1/openapi.json."),
    405: ("method-not-allowed", "Not with this method", "The header Allow says with which methods."),
    413: ("too-large", "Too large", "A request to the API holds at most 1 MiB. Send less at once."),
    415: (
        "unsupported-media-type",
        "Not JSON",
        "Send the body as JSON, with Content-Type: application/json.",
    ),
    429: (
        "too-many-requests",
        "Too many requests",
        "Wait as long as the header Retry-After says, then go on.",
    ),
    500: (
        "internal",
        "The fault is ours",
        "Try again later under the same Idempotency-Key: it is recorded once.",
    ),
}
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_PLACE = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]")
_FIELD = re.compile(r"field `([^`]+)`")


class NotJson(LedgerError):
    """A body that no parser of JSON takes."""

    message = "The body is not JSON ({reason}). Nothing was recorded."
    http_status = 400


class BadFields(LedgerError):
    """JSON that is not the request that was wanted."""

    message = "The request cannot be taken as it stands: {reason}. Nothing was recorded."

    def __init__(self, error: msgspec.ValidationError) -> None:
        reason, _, place = str(error).partition(" - at ")
        super().__init__(reason=reason)
        self.errors = (FieldProblem(pointer=_pointer(reason, place.strip("`")), detail=reason),)


def of_refusal(error: LedgerError) -> Response:
    """What the ledger refused."""
    name = _CAPITAL.sub("-", type(error).__name__).lower()
    title = (type(error).__doc__ or "").strip().partition("\n")[0].rstrip(".")
    facts = msgspec.to_builtins(error.facts, enc_hook=str)
    problem = Problem(
        type=f"/problems/{name}",
        title=title,
        status=error.http_status,
        detail=str(error),
        facts=facts,
        errors=getattr(error, "errors", ()),
    )
    response = _response(problem)
    if "wait_seconds" in error.facts:
        response.headers["Retry-After"] = str(error.facts["wait_seconds"])
    if error.http_status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="lotproof"'
    return response


def of_http(error: HTTPException) -> Response:
    """What the web refused, or a fault of ours; a disk that refuses is said as such."""
    known = storage_error(getattr(error, "original_exception", None) or error)
    if known is not None:
        return of_refusal(known)
    code = error.code or 500
    name, title, detail = REFUSALS.get(code, REFUSALS[400 if code < 500 else 500])
    response = _response(Problem(type=f"/problems/{name}", title=title, status=code, detail=detail))
    for header, value in error.get_headers():
        if header in ("Allow", "Retry-After"):
            response.headers[header] = value
    return response


def _response(problem: Problem) -> Response:
    return Response(msgspec.json.encode(problem), status=problem.status, content_type=PROBLEM_JSON)


def _pointer(reason: str, place: str) -> str:
    """`$.inputs[0].quantity` as `/inputs/0/quantity` (RFC 6901); a field that is missing or too much is named too."""
    parts = [name or number for name, number in _PLACE.findall(place)]
    named = _FIELD.search(reason)
    if named:
        parts.append(named[1])
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)
