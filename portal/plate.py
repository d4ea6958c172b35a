"""The plate: a number as the label, the answer and the drawing show it."""

from markupsafe import Markup, escape

GROUP = 4


def plate(shown: str, *, is_own_serial: bool) -> Markup:
    """The number in cells of four, parted by gauge ticks; one of a factory stays as it was printed.

    The hyphens are in the text at size zero: copied or read aloud, the number is as on the label.
    """
    if not is_own_serial:
        return Markup('<bdi class="plate plate-plain" dir="ltr"><span>{}</span></bdi>').format(shown)
    grouped = shown if "-" in shown else "-".join(_cells(shown))
    cells = str(escape(grouped)).replace("-", "</span><i>-</i><span>")
    return Markup(f'<bdi class="plate" dir="ltr"><span>{cells}</span></bdi>')  # noqa: S704  # escaped above


def _cells(shown: str) -> list[str]:
    return [shown[start : start + GROUP] for start in range(0, len(shown), GROUP)]
