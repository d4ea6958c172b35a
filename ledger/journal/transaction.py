"""A transaction: what a command sees and records while the lock is held."""

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select

from ledger.database import NotText, Prepared
from ledger.errors import LedgerError, Refused
from ledger.files import FileRef
from ledger.free_text import refuse_personal_data
from ledger.identifiers import new_id
from ledger.journal.events import LINKS, SubjectsContinued, requests, status_map, subject_heads
from ledger.journal.fields import extras
from ledger.journal.registry import (
    KIND_OF,
    NOUNS,
    Event,
    MapChange,
    Noun,
    Recorded,
    State,
    apply_all,
)
from ledger.log.canonical import encode
from ledger.log.entry import ACTOR, MAX_SUBJECTS, NO_PREVIOUS, SUBJECT, format_entry, format_request
from ledger.log.merkle import leaf_hash
from ledger.moments import format_moment

MAX_DATA_BYTES = 60_000  # leaves room in an entry for the envelope and 64 subjects
NUL = b"\\u0000"  # as canonical JSON writes it

_HEADS = select(subject_heads.c.subject, subject_heads.c.last).where(
    subject_heads.c.subject.in_(bindparam("subjects", expanding=True))
)
_HEAD = Prepared(select(subject_heads.c.last).where(subject_heads.c.subject == bindparam("subject")))
FEW_SUBJECTS = 8
_REQUEST = Prepared(
    select(requests.c.body, requests.c.first, requests.c.count).where(requests.c.key == bindparam("key"))
)
_MAP = select(status_map.c.version, status_map.c.root, status_map.c.leaves)


class TooLong(LedgerError):
    """An event that does not fit into an entry."""

    message = "This record is {size} bytes long; at most {limit} fit. Shorten it, or attach the long part as a file."
    http_status = 413


class StaleMap(Refused):
    """Another recall changed the status map while this one was being prepared."""

    message = "Another recall was published in the meantime. Look at the scope again and repeat."


@dataclass(frozen=True, slots=True)
class MapState:
    """The status map as the journal knows it."""

    version: int
    root: str
    leaves: int


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An event on its way into the log: all but what depends on the entry before."""

    kind: str
    data: bytes
    subjects: tuple[str, ...]
    actor: str
    at: str
    request: tuple[str, str] | None
    changes_map: bool = False


@dataclass
class Tx:
    """One command's view: reads through `connection`, records events, knows the time and the actor."""

    connection: Connection
    at: datetime
    actor: str
    request: tuple[str, str] | None
    next_index: int
    read_file: Callable[[str], bytes]
    put_file: Callable[[bytes], FileRef]
    random_bytes: Callable[[int], bytes] = os.urandom
    prepared: Any = None  # what the command's `prepare` gave
    drafts: list[Draft] = field(default_factory=list)
    recorded: list[Recorded[Any]] = field(default_factory=list)
    _applied: int = 0
    _at_text: str = ""

    def __post_init__(self) -> None:
        if not ACTOR.fullmatch(self.actor):
            raise ValueError(f"no entry can name the actor {self.actor!r}")
        self._at_text = format_moment(self.at)

    def new_id(self) -> str:
        """A fresh random id of 16 characters."""
        return new_id(self.random_bytes)

    def record(self, event: Event, *subjects: str) -> int:
        """Record an event about `subjects` (`noun:ID`, at least one); gives its index in the log.

        Raises TooLong, StaleMap, NotText, or NotCanonical for text that cannot stand in an entry.
        """
        if len(subjects) == 1:
            return self._add(event, subjects)
        unique = tuple(sorted(set(subjects)))  # as an entry gives them back
        index = self._add(event, unique[:MAX_SUBJECTS])
        for start in range(MAX_SUBJECTS, len(unique), MAX_SUBJECTS):
            self._add(SubjectsContinued(of=index), unique[start : start + MAX_SUBJECTS])
        return index

    def flush(self) -> None:
        """Apply what was recorded so far, so that the next read sees it."""
        fresh = self.recorded[self._applied :]
        if fresh:
            apply_all(State(self.connection, self.read_file), fresh, at_once())
            self._applied = len(self.recorded)

    def map_state(self) -> MapState:
        """The status map as it stands now, events of this transaction included."""
        self.flush()
        return read_map(self.connection)

    def _add(self, event: Event, subjects: tuple[str, ...]) -> int:
        index, cls = self.next_index, type(event)
        kind, changes_map = KIND_OF[cls], "map" in cls.__struct_fields__
        if changes_map:
            self._check_map(event)
        value = msgspec.to_builtins(event)
        data = memoryview(
            encode(value)
        ).tobytes()  # orjson's own bytes hold on to the 4 KB that they were made in
        # An entry stays for ever: what could not be read again must not get in, and what is applied now is what
        # a rebuild will read.
        event = msgspec.convert(value, cls)
        _check_subjects(subjects)
        if NUL in data and _has_nul(data):
            raise NotText()
        if len(data) > MAX_DATA_BYTES:
            raise TooLong(size=len(data), limit=MAX_DATA_BYTES)
        self.drafts.append(Draft(kind, data, subjects, self.actor, self._at_text, self.request, changes_map))
        self.recorded.append(Recorded(index, self.at, self.actor, subjects, self.request, event))
        self.next_index += 1
        return index

    def _check_map(self, event: Event) -> None:
        changed = getattr(event, "map", None)
        if isinstance(changed, MapChange) and changed.previous != self.map_state().version:
            raise StaleMap()


