"""Charts as the server draws them: one accent, each value beside its mark, a table under each that says it exactly.

Horizontal places are percentages and vertical ones pixels, so a drawing fills its column without a script and its words
keep their size. Time runs from left to right in every script; a table mirrors, a chart of time does not.

>>> chart = columns(words_for("en", "console"), "Units made", [(date(2025, 5, 1), 8), (date(2025, 7, 1), 4)])
>>> [(mark.label, mark.figure, mark.height) for mark in chart.marks]
[('May', '8', 110.0), ('Jun', '0', 0.0), ('Jul', '4', 55.0)]
>>> chart.said
'Units made: from May 2025 to July 2025, most in May 2025: 8.'
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from translations import Words

MOST_MONTHS = 12
FEWEST_SLOTS = 6  # one month alone is a column, not a wall
MOST_BARS = 8
TALLEST = 110.0  # px: of the highest column, and of a line's field
BASE = 132.0  # px from the top to the line that columns stand on
LEAST = 2.0  # px: what is there can be seen
LINE_UNITS = 1_000  # the width of a line's own field, stretched to the chart's


@dataclass(frozen=True, slots=True)
class Mark:
    """One value: its words, and where it is drawn. `x` and `width` are percent, `y` and `height` pixels."""

    label: str
    year: str  # said once a year, "" elsewhere
    figure: str
    x: float
    width: float
    y: float
    height: float

    @property
    def middle(self) -> float:
        """Where the words stand, in percent."""
        return round(self.x + self.width / 2, 2)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of time: columns, or with `path` a line. `rows` are the table's: what is named, how much."""

    title: str
    said: str  # what it shows, for whoever does not see it
    marks: tuple[Mark, ...]
    rows: tuple[tuple[str, str], ...]
    path: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart that is its own table; `width` in thousandths of the longest."""

    label: str
    figure: str
    width: float


def columns(words: Words, title: str, values: Iterable[tuple[date, int]]) -> Chart | None:
    """Values by month, added up, the last twelve months with something in them; None where there are none."""
    sums: Counter[date] = Counter()
    for day, count in values:
        sums[day.replace(day=1)] += count
    if not sums:
        return None
    months = months_between(min(sums), max(sums))[-MOST_MONTHS:]
    counts = [sums[month] for month in months]
    slot = 100 / max(len(months), FEWEST_SLOTS)
    marks = [
        Mark(
            label=words.short_month(month),
            year=str(month.year) if place == 0 or month.month == 1 else "",
            figure=words.compact(count),
            x=round(place * slot + slot * 0.14, 2),
            width=round(slot * 0.72, 2),
            y=BASE - _height(count, max(counts)),
            height=_height(count, max(counts)),
        )
        for place, (month, count) in enumerate(zip(months, counts, strict=True))
    ]
    rows = tuple(
        (words.month(month), words.number(count)) for month, count in zip(months, counts, strict=True)
    )
    most = max(range(len(counts)), key=counts.__getitem__)
    said = words.text(
        "{title}: from {start} to {end}, most in {month}: {count}.",
        title=title,
        start=rows[0][0],
        end=rows[-1][0],
        month=rows[most][0],
        count=rows[most][1],
    )
    return Chart(title, said, tuple(marks), rows)


def line(words: Words, title: str, values: Iterable[tuple[date, int]], *, most: int = 0) -> Chart | None:
    """What had come together by each day; None for less than two days. `most` is the whole, where one is known."""
    sums: Counter[date] = Counter()
    for day, count in values:
        sums[day] += count
    if len(sums) < 2:
        return None
    days = sorted(sums)
    totals = [sum(sums[one] for one in days[: place + 1]) for place in range(len(days))]
    points = _points(days, totals, max(most, totals[-1]))
    rows = tuple((words.date(day), words.number(total)) for day, total in zip(days, totals, strict=True))
    ends = (0, len(days) - 1)
    marks = [
        Mark(rows[place][0], "", rows[place][1], points[place][0] / LINE_UNITS * 100, 0, points[place][1], 0)
        for place in ends
    ]
    path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
    said = words.text(
        "{title}: {first} by {start}, {last} by {end}.",
        title=title,
        first=rows[0][1],
        start=rows[0][0],
        last=rows[-1][1],
        end=rows[-1][0],
    )
    return Chart(title, said, tuple(marks), rows, path)


def bars(words: Words, values: Sequence[tuple[str, int]]) -> list[Bar]:
    """Values in their order as bars; what comes after the first eight stands together as the last."""
    shown = list(values[:MOST_BARS])
    if rest := values[MOST_BARS:]:
        others = words.plural("{count} other", "{count} others", len(rest))
        shown.append((others, sum(count for _, count in rest)))
    longest = max((count for _, count in shown), default=0)
    return [Bar(label, words.number(count), _share(count, longest)) for label, count in shown]


def months_between(first: date, last: date) -> list[date]:
    """The first day of every month from `first` to `last`."""
    start, end = first.year * 12 + first.month - 1, last.year * 12 + last.month - 1
    return [date(number // 12, number % 12 + 1, 1) for number in range(start, end + 1)]


def _points(days: Sequence[date], totals: Sequence[int], most: int) -> list[tuple[float, float]]:
    """Where each day's total stands in the line's own field, the most at its top."""
    span = (days[-1] - days[0]).days
    return [
        (
            round((day - days[0]).days / span * LINE_UNITS, 1),
            round(TALLEST - TALLEST * total / most, 1) if most else TALLEST,
        )
        for day, total in zip(days, totals, strict=True)
    ]


def _height(count: int, most: int) -> float:
    return max(LEAST, round(TALLEST * count / most, 1)) if count > 0 else 0.0


def _share(count: int, longest: int) -> float:
    return max(4.0, round(1_000 * count / longest, 1)) if count > 0 else 0.0
