"""Where everything on a label stands: words in, placed shapes in mm out, the same for picture and PDF.

What is the same on all labels of a batch (`standing`) is kept apart from the serial's plate (`plate_text`), so
that a sheet of many labels works it out once.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from labels.fonts import Run, is_right_to_left, runs
from ledger.errors import LedgerError
from ledger.identifiers import groups


class TextDoesNotFit(LedgerError):
    """A text is wider than its place even in the smallest type allowed."""

    message = "{text!r} does not fit the label ({field}: {width} mm). Shorten it."


class CodeDoesNotFit(LedgerError):
    """The address needs more modules than the code's square has room for; a code is never shrunk below it."""

    message = (
        "The address {text!r} is too long for this label's code. Use a shorter host name or a larger label."
    )


@dataclass(frozen=True, slots=True)
class LabelContent:
    """The words of one label, each in the language that the caller chose. Empty words leave their place empty."""

    uri: str
    brand: str
    product: str
    batch_word: str  # "Batch"
    batch: str
    serial: str | None = None
    lines: tuple[str, ...] = ()
    check_line: str = ""
    address_line: str = ""
    contact_line: str = ""
    maker_line: str = ""
    has_bin: bool = False

    @property
    def number(self) -> str:
        """What the plate shows: the serial, or the batch's code on a label without one."""
        return self.batch if self.serial is None else self.serial


@dataclass(frozen=True, slots=True)
class PlacedRun:
    """A run whose left end stands at (x, baseline).

    A printer's hinted letters can be a dot wider or narrower than measured: `is_from_end` says which end to keep.
    """

    x: float
    baseline: float
    size: float
    run: Run
    is_from_end: bool = False

    @property
    def end(self) -> float:
        """Where its right end stands."""
        return self.x + self.run.width * self.size


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through `points`, `width` thick."""

    points: tuple[tuple[float, float], ...]
    width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle with round corners, its line drawn inside its edge."""

    x: float
    y: float
    width: float
    height: float
    radius: float
    line: float


@dataclass(frozen=True, slots=True)
class Ring:
    """A small circle, white inside."""

    x: float
    y: float
    radius: float
    line: float


Shape = PlacedRun | Stroke | Bar | Frame | Ring


@dataclass(frozen=True, slots=True)
class Template:
    """One table of templates.toml."""

    name: str
    table: dict[str, Any]

    @property
    def width(self) -> float:
        """Width in mm."""
        return float(self.table["width"])

    @property
    def height(self) -> float:
        """Height in mm."""
        return float(self.table["height"])


@cache
def templates() -> dict[str, Template]:
    """All templates by name."""
    tables = tomllib.loads((Path(__file__).parent / "templates.toml").read_text(encoding="utf-8"))
    return {name: Template(name, table) for name, table in tables.items()}


def module_dots(template: Template, *, size: int, text: str, dots_per_mm: int) -> int:
    """Dots of one module of a code of `size` modules: whole dots, so that no edge is blurred.

    Raises CodeDoesNotFit if the largest that fits the square is under the template's smallest module.
    """
    code = template.table["code"]
    fitting = int(code["square"] * dots_per_mm / size)
    dots = min(fitting, int(code["largest_module"] * dots_per_mm))
    if dots < code["smallest_module"] * dots_per_mm:
        raise CodeDoesNotFit(text=text)
    return dots


def standing(content: LabelContent, template: Template) -> tuple[Shape, ...]:
    """All shapes but the code and the plate's text. Raises TextDoesNotFit, FontMissing."""
    return (
        *_texts(content, template),
        *_batch(content, template),
        *_bin(content, template),
        _rule(template),
        *_plate(content.number, template),
    )


def _texts(content: LabelContent, template: Template) -> Iterator[Shape]:
    fields = template.table["text"]
    words = {
        "brand": content.brand,
        "product": content.product,
        "check": content.check_line,
        "address": content.address_line,
        "contact": content.contact_line,
        "maker": content.maker_line,
    }
    for name, text in words.items():
        yield from _line(name, text, fields[name])
    lines = fields["lines"]
    if len(content.lines) > lines["most"]:
        raise TextDoesNotFit(text=content.lines[lines["most"]], field="lines", width=lines["width"])
    for number, text in enumerate(content.lines):
        yield from _line("lines", text, lines | {"baseline": lines["baseline"] + number * lines["step"]})


