"""Rows of the benchmark: ours against the limit, measured in the same run, because machines are noisy."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: what, ours, the limit it is held against, the ratio, and the target (with its sense)."""

    name: str
    ours: str
    limit: str
    ratio: float
    target: float
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    def __str__(self) -> str:
        sense = "≤" if self.at_most else "≥"
        verdict = "met" if self.is_met else "MISSED"
        figures = f"{self.ours:>18} {self.limit:>18} {self.ratio:>9.3f}"
        return f"{self.name:<44} {figures} {sense} {self.target:<8g} {verdict}"


HEAD = f"{'measure':<44} {'ours':>18} {'limit':>18} {'figure':>9}   {'target':<8}"


def timed(run: Callable[[], object]) -> float:
    """Seconds that one run takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def paired(ours: Callable[[], object], limit: Callable[[], object], rounds: int = 5) -> tuple[float, float]:
    """Median seconds of both, run in turn so that a slow moment hits both."""
    pairs = [(timed(limit), timed(ours)) for _ in range(rounds)]
    return statistics.median(pair[1] for pair in pairs), statistics.median(pair[0] for pair in pairs)


def rate(count: int, seconds: float) -> str:
    """`count` in `seconds` as text, per second."""
    return f"{count / seconds:,.0f}/s"
