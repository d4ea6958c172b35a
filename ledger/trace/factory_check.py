"""What is wrong with the units that a factory's file names: nothing here reads a file.

A file shows its own rule: where nine serials in ten have one length and one kind of characters, the others
are doubtful. So what a spreadsheet has done to a column of numbers is seen without being told what to expect:

>>> rows = [SerialRow(line, f"{line:012}", "25W21-A1", None, None) for line in range(2, 32)]
>>> rows.append(SerialRow(32, "33", "25W2I-A1", None, None))
>>> for problem in check_rows(rows, known_batches={"25W21-A1"}):
...     print(problem.column, problem)
serial Zeros at the front are lost: the other serials have 12 digits. This may be 000000000033.
batch No batch has this code. Did you mean 25W21-A1?
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from ledger.identifiers import FOREIGN_CODE_LENGTH, search_key


class Reason(StrEnum):
    """Why a row cannot be taken as it stands: each an English msgid, its placeholders a problem's facts."""

    # of a serial
    MISSING = "There is no serial in this row."
    SCIENTIFIC = "A spreadsheet has rounded this serial and its digits are lost: ask for the file as text."
    ZEROS_LOST = "Zeros at the front are lost: the other serials have {usual} digits. This may be {likely}."
    OTHER_LENGTH = "This serial has {length} characters; the others have {usual}."
    OTHER_CHARACTERS = "This serial holds {odd}, which the others do not."
    REPEATED = "This serial stands in line {first_line} already."
    ALIKE = "This serial cannot be told from {first} in line {first_line}: only case or separators differ."
    # of a range of serials
    NOT_A_RANGE = (
        "This is no range: write the first and the last serial, equally long, with a hyphen between."
    )
    REVERSED_RANGE = "The last serial of this range comes before the first."
    TOO_MANY = "With this range the file names more than {limit} serials: split the file."
    # of any code
    TOO_LONG = "This has {length} characters; a code has at most {limit}."
    FORMULA = "This is a spreadsheet's formula: put the value itself into the cell."
    INVISIBLE = "There is an invisible character ({code_point}) in this cell: type the cell again."
    NOT_COMPOSED = "A letter and its accent are stored apart in this cell: type the cell again."
    # of a batch
    NO_BATCH = "There is no batch in this row."
    UNKNOWN_BATCH = "No batch has this code: record the batch first, or correct the code."
    LIKELY_BATCH = "No batch has this code. Did you mean {likely}?"
    # of a date
    DAY_NUMBER = "This is a spreadsheet's number for a day, probably {likely}: write the date in full."
    NO_DATE = "This date cannot be read: write it as year-month-day, such as 2025-06-03."
    # of a row
    SHIFTED = "This row has {cells} cells and the headings are {headings}: is a separator inside a cell?"
    SWALLOWED = "A cell runs on over whole rows: a closing quotation mark is missing."
    WRONG_SUM = "This row says {stated} and the file holds {counted} serials: one of them is wrong."
    NO_SUM = "This row is headed as a sum and gives none: write the number, or take the row out."


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the row that begins in `line` cannot be taken: `reason.format(**facts)`, which is also its `str`.

    `column` is one of COLUMNS, `row` standing for the whole of it; `value` is the cell.
    """

    line: int
    column: str
    value: str
    reason: Reason
    facts: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.reason.format(**self.facts)


@dataclass(frozen=True, slots=True)
class SerialRow:
    """One unit as the file names it; `line` counts the file's lines from 1, headings included."""

    line: int
    serial: str
    batch: str
    made: date | None
    carton: str | None


COLUMNS = ("row", "serial", "range", "batch", "made", "carton")


# A reason and its facts; None where nothing is wrong.
Verdict = tuple[Reason, Mapping[str, object]] | None


