"""What is owed in the background: jobs by their kind, a seal when nothing happens, sweeping up."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from ledger import nouns
from ledger.database import reading
from ledger.errors import Refused
from ledger.journal.clock import SetClock
from ledger.journal.journal import By
from ledger.journal.opening import Ledger, create_ledger
from ledger.log import store
from ledger.log.canonical import JSON
from ledger.settings import Settings
from ledger.state import open_state
from ledger.trace.batch import ProduceBatch, get_batch, produce_batch
from ledger.trace.commissioning import MakeSerials, commission_made, stage
from ledger.trace.party import RegisterParty, register_party
from ledger.trace.product import RegisterProduct, register_product
from ledger.trace.unit import stagings
from ledger.vault.vault import items
from ledger.work import FIRST_DELAY, LEASE_SECONDS, WorkStatus, enqueue, status, take
from portal.chores import SEAL_AFTER, seal_if_quiet, sweep
from portal.jobs import LABELS_SHEET, Bench
from portal.label_contents import serials_of
from portal.worker import CHORES_EVERY, Worker

pytestmark = pytest.mark.slow

ME = By("account:2222222222222222")
START = datetime(2025, 6, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(START)


@pytest.fixture
def ledger(tmp_path: Path, clock: SetClock) -> Iterator[Ledger]:
    """A batch of 60 units, 50 of them with serials in two sets."""
    assert nouns.__all__
    made = create_ledger(Settings(data=tmp_path / "var", host="lots.example"), clock=clock)
    write = made.journal.write
    write(register_party, RegisterParty(code="F", name="Factory", role="factory", country="CN"), ME)
    product = RegisterProduct(code="VS", brand="Voltaro", name="Slim", model="VS", gtin="4012345000016")
    write(register_product, product, ME)
    batch = ProduceBatch(code="25W21-A", product="VS", factory="F", made_on=date(2025, 5, 20), quantity=60)
    write(produce_batch, batch, ME)
    for count in (20, 30):
        commission_made(made.journal, made.keys.units, MakeSerials(batch="25W21-A", count=count), ME)
    yield made
    made.close()


@pytest.fixture
def state(ledger: Ledger) -> Iterator[Engine]:
    engine = open_state(ledger.settings.state_db)
    yield engine
    engine.dispose()


def size(ledger: Ledger) -> int:
    with reading(ledger.engine) as connection:
        return store.size(connection)


# --- chores


def test_a_quiet_log_is_sealed_after_ten_minutes_and_not_before(ledger: Ledger, clock: SetClock) -> None:
    before = size(ledger)
    clock.moment += SEAL_AFTER - timedelta(seconds=1)
    assert not seal_if_quiet(ledger)
    clock.moment += timedelta(seconds=1)
    assert seal_if_quiet(ledger)
    assert size(ledger) == before + 1
    with reading(ledger.engine) as connection:
        assert ledger.journal.standing(connection).as_of == clock.moment
    assert not seal_if_quiet(ledger)


def test_what_a_crash_left_is_swept_after_an_hour_and_what_is_in_flight_is_not(
    ledger: Ledger, clock: SetClock
) -> None:
    stage(ledger.journal, ledger.keys.units, ["A1", "A2"])
    ledger.vault.put(None, "contact", {"email": "a@mail.example"}, now=clock.moment)
    clock.moment += HOUR - timedelta(seconds=1)
    swept = sweep(ledger, now=clock.moment)
    assert (swept.staged_sets, swept.vault_items) == (0, 0)
    clock.moment += timedelta(seconds=2)
    swept = sweep(ledger, now=clock.moment)
    assert (swept.staged_sets, swept.vault_items) == (1, 1)
    with reading(ledger.engine) as connection:
        assert connection.scalar(select(func.count()).select_from(stagings)) == 0
        batch = get_batch(connection, "25W21-A")
        assert len(serials_of(connection, batch, 0, 60)) == 50  # live ones stay
    with reading(ledger.vault.engine) as connection:
        assert connection.scalar(select(func.count()).select_from(items)) == 0


def test_a_worker_does_its_chores_once_a_minute(ledger: Ledger, state: Engine, clock: SetClock) -> None:
    def staged() -> object:
        with reading(ledger.engine) as connection:
            return connection.scalar(select(func.count()).select_from(stagings))

    worker = Worker(ledger, state)
    stage(ledger.journal, ledger.keys.units, ["A1"])
    clock.moment += HOUR - timedelta(seconds=30)
    worker.do_chores()  # half a minute too early for what was staged
    clock.moment += CHORES_EVERY - timedelta(seconds=1)
    worker.do_chores()
    assert staged() == 1
    clock.moment += timedelta(seconds=1)
    worker.do_chores()
    assert staged() == 0


def test_a_chore_that_is_refused_is_said_and_the_worker_lives_on(
    ledger: Ledger, state: Engine, clock: SetClock, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = Worker(ledger, state)
    clock.moment += timedelta(days=400)
    worker.do_chores()
    assert "more than a year" in capsys.readouterr().err


# --- jobs


def queued(ledger: Ledger, state: Engine, kind: str, payload: dict[str, JSON]) -> int:
    return enqueue(state, kind, payload, dedupe="only", now=ledger.clock.now())


def test_the_sheet_of_a_batch_is_made_and_stored(ledger: Ledger, state: Engine) -> None:
    work = queued(ledger, state, LABELS_SHEET, {"batch": "25W21-A", "start": 15, "end": 40})
    assert Worker(ledger, state).do_job()
    done = status(state, work)
    assert (done.state, done.error) == ("done", None)
    assert done.result is not None
    assert done.result["labels"] == 25
    pdf = ledger.files.read(str(done.result["sha256"]))
    assert pdf.startswith(b"%PDF")
    assert len(pdf) == done.result["size_bytes"]
    assert not Worker(ledger, state).do_job()


def test_labels_of_a_batch_without_serials_carry_its_code(ledger: Ledger, state: Engine) -> None:
    payload: dict[str, JSON] = {"batch": "25W21-A", "end": 3, "template": "batch", "language": "de"}
    work = queued(ledger, state, LABELS_SHEET, payload)
    Worker(ledger, state).do_job()
    result = status(state, work).result
    assert result is not None
    assert result["labels"] == 3


def test_serials_are_counted_through_all_sets_of_a_batch(ledger: Ledger) -> None:
    with reading(ledger.engine) as connection:
        batch = get_batch(connection, "25W21-A")
        every = serials_of(connection, batch, 0, 1000)
        assert len(every) == 50
        for start, end in ((0, 20), (19, 21), (20, 50), (49, 50), (50, 60), (7, 7), (30, 10)):
            assert serials_of(connection, batch, start, end) == every[start:end]


def failure(ledger: Ledger, state: Engine, work: int) -> WorkStatus:
    found = status(state, work)
    assert found.state == "waiting"
    assert found.not_before == ledger.clock.now() + FIRST_DELAY
    return found


def test_a_job_that_is_refused_waits_with_its_reason(ledger: Ledger, state: Engine) -> None:
    work = queued(ledger, state, LABELS_SHEET, {"batch": "nowhere"})
    assert Worker(ledger, state).do_job()
    assert "No batch has the code “nowhere”" in (failure(ledger, state, work).error or "")


def test_a_job_of_an_unknown_kind_waits_for_a_newer_version(ledger: Ledger, state: Engine) -> None:
    work = queued(ledger, state, "moon.landing", {})
    Worker(ledger, state).do_job()
    assert "moon.landing" in (failure(ledger, state, work).error or "")


def test_a_job_that_crashes_takes_no_other_with_it(
    ledger: Ledger, state: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(_bench: Bench) -> dict[str, JSON]:
        return {"a": 1 // 0}

    first = enqueue(state, "crash", {}, dedupe="1", now=ledger.clock.now())
    second = enqueue(state, "fine", {}, dedupe="1", now=ledger.clock.now())
    worker = Worker(ledger, state, {"crash": crash, "fine": lambda _bench: {"a": 1}})
    assert worker.do_job()
    assert worker.do_job()
    assert failure(ledger, state, first).error == "ZeroDivisionError: integer division or modulo by zero"
    assert status(state, second).result == {"a": 1}
    [crashed, fine] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (crashed["event"], crashed["error"], crashed["kind"]) == (
        "job crashed",
        "ZeroDivisionError",
        "crash",
    )
    assert "division" not in json.dumps(crashed)
    assert crashed["frames"][-1].endswith(" crash")
    assert (fine["event"], fine["job"], fine["tries"]) == ("job done", second, 1)


def test_a_long_job_keeps_its_lease(ledger: Ledger, state: Engine, clock: SetClock) -> None:
    stolen = []

    def long(bench: Bench) -> dict[str, JSON]:
        for _ in range(6):
            clock.moment += timedelta(seconds=LEASE_SECONDS / 2)
            bench.keep()
            stolen.append(take(state, "another", now=clock.moment))
        return {}

    work = queued(ledger, state, "long", {})
    assert Worker(ledger, state, {"long": long}).do_job()
    assert stolen == [None] * 6
    assert status(state, work).state == "done"


def test_a_long_job_says_how_far_it_is_and_one_that_begins_anew_begins_at_nothing(
    ledger: Ledger, state: Engine, clock: SetClock
) -> None:
    seen = []

    def long(bench: Bench) -> dict[str, JSON]:
        seen.append((status(state, bench.job.id).steps_done, 0))
        for done in (1, 2):
            clock.moment += timedelta(seconds=1)
            bench.keep(done, 3)
            found = status(state, bench.job.id)
            seen.append((found.steps_done, found.steps))
        if bench.job.tries == 1:
            raise ZeroDivisionError
        return {}

    queued(ledger, state, "long", {})
    worker = Worker(ledger, state, {"long": long})
    assert worker.do_job()
    clock.moment += FIRST_DELAY * 2
    assert worker.do_job()
    assert seen == [(0, 0), (1, 3), (2, 3), (0, 0), (1, 3), (2, 3)]


def test_a_job_that_was_given_to_another_is_left_to_it(
    ledger: Ledger, state: Engine, clock: SetClock, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow(_bench: Bench) -> dict[str, JSON]:
        clock.moment += timedelta(seconds=LEASE_SECONDS + 1)
        assert take(state, "another", now=clock.moment) is not None
        raise Refused

    work = queued(ledger, state, "slow", {})
    assert Worker(ledger, state, {"slow": slow}).do_job()
    assert status(state, work).state == "leased"
    assert json.loads(capsys.readouterr().err)["event"] == "job lost"
