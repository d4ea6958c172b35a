"""What one request of the console works with: the ledger, who is signed in, one snapshot, the language.

The application's services supply ledger and state; the snapshot opens at the first read and closes with the
request, so that everything on a page was true at one moment.
"""

from contextlib import ExitStack
from typing import Protocol, cast

from flask import current_app, g, request
from sqlalchemy import Connection, Engine

from ledger.database import reading
from ledger.journal.journal import By
from ledger.journal.opening import Ledger
from ledger.people.account import name_items, roles_of
from ledger.people.roles import may_do
from portal.accounts import Session
from portal.language import speak
from portal.names import Names
from portal.services import EXTENSION, House
from translations import Words, catalogues, choose

DOMAIN = "console"
LANGUAGE_COOKIE = "console_language"


class Desk(Protocol):
    """What the console needs of the application's services."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def state(self) -> Engine: ...

    @property
    def names(self) -> Names: ...

    def house(self) -> House:
        """Who sells, and in whose zone times are shown."""


def desk() -> Desk:
    """The services of the application that answers this request."""
    return cast(Desk, current_app.extensions[EXTENSION])


def ledger() -> Ledger:
    """The seller's ledger."""
    return desk().ledger


def house() -> House:
    """Who sells, asked for once a request."""
    if "house" not in g:
        g.house = desk().house()
    return cast(House, g.house)


def snapshot() -> Connection:
    """The connection on which this request reads: everything it shows is of one moment."""
    if "snapshot" not in g:
        g.closing = ExitStack()
        g.snapshot = g.closing.enter_context(reading(ledger().engine))
    return cast(Connection, g.snapshot)


def close_snapshot(_error: BaseException | None = None) -> None:
    """Give the snapshot's connection back."""
    closing: ExitStack | None = g.pop("closing", None)
    g.pop("snapshot", None)
    if closing is not None:
        closing.close()


def session() -> Session:
    """Who is signed in; only asked where somebody is."""
    return cast(Session, g.session)


def roles() -> tuple[str, ...]:
    """In which roles they are signed in, as the log says at this moment."""
    if "roles" not in g:
        g.roles = roles_of(snapshot(), session().account.actor)
    return cast(tuple[str, ...], g.roles)


def may(command: str) -> bool:
    """Whether whoever is signed in may carry out the command of this name."""
    return may_do(roles(), command)


def by(form_token: str) -> By:
    """Who writes, and the form's token: sent twice, a form is recorded once."""
    return By(session().account.actor, form_token or None)


def words() -> Words:
    """This request's words: the chosen language, else what the browser prefers of those we have."""
    if "console_words" not in g:
        offered = tuple(one.tag for one in catalogues().offering(DOMAIN))
        accepted = request.environ.get("HTTP_ACCEPT_LANGUAGE", "")
        g.console_words = speak(choose(None, request.cookies.get(LANGUAGE_COOKIE), accepted, offered), DOMAIN)
    return cast(Words, g.console_words)


def account_name(actor: str) -> str:
    """The name behind `account:ID`, "" for every other actor and for somebody who was erased."""
    return desk().names.behind(actor, lambda: name_items(snapshot()))
