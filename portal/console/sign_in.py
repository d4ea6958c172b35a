"""The door: signing in and out."""

from flask import Response, request
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from portal.attempts import TooManyAttempts
from portal.console.desk import desk, ledger, words
from portal.console.forms import said
from portal.console.shell import address, console, go_to, page
from portal.limits import LimitReached, limit, wait_said
from portal.metrics import SIGN_INS_REFUSED
from portal.permissions import for_all
from portal.security import (
    drop_session_cookie,
    local_path,
    set_session_cookie,
    signed_in,
)
from portal.security import (
    sign_in as begin,
)
from portal.security import (
    sign_out as end,
)


@console.get("/sign-in")
def sign_in() -> AnyResponse:
    """The form; whoever is signed in already goes on."""
    then = local_path(request.args.get("next", ""))
    if signed_in(request, desk().state, now=ledger().clock.now()) is not None:
        return go_to(then)
    return _form(then)


@console.post("/sign-in")
def sign_in_form() -> AnyResponse:
    """Lets in whoever knows name and password, as slowly as they fail."""
    then = local_path(request.form.get("next", ""))
    name = request.form.get("name", "")
    try:
        limit("sign_in", request.remote_addr)
        begun = begin(
            request,
            desk().state,
            name=name,
            password=request.form.get("password", ""),
            address=request.remote_addr or "",
            now=ledger().clock.now(),
        )
    except (TooManyAttempts, LimitReached) as error:
        SIGN_INS_REFUSED.inc()
        response = _form(then, name=name, problem=wait_said(words(), error), status=error.http_status)
        response.headers["Retry-After"] = str(error.facts["wait_seconds"])
        return response
    except LedgerError as error:
        SIGN_INS_REFUSED.inc()
        return _form(then, name=name, problem=said(words(), error), status=error.http_status)
    entered = go_to(then)
    set_session_cookie(request, entered, begun.token)
    return entered


@console.post("/sign-out")
@for_all
def sign_out() -> AnyResponse:
    """Ends the session here and in the database."""
    end(request, desk().state)
    response = go_to(address("sign_in"))
    drop_session_cookie(request, response)
    return response


def _form(then: str, *, name: str = "", problem: str = "", status: int = 200) -> Response:
    return page("sign_in.html", status=status, then=then, name=name, problem=problem)
