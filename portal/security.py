"""Staff at the door: the session's cookie, whether a form is ours, and where a sign-in may lead.

The session itself is kept by `portal.accounts`; here is what the web adds. Nothing in here knows a page.
"""

import re
from datetime import datetime, timedelta

from flask import Request
from sqlalchemy import Engine
from werkzeug import Response

from ledger.errors import LedgerError
from portal.accounts import LIFETIME, Account, Session, end_session, find_session, is_csrf
from portal.accounts import authenticate as authenticate_account
from portal.accounts import start_session as start_account_session
from portal.links import end_link_session, find_link_session
from portal.names import Names
from portal.waiting_sign_ins import LASTS as WAITS

SESSION_COOKIE = "lotproof_session"
WAITING_COOKIE = "lotproof_waiting"
STAFF_PATH = "/console"
WAITING_PATH = f"{STAFF_PATH}/sign-in"
CSRF_FIELD = "csrf"
LONGEST_NEXT = 2_000
# A path of ours and nothing else: no scheme, no host (//evil.example), no backslash that a browser turns round.
_LOCAL_PATH = re.compile(rf"{STAFF_PATH}(?:[/?][!#-\[\]-~]*)?")


class FormNotOurs(LedgerError):
    """A form without the token of the session that sends it."""

    message = (
        "This form does not belong to your session: you signed in anew since it was opened, or it came from "
        "another site. Nothing was recorded. Go back, reload the page and send it once more."
    )
    http_status = 400


def check_password(
    request: Request,
    state: Engine,
    names: Names,
    *,
    name: str,
    password: str,
    address: str,
    now: datetime,
) -> Account:
    """Whose name and password these are; what a second factor adds is asked for after it.

    Raises TooManyAttempts or SignInRefused, and FormNotOurs for a form that another site sends.
    """
    refuse_foreign(request)
    return authenticate_account(state, names, name, password, address=address, now=now)


def let_in(request: Request, response: Response, state: Engine, account: Account, *, now: datetime) -> None:
    """Begin a session and hand its token to the browser; an older one of this browser ends."""
    sign_out(request, state)
    set_session_cookie(request, response, start_account_session(state, account, now=now).token)
    response.delete_cookie(
        WAITING_COOKIE, path=WAITING_PATH, secure=request.is_secure, httponly=True, samesite="Lax"
    )


def let_wait(request: Request, response: Response, token: str) -> None:
    """Hand the token of a sign-in that waits for its second factor to the browser."""
    response.set_cookie(
        WAITING_COOKIE,
        token,
        max_age=int(WAITS.total_seconds()),
        path=WAITING_PATH,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def sign_out(request: Request, state: Engine) -> None:
    """End this browser's session, if it has one."""
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        end_session(state, token)
        end_link_session(state, token)


def signed_in(request: Request, state: Engine, names: Names, *, now: datetime) -> Session | None:
    """The session of this request's cookie, an account's or a link's, unless it ended or ran out."""
    token = request.cookies.get(SESSION_COOKIE)
    if not token:
        return None
    return find_session(state, names, token, now=now) or find_link_session(state, token, now=now)


def set_session_cookie(
    request: Request, response: Response, token: str, *, lasts: timedelta = LIFETIME
) -> None:
    """Hand the token to the browser: unreadable for scripts, not sent along by other sites' forms."""
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(lasts.total_seconds()),
        path=STAFF_PATH,
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def drop_session_cookie(request: Request, response: Response) -> None:
    """Have the browser forget the token."""
    response.delete_cookie(
        SESSION_COOKIE, path=STAFF_PATH, secure=request.is_secure, httponly=True, samesite="Lax"
    )


def refuse_forged(request: Request, session: Session) -> None:
    """Raise FormNotOurs unless the form carries this session's token (compared in constant time)."""
    refuse_foreign(request)
    if not is_csrf(session, request.form.get(CSRF_FIELD, "")):
        raise FormNotOurs()


def refuse_foreign(request: Request) -> None:
    """Raise FormNotOurs where the browser itself says that another site sent the form.

    The only guard that a sign-in can have: before it there is no session whose token it could carry. Origin
    says nothing here, because under our Referrer-Policy browsers send `null`.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise FormNotOurs()


def local_path(wanted: str, otherwise: str = STAFF_PATH + "/") -> str:
    """`wanted` if it is a path of the console, else `otherwise`: no sign-in may lead to another site."""
    if len(wanted) <= LONGEST_NEXT and _LOCAL_PATH.fullmatch(wanted):
        return wanted
    return otherwise
