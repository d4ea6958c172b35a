"""One's own second factor: codes from an app, passkeys, recovery codes."""

import base64

from flask import Response, request
from pyotp import TOTP, random_base32
from werkzeug import Response as AnyResponse

from labels.codes import code_of
from ledger.errors import LedgerError
from portal.console.confirming import demand_recent
from portal.console.desk import desk, house, ledger, session, words
from portal.console.forms import said
from portal.console.passkey_forms import json_response, party, passkey_form
from portal.console.shell import address, console, go_to, moment, page
from portal.papers import code_png
from portal.passkeys import register, registration_options
from portal.permissions import for_all
from portal.second_factor import (
    begin_codes,
    confirm_codes,
    factors_of,
    first_recovery_codes,
    must_set_up,
    remove_passkey,
    renew_recovery_codes,
    turn_codes_off,
    unconfirmed_secret,
)


@console.get("/account/second-factor")
@for_all
def own_factors() -> Response:
    """What one has beside the password, and how to add or remove it."""
    return _show()


@console.post("/account/second-factor/codes")
@for_all
@demand_recent("own_factors")
def set_up_codes() -> AnyResponse:
    """Makes a secret for an app, which its first code confirms."""
    try:
        begin_codes(desk().state, session().account.id, random_base32())
    except LedgerError as error:
        return _refused(error)
    return go_to(address("own_factors"))


@console.post("/account/second-factor/codes/confirm")
@for_all
@demand_recent("own_factors")
def confirm_own_codes() -> AnyResponse:
    """Takes the app's first code."""
    state, code, now = desk().state, request.form.get("code", ""), ledger().clock.now()
    try:
        made = confirm_codes(state, session().account.id, code, now=now)
    except LedgerError as error:
        return _refused(error)
    return _recovery(made)


@console.post("/account/second-factor/codes/off")
@for_all
@demand_recent("own_factors")
def turn_own_codes_off() -> AnyResponse:
    """The app's codes count no more."""
    turn_codes_off(desk().state, session().account.id)
    return go_to(address("own_factors"))


@console.post("/account/second-factor/recovery")
@for_all
@demand_recent("own_factors")
def renew_own_recovery() -> AnyResponse:
    """Shows ten new recovery codes, this once."""
    try:
        made = renew_recovery_codes(desk().state, session().account.id)
    except LedgerError as error:
        return _refused(error)
    return _recovery(made)


@console.post("/account/second-factor/passkeys/options")
@for_all
@demand_recent("own_factors")
def new_passkey_options() -> AnyResponse:
    """What the browser needs to make a passkey."""
    state, account, now = desk().state, session().account, ledger().clock.now()
    return json_response(registration_options(state, account, party(), house().brand, now=now))


@console.post("/account/second-factor/passkeys")
@for_all
@demand_recent("own_factors")
def add_passkey() -> AnyResponse:
    """Takes the passkey that the browser made."""
    state, account, now = desk().state, session().account, ledger().clock.now()
    name, answer = request.form.get("passkey_name", ""), request.form.get("credential", "")
    try:
        register(state, account, name, answer, party(), now=now)
    except LedgerError as error:
        return _refused(error)
    # A crash here: a passkey without recovery codes; the page says so, and makes them with a button.
    return _recovery(first_recovery_codes(state, account.id))


@console.post("/account/second-factor/passkeys/remove")
@for_all
@demand_recent("own_factors")
def remove_own_passkey() -> AnyResponse:
    """The passkey is accepted no more."""
    try:
        remove_passkey(desk().state, session().account.id, request.form.get("passkey", ""))
    except LedgerError as error:
        return _refused(error)
    return go_to(address("own_factors"))


def _refused(error: LedgerError) -> Response:
    return _show(problem=said(words(), error), status=error.http_status)


def _recovery(codes: list[str]) -> AnyResponse:
    """The page that shows new codes, which no other does; on, where there are none."""
    if not codes:
        return go_to(address("own_factors"))
    return page("recovery_codes.html", codes=codes, name=session().account.name, brand=house().brand)


def _show(*, problem: str = "", status: int = 200) -> Response:
    account, state, spoken = session().account, desk().state, words()
    found, secret = factors_of(state, account.id), unconfirmed_secret(state, account.id)
    return page(
        "own_factors.html",
        status=status,
        name=account.name,
        is_demanded=must_set_up(state, account.id),
        factors=found,
        codes_since=moment(found.codes_since) if found.codes_since else "",
        secret=_in_fours(secret) if secret else "",
        picture=_picture(secret) if secret else "",
        passkeys=[
            (one.id, one.name, moment(one.created_at), moment(one.last_used_at) if one.last_used_at else "")
            for one in found.passkeys
        ],
        recovery=spoken.plural(
            "For the day when phone and passkeys are gone. {count} code is left.",
            "For the day when phone and passkeys are gone. {count} codes are left.",
            found.recovery_left,
        ),
        passkey=passkey_form("create", address("new_passkey_options"), address("add_passkey")),
        no_passkeys=_why_no_passkeys(),
        problem=problem,
    )


def _why_no_passkeys() -> str:
    try:
        party()
    except LedgerError as error:
        return said(words(), error)
    return ""


def _picture(secret: str) -> str:
    """The secret as a QR code for an app, as an address that holds the picture itself."""
    uri = TOTP(secret).provisioning_uri(name=session().account.name, issuer_name=house().brand)
    return f"data:image/png;base64,{base64.b64encode(code_png(code_of(uri))).decode()}"


def _in_fours(secret: str) -> str:
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
