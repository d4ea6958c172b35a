"""The table of heads, a part at a time: the last entry about each subject, as the sum of links needs it.

A log about a million things has a million heads: several processes read them, each a stretch of the table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ledger.audit.links import MODULUS, LinkSum
from ledger.audit.rows import DRIVER_ERRORS, fetch, is_sqlite, recover, stream

PART_ROWS = 131_072
_SQLITE = "SELECT subject, last FROM subject_heads NOT INDEXED WHERE rowid >= ? AND rowid < ? AND last >= ?"
_POSTGRESQL = "SELECT subject, last FROM subject_heads WHERE last >= ?"
_BOUNDS = "SELECT min(rowid), max(rowid) FROM subject_heads NOT INDEXED"


@dataclass(frozen=True, slots=True)
class HeadsReport:
    """The sum over a part of the heads, below 2**256, and whether all of them are text with an integer."""

    total: int
    are_right: bool


def parts_of_heads(connection: Connection) -> list[tuple[int, int]]:
    """Stretches of row numbers that cover the table. PostgreSQL's rows have none: there it is one part."""
    if not is_sqlite(connection):
        return [(0, 0)]
    least, most = fetch(connection, _BOUNDS)[0]
    if least is None:
        return []
    return [(start, start + PART_ROWS) for start in range(least, most + 1, PART_ROWS)]


def sum_heads(connection: Connection, key: str, first: int, start: int, end: int) -> HeadsReport:
    """The sum under `key` over the heads of one part that are not before entry `first`."""
    links = LinkSum(key)
    are_right = True
    try:
        for rows in _rows(connection, first, start, end):
            right = [row for row in rows if type(row[0]) is str and type(row[1]) is int]
            are_right = are_right and len(right) == len(rows)
            links.take_heads(right)
    except DRIVER_ERRORS:  # a page is damaged, or text is no UTF-8: --derived names it
        recover(connection)
        are_right = False
    return HeadsReport(links.total % MODULUS, are_right)


def _rows(connection: Connection, first: int, start: int, end: int) -> Iterator[Sequence[Any]]:
    if is_sqlite(connection):
        return stream(connection, _SQLITE, start, end, first)
    return stream(connection, _POSTGRESQL, first)
