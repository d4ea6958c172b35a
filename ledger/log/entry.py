"""One entry of the log: its exact bytes, and the envelope around every event.

The bytes are stored, hashed and served as they are, and never serialised again. They are canonical JSON
(`canonical`) with these keys:

    actor     who, opaque: account:ID, token:ID, claim:ID, system:NAME
    at        when recorded, UTC with milliseconds
    data      the event
    kind      `batch.produced/1`: past tense, with its own version
    prev      leaf hash of the entry before, hex; 64 zeros for the first
    request   null, or digests that make a repeated request recognisable
    salt      16 random bytes, hex: a leaf hash reveals nothing about a guessable entry
    subjects  what it is about, each with the index of the entry before about the same subject, or null
    v         1
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from ledger.errors import LedgerError
from ledger.log.canonical import JSON, parse
from ledger.moments import parse_moment

MAX_ENTRY_BYTES = 65_535  # a bundle gives the length in 16 bits
MAX_SUBJECTS = 64
NO_PREVIOUS = bytes(32)
KEYS = frozenset({"actor", "at", "data", "kind", "prev", "request", "salt", "subjects", "v"})
KIND = re.compile(r"[a-z_]+(\.[a-z_]+)+/[1-9][0-9]*")
SUBJECT = re.compile(r"[a-z_]+:[2-9A-HJ-NP-Z]{16}")
ACTOR = re.compile(r"(account|token|claim):[2-9A-HJ-NP-Z]{16}|system:[a-z]+")
HEX_32 = re.compile(r"[0-9a-f]{64}")
HEX_16 = re.compile(r"[0-9a-f]{32}")


class EntryTooLong(LedgerError):
    """The event does not fit into one entry."""

    message = (
        "This record is {size} bytes long; an entry holds at most {limit}. Attach the long part as a file."
    )
    http_status = 413


class BadEntry(ValueError):
    """Bytes that are no entry; the reason says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry."""

    actor: str
    at: datetime
    data: dict[str, JSON]
    kind: str
    prev: bytes  # 32
    request: tuple[str, str] | None  # (key, body), hex of 32 bytes each
    salt: bytes  # 16
    subjects: Mapping[str, int | None]


def format_entry(
    *,
    actor: str,
    at: str,
    data: bytes,
    kind: str,
    prev: bytes,
    request: bytes,
    salt: bytes,
    subjects: Mapping[str, int | None],
) -> bytes:
    """The bytes of an entry around the canonical JSON `data` (and `request`, or `null`).

    Composed rather than serialised: every part is canonical, the keys stand in order, so the whole is
    canonical; a test parses what this makes. Raises EntryTooLong.
    """
    body = (
        b'{"actor":"%b","at":"%b","data":%b,"kind":"%b","prev":"%b","request":%b,"salt":"%b","subjects":%b,"v":1}'
        % (
            actor.encode(),
            at.encode(),
            data,
            kind.encode(),
            prev.hex().encode(),
            request,
            salt.hex().encode(),
            orjson.dumps(subjects, option=orjson.OPT_SORT_KEYS),
        )
    )
    if len(body) > MAX_ENTRY_BYTES:
        raise EntryTooLong(size=len(body), limit=MAX_ENTRY_BYTES)
    return body


def format_request(key: str, body: str) -> bytes:
    """The `request` member from two hex digests."""
    return b'{"body":"%b","key":"%b"}' % (body.encode(), key.encode())


def parse_entry(body: bytes) -> Entry:
    """The entry that `body` is. Raises BadEntry, or NotCanonical, for anything else."""
    value = parse(body)
    if len(body) > MAX_ENTRY_BYTES:
        raise BadEntry("longer than an entry may be")
    if value.keys() != KEYS or value["v"] != 1 or value["v"] is True:
        raise BadEntry("not the keys of an entry of version 1")
    return Entry(
        actor=_matching(value["actor"], ACTOR, "actor"),
        at=_moment(value["at"]),
        data=_object(value["data"], "data"),
        kind=_matching(value["kind"], KIND, "kind"),
        prev=bytes.fromhex(_matching(value["prev"], HEX_32, "prev")),
        request=_request(value["request"]),
        salt=bytes.fromhex(_matching(value["salt"], HEX_16, "salt")),
        subjects=_subjects(value["subjects"]),
    )


def _matching(value: JSON, pattern: re.Pattern[str], name: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadEntry(f"{name} is not of its form: {value!r}")
    return value


def _object(value: JSON, name: str) -> dict[str, JSON]:
    if not isinstance(value, dict):
        raise BadEntry(f"{name} is not an object")
    return value


def _moment(value: JSON) -> datetime:
    try:
        return parse_moment(str(value))
    except ValueError as error:
        raise BadEntry(str(error)) from error


def _request(value: JSON) -> tuple[str, str] | None:
    if value is None:
        return None
    request = _object(value, "request")
    if request.keys() != {"body", "key"}:
        raise BadEntry("request has other keys than body and key")
    return _matching(request["key"], HEX_32, "request key"), _matching(
        request["body"], HEX_32, "request body"
    )


def _subjects(value: JSON) -> dict[str, int | None]:
    subjects = _object(value, "subjects")
    if not 1 <= len(subjects) <= MAX_SUBJECTS:
        raise BadEntry(f"{len(subjects)} subjects; an entry has 1 to {MAX_SUBJECTS}")
    checked: dict[str, int | None] = {}
    for subject, previous in subjects.items():
        if previous is not None and (type(previous) is not int or previous < 0):
            raise BadEntry(f"subject {subject} points at {previous!r}")
        checked[_matching(subject, SUBJECT, "subject")] = previous
    return checked
