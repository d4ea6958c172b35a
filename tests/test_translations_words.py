"""Words, numbers, times: as each language writes them."""

from datetime import UTC, date, datetime, time

import pytest

from translations import Words, words_for

SEALED = datetime(2026, 2, 12, 8, 41, 59, tzinfo=UTC)
BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ("en", "12 February 2026, 09:41 CET"),
        ("de", "12. Februar 2026, 09:41 MEZ"),
        ("zh-Hans", "2026年2月12日 09:41 UTC+1"),
        ("ar", "12 فبراير 2026، 09:41 UTC+1"),
    ],
)
def test_a_moment_names_its_month_and_its_zone(tag: str, shown: str) -> None:
    assert words_for(tag, "buyer").moment(SEALED, BERLIN) == shown


def test_a_moment_follows_the_zone_s_summer() -> None:
    summer = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    assert words_for("en", "buyer").moment(summer, BERLIN) == "2 July 2026, 00:30 CEST"
    assert words_for("en", "buyer").moment(summer, "Asia/Kathmandu") == "2 July 2026, 04:15 UTC+5:45"
    assert words_for("en", "buyer").moment(summer, "UTC") == "1 July 2026, 22:30 UTC"


def test_two_moments_of_one_minute_are_said_alike() -> None:
    words = words_for("de", "buyer")
    assert words.moment(SEALED, BERLIN) is words.moment(SEALED.replace(second=0), BERLIN)


def test_english_dates_have_the_day_first() -> None:
    words = words_for("en", "buyer")
    assert words.date(date(2025, 6, 12)) == "12 June 2025"
    assert words.day(datetime(2025, 6, 12, 23, 0, tzinfo=UTC), BERLIN) == "13 June 2025"
    assert words.time(time(9, 5)) == "09:05"
    assert words.time(SEALED) == "08:41"


@pytest.mark.parametrize(
    ("tag", "number", "money", "germany", "items"),
    [
        ("en", "48,213", "€34.90", "Germany", "a, b and c"),
        ("de", "48.213", "34,90\xa0€", "Deutschland", "a, b und c"),
        ("zh-Hans", "48,213", "€34.90", "德国", "a、b和c"),
        ("ar", "48,213", "\u200f34.90\xa0€", "ألمانيا", "a وb وc"),
    ],
)
def test_figures_countries_and_lists_follow_the_language(
    tag: str, number: str, money: str, germany: str, items: str
) -> None:
    words = words_for(tag, "buyer")
    assert words.number(48_213) == number
    assert words.money(3490, "EUR") == money
    assert words.country("DE") == germany
    assert words.list(["a", "b", "c"]) == items


def test_money_has_as_many_digits_as_its_currency() -> None:
    words = words_for("en", "buyer")
    assert words.money(5200, "JPY") == "JP¥5,200"
    assert words.money(1_234_500, "KWD") == "KWD1,234.500"


def test_an_unknown_country_is_shown_by_its_code() -> None:
    assert words_for("de", "buyer").country("QQ") == "QQ"


@pytest.mark.parametrize(
    ("tag", "count", "said"),
    [
        ("en", 1, "1 product carries this number."),
        ("en", 2, "2 products carry this number."),
        ("de", 1, "1 Produkt trägt diese Nummer."),
        ("zh-Hans", 2, "有2款产品使用这个编号。"),
        ("ar", 2, "منتجان يحملان هذا الرقم."),
        ("ar", 3, "3 منتجات تحمل هذا الرقم."),
        ("ar", 11, "11 منتجًا يحمل هذا الرقم."),
        ("ar", 1_000, "1,000 منتج يحمل هذا الرقم."),
    ],
)
def test_a_count_takes_its_language_s_form(tag: str, count: int, said: str) -> None:
    singular, plural = "{count} product carries this number.", "{count} products carry this number."
    assert words_for(tag, "buyer").plural(singular, plural, count) == said


def test_a_word_with_two_meanings_is_told_apart_by_its_context() -> None:
    words = words_for("de", "buyer")
    assert words.context("price", "free") == "kostenlos"
    assert words.text("free") == "free"  # without its context it is another message


def test_placeholders_are_filled_by_name() -> None:
    assert words_for("de", "buyer").text("Model {model}", model="A1") == "Modell A1"


def test_arabic_is_written_from_the_right() -> None:
    assert Words("ar", "buyer").direction == "rtl"
    assert Words("zh-Hans", "buyer").lang == "zh-Hans"


@pytest.mark.parametrize(("tag", "line"), [("de", "Rückrufe prüfen"), ("ar", "تحقّق من الاستدعاءات")])
def test_a_label_can_ask_to_check_for_recalls(tag: str, line: str) -> None:
    assert words_for(tag, "labels").text("Check for recalls") == line


@pytest.mark.parametrize(
    ("tag", "headline"), [("en", "Product safety recall"), ("de", "Produktsicherheitsrückruf")]
)
def test_the_headline_is_the_one_the_law_names(tag: str, headline: str) -> None:
    assert words_for(tag, "buyer").text("Product safety recall") == headline