def check_rows(
    rows: Sequence[SerialRow], *, known_batches: Collection[str] | None = None
) -> Iterator[Problem]:
    """The problems of serials, batches and cartons; a line's first of each kind, so a range has one.

    `known_batches` None: any batch may be named.
    """
    kept: dict[tuple[int, str, Reason], Problem] = {}
    for problems in (_of_serials(rows), _repeats(rows), _of_codes(rows, known_batches)):
        for problem in problems:
            kept.setdefault((problem.line, problem.column, problem.reason), problem)
    yield from kept.values()


# --- codes: what could not be recorded unchanged (identifiers.check_foreign_code), said cell by cell


def _code_verdict(text: str) -> Verdict:
    if text.startswith("="):
        return Reason.FORMULA, {}
    if len(text) > FOREIGN_CODE_LENGTH:
        return Reason.TOO_LONG, {"length": len(text), "limit": FOREIGN_CODE_LENGTH}
    return _print_verdict(text)


def _print_verdict(text: str) -> Verdict:
    if not text.isprintable():
        hidden = next(character for character in text if not character.isprintable())
        return Reason.INVISIBLE, {"code_point": f"U+{ord(hidden):04X}"}
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        return Reason.NOT_COMPOSED, {}
    return None


# --- serials and the rule they show

