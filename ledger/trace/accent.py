r"""The seller's accent: one colour that must be legible wherever a page writes with it or on it.

>>> accent_of("#0b5d57")
Accent(light='#0b5d57', dark='#12958b')
>>> accent_of("#ff9900")
Traceback (most recent call last):
...
ledger.trace.accent.TooPale: #ff9900 has a contrast of 2.0 against the page, and text needs 4.5. The nearest shade \
that passes is #a66300.

Contrast: WCAG 2.2, "relative luminance" and "contrast ratio".
"""

import colorsys
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.errors import LedgerError

LEAST = 4.5
# The grounds of portal/static/portal.css: `--surface` and `--paper`, in light and in dark; a test compares them.
LIGHT_GROUNDS = ("#ffffff", "#faf9f6")
DARK_GROUNDS = ("#1f1e1a", "#161512")
STEPS = 1_000  # of lightness: finer than the 255 of a channel
_HEX = re.compile(r"#[0-9a-f]{6}")


class NoColour(LedgerError):
    """It is not written as a colour."""

    message = "“{colour}” is no colour. Write # and six digits, such as #0b5d57."


class TooPale(LedgerError):
    """Nobody could read what is written in it."""

    message = (
        "{colour} has a contrast of {measured} against the page, and text needs {least}. The nearest shade that passes "
        "is {nearest}."
    )


@dataclass(frozen=True, slots=True)
class Accent:
    """The accent on light pages, as chosen, and the shade of it that dark pages take; `#rrggbb` both."""

    light: str
    dark: str


def accent_of(colour: str) -> Accent:
    """The accent that this colour makes. Raises NoColour, TooPale."""
    colour = colour.lower()
    if not _HEX.fullmatch(colour):
        raise NoColour(colour=colour)
    measured = worst_contrast(colour, LIGHT_GROUNDS)
    if measured < LEAST:
        nearest = _nearest(colour, LIGHT_GROUNDS, darker=True)
        # Rounded down: 4.46 must not be told as 4.5.
        raise TooPale(colour=colour, measured=int(measured * 10) / 10, least=LEAST, nearest=nearest)
    return Accent(colour, _nearest(colour, DARK_GROUNDS, darker=False))


def worst_contrast(colour: str, grounds: Iterable[str]) -> float:
    """The contrast against the ground on which it is read worst: 1 (none) to 21."""
    return min(contrast(colour, ground) for ground in grounds)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _nearest(colour: str, grounds: Iterable[str], *, darker: bool) -> str:
    """The shade of the same hue, changed as little as possible, that can be read on these grounds.

    Black on light and white on dark pass always, so there is one.
    """
    grounds = tuple(grounds)
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    start = round(lightness * STEPS)
    for step in range(start, -1, -1) if darker else range(start, STEPS + 1):
        shade = _hex(colorsys.hls_to_rgb(hue, step / STEPS, saturation))
        if worst_contrast(shade, grounds) >= LEAST:
            return shade
    raise AssertionError(f"no shade of {colour} can be read on {grounds}")


def _luminance(colour: str) -> float:
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in _channels(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _hex(channels: Iterable[float]) -> str:
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)
