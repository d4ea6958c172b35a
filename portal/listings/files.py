"""A list as a file: every row that it is narrowed to, for a spreadsheet or a program. Heads are the columns' names.

CSV: UTF-8 with a byte order mark, RFC 4180. XLSX: codes stay text, days are days, times are in UTC.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from io import StringIO
from itertools import chain
from typing import IO

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from ledger.errors import LedgerError
from ledger.moments import format_moment
from ledger.quantities import Quantity
from portal.listings.listing import Listing, Row

Value = object  # str, int, bool, date, datetime or None
Chunks = Iterable[Sequence[Row]]
MOST_ROWS = 1_048_575  # that a sheet takes below its head (Excel specifications and limits)
# A cell that begins so is computed by a spreadsheet (OWASP, "CSV Injection"); it does so for the full-width ones too.
COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
CONSTANT = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "remove_timezone": True,
}
FORMATS = {"date": "yyyy-mm-dd", "moment": 'yyyy-mm-dd"T"hh:mm:ss"Z"'}
FIRST_YEAR = 1900  # of a sheet's calendar
WIDTH = 18  # of a column, in characters


class TooManyForASheet(LedgerError):
    """XLSX has an end."""

    message = "A sheet takes {most} rows, and here are more. Narrow the list, or take it as CSV."


def heads(listing: Listing) -> list[str]:
    """The head of a file: a quantity is two columns, its amount and its unit."""
    named = [
        [f"{one.name}_amount", f"{one.name}_unit"] if one.unit is not None else [one.name]
        for one in listing.public_columns
    ]
    return ["id", *chain.from_iterable(named), "entry"]


def values(listing: Listing, row: Row) -> list[Value]:
    """One row of a file."""
    found: list[Value] = [row["id"]]
    for one in listing.public_columns:
        value = row[one.name]
        found += [value.amount, value.unit] if isinstance(value, Quantity) else [value]
    return [*found, row["entry"]]


def csv_of(listing: Listing, chunks: Chunks) -> Iterator[bytes]:
    """The file, piece by piece: no more than one chunk of rows is in memory."""
    yield "\ufeff".encode() + _lines([heads(listing)])
    for rows in chunks:
        yield _lines([[_cell(one) for one in values(listing, row)] for row in rows])


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Value) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(COMPUTED) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return format_moment(value) if isinstance(value, datetime) else value


def write_xlsx(listing: Listing, chunks: Chunks, file: IO[bytes], *, most: int = MOST_ROWS) -> None:
    """Write the file; rows go through a temporary one, so memory does not grow with them.

    Raises TooManyForASheet.
    """
    with Workbook(file, CONSTANT) as book:
        sheet = book.add_worksheet(listing.name)
        names = heads(listing)
        sheet.set_column(0, len(names) - 1, WIDTH)
        sheet.freeze_panes(1, 0)
        sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        sheet.write_row(0, 0, names, book.add_format({"bold": True}))
        formats = {kind: book.add_format({"num_format": form}) for kind, form in FORMATS.items()}
        for number, row in enumerate(chain.from_iterable(chunks), 1):
            if number > most:
                raise TooManyForASheet(most=most)
            for place, value in enumerate(values(listing, row)):
                _write(sheet, number, place, value, formats)


def _write(sheet: Worksheet, number: int, place: int, value: Value, formats: dict[str, Format]) -> None:
    match value:
        case None | "":
            return
        case str():
            sheet.write_string(number, place, value)
        case bool():
            sheet.write_boolean(number, place, value)
        case int():
            sheet.write_number(number, place, value)
        case datetime():
            sheet.write_datetime(number, place, value.astimezone(UTC), formats["moment"])
        case date() if value.year >= FIRST_YEAR:
            sheet.write_datetime(number, place, value, formats["date"])
        case _:
            sheet.write_string(number, place, str(value))
