"""The log's own events, and what is derived from every entry: two nouns, links and the status map.

subject_heads  the last entry about each subject, so that the next can point at it
requests       requests that were answered, so that a repeated one is answered from the entries
status_map     the root of the recall status map and its version: one row
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CheckConstraint, Column, Integer, MetaData, String, Table

from ledger.database import upsert_rows
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
    Column("only", Integer, CheckConstraint('"only" = 1'), primary_key=True),
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


_REPLACE_HEAD = (("last", "excluded.last"),)
_REPLACE_MAP = tuple((name, f"excluded.{name}") for name in ("version", "root", "leaves"))
# A request whose entries a rebuild's chunk cut in two.
_ADD_TO_REQUEST = (("count", 'excluded."first" + excluded."count" - requests."first"'),)


@LINKS.observes
def apply_links(state: State, recorded: Sequence[Recorded[Any]]) -> None:
    """Keep heads and requests for a run of entries."""
    heads: dict[str, int] = {}
    answered: dict[str, tuple[str, str, int, int]] = {}
    for one in recorded:
        for subject in one.subjects:
            heads[subject] = one.index
        if one.request is not None:
            _count(answered, one.request, one.index)
    if heads:
        upsert_rows(
            state.connection, subject_heads, list(heads.items()), key="subject", replaced=_REPLACE_HEAD
        )
    if answered:
        rows = list(answered.values())
        upsert_rows(state.connection, requests, rows, key="key", replaced=_ADD_TO_REQUEST)


@STATUS_MAP.observes
def apply_map(state: State, recorded: Sequence[Recorded[Any]]) -> None:
    """Keep the map's root: any event that carries a map sets it."""
    for one in recorded:
        stated = _map_after(one.event) if "map" in one.event.__struct_fields__ else None
        if stated is not None:
            row = (1, stated.version, stated.root, stated.leaves)
            upsert_rows(state.connection, status_map, [row], key="only", replaced=_REPLACE_MAP)


def _count(answered: dict[str, tuple[str, str, int, int]], request: tuple[str, str], index: int) -> None:
    """Add an entry to its request's row: key, body, first index, count."""
    key, body = request
    first = answered[key][2] if key in answered else index
    answered[key] = (key, answered[key][1] if key in answered else body, first, index - first + 1)


def _map_after(event: Event) -> StatedMap | None:
    changed = getattr(event, "map", None)
    if isinstance(changed, MapChange):
        return StatedMap(version=changed.previous + 1, root=changed.root, leaves=changed.leaves)
    return event.map if isinstance(event, LogOpened) else None


def is_subject(text: str) -> bool:
    """Whether `text` names a subject: `noun:ID`."""
    return SUBJECT.fullmatch(text) is not None
