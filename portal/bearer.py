"""Who asks by a token, in the header `Authorization: Bearer …`. Cookies are never looked at here."""

from dataclasses import dataclass
from datetime import datetime

from flask import Request
from sqlalchemy import Connection, Engine

from ledger.people.token import Holding, held_by
from portal.tokens import Token, find_token, note_use
from portal.watch import acting


@dataclass(frozen=True, slots=True)
class Caller:
    """A token that works, and what it may see and do as the log says."""

    token: Token
    holding: Holding

    @property
    def actor(self) -> str:
        return self.token.actor


def caller_of(request: Request, connection: Connection, state: Engine, *, now: datetime) -> Caller | None:
    """Who sends this request; None without a token, and for one that is unknown, revoked or has ended."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    token = find_token(state, secret.strip(), now=now) if scheme.lower() == "bearer" else None
    if token is None:
        return None
    acting(token.actor)
    note_use(state, token, now=now)
    return Caller(token, held_by(connection, token.actor, now=now))