def _line(name: str, text: str, field: dict[str, Any]) -> Iterator[Shape]:
    """One line in the largest of its sizes; a right-to-left one begins at the right of its place."""
    line = runs(text, field["style"])
    size = _size_that_fits(name, text, line, field)
    at_end = (field.get("align") == "end") != is_right_to_left(text)
    x = field["x"] + (field["width"] - _width(line) * size if at_end else 0)
    yield from _placed(line, x=x, baseline=field["baseline"], size=size, is_from_end=at_end)


def _width(line: tuple[Run, ...]) -> float:
    return sum(run.width for run in line)


def _size_that_fits(name: str, text: str, line: tuple[Run, ...], field: dict[str, Any]) -> float:
    for size in field["sizes"]:
        if _width(line) * size <= field["width"]:
            return float(size)
    raise TextDoesNotFit(text=text, field=name, width=field["width"])


def _placed(
    line: tuple[Run, ...], *, x: float, baseline: float, size: float, is_from_end: bool = False
) -> Iterator[PlacedRun]:
    for run in line:
        yield PlacedRun(x, baseline, size, run, is_from_end)
        x += run.width * size


def _batch(content: LabelContent, template: Template) -> Iterator[Shape]:
    field, word = template.table["text"]["batch"], template.table["batch_word"]
    line = runs(content.batch_word, "regular")
    yield from _placed(line, x=field["x"], baseline=field["baseline"], size=word["size"])
    taken = _width(line) * word["size"] + word["gap"]
    yield from _line(
        "batch", content.batch, field | {"x": field["x"] + taken, "width": field["width"] - taken}
    )


def _rule(template: Template) -> Shape:
    rule = template.table["rule"]
    return Bar(rule["x"], rule["y"], rule["width"], template.table["line"])


# --- the plate: the number in cells parted by short ticks


def _plate(number: str, template: Template) -> Iterator[Shape]:
    plate, line = template.table["plate"], float(template.table["line"])
    yield Frame(plate["x"], plate["y"], plate["width"], plate["height"], plate["radius"], line)
    top, bottom = plate["y"], plate["y"] + plate["height"] - plate["tick"]
    for x, _width_of_cell, _text in _cells(number, template)[1:]:
        yield Bar(x - line / 2, top, line, plate["tick"])
        yield Bar(x - line / 2, bottom, line, plate["tick"])


def plate_text(number: str, template: Template) -> Iterator[PlacedRun]:
    """The number itself, in the groups that it is read in."""
    plate = template.table["plate"]
    size = _plate_size(number, template)
    for x, width, text in _cells(number, template):
        line = runs(text, "mono")
        yield from _placed(
            line, x=x + (width - _width(line) * size) / 2, baseline=plate["baseline"], size=size
        )


def _plate_size(number: str, template: Template) -> float:
    plate = template.table["plate"]
    side = 2 * plate["radius"]
    return _size_that_fits("plate", number, runs(number, "mono"), plate | {"width": plate["width"] - side})


def _cells(number: str, template: Template) -> list[tuple[float, float, str]]:
    """x, width and text of each cell: room left over is shared evenly between the cells."""
    plate, size = template.table["plate"], _plate_size(number, template)
    texts = groups(number)
    widths = [_width(runs(text, "mono")) * size for text in texts]
    spare = (plate["width"] - sum(widths)) / len(texts)
    cells, x = [], float(plate["x"])
    for text, width in zip(texts, widths, strict=True):
        cells.append((x, width + spare, text))
        x += width + spare
    return cells


# --- the crossed-out wheeled bin of EN 50419, with the bar that says "placed on the market after 2005"


def _bin(content: LabelContent, template: Template) -> Iterator[Shape]:
    if not content.has_bin:
        return
    place, line = template.table["bin"], float(template.table["line"])

    def at(x: float, y: float) -> tuple[float, float]:
        return place["x"] + x * place["scale"], place["y"] + y * place["scale"]

    yield Stroke((at(0.25, 1.375), at(4.5, 1.375)), line)
    yield Stroke((at(0.75, 1.375), at(1.125, 6.125), at(3.625, 6.125), at(4.0, 1.375)), line)
    yield Stroke((at(1.5, 1.375), at(1.5, 0.75), at(3.25, 0.75), at(3.25, 1.375)), line)
    yield Stroke((at(0, 6.75), at(4.75, 0)), line)
    yield Ring(*at(3.375, 6.375), 0.375 * place["scale"], line)
    yield Bar(*at(0.25, 7.375), 4.25 * place["scale"], 0.5 * place["scale"])
