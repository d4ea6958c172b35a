"""Quality: holds that keep a batch from being shipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from sqlalchemy import Column, Connection, Index, Integer, String, Table, select, update

from ledger.database import insert_into
from ledger.errors import NotFound, Refused
from ledger.journal.fields import Code, Prose, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.trace.batch import get_batch
from ledger.trace.party import TRACE

holds = Table(
    "holds",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("batch", String(16), nullable=False),
    Column("reason", String, nullable=False),
    Column("placed", Integer, nullable=False),
    Column("released", Integer),
    Index("holds_by_batch", "batch"),
)

QUALITY = Noun("quality", version=1, tables=(holds,))


class NotHeld(NotFound):
    """There is nothing to release."""

    message = "Batch {batch} is not on hold."


class HeldAlready(Refused):
    """One hold at a time."""

    message = "Batch {batch} is on hold already: {reason}"


@QUALITY.event("hold.placed/1")
class HoldPlaced(Event, frozen=True):
    hold: str
    batch: str
    reason: str


@QUALITY.event("hold.released/1")
class HoldReleased(Event, frozen=True):
    hold: str
    batch: str
    reason: str


@QUALITY.applies(HoldPlaced)
def apply_placed(state: State, entries: Sequence[Recorded[HoldPlaced]]) -> None:
    rows = [
        {
            "id": one.event.hold,
            "batch": one.event.batch,
            "reason": one.event.reason,
            "placed": one.index,
            "released": None,
        }
        for one in entries
    ]
    insert_into(state.connection, holds, rows)


@QUALITY.applies(HoldReleased)
def apply_released(state: State, entries: Sequence[Recorded[HoldReleased]]) -> None:
    for one in entries:
        state.connection.execute(update(holds).where(holds.c.id == one.event.hold).values(released=one.index))


class PlaceHold(Request, frozen=True):
    """Keep a batch from being shipped."""

    batch: Annotated[Code, ask("Batch", ref="batch")]
    reason: Annotated[Prose, Meta(min_length=1), ask("Reason")]


class ReleaseHold(Request, frozen=True):
    """Let a batch be shipped again."""

    batch: Annotated[Code, ask("Batch", ref="batch")]
    reason: Annotated[Prose, Meta(min_length=1), ask("Reason", "What shows that it may go.")]


@command("hold.place")
def place_hold(tx: Tx, request: PlaceHold) -> None:
    """Raises UnknownBatch, HeldAlready."""
    batch = get_batch(tx.connection, request.batch)
    standing = hold_on(tx.connection, batch.id)
    if standing is not None:
        raise HeldAlready(batch=batch.code, reason=standing.reason)
    hold = tx.new_id()
    tx.record(
        HoldPlaced(hold=hold, batch=batch.id, reason=request.reason), f"batch:{batch.id}", f"hold:{hold}"
    )


@command("hold.release")
def release_hold(tx: Tx, request: ReleaseHold) -> None:
    """Raises UnknownBatch, NotHeld."""
    batch = get_batch(tx.connection, request.batch)
    standing = hold_on(tx.connection, batch.id)
    if standing is None:
        raise NotHeld(batch=batch.code)
    event = HoldReleased(hold=standing.id, batch=batch.id, reason=request.reason)
    tx.record(event, f"batch:{batch.id}", f"hold:{standing.id}")


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold on a batch (its id); `placed` and `released` are log indexes."""

    id: str
    batch: str
    reason: str
    placed: int
    released: int | None


def hold_on(connection: Connection, batch: str) -> Hold | None:
    """The hold that stands on a batch (its id), or None."""
    row = connection.execute(select(holds).where(holds.c.batch == batch, holds.c.released.is_(None))).first()
    return None if row is None else Hold(*row)
