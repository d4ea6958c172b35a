"""Who read which value of the vault, when, and what for. Rows are only ever inserted, and stay when the value goes.

Each row carries an HMAC over itself and the row before it, so that a row that was changed, moved, or taken out of the
middle is found. Who cuts the newest rows off leaves no trace here: the rows are no log, and hold nothing that one
would need for a proof.
"""

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, String, select, type_coerce

from ledger.database import insert_into
from ledger.errors import LedgerError
from ledger.log.canonical import encode
from ledger.moments import format_moment
from ledger.vault.tables import accesses

Purpose = Literal["claim", "export"]  # a claim's page; an answer to the person's own request


@dataclass(frozen=True, slots=True)
class Access:
    """One reading of one value; `actor` as entries name it."""

    at: datetime
    actor: str
    person: str
    item: str
    kind: str
    purpose: str


def add_accesses(connection: Connection, key: bytes, read: Sequence[Access]) -> None:
    """Write these readings down, under the vault's write lock."""
    newest = select(accesses.c.number, accesses.c.mac).order_by(accesses.c.number.desc()).limit(1)
    number, mac = connection.execute(newest).first() or (0, b"")
    rows = []
    for one in read:
        number += 1
        mac = _mac(key, mac, {**asdict(one), "at": format_moment(one.at), "number": number})
        rows.append({**asdict(one), "number": number, "mac": mac})
    if rows:
        insert_into(connection, accesses, rows)


def list_accesses(connection: Connection, person: str) -> list[Access]:
    """Every reading of this person's values, oldest first."""
    rows = select(accesses).where(accesses.c.person == person).order_by(accesses.c.number)
    return [
        Access(row.at, row.actor, row.person, row.item, row.kind, row.purpose)
        for row in connection.execute(rows)
    ]


def broken_accesses(connection: Connection, key: bytes) -> Iterator[tuple[int, str]]:
    """(number, what is wrong) of each row that is not as it was written, or does not follow the one before."""
    expected, previous = 1, b""
    for row in connection.execute(_AS_STORED):
        stored = dict(zip(_FIELDS, row, strict=True))
        number, mac = stored["number"], stored.pop("mac")
        if number != expected:
            yield number, f"rows {expected} to {number - 1} are missing before it"
        elif not _is_own(key, previous, stored, mac):
            yield number, "it was changed, or the row before it was"
        expected, previous = number + 1, mac


_FIELDS = ("number", "at", "actor", "person", "item", "kind", "purpose", "mac")
# The time as text: what was changed may be none.
_AS_STORED = select(
    *(type_coerce(accesses.c[name], String) if name == "at" else accesses.c[name] for name in _FIELDS)
).order_by(accesses.c.number)


def _is_own(key: bytes, previous: bytes, stored: dict[str, Any], mac: bytes) -> bool:
    try:
        return hmac.compare_digest(mac, _mac(key, previous, stored))
    except (
        LedgerError,
        ValueError,
        TypeError,
        AttributeError,
    ):  # SQLite keeps a value of any type in any column
        return False


def _mac(key: bytes, previous: bytes, row: dict[str, Any]) -> bytes:
    return hmac.digest(key, encode({**row, "previous": previous.hex()}), "sha256")
