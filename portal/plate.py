"""The plate: a number as the label, the answer and the drawing show it."""

from markupsafe import Markup, escape

GROUP = 4


def plate(shown: str, *, is_own_serial: bool) -> Markup:
    """The number in cells of four, parted by gauge ticks; one of a factory stays as it was printed.

    The hyphens are in the text at size zero: copied or read aloud, the number is as on the label.
    """
    if not is_own_serial:
        return Markup('<bdi class="plate plate-plain" dir="ltr"><span>{}</span></bdi>').format(shown)
    cells = "<i>-</i>".join(f"<span>{escape(cell)}</span>" for cell in _cells(shown))
    return Markup(f'<bdi class="plate" dir="ltr">{cells}</bdi>')  # noqa: S704  # every cell is escaped above


def _cells(shown: str) -> list[str]:
    if "-" in shown:
        return shown.split("-")
    return [shown[start : start + GROUP] for start in range(0, len(shown), GROUP)]
