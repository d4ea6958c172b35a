"""The entries of one range, each checked by itself and against the one before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ledger.audit.finding import Findings
from ledger.audit.links import LinkSum
from ledger.audit.quick import Chunk, read_chunk
from ledger.audit.reading import BadBody, EntryReader, UnknownKind
from ledger.audit.references import FileCheck, MapStep, map_step, traits_of
from ledger.audit.rows import as_bytes, read_entries, read_entry
from ledger.files import Files
from ledger.journal.events import ClockCorrected, LogOpened, StatusStated
from ledger.journal.key_events import KeyRetired, KeyRotated, LogSucceeded
from ledger.journal.registry import Event
from ledger.log.merkle import HASH_BYTES, leaf_hash


@dataclass(slots=True)
class Borders:
    """What a run of entries must fit at both ends."""

    first_prev: str = ""  # hex; empty where the first entry cannot be read
    first_at: str = ""
    first_may_step_back: bool = False
    last_leaves: tuple[str, ...] = ()  # hex: the computed leaf, and the stored one where it differs
    last_at: str = ""


class EntryCheck:
    """A walk over the entries from `start` on; links that point before `first` are not summed."""

    def __init__(self, start: int, files: Files, links_key: str, first: int, findings: Findings) -> None:
        self.borders = Borders()
        self.links = LinkSum(links_key, first=first)
        self.links_are_right = True
        self.map_steps: list[MapStep] = []
        self.key_changes: list[tuple[int, Event]] = []
        self.closing: set[int] = set()  # entries that close a checkpoint, since it was last emptied
        self._start = start
        self._findings = findings
        self._reader = EntryReader()
        self._files = FileCheck(files, findings)

    def chunk(self, connection: Connection, start: int, end: int) -> Sequence[bytes | None]:
        """Check the next entries; gives a leaf for each, None where the entry is missing."""
        rows = read_entries(connection, start, end)
        if rows is None:  # one by one, to name the row that cannot be read
            rows = [row for at in range(start, end) for row in read_entry(connection, at, self._findings)]
        right = read_chunk(rows, start) if len(rows) == end - start else None
        return self._rows(rows, start, end) if right is None else self._take(right, start)

    def _take(self, right: Chunk, start: int) -> Sequence[bytes]:
        """Join entries that are right in themselves and among each other."""
        self._chain(start, right.prevs[0])
        self._time(start, right.ats[0], right.events[0])
        self.borders.last_at, self.borders.last_leaves = right.ats[-1], (right.leaves[-1].hex(),)
        self.links_are_right &= self.links.mention(right.subjects, start)
        for position, event in enumerate(right.events, start):
            if traits_of(type(event)).is_special:
                self._event(position, event)
        return right.leaves

    def _rows(self, rows: Sequence[tuple[Any, ...]], start: int, end: int) -> list[bytes | None]:
        """Check row by row, and name what is wrong."""
        leaves: list[bytes | None] = [None] * (end - start)
        expected = start
        for position, stored_leaf, stored_body in rows:
            if position != expected:
                self._name_missing(expected, position)
            leaf = as_bytes(self._findings, position, "leaf", stored_leaf)
            body = as_bytes(self._findings, position, "body", stored_body)
            leaves[position - start] = self._row(position, leaf, body)
            expected = position + 1
        if expected != end:
            self._name_missing(expected, end)
        return leaves

    def _row(self, position: int, leaf: bytes | None, body: bytes | None) -> bytes | None:
        if leaf is not None and len(leaf) != HASH_BYTES:
            leaf = None  # named below, and of no use in the tree
        if body is None:
            self.borders.last_leaves = (leaf.hex(),) if leaf else ()
            self.links_are_right = False
            return leaf
        hashed = leaf_hash(body)
        self._body(position, body)
        if hashed == leaf:
            self.borders.last_leaves = (hashed.hex(),)
            return leaf
        self._name_leaf(position, leaf or b"", hashed)
        self.borders.last_leaves = (hashed.hex(), (leaf or b"").hex())
        return leaf or hashed

    def _body(self, position: int, body: bytes) -> None:
        try:
            value, event = self._reader.read(body)
        except BadBody as error:
            self._name_body("bad_entry", position, f"is no entry: {error}")
            return
        except UnknownKind as error:
            self._name_body(
                "unknown_kind", position, f"is of a kind that this program does not know: {error}"
            )
            return
        self._chain(position, value["prev"])
        self._time(position, value["at"], event)
        self.links_are_right &= self.links.mention([value["subjects"]], position)
        if traits_of(type(event)).is_special:
            self._event(position, event)

    def _chain(self, position: int, prev: str) -> None:
        if position == self._start:
            self.borders.first_prev = prev
        elif self.borders.last_leaves and prev not in self.borders.last_leaves:
            name_prev(self._findings, position, prev, self.borders.last_leaves[0])

    def _time(self, position: int, at: str, event: Event) -> None:
        borders = self.borders
        if not borders.first_at:
            borders.first_at, borders.first_may_step_back = at, type(event) is ClockCorrected
        elif at < borders.last_at and type(event) is not ClockCorrected:
            name_time(self._findings, position, at, borders.last_at)
        borders.last_at = at

    def _event(self, position: int, event: Event) -> None:
        self._files.check(position, event)
        if isinstance(event, LogOpened) and position:
            self._findings.add("opened_again", "log_entries", position, "kind", "only entry 0 opens a log")
        if isinstance(event, StatusStated):
            self.closing.add(position)
        if isinstance(event, LogOpened | KeyRotated | KeyRetired | LogSucceeded):
            self.key_changes.append((position, event))
        step = map_step(position, event)
        standing = self.map_steps[-1] if self.map_steps else None
        if step is not None and (step.previous is not None or not step.same_map(standing)):
            self.map_steps.append(step)

    def _name_missing(self, first: int, end: int) -> None:
        row = str(first) if end == first + 1 else f"{first}-{end - 1}"
        self._findings.add("entry_missing", "log_entries", row, "", "is missing", count=end - first)
        self.borders.last_leaves = ()
        self.links_are_right = False

    def _name_body(self, code: str, position: int, problem: str) -> None:
        self._findings.add(code, "log_entries", position, "body", problem)
        self.links_are_right = False

    def _name_leaf(self, position: int, leaf: bytes, hashed: bytes) -> None:
        problem = "the leaf is not the hash of the body: one of them was changed"
        self._findings.add(
            "leaf_differs", "log_entries", position, "body", problem, stands=leaf.hex(), should=hashed.hex()
        )


def name_prev(findings: Findings, position: int, stands: str, should: str) -> None:
    """Note that an entry continues another one than that before it."""
    problem = "prev is not the leaf of the entry before"
    findings.add("chain", "log_entries", position, "prev", problem, stands=stands, should=should)


def name_time(findings: Findings, position: int, at: str, before: str) -> None:
    """Note that an entry is earlier than the one before it."""
    problem = f"at is {at}, earlier than {before} of the entry before"
    findings.add("time", "log_entries", position, "at", problem, stands=at, before=before)
