"""A factory's file as text: its encoding, and its rows with the lines they stand on.

A row keeps the bytes it came with: `with_column` adds a cell at the end of each and changes nothing else, so
a number that this program would have written differently goes back to the factory as the factory wrote it.
"""

import csv
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import NamedTuple

from ledger.errors import LedgerError

_BYTE_ORDER_MARKS = {"utf-8-sig": BOM_UTF8, "utf-16-le": BOM_UTF16_LE, "utf-16-be": BOM_UTF16_BE}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # xlsx and ods are ZIP files, xls is an OLE one


class UnreadableEncoding(LedgerError):
    """Bytes that are text in none of the encodings known here."""

    message = (
        "Byte {position} of this file cannot be read as text. Save it as CSV in UTF-8, GB18030, or UTF-16 with "
        "its mark."
    )


class IsWorkbook(LedgerError):
    """A spreadsheet's own file in place of text."""

    message = "This is a spreadsheet's own file. Save the sheet as CSV (UTF-8) and send that."


class BrokenRow(LedgerError):
    """Quotation marks that no reader could pair."""

    message = "The row that begins in line {line} cannot be read: its quotation marks do not pair."


class Record(NamedTuple):
    """One row: its first and its last line, counted from 1, and its cells as they are."""

    line: int
    last_line: int
    cells: list[str]


# --- bytes and lines


def decode(content: bytes) -> tuple[str, str]:
    """The codec's name and the text, without its byte order mark.

    UTF-8 comes first, because hardly any text of GB18030 is by chance valid UTF-8, and nearly all is the
    other way round.
    """
    if content.startswith(_WORKBOOKS):
        raise IsWorkbook
    marked = [name for name, mark in _BYTE_ORDER_MARKS.items() if content.startswith(mark)]
    position = 0
    for encoding in marked or ("utf-8", "gb18030"):
        try:
            return encoding, content.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            position = max(position, error.start)
    raise UnreadableEncoding(position=position)


def encode(text: str, encoding: str) -> bytes:
    """The bytes of `text`, with the byte order mark that `decode` took away."""
    mark = _BYTE_ORDER_MARKS.get(encoding, b"")
    return mark + text.encode(encoding.removesuffix("-sig"))


def physical_lines(text: str) -> list[str]:
    """The lines with their ends: CR LF, LF or CR, and not the other seven that `str.splitlines` knows."""
    return list(StringIO(text, newline=""))


def read_records(lines: Sequence[str], delimiter: str) -> Iterator[Record]:
    """The rows; a quoted cell may run over several lines. Raises BrokenRow."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield Record(line, reader.line_num, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        raise BrokenRow(line=line) from error


# --- one more column

_FORMULA_STARTS = tuple("=+-@")


def with_column(
    content: bytes, *, encoding: str, delimiter: str, heading: str, cells: Mapping[int, str]
) -> bytes:
    """The same file with one more column: `cells` by the first line of their row.

    Only ever adds at the end of a row, before its line end; what stands there stays, byte for byte. Empty
    lines stay empty. Raises BrokenRow.
    """
    lines = physical_lines(content.removeprefix(_mark(encoding)).decode(encoding.removesuffix("-sig")))
    width = 0
    for record in read_records(lines, delimiter):
        text = cells.get(record.line, "")
        if not width and any(map(str.strip, record.cells)):
            width, text = len(record.cells), heading
        last = record.last_line - 1
        body = lines[last].rstrip("\r\n")
        lines[last] = body + _added(record.cells, text, width, delimiter) + lines[last][len(body) :]
    return encode("".join(lines), encoding)


def _mark(encoding: str) -> bytes:
    return _BYTE_ORDER_MARKS.get(encoding, b"")


def _added(cells: Sequence[str], text: str, width: int, delimiter: str) -> str:
    """What brings `text` under the heading that stands after `width` others."""
    if not (width and cells):
        return ""
    missing = width - len(cells)
    # A row with one delimiter too many at its end has the new cell already.
    is_open = missing == -1 and not cells[-1]
    return delimiter * (0 if is_open else max(missing, 0) + 1) + quoted(text, delimiter)


def quoted(text: str, delimiter: str) -> str:
    """`text` as one cell: on one line, quoted where needed, and never a formula to a spreadsheet."""
    text = "".join(character if character.isprintable() else " " for character in text)
    if text.startswith(_FORMULA_STARTS):
        text = "'" + text
    if delimiter in text or '"' in text:
        text = '"' + text.replace('"', '""') + '"'
    return text
