"""Sealing and publishing: every published checkpoint ends with the stated status map, and is in the guard.

Seal: append `status.stated/1`, sign with every key that the log itself demands at this size, check our own
signatures, insert the checkpoint. Publish: after the commit, advance the guard. Only then is anything answered.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

import msgspec
import orjson
from sqlalchemy import Connection

from ledger.database import read_ahead
from ledger.errors import LedgerError
from ledger.journal.events import StatedMap, StatusStated
from ledger.journal.key_events import KEY_KINDS, KEYS, keyring_of, read_keyring
from ledger.journal.registry import KIND_OF, Recorded
from ledger.journal.transaction import Draft, compose, read_heads, read_map
from ledger.journal.turnstile import MARK_BYTES
from ledger.journal.who_signs import check_keys
from ledger.log import store
from ledger.log.canonical import encode
from ledger.log.checkpoint import Checkpoint
from ledger.log.checkpoint import checkpoint_of as checkpoint_of
from ledger.log.guard import Guard, Guarded, GuardMoved
from ledger.log.keyring import Keyring
from ledger.log.note import Signer, Verifier, sign_note
from ledger.log.tiles import Edge
from ledger.moments import format_moment, parse_moment

SEALER = "system:log"
READ_AHEAD = (store.NEWEST_NOTES, KEYS)  # what `prepare` wants to know as soon as the lock is held
MARKING = b"lotproof/mark"  # what the key of marks is for: no other key is derived so
CATCH_UP_ENTRIES = 512  # more than that is quicker read from the tiles


class LogBehindGuard(LedgerError):
    """The database is older than, or another than, what was published."""

    message = (
        "The log in the database ends at size {size}, but a checkpoint of size {published} was published. "
        "An older copy of the database was put back, or it was changed. Nothing will be signed. Entries up to "
        "{published} are missing or differ. Put back the newest copy: then the log goes on by itself. Where they are "
        "gone for good: lotproof log succeed."
    )
    http_status = 503


class GuardOfAnotherLog(LogBehindGuard):
    """The guard holds a checkpoint of a name that this log never had, as far as the database knows."""

    message = (
        "The guard holds a checkpoint of another log, {origin}, and the log in the database ends at size {size}. "
        "Nothing will be signed. If the files of two logs were mixed up, put this log's guard back, or: lotproof log "
        "resume. If {origin} is a later name of this log, put back the newest copy of the database."
    )


class GuardEmpty(LogBehindGuard):
    """The guard holds nothing, and checkpoints were published: somebody made it in the place of the one there was."""

    message = (
        "The guard is empty, and the log in the database has {size} entries that were published. Nothing will be "
        "signed. Put the guard back from where it was, or: lotproof log resume."
    )


class TreeDiffers(LedgerError):
    """The stored entries do not give the root of the last checkpoint."""

    message = (
        "The entries in the database do not give the root of the checkpoint at size {size}. Something was "
        "changed. Nothing will be signed. Run: lotproof audit."
    )
    http_status = 503


class ForeignCheckpoint(LedgerError):
    """A checkpoint in the database that this log's key never signed."""

    message = (
        "The checkpoint at size {size} in the database is not signed by this log's key. Somebody wrote it there. "
        "Nothing will be signed. Run: lotproof audit."
    )
    http_status = 503


