"""Going on after a guard was lost: what must be shown first, and the entry that owns up to it.

The guard is the only thing that knows whether the database is the newest that was published. So whoever goes on
without it says why, names the newest checkpoint that anybody kept (a backup, a packing list, an auditor's copy),
and the log is checked whole before anything is written:

    look at the guard → the kept checkpoint is in the log → audit of the log's own tables
        → `log.resumed/1` is committed → a fresh guard is written → answered

A crash before the commit leaves everything as it was; between commit and guard, a guard that is still lost.
"""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ledger.audit.log import audit
from ledger.database import reading
from ledger.errors import LedgerError, Refused
from ledger.journal.clock import Clock
from ledger.journal.journal import By, Receipt
from ledger.journal.key_changes import ResumeLog, record_resumption
from ledger.journal.key_events import GuardState, read_keyring
from ledger.journal.opening import Ledger, open_ledger
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.compare import Kept, compare, parse_kept
from ledger.log.directory import NothingPublished
from ledger.log.guard import FreshGuard, Guard, GuardDamaged, GuardMissing
from ledger.log.keyring import Keyring
from ledger.log.note import Verifier, open_note, split_note
from ledger.settings import Settings

OPERATOR = "system:operator"  # whoever has the machine in their hands: accounts may be lost with the rest


class GuardFits(Refused):
    """Nothing was lost."""

    message = (
        "The guard and the database agree at {size} entries: there is nothing to resume. "
        "If something else refuses, its own message says what to do."
    )


class EntriesMissing(Refused):
    """A checkpoint that was published speaks of entries that are not here."""

    message = (
        "{source} speaks of {published} entries, and this database holds {size}: entries {size} to {last} are "
        "missing. Put back the newest copy of the database. Only if they are gone for good: lotproof log succeed."
    )


class EntriesDiffer(Refused):
    """A checkpoint that was published has another root than this database at that size."""

    message = (
        "{source} has another root at {published} entries than this database: history was rewritten here, or this "
        "is another log's database. Run: lotproof audit. Put back the copy that was published."
    )


class GuardUnknown(Refused):
    """The guard holds a checkpoint of a name or a key that is not known here."""

    message = (
        "The guard holds a checkpoint of {origin} at {published} entries, of a name or a key that neither this "
        "database nor the folder of keys knows. If this is the guard of another installation, show which checkpoint "
        "of this log was the newest: --checkpoint FILE. If not, the database is older than a change of keys or a "
        "succession: put back the newest."
    )


class NotWhole(Refused):
    """The log itself is not right, and nobody goes on from a log that is not."""

    message = (
        "The log is not whole, so it cannot be resumed: {finding}. {count} such findings; see lotproof audit."
    )


@dataclass(frozen=True, slots=True)
class Lost:
    """What is the matter with the guard; `known` is the size of the checkpoint that somebody kept."""

    state: GuardState
    newest_note: str
    known: int | None


def resume(
    settings: Settings,
    *,
    reason: str,
    kept: Kept | None = None,
    clock: Clock | None = None,
    accept_long_silence: bool = False,
) -> Receipt:
    """Check the whole log, record why it goes on, and begin a fresh guard. `kept` is the newest checkpoint found.

    Raises what `look` does, NotWhole, and what opening and writing raise; then nothing has changed.
    """
    how: dict[str, Any] = {"clock": clock, "accept_long_silence": accept_long_silence}
    with closing(open_ledger(settings, **how)) as ledger:
        lost = look(ledger, kept)
        demand_whole(ledger)
    fresh = FreshGuard(settings.guard, lost.newest_note)
    with closing(open_ledger(settings, guard=fresh, **how)) as ledger:
        request = ResumeLog(guard=lost.state, known=lost.known, reason=reason)
        return ledger.journal.write(record_resumption, request, By(OPERATOR))


