"""Which column of a factory's file is which: its delimiter and its headings, found and not asked for."""

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ledger.errors import LedgerError
from ledger.trace.factory_text import Record, decode, physical_lines, read_records

# A heading is added here, and nowhere else. Case, spaces and punctuation do not count; of "序列号 (SN)" or
# "Batch / 批次" one part is enough. Serial and range are two ways to say the same.
HEADINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "serial": {
        "en": ("serial", "serials", "serial number", "serial numbers", "serial no", "SN", "SN code"),
        "de": ("Seriennummer", "Seriennummern", "Seriennr", "Serien-Nr"),
        "zh": ("序列号", "序列號", "产品序列号", "序列号码", "SN码", "SN号"),
    },
    "range": {
        "en": ("range", "serial range", "serials from-to"),
        "de": ("Bereich", "Nummernbereich", "Seriennummernbereich"),
        "zh": ("号段", "號段", "序列号段", "序列号范围"),
    },
    "batch": {
        "en": ("batch", "batch number", "batch no", "batch code", "lot", "lot number", "lot no", "lot code"),
        "de": ("Charge", "Chargennummer", "Chargennr", "Los", "Losnummer"),
        "zh": ("生产批次", "生产批号", "批次", "批号", "批次号", "產品批號", "批號"),
    },
    "made": {
        "en": ("made", "made on", "date", "production date", "manufacturing date", "mfg date"),
        "de": ("Datum", "Produktionsdatum", "Herstellungsdatum", "Herstelldatum", "Fertigungsdatum"),
        "zh": ("生产日期", "生產日期", "制造日期", "日期"),
    },
    "carton": {
        "en": ("carton", "carton number", "carton no", "carton id", "ctn", "ctn no"),
        "de": ("Karton", "Kartonnummer", "Kartonnr"),
        "zh": ("箱号", "箱號", "外箱号", "纸箱号"),
    },
}  # fmt: skip
PROBLEM_HEADINGS = {"en": "Problem", "de": "Problem", "zh": "问题"}
DELIMITERS = ",;\t|"


class NoHeadings(LedgerError):
    """A file without a first row."""

    message = "This file is empty. Its first row must hold headings, one of them for the serial."


class MissingColumn(LedgerError):
    """No heading names a column that is needed."""

    message = (
        "No column is headed as {needed}. The headings found are: {found}. Give one the heading {example}."
    )


class AmbiguousColumn(LedgerError):
    """Several headings could each name the same column."""

    message = "The headings {found} could each be {needed}. Rename all of them but one."


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each column stands. `used` gives the heading of each, `unused` the headings that name none.

    `count` is up to the last heading: a spreadsheet leaves empty ones after it.
    """

    places: Mapping[str, int]
    used: Mapping[str, str]
    unused: tuple[str, ...]
    count: int
    language: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file opened: `records` are the rows below the headings, to be read once."""

    encoding: str
    delimiter: str
    columns: Columns
    blank_before: tuple[int, ...]
    records: Iterator[Record]


def open_sheet(content: bytes, *, needs_batch: bool) -> Sheet:
    """The file's form and its rows. The first row that is not blank holds the headings.

    Raises UnreadableEncoding, IsWorkbook, NoHeadings, MissingColumn or AmbiguousColumn; BrokenRow also while
    the records are read.
    """
    encoding, text = decode(content)
    lines = physical_lines(text)
    delimiter = find_delimiter(lines)
    records = read_records(lines, delimiter)
    blank: list[int] = []
    for record in records:
        if any(map(str.strip, record.cells)):
            columns = find_columns(record.cells, needs_batch=needs_batch)
            return Sheet(encoding, delimiter, columns, tuple(blank), records)
        blank.append(record.line)
    raise NoHeadings


# --- headings


def find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter under which the headings make most sense: most columns known, then most cells."""

    def sense(delimiter: str) -> tuple[int, int]:
        rows = csv.reader(lines, delimiter=delimiter)
        try:
            cells = next((row for row in rows if any(map(str.strip, row))), [])
        except csv.Error:  # an open quotation mark: read_records will name its line
            return 0, 0
        return sum(column_of(cell) is not None for cell in cells), len(cells)

    return max(DELIMITERS, key=sense)


def fold(heading: str) -> str:
    """What of a heading counts: its letters and digits, in no particular case or width."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", heading).casefold()))


_KNOWN = {
    fold(heading): (column, language)
    for column, languages in HEADINGS.items()
    for language, headings in languages.items()
    for heading in headings
}


def column_of(heading: str) -> tuple[str, str] | None:
    """The column that a heading names and the heading's language; None for a heading not known."""
    parts = re.split(r"[/|()\n]", unicodedata.normalize("NFKC", heading))
    return next((_KNOWN[key] for key in map(fold, (heading, *parts)) if key in _KNOWN), None)


def find_columns(cells: Sequence[str], *, needs_batch: bool) -> Columns:
    """Where the columns stand. Raises MissingColumn or AmbiguousColumn."""
    named = [(place, cell.strip(), column_of(cell)) for place, cell in enumerate(cells)]
    found: dict[str, list[int]] = {}
    for place, _, known in named:
        if known:
            found.setdefault(known[0], []).append(place)
    _check_found(found, cells, needs_batch=needs_batch)
    languages = {known[1] for _, _, known in named if known}
    return Columns(
        places={column: places[0] for column, places in found.items()},
        used={column: cells[places[0]].strip() for column, places in found.items()},
        unused=tuple(heading for _, heading, known in named if heading and not known),
        count=1 + max(place for place, heading, _ in named if heading),
        # Factories in China and Germany also write SN and Lot: so English is what nothing speaks against.
        language=next((language for language in ("zh", "de") if language in languages), "en"),
    )


def _check_found(found: Mapping[str, list[int]], cells: Sequence[str], *, needs_batch: bool) -> None:
    serials = [*found.get("serial", []), *found.get("range", [])]
    needed = [("serial", serials)] + ([("batch", found.get("batch", []))] if needs_batch else [])
    for column, places in needed:
        if not places:
            headings = ", ".join(filter(None, map(str.strip, cells)))
            raise MissingColumn(needed=column, found=headings, example=_examples(column))
    for column, places in [*found.items(), ("serial", serials)]:
        if len(places) > 1:
            raise AmbiguousColumn(needed=column, found=", ".join(cells[place].strip() for place in places))


def _examples(column: str) -> str:
    return " / ".join(headings[0] for headings in HEADINGS[column].values())