class SigningKeyMissing(LedgerError):
    """The log demands a key whose private half is not in the folder of keys."""

    message = (
        "The log says that {key} must sign its checkpoints, and its private half is not in the folder of keys. "
        "Nothing will be signed. Put the newest copy of that folder back; if the key is lost: lotproof log succeed."
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

    def __init__(
        self,
        signer: Signer,
        guard: Guard,
        random_bytes: Callable[[int], bytes],
        read_signers: Callable[[], Sequence[Signer]] = tuple,
    ) -> None:
        self._first = signer.verifier  # of a log that is not yet opened
        self._signers = {signer.verifier: signer}
        self._read_signers = read_signers
        self._accepted: frozenset[Verifier] = frozenset()
        self._guard = guard
        self._random_bytes = random_bytes
        self._guarded = Guarded(0, None)
        self._keyring = Keyring.begin(self._first)
        self._unpublished: str | None = None
        self._standing: Standing | None = None
        self._prepared: str | None = None  # the checkpoint at which edge, leaf and last_at stand
        self._log_subject = ""
        self._leaf = b""
        self.edge = Edge.empty()
        self.last_at: datetime | None = None
        self._stated: StatusStated | None = None  # what the last checkpoint's last entry says
        self._sealed: tuple[str | None, Edge, bytes, datetime | None, StatusStated | None]

    def accept(self, keys: Iterable[Verifier]) -> None:
        """Go on from checkpoints of these keys although their private halves may be lost: for a succession alone."""
        self._accepted = frozenset(keys)

    def prepare(self, connection: Connection, mark: bytes) -> None:
        """Bring the edge up to the database, under the lock, and refuse to go on from a wrong place.

        The transaction was begun with READ_AHEAD; `mark` is what the writer before left.

        Raises LogBehindGuard, ForeignCheckpoint, TreeDiffers, and what the guard raises.
        """
        self._unpublished = None  # of a group whose commit failed
        notes, keys = read_ahead(connection)
        newest = [note for (note,) in notes]
        note = newest[0] if newest else None
        self._keyring = keyring_of(keys) or Keyring.begin(self._first)
        self._guarded = self._guard.read()
        # Mostly the guard holds one of the last two: it is synced after the turn is given on.
        if self._guarded.note not in newest and not _continues(connection, self._guarded):
            raise self._refusal(checkpoint_of(note).size if note else 0)
        if note is None:
            self.edge, self.last_at, self._leaf, self._stated = Edge.empty(), None, b"", None
        elif note != self._prepared:
            if not self._is_marked(note, mark) and not self._is_ours(connection, note):
                raise ForeignCheckpoint(size=checkpoint_of(note).size)
            self._catch_up_edge(connection, checkpoint_of(note))
        self._prepared = note

    def _refusal(self, size: int) -> LogBehindGuard:
        """Why the log in the database, of `size` entries, does not go on from what the guard holds."""
        held = self._guarded.checkpoint
        if held is None:
            return GuardEmpty(size=size)
        if held.origin not in {one.verifier.name for one in self._keyring.keys}:
            return GuardOfAnotherLog(origin=held.origin, size=size)
        return LogBehindGuard(size=size, published=held.size)

    def _catch_up_edge(self, connection: Connection, newest: Checkpoint) -> None:
        """Other processes' entries are caught up with one by one; after a long absence, by the tiles."""
        if self.edge.size and 0 < newest.size - self.edge.size <= CATCH_UP_ENTRIES:
            rows = store.read_entries(connection, self.edge.size, newest.size)
            self.edge, _ = self.edge.extend([leaf for leaf, _ in rows])
        else:
            self.edge = store.read_edge(connection)
            rows = store.read_entries(connection, newest.size - 1, newest.size)
        if self.edge.size != newest.size or self.edge.root() != newest.root:
            self.edge, self._prepared = Edge.empty(), None
            raise TreeDiffers(size=newest.size)
        self._leaf, last = rows[-1]
        self.last_at, self._stated = _at(last, newest.size), _stated_in(last)

    def seal(
        self, connection: Connection, drafts: Sequence[Draft], heads: Mapping[str, int | None], at: datetime
    ) -> Recorded[StatusStated]:
        """Append the drafts and the stated map, sign the checkpoint; gives the stated event as recorded.

        `heads`: the last entry about each subject of the drafts. The map is the one of the last checkpoint unless a
        draft changed it: the journal's row knows. Raises KeysDiffer, SigningKeyMissing.
        """
        kept = None if any(draft.changes_map for draft in drafts) else self._stated
        stated = _stated_now(connection) if kept is None else kept
        subject = self._subject(connection, drafts)
        data = encode(msgspec.to_builtins(stated))
        closing = Draft(KIND_OF[StatusStated], data, (subject,), SEALER, format_moment(at), None)
        start = self.edge.size
        leaves: list[bytes] = []
        heads = {subject: self._last_about_log(connection, subject), **heads}
        made = compose([*drafts, closing], heads, self._leaf, self._random_bytes, start, leaves)
        store.append_entries(connection, start, made, count=len(drafts) + 1)
        edge, full = self.edge.extend(leaves)
        store.append_tiles(connection, full)
        is_as_read = KEY_KINDS.isdisjoint(draft.kind for draft in drafts)
        keyring = self._keyring if is_as_read else self.keyring(connection)
        if self._prepared is not None:
            check_keys(keyring, self._prepared, drafts)
        note = self._sign(keyring, edge)
        store.append_checkpoint(connection, edge.size, note)
        # These move on only if the commit succeeds: `committed` takes them over.
        self._unpublished = note
        self._sealed = (note, edge, leaves[-1], at, stated)
        return Recorded(edge.size - 1, at, SEALER, (subject,), None, stated)

    def committed(self) -> str | None:
        """The newest checkpoint once the commit is through, to be published; the edge moves on to it.

        Also where nothing was sealed: a repeated request is answered from entries that a crash, or another
        process at this moment, may not have published yet.
        """
        if self._unpublished is not None:
            self._prepared, self.edge, self._leaf, self.last_at, self._stated = self._sealed
        return self._prepared

    def mark(self) -> bytes:
        """For the next writer: whoever holds the keys tells by it that the newest checkpoint was signed with them.

        A keyed BLAKE2 is checked in a fiftieth of the time of a signature. Whoever lacks a key leaves nothing.
        """
        return b"" if self._prepared is None else self._marked(self._prepared)

    def publish(self, note: str | None) -> None:
        """Have the guard hold this checkpoint, or a later one of this log."""
        if note is not None:
            self._advance(self._guarded, note)

    def standing(self, connection: Connection) -> Standing:
        """The newest checkpoint in this snapshot; advances a guard that a crash left behind.

        Where the guard knows another one or cannot be read, the answer goes on and is marked old: only signing stops.
        Raises LookupError before the first checkpoint.
        """
        note = store.newest_note(connection)
        if note is None:
            raise LookupError("nothing was published yet")
        try:
            guarded = self._guard.read()
            is_old = guarded.note != note and not self._catch_up_guard(connection, guarded, note)
        except LedgerError:  # no guard, or no key to tell our own checkpoint by
            is_old = True  # nobody can tell whether a newer one was published
        cached = self._standing
        if cached is not None and cached.note == note and cached.is_old == is_old:
            return cached
        checkpoint = checkpoint_of(note)
        as_of = _at(store.read_body(connection, checkpoint.size - 1), checkpoint.size)
        self._standing = Standing(checkpoint.size, checkpoint.root.hex(), note, as_of, is_old)
        return self._standing

    def _catch_up_guard(self, connection: Connection, guarded: Guarded, note: str) -> bool:
        """Whether `note` is or now becomes published: the guard must hold an earlier checkpoint of this log."""
        if guarded.size > checkpoint_of(note).size:
            # Another process may have published past our snapshot; then ours is merely a moment older.
            return _is_overtaken(connection, guarded)
        if not _continues(connection, guarded) or not self._is_ours(connection, note):
            return False
        self._advance(guarded, note)
        return True

    def _is_marked(self, note: str, mark: bytes) -> bool:
        """Whether somebody who holds all keys that must sign this checkpoint says that they signed it.

        If not, the signatures themselves will tell.
        """
        return mark != b"" and hmac.compare_digest(self._marked(note), mark)

    def _marked(self, note: str) -> bytes:
        """Empty without one of the keys: a succession goes on although one is lost."""
        try:
            signers = self._signers_of(self._keyring, checkpoint_of(note).size)
        except SigningKeyMissing:
            return b""
        key = blake2b(b"".join(one.seed for one in signers), person=MARKING).digest()
        return blake2b(note.encode(), digest_size=MARK_BYTES, key=key).digest()

    def _is_ours(self, connection: Connection, note: str) -> bool:
        """Whether all keys that must sign it did, and all of them are keys that we hold.

        In the database stands what anybody with write access put there, the table of keys included.
        Raises SigningKeyMissing for a key of the log whose private half is not here.
        """
        keyring = self.keyring(connection)
        try:
            checkpoint = keyring.open(note)
        except LedgerError:
            return False
        if not self._accepted.issuperset(keyring.at(checkpoint.size)):
            self._signers_of(keyring, checkpoint.size)
        return True

    def keyring(self, connection: Connection) -> Keyring:
        """The keys of the log, those that this transaction changed included: a command's events are applied at once."""
        return read_keyring(connection) or Keyring.begin(self._first)

    def _signers_of(self, keyring: Keyring, size: int) -> list[Signer]:
        """Who signs the checkpoint of this size. Raises SigningKeyMissing."""
        wanted = keyring.at(size)
        if any(key not in self._signers for key in wanted):
            # The keys were changed since we read them, perhaps by another process: the folder has the new ones.
            self._signers = {one.verifier: one for one in self._read_signers()} | self._signers
        return [self._signer(key) for key in wanted]

    def _signer(self, key: Verifier) -> Signer:
        if key not in self._signers:
            raise SigningKeyMissing(key=key.to_text())
        return self._signers[key]

    def _advance(self, guarded: Guarded, note: str) -> None:
        """Advance the guard, unless it holds this checkpoint or a later one: then somebody was quicker."""
        wanted = checkpoint_of(note).size
        while guarded.size < wanted:
            try:
                self._guard.swap(guarded, note)
                return
            except GuardMoved:
                guarded = self._guard.read()

    def _subject(self, connection: Connection, drafts: Sequence[Draft]) -> str:
        """`log:ID` as the first entry names it."""
        if not self._log_subject:
            first = store.read_body(connection, 0)
            data = orjson.loads(first)["data"] if first else orjson.loads(drafts[0].data)
            self._log_subject = f"log:{data['log']}"
        return self._log_subject

    def _last_about_log(self, connection: Connection, subject: str) -> int | None:
        """The last entry about the log itself: what a checkpoint ends with is, and after that one we go on."""
        if self._stated is None:
            return read_heads(connection, [subject])[subject]
        return self.edge.size - 1

    def _sign(self, keyring: Keyring, edge: Edge) -> str:
        """The checkpoint of this tree as it is published, signed by all that must. Raises SigningKeyMissing."""
        signers = self._signers_of(keyring, edge.size)
        checkpoint = Checkpoint(keyring.origin(edge.size), edge.size, edge.root())
        note = sign_note(checkpoint.format(), *signers)
        keyring.open(note)  # a signature that nobody can verify must not leave the house
        return note


def _continues(connection: Connection, guarded: Guarded) -> bool:
    """Whether what the guard holds is a checkpoint of this log, so that the log goes on from it."""
    if guarded.note is None:  # there is no checkpoint of size 0 either: that would be equal
        return _is_first(connection, guarded)
    return store.note_at(connection, guarded.size) == guarded.note


def _is_first(connection: Connection, guarded: Guarded) -> bool:
    """Whether the guard is empty because the log was made this moment; later an empty guard is a wrong one."""
    return guarded.note is None and store.count_checkpoints(connection) <= 1


def _is_overtaken(connection: Connection, guarded: Guarded) -> bool:
    with connection.engine.connect() as fresh:
        return store.note_at(fresh, guarded.size) == guarded.note


def _stated_now(connection: Connection) -> StatusStated:
    state = read_map(connection)
    return StatusStated(map=StatedMap(leaves=state.leaves, root=state.root, version=state.version))


def _stated_in(body: bytes) -> StatusStated | None:
    """What a checkpoint's last entry states; the very first may be cut off by a crash."""
    value = orjson.loads(body)
    if value["kind"] != KIND_OF[StatusStated]:
        return None
    return msgspec.convert(value["data"], StatusStated)


def _at(body: bytes | None, size: int) -> datetime:
    """When the last entry of the checkpoint of this size was recorded. Raises TreeDiffers if it is gone."""
    if body is None:
        raise TreeDiffers(size=size)
    return parse_moment(orjson.loads(body)["at"])