RULE_SHARE = 0.9
# One digit before the point and a sign after the E: how a spreadsheet writes it, and hardly a serial.
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?[Ee][+-]\d{1,3}", re.ASCII)
_DIGIT, _CAPITAL, _SMALL = "0", "A", "a"
_KINDS = {
    **dict.fromkeys(range(ord("0"), ord("9") + 1), _DIGIT),
    **dict.fromkeys(range(ord("A"), ord("Z") + 1), _CAPITAL),
    **dict.fromkeys(range(ord("a"), ord("z") + 1), _SMALL),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """How a file's serials look: their length, and the kinds of characters they are made of.

    A kind is `0` for digits, `A` for capitals, `a` for small letters; any other character is its own kind.
    """

    length: int
    kinds: frozenset[str]

    def covers(self, other: "Rule") -> bool:
        """A random serial may happen to have no letter: fewer kinds are no reason for doubt."""
        return self.length == other.length and other.kinds <= self.kinds


def shape_of(serial: str) -> Rule:
    """The narrowest rule that this one serial follows."""
    return Rule(len(serial), frozenset(serial.translate(_KINDS)))


def learn_rule(serials: Iterable[str]) -> Rule | None:
    """The commonest shape, if it covers nine in ten of the serials that can be read; else None."""
    counts = Counter((len(text), frozenset(text.translate(_KINDS))) for text in serials if _is_readable(text))
    shapes = Counter({Rule(*shape): count for shape, count in counts.items()})
    if not shapes:
        return None
    rule = shapes.most_common(1)[0][0]
    covered = sum(count for shape, count in shapes.items() if rule.covers(shape))
    return rule if covered >= RULE_SHARE * shapes.total() else None


def _is_readable(serial: str) -> bool:
    return bool(serial) and _SCIENTIFIC.fullmatch(serial) is None


def _of_serials(rows: Sequence[SerialRow]) -> Iterator[Problem]:
    rule = learn_rule(row.serial for row in rows)
    for row in rows:
        verdict = _serial_verdict(row.serial, rule)
        if verdict:
            yield Problem(row.line, "serial", row.serial, *verdict)


def _serial_verdict(serial: str, rule: Rule | None) -> Verdict:
    if not serial.strip("-"):  # a dash for "none" has no key to be found by
        return Reason.MISSING, {}
    if _SCIENTIFIC.fullmatch(serial):
        return Reason.SCIENTIFIC, {}
    return _code_verdict(serial) or _shape_verdict(serial, rule)


def _shape_verdict(serial: str, rule: Rule | None) -> Verdict:
    if rule is None:
        return None
    if not rule.kinds.issuperset(serial.translate(_KINDS)):
        odd = sorted({character for character in serial if character.translate(_KINDS) not in rule.kinds})
        return Reason.OTHER_CHARACTERS, {"odd": " ".join(odd)}
    if len(serial) == rule.length:
        return None
    # A number that a spreadsheet has read never begins with a zero.
    if rule.kinds == {_DIGIT} and len(serial) < rule.length and serial[0] != "0":
        return Reason.ZEROS_LOST, {"usual": rule.length, "likely": serial.zfill(rule.length)}
    return Reason.OTHER_LENGTH, {"length": len(serial), "usual": rule.length}


def _repeats(rows: Sequence[SerialRow]) -> Iterator[Problem]:
    """Serials that would be found under one key. What has been rounded is no number to compare."""
    first: dict[str, SerialRow] = {}
    for row in rows:
        key = search_key(row.serial)
        earlier = first.setdefault(key, row)
        if earlier is not row and key and _is_readable(row.serial):
            facts = {"first": earlier.serial, "first_line": earlier.line}
            reason = Reason.REPEATED if earlier.serial == row.serial else Reason.ALIKE
            yield Problem(row.line, "serial", row.serial, reason, facts)


# --- batches and cartons

_LOOK_ALIKES = str.maketrans("OQILSZB", "0011528")


def _of_codes(rows: Sequence[SerialRow], known: Collection[str] | None) -> Iterator[Problem]:
    """Many rows share a batch and a carton: each text is judged once."""
    likely = {} if known is None else {_skeleton(code): code for code in known}
    batches: dict[str, Verdict] = {}
    cartons: dict[str, Verdict] = {}
    for row in rows:
        if row.batch not in batches:
            batches[row.batch] = _batch_verdict(row.batch, known, likely)
        if verdict := batches[row.batch]:
            yield Problem(row.line, "batch", row.batch, *verdict)
        carton = row.carton or ""
        if carton not in cartons:
            cartons[carton] = _print_verdict(carton)
        if verdict := cartons[carton]:
            yield Problem(row.line, "carton", carton, *verdict)


def _batch_verdict(batch: str, known: Collection[str] | None, likely: Mapping[str, str]) -> Verdict:
    if not batch:
        return Reason.NO_BATCH, {}
    verdict = _code_verdict(batch)
    if verdict or known is None or batch in known:
        return verdict
    candidate = likely.get(_skeleton(batch))
    return (Reason.LIKELY_BATCH, {"likely": candidate}) if candidate else (Reason.UNKNOWN_BATCH, {})


def _skeleton(code: str) -> str:
    """The same for codes that differ only by case, separators or characters that look alike."""
    return search_key(code).translate(_LOOK_ALIKES)


# --- dates

_DAYS = tuple(
    re.compile(pattern + r"(?: 0?0:00(?::00)?)?", re.ASCII)
    for pattern in (
        r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})",
        r"(?P<year>\d{4})年(?P<month>\d{1,2})月(?P<day>\d{1,2})日",
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)",
    )
)
_YEARS = range(1900, 2100)  # outside of it eight digits are some other number
_DAY_NUMBER = re.compile(r"([3-5]\d{4})(?:[.,]\d+)?", re.ASCII)  # 1982 to 2064
_DAY_ZERO = date(1899, 12, 30)  # a spreadsheet counts from here, because it holds 1900 for a leap year


def read_day(text: str) -> date | None:
    """The day written as 2025-06-03, 2025/6/3, 20250603 or 2025年6月3日, with or without a midnight.

    None for anything else: 03/06/2025 is two different days.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    found = next(filter(None, (pattern.fullmatch(plain) for pattern in _DAYS)), None)
    if found is None or int(found["year"]) not in _YEARS:
        return None
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None


def day_problem(line: int, text: str) -> Problem:
    """Why `text`, which `read_day` cannot read, is no day."""
    number = _DAY_NUMBER.fullmatch(text)
    if number is None:
        return Problem(line, "made", text, Reason.NO_DATE)
    likely = _DAY_ZERO + timedelta(days=int(number[1]))
    return Problem(line, "made", text, Reason.DAY_NUMBER, {"likely": likely.isoformat()})
