"""The time that goes into entries. Order is the index, never the time; but a time that lies is worth refusing."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ledger.errors import LedgerError

SMALL_STEP = timedelta(seconds=2)
LEAP = timedelta(seconds=60)
LONG_SILENCE = timedelta(days=365)


class ClockBehind(LedgerError):
    """The clock is earlier than the last entry."""

    message = (
        "This machine's clock says {now}, earlier than the last entry ({last}). Set the clock. If the last "
        "entry's time is the wrong one, record a correction: lotproof log correct-clock."
    )
    http_status = 503


class ClockLeapt(LedgerError):
    """The clock moved against the machine's uptime."""

    message = (
        "This machine's clock moved by {seconds} s against its uptime. Check the clock, then start again."
    )
    http_status = 503


class ClockAhead(LedgerError):
    """More than a year since the last entry."""

    message = (
        "The last entry was recorded at {last}, more than a year before {now}. If the clock is right, start "
        "with --accept-clock."
    )
    http_status = 503


class Clock(Protocol):
    """Gives the time (aware, UTC) and the seconds since boot, suspended time included."""

    def now(self) -> datetime: ...

    def uptime(self) -> float: ...


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def uptime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class DatabaseClock:
    """The clock of the database's server, so that entries of several machines have one: read whenever a group of
    commands holds the lock, and carried on in between by this machine's uptime.
    """

    def __init__(self, moment: datetime) -> None:
        self.set(moment)

    def set(self, moment: datetime) -> None:
        """Take over what the server's clock says this moment."""
        self._moment, self._since = moment, self.uptime()

    def now(self) -> datetime:
        return self._moment + timedelta(seconds=self.uptime() - self._since)

    def uptime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class SetClock:
    """A clock that somebody sets: for the demo's story and for tests. Its uptime goes with it."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def uptime(self) -> float:
        return self.moment.timestamp()


class Stamps:
    """Gives each entry its time, checked against the last entry and against the uptime."""

    def __init__(self, clock: Clock, *, accept_long_silence: bool = False) -> None:
        self._clock = clock
        self._accept_long_silence = accept_long_silence
        self._started = (clock.now(), clock.uptime())

    def next(self, last: datetime | None) -> datetime:
        """The time for an entry after one of `last`. Raises ClockBehind, ClockLeapt, ClockAhead."""
        now = _to_millisecond(self._clock.now())
        self._refuse_leap(now)
        if last is None:
            return now
        if now < last - SMALL_STEP:
            raise ClockBehind(now=now, last=last)
        if now > last + LONG_SILENCE and not self._accept_long_silence:
            raise ClockAhead(now=now, last=last)
        return max(now, last)

    def corrected(self) -> datetime:
        """The clock's own time, whatever the last entry said: for `clock.corrected/1` alone."""
        self._started = (self._clock.now(), self._clock.uptime())
        return _to_millisecond(self._clock.now())

    def _refuse_leap(self, now: datetime) -> None:
        wall, uptime = self._started
        drift = (now - wall).total_seconds() - (self._clock.uptime() - uptime)
        if abs(drift) > LEAP.total_seconds():
            raise ClockLeapt(seconds=round(drift))


def _to_millisecond(moment: datetime) -> datetime:
    """As precise as an entry: what a command saw and what a rebuild reads must be the same."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
