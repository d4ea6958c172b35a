"""Sealing and publishing: every published checkpoint ends with the stated status map, and is in the guard.

Seal: append `status.stated/1`, sign, check our own signature, insert the checkpoint. Publish: after the commit,
advance the guard. Only then is anything answered or served.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import orjson
from sqlalchemy import Connection

from ledger.errors import LedgerError
from ledger.journal.events import StatedMap, StatusStated
from ledger.journal.registry import KIND_OF, Recorded
from ledger.journal.transaction import Draft, compose, read_map
from ledger.log import store
from ledger.log.canonical import encode
from ledger.log.checkpoint import Checkpoint
from ledger.log.guard import Guard, Guarded, GuardMoved
from ledger.log.note import Signer, open_note, sign_note, split_note
from ledger.log.tiles import Edge
from ledger.moments import parse_moment

SEALER = "system:log"
CATCH_UP_ENTRIES = 4_096  # more than that is quicker read from the tiles


class LogBehindGuard(LedgerError):
    """The database is older than, or another than, what was published."""

    message = (
        "The log in the database ends at size {size}, but a checkpoint of size {published} was published. "
        "An older copy of the database was put back, or it was changed. Nothing will be signed. Put back the "
        "newest copy; entries {size} to {published} are missing or differ."
    )
    http_status = 503


class TreeDiffers(LedgerError):
    """The stored entries do not give the root of the last checkpoint."""

    message = (
        "The entries in the database do not give the root of the checkpoint at size {size}. Something was "
        "changed. Nothing will be signed. Run: lotproof audit."
    )
    http_status = 503


@dataclass(frozen=True, slots=True)
class Standing:
    """The checkpoint that an answer speaks for."""

    size: int
    root: str  # hex
    note: str
    as_of: datetime  # of the last entry
    is_old: bool  # the guard knows a newer one, or another


class Publisher:
    """Signs checkpoints and keeps the guard with them. Only the holder of the turn seals."""

    def __init__(self, signer: Signer, guard: Guard, random_bytes: Callable[[int], bytes]) -> None:
        self._signer = signer
        self._verifier = signer.verifier
        self._guard = guard
        self._random_bytes = random_bytes
        self._unpublished: str | None = None
        self._standing: Standing | None = None
        self._leaf = b""
        self.edge = Edge.empty()
        self.last_at: datetime | None = None

    def prepare(self, connection: Connection) -> None:
        """Bring the edge up to the database, under the lock, and refuse to go on from a wrong place.

        Raises LogBehindGuard, TreeDiffers, and what the guard raises.
        """
        self._unpublished = None  # of a group whose commit failed
        self._refuse_behind(connection, self._guard.read())
        newest = store.newest_checkpoint(connection)
        if newest is None:
            self.edge, self.last_at, self._leaf = Edge.empty(), None, b""
            return
        if not 0 <= newest.size - self.edge.size <= CATCH_UP_ENTRIES or self.edge.size == 0:
            self.edge = store.read_edge(connection)
        elif newest.size > self.edge.size:
            fresh = store.read_leaves(connection, self.edge.size, newest.size)
            self.edge, _ = self.edge.extend(fresh)
        if self.edge.size != newest.size or self.edge.root() != newest.root:
            self.edge = Edge.empty()
            raise TreeDiffers(size=newest.size)
        last = store.read_body(connection, newest.size - 1)
        assert last is not None
        self._leaf = store.read_leaves(connection, newest.size - 1, newest.size)[0]
        self.last_at = _at(last)

    def seal(self, connection: Connection, drafts: Sequence[Draft], at: datetime) -> Recorded[StatusStated]:
        """Append the drafts and the stated map, sign the checkpoint; gives the stated event as recorded."""
        stated = _stated(connection)
        subject = _log_subject(connection, drafts)
        closing = Draft(
            KIND_OF[StatusStated], encode(msgspec.to_builtins(stated)), (subject,), SEALER, at, None
        )
        rows = compose(connection, [*drafts, closing], self._leaf, self._random_bytes, self.edge.size)
        store.append_entries(connection, self.edge.size, rows)
        edge, full = self.edge.extend([leaf for leaf, _ in rows])
        store.append_tiles(connection, full)
        note = self._sign(Checkpoint(self._signer.name, edge.size, edge.root()))
        store.append_checkpoint(connection, edge.size, note)
        self._unpublished = note
        # The edge moves on only when the next `prepare` finds it in the database: a failed commit needs no undoing.
        return Recorded(edge.size - 1, at, SEALER, (subject,), None, stated)

    def publish(self) -> None:
        """Put the checkpoint that was just committed into the guard."""
        note, self._unpublished = self._unpublished, None
        if note is None:
            return
        guarded = self._guard.read()
        if guarded.note != note:
            self._advance(guarded, note)

    def standing(self, connection: Connection) -> Standing:
        """The newest checkpoint in this snapshot; advances a guard that a crash left behind.

        Raises LookupError before the first checkpoint.
        """
        note = store.newest_note(connection)
        if note is None:
            raise LookupError("nothing was published yet")
        guarded = self._guard.read()
        is_old = guarded.note != note and not self._catch_up(connection, guarded, note)
        cached = self._standing
        if cached is not None and cached.note == note and cached.is_old == is_old:
            return cached
        checkpoint = Checkpoint.parse(split_note(note)[0])
        last = store.read_body(connection, checkpoint.size - 1)
        assert last is not None
        self._standing = Standing(checkpoint.size, checkpoint.root.hex(), note, _at(last), is_old)
        return self._standing

    def _catch_up(self, connection: Connection, guarded: Guarded, note: str) -> bool:
        """Whether `note` could be published: the guard's own checkpoint must be an earlier one of this log."""
        published = Checkpoint.parse(split_note(note)[0]).size
        if guarded.size > published:
            # Another process may have published past our snapshot; then ours is merely a moment older.
            return _is_overtaken(connection, guarded)
        if not _continues(connection, guarded):
            return False
        return self._advance(guarded, note)

    def _advance(self, guarded: Guarded, note: str) -> bool:
        try:
            self._guard.swap(guarded, note)
        except GuardMoved:
            return True  # somebody else was quicker, with this checkpoint or a later one
        return True

    def _refuse_behind(self, connection: Connection, guarded: Guarded) -> None:
        if not _continues(connection, guarded):
            newest = store.newest_checkpoint(connection)
            raise LogBehindGuard(size=newest.size if newest else 0, published=guarded.size)

    def _sign(self, checkpoint: Checkpoint) -> str:
        note = sign_note(checkpoint.format(), self._signer)
        open_note(note, [self._verifier])  # a signature that nobody can verify must not leave the house
        return note


def _continues(connection: Connection, guarded: Guarded) -> bool:
    """Whether what the guard holds is a checkpoint of this log, so that the log goes on from it."""
    if guarded.note is None:
        first = store.first_checkpoint_size(connection)
        newest = store.newest_checkpoint(connection)
        return newest is None or first == newest.size
    return store.note_at(connection, guarded.size) == guarded.note


def _is_overtaken(connection: Connection, guarded: Guarded) -> bool:
    with connection.engine.connect() as fresh:
        return store.note_at(fresh, guarded.size) == guarded.note


def _stated(connection: Connection) -> StatusStated:
    state = read_map(connection)
    return StatusStated(map=StatedMap(leaves=state.leaves, root=state.root, version=state.version))


def _log_subject(connection: Connection, drafts: Sequence[Draft]) -> str:
    """`log:ID` as the first entry names it."""
    first = store.read_body(connection, 0)
    data = drafts[0].data if first is None else orjson.dumps(orjson.loads(first)["data"])
    return f"log:{orjson.loads(data)['log']}"


def _at(body: bytes) -> datetime:
    return parse_moment(orjson.loads(body)["at"])
