"""Reading an exported log and believing nothing: a bundle at a time, each with all that follows from it.

    place = Place(Edge.empty(), keyring)
    for step in walk(directory, place, size, directory.notes(), follow):
        step.bodies, step.leaves, step.tiles, step.notes      checked against each other
        place = step.after

What was computed is compared with the tiles, every checkpoint's root with the tree at its size, and its signatures
with the keys that the log itself names. `check_notes` demands that the checkpoints are complete up to the last.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ledger.errors import LedgerError
from ledger.log.checkpoint import Checkpoint
from ledger.log.keyring import Keyring
from ledger.log.layout import CHECKPOINTS, ENTRIES, TILES, Directory, FileDiffers, StoredNote
from ledger.log.merkle import HASH_BYTES, InvalidProof, leaf_hash, prove_consistency, verify_consistency
from ledger.log.note import split_note
from ledger.log.signatures import CheckSignatures, check_here
from ledger.log.tiles import TILE_WIDTH, Edge, FullTile, Tile, TileHashes, path

FollowKeys = Callable[[Keyring | None, int, Sequence[bytes]], Keyring | None]
"""Gives the keyring after the entries from an index on. Raises LedgerError for a change of keys that cannot be."""


def same_keys(keyring: Keyring | None, _start: int, _bodies: Sequence[bytes]) -> Keyring | None:
    """For a log that is known to have one key alone."""
    return keyring


@dataclass(frozen=True, slots=True)
class Place:
    """How far a log was read, and all that the rest is checked against."""

    edge: Edge
    keyring: Keyring | None  # None before the first entry, which names the first key


@dataclass(frozen=True, slots=True)
class Step:
    """The entries of one bundle from `start` on, checked; `tiles` became full, `notes` were signed among them."""

    start: int
    bodies: Sequence[bytes]
    leaves: Sequence[bytes]
    tiles: Sequence[FullTile]
    notes: Sequence[StoredNote]
    after: Place


def walk(
    directory: Directory,
    place: Place,
    end: int,
    notes: Iterable[StoredNote],
    follow: FollowKeys,
    check_signatures: CheckSignatures = check_here,
) -> Iterator[Step]:
    """The entries from `place` to before `end`. `notes` are the checkpoints of sizes in between, `end` included.

    Raises FileDiffers naming the first file that differs.
    """
    waiting = _Waiting(iter(notes))
    while place.edge.size < end:
        start = place.edge.size
        number, done = divmod(start, TILE_WIDTH)
        width = min(TILE_WIDTH, end - number * TILE_WIDTH)
        bodies = directory.read_entries(number, width)[done:]
        leaves = [leaf_hash(body) for body in bodies]
        before = place.edge.partials[0] if done else b""
        # First of all, so that a changed entry is named by its tile, and not by the checkpoint that it spoils.
        compare_tile(directory, Tile(0, number, width), before + b"".join(leaves))
        step = _step(place, bodies, leaves, waiting.up_to(start + len(bodies)), follow)
        _check_keys(step, check_signatures)
        for made in step.tiles:
            if made.level:
                compare_tile(directory, Tile(made.level, made.number, TILE_WIDTH), made.hashes)
        yield step
        place = step.after
    surplus = next(waiting.rest, None) if waiting.next is None else waiting.next
    if surplus is not None:
        raise FileDiffers(file=CHECKPOINTS, problem=f"has a checkpoint of size {surplus.size}, past the end")


def compare_edge(directory: Directory, edge: Edge) -> None:
    """Compare the partial tiles of every level. Raises FileDiffers."""
    for level, hashes in enumerate(edge.partials):
        if hashes:
            number = (edge.size >> 8 * level) // TILE_WIDTH
            compare_tile(directory, Tile(level, number, len(hashes) // HASH_BYTES), hashes)


def compare_tile(directory: Directory, tile: Tile, hashes: bytes) -> None:
    """Compare a tile with the hashes computed from the entries. Raises FileDiffers."""
    if directory.read_tile(tile) != hashes:
        raise FileDiffers(file=f"{TILES}/{path(tile)}", problem="holds other hashes than the entries have")


def begins_with(directory: Directory, end: int, edge: Edge, early: Checkpoint) -> bool:
    """Whether the tree that was read up to `edge` begins with `early`, of no more entries. The export has `end`.

    The hashes come from the export's tiles, and are held against the root that was computed: so it can be asked
    also of entries that this walk did not read. Raises FileDiffers for a tile that cannot be read.
    """
    if early.size == 0:
        return early.root == Edge.empty().root()
    hashes = TileHashes(directory.read_tile, end)
    try:
        proof = prove_consistency(early.size, edge.size, hashes)
        verify_consistency(early.size, early.root, edge.size, edge.root(), proof)
    except InvalidProof:
        return False
    return True


@dataclass(slots=True)
class _Waiting:
    """Checkpoints in order, of which one more was read than was asked for."""

    rest: Iterator[StoredNote]
    next: StoredNote | None = None

    def up_to(self, size: int) -> list[StoredNote]:
        """Those of this size and smaller that were not given yet."""
        taken = []
        while (one := self.next or next(self.rest, None)) is not None:
            self.next = one
            if one.size > size:
                break
            taken.append(one)
            self.next = None
        return taken


def _step(
    place: Place,
    bodies: Sequence[bytes],
    leaves: Sequence[bytes],
    notes: Sequence[StoredNote],
    follow: FollowKeys,
) -> Step:
    """Append the leaves to the tree, and look at each checkpoint where the tree has its size."""
    start = place.edge.size
    keyring = _followed(follow, place.keyring, start, bodies)
    edge, tiles = place.edge, []
    for stored in notes:
        edge, full = edge.extend(leaves[edge.size - start : stored.size - start])
        tiles += full
        _check_root(stored, edge)
    edge, full = edge.extend(leaves[edge.size - start :])
    after = replace(place, edge=edge, keyring=keyring)
    return Step(start, bodies, leaves, [*tiles, *full], notes, after)


def _followed(
    follow: FollowKeys, keyring: Keyring | None, start: int, bodies: Sequence[bytes]
) -> Keyring | None:
    try:
        return follow(keyring, start, bodies)
    except FileDiffers:
        raise
    except LedgerError as error:
        problem = f"from entry {start} on changes the keys as they cannot change: {error}"
        raise FileDiffers(file=ENTRIES, problem=problem) from error


def _check_keys(step: Step, check_signatures: CheckSignatures) -> None:
    if step.notes and step.after.keyring is None:
        raise FileDiffers(file=CHECKPOINTS, problem="begins before the entry that opens the log")
    if step.notes and step.after.keyring is not None:
        # This keyring may know entries behind the first of these checkpoints: it answers by size.
        check_signatures(step.after.keyring, step.notes)


def _check_root(stored: StoredNote, edge: Edge) -> None:
    checkpoint = Checkpoint.parse(split_note(stored.note)[0])
    if checkpoint.size != edge.size or checkpoint.root != edge.root():
        raise FileDiffers(
            file=CHECKPOINTS, problem=f"names another root at size {stored.size} than the entries have"
        )
