"""The ranges put together: what crosses their borders, the tree above them, and how it all ends."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from ledger.audit.entries import Borders, name_prev, name_time
from ledger.audit.finding import Findings
from ledger.audit.heads import HeadsReport
from ledger.audit.links import MODULUS, wrong_links
from ledger.audit.notes import Folding, problem_of, to_text
from ledger.audit.prefix import root_at
from ledger.audit.ranges import RANGE_ENTRIES, RangeReport
from ledger.audit.references import MapStep
from ledger.audit.rows import fetch, read_notes, read_tiles, stream
from ledger.audit.tree import RangeTree
from ledger.journal.events import FIRST_MAP_ROOT, LogOpened
from ledger.journal.key_events import LogSucceeded, keyring_after, last_known
from ledger.journal.registry import Event
from ledger.log import store
from ledger.log.entry import NO_PREVIOUS
from ledger.log.guard import Guarded
from ledger.log.keyring import KeyChangeRefused, Keyring
from ledger.log.merkle import fold
from ledger.log.tiles import Edge

LOG_TABLES = tuple(store.LOG.tables)
_LEVELS_OF_A_RANGE = 2  # tiles of levels 0 and 1 belong to a range; above, ranges are the leaves
_FIRST_MAP = MapStep(0, 0, FIRST_MAP_ROOT, 1, None)
_FIRST_BORDERS = Borders(last_leaves=(NO_PREVIOUS.hex(),))


class Joining:
    """Takes the reports of the ranges in order."""

    def __init__(self, connection: Connection, findings: Findings, keyring: Keyring) -> None:
        self.keyring = keyring  # as the entries taken so far make it
        self._connection = connection
        self._findings = findings
        self._borders = _FIRST_BORDERS
        self._map: MapStep | None = _FIRST_MAP
        self._links_total = 0
        self._links_are_right = True
        self._edge = Edge.empty()

    def begin_at(self, borders: Borders) -> None:
        """The entries are read from here on only; what stood before is known by its tiles."""
        self._borders, self._map = borders, None

    def take(self, report: RangeReport) -> None:
        """Join the next range."""
        self._findings.take(report.findings)
        if report.has_entries:
            self._join_borders(report)
            self._join_notes(report)
        for step in report.map_steps:
            self._join_map(step)
        self._links_total += report.links_total
        self._links_are_right = self._links_are_right and report.links_are_right
        if report.end - report.start == RANGE_ENTRIES:
            self._join_root(report.root)

    def take_heads(self, report: HeadsReport) -> None:
        """Take the heads of one part; with the last of them a right log comes to zero."""
        self._links_total += report.total
        self._links_are_right = self._links_are_right and report.are_right

    def _join_notes(self, report: RangeReport) -> None:
        """Follow the keys, and name checkpoints that are not signed as their size asks or have another root."""
        keys_were_known = report.keys == to_text(self.keyring)
        for index, event in report.key_changes:
            self._change_keys(index, event)
        wrong = report.wrong_notes if keys_were_known else self._look_again(report)
        for size, problem in wrong.items():
            self._findings.add("bad_checkpoint", "log_checkpoints", size, "note", problem)
        for sealed in report.sealed:
            root = fold((*self._edge.peaks, sealed.right))
            if root != sealed.claimed and sealed.size not in wrong:
                self._name_root(sealed.size, sealed.claimed, root)

    def _change_keys(self, index: int, event: Event) -> None:
        if isinstance(event, LogOpened):
            return  # the first is where the keyring began; a second one is named as such
        try:
            self.keyring = keyring_after(self.keyring, index, event) or self.keyring
        except KeyChangeRefused as error:
            self._findings.add("key_change", "log_entries", index, "data", str(error))
            return
        if isinstance(event, LogSucceeded):
            self._compare_last_known(index, event)

    def _compare_last_known(self, index: int, event: LogSucceeded) -> None:
        """The last checkpoint known of the former origin begins this tree, where its entries were all kept."""
        known = last_known(event)
        root = root_at(self._connection, known.size) if known else None
        # Where the tiles do not make a root, they are named.
        if known is not None and root is not None and root != known.root:
            problem = "is not the root that the entries have at the size of the last checkpoint known"
            self._findings.add(
                "last_known",
                "log_entries",
                index,
                "data.last.root",
                problem,
                stands=known.root.hex(),
                should=root.hex(),
            )

    def _look_again(self, report: RangeReport) -> dict[int, str]:
        """What is wrong with the checkpoints of a range that was checked before a change of keys was known."""
        keys = Folding(self.keyring)
        notes = read_notes(self._connection, report.start, report.end)
        problems = {size: problem_of(note, size, keys.keyring) for size, note in notes}
        return {size: problem for size, problem in problems.items() if problem}

    def _join_borders(self, report: RangeReport) -> None:
        before, after = self._borders, report.borders
        if before.last_leaves and after.first_prev and after.first_prev not in before.last_leaves:
            name_prev(self._findings, report.start, after.first_prev, before.last_leaves[0])
        if after.first_at < before.last_at and not after.first_may_step_back:
            name_time(self._findings, report.start, after.first_at, before.last_at)
        self._borders = after

    def _join_map(self, step: MapStep) -> None:
        if self._map is None:  # what stood before the first step is not known
            self._map = step
        elif step.previous is None and not step.same_map(self._map):
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
        """Name the wrong links, if all links and heads together do not come to zero."""
        if self._links_are_right and self._links_total % MODULUS == 0:
            return
        found = False
        for wrong in wrong_links(self._connection, scratch):
            found = True
            problem = f"{wrong.subject} points at {_shown(wrong.stands)}, not at {_shown(wrong.should)}"
            self._findings.add("link", "log_entries", wrong.index, "subjects", problem)
        if not found and not self._findings.are_about(*LOG_TABLES, "guard"):
            problem = "is not the last entry about each subject; audit --derived names the rows"
            self._findings.add("heads", "subject_heads", "", "last", problem)


def _shown(index: int | None) -> str:
    return "no entry" if index is None else f"entry {index}"


def check_ends(connection: Connection, size: int, findings: Findings) -> None:
    """Name rows outside the tree of `size` entries, and an end that no checkpoint covers."""
    outside = "SELECT position FROM log_entries WHERE position < 0 OR position >= ?"
    for (position,) in _streamed(connection, outside, size):
        where = "before the first entry" if position < 0 else "far behind the last entry"
        findings.add("entry_extra", "log_entries", position, "", f"stands {where}")
    outside = "SELECT size FROM log_checkpoints WHERE size <= 0 OR size > ?"
    for (number,) in _streamed(connection, outside, size):
        problem = f"the log has only {size} entries: its end is missing"
        findings.add("checkpoint_extra", "log_checkpoints", number, "size", problem)
    newest = fetch(connection, "SELECT coalesce(max(size), 0) FROM log_checkpoints")[0][0]
    if newest < size:
        row = f"{newest}-{size - 1}"
        findings.add("unsealed", "log_entries", row, "", "stands under no checkpoint", count=size - newest)


def check_extra_tiles(connection: Connection, size: int, findings: Findings) -> None:
    """Name stored tiles that the tree of `size` entries does not have."""
    for level, number in _streamed(connection, "SELECT level, number FROM log_tiles"):
        if not _is_full_tile(level, number, size):
            row = f"{level}/{number}"
            findings.add("tile_extra", "log_tiles", row, "", f"no full tile of {size} entries")


def _is_full_tile(level: object, number: object, size: int) -> bool:
    if type(level) is not int or type(number) is not int or not 0 <= level < 8:
        return False
    return 0 <= number < size >> 8 * (level + 1)


def _streamed(connection: Connection, sql: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
    """Rows one by one: whoever puts rows there may put millions."""
    for rows in stream(connection, sql, *parameters):
        yield from rows


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
