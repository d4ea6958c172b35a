"""The files of serials that factories send, read as they come.

No two factories write alike: the encoding, the delimiter and the headings are found, not asked for.

>>> file = read_factory_file("序列号;生产批次\\r\\n VTB2523000000Q ;25W23-B1\\r\\n合计;1\\r\\n".encode("gb18030"))
>>> file.encoding, file.delimiter, file.is_clean
('gb18030', ';', True)
>>> [(row.line, row.serial, row.batch) for row in file.rows]
[(2, 'VTB2523000000Q', '25W23-B1')]

A row that cannot be taken is a Problem with its line, and the others are read on; a file that cannot be read
at all is a LedgerError. `factory_text` knows bytes, `factory_columns` headings; `factory_check` judges what is
read here.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from ledger.identifiers import FOREIGN_CODE_LENGTH, as_printed
from ledger.trace.factory_check import COLUMNS, Problem, Reason, SerialRow, check_rows, day_problem, read_day
from ledger.trace.factory_columns import PROBLEM_HEADINGS, Columns, open_sheet
from ledger.trace.factory_text import Record, with_column

MOST_RANGED = 1_000_000


@dataclass(frozen=True, slots=True)
class FactoryFile:
    """What a factory's file says. Take its rows only where it `is_clean`.

    `rows` are all that have a serial, in the file's order, doubtful ones among them; `problems` are sorted by
    line. `used` gives the heading of each column taken, `unused` the other headings. `blank_rows` and
    `sum_rows` are lines. `language` is that of the headings: en, de or zh.
    """

    rows: tuple[SerialRow, ...]
    problems: tuple[Problem, ...]
    encoding: str
    delimiter: str
    language: str
    used: Mapping[str, str]
    unused: tuple[str, ...]
    blank_rows: tuple[int, ...]
    sum_rows: tuple[int, ...]

    @property
    def is_clean(self) -> bool:
        """Whether there is something to take, and nothing to put right first."""
        return bool(self.rows) and not self.problems

    def by_batch(self) -> dict[str, list[SerialRow]]:
        """The rows of each batch in the order of the file."""
        batches: dict[str, list[SerialRow]] = {}
        for row in self.rows:
            batches.setdefault(row.batch, []).append(row)
        return batches


def read_factory_file(
    content: bytes, *, default_batch: str | None = None, known_batches: Collection[str] | None = None
) -> FactoryFile:
    """The units and the problems of a file; about 8 microseconds a row.

    `default_batch` stands in for a batch column that is not there, never for an empty cell of one that is.
    `known_batches` None: any batch may be named. Raises what `factory_columns.open_sheet` does.
    """
    sheet = open_sheet(content, needs_batch=default_batch is None)
    reading = _Reading(sheet.columns, sheet.delimiter, default_batch or "")
    for record in sheet.records:
        reading.take(record)
    problems = [*reading.problems, *check_rows(reading.units, known_batches=known_batches)]
    return FactoryFile(
        rows=tuple(row for row in reading.units if row.serial),
        problems=tuple(sorted([*problems, *reading.wrong_sums()], key=_place)),
        encoding=sheet.encoding,
        delimiter=sheet.delimiter,
        language=sheet.columns.language,
        used=sheet.columns.used,
        unused=sheet.columns.unused,
        blank_rows=(*sheet.blank_before, *reading.blank_rows),
        sum_rows=tuple(reading.sums),
    )


def with_reasons(
    content: bytes, file: FactoryFile, *, say: Callable[[Problem], str] = Problem.__str__
) -> bytes:
    """The file that `file` was read from, with one more column: why each row cannot be taken.

    Encoding, byte order mark, delimiter, line ends and every cell stay as they are. `say` puts a problem into
    the words of whoever will read it.
    """
    said: dict[int, list[str]] = {}
    for problem in file.problems:
        said.setdefault(problem.line, []).append(say(problem))
    cells = {line: " ".join(reasons) for line, reasons in said.items()}
    heading = PROBLEM_HEADINGS[file.language]
    return with_column(
        content, encoding=file.encoding, delimiter=file.delimiter, heading=heading, cells=cells
    )


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line, COLUMNS.index(problem.column)


# --- rows


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    columns: Columns
    delimiter: str
    default_batch: str
    units: list[SerialRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    blank_rows: list[int] = field(default_factory=list)
    sums: dict[int, list[int]] = field(default_factory=dict)  # by line, the numbers that stand there
    ranged: int = 0
    days: dict[str, date | None] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Read one row: blank, a sum, a range or a unit."""
        if not any(map(str.strip, record.cells)):
            self.blank_rows.append(record.line)
            return
        text = as_printed(self.cell(record, "serial") or self.cell(record, "range"))
        if _is_sum(text, record.cells):
            self.sums[record.line] = _numbers(record.cells)
            return
        self.problems += _row_problems(record, self.columns, self.delimiter)
        unit = self.unit(record, text)
        if text and "range" in self.columns.places:
            self.units += self.ranged_units(unit)
        else:
            self.units.append(unit)

    def cell(self, record: Record, column: str) -> str:
        """The cell under a heading; empty where the file has no such column, or the row ends before it."""
        place = self.columns.places.get(column, len(record.cells))
        return record.cells[place] if place < len(record.cells) else ""

    def unit(self, record: Record, serial: str) -> SerialRow:
        """The row of one serial."""
        has_batch = "batch" in self.columns.places
        batch = as_printed(self.cell(record, "batch")) if has_batch else self.default_batch
        carton = as_printed(self.cell(record, "carton")) or None
        return SerialRow(record.line, serial, batch, self.made(record), carton)

    def made(self, record: Record) -> date | None:
        """The day in the row, if there is one. Rows share days: each text is read once."""
        text = as_printed(self.cell(record, "made"))
        if text not in self.days:
            self.days[text] = read_day(text)
        if text and self.days[text] is None:
            self.problems.append(day_problem(record.line, text))
        return self.days[text]

    def ranged_units(self, unit: SerialRow) -> Iterator[SerialRow]:
        """The rows of the range that stands in `unit` for a serial; a problem if it is none."""
        found = _range_of(unit.serial)
        if isinstance(found, Reason):
            self.problems.append(Problem(unit.line, "range", unit.serial, found))
        elif self.ranged + found.count > MOST_RANGED:
            facts = {"limit": MOST_RANGED}
            self.problems.append(Problem(unit.line, "range", unit.serial, Reason.TOO_MANY, facts))
        else:
            self.ranged += found.count
            for serial in found.serials():
                yield SerialRow(unit.line, serial, unit.batch, unit.made, unit.carton)

    def wrong_sums(self) -> Iterator[Problem]:
        """The sum rows whose number is not that of the serials, once all are read."""
        counted = sum(1 for row in self.units if row.serial)
        for line, numbers in self.sums.items():
            stated = ", ".join(map(str, numbers))
            if not numbers:
                yield Problem(line, "row", stated, Reason.NO_SUM)
            elif counted not in numbers:
                yield Problem(line, "row", stated, Reason.WRONG_SUM, {"stated": stated, "counted": counted})


