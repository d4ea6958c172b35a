"""Which font has a character, and how wide a text is: the same answer for picture and PDF.

Latin, Greek, Cyrillic, Arabic and Hebrew come from `fonts/`; other scripts from the system's Noto fonts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

import uharfbuzz
from fpdf.bidi import BidiParagraph
from fpdf.enums import TextDirection

from ledger.errors import LedgerError

FOLDER = Path(__file__).parent / "fonts"
SYSTEM_FOLDERS = (
    Path("/usr/share/fonts/opentype/noto"),
    Path("/usr/share/fonts/truetype/noto"),
    Path("/usr/share/fonts/noto"),
    Path("/usr/share/fonts/noto-cjk"),
    Path("/usr/local/share/fonts"),
)

# In the order they are asked: ours first, so that a label looks the same on every machine.
_VENDORED = ("NotoSans-{weight}.ttf", "NotoSansArabic-{weight}.ttf", "NotoSansHebrew-{weight}.ttf")
_SYMBOLS = "NotoSansSymbols-{weight}.ttf"
_SYSTEM = (
    "NotoSansCJK-{weight}.ttc",
    *(
        f"NotoSans{script}-{{weight}}.ttf"
        for script in ("Thai", "Devanagari", "Bengali", "Tamil", "Georgian")
    ),
)
_WEIGHTS = {"regular": "Regular", "bold": "Bold"}


class FontMissing(LedgerError):
    """No font here has a character that a label needs."""

    message = (
        "No font on this machine has {character!r}. Install the packages fonts-noto-core and fonts-noto-cjk."
    )


@dataclass(frozen=True, slots=True)
class Face:
    """A font file; its stem is its name."""

    path: Path

    @property
    def name(self) -> str:
        """The name that a PDF knows it by: lower case, as fpdf2 folds it."""
        return self.path.stem.lower()

    @property
    def is_monospaced(self) -> bool:
        """Whether all its letters are equally wide, so that it has no kerning either."""
        return "mono" in self.name


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of text in one font and one direction; `width` is in em."""

    face: Face
    text: str
    is_right_to_left: bool
    width: float


def runs(text: str, style: str) -> tuple[Run, ...]:
    """The runs of one line from left to right as they are seen (UAX #9), in style regular, bold or mono.

    Raises FontMissing for a character that no font here has.
    """
    return tuple(run for part, direction in _fragments(text) for run in _runs_of(part, style, direction))


def is_right_to_left(text: str) -> bool:
    """Whether the line reads from the right: what its first strong character says."""
    return not text.isascii() and BidiParagraph(text).base_direction == TextDirection.RTL


def _fragments(text: str) -> tuple[tuple[str, TextDirection], ...]:
    """Stretches of one direction, from left to right."""
    if text.isascii():  # the numbers of a hundred thousand labels: 0.1 ms saved on each
        return ((text, TextDirection.LTR),) if text else ()
    fragments = BidiParagraph(text).get_bidi_fragments()
    return fragments[::-1] if is_right_to_left(text) else fragments


def _runs_of(text: str, style: str, direction: TextDirection) -> Iterator[Run]:
    is_rtl = direction == TextDirection.RTL
    faces = _faces_of(text, style)
    parts = [(face, "".join(c for _, c in group)) for face, group in groupby(faces, key=lambda pair: pair[0])]
    for face, part in reversed(parts) if is_rtl else parts:
        yield Run(face, part, is_rtl, _width(face, part, is_rtl))


def _faces_of(text: str, style: str) -> Iterator[tuple[Face, str]]:
    """Each character with its face; a face that has it goes on, so that words are not torn apart."""
    current: Face | None = None
    for character in text:
        if current is None or not _has(current, character):
            current = _face_of(character, style)
        yield current, character


@cache
def _face_of(character: str, style: str) -> Face:
    for face in _candidates(style):
        if _has(face, character):
            return face
    raise FontMissing(character=character)


@cache
def _candidates(style: str) -> tuple[Face, ...]:
    weight = _WEIGHTS.get(style, "Bold")
    ours = (FOLDER / name.format(weight=weight) for name in (*_VENDORED, _SYMBOLS))
    mono = (FOLDER / "DejaVuSansMono-Bold.ttf",) if style == "mono" else ()
    names = [name.format(weight=weight) for name in _SYSTEM]
    system = (folder / name for name in names for folder in SYSTEM_FOLDERS if (folder / name).exists())
    return tuple(map(Face, (*mono, *ours, *system)))


def _has(face: Face, character: str) -> bool:
    return ord(character) in _characters(face)


@cache
def _characters(face: Face) -> frozenset[int]:
    return frozenset(_shaper(face).face.unicodes)


@cache
def _shaper(face: Face) -> uharfbuzz.Font:
    return uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(face.path)))


@lru_cache(maxsize=4096)
def _width(face: Face, text: str, is_rtl: bool) -> float:
    font, buffer = _shaper(face), uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if is_rtl else "ltr"
    uharfbuzz.shape(font, buffer)
    return float(sum(position.x_advance for position in buffer.glyph_positions)) / float(font.face.upem)
