"""Clocks that are wrong: behind, ahead, leaping while running, and different in two processes."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger.journal.clock import ClockAhead, ClockBehind, ClockLeapt
from ledger.journal.journal import By
from ledger.journal.opening import CorrectClock, correct_clock, open_ledger
from ledger.settings import Settings
from ledger.trace.bill_of_materials import RegisterMaterial, register_material
from tests.faults import refused
from tests.tampering import audited
from tests.world import ADA, BEGINNING, World


@dataclass
class Machine:
    """A machine whose clock is off by `wrong`; its uptime is always right."""

    wrong: timedelta
    seconds: float = 0.0

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.seconds) + self.wrong

    def uptime(self) -> float:
        return self.seconds


def write(folder: Path, machine: Machine, code: str) -> datetime:
    """One entry by a process on this machine; gives its time."""
    with closing(open_ledger(Settings(data=folder), clock=machine)) as ledger:
        request = RegisterMaterial(code=code, name=code)
        return ledger.journal.write(register_material, request, By(ADA)).entries[0].at


@pytest.fixture
def folder(world: World) -> Path:
    """A company with an entry of this moment."""
    world.material("FIRST")
    world.close()
    return world.ledger.settings.data


def test_a_clock_an_hour_back_is_refused_until_it_is_set(folder: Path) -> None:
    assert isinstance(refused(lambda: write(folder, Machine(timedelta(hours=-1)), "M")), ClockBehind)
    assert write(folder, Machine(timedelta()), "M") == BEGINNING
    assert audited(folder, derived=True).findings == ()


def test_a_clock_a_year_ahead_is_refused(folder: Path) -> None:
    assert isinstance(refused(lambda: write(folder, Machine(timedelta(days=367)), "M")), ClockAhead)
    assert audited(folder, derived=True).findings == ()


def test_a_clock_that_ran_ahead_is_put_right_on_record(folder: Path) -> None:
    write(folder, Machine(timedelta(days=2)), "TOO LATE")
    right = Machine(timedelta())
    assert isinstance(refused(lambda: write(folder, right, "M")), ClockBehind)
    with closing(open_ledger(Settings(data=folder), clock=right)) as ledger:
        ledger.journal.write(correct_clock, CorrectClock(reason="The battery was flat."), By(ADA))
    assert write(folder, right, "M") == BEGINNING
    assert audited(folder, derived=True).findings == ()


@pytest.mark.parametrize("leap", [timedelta(hours=1), timedelta(hours=-1), timedelta(days=300)])
def test_a_clock_that_leaps_while_running_is_refused(folder: Path, leap: timedelta) -> None:
    machine = Machine(timedelta())
    with closing(open_ledger(Settings(data=folder), clock=machine)) as ledger:
        machine.seconds += 5
        ledger.journal.write(register_material, RegisterMaterial(code="A", name="A"), By(ADA))
        machine.wrong = leap
        asked = RegisterMaterial(code="B", name="B")
        error = refused(lambda: ledger.journal.write(register_material, asked, By(ADA)))
        assert isinstance(error, ClockLeapt | ClockBehind)
        machine.wrong = timedelta()
        ledger.journal.write(register_material, asked, By(ADA))
    assert audited(folder, derived=True).findings == ()


def test_two_processes_a_second_apart_keep_times_in_order(folder: Path) -> None:
    settings = Settings(data=folder)
    told: list[tuple[int, datetime]] = []
    ahead, behind = Machine(timedelta(seconds=1)), Machine(timedelta(seconds=-0.9))
    ledgers = [open_ledger(settings, clock=machine) for machine in (ahead, behind)]

    def some(number: int) -> None:
        for step in range(20):
            request = RegisterMaterial(code=f"M-{number}-{step}", name="M")
            entry = ledgers[number].journal.write(register_material, request, By(ADA)).entries[0]
            told.append((entry.index, entry.at))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(some, range(2)))
    for ledger in ledgers:
        ledger.close()
    times = [at for _, at in sorted(told)]
    assert times == sorted(times)
    assert len(times) == 40
    assert audited(folder, derived=True).findings == ()


def test_two_processes_an_hour_apart_do_not_both_write(folder: Path) -> None:
    write(folder, Machine(timedelta(hours=1)), "AHEAD")
    assert isinstance(refused(lambda: write(folder, Machine(timedelta()), "BEHIND")), ClockBehind)
    assert write(folder, Machine(timedelta(hours=1)), "AHEAD AGAIN") == BEGINNING + timedelta(hours=1)
    assert audited(folder, derived=True).findings == ()
