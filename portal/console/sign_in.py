"""The door: signing in by a password and what stands behind it, or by a passkey alone; and signing out."""

from flask import Response, request
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from portal.accounts import Account
from portal.attempts import TooManyAttempts
from portal.console.desk import desk, ledger, words
from portal.console.forms import said
from portal.console.passkey_forms import PasskeyForm, json_response, party, passkey_form
from portal.console.shell import address, console, go_to, page
from portal.limits import LimitReached, limit, wait_said
from portal.metrics import SIGN_INS_REFUSED
from portal.passkeys import sign_in_options, sign_in_with_passkey
from portal.permissions import for_all
from portal.second_factor import factors_of
from portal.security import (
    WAITING_COOKIE,
    check_password,
    drop_session_cookie,
    let_in,
    let_wait,
    local_path,
    refuse_foreign,
    signed_in,
)
from portal.security import sign_out as end
from portal.waiting_sign_ins import SignInOver, finish_waiting, wait_for_factor, waiting


@console.get("/sign-in")
def sign_in() -> AnyResponse:
    """The form; whoever is signed in already goes on."""
    then = local_path(request.args.get("next", ""))
    if signed_in(request, desk().state, desk().names, now=ledger().clock.now()) is not None:
        return go_to(then)
    return _form(then)


@console.post("/sign-in")
def sign_in_form() -> AnyResponse:
    """Takes name and password, as slowly as they fail."""
    then = local_path(request.form.get("next", ""))
    name = request.form.get("name", "")
    try:
        limit("sign_in", request.remote_addr)
        account = check_password(
            request,
            desk().state,
            desk().names,
            name=name,
            password=request.form.get("password", ""),
            address=request.remote_addr or "",
            now=ledger().clock.now(),
        )
    except LedgerError as error:
        return _slowed(error, _form(then, name=name, problem=_said(error), status=error.http_status))
    return go_on_as(account, then)


@console.get("/sign-in/second")
def second_step() -> AnyResponse:
    """The form for the second factor, for whoever gave the right password."""
    then = local_path(request.args.get("next", ""))
    try:
        return _second_form(_waiting(), then)
    except SignInOver:
        return go_to(address("sign_in", next=then))


@console.post("/sign-in/second")
def second_step_form() -> AnyResponse:
    """Takes an app's code or a recovery code, five times at most."""
    refuse_foreign(request)
    then, now = local_path(request.form.get("next", "")), ledger().clock.now()
    try:
        account = finish_waiting(
            desk().state,
            desk().names,
            request.cookies.get(WAITING_COOKIE, ""),
            code=request.form.get("code", ""),
            recovery=request.form.get("recovery", ""),
            address=request.remote_addr or "",
            now=now,
        )
    except LedgerError as error:
        return _slowed(error, _refused_second(error, then))
    return _entered(account, then)


@console.post("/sign-in/passkey-options")
def passkey_options() -> Response:
    """What the browser needs to offer its passkeys."""
    refuse_foreign(request)
    return json_response(sign_in_options(desk().state, party(), now=ledger().clock.now()))


@console.post("/sign-in/passkey")
def passkey_sign_in() -> AnyResponse:
    """Lets in whose passkey answered: it is both factors at once."""
    refuse_foreign(request)
    then, answer = local_path(request.form.get("next", "")), request.form.get("credential", "")
    try:
        account = sign_in_with_passkey(desk().state, desk().names, answer, party(), now=ledger().clock.now())
    except LedgerError as error:
        return _form(then, problem=_said(error), status=error.http_status)
    return _entered(account, then)


@console.post("/sign-out")
@for_all
def sign_out() -> AnyResponse:
    """Ends the session here and in the database."""
    end(request, desk().state)
    response = go_to(address("sign_in"))
    drop_session_cookie(request, response)
    return response


def go_on_as(account: Account, then: str) -> AnyResponse:
    """After the right password: to the second factor where the account has one, else in."""
    token = wait_for_factor(desk().state, account.id, now=ledger().clock.now())
    if token is None:
        return _entered(account, then)
    end(request, desk().state)
    onward = go_to(address("second_step", next=then))
    drop_session_cookie(request, onward)
    let_wait(request, onward, token)
    return onward


def _entered(account: Account, then: str) -> AnyResponse:
    entered = go_to(then)
    let_in(request, entered, desk().state, account, now=ledger().clock.now())
    return entered


def _waiting() -> Account:
    """Whose sign-in waits in this browser. Raises SignInOver."""
    return waiting(
        desk().state, desk().names, request.cookies.get(WAITING_COOKIE, ""), now=ledger().clock.now()
    )


def _refused_second(error: LedgerError, then: str) -> Response:
    """The same form once more, or the first one where no guess is left."""
    try:
        return _second_form(_waiting(), then, problem=_said(error), status=error.http_status)
    except SignInOver as over:
        return _form(then, problem=_said(over), status=over.http_status)


def _form(then: str, *, name: str = "", problem: str = "", status: int = 200) -> Response:
    return page("sign_in.html", status=status, then=then, name=name, problem=problem, passkey=_passkey_form())


def _second_form(account: Account, then: str, *, problem: str = "", status: int = 200) -> Response:
    found = factors_of(desk().state, account.id)
    return page(
        "second_step.html",
        status=status,
        then=then,
        name=account.name,
        has_codes=found.codes_since is not None,
        recovery_left=found.recovery_left,
        passkey=_passkey_form() if found.passkeys else None,
        problem=problem,
    )


def _passkey_form() -> PasskeyForm | None:
    return passkey_form("get", address("passkey_options"), address("passkey_sign_in"))


def _slowed(error: LedgerError, response: Response) -> Response:
    """The answer to a sign-in that was refused: counted, and with how long to wait."""
    SIGN_INS_REFUSED.inc()
    if isinstance(error, TooManyAttempts | LimitReached):
        response.headers["Retry-After"] = str(error.facts["wait_seconds"])
    return response


def _said(error: LedgerError) -> str:
    if isinstance(error, TooManyAttempts | LimitReached):
        return wait_said(words(), error)
    return said(words(), error)
