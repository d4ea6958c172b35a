"""The log's own events, and what is derived from every entry: two nouns, links and the status map.

subject_heads  the last entry about each subject, so that the next can point at it
requests       requests that were answered, so that a repeated one is answered from the entries
status_map     the root of the recall status map and its version: one row
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CheckConstraint, Column, Integer, MetaData, String, Table
from sqlalchemy.dialects.sqlite import insert as upsert

from ledger.journal.registry import Event, MapChange, Noun, Recorded, State
from ledger.log.entry import SUBJECT
from ledger.log.merkle import leaf_hash

DERIVED = MetaData()

subject_heads = Table(
    "subject_heads",
    DERIVED,
    Column("subject", String, primary_key=True),
    Column("last", Integer, nullable=False),
)
requests = Table(
    "requests",
    DERIVED,
    Column("key", String(64), primary_key=True),
    Column("body", String(64), nullable=False),
    Column("first", Integer, nullable=False),
    Column("count", Integer, nullable=False),
)
status_map = Table(
    "status_map",
    DERIVED,
    Column("only", Integer, CheckConstraint("only = 1"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("root", String(64), nullable=False),
    Column("leaves", Integer, nullable=False),
)

# Two nouns, because a writer needs the map at once and sets the links when it composes a group's entries.
LINKS = Noun("links", version=1, tables=(subject_heads, requests))
STATUS_MAP = Noun("status_map", version=1, tables=(status_map,))

# The map before any recall: one leaf over the whole space. Its exact bytes are part of the format.
FIRST_MAP_LEAF = b'{"from":[0,0],"recalls":[],"to":null}'
FIRST_MAP_ROOT = leaf_hash(FIRST_MAP_LEAF).hex()


class StatedMap(Event, frozen=True):
    """The status map as it stands at this entry."""

    leaves: int
    root: str
    version: int


@LINKS.event("log.opened/1")
class LogOpened(Event, frozen=True):
    """The first entry: which log this is and by which rules it is kept."""

    demo: bool
    format: str
    log: str  # the id under which the log is a subject
    map: StatedMap
    origin: str
    product: str
    vkey: str


@LINKS.event("status.stated/1")
class StatusStated(Event, frozen=True):
    """The last entry of every published checkpoint: the root of the recall status map at that moment."""

    map: StatedMap


@LINKS.event("subjects.continued/1")
class SubjectsContinued(Event, frozen=True):
    """More subjects of the entry `of`: one entry holds 64."""

    of: int


@LINKS.event("clock.corrected/1")
class ClockCorrected(Event, frozen=True):
    """The clock was wrong and has been set; this entry alone may be earlier than the one before."""

    reason: str


_PUT_HEAD = upsert(subject_heads)
_PUT_HEAD = _PUT_HEAD.on_conflict_do_update(
    index_elements=["subject"], set_={"last": _PUT_HEAD.excluded.last}
)
_PUT_MAP = upsert(status_map)
_PUT_MAP = _PUT_MAP.on_conflict_do_update(
    index_elements=["only"],
    set_={name: _PUT_MAP.excluded[name] for name in ("version", "root", "leaves")},
)
_PUT_REQUEST = upsert(requests)
_PUT_REQUEST = _PUT_REQUEST.on_conflict_do_update(  # a request whose entries a rebuild's chunk cut in two
    index_elements=["key"],
    set_={"count": _PUT_REQUEST.excluded.first + _PUT_REQUEST.excluded.count - requests.c.first},
)


@LINKS.observes
def apply_links(state: State, recorded: Sequence[Recorded[Any]]) -> None:
    """Keep heads and requests for a run of entries."""
    heads: dict[str, int] = {}
    answered: dict[str, dict[str, object]] = {}
    for one in recorded:
        for subject in one.subjects:
            heads[subject] = one.index
        if one.request is not None:
            _count(answered, one.request, one.index)
    if heads:
        state.connection.execute(_PUT_HEAD, [{"subject": s, "last": i} for s, i in heads.items()])
    if answered:
        state.connection.execute(_PUT_REQUEST, list(answered.values()))


@STATUS_MAP.observes
def apply_map(state: State, recorded: Sequence[Recorded[Any]]) -> None:
    """Keep the map's root: any event that carries a map sets it."""
    for one in recorded:
        stated = _map_after(one.event)
        if stated is not None:
            state.connection.execute(_PUT_MAP, {"only": 1, **stated})


def _count(answered: dict[str, dict[str, object]], request: tuple[str, str], index: int) -> None:
    key, body = request
    if key in answered:
        answered[key]["count"] = index - int(str(answered[key]["first"])) + 1
    else:
        answered[key] = {"key": key, "body": body, "first": index, "count": 1}


def _map_after(event: Event) -> dict[str, object] | None:
    changed = getattr(event, "map", None)
    if isinstance(changed, MapChange):
        return {"version": changed.previous + 1, "root": changed.root, "leaves": changed.leaves}
    if isinstance(event, LogOpened):
        return {"version": event.map.version, "root": event.map.root, "leaves": event.map.leaves}
    return None


def is_subject(text: str) -> bool:
    """Whether `text` names a subject: `noun:ID`."""
    return SUBJECT.fullmatch(text) is not None
