"""Recalls: drafted by one person, approved by another, published, widened, closed or retracted.

A scope is frozen as a canonical file when it is drafted, and only grows. Publishing, widening and retracting
change the status map; its root is computed before the lock and refused if the map moved meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    select,
    update,
)

from ledger.database import insert_into
from ledger.files import FileRef
from ledger.journal.registry import Event, MapChange, Noun, Recorded, State
from ledger.moments import Moment
from ledger.recall.errors import UnknownRecall
from ledger.trace.positions import Range, parse_scope

RECALL_TABLES = MetaData()

Standing = Literal["drafted", "approved", "published", "closed", "retracted"]
Remedy = Literal["refund", "replacement"]

recalls = Table(
    "recalls",
    RECALL_TABLES,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("standing", String, nullable=False),
    Column("hazard", String, nullable=False),
    Column("statement", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("published_at", Moment),
    Column("published_index", Integer),
    Column("recorded", Integer, nullable=False),
    Index("recalls_by_entry", "recorded"),
)
recall_versions = Table(
    "recall_versions",
    RECALL_TABLES,
    Column("recall", String(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("scope", String(64), nullable=False),
    Column("units", Integer, nullable=False),
    Column("statement", String, nullable=False),
    Column("drafted_by", String, nullable=False),
    Column("drafted", Integer, nullable=False),
    Column("approved_by", String),
    Column("approved", Integer),
    Column("published", Integer),
)
recall_batches = Table(
    "recall_batches",
    RECALL_TABLES,
    Column("recall", String(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("batch", String(16), primary_key=True),
    Index("recall_batches_by_batch", "batch"),
)
recall_lots = Table(
    "recall_lots",
    RECALL_TABLES,
    Column("recall", String(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("lot", String(16), primary_key=True),
)
recall_ranges = Table(
    "recall_ranges",
    RECALL_TABLES,
    Column("recall", String(16), primary_key=True),
    Column("c", Integer, primary_key=True, autoincrement=False),
    Column("start", Integer, primary_key=True, autoincrement=False),
    Column("end", Integer, nullable=False),
    Index("recall_ranges_by_position", "c", "start"),
)

RECALL = Noun(
    "recall", version=1, tables=(recalls, recall_versions, recall_batches, recall_lots, recall_ranges)
)


@RECALL.event("recall.drafted/1")
class RecallDrafted(Event, frozen=True):
    """Version 1 of a recall: what it would take in, and who found it necessary."""

    recall: str
    code: str
    hazard: str
    statement: str
    lots: tuple[str, ...]
    batches: tuple[str, ...]
    scope: FileRef
    units: int


@RECALL.event("recall.widening_drafted/1")
class WideningDrafted(Event, frozen=True):
    """A further version of a published recall."""

    recall: str
    version: int
    statement: str
    lots: tuple[str, ...]
    batches: tuple[str, ...]
    scope: FileRef
    units: int


@RECALL.event("recall.approved/1")
class RecallApproved(Event, frozen=True):
    """A second person agrees to a version."""

    recall: str
    version: int
    statement: str


@RECALL.event("recall.published/1")
class RecallPublished(Event, frozen=True):
    """From here on its units are answered as recalled."""

    recall: str
    version: int
    scope: FileRef
    map: MapChange


@RECALL.event("recall.widened/1")
class RecallWidened(Event, frozen=True):
    """The scope has grown to a further version."""

    recall: str
    version: int
    scope: FileRef
    map: MapChange


@RECALL.event("recall.closed/1")
class RecallClosed(Event, frozen=True):
    """Work on it has ended; its units stay recalled."""

    recall: str
    statement: str


@RECALL.event("recall.retracted/1")
class RecallRetracted(Event, frozen=True):
    """It was wrong: its units leave the map, and the retraction stays to be seen."""

    recall: str
    statement: str
    map: MapChange


@RECALL.applies(RecallDrafted)
def apply_drafted(state: State, entries: Sequence[Recorded[RecallDrafted]]) -> None:
    for one in entries:
        row = {
            "id": one.event.recall,
            "code": one.event.code,
            "standing": "drafted",
            "hazard": one.event.hazard,
            "statement": one.event.statement,
            "version": 1,
            "published_at": None,
            "published_index": None,
            "recorded": one.index,
        }
        insert_into(state.connection, recalls, row)
        _insert_version(state, one, 1)


@RECALL.applies(WideningDrafted)
def apply_widening_drafted(state: State, entries: Sequence[Recorded[WideningDrafted]]) -> None:
    for one in entries:
        _insert_version(state, one, one.event.version)


def _insert_version(
    state: State, one: Recorded[RecallDrafted] | Recorded[WideningDrafted], version: int
) -> None:
    row = {
        "recall": one.event.recall,
        "version": version,
        "scope": one.event.scope.sha256,
        "units": one.event.units,
        "statement": one.event.statement,
        "drafted_by": one.actor,
        "drafted": one.index,
    }
    insert_into(state.connection, recall_versions, row)
    named = {"recall": one.event.recall, "version": version}
    insert_into(state.connection, recall_batches, [{**named, "batch": batch} for batch in one.event.batches])
    if one.event.lots:
        insert_into(state.connection, recall_lots, [{**named, "lot": lot} for lot in one.event.lots])


@RECALL.applies(RecallApproved)
def apply_approved(state: State, entries: Sequence[Recorded[RecallApproved]]) -> None:
    for one in entries:
        _update_version(state, one.event.recall, one.event.version, approved_by=one.actor, approved=one.index)
        if one.event.version == 1:
            _update_recall(state, one.event.recall, standing="approved")


@RECALL.applies(RecallPublished)
def apply_published(state: State, entries: Sequence[Recorded[RecallPublished]]) -> None:
    for one in entries:
        _update_version(state, one.event.recall, one.event.version, published=one.index)
        _put_ranges(state, one.event.recall, one.event.scope)
        _update_recall(
            state,
            one.event.recall,
            standing="published",
            version=one.event.version,
            published_at=one.at,
            published_index=one.index,
        )


@RECALL.applies(RecallWidened)
def apply_widened(state: State, entries: Sequence[Recorded[RecallWidened]]) -> None:
    for one in entries:
        _update_version(state, one.event.recall, one.event.version, published=one.index)
        _put_ranges(state, one.event.recall, one.event.scope)
        _update_recall(state, one.event.recall, version=one.event.version)


@RECALL.applies(RecallClosed)
def apply_closed(state: State, entries: Sequence[Recorded[RecallClosed]]) -> None:
    for one in entries:
        _update_recall(state, one.event.recall, standing="closed")


@RECALL.applies(RecallRetracted)
def apply_retracted(state: State, entries: Sequence[Recorded[RecallRetracted]]) -> None:
    for one in entries:
        _update_recall(state, one.event.recall, standing="retracted")


def _update_recall(state: State, recall: str, **values: object) -> None:
    state.connection.execute(update(recalls).where(recalls.c.id == recall).values(**values))


def _update_version(state: State, recall: str, version: int, **values: object) -> None:
    wanted = (recall_versions.c.recall == recall) & (recall_versions.c.version == version)
    state.connection.execute(update(recall_versions).where(wanted).values(**values))


def _put_ranges(state: State, recall: str, scope: FileRef) -> None:
    state.connection.execute(delete(recall_ranges).where(recall_ranges.c.recall == recall))
    rows = [
        {"recall": recall, "c": c, "start": start, "end": end}
        for c, start, end in parse_scope(state.read_file(scope.sha256))
    ]
    insert_into(state.connection, recall_ranges, rows)


@dataclass(frozen=True, slots=True)
class Recall:
    """A recall as it stands; `version` is the public one, or 1 while it is a draft."""

    id: str
    code: str
    standing: Standing
    hazard: str
    statement: str
    version: int
    published_at: datetime | None
    published_index: int | None
    recorded: int

    @property
    def is_public(self) -> bool:
        """Whether its units are answered as recalled."""
        return self.standing in ("published", "closed")


@dataclass(frozen=True, slots=True)
class RecallVersion:
    """One version of a recall; `drafted`, `approved` and `published` are log indexes."""

    recall: str
    version: int
    scope: str  # SHA-256 of the file
    units: int
    statement: str
    drafted_by: str
    drafted: int
    approved_by: str | None
    approved: int | None
    published: int | None


def find_recall(connection: Connection, code: str) -> Recall | None:
    """The recall with this code or id, or None."""
    wanted = (recalls.c.code == code) | (recalls.c.id == code)
    row = connection.execute(select(recalls).where(wanted)).first()
    return None if row is None else Recall(*row)


def get_recall(connection: Connection, code: str) -> Recall:
    """The recall with this code or id. Raises UnknownRecall."""
    recall = find_recall(connection, code)
    if recall is None:
        raise UnknownRecall(code=code)
    return recall


def list_recalls(connection: Connection) -> list[Recall]:
    """All of them, newest first."""
    return [Recall(*row) for row in connection.execute(select(recalls).order_by(recalls.c.recorded.desc()))]


def versions_of(connection: Connection, recall: str) -> list[RecallVersion]:
    """The versions of a recall (its id), oldest first."""
    rows = connection.execute(
        select(recall_versions).where(recall_versions.c.recall == recall).order_by(recall_versions.c.version)
    )
    return [RecallVersion(*row) for row in rows]


def batches_in(connection: Connection, recall: str, version: int) -> list[str]:
    """The ids of the batches in a version of a recall (its id)."""
    wanted = (recall_batches.c.recall == recall) & (recall_batches.c.version == version)
    return list(connection.execute(select(recall_batches.c.batch).where(wanted)).scalars())


def lots_in(connection: Connection, recall: str, version: int) -> list[str]:
    """The ids of the material lots from which a version of a recall (its id) was drafted."""
    wanted = (recall_lots.c.recall == recall) & (recall_lots.c.version == version)
    return list(connection.execute(select(recall_lots.c.lot).where(wanted)).scalars())


def is_published_scope(connection: Connection, sha256: str) -> bool:
    """Whether a file is the scope of a version that was published: those are public, drafts are not."""
    wanted = (recall_versions.c.scope == sha256) & recall_versions.c.published.is_not(None)
    return connection.execute(select(recall_versions.c.recall).where(wanted)).first() is not None


def public_scopes(connection: Connection) -> dict[str, list[Range]]:
    """The scopes of all recalls that stand, by id: what the status map is a function of."""
    rows = connection.execute(
        select(recall_ranges)
        .join(recalls, recalls.c.id == recall_ranges.c.recall)
        .where(recalls.c.standing.in_(("published", "closed")))
    )
    scopes: dict[str, list[Range]] = {}
    for recall, c, start, end in rows:
        scopes.setdefault(recall, []).append((c, start, end))
    return scopes


def recalls_over(connection: Connection, ranges: Sequence[Range]) -> list[Recall]:
    """The public recalls in which any position of `ranges` stands."""
    found: dict[str, Recall] = {}
    for c, start, end in ranges:
        overlaps = (recall_ranges.c.c == c) & (recall_ranges.c.start < end) & (recall_ranges.c.end > start)
        rows = connection.execute(
            select(recalls)
            .join(recall_ranges, recalls.c.id == recall_ranges.c.recall)
            .where(overlaps, recalls.c.standing.in_(("published", "closed")))
        )
        for row in rows:
            found[row.id] = Recall(*row)
    return sorted(found.values(), key=lambda recall: recall.recorded)
