"""An accent can be read wherever a page writes with it."""

import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.trace import accent
from ledger.trace.accent import (
    DARK_GROUNDS,
    LEAST,
    LIGHT_GROUNDS,
    TooPale,
    accent_of,
    contrast,
    worst_contrast,
)
from tests.conftest import ROOT

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def test_the_example_of_the_module_holds() -> None:
    assert doctest.testmod(accent, optionflags=doctest.IGNORE_EXCEPTION_DETAIL).failed == 0


def test_contrast_is_what_the_guidelines_say() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(
        4.48, abs=0.005
    )  # the well-known grey that just fails
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)  # and the one that just passes


@given(colours)
def test_every_accent_is_legible_in_light_and_dark_or_refused_with_one_that_is(colour: str) -> None:
    measured = worst_contrast(colour, LIGHT_GROUNDS)
    if measured < LEAST:
        with pytest.raises(TooPale) as refused:
            accent_of(colour)
        assert refused.value.facts["measured"] == pytest.approx(measured, abs=0.1)
        colour = str(refused.value.facts["nearest"])
    found = accent_of(colour)
    assert worst_contrast(found.light, LIGHT_GROUNDS) >= LEAST
    assert worst_contrast(found.dark, DARK_GROUNDS) >= LEAST


def test_the_grounds_are_those_of_the_style_sheet() -> None:
    sheet = (ROOT / "portal/static/portal.css").read_text(encoding="utf-8")
    said = re.findall(r"--paper: (#\w+); --surface: (#\w+);", sheet)
    light, dark = said[:2]
    assert {*light} == {*LIGHT_GROUNDS}
    assert {*dark} == {*DARK_GROUNDS}
