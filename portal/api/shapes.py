"""What the API answers with: the same classes make the JSON and its description, so the two cannot differ."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from flask import Response
from msgspec import Meta, Struct

from ledger.moments import format_moment

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"  # RFC 9457
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
Time = Annotated[str, Meta(pattern=_MOMENT, description="UTC, with milliseconds, as in the log.")]


class FieldProblem(Struct, frozen=True):
    """One field of the request that cannot be taken."""

    pointer: Annotated[str, Meta(description="A JSON pointer (RFC 6901) into the request.")]
    detail: str


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong, and what to do (RFC 9457)."""

    type: Annotated[str, Meta(description="Which error it is: /problems/NAME. It never changes.")]
    title: str
    status: int
    detail: Annotated[str, Meta(description="What happened, why, and what to do, in one or two sentences.")]
    facts: Annotated[dict[str, Any], Meta(description="What the sentence speaks of, by name.")] = {}
    errors: tuple[FieldProblem, ...] = ()


class Entry(Struct, frozen=True):
    """What one entry of the log is."""

    index: int
    kind: str
    at: Time
    actor: Annotated[str, Meta(description="Who recorded it: account:ID, token:ID, claim:ID or system:NAME.")]
    subjects: Annotated[tuple[str, ...], Meta(description="All that it is about, as NOUN:ID.")]
    made: Annotated[tuple[str, ...], Meta(description="The subjects that no earlier entry is about.")]
    leaf_hash: Annotated[
        str, Meta(description="SHA-256 (hex) over 0x00 and the entry: its leaf in the log's tree.")
    ]


class WholeEntry(Entry, frozen=True):
    """One entry of the log with all that it says."""

    data: dict[str, Any]
    text: Annotated[str, Meta(description="Its exact bytes (UTF-8), which the leaf hash is over.")]


class Recorded(Struct, frozen=True):
    """What an order recorded, in order; the same again for the same order under the same key."""

    entries: tuple[Entry, ...]


class Caller(Struct, frozen=True):
    """Who asks, and what they may do."""

    actor: str
    name: str
    scopes: Annotated[
        tuple[str, ...], Meta(description="Roles, and single rights: see:AREA, do:COMMAND or do:NOUN.*.")
    ]
    about: Annotated[
        str | None, Meta(description="The one subject that orders may be about, or null for all.")
    ]
    until: Annotated[Time | None, Meta(description="When the token ends; null for one of the time before.")]


class Checkpoint(Struct, frozen=True):
    """A state of the log."""

    size: int
    root: str


class PublicRecall(Struct, frozen=True):
    """A published recall."""

    code: str
    hazard: str
    published_at: Time
    index: int
    closed: bool


Status = Literal["recalled", "settled", "not_recalled", "unknown"]


class UnitMatch(Struct, frozen=True):
    """One product that carries the number."""

    product: str
    picture: str | None
    status: Status


class UnitAnswer(Struct, frozen=True):
    """What the public is told about a number. `not_recalled` means: in no recall published until `as_of`."""

    status: Status
    as_of: Time
    is_old: Annotated[
        bool, Meta(description="Whether our newest records cannot be reached: ask again later.")
    ]
    checkpoint: Checkpoint
    recalls: tuple[PublicRecall, ...]
    matches: Annotated[tuple[UnitMatch, ...], Meta(description="Given where several products carry it.")]
    hint: Literal["", "check_pair", "never_occurring", "length"]


def answered(shape: Struct) -> Response:
    """The shape as JSON."""
    return Response(msgspec.json.encode(shape), content_type=JSON)


def time_of(moment: datetime) -> str:
    """A time as the API writes it."""
    return format_moment(moment)
