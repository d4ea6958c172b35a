"""Many entries at once: each rule is tried on a whole column, and one failure sends all of them the long way.

Nearly every chunk of nearly every log passes here, in half the time that looking at each entry takes; of one that
does not, nothing is said: `entries` looks at each entry and names what is wrong. The rules are the same.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from operator import attrgetter, le
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ledger.errors import LedgerError
from ledger.journal.registry import KINDS, Event
from ledger.log.canonical import QUICK_DEPTH, Integer, parse
from ledger.log.entry import ACTOR, HEX_32, MAX_ENTRY_BYTES, MAX_SUBJECTS, SUBJECT

_Previous = Annotated[int, Meta(ge=0)] | None
# `*+`: a line fits or it does not, so nothing is kept to come back to, which saves a quarter of the time.
_SUBJECTS = re.compile(f"(?:{SUBJECT.pattern}\n)*+")
_TIMES = re.compile(r"(?:\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z\n)*+", re.ASCII)


def _limited(depth: int) -> Any:
    """JSON without floats and long integers, `depth` containers deep."""
    scalar: Any = None | bool | str | Integer
    if depth == 0:
        return scalar
    inner: Any = _limited(depth - 1)
    return scalar | list[inner] | dict[str, inner]


_JSON: Any = _limited(QUICK_DEPTH - 1)


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    body: str
    key: str


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An entry. Its fields stand in the order of canonical JSON, so it is written as it must have been read."""

    actor: str
    at: str
    data: dict[str, _JSON]
    kind: str
    prev: str
    request: _Request | None
    salt: Annotated[str, Meta(min_length=32, max_length=32)]
    subjects: Annotated[dict[str, _Previous], Meta(min_length=1, max_length=MAX_SUBJECTS)]
    v: Literal[1]


_DECODER = msgspec.json.Decoder(_Envelope)
_ENCODER = msgspec.json.Encoder(order="deterministic")  # sorts the keys of dicts


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries that are right in themselves and among each other; a list for each column."""

    leaves: list[bytes]
    events: list[Event]
    ats: list[str]
    prevs: list[str]
    subjects: list[dict[str, int | None]]


def read_chunk(rows: Sequence[tuple[Any, ...]], start: int) -> Chunk | None:
    """The entries of (position, leaf, body) rows from `start` on; None if any rule fails for any of them."""
    try:
        return _read(rows, start)
    except (LedgerError, ValueError, LookupError, TypeError):  # TypeError: a column holds another type
        return None


def _read(rows: Sequence[tuple[Any, ...]], start: int) -> Chunk | None:
    positions, leaves, bodies = map(list, zip(*rows, strict=True))
    if positions != list(range(start, start + len(rows))) or max(map(len, bodies)) > MAX_ENTRY_BYTES:
        return None
    if leaves != [sha256(b"\0" + body).digest() for body in bodies]:
        return None
    values = _parse(bodies)
    ats, prevs, subjects = (list(map(attrgetter(name), values)) for name in ("at", "prev", "subjects"))
    if prevs[1:] != [leaf.hex() for leaf in leaves[:-1]] or not all(map(le, ats, ats[1:])):
        return None
    if not (
        HEX_32.fullmatch(prevs[0]) and _have_form(values) and _are_times(ats) and _are_subjects(subjects)
    ):
        return None
    events = [msgspec.convert(value.data, KINDS[value.kind]) for value in values]
    return Chunk(leaves, events, ats, prevs, subjects)


def _parse(bodies: Sequence[bytes]) -> list[_Envelope]:
    """The entries, whose bytes are canonical. Raises ValueError or NotCanonical if one of them is none."""
    # Written anew, no entry has a line end in it: so the lines are equal only if each entry is.
    lines = b"\n".join((*bodies, b""))
    values: list[_Envelope] = _DECODER.decode_lines(lines)
    if len(values) != len(bodies) or _ENCODER.encode_lines(values) != lines:
        raise ValueError("not canonical")
    if not lines.isascii():
        for body in bodies:
            if not body.isascii():
                parse(body)  # also asks for normalization form C
    return values


def _have_form(values: Sequence[_Envelope]) -> bool:
    """The members that say nothing of their neighbours."""
    salts = "".join([value.salt for value in values])
    requests = [value.request for value in values if value.request is not None]
    return (
        all(map(ACTOR.fullmatch, {value.actor for value in values}))
        and bytes.fromhex(salts).hex() == salts
        and all(HEX_32.fullmatch(one.body) and HEX_32.fullmatch(one.key) for one in requests)
    )


def _are_times(ats: Sequence[str]) -> bool:
    """Whether all are times; they are in order, so days in between need no look unless there are several."""
    days = {ats[0][:10]} if ats[0][:10] == ats[-1][:10] else {at[:10] for at in ats}
    return _each_fits(_TIMES, ats) and bool([date.fromisoformat(day) for day in days])


def _are_subjects(all_subjects: Sequence[dict[str, int | None]]) -> bool:
    return _each_fits(_SUBJECTS, [name for subjects in all_subjects for name in subjects])


def _each_fits(pattern: re.Pattern[str], texts: Sequence[str]) -> bool:
    """Whether each text is as `pattern` wants each line; a line end within one would make two of it."""
    lines = "\n".join((*texts, ""))
    return lines.count("\n") == len(texts) and pattern.fullmatch(lines) is not None
