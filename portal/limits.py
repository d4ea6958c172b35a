"""How often one source may do one thing: counted in state.db, so that all processes share the count.

    limit("claim", request.remote_addr)      raises LimitReached(wait_seconds)

One row a purpose and source, which holds one moment: when the source will have its full allowance again. Each use
moves it on by its share. A use that would move it further ahead than the whole allowance is refused and moves nothing,
so nobody is locked out for longer than a share takes. (The "virtual scheduling" form of GCRA: ITU-T I.371, annex A.)
Of people only what they send is counted, never what they read: each count is a write. A token is counted for both.
"""

import hashlib
import ipaddress
import math
import tomllib
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Literal, Protocol, cast

import msgspec
from flask import current_app
from sqlalchemy import Column, Connection, Engine, Index, String, Table, delete, insert, or_, select, update

from ledger.database import writing
from ledger.errors import LedgerError
from ledger.journal.opening import Ledger
from ledger.moments import Moment
from ledger.state import STATE
from portal.metrics import LIMITS_HIT
from portal.services import EXTENSION
from translations import Words

limits_table = Table(
    "limits",
    STATE,
    Column("key", String(64), primary_key=True),  # SHA-256 of purpose and source: neither is kept
    Column("whole_at", Moment, nullable=False),  # when the source has its full allowance again
    Index("limits_whole_at", "whole_at"),
)


class LimitReached(LedgerError):
    """One source did one thing too often; nothing was looked at and nothing was done."""

    message = (
        "Too much was sent from here in a short time, so this was not taken. Nothing was recorded. Send it again in "
        "{wait_seconds} seconds."
    )
    http_status = 429


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`many` at once, and as many again in `seconds`; counted per address, account or token."""

    per: Literal["address", "account", "token"]
    many: int
    seconds: int

    @property
    def whole(self) -> timedelta:
        """How long the full allowance takes to come back."""
        return timedelta(seconds=self.seconds)

    @property
    def share(self) -> timedelta:
        """How long one use takes to come back."""
        return self.whole / self.many


class Counted(Protocol):
    """What counting needs of the running application."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def state(self) -> Engine: ...


@cache
def limits() -> dict[str, Limit]:
    """Every limit by its purpose, from data/limits.toml."""
    text = (Path(__file__).parent / "data" / "limits.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Limit])


def limit(purpose: str, source: str | None) -> None:
    """Count one use of this request's. Raises LimitReached(wait_seconds), and KeyError for no purpose of ours."""
    house = cast(Counted, current_app.extensions[EXTENSION])
    try:
        spend(house.state, purpose, source or "", now=house.ledger.clock.now())
    except LimitReached:
        LIMITS_HIT.labels(purpose).inc()
        raise


def spend(engine: Engine, purpose: str, source: str, *, now: datetime) -> None:
    """The same for whoever is no request. `source` is an address, or the id of an account or token."""
    allowed = limits()[purpose]
    key = _key(purpose, network(source) if allowed.per == "address" else source)
    with writing(engine) as connection:
        _sweep(connection, now)
        stands = connection.scalar(select(limits_table.c.whole_at).where(limits_table.c.key == key))
        # Further ahead than the allowance a row stands only where the clock was set back: it must not count.
        begins = stands if stands is not None and now < stands <= now + allowed.whole else now
        wait = begins + allowed.share - (now + allowed.whole)
        if wait > timedelta(0):
            raise LimitReached(wait_seconds=math.ceil(wait.total_seconds()))
        _store(connection, key, begins + allowed.share, is_new=stands is None)


def wait_said(words: Words, error: LedgerError) -> str:
    """How long to wait (the fact `wait_seconds`), in the unit that people think in."""
    seconds = wait_seconds(error) or 1
    if seconds < 120:
        return words.plural(
            "Too many attempts came from your network. Wait {count} second, then try again.",
            "Too many attempts came from your network. Wait {count} seconds, then try again.",
            seconds,
        )
    return words.plural(
        "Too many attempts came from your network. Wait {count} minute, then try again.",
        "Too many attempts came from your network. Wait {count} minutes, then try again.",
        -(-seconds // 60),
    )


def wait_seconds(error: LedgerError) -> int:
    """How long an error asks to wait, for Retry-After; 0 where it does not."""
    return int(str(error.facts.get("wait_seconds", 0)))


def network(address: str) -> str:
    """The address, or for IPv6 its /64: one customer has that many (RFC 6177), and may use them all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


def _sweep(connection: Connection, now: datetime) -> None:
    """Rows of sources that have their full allowance again, and of a clock that was set back since."""
    furthest = now + max(one.whole for one in limits().values())
    connection.execute(
        delete(limits_table).where(or_(limits_table.c.whole_at <= now, limits_table.c.whole_at > furthest))
    )


def _store(connection: Connection, key: str, whole_at: datetime, *, is_new: bool) -> None:
    if is_new:
        connection.execute(insert(limits_table).values(key=key, whole_at=whole_at))
    else:
        connection.execute(update(limits_table).where(limits_table.c.key == key).values(whole_at=whole_at))


def _key(purpose: str, source: str) -> str:
    return hashlib.sha256(f"{purpose}\0{source}".encode()).hexdigest()
