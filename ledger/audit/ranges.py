"""One range of the log, checked alone; what crosses its borders is reported, for `joining` to put together.

A range begins at a multiple of 65,536 entries: it is then a perfect subtree, and its tiles are its own. Ranges
are checked by several processes at once, each with a connection of its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ledger.audit.entries import Borders, EntryCheck
from ledger.audit.finding import Findings
from ledger.audit.notes import Folding, KeysText, claimed_root, problem_of, to_text
from ledger.audit.references import MapStep
from ledger.audit.rows import StoredTile, read_notes, read_tiles
from ledger.audit.tree import RangeTree
from ledger.files import Files
from ledger.journal.registry import Event
from ledger.log.keyring import Keyring
from ledger.log.merkle import HASH_BYTES
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
    root: bytes
    borders: Borders = field(default_factory=Borders)
    links_total: int = 0
    links_are_right: bool = True
    map_steps: list[MapStep] = field(default_factory=list)
    sealed: list[Sealed] = field(default_factory=list)
    key_changes: list[tuple[int, Event]] = field(default_factory=list)
    keys: KeysText = ()  # the keyring that its checkpoints were checked with, as it stood before the range
    wrong_notes: dict[int, str] = field(default_factory=dict)  # by size: what that keyring says against it
    has_entries: bool = True  # False: only the tiles were looked at


@dataclass(frozen=True, slots=True)
class Scope:
    """What every range is checked against."""

    files: Files
    links_key: str  # short, so that key and member fit one block of SHA-256
    first: int = 0  # entries before it are taken from their tiles; a multiple of 65,536


def check_range(connection: Connection, scope: Scope, keyring: Keyring, start: int, end: int) -> RangeReport:
    """Check the entries from `start`, a multiple of 65,536, to before `end`, a tile at a time.

    `keyring` is what is known of the log's keys before `start`; `joining` looks again at the checkpoints if it
    comes to know better. What a tile's entries become fits the processor's cache; a thousand at once take half
    as long again.
    """
    findings = Findings()
    entries = EntryCheck(start, scope.files, scope.links_key, scope.first, findings)
    keys = Folding(keyring)
    tree = _SealedTree(connection, RangeTree(start // TILE_WIDTH, findings), keys, findings)
    for first in range(start, end, TILE_WIDTH):
        last = min(first + TILE_WIDTH, end)
        leaves = entries.chunk(connection, first, last)
        keys.take(entries.key_changes)
        tree.add(first, leaves, entries.closing)
        entries.closing.clear()
        if last % LINK_WINDOW_ENTRIES == 0 or last == end:
            entries.links.close_window()
    tree.compare_above(start // RANGE_ENTRIES)
    return RangeReport(
        start=start,
        end=end,
        findings=findings,
        root=tree.root,
        borders=entries.borders,
        links_total=entries.links.total,
        links_are_right=entries.links_are_right,
        map_steps=entries.map_steps,
        sealed=tree.sealed,
        key_changes=entries.key_changes,
        keys=to_text(keyring),
        wrong_notes=tree.wrong_notes,
    )


@dataclass(slots=True)
class _SealedTree:
    """The range's tree and the checkpoints over it."""

    connection: Connection
    tree: RangeTree
    keys: Folding
    findings: Findings
    sealed: list[Sealed] = field(default_factory=list)
    wrong_notes: dict[int, str] = field(default_factory=dict)

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
        """(size, root claimed) of the checkpoints among the chunk that can be read; notes what is wrong with any."""
        left = set(closing)
        for size, note in read_notes(self.connection, start, start + len(leaves)):
            if size - 1 not in closing and leaves[size - 1 - start] is not None:
                problem = f"entry {size - 1}, the last one under it, does not state the status map"
                self.findings.add("last_leaf", "log_checkpoints", size, "size", problem)
            left.discard(size - 1)
            problem = problem_of(note, size, self.keys.keyring)
            if problem:
                self.wrong_notes[size] = problem
            root = claimed_root(note, size)
            if root is not None:
                yield size, root
        for index in sorted(left):
            problem = f"the checkpoint that entry {index} closes is missing"
            self.findings.add("checkpoint_missing", "log_checkpoints", index + 1, "", problem)


def _filled(leaves: Sequence[bytes | None], stored: StoredTile | None) -> list[bytes]:
    """The leaves of a tile; a missing one as the stored tile has it, so that all others can be checked."""
    hashes = stored.hashes if stored else b""
    return [
        leaf or hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES].ljust(HASH_BYTES, b"\0")
        for place, leaf in enumerate(leaves)
    ]
