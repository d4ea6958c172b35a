"""One range of the log, checked alone; what crosses its borders is reported, for `joining` to put together.

A range begins at a multiple of 65,536 entries: it is then a perfect subtree, and its tiles are its own. Ranges
are checked by several processes at once, each with a connection of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ledger.audit.entries import Borders, EntryCheck
from ledger.audit.finding import Findings
from ledger.audit.references import MapStep
from ledger.audit.rows import StoredTile, read_notes, read_tiles
from ledger.audit.tree import RangeTree
from ledger.errors import LedgerError
from ledger.files import Files
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import HASH_BYTES
from ledger.log.note import Verifier, open_note, split_note
from ledger.log.tiles import TILE_WIDTH

RANGE_ENTRIES = TILE_WIDTH**2
LINK_WINDOW_ENTRIES = 32 * TILE_WIDTH  # a subject that is met again in one costs no hash


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checkpoint: of `size` entries the root is `claimed`; `right` is the root of the range's part of them."""

    size: int
    claimed: bytes
    right: bytes


@dataclass(slots=True)
class RangeReport:
    """What one range found, and what its neighbours need."""

    start: int
    end: int
    findings: Findings
    borders: Borders
    root: bytes
    links_total: int
    links_are_right: bool
    map_steps: list[MapStep]
    sealed: list[Sealed]


@dataclass(frozen=True, slots=True)
class Scope:
    """What every range is checked against."""

    verifier: Verifier
    files: Files
    links_key: str  # short, so that key and member fit one block of SHA-256


def check_range(connection: Connection, scope: Scope, start: int, end: int) -> RangeReport:
    """Check the entries from `start`, a multiple of 65,536, to before `end`, a tile at a time.

    What a tile's entries become fits the processor's cache; a thousand at once take half as long again.
    """
    findings = Findings()
    entries = EntryCheck(start, scope.files, scope.links_key, findings)
    tree = _SealedTree(connection, RangeTree(start // TILE_WIDTH, findings), scope.verifier, findings)
    for first in range(start, end, TILE_WIDTH):
        last = min(first + TILE_WIDTH, end)
        leaves = entries.chunk(connection, first, last)
        tree.add(first, leaves, entries.closing)
        entries.closing.clear()
        if last % LINK_WINDOW_ENTRIES == 0 or last == end:
            entries.links.close_window()
    tree.compare_above(start // RANGE_ENTRIES)
    return RangeReport(
        start,
        end,
        findings,
        entries.borders,
        tree.root,
        entries.links.total,
        entries.links_are_right,
        entries.map_steps,
        tree.sealed,
    )


@dataclass(slots=True)
class _SealedTree:
    """The range's tree and the checkpoints over it."""

    connection: Connection
    tree: RangeTree
    verifier: Verifier
    findings: Findings
    sealed: list[Sealed] = field(default_factory=list)

    @property
    def root(self) -> bytes:
        return self.tree.edge.root()

    def add(self, start: int, leaves: Sequence[bytes | None], closing: set[int]) -> None:
        """Append the leaves of one tile, and note the root at every checkpoint among them."""
        claimed = dict(self._checkpoints(start, leaves, closing))
        number = start // TILE_WIDTH
        stored = read_tiles(self.connection, 0, number, (start + len(leaves)) // TILE_WIDTH).get(number)
        base = self.tree.first_tile * TILE_WIDTH
        for cut, right in self.tree.add(_filled(leaves, stored), [size - base for size in claimed], stored):
            self.sealed.append(Sealed(base + cut, claimed[base + cut], right))

    def compare_above(self, first: int) -> None:
        """Compare the tiles of level 1 that the range filled, the first one of number `first`."""
        made = self.tree.above
        stored = read_tiles(self.connection, 1, first, first + len(made))
        for number, tile in enumerate(made, first):
            self.tree.compare_above(tile, number, 1, stored.get(number))

    def _checkpoints(
        self, start: int, leaves: Sequence[bytes | None], closing: set[int]
    ) -> Iterator[tuple[int, bytes]]:
        """(size, root claimed) of the checkpoints among the chunk; names what is wrong with the others."""
        left = set(closing)
        for size, note in read_notes(self.connection, start, start + len(leaves)):
            if size - 1 not in closing and leaves[size - 1 - start] is not None:
                problem = f"entry {size - 1}, the last one under it, does not state the status map"
                self.findings.add("last_leaf", "log_checkpoints", size, "size", problem)
            left.discard(size - 1)
            problem = problem_of(note, size, self.verifier)
            if problem or note is None:
                self.findings.add("bad_checkpoint", "log_checkpoints", size, "note", problem)
            else:
                yield size, Checkpoint.parse(split_note(note)[0]).root
        for index in sorted(left):
            problem = f"the checkpoint that entry {index} closes is missing"
            self.findings.add("checkpoint_missing", "log_checkpoints", index + 1, "", problem)


def problem_of(note: str | None, size: int, verifier: Verifier) -> str:
    """What is wrong with a stored checkpoint, its root left aside; empty where nothing is."""
    if note is None:
        return "is no text"
    try:
        opened = open_note(note, [verifier])
        checkpoint = Checkpoint.parse(opened.text)
    except LedgerError as error:
        return str(error)
    if checkpoint.origin != verifier.name:
        return f"is of the log {checkpoint.origin}"
    if checkpoint.size != size:
        return f"speaks of {checkpoint.size} entries"
    return "has a signature of an unknown key" if opened.ignored or len(opened.verified) > 1 else ""


def _filled(leaves: Sequence[bytes | None], stored: StoredTile | None) -> list[bytes]:
    """The leaves of a tile; a missing one as the stored tile has it, so that all others can be checked."""
    hashes = stored.hashes if stored else b""
    return [
        leaf or hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES].ljust(HASH_BYTES, b"\0")
        for place, leaf in enumerate(leaves)
    ]
