"""How far an audit is: how much is done, how quickly, and how long the rest will take."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

WORDS = {
    "entries": "entries checked",
    "derived": "entries applied again",
    "vault": "rows of the vault opened",
}


@dataclass(slots=True)
class Showing:
    """A `Progress` that says a line at most every `every_seconds`, and at the end of each kind of work."""

    say: Callable[[str], None]
    every_seconds: float
    now: Callable[[], float] = monotonic
    _what: str = ""
    _begun: tuple[float, int] = (
        0.0,
        0,
    )  # when this kind of work was first told of, and how much was done then
    _said: float = field(default=float("-inf"))

    def __call__(self, what: str, done: int, count: int) -> None:
        moment = self.now()
        if what != self._what:
            self._what, self._begun = what, (moment, done)
        if moment - self._said >= self.every_seconds or done >= count:
            self._said = moment
            self.say(self._line(what, done, count, moment))

    def _line(self, what: str, done: int, count: int, moment: float) -> str:
        told = f"{done:,} of {count:,} {WORDS[what]}"
        since, first = self._begun
        if moment <= since or done <= first:
            return told
        rate = (done - first) / (moment - since)
        left = f", {shown_seconds((count - done) / rate)} left" if done < count else ""
        return f"{told}, {rate:,.0f} a second{left}"


def shown_seconds(seconds: float) -> str:
    """A duration as people say it: `40 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"
