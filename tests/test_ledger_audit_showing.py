"""How far an audit is, is said with rate and time left."""

from itertools import count

import pytest

from ledger.audit.showing import Showing, shown_seconds


def test_a_line_says_how_much_how_quickly_and_how_long_it_will_take() -> None:
    said: list[str] = []
    moments = iter([0.0, 2.0, 4.0])
    showing = Showing(said.append, 0, now=lambda: next(moments))
    for done in (1_000, 3_000, 5_000):
        showing("entries", done, 5_000)
    assert said == [
        "1,000 of 5,000 entries checked",
        "3,000 of 5,000 entries checked, 1,000 a second, 2 s left",
        "5,000 of 5,000 entries checked, 1,000 a second",
    ]


def test_lines_come_now_and_then_and_at_the_end_of_each_kind_of_work() -> None:
    said: list[str] = []
    clock = count()
    showing = Showing(said.append, 10, now=lambda: float(next(clock)))
    for what in ("entries", "derived"):
        for done in range(1, 26):
            showing(what, done, 25)
    assert [line.split(",")[0] for line in said] == [
        "1 of 25 entries checked",
        "11 of 25 entries checked",
        "21 of 25 entries checked",
        "25 of 25 entries checked",
        "10 of 25 entries applied again",
        "20 of 25 entries applied again",
        "25 of 25 entries applied again",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (200, "3 min 20 s"), (7_500, "2 h 5 min")],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, shown: str) -> None:
    assert shown_seconds(seconds) == shown
