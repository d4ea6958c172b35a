"""One's own account: in which roles, where one is signed in, and another password."""

from flask import Response, request
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from portal.accounts import authenticate, end_sessions, open_sessions, set_password, start_session
from portal.console.desk import desk, ledger, roles, session, words
from portal.console.forms import said
from portal.console.listing import table
from portal.console.options import choice_label
from portal.console.shell import address, console, go_to, moment, page
from portal.limits import wait_seconds
from portal.permissions import for_all
from portal.second_factor import Factors, factors_of
from portal.security import set_session_cookie
from translations import Words, mark

HEADS = ((mark("Signed in"), False), (mark("Last seen"), False), (mark("Where"), False))


@console.get("/account")
@for_all
def own_account() -> Response:
    """Who one is here, and where one is signed in."""
    return _show()


@console.post("/account/sessions")
@for_all
def end_others() -> AnyResponse:
    """Signs out everywhere but here."""
    end_sessions(desk().state, session().account.id, but=session().id)
    return go_to(address("own_account"))


@console.post("/account/password")
@for_all
def change_password() -> AnyResponse:
    """Takes another password from whoever knows the one of now, and signs out everywhere else."""
    state, account, now = desk().state, session().account, ledger().clock.now()
    try:
        authenticate(
            state,
            desk().names,
            account.name,
            request.form.get("password", ""),
            address=request.remote_addr or "",
            now=now,
        )
        set_password(state, account.id, request.form.get("new_password", ""))
    except LedgerError as error:
        refused = _show(problem=said(words(), error), status=error.http_status)
        if wait := wait_seconds(error):
            refused.headers["Retry-After"] = str(wait)
        return refused
    # Every session has ended with the old password: this browser's begins anew.
    changed = go_to(address("own_account"))
    set_session_cookie(request, changed, start_session(state, account, now=now).token)
    return changed


def _show(*, problem: str = "", status: int = 200) -> Response:
    spoken, here = words(), session()
    found = open_sessions(desk().state, here.account.id, now=ledger().clock.now())
    rows = [
        (
            moment(one.created_at),
            moment(one.last_seen_at),
            spoken.text("here") if one.id == here.id else spoken.text("elsewhere"),
        )
        for one in found
    ]
    return page(
        "own_account.html",
        status=status,
        name=here.account.name,
        roles=spoken.list([choice_label(spoken, role) for role in roles()]) or spoken.text("nothing"),
        sessions=table(HEADS, rows),
        has_others=len(found) > 1,
        factors=factors_said(spoken, factors_of(desk().state, here.account.id)),
        problem=problem,
    )


def factors_said(spoken: Words, found: Factors) -> str:
    """What an account has beside its password, in words; "" where it has nothing."""
    codes = [spoken.text("codes from an app")] if found.codes_since else []
    count = len(found.passkeys)
    keys = [spoken.plural("{count} passkey", "{count} passkeys", count)] if count else []
    left = spoken.plural("{count} recovery code left", "{count} recovery codes left", found.recovery_left)
    return spoken.list([*codes, *keys, left]) if found.is_set else ""