def look(ledger: Ledger, kept: Kept | None) -> Lost:
    """What is the matter with the guard, once nothing that was published is known to be missing here.

    Raises GuardFits, EntriesMissing, EntriesDiffer, GuardUnknown, NothingPublished, UntrustedNote.
    """
    with reading(ledger.engine) as connection:
        note, keyring = store.newest_note(connection), read_keyring(connection)
        if note is None or keyring is None:
            raise NothingPublished()
        own = tuple(one.verifier for one in ledger.keys.signers())
        newest = Checkpoint.parse(split_note(note)[0])
        here = Here(connection, keyring, newest, origin=ledger.settings.origin, own=own)
        if kept is not None:
            here.demand(kept, source="The checkpoint that was kept")
        state = here.state_of(Guard(ledger.settings.guard), has_kept=kept is not None)
    return Lost(state, note, None if kept is None else kept.size)


@dataclass(frozen=True, slots=True)
class Here:
    """What this installation knows: its log in a snapshot, its name, and the keys of its folder."""

    connection: Connection
    keyring: Keyring
    newest: Checkpoint
    origin: str
    own: tuple[Verifier, ...]

    def state_of(self, guard: Guard, *, has_kept: bool) -> GuardState:
        """Why the guard does not stand for this log. Raises GuardFits where it does, and as `demand`."""
        try:
            guarded = guard.read()
        except GuardMissing:
            return "missing"
        except GuardDamaged:
            return "damaged"
        if guarded.note is None and store.count_checkpoints(self.connection) > 1:
            return "missing"  # somebody made an empty one in its place
        if guarded.note is None or store.note_at(self.connection, guarded.size) == guarded.note:
            raise GuardFits(size=self.newest.size)
        return self._state_of_other(guarded.note, has_kept=has_kept)

    def demand(self, kept: Kept, *, source: str) -> None:
        """Raise EntriesMissing or EntriesDiffer unless the log contains `kept`, UntrustedNote if others signed it."""
        if kept.note is not None and not self._is_ours(kept.note):
            self.keyring.open(kept.note)
        found = compare(self.connection, kept, self.newest)
        if found.verdict == "behind":
            raise EntriesMissing(
                source=source, published=kept.size, size=self.newest.size, last=kept.size - 1
            )
        if found.verdict == "rewritten":
            raise EntriesDiffer(source=source, published=kept.size)

    def _state_of_other(self, note: str, *, has_kept: bool) -> GuardState:
        """Of a guard that holds a checkpoint which the database does not list."""
        held = Checkpoint.parse(split_note(note)[0])
        names = {one.verifier.name for one in self.keyring.keys} | {self.origin}
        if held.origin in names and self._is_ours(note):
            self.demand(parse_kept(note), source="The guard")
            return "behind"  # the entries are all here, and only the list of checkpoints is not
        if not has_kept:
            # An older database does not know the keys and names that came after it: its own guard looks a stranger's.
            raise GuardUnknown(origin=held.origin, published=held.size)
        return "foreign"

    def _is_ours(self, note: str) -> bool:
        """Whether a key that this log had or has signed it; which of them had to, `Keyring.open` knows better."""
        try:
            open_note(note, [*(one.verifier for one in self.keyring.keys), *self.own])
        except LedgerError:
            return False
        return True


def demand_whole(ledger: Ledger) -> None:
    """Raise NotWhole unless an audit of the log finds nothing but its guard, and files that can be put back."""
    with reading(ledger.engine) as connection:
        keyring = read_keyring(connection)
    own = ledger.keys.signer.verifier
    if keyring is not None and own not in {one.verifier for one in keyring.keys}:
        own = keyring.newest.verifier  # its private half is lost: `log succeed` goes on without it
    report = audit(ledger.engine, ledger.files, Guard(ledger.settings.guard), own)
    wrong = [one for one in report.findings if one.table not in ("guard", "files")]
    if wrong:
        raise NotWhole(finding=wrong[0], count=len(wrong))
