"""One label as a picture of black and white dots, as a label printer prints it."""

from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from labels.check import check_picture, check_words
from labels.codes import Code, code_of
from labels.fonts import Face, Run
from labels.layout import (
    Bar,
    Frame,
    LabelContent,
    Line,
    Ring,
    Shape,
    Stroke,
    Template,
    TextDoesNotFit,
    module_dots,
    plate_text,
    standing,
    templates,
)

# Printers' names for their resolutions, and the dots a mm that they really have.
DOTS_PER_MM = {203: 8, 300: 12, 600: 24}
MM_PER_INCH = 25.4
SPARE_MM = 0.5  # what hinting may add to a full line: every place has more white than this beside it
WHITE, BLACK = 1, 0


def unit_png(content: LabelContent, dpi: int = 203, *, template: str = "unit") -> bytes:
    """The label as a PNG, one bit a dot, its code read back. `dpi` is 203, 300 or 600.

    Raises TextDoesNotFit, CodeDoesNotFit, FontMissing, LabelContradictsItself, LabelUnreadable.
    """
    check_words(content)
    picture = draw(content, templates()[template], dots_per_mm=DOTS_PER_MM[dpi])
    check_picture(picture, content)
    stream, true_dpi = BytesIO(), DOTS_PER_MM[dpi] * MM_PER_INCH
    picture.save(stream, "PNG", dpi=(true_dpi, true_dpi))
    return stream.getvalue()


def draw(content: LabelContent, template: Template, *, dots_per_mm: int) -> Image.Image:
    """The label as a 1-bit picture, not yet read back."""
    picture = Image.new(
        "1", (round(template.width * dots_per_mm), round(template.height * dots_per_mm)), WHITE
    )
    pen = _Pen(ImageDraw.Draw(picture), dots_per_mm)
    for shape in (*standing(content, template), *plate_text(content.number, template)):
        pen.draw(shape)
    _paste_code(picture, code_of(content.uri), template, dots_per_mm)
    return picture


def _paste_code(picture: Image.Image, code: Code, template: Template, dots_per_mm: int) -> None:
    dots = module_dots(template, size=code.size, text=code.text, dots_per_mm=dots_per_mm)
    modules = Image.frombytes("1", (code.size, code.size), code.packed())
    square = modules.resize((code.size * dots, code.size * dots), Image.Resampling.NEAREST)
    place = template.table["code"]
    picture.paste(BLACK, (round(place["x"] * dots_per_mm), round(place["y"] * dots_per_mm)), square)


@lru_cache(maxsize=64)
def _font(face: Face, size_dots: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(face.path, size_dots, layout_engine=ImageFont.Layout.RAQM)


def _direction(run: Run) -> str:
    return "rtl" if run.is_right_to_left else "ltr"


class _Pen:
    """Draws shapes given in mm, edges on whole dots."""

    def __init__(self, image: ImageDraw.ImageDraw, dots_per_mm: int) -> None:
        self._image = image
        self._scale = dots_per_mm
        image.fontmode = "1"  # FreeType's own black and white: hinted, no grey to be cut off

    def draw(self, shape: Shape) -> None:
        match shape:
            case Line():
                self._line(shape)
            case Stroke():
                self._stroke(shape)
            case Bar():
                self._bar(shape)
            case Frame():
                self._frame(shape)
            case Ring():
                self._ring(shape)

    def _dots(self, mm: float) -> int:
        return round(mm * self._scale)

    def _line(self, line: Line) -> None:
        """The runs one after another, as wide as the printer's letters really are."""
        widths = [
            self._font(run, line.size).getlength(run.text, direction=_direction(run)) for run in line.runs
        ]
        if sum(widths) > (line.width + SPARE_MM) * self._scale:
            raise TextDoesNotFit(text=line.text, field="as printed", width=line.width)
        x, y = line.start(sum(widths) / self._scale) * self._scale, self._dots(line.baseline)
        for run, width in zip(line.runs, widths, strict=True):
            font, at = self._font(run, line.size), (round(x), y)
            self._image.text(at, run.text, BLACK, font, anchor="ls", direction=_direction(run))
            x += width

    def _font(self, run: Run, size: float) -> ImageFont.FreeTypeFont:
        return _font(run.face, self._dots(size))

    def _stroke(self, stroke: Stroke) -> None:
        points = [(self._dots(x), self._dots(y)) for x, y in stroke.points]
        self._image.line(points, BLACK, self._dots(stroke.width), joint="curve")

    def _bar(self, bar: Bar) -> None:
        left, top = self._dots(bar.x), self._dots(bar.y)
        right, bottom = self._dots(bar.x + bar.width), self._dots(bar.y + bar.height)
        self._image.rectangle((left, top, right - 1, bottom - 1), BLACK)

    def _frame(self, frame: Frame) -> None:
        left, top = self._dots(frame.x), self._dots(frame.y)
        right, bottom = self._dots(frame.x + frame.width), self._dots(frame.y + frame.height)
        box, line = (left, top, right - 1, bottom - 1), self._dots(frame.line)
        self._image.rounded_rectangle(box, self._dots(frame.radius), outline=BLACK, width=line)

    def _ring(self, ring: Ring) -> None:
        x, y, radius = self._dots(ring.x), self._dots(ring.y), self._dots(ring.radius)
        box = (x - radius, y - radius, x + radius, y + radius)
        self._image.ellipse(box, fill=WHITE, outline=BLACK, width=self._dots(ring.line))
