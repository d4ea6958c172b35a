"""The ranges put together: what crosses their borders, the tree above them, and how it all ends."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from ledger.audit.entries import Borders, name_prev, name_time
from ledger.audit.finding import Findings
from ledger.audit.links import LinkSum, wrong_links
from ledger.audit.ranges import RANGE_ENTRIES, RangeReport
from ledger.audit.references import MapStep
from ledger.audit.rows import fetch, read_notes, read_tiles
from ledger.audit.tree import RangeTree
from ledger.journal.events import FIRST_MAP_ROOT
from ledger.log import store
from ledger.log.entry import NO_PREVIOUS
from ledger.log.guard import Guarded
from ledger.log.merkle import fold
from ledger.log.tiles import Edge

LOG_TABLES = tuple(store.LOG.tables)
_LEVELS_OF_A_RANGE = 2  # tiles of levels 0 and 1 belong to a range; above, ranges are the leaves
_FIRST_MAP = MapStep(0, 0, FIRST_MAP_ROOT, 1, None)


class Joining:
    """Takes the reports of the ranges in order."""

    def __init__(self, connection: Connection, findings: Findings, links_key: str) -> None:
        self._connection = connection
        self._findings = findings
        self._borders = Borders(last_leaves=(NO_PREVIOUS.hex(),))
        self._map = _FIRST_MAP
        self._links = LinkSum(links_key)
        self._links_are_right = True
        self._edge = Edge.empty()

    def take(self, report: RangeReport) -> None:
        """Join the next range."""
        self._findings.take(report.findings)
        self._join_borders(report)
        for step in report.map_steps:
            self._join_map(step)
        for sealed in report.sealed:
            root = fold((*self._edge.peaks, sealed.right))
            if root != sealed.claimed:
                self._name_root(sealed.size, sealed.claimed, root)
        self._links.total += report.links_total
        self._links_are_right = self._links_are_right and report.links_are_right
        if report.end - report.start == RANGE_ENTRIES:
            self._join_root(report.root)

    def _join_borders(self, report: RangeReport) -> None:
        before, after = self._borders, report.borders
        if before.last_leaves and after.first_prev and after.first_prev not in before.last_leaves:
            name_prev(self._findings, report.start, after.first_prev, before.last_leaves[0])
        if after.first_at < before.last_at and not after.first_may_step_back:
            name_time(self._findings, report.start, after.first_at, before.last_at)
        self._borders = after

    def _join_map(self, step: MapStep) -> None:
        if step.previous is None and not step.same_map(self._map):
            problem = (
                f"states the status map of version {step.version}, and version {self._map.version} stood"
            )
            self._findings.add("status", "log_entries", step.index, "data.map", problem)
        elif step.previous is not None:
            if step.previous != self._map.version:
                problem = f"changes version {step.previous} of the status map, and {self._map.version} stood"
                self._findings.add("status", "log_entries", step.index, "data.map.previous", problem)
            self._map = step

    def _join_root(self, root: bytes) -> None:
        self._edge, full = self._edge.extend([root])
        for made in full:
            level = made.level + _LEVELS_OF_A_RANGE
            stored = read_tiles(self._connection, level, made.number, made.number + 1).get(made.number)
            RangeTree(0, self._findings).compare_above(made, made.number, level, stored)

    def _name_root(self, size: int, claimed: bytes, root: bytes) -> None:
        problem = "names another root than the entries have"
        self._findings.add(
            "root_differs", "log_checkpoints", size, "note", problem, stands=claimed.hex(), should=root.hex()
        )

    def check_links(self, scratch: Connection) -> None:
        """Compare the links of all entries with the heads, and name the wrong ones if they do not agree."""
        are_heads_right = True
        for heads in _heads(self._connection):
            # Latin-1 reads any byte: a subject that is not ASCII agrees with no entry.
            right = [(subject.decode("latin-1"), last) for is_head, subject, last in heads if is_head]
            are_heads_right = are_heads_right and len(right) == len(heads)
            self._links.take_heads(right)
        if self._links_are_right and are_heads_right and self._links.is_zero():
            return
        found = False
        for wrong in wrong_links(self._connection, scratch):
            found = True
            problem = f"{wrong.subject} points at {_shown(wrong.stands)}, not at {_shown(wrong.should)}"
            self._findings.add("link", "log_entries", wrong.index, "subjects", problem)
        if not found and self._links_are_right and not self._findings.are_about(*LOG_TABLES, "guard"):
            problem = "is not the last entry about each subject; audit --derived names the rows"
            self._findings.add("heads", "subject_heads", "", "last", problem)


def _heads(connection: Connection) -> Iterator[Sequence[Any]]:
    """(whether they are text and an integer, subject as bytes, last) of every head, a thousand at a time."""
    sql = (
        "SELECT typeof(subject) = 'text' AND typeof(last) = 'integer', CAST(subject AS BLOB), last "
        "FROM subject_heads NOT INDEXED"
    )
    cursor = connection.exec_driver_sql(sql).cursor
    assert cursor is not None
    while rows := cursor.fetchmany(1_000):
        yield rows


def _shown(index: int | None) -> str:
    return "no entry" if index is None else f"entry {index}"


def check_ends(connection: Connection, size: int, findings: Findings) -> None:
    """Name rows outside the tree of `size` entries, and an end that no checkpoint covers."""
    for (position,) in fetch(connection, "SELECT position FROM log_entries WHERE position < 0"):
        findings.add("entry_extra", "log_entries", position, "", "stands before the first entry")
    outside = "SELECT size FROM log_checkpoints WHERE size <= 0 OR size > ?"
    for (number,) in fetch(connection, outside, size):
        problem = f"the log has only {size} entries: its end is missing"
        findings.add("checkpoint_extra", "log_checkpoints", number, "size", problem)
    newest = fetch(connection, "SELECT coalesce(max(size), 0) FROM log_checkpoints")[0][0]
    if newest < size:
        row = f"{newest}-{size - 1}"
        findings.add("unsealed", "log_entries", row, "", "stands under no checkpoint", count=size - newest)


def check_extra_tiles(connection: Connection, size: int, findings: Findings) -> None:
    """Name stored tiles that the tree of `size` entries does not have."""
    sql = "SELECT level, number FROM log_tiles WHERE NOT (typeof(level) = 'integer' AND typeof(number) = 'integer'"
    rows: list[tuple[object, ...]] = fetch(connection, sql + ")")
    for (level,) in fetch(connection, "SELECT DISTINCT level FROM log_tiles WHERE typeof(level) = 'integer'"):
        full = size >> 8 * (level + 1) if 0 <= level < 8 else 0
        outside = "SELECT level, number FROM log_tiles WHERE level = ? AND (number < 0 OR number >= ?)"
        rows += fetch(connection, outside, level, full)
    for level, number in rows:
        findings.add("tile_extra", "log_tiles", f"{level}/{number}", "", f"no full tile of {size} entries")


def guard_problem(connection: Connection, guarded: Guarded) -> str:
    """What speaks against the database continuing what the guard holds; empty where nothing does."""
    sizes = fetch(connection, "SELECT count(*), coalesce(max(size), 0) FROM log_checkpoints")
    count, newest = sizes[0]
    if guarded.note is None:
        return "holds nothing, and checkpoints were published" if count > 1 else ""
    if guarded.size > newest:
        return f"holds a checkpoint of {guarded.size} entries: the database is older, or was cut"
    if dict(read_notes(connection, guarded.size - 1, guarded.size)).get(guarded.size) != guarded.note:
        return f"holds another checkpoint of {guarded.size} entries than the database"
    return ""
