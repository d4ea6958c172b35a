"""Background work: rows in state.db that a worker takes with a lease and marks done.

    waiting -- take --> leased -- done ----> done
       ^                  |  \\-- failed --> waiting, later each time; after MAX_TRIES dead
       \\---- the lease ran out: the worker was killed

A job may run twice (a worker that lost its lease may still be at it), so handlers are idempotent. A job is
named by its kind and a `dedupe` text: the same pair is the same row, however often it is asked for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

import orjson
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    Text,
    UniqueConstraint,
    Update,
    func,
    insert,
    select,
    update,
)

from ledger.database import reading, writing
from ledger.errors import NotFound, Refused
from ledger.log.canonical import JSON
from ledger.moments import Moment
from ledger.state import STATE

WorkState = Literal["waiting", "leased", "done", "dead"]

MAX_TRIES = 12  # with the delays below: given up after about 15 hours, so one bad night is survived
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=6)
LEASE_SECONDS = 60

work = Table(
    "work",
    STATE,
    Column("id", Integer, primary_key=True),
    Column("kind", String, nullable=False),
    Column("dedupe", String, nullable=False),
    Column("payload", Text, nullable=False),  # JSON
    Column("state", String, nullable=False),
    Column("tries", Integer, nullable=False),  # how often it was taken
    Column("not_before", Moment, nullable=False),
    Column("lease_until", Moment),
    Column("leased_by", String),
    Column("result", Text),  # JSON
    Column("error", Text),
    Column("created_at", Moment, nullable=False),
    Column("done_at", Moment),
    Column("steps_done", Integer, nullable=False, server_default="0"),
    Column("steps", Integer, nullable=False, server_default="0"),  # 0: nobody knows how many there will be
    UniqueConstraint("kind", "dedupe"),
    Index("work_waiting", "state", "not_before", "id"),
    Index("work_leased", "state", "lease_until"),
)


class UnknownWork(NotFound):
    """No job has this id."""

    message = "There is no background job {id}."


class LeaseLost(Refused):
    """The job's lease ran out and it was given to another worker, or brought to an end by one."""

    message = "The background job {id} no longer belongs to {worker}; what it did will be done once more."


class NotDead(Refused):
    """Only a job that was given up can be tried anew."""

    message = "The background job {id} is {state}; only one that was given up can be tried again."


@dataclass(frozen=True, slots=True)
class Job:
    """A job in a worker's hands. `tries` tells one lease from the next."""

    id: int
    kind: str
    payload: dict[str, JSON]
    tries: int
    worker: str


@dataclass(frozen=True, slots=True)
class WorkStatus:
    """How far a job has come."""

    id: int
    kind: str
    payload: dict[str, JSON]
    state: WorkState
    tries: int
    not_before: datetime
    result: dict[str, JSON] | None
    error: str | None  # of the last try
    created_at: datetime
    done_at: datetime | None
    steps_done: int
    steps: int  # 0 where nobody knows how many there will be


def enqueue(
    where: Engine | Connection, kind: str, payload: dict[str, JSON], *, dedupe: str, now: datetime
) -> int:
    """The id of the job for `kind` and `dedupe`, made now if there is none; a second payload is ignored.

    On a connection it becomes part of the caller's write transaction.
    """
    with _transaction(where) as connection:
        same = select(work.c.id).where(work.c.kind == kind, work.c.dedupe == dedupe)
        existing: int | None = connection.scalar(same)
        if existing is not None:
            return existing
        values = {
            "kind": kind,
            "dedupe": dedupe,
            "payload": orjson.dumps(payload).decode(),
            "state": "waiting",
            "tries": 0,
            "not_before": now,
            "created_at": now,
        }
        created: int = connection.execute(insert(work).values(values).returning(work.c.id)).scalar_one()
        return created


def take(engine: Engine, worker: str, *, now: datetime, lease_seconds: int = LEASE_SECONDS) -> Job | None:
    """The job that is due longest, leased to `worker` (a name no other process has); None: nothing is due.

    Jobs whose lease ran out come first, because they were begun; one that outlived MAX_TRIES workers is given
    up. Both look-ups go through an index: a hundred thousand waiting jobs cost no more than one.
    """
    expired = select(work.c.id).where(work.c.state == "leased", work.c.lease_until <= now)
    waiting = select(work.c.id).where(work.c.state == "waiting", work.c.not_before <= now)
    due = func.coalesce(
        expired.order_by(work.c.lease_until).limit(1).scalar_subquery(),
        waiting.order_by(work.c.not_before, work.c.id).limit(1).scalar_subquery(),
    )
    lease = (
        update(work)
        .where(work.c.id == due)
        .values(
            state="leased",
            tries=work.c.tries + 1,
            leased_by=worker,
            lease_until=now + timedelta(seconds=lease_seconds),
            steps_done=0,  # a job that is tried again begins anew
        )
        .returning(work.c.id, work.c.kind, work.c.payload, work.c.tries)
    )
    with writing(engine) as connection:
        connection.execute(_give_up(now))
        row = connection.execute(lease).mappings().one_or_none()
    if row is None:
        return None
    payload = orjson.loads(row["payload"])
    return Job(id=row["id"], kind=row["kind"], payload=payload, tries=row["tries"], worker=worker)


