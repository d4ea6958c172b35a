"""The API's frame: its blueprint, who may enter, and its errors.

A program shows its token with every request (`Authorization: Bearer`). Cookies are never read, so no other site can
have a browser give orders here; and no header lets a page of another site read an answer.
"""

from contextlib import ExitStack
from typing import NoReturn, Protocol, cast

from flask import Blueprint, Response, abort, current_app, g, request
from sqlalchemy import Connection, Engine
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.journal.opening import Ledger
from portal.api import problems
from portal.bearer import Caller, caller_of
from portal.limits import limit
from portal.permissions import rule_of
from portal.services import EXTENSION

LARGEST_BYTES = 1 << 20
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
OPEN_TO_ALL = {"api.unit", "api.description", "api.docs", "api.nowhere"}
api = Blueprint("api", __name__, url_prefix="/api")


class NoToken(LedgerError):
    """Nobody has said who asks."""

    message = (
        "Send a token that works: Authorization: Bearer lotproof_…. Tokens are issued in the console, under Access "
        "for others, or by lotproof token issue."
    )
    http_status = 401


class House(Protocol):
    """What the API needs of the running application."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def state(self) -> Engine: ...


def house() -> House:
    """The services of the application that answers this request."""
    return cast(House, current_app.extensions[EXTENSION])


def caller() -> Caller:
    """Who asks; only asked where somebody does."""
    return cast(Caller, g.caller)


def snapshot() -> Connection:
    """The connection on which this request reads: permission and answer are of one moment."""
    if "api_snapshot" not in g:
        g.api_closing = ExitStack()
        g.api_snapshot = g.api_closing.enter_context(reading(house().ledger.engine))
    return cast(Connection, g.api_snapshot)


@api.teardown_request
def close_snapshot(_error: BaseException | None = None) -> None:
    """Give the snapshot's connection back."""
    closing: ExitStack | None = g.pop("api_closing", None)
    g.pop("api_snapshot", None)
    if closing is not None:
        closing.close()


@api.before_request
def admit() -> None:
    """Refuses whoever has no token, and whatever is not for the token's scopes."""
    request.max_content_length = LARGEST_BYTES
    if request.endpoint in OPEN_TO_ALL:
        return
    found = caller_of(request, snapshot(), house().state, now=house().ledger.clock.now())
    if found is None:
        raise NoToken()
    g.caller = found
    limit("api.write" if request.method == "POST" else "api.read", found.actor)
    rule = rule_of(current_app.view_functions[request.endpoint or ""])
    if rule is None:
        abort(403)  # a route that says nothing is for nobody
    rule.demand(found.holding.scopes, request.view_args or {})


@api.after_request
def keep_private(response: Response) -> Response:
    """What a program was told stays in no cache."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


@api.errorhandler(LedgerError)
def show_refusal(error: LedgerError) -> Response:
    return problems.of_refusal(error)


@api.errorhandler(HTTPException)
def show_trouble(error: HTTPException) -> Response:
    return problems.of_http(error)


@api.route("/<path:_anywhere>", methods=METHODS)
def nowhere(_anywhere: str) -> NoReturn:
    """An address that no route has, or not with this method: said in the API's own form."""
    adapter = current_app.create_url_adapter(request)
    assert adapter is not None
    allowed = [one for one in METHODS if adapter.match(method=one)[0] != "api.nowhere"]
    if allowed:
        raise MethodNotAllowed(valid_methods=allowed)
    raise NotFound()
