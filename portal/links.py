"""Links for outsiders: whoever has a token may follow it into the console, and is there as `token:ID`. Knows no web.

Following a link begins a session that lasts as long as the token. Kept is the SHA-256 of what stands in the cookie.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Engine, ForeignKey, String, Table, delete, insert, select

from ledger.database import reading, writing
from ledger.errors import NotFound
from ledger.moments import Moment
from ledger.state import STATE
from portal.accounts import Account, NewSession, Session
from portal.tokens import Token, Use, find_token, hash_of, note_use, tokens_table

SESSION_BYTES = 32

link_sessions = Table(
    "link_sessions",
    STATE,
    Column("token_hash", String(64), primary_key=True),
    Column("token", String(16), ForeignKey("tokens.id"), nullable=False),
    Column("csrf", String, nullable=False),
    Column("created_at", Moment, nullable=False),
)


class LinkEnded(NotFound):
    """A link that nobody gave out, that was revoked, or whose time is over."""

    message = "This link has ended, or it was never given out. Ask whoever sent it to you for a new one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest(Account):
    """Who came by a link: stands where an account does, and has neither password nor page of its own."""

    use: Use
    ends_at: datetime

    @property
    def actor(self) -> str:
        """The token's, as the log names it."""
        return f"token:{self.id}"


def followed(state: Engine, secret: str, *, now: datetime) -> Token:
    """Whose link this is. Raises LinkEnded, also for a program's token: nobody sits before a program."""
    found = find_token(state, secret, now=now)
    if found is None or found.use in (None, "program"):
        raise LinkEnded()
    return found


def start_link_session(state: Engine, token: Token, *, now: datetime) -> NewSession:
    """A new session of whoever followed the link; those of tokens that ended, anybody's, are removed on the way."""
    secret, csrf = secrets.token_urlsafe(SESSION_BYTES), secrets.token_urlsafe(SESSION_BYTES)
    over = select(tokens_table.c.id).where(
        tokens_table.c.revoked_at.is_not(None) | (tokens_table.c.ends_at <= now)
    )
    row = {"token_hash": hash_of(secret), "token": token.id, "csrf": csrf, "created_at": now}
    with writing(state) as connection:
        connection.execute(delete(link_sessions).where(link_sessions.c.token.in_(over)))
        connection.execute(insert(link_sessions).values(row))
    return NewSession(token=secret, session=_session(hash_of(secret), csrf, now, token))


def find_link_session(state: Engine, secret: str, *, now: datetime) -> Session | None:
    """The session of this cookie, unless its token was revoked or has ended."""
    both = select(link_sessions, *(tokens_table.c[name].label(f"of_{name}") for name in Token.__slots__))
    with reading(state) as connection:
        row = connection.execute(
            both.join(tokens_table).where(link_sessions.c.token_hash == hash_of(secret))
        ).one_or_none()
    if row is None or not (token := Token(*row[len(link_sessions.c) :])).works(now):
        return None
    note_use(state, token, now=now)
    return _session(row.token_hash, row.csrf, row.created_at, token)


def end_link_session(state: Engine, secret: str) -> None:
    """Sign out. What is no session is no error."""
    with writing(state) as connection:
        connection.execute(delete(link_sessions).where(link_sessions.c.token_hash == hash_of(secret)))


def _session(token_hash: str, csrf: str, created_at: datetime, token: Token) -> Session:
    assert token.use is not None
    assert token.ends_at is not None
    guest = Guest(
        token.id, token.name, token.created_at, token.revoked_at, use=token.use, ends_at=token.ends_at
    )
    return Session(
        id=token_hash[:16], account=guest, csrf=csrf, created_at=created_at, confirmed_at=created_at
    )
