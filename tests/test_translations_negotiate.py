"""The reader's language: what they chose, else what they asked for, else English."""

import pytest

from translations.negotiate import choose, likely

OFFERED = ("en", "ar", "de", "zh-Hans")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("ar-EG", "ar"),
        ("zh-CN,zh;q=0.9", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-Hans-TW", "zh-Hans"),
        ("zh-TW", "en"),
        ("zh-Hant", "en"),
        ("zh-TW,zh;q=0.9,en-US;q=0.8", "en"),
        ("zh-HK,zh-CN;q=0.5", "zh-Hans"),
        ("zh-TW,de;q=0.4", "de"),
        ("fr;q=0.9,de;q=0.3", "de"),
        ("en;q=0.2,de;q=0.7", "de"),
        ("de;q=0,ar;q=0.1", "ar"),
        ("sr-Latn", "en"),
        ("", "en"),
        ("*", "en"),
        (";;q=,,-;q=x", "en"),
        ("DE-de", "de"),
        ("a" * 5_000 + ",de", "en"),
    ],
)
def test_language_and_script_both_decide(header: str, chosen: str) -> None:
    assert choose(None, None, header, OFFERED) == chosen


def test_the_address_beats_the_saved_choice_and_that_the_browser() -> None:
    assert choose("ar", "de", "zh-CN", OFFERED) == "ar"
    assert choose(None, "de", "zh-CN", OFFERED) == "de"


def test_a_saved_choice_that_is_not_offered_counts_for_nothing() -> None:
    assert choose(None, "xx", "de", OFFERED) == "de"
    assert choose("fr", None, "de", OFFERED) == "de"


def test_where_english_is_not_offered_the_first_language_answers() -> None:
    assert choose(None, None, "fr", ("de", "ar")) == "de"


def test_likely_subtags_fill_in_the_script() -> None:
    assert likely("zh-TW") == ("zh", "Hant")
    assert likely("zh_hans") == ("zh", "Hans")
    assert likely("de") == ("de", "Latn")
    assert likely("tlh-x") == likely("tlh")