def _row_problems(record: Record, columns: Columns, delimiter: str) -> Iterator[Problem]:
    """What is wrong with the row as a whole: then its cells may be another column's, or other rows."""
    beyond = "".join(record.cells[columns.count :]).strip()
    if beyond:
        facts = {"cells": len(record.cells), "headings": columns.count}
        yield Problem(record.line, "row", beyond, Reason.SHIFTED, facts)
    if record.last_line == record.line or columns.count < 3:
        return  # of two columns both are used, and a line end in a code is a problem of its own
    inner = (line for cell in record.cells for line in cell.splitlines()[1:])
    swallowed = next((line for line in inner if line.count(delimiter) >= columns.count - 1), None)
    if swallowed is not None:
        yield Problem(record.line, "row", swallowed, Reason.SWALLOWED)


# --- ranges

_TAIL = re.compile("[0-9]*$")


@dataclass(frozen=True, slots=True)
class _Range:
    """Serials of one length that differ in the digits at their end."""

    stem: str
    digits: int
    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def serials(self) -> Iterator[str]:
        return (f"{self.stem}{number:0{self.digits}}" for number in range(self.first, self.last + 1))


def _range_of(text: str) -> _Range | Reason:
    """`A-B`. Serials may hold hyphens too: as both ends are equally long, the one in the middle parts them."""
    middle = len(text) // 2
    first, last = text[:middle].strip(), text[middle + 1 :].strip()
    tail = _TAIL.search(first)
    digits = len(tail[0]) if tail else 0
    stem = first[: len(first) - digits]
    if text[middle] not in "-–—~～至" or not 0 < digits <= FOREIGN_CODE_LENGTH:
        return Reason.NOT_A_RANGE
    if last[:-digits] != stem or not re.fullmatch(f"[0-9]{{{digits}}}", last[-digits:]):
        return Reason.NOT_A_RANGE
    found = _Range(stem, digits, int(first[-digits:]), int(last[-digits:]))
    return found if found.count > 0 else Reason.REVERSED_RANGE


# --- sums

_NUMBER = r"(?P<number>\d{1,3}(?:[ ,.']\d{3}){1,3}|\d{1,12})"
_COUNT = re.compile(rf"{_NUMBER}\D{{0,6}}", re.ASCII)  # 3000, 3,000, 3000 pcs, 3000件
# A letter or a hyphen after the word is no sum: a factory may number SUM-0001.
_SUM = re.compile(
    rf"(?:(?:合计|总计|合計|總計)|(?:total|summe|sum)(?=[\s:]|$))\D{{0,12}}(?:{_NUMBER}\D{{0,6}})?", re.ASCII
)
_SUM_STARTS = "合总總TtSsＴｔＳｓ"  # looked at first: every serial passes here


def _is_sum(serial: str, cells: list[str]) -> bool:
    """Whether the row says how many there are. With a serial it is a unit, whatever a note in it says."""
    if serial:
        return serial[0] in _SUM_STARTS and _SUM.fullmatch(_plain(serial)) is not None
    return any(_SUM.fullmatch(_plain(cell)) for cell in cells)


def _numbers(cells: list[str]) -> list[int]:
    """The whole numbers in a sum row: the count of cartons may stand beside that of units."""
    plain = [_plain(cell) for cell in cells]
    found = [_SUM.fullmatch(cell) or _COUNT.fullmatch(cell) for cell in plain]
    numbers = [one["number"] for one in found if one and one["number"]]
    return [int(re.sub(r"\D", "", number)) for number in numbers]


def _plain(cell: str) -> str:
    return unicodedata.normalize("NFKC", as_printed(cell)).casefold()
