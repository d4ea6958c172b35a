"""Where everything on a label stands: words in, placed shapes in mm out, the same for picture and PDF.

What is the same on all labels of a batch (`standing`) is kept apart from the serial's plate (`plate_text`), so
that a sheet of many labels works it out once.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

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
class Line:
    """One line of text on its baseline, at the left, right or middle of a place `width` wide from `x`.

    Where its runs stand is the medium's to say: a printer's hinted letters are wider or narrower than measured.
    """

    text: str
    runs: tuple[Run, ...]
    x: float
    baseline: float
    width: float
    size: float
    align: Literal["left", "right", "middle"] = "left"

    def start(self, taken: float) -> float:
        """Where a line that takes this width begins."""
        spare = self.width - taken
        return self.x + {"left": 0.0, "right": spare, "middle": spare / 2}[self.align]


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


Shape = Line | Stroke | Bar | Frame | Ring


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
    is_right = (field.get("align") == "end") != is_right_to_left(text)
    align: Literal["left", "right"] = "right" if is_right else "left"
    yield Line(text, line, field["x"], field["baseline"], field["width"], size, align)


def _width(line: tuple[Run, ...]) -> float:
    return sum(run.width for run in line)


def _size_that_fits(name: str, text: str, line: tuple[Run, ...], field: dict[str, Any]) -> float:
    for size in field["sizes"]:
        if _width(line) * size <= field["width"]:
            return float(size)
    raise TextDoesNotFit(text=text, field=name, width=field["width"])


def _batch(content: LabelContent, template: Template) -> Iterator[Shape]:
    field, word = template.table["text"]["batch"], template.table["batch_word"]
    line = runs(content.batch_word, "regular")
    taken = _width(line) * word["size"] + word["gap"]
    yield Line(content.batch_word, line, field["x"], field["baseline"], taken, word["size"])
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
    for cell in _cells(number, template)[1:]:
        yield Bar(cell.x - line / 2, top, line, plate["tick"])
        yield Bar(cell.x - line / 2, bottom, line, plate["tick"])


def plate_text(number: str, template: Template) -> Iterator[Line]:
    """The number itself, in the groups that it is read in, each in the middle of its cell."""
    yield from _cells(number, template)


def _cells(number: str, template: Template) -> list[Line]:
    """The plate's cells: the room left over is shared evenly between them."""
    plate = template.table["plate"]
    texts = groups(number)
    lines = [runs(text, "mono") for text in texts]
    inside = plate | {"width": plate["width"] - 2 * plate["radius"]}
    size = _size_that_fits("plate", number, tuple(run for line in lines for run in line), inside)
    spare = (plate["width"] - sum(map(_width, lines)) * size) / len(lines)
    cells, x = [], float(plate["x"])
    for text, line in zip(texts, lines, strict=True):
        width = _width(line) * size + spare
        cells.append(Line(text, line, x, plate["baseline"], width, size, "middle"))
        x += width
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
