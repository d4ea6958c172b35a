"""Charts: what is drawn is what the table says."""

import doctest
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from portal import charts
from portal.charts import BASE, MOST_BARS, MOST_MONTHS, TALLEST, bars, columns, line, months_between
from translations import words_for

ENGLISH, CHINESE = words_for("en", "console"), words_for("zh-Hans", "console")
days = st.dates(date(2020, 1, 1), date(2030, 12, 31))
values = st.lists(st.tuples(days, st.integers(0, 10**7)), min_size=1, max_size=40)


def test_the_example_of_the_module_holds() -> None:
    names = {"date": date, "words_for": words_for}
    assert doctest.testmod(charts, extraglobs=names).failed == 0


def test_nothing_is_drawn_of_nothing() -> None:
    assert columns(ENGLISH, "Made", []) is None
    assert line(ENGLISH, "Settled", []) is None
    assert line(ENGLISH, "Settled", [(date(2025, 5, 1), 3), (date(2025, 5, 1), 4)]) is None
    assert bars(ENGLISH, []) == []


@given(values)
def test_columns_stand_on_the_base_within_the_drawing_and_in_order(
    given_values: list[tuple[date, int]],
) -> None:
    chart = columns(ENGLISH, "Made", given_values)
    assert chart
    assert 1 <= len(chart.marks) == len(chart.rows) <= MOST_MONTHS
    for mark in chart.marks:
        assert 0 <= mark.x < mark.x + mark.width <= 100
        assert 0 <= mark.height <= TALLEST
        assert abs(mark.y + mark.height - BASE) < 0.1
    assert [mark.x for mark in chart.marks] == sorted(mark.x for mark in chart.marks)
    newest = max(day for day, _ in given_values)
    in_newest = sum(
        count for day, count in given_values if (day.year, day.month) == (newest.year, newest.month)
    )
    assert chart.rows[-1] == (ENGLISH.month(newest), ENGLISH.number(in_newest))


@given(values)
def test_a_line_never_falls_and_ends_at_the_sum(given_values: list[tuple[date, int]]) -> None:
    chart = line(ENGLISH, "Settled", given_values)
    if chart is None:
        assert len({day for day, _ in given_values}) == 1
        return
    assert chart.rows[-1][1] == ENGLISH.number(sum(count for _, count in given_values))
    heights = [float(point.split()[1]) for point in chart.path[1:].split(" L")]
    assert heights == sorted(heights, reverse=True)
    assert all(0 <= height <= TALLEST for height in heights)


@given(st.lists(st.integers(0, 10**6), max_size=30))
def test_bars_leave_nothing_out(counts: list[int]) -> None:
    drawn = bars(ENGLISH, [(f"place {number}", count) for number, count in enumerate(counts)])
    assert len(drawn) == min(len(counts), MOST_BARS + 1)
    assert sum(int(one.figure.replace(",", "")) for one in drawn) == sum(counts)
    assert all(0 <= one.width <= 1_000 for one in drawn)


def test_months_in_which_nothing_was_made_are_there_too() -> None:
    assert months_between(date(2024, 11, 30), date(2025, 2, 1)) == [
        date(2024, 11, 1),
        date(2024, 12, 1),
        date(2025, 1, 1),
        date(2025, 2, 1),
    ]


def test_a_chart_speaks_the_reader_s_language() -> None:
    start = date(2025, 5, 20)
    chart = columns(CHINESE, "每月生产数量", [(start, 24_118), (start + timedelta(days=40), 5)])
    assert chart
    assert [mark.label for mark in chart.marks] == ["5月", "6月"]
    assert chart.marks[0].figure == "2.4万"
    assert chart.rows[0] == ("2025年5月", "24,118")
