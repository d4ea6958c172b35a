"""ledger.work: taken once at a time, come back after a crash, given up in the end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from ledger.database import reading, writing
from ledger.state import open_state
from ledger.work import (
    FIRST_DELAY,
    LONGEST_DELAY,
    MAX_TRIES,
    Job,
    LeaseLost,
    NotDead,
    UnknownWork,
    delay_after,
    done,
    enqueue,
    extend,
    failed,
    retry,
    status,
    take,
    work,
)

NOW = datetime(2025, 11, 3, 10, 15, 30, 123_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(tmp_path / "state.db")
    yield engine
    engine.dispose()


def taken(state: Engine, worker: str = "w1", *, now: datetime = NOW) -> Job:
    job = take(state, worker, now=now, lease_seconds=60)
    assert job is not None
    return job


def test_a_job_is_taken_with_its_payload_and_done_with_its_result(state: Engine) -> None:
    work_id = enqueue(state, "mail", {"to": "K7Q2", "copies": [1, None]}, dedupe="notice:1", now=NOW)
    job = taken(state)
    assert job == Job(
        id=work_id, kind="mail", payload={"to": "K7Q2", "copies": [1, None]}, tries=1, worker="w1"
    )
    assert status(state, work_id).state == "leased"
    done(state, job, result={"sent": True}, now=NOW + SECOND)
    ended = status(state, work_id)
    assert (ended.state, ended.result, ended.created_at, ended.done_at) == (
        "done",
        {"sent": True},
        NOW,
        NOW + SECOND,
    )
    assert take(state, "w1", now=NOW + timedelta(days=9)) is None


def test_the_same_job_asked_for_twice_is_one_row_even_when_done(state: Engine) -> None:
    first = enqueue(state, "mail", {"n": 1}, dedupe="notice:1", now=NOW)
    assert enqueue(state, "mail", {"n": 2}, dedupe="notice:1", now=NOW) == first
    job = taken(state)
    assert job.payload == {"n": 1}
    done(state, job, now=NOW)
    assert enqueue(state, "mail", {"n": 3}, dedupe="notice:1", now=NOW) == first
    assert take(state, "w1", now=NOW) is None


def test_the_same_text_under_another_kind_is_another_job(state: Engine) -> None:
    first = enqueue(state, "mail", {}, dedupe="notice:1", now=NOW)
    assert enqueue(state, "post", {}, dedupe="notice:1", now=NOW) != first


def _enqueue_and_fail(state: Engine) -> None:
    with writing(state) as connection:
        enqueue(connection, "mail", {}, dedupe="notice:1", now=NOW)
        raise ConnectionError("the rest of the transaction cannot be done")


def test_a_job_asked_for_in_a_transaction_that_fails_was_never_asked_for(state: Engine) -> None:
    with pytest.raises(ConnectionError):
        _enqueue_and_fail(state)
    assert take(state, "w1", now=NOW) is None


def test_jobs_are_taken_in_the_order_they_fell_due_and_each_once(state: Engine) -> None:
    late = enqueue(state, "mail", {}, dedupe="late", now=NOW)
    early = enqueue(state, "mail", {}, dedupe="early", now=NOW - SECOND)
    assert [taken(state).id, taken(state, "w2").id] == [early, late]
    assert take(state, "w3", now=NOW) is None


def test_a_job_is_not_due_before_it_was_asked_for(state: Engine) -> None:
    enqueue(state, "mail", {}, dedupe="later", now=NOW + SECOND)
    assert take(state, "w1", now=NOW) is None
    assert take(state, "w1", now=NOW + SECOND) is not None


def test_a_job_comes_back_when_its_lease_runs_out_and_not_before(state: Engine) -> None:
    enqueue(state, "mail", {}, dedupe="a", now=NOW)
    first = taken(state)
    assert take(state, "w2", now=NOW + 59 * SECOND) is None
    second = taken(state, "w2", now=NOW + 60 * SECOND)
    assert (second.id, second.tries) == (first.id, 2)


def test_a_job_begun_and_abandoned_goes_before_one_never_begun(state: Engine) -> None:
    abandoned = enqueue(state, "mail", {}, dedupe="abandoned", now=NOW)
    taken(state)
    enqueue(state, "mail", {}, dedupe="fresh", now=NOW - timedelta(days=1))
    assert taken(state, now=NOW + 60 * SECOND).id == abandoned


def test_an_extended_lease_keeps_the_job(state: Engine) -> None:
    enqueue(state, "mail", {}, dedupe="a", now=NOW)
    job = taken(state)
    extend(state, job, now=NOW + 50 * SECOND, lease_seconds=60)
    assert take(state, "w2", now=NOW + 109 * SECOND) is None
    assert take(state, "w2", now=NOW + 110 * SECOND) is not None


@pytest.mark.parametrize("worker", ["w1", "w2"])
def test_who_lost_the_lease_can_change_nothing_even_under_the_same_name(state: Engine, worker: str) -> None:
    enqueue(state, "mail", {}, dedupe="a", now=NOW)
    lost = taken(state)
    later = NOW + 60 * SECOND
    current = taken(state, worker, now=later)
    before = status(state, lost.id)
    with pytest.raises(LeaseLost):
        done(state, lost, now=later)
    with pytest.raises(LeaseLost):
        failed(state, lost, "refused", now=later)
    with pytest.raises(LeaseLost):
        extend(state, lost, now=later)
    assert status(state, lost.id) == before
    done(state, current, now=later)
    with pytest.raises(LeaseLost):
        done(state, current, now=later)


def test_a_failed_job_waits_longer_each_time_and_is_given_up_in_the_end(state: Engine) -> None:
    work_id = enqueue(state, "mail", {}, dedupe="a", now=NOW)
    now = NOW
    for tries in range(1, MAX_TRIES):
        failed(state, taken(state, now=now), f"refused {tries}", now=now)
        waiting = status(state, work_id)
        assert (waiting.state, waiting.error, waiting.tries) == ("waiting", f"refused {tries}", tries)
        assert waiting.not_before == now + delay_after(tries)
        assert take(state, "w1", now=waiting.not_before - SECOND) is None
        now = waiting.not_before
    failed(state, taken(state, now=now), "refused for good", now=now)
    dead = status(state, work_id)
    assert (dead.state, dead.error, dead.done_at) == ("dead", "refused for good", None)
    assert take(state, "w1", now=now + timedelta(days=99)) is None


def test_delays_double_up_to_the_longest() -> None:
    delays = [delay_after(tries) for tries in range(1, MAX_TRIES + 1)]
    assert delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays == sorted(delays)
    assert max(delays) == delay_after(10_000) == LONGEST_DELAY
    assert timedelta(hours=12) < sum(delays[:-1], timedelta()) < timedelta(hours=18)


def test_a_job_that_kills_every_worker_is_given_up_too(state: Engine) -> None:
    work_id = enqueue(state, "mail", {}, dedupe="poison", now=NOW)
    now = NOW
    for _ in range(MAX_TRIES):
        taken(state, now=now)
        now += 60 * SECOND
    assert take(state, "w1", now=now) is None
    assert (status(state, work_id).state, status(state, work_id).tries) == ("dead", MAX_TRIES)
    assert status(state, work_id).error


def test_a_dead_job_can_be_tried_again_and_only_a_dead_one(state: Engine) -> None:
    work_id = enqueue(state, "mail", {}, dedupe="a", now=NOW)
    with pytest.raises(NotDead, match="waiting"):
        retry(state, work_id, now=NOW)
    now = NOW
    for _ in range(MAX_TRIES):
        failed(state, taken(state, now=now), "refused", now=now)
        now += LONGEST_DELAY
    retry(state, work_id, now=now)
    assert taken(state, now=now).tries == 1


def test_an_unknown_job_is_named(state: Engine) -> None:
    with pytest.raises(UnknownWork, match="7"):
        status(state, 7)
    with pytest.raises(UnknownWork):
        retry(state, 7, now=NOW)


def test_taking_looks_jobs_up_in_an_index_and_sorts_nothing(state: Engine) -> None:
    statements: list[str] = []
    with state.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.set_trace_callback(statements.append)
        connection.close()
    enqueue(state, "mail", {}, dedupe="a", now=NOW)
    taken(state)
    raw.set_trace_callback(None)
    (lease,) = [text for text in statements if text.startswith("UPDATE") and "RETURNING" in text]
    with state.connect() as connection:
        plan = [str(row.detail) for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {lease}")]
    assert any("INDEX work_waiting" in step for step in plan)
    assert any("INDEX work_leased" in step for step in plan)
    assert not [step for step in plan if "SCAN work" in step or "TEMP B-TREE" in step]


TAKE_AND_DIE = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from ledger.state import open_state
from ledger.work import take

job = take(open_state(Path(sys.argv[1])), "doomed", now=datetime.fromisoformat(sys.argv[2]), lease_seconds=60)
print(job.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_workers_job_returns_after_its_lease(state: Engine, tmp_path: Path) -> None:
    work_id = enqueue(state, "mail", {"n": 1}, dedupe="a", now=NOW)
    command = [sys.executable, "-c", TAKE_AND_DIE, str(tmp_path / "state.db"), NOW.isoformat()]
    killed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, f"{work_id}\n"), killed.stderr
    assert take(state, "heir", now=NOW + 59 * SECOND) is None
    job = taken(state, "heir", now=NOW + 60 * SECOND)
    assert (job.id, job.payload, job.tries) == (work_id, {"n": 1}, 2)
    done(state, job, now=NOW + 61 * SECOND)
    assert status(state, work_id).state == "done"


JOBS = 60


def _work_off(path: Path) -> None:
    """Take and finish jobs, noting each in its result, until nothing is due."""
    engine = open_state(path)
    while job := take(engine, f"worker {os.getpid()}", now=NOW):
        done(engine, job, result={"by": os.getpid()}, now=NOW)
    engine.dispose()


def test_two_processes_share_the_work_and_no_job_is_done_twice(state: Engine, tmp_path: Path) -> None:
    for number in range(JOBS):
        enqueue(state, "mail", {"n": number}, dedupe=str(number), now=NOW)
    context = get_context("spawn")
    workers = [context.Process(target=_work_off, args=(tmp_path / "state.db",)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    with reading(state) as connection:
        tally = select(work.c.state, work.c.tries, func.count()).group_by(work.c.state, work.c.tries)
        assert [tuple(row) for row in connection.execute(tally)] == [("done", 1, JOBS)]
