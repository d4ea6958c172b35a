"""Labels on A4 sheets as a PDF: text as text, codes as 1-bit images, every code read back.

What stands on all labels of a batch is drawn once a page and repeated as the same drawing commands, moved; so a
label costs its code, its number and one decoding.
"""

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from fpdf import FPDF
from fpdf.fonts import TTFFont

from labels.check import check_code, check_words
from labels.codes import Code, CodeBook
from labels.fonts import Run
from labels.layout import (
    Bar,
    Frame,
    LabelContent,
    Line,
    Ring,
    Shape,
    Stroke,
    Template,
    module_dots,
    plate_text,
    standing,
    templates,
)
from ledger.identifiers import groups

A4_WIDTH_MM, A4_HEIGHT_MM = 210.0, 297.0
LEAST_MARGIN_MM = 5.0  # what office printers cannot reach
DOTS_PER_MM = 24  # codes keep to the grid of 600 dpi
POINTS_PER_MM = 72 / 25.4

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Grid:
    """How the labels of one template stand on a sheet: edge to edge, centred. Measures in mm."""

    columns: int
    rows: int
    left: float
    top: float


def grid(template: Template) -> Grid:
    """As many labels as fit within the least margins: 3 × 7 of 60 × 40 mm."""
    columns = int((A4_WIDTH_MM - 2 * LEAST_MARGIN_MM) // template.width)
    rows = int((A4_HEIGHT_MM - 2 * LEAST_MARGIN_MM) // template.height)
    left = (A4_WIDTH_MM - columns * template.width) / 2
    return Grid(columns, rows, left, (A4_HEIGHT_MM - rows * template.height) / 2)


def sheet_pdf(
    contents: Iterable[LabelContent],
    target: BinaryIO | Path,
    progress: Progress | None = None,
    *,
    template: str = "unit",
) -> int:
    """Write the labels to `target` and return how many; `progress` hears the count after every sheet.

    `contents` is read once, one at a time. Nothing is written unless every label is right: raises what
    `unit_png` raises, and the first wrong label stops the job.
    """
    count = 0
    with closing(_Sheet(templates()[template])) as sheet:
        for count, content in enumerate(contents, 1):
            sheet.add(content)
            if progress and count % sheet.per_page == 0:
                progress(count)
        sheet.write(target)
    if progress:
        progress(count)
    return count


class _Sheet:
    """A PDF under way and what it remembers: its codes' tables, and this page's drawing commands."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._grid = grid(template)
        self._book = CodeBook()
        self._pdf = _new_pdf()
        self._pen = _Pen(self._pdf)
        self._count = 0
        self._shapes: tuple[LabelContent, tuple[Shape, ...]] | None = None
        self._drawn: dict[LabelContent, tuple[bytes, float, float]] = {}
        self.per_page = self._grid.columns * self._grid.rows

    def add(self, content: LabelContent) -> None:
        """Draw one more label and read its code back."""
        check_words(content)
        x, y = self._next_place()
        self._draw_standing(content, x, y)
        self._pen.move_to(x, y)
        for line in plate_text(content.number, self._template):
            self._pen.draw_line(line)
        self._draw_code(self._book.code(content.uri), content, x, y)

    def write(self, target: BinaryIO | Path) -> None:
        """Compress and write the whole; a job without labels gives one empty page."""
        if not self._count:
            self._pdf.add_page()
        self._pdf.output(target)

    def close(self) -> None:
        """Close the font files, which fpdf2 leaves open."""
        for font in self._pdf.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()

    def _next_place(self) -> tuple[float, float]:
        place = self._count % self.per_page
        if place == 0:
            self._pdf.add_page()
            self._drawn.clear()
        self._count += 1
        row, column = divmod(place, self._grid.columns)
        return self._grid.left + column * self._template.width, self._grid.top + row * self._template.height

    def _draw_standing(self, content: LabelContent, x: float, y: float) -> None:
        """Draw what stands on all labels like this one, or repeat this page's commands for it, moved."""
        kind = _kind(content)
        if kind in self._drawn:
            commands, first_x, first_y = self._drawn[kind]
            right, up = (x - first_x) * POINTS_PER_MM, (first_y - y) * POINTS_PER_MM
            self._pen.raw(b"q 1 0 0 1 %.3f %.3f cm\n%s\nQ" % (right, up, commands))
            return
        self._pen.move_to(x, y)
        self._drawn[kind] = self._pen.recorded(self._standing(kind, content)), x, y

    def _standing(self, kind: LabelContent, content: LabelContent) -> tuple[Shape, ...]:
        if self._shapes is None or self._shapes[0] != kind:
            self._shapes = kind, standing(content, self._template)
        return self._shapes[1]

    def _draw_code(self, code: Code, content: LabelContent, x: float, y: float) -> None:
        place = self._template.table["code"]
        dots = module_dots(self._template, size=code.size, text=code.text, dots_per_mm=DOTS_PER_MM)
        packed = code.packed()
        check_code(packed, code, content)
        self._pen.image_mask(
            packed, code.size, x + place["x"], y + place["y"], code.size * dots / DOTS_PER_MM
        )


def _kind(content: LabelContent) -> LabelContent:
    """The content without what differs between units of a batch: the plate's cells are the same for all."""
    if content.serial is None:
        return replace(content, uri="")
    return replace(content, uri="", serial="-".join("X" * len(group) for group in groups(content.serial)))


def _new_pdf() -> FPDF:
    pdf = FPDF(unit="mm", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_margin(0)
    pdf.c_margin = 0
    return pdf


class _Pen:
    """Draws shapes given in mm from a label's corner.

    fpdf2 has no call for an inline image, nor for commands that it wrote before: these go through its `_out`.
    """

    def __init__(self, pdf: FPDF) -> None:
        self._pdf = pdf
        self._x = self._y = 0.0

    def move_to(self, x: float, y: float) -> None:
        """Put the corner of the label at (x, y) of the page."""
        self._x, self._y = x, y

    def raw(self, commands: bytes) -> None:
        """Add content-stream commands as they are."""
        self._pdf._out(commands)

    def recorded(self, shapes: tuple[Shape, ...]) -> bytes:
        """Draw the shapes, and return the commands that did it, fit to be repeated on this page."""
        contents = self._pdf.pages[self._pdf.page].contents
        if not isinstance(contents, bytearray):
            raise TypeError("a page under way is a bytearray")
        # A font that no shape uses: so the first shape selects its own within the recording.
        self._pdf.current_font_is_set_on_page = False
        start = len(contents)
        for shape in shapes:
            self._draw(shape)
        return bytes(contents[start:])

    def image_mask(self, packed: bytes, size: int, x: float, y: float, width: float) -> None:
        """A square of `size` × `size` bits, 1 is black. Hex, because raw bytes could hold the end mark."""
        left, bottom = x * POINTS_PER_MM, (A4_HEIGHT_MM - y - width) * POINTS_PER_MM
        side = width * POINTS_PER_MM
        head = f"q 0 g {side:.3f} 0 0 {side:.3f} {left:.3f} {bottom:.3f} cm BI /W {size} /H {size} /IM true"
        self.raw(f"{head} /BPC 1 /D [1 0] /F /AHx ID {packed.hex()}> EI Q".encode())

    def draw_line(self, line: Line) -> None:
        """The runs of a line, one after another."""
        x = line.start(sum(run.width for run in line.runs) * line.size)
        for run in line.runs:
            self._select(run, line.size)
            if run.face.is_monospaced and run.text.isascii():  # no kerning, nothing to join: ten times faster
                self._pdf.text(self._x + x, self._y + line.baseline, run.text)
            else:
                self._shaped(run, x, line)
            x += run.width * line.size

    def _draw(self, shape: Shape) -> None:
        match shape:
            case Line():
                self.draw_line(shape)
            case Stroke():
                self._pdf.set_line_width(shape.width)
                self._pdf.polyline([(self._x + x, self._y + y) for x, y in shape.points])
            case Bar():
                self._pdf.set_fill_color(0)
                self._pdf.rect(self._x + shape.x, self._y + shape.y, shape.width, shape.height, style="F")
            case Frame():
                self._frame(shape)
            case Ring():
                self._pdf.set_line_width(shape.line)
                self._pdf.set_fill_color(255)
                self._pdf.circle(self._x + shape.x, self._y + shape.y, shape.radius, style="DF")

    def _select(self, run: Run, size: float) -> None:
        if run.face.name not in self._pdf.fonts:
            self._pdf.add_font(run.face.name, fname=run.face.path)
        self._pdf.set_font(run.face.name, size=size * POINTS_PER_MM)

    def _shaped(self, run: Run, x: float, line: Line) -> None:
        """A run whose letters kern, join or carry marks; `cell` puts the baseline 0.8 of the size below its top."""
        self._pdf.set_text_shaping(True, direction="rtl" if run.is_right_to_left else "ltr")
        self._pdf.set_xy(self._x + x, self._y + line.baseline - 0.8 * line.size)
        self._pdf.cell(run.width * line.size + 1, line.size, run.text, align="L")
        self._pdf.set_text_shaping(False)

    def _frame(self, frame: Frame) -> None:
        half = frame.line / 2
        self._pdf.set_line_width(frame.line)
        self._pdf.rect(
            self._x + frame.x + half,
            self._y + frame.y + half,
            frame.width - frame.line,
            frame.height - frame.line,
            round_corners=True,
            corner_radius=frame.radius,
        )
