"""A checkpoint for papers that leave the house: its signed text, its short form, and both as a QR code.

Whoever gets the goods gets a state of the record that the seller can never take back: so the code holds the whole
signed note and no address. A phone shows it as text, to be kept or sent on, without asking the seller's server for
anything, and `lotproof log compare` takes that text as it is. A note of one signature is about 200 bytes: a code of
version 10 or 11, 30 mm wide, at half a millimetre a module.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from labels.codes import QUIET_ZONE, Code, code_of
from ledger.journal.publish import Standing
from ledger.log.checkpoint import Checkpoint
from ledger.log.compare import short_form
from ledger.log.note import split_note

PIXELS_PER_MODULE = 8
HALVES = "█▀▄ "  # of two rows: both white, the upper, the lower, none; a terminal's light is the paper


@dataclass(frozen=True, slots=True)
class Paper:
    """What is printed of a checkpoint."""

    note: str
    short: str
    code: Code
    is_old: bool

    @property
    def code_side(self) -> int:
        """Modules from edge to edge, quiet zone included."""
        return self.code.size + 2 * QUIET_ZONE

    @property
    def code_path(self) -> str:
        """The dark modules as an SVG path, one unit a module, the quiet zone left free."""
        return code_path_of(self.code)


def paper_of(standing: Standing) -> Paper:
    """The checkpoint that answers speak for at this moment, for paper."""
    checkpoint = Checkpoint.parse(split_note(standing.note)[0])
    return Paper(standing.note, short_form(checkpoint), code_of(standing.note), standing.is_old)


def code_path_of(code: Code) -> str:
    """The dark modules as an SVG path, one unit a module, the quiet zone left free."""
    return "".join(_runs(code))


def code_png(code: Code) -> bytes:
    """The code with its quiet zone as a PNG of one bit a pixel."""
    modules = Image.frombytes("1", (code.size, code.size), code.packed())
    side = code.size + 2 * QUIET_ZONE
    picture = Image.new("1", (side, side), 1)
    picture.paste(0, (QUIET_ZONE, QUIET_ZONE), modules)
    stream = BytesIO()
    large = picture.resize((side * PIXELS_PER_MODULE,) * 2, Image.Resampling.NEAREST)
    large.save(stream, "PNG")
    return stream.getvalue()


def code_text(code: Code) -> str:
    """The code for a dark terminal, two rows of modules a line."""
    blank = [[False] * (code.size + 2 * QUIET_ZONE)]
    rows = blank * QUIET_ZONE + [_row(code, bits) for bits in code.rows()] + blank * QUIET_ZONE
    rows += blank * (len(rows) % 2)
    return "\n".join(_line(upper, lower) for upper, lower in zip(rows[::2], rows[1::2], strict=True))


def _row(code: Code, bits: int) -> list[bool]:
    edge = [False] * QUIET_ZONE
    return [*edge, *(digit == "1" for digit in f"{bits:0{code.size}b}"), *edge]


def _line(upper: Sequence[bool], lower: Sequence[bool]) -> str:
    return "".join(HALVES[2 * above + below] for above, below in zip(upper, lower, strict=True))


def _runs(code: Code) -> Iterator[str]:
    """Each run of dark modules in a row as one rectangle: a fifth of the length of one for each module."""
    for y, bits in enumerate(code.rows(), QUIET_ZONE):
        x = QUIET_ZONE
        for run in _stretches(f"{bits:0{code.size}b}"):
            if run[0] == "1":
                yield f"M{x} {y}h{len(run)}v1h-{len(run)}z"
            x += len(run)


def _stretches(digits: str) -> list[str]:
    """A row's digits cut where they change."""
    return digits.replace("01", "0 1").replace("10", "1 0").split(" ")