@lru_cache(maxsize=1024)  # an intake names the same lots and batches again and again
def _check_subjects(subjects: tuple[str, ...]) -> None:
    if not subjects:
        raise ValueError("an entry is about at least one subject")
    for subject in subjects:
        if not SUBJECT.fullmatch(subject):
            raise ValueError(f"no entry can name the subject {subject!r}")


def _has_nul(data: bytes) -> bool:
    """Whether a text of canonical JSON holds U+0000, and not merely a backslash that somebody typed before u0000."""
    return NUL in data.replace(b"\\\\", b"")


def at_once() -> tuple[Noun, ...]:
    """The nouns that are applied while a command runs: all but the links, which a group sets at its end."""
    return tuple(noun for noun in NOUNS.values() if noun is not LINKS)


def read_map(connection: Connection) -> MapState:
    """The journal's row about the status map."""
    return MapState(*connection.execute(_MAP).one())


def check_free_text(request: object) -> None:
    """Raise PersonalData if a field marked as free text holds an address or a telephone number."""
    for name, text in _free_texts(request):
        refuse_personal_data(name, text)


def _free_texts(request: object) -> Iterator[tuple[str, str]]:
    if not isinstance(request, msgspec.Struct):
        return
    for name, is_free_text in _fields(type(request)):
        value = getattr(request, name)
        if isinstance(value, str):
            if is_free_text:
                yield name, value
        elif isinstance(value, msgspec.Struct):
            yield from _free_texts(value)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from _free_texts(item)


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[tuple[str, bool], ...]:
    """Names of a request's fields, and whether each is free text."""
    return tuple((one.name, bool(extras(one.type).get("free_text"))) for one in msgspec.structs.fields(kind))


def compose(
    drafts: Sequence[Draft],
    heads: Mapping[str, int | None],
    previous: bytes,
    random_bytes: Callable[[int], bytes],
    start: int,
    leaves: list[bytes],
) -> Iterator[tuple[bytes, bytes]]:
    """The (leaf, body) of each draft, chained from the leaf `previous`, the first one at index `start`.

    `heads`: the last entry about each subject before. Made as they are asked for, so that a server can take in the
    first meanwhile; `leaves` then holds all of theirs.
    """
    heads, prev, salts = dict(heads), previous or NO_PREVIOUS, random_bytes(16 * len(drafts))
    for offset, draft in enumerate(drafts):
        body = format_entry(
            actor=draft.actor,
            at=draft.at,
            data=draft.data,
            kind=draft.kind,
            prev=prev,
            request=b"null" if draft.request is None else format_request(*draft.request),
            salt=salts[16 * offset : 16 * offset + 16],
            subjects={subject: heads[subject] for subject in draft.subjects},
        )
        for subject in draft.subjects:
            heads[subject] = start + offset
        prev = leaf_hash(body)
        leaves.append(prev)
        yield prev, body


def read_heads(connection: Connection, subjects: Iterable[str]) -> dict[str, int | None]:
    """The last entry about each of these subjects, None for one that no entry is about."""
    heads: dict[str, int | None] = dict.fromkeys(sorted(subjects))
    wanted = list(heads)
    if len(wanted) <= FEW_SUBJECTS:  # of one command: a look-up each costs less than a list of them
        found = _HEAD.fetch_each(connection, [{"subject": subject} for subject in wanted])
        return {subject: rows[0][0] if rows else None for subject, rows in zip(wanted, found, strict=True)}
    for start in range(0, len(wanted), 500):
        for subject, last in connection.execute(_HEADS, {"subjects": wanted[start : start + 500]}):
            heads[subject] = last
    return heads


def request_digests(actor: str, name: str, key: str, body: bytes) -> tuple[str, str]:
    """The (key, body) digests of a request, hex.

    The body's is keyed with the idempotency key, which only the asker knows: a plain digest of a short form
    could be guessed by whoever reads the entry.
    """
    parts = encode([actor, name, key])
    return hashlib.sha256(parts).hexdigest(), hmac.digest(key.encode(), body, "sha256").hex()


def find_request(connection: Connection, key: str) -> tuple[str, int, int] | None:
    """(body digest, first index, count) of an answered request, or None."""
    found = _REQUEST.fetch(connection, key=key)
    return (found[0][0], found[0][1], found[0][2]) if found else None