def extend(
    engine: Engine,
    job: Job,
    *,
    now: datetime,
    lease_seconds: int = LEASE_SECONDS,
    progress: tuple[int, int] | None = None,
) -> None:
    """Keep a long job for another `lease_seconds` from now; `progress` says how much of it is done, of how much.

    Raises LeaseLost: then stop.
    """
    values: dict[str, Any] = {"lease_until": now + timedelta(seconds=lease_seconds)}
    if progress is not None:
        values |= {"steps_done": progress[0], "steps": progress[1]}
    _change(engine, job, **values)


def done(engine: Engine, job: Job, *, result: dict[str, JSON] | None = None, now: datetime) -> None:
    """Mark the job done. Raises LeaseLost where it is another worker's by now."""
    text = None if result is None else orjson.dumps(result).decode()
    _change(engine, job, state="done", result=text, error=None, done_at=now, **_NO_LEASE)


def failed(engine: Engine, job: Job, error: str, *, now: datetime) -> None:
    """Put the job back for later, or give it up after MAX_TRIES. Raises LeaseLost."""
    if job.tries >= MAX_TRIES:
        _change(engine, job, state="dead", error=error, **_NO_LEASE)
    else:
        _change(
            engine, job, state="waiting", error=error, not_before=now + delay_after(job.tries), **_NO_LEASE
        )


def retry(engine: Engine, work_id: int, *, now: datetime) -> None:
    """Let a job that was given up begin anew. Raises UnknownWork or NotDead."""
    anew = update(work).where(work.c.id == work_id, work.c.state == "dead")
    with writing(engine) as connection:
        row = connection.execute(anew.values(state="waiting", tries=0, not_before=now).returning(work.c.id))
        if row.one_or_none() is None:
            raise NotDead(id=work_id, state=_status(connection, work_id).state)


def status(engine: Engine, work_id: int) -> WorkStatus:
    """How far the job has come. Raises UnknownWork."""
    with reading(engine) as connection:
        return _status(connection, work_id)


def newest(engine: Engine, kind: str, dedupe_start: str, limit: int) -> list[WorkStatus]:
    """The newest jobs of a kind whose `dedupe` begins so."""
    mine = (work.c.kind == kind) & work.c.dedupe.startswith(dedupe_start, autoescape=True)
    with reading(engine) as connection:
        rows = connection.execute(select(work).where(mine).order_by(work.c.id.desc()).limit(limit)).mappings()
        return [_status_of(row) for row in rows]


def delay_after(tries: int) -> timedelta:
    """How long a job waits after its `tries`-th failure: doubled each time, up to LONGEST_DELAY."""
    doublings = min(tries, MAX_TRIES) - 1
    return min(FIRST_DELAY * (1 << doublings), LONGEST_DELAY)


_NO_LEASE: dict[str, Any] = {"lease_until": None, "leased_by": None}


def _give_up(now: datetime) -> Update:
    """A job that kills its worker never reports a failure, and must come to an end all the same."""
    return (
        update(work)
        .where(work.c.state == "leased", work.c.lease_until <= now, work.c.tries >= MAX_TRIES)
        .values(state="dead", error="The worker stopped in the middle of this job.", **_NO_LEASE)
    )


def _change(engine: Engine, job: Job, **values: Any) -> None:
    """Change the row while it is leased to this worker by this very lease."""
    mine = (
        work.c.id == job.id,
        work.c.state == "leased",
        work.c.leased_by == job.worker,
        work.c.tries == job.tries,
    )
    with writing(engine) as connection:
        if connection.execute(update(work).where(*mine).values(values)).rowcount == 0:
            raise LeaseLost(id=job.id, worker=job.worker)


@contextmanager
def _transaction(where: Engine | Connection) -> Iterator[Connection]:
    if isinstance(where, Connection):
        yield where
    else:
        with writing(where) as connection:
            yield connection


def _status(connection: Connection, work_id: int) -> WorkStatus:
    row = connection.execute(select(work).where(work.c.id == work_id)).mappings().one_or_none()
    if row is None:
        raise UnknownWork(id=work_id)
    return _status_of(row)


def _status_of(row: RowMapping) -> WorkStatus:
    return WorkStatus(
        id=row["id"],
        kind=row["kind"],
        payload=orjson.loads(row["payload"]),
        state=cast(WorkState, row["state"]),
        tries=row["tries"],
        not_before=row["not_before"],
        result=_object(row, "result"),
        error=row["error"],
        created_at=row["created_at"],
        done_at=row["done_at"],
        steps_done=row["steps_done"],
        steps=row["steps"],
    )


def _object(row: RowMapping, column: str) -> dict[str, JSON] | None:
    return None if row[column] is None else cast(dict[str, JSON], orjson.loads(row[column]))
