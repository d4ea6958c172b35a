"""Asking once more who it is before a sensitive act: a browser left open must not give an account away.

@console.post("/people/<subject_id>/factors")
@does("account.admit")
@demand_recent("person")                       # the page to go on with, with the same parts of the address
def remove_persons_factors(subject_id: str) -> AnyResponse: ...
"""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec

from flask import Response, request
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from portal.accounts import authenticate, confirm_session
from portal.console.desk import desk, ledger, session, words
from portal.console.forms import said
from portal.console.passkey_forms import json_response, party, passkey_form
from portal.console.shell import address, console, go_to, page
from portal.passkeys import confirm_with_passkey, confirmation_options, passkeys_of
from portal.permissions import for_all
from portal.security import local_path

RECENT = timedelta(minutes=10)
Arguments = ParamSpec("Arguments")


def demand_recent(
    back: str,
) -> Callable[[Callable[Arguments, AnyResponse]], Callable[Arguments, AnyResponse]]:
    """The view acts only where password or passkey were given within ten minutes.

    Otherwise it does nothing: they are asked for, and `back` is the page from which it is done once more.
    """

    def guard(view: Callable[Arguments, AnyResponse]) -> Callable[Arguments, AnyResponse]:
        @wraps(view)
        def guarded(*arguments: Arguments.args, **named: Arguments.kwargs) -> AnyResponse:
            if ledger().clock.now() - session().confirmed_at < RECENT:
                return view(*arguments, **named)
            parts: dict[str, Any] = request.view_args or {}
            return go_to(address("confirm", next=address(back, **parts)))

        return guarded

    return guard


@console.get("/account/confirm")
@for_all
def confirm() -> Response:
    """The form that asks once more."""
    return _form(local_path(request.args.get("next", "")))


@console.post("/account/confirm")
@for_all
def confirm_by_password() -> AnyResponse:
    """Takes the password once more, as slowly as at the door."""
    then, state, now = local_path(request.form.get("next", "")), desk().state, ledger().clock.now()
    name, password = session().account.name, request.form.get("password", "")
    try:
        authenticate(state, desk().names, name, password, address=request.remote_addr or "", now=now)
    except LedgerError as error:
        return _form(then, problem=said(words(), error), status=error.http_status)
    return _confirmed(then)


@console.post("/account/confirm/passkey-options")
@for_all
def confirm_options() -> Response:
    """What the browser needs to ask for one of the account's passkeys."""
    now = ledger().clock.now()
    return json_response(confirmation_options(desk().state, session().account, party(), now=now))


@console.post("/account/confirm/passkey")
@for_all
def confirm_by_passkey() -> AnyResponse:
    """Takes the passkey's answer instead."""
    then, answer = local_path(request.form.get("next", "")), request.form.get("credential", "")
    try:
        confirm_with_passkey(desk().state, session().account, answer, party(), now=ledger().clock.now())
    except LedgerError as error:
        return _form(then, problem=said(words(), error), status=error.http_status)
    return _confirmed(then)


def _confirmed(then: str) -> AnyResponse:
    confirm_session(desk().state, session().id, now=ledger().clock.now())
    return go_to(then)


def _form(then: str, *, problem: str = "", status: int = 200) -> Response:
    has_passkey = bool(passkeys_of(desk().state, session().account.id))
    form = passkey_form("get", address("confirm_options"), address("confirm_by_passkey"))
    return page(
        "confirm.html",
        status=status,
        then=then,
        name=session().account.name,
        passkey=form if has_passkey else None,
        problem=problem,
    )
