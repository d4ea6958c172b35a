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
from ledger.people.account import name_items
from ledger.people.roles import may_do
from ledger.people.token import Holding, held_by
from portal.accounts import Session
from portal.language import speak
from portal.names import Names
from portal.services import EXTENSION, House
from portal.tokens import Token, tokens
from translations import Words, catalogues, choose

DOMAIN = "console"
LANGUAGE_COOKIE = "console_language"
_TOKENS = "lotproof-tokens"


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


def holding() -> Holding:
    """What they may see and do, as the log says at this moment."""
    if "holding" not in g:
        g.holding = held_by(snapshot(), session().account.actor, now=ledger().clock.now())
    return cast(Holding, g.holding)


def roles() -> tuple[str, ...]:
    """In which roles they are signed in; whoever came by a link, with which scopes."""
    return holding().scopes


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


def token_behind(actor: str) -> Token | None:
    """The token behind `token:ID`; None for every other actor and for a token of another installation.

    Asked for once a process, as names of accounts are: of a token only what never changes may be shown from here.
    """
    known: dict[str, Token | None] = current_app.extensions.setdefault(_TOKENS, {})
    if actor.startswith("token:") and actor not in known:
        known.update({token.actor: token for token in tokens(desk().state)})
        known.setdefault(actor, None)
    return known.get(actor)
