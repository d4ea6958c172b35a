"""The log's keys as entries tell them: five events, two derived tables, and the keyring that follows from them.

log_keys              one row a key: the sizes of the checkpoints that it must sign, the statement that brought it in
master_key_rotations  when the master key was replaced: nothing of the key, so that its deadline can be shown

`keyring_after` is the rule itself, for whoever goes through the entries (an audit, a check of an export);
`read_keyring` is what the table says, for the process that writes. Both come to the same, or an audit says so.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Boolean, Column, Connection, Integer, String, Table, Text, delete, func, insert, select

from ledger.database import Prepared
from ledger.errors import LedgerError
from ledger.journal.events import DERIVED, LogOpened
from ledger.journal.registry import KIND_OF, Event, Noun, Recorded, State
from ledger.log.checkpoint import Checkpoint
from ledger.log.keyring import KeyChangeRefused, Keyring, LogKey
from ledger.log.note import Verifier
from ledger.log.statement import Rotation, Succession, open_rotation, open_succession
from ledger.moments import Moment

GuardState = Literal["behind", "damaged", "foreign", "missing"]

log_keys = Table(
    "log_keys",
    DERIVED,
    Column(
        "place", Integer, primary_key=True, autoincrement=False
    ),  # 0, 1, … in the order in which they came
    Column("vkey", String, nullable=False),
    Column("first_size", Integer, nullable=False),
    Column("last_size", Integer),
    Column("is_vouched", Boolean, nullable=False),
    Column("statement", Text),
)
master_key_rotations = Table(
    "master_key_rotations",
    DERIVED,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
)

LOG_KEYS = Noun("log_keys", version=1, tables=(log_keys, master_key_rotations))

KEYS = Prepared(
    select(log_keys.c.vkey, log_keys.c.first_size, log_keys.c.last_size, log_keys.c.is_vouched).order_by(
        log_keys.c.place
    )
)


@LOG_KEYS.event("log.key_rotated/1")
class KeyRotated(Event, frozen=True):
    """The log has a new key. The old one signs beside it until it is retired, unless it was compromised."""

    compromised: bool
    new: str  # vkey
    old: str  # vkey
    reason: str
    statement: str  # the signed note of both keys


@LOG_KEYS.event("log.key_retired/1")
class KeyRetired(Event, frozen=True):
    """A key does not sign any more."""

    reason: str
    vkey: str


class LastKnown(Event, frozen=True):
    """The last checkpoint known of the log under its former origin."""

    origin: str
    root: str  # hex
    size: int


@LOG_KEYS.event("log.succeeded/1")
class LogSucceeded(Event, frozen=True):
    """The log goes on under a new origin and a new key, with the entries that were kept."""

    kept: int
    last: LastKnown
    origin: str
    reason: str
    statement: str  # signed by the new key, and by the old ones unless they are lost
    vkey: str


@LOG_KEYS.event("log.resumed/1")
class LogResumed(Event, frozen=True):
    """The guard was lost or did not fit, and somebody answered for going on."""

    guard: GuardState
    known: int | None  # size of the newest checkpoint that could be found elsewhere; null: none was
    reason: str


@LOG_KEYS.event("master_key.rotated/1")
class MasterKeyRotated(Event, frozen=True):
    """The master key was replaced; what the old one wrapped was wrapped anew. `persons`: keys of how many."""

    persons: int
    reason: str


KEY_KINDS = frozenset(KIND_OF[cls] for cls in (LogOpened, KeyRotated, KeyRetired, LogSucceeded))
"""The kinds of entries that change the keyring."""


def keyring_after(keyring: Keyring | None, index: int, event: object) -> Keyring | None:
    """The keyring after the entry at `index`; None before the first. Most events leave it as it is.

    Raises KeyChangeRefused for an entry that does not follow on the keys there are, or whose statement is not
    what it says.
    """
    try:
        return _after(keyring, index, event)
    except KeyChangeRefused:
        raise
    except LedgerError as error:
        raise KeyChangeRefused(reason=str(error).removesuffix(".")) from error


def fold_keys(entries: Iterable[tuple[int, object]]) -> Keyring | None:
    """The keyring after these events, each with its index. Raises KeyChangeRefused."""
    keyring = None
    for index, event in entries:
        keyring = keyring_after(keyring, index, event)
    return keyring


def last_known(event: LogSucceeded) -> Checkpoint | None:
    """The last checkpoint known of the former origin, where its entries were all kept: then they have its root.

    None where some of them were lost. The event must have been followed: see `keyring_after`.
    """
    if event.last.size > event.kept:
        return None
    return Checkpoint(event.last.origin, event.last.size, _root(event.last.root))


def read_keyring(connection: Connection) -> Keyring | None:
    """The keyring as the derived table has it; None before the log is opened."""
    return keyring_of(KEYS.fetch(connection))


def read_statements(connection: Connection) -> dict[str, str]:
    """By vkey, the statement that brought each key in; the first key has none."""
    rows = select(log_keys.c.vkey, log_keys.c.statement).where(log_keys.c.statement.is_not(None))
    return {row.vkey: row.statement for row in connection.execute(rows.order_by(log_keys.c.place))}


def last_master_rotation(connection: Connection) -> datetime | None:
    """When the master key was replaced last; None where it is the first one still."""
    found: datetime | None = connection.scalar(select(func.max(master_key_rotations.c.at)))
    return found


def keyring_of(rows: Iterable[Sequence[Any]]) -> Keyring | None:
    """The keyring that the rows of `KEYS` are; None before the log is opened."""
    return _keyring_of(tuple(tuple(row) for row in rows))


@lru_cache(maxsize=8)  # the same few rows before every seal
def _keyring_of(rows: tuple[tuple[Any, ...], ...]) -> Keyring | None:
    keys = tuple(LogKey(Verifier.parse(row[0]), row[1], row[2], bool(row[3])) for row in rows)
    return Keyring(keys) if keys else None


def _after(keyring: Keyring | None, index: int, event: object) -> Keyring | None:
    match event:
        case LogOpened():
            if keyring is not None:
                raise KeyChangeRefused(reason="a log is opened once")
            return _opened(event)
        case KeyRotated() if keyring is not None:
            return _rotated(keyring, index, event)
        case KeyRetired() if keyring is not None:
            return keyring.retired(index, Verifier.parse(event.vkey))
        case LogSucceeded() if keyring is not None:
            return _succeeded(keyring, index, event)
    return keyring


def _opened(event: LogOpened) -> Keyring:
    verifier = Verifier.parse(event.vkey)
    if verifier.name != event.origin:
        raise KeyChangeRefused(reason="the first key has another name than the log")
    return Keyring.begin(verifier)


def _rotated(keyring: Keyring, index: int, event: KeyRotated) -> Keyring:
    said = Rotation(Verifier.parse(event.old), Verifier.parse(event.new))
    if open_rotation(event.statement) != said:
        raise KeyChangeRefused(reason="the statement names other keys than the entry")
    if said.old != keyring.newest.verifier:
        raise KeyChangeRefused(reason="a new key comes after the newest one")
    return keyring.rotated(index, said.new, compromised=event.compromised)


def _succeeded(keyring: Keyring, index: int, event: LogSucceeded) -> Keyring:
    said, is_vouched = open_succession(event.statement, keyring.current)
    last = Checkpoint(event.last.origin, event.last.size, _root(event.last.root))
    if said != Succession(last, event.kept, Verifier.parse(event.vkey)) or said.new.name != event.origin:
        raise KeyChangeRefused(reason="the statement says something else than the entry")
    if event.kept != index:
        raise KeyChangeRefused(reason="the new origin begins with the entry after those that were kept")
    if last.origin != keyring.newest.verifier.name:
        raise KeyChangeRefused(reason="the checkpoint that it goes on from is of another log")
    return keyring.succeeded(index, said.new, is_vouched=is_vouched)


def _root(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise KeyChangeRefused(reason="a root is not written in hex") from error


@LOG_KEYS.observes
def apply_keys(state: State, recorded: Sequence[Recorded[Any]]) -> None:
    """Keep the keyring. An entry that cannot follow changes nothing here: an audit says what is wrong with it."""
    changes = [one for one in recorded if type(one.event) in _CHANGES]
    if not changes:
        return
    keyring, statements = read_keyring(state.connection), read_statements(state.connection)
    for one in changes:
        try:
            keyring = keyring_after(keyring, one.index, one.event)
        except KeyChangeRefused:
            continue
        if keyring is not None and isinstance(one.event, KeyRotated | LogSucceeded):
            statements[keyring.newest.verifier.to_text()] = one.event.statement
    state.connection.execute(delete(log_keys))
    if keyring is not None:
        state.connection.execute(insert(log_keys), _rows(keyring, statements))


@LOG_KEYS.applies(MasterKeyRotated)
def apply_master_rotations(state: State, recorded: Sequence[Recorded[MasterKeyRotated]]) -> None:
    rows = [{"position": one.index, "at": one.at} for one in recorded]
    state.connection.execute(insert(master_key_rotations), rows)


_CHANGES = frozenset({LogOpened, KeyRotated, KeyRetired, LogSucceeded})


def _rows(keyring: Keyring, statements: dict[str, str]) -> list[dict[str, object]]:
    return [
        {
            "place": place,
            "vkey": key.verifier.to_text(),
            "first_size": key.first_size,
            "last_size": key.last_size,
            "is_vouched": key.is_vouched,
            "statement": statements.get(key.verifier.to_text()),
        }
        for place, key in enumerate(keyring.keys)
    ]
