"""The clock: what an entry's time may be, and how a wrong one is put right."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ledger.journal.clock import ClockAhead, ClockBehind, ClockLeapt, SetClock, Stamps
from ledger.journal.events import ClockCorrected
from ledger.journal.journal import By, Journal
from ledger.journal.opening import CorrectClock
from ledger.journal.turnstile import Turnstile
from ledger.log.entry import parse_entry
from ledger.trace.bill_of_materials import RegisterMaterial, register_material
from tests.whole_log import assert_whole
from tests.world import ADA, BEGINNING, World

CORRECTION = CorrectClock(reason="The clock ran a day ahead since the battery was changed.")


def film(number: int = 0) -> RegisterMaterial:
    return RegisterMaterial(code=f"FILM-{number}", name="Separator film")


class UptimeClock(SetClock):
    """A clock whose uptime goes its own way: what happens when somebody sets the clock."""

    def __init__(self, moment: datetime) -> None:
        super().__init__(moment)
        self.seconds = 1_000.0

    def uptime(self) -> float:
        return self.seconds


def test_an_entry_has_the_clocks_time_to_the_millisecond(world: World) -> None:
    world.clock.moment = BEGINNING + timedelta(microseconds=123_999)
    receipt = world.do(film())
    assert receipt.entries[0].at == BEGINNING + timedelta(milliseconds=123)
    assert parse_entry(world.bodies()[-1]).at == receipt.entries[0].at


@pytest.mark.parametrize("behind", [0.001, 1.0, 1.999, 2.0])
def test_a_clock_behind_by_two_seconds_at_most_gives_the_last_entrys_time(
    world: World, behind: float
) -> None:
    world.later(seconds=-behind)
    assert world.do(film()).entries[0].at == BEGINNING
    assert_whole(world.ledger)


@pytest.mark.parametrize("behind", [2.001, 60, 86_400])
def test_a_clock_further_behind_is_refused_and_nothing_is_written(world: World, behind: float) -> None:
    before = world.bodies()
    world.later(seconds=-behind)
    with pytest.raises(ClockBehind) as refused:
        world.do(film())
    assert refused.value.facts["last"] == BEGINNING
    with pytest.raises(ClockBehind):
        world.ledger.journal.seal()
    assert world.bodies() == before
    world.later(seconds=behind)
    world.do(film())


def test_a_year_of_silence_is_accepted_only_if_somebody_says_so(world: World) -> None:
    world.later(days=365)
    world.do(film(1))
    world.later(days=365, seconds=1)
    with pytest.raises(ClockAhead):
        world.do(film(2))
    world.reopen()
    with pytest.raises(ClockAhead):
        world.do(film(2))
    world.reopen(accept_long_silence=True)
    world.do(film(2))
    assert_whole(world.ledger)


@pytest.mark.parametrize(
    ("clock_by", "uptime_by", "is_taken"),
    [
        (60, 0, True),
        (61, 0, False),
        (3_600, 3_600, True),
        (3_600, 3_539, False),
        (0, 61, False),
        (0, 59, True),
    ],
)
def test_a_leap_of_over_a_minute_against_the_uptime_is_refused(
    world: World, clock_by: int, uptime_by: int, is_taken: bool
) -> None:
    clock = UptimeClock(world.clock.moment)
    journal = journal_on(world, clock)
    clock.moment += timedelta(seconds=clock_by)
    clock.seconds += uptime_by
    if is_taken:
        assert journal.write(register_material, film(), By(ADA)).entries[0].at == clock.moment
    else:
        with pytest.raises(ClockLeapt):
            journal.write(register_material, film(), By(ADA))


def journal_on(world: World, clock: SetClock) -> Journal:
    return Journal(
        engine=world.ledger.engine,
        signer=world.ledger.keys.signer,
        guard=world.ledger.guard,
        files=world.ledger.files,
        turnstile=Turnstile(world.ledger.settings.data),
        clock=clock,
    )


def test_a_correction_may_step_back_and_the_log_goes_on_from_there(world: World) -> None:
    world.later(days=1)
    world.do(film(1))
    world.later(days=-1)
    with pytest.raises(ClockBehind):
        world.do(film(2))
    receipt = world.do(CORRECTION)
    assert receipt.first(ClockCorrected).event.reason == CORRECTION.reason
    assert receipt.entries[0].at == BEGINNING
    world.later(seconds=1)
    assert world.do(film(2)).entries[0].at == BEGINNING + timedelta(seconds=1)
    assert world.standing().as_of == BEGINNING + timedelta(seconds=1)
    entries = assert_whole(world.ledger)
    steps_back = [later.kind for earlier, later in pairwise(entries) if later.at < earlier.at]
    assert steps_back == ["clock.corrected/1"]


def test_a_correction_is_about_the_log_itself(world: World) -> None:
    opened = world.ledger.opened()
    receipt = world.do(CORRECTION)
    assert receipt.entries[0].subjects == (f"log:{opened.log}",)


def test_a_correction_without_need_has_the_ordinary_time(world: World) -> None:
    world.later(seconds=-1)
    assert world.do(CORRECTION).entries[0].at == BEGINNING


def test_times_never_step_back_whatever_the_clock_does_within_its_limits() -> None:
    clock = SetClock(BEGINNING)
    stamps = Stamps(clock)
    last = stamps.next(None)
    for step in (0.5, -0.4, -0.9, 3, -1.5, 0, 10, -2, 1):
        clock.moment = max(clock.moment, last) + timedelta(seconds=step)
        following = stamps.next(last)
        assert following >= last
        assert following.tzinfo is UTC
        last = following
