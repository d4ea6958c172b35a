"""Carrying a log: an export's folder into the log tables of a database, and nothing believed on the way.

Backup, mirror and move are the same steps: `export`, then `carry_in`, which reads the folder once and checks every
entry, tile, checkpoint and signature while it inserts, all in one transaction; then the derived tables are made.

    carried = carry_in(folder, engine, verifier, Files(settings.files).read)

A database that holds an earlier state of the same log gets what is new. One that holds another log, or a history
that the export does not continue, is left as it is, and the first difference is named.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine, delete

from ledger.audit.references import file_refs
from ledger.database import insert_rows, writing
from ledger.errors import LedgerError, Refused
from ledger.files import CHUNK_BYTES, FileMissing, FileRef, Files
from ledger.journal.events import StatusStated
from ledger.journal.key_events import LOG_KEYS, LogSucceeded, keyring_after, last_known, read_keyring
from ledger.journal.projections import note_versions, outdated, projections, rebuild
from ledger.journal.registry import KIND_OF, NOUNS, ReadFile, State, apply_all
from ledger.journal.replay import recorded_from
from ledger.log import store
from ledger.log.canonical import NotCanonical
from ledger.log.checkpoint import Checkpoint
from ledger.log.directory import NOTES_WINDOW
from ledger.log.entry import BadEntry, parse_entry
from ledger.log.keyring import Keyring
from ledger.log.layout import CHECKPOINTS, Directory, FileDiffers, Progress, no_progress
from ledger.log.note import Verifier, split_note
from ledger.log.signatures import CheckSignatures, check_here, checked_apart
from ledger.log.tiles import TILE_WIDTH, Edge
from ledger.log.walking import Place, Step, begins_with, compare_edge, walk

KEYS_MARK = b'"kind":"log.'
SUCCESSION_MARK = f'"kind":"{KIND_OF[LogSucceeded]}"'.encode()
CLOSING_MARK = f'"kind":"{KIND_OF[StatusStated]}"'.encode()
FILE_MARK = b'"sha256":"'
LONG_BYTES, MOST_PROCESSES = 2_000_000, 4
BATCH_STEPS = 16  # bundles that are inserted at once
UNREADABLE = (BadEntry, NotCanonical, KeyError, msgspec.ValidationError)


class AnotherLog(Refused):
    """The export is of a log that was opened apart from the one in the database."""

    message = "{folder} is an export of another log than the one that stands here. Choose another folder."


class HistoryRewritten(Refused):
    """The log's keys signed two histories: what stands here, and what the export says instead."""

    message = (
        "{folder} does not continue the log that stands here: entry {index} is another. Both were signed. "
        "Nothing was changed here. Keep both checkpoints: they show that the history was rewritten."
    )


class DatabaseDiffers(LedgerError):
    """The entries that stand here do not give the root of the last checkpoint that stands here."""

    message = (
        "The entries that stand here do not give the root of the last checkpoint here. Something was changed. "
        "Run: lotproof audit."
    )
    http_status = 503


class OlderThanHere(Refused):
    """The export ends before the database does; nothing in it is new."""

    message = (
        "{folder} ends at size {theirs}, and here are {ours} entries already. There is nothing to take over."
    )


@dataclass(frozen=True, slots=True)
class Carried:
    """What `carry_in` did. `missing` is why the derived tables could not be made; None where they were."""

    checkpoint: Checkpoint
    kept: int  # entries that stood here before
    missing: FileMissing | None


def carry_in(
    folder: Path,
    engine: Engine,
    verifier: Verifier,
    read_file: ReadFile,
    progress: Progress = no_progress,
) -> Carried:
    """Take the exported log in `folder` over into a migrated database, empty or with an earlier state of it.

    `verifier` is a key of the log that somebody trusts: it must sign the last checkpoint, or statements must lead
    from it to those who do. The log's rows go in whole or not at all. Where a file that an entry names cannot be
    read, the log stands and the derived tables wait for `lotproof rebuild`. Memory does not grow with the log.
    Raises FileDiffers, AnotherLog, HistoryRewritten, OlderThanHere, UntrustedNote.
    """
    with writing(engine) as connection:
        kept = store.size(connection)
        was_current = not outdated(connection)
        checkpoint = carry_log(connection, folder, verifier, progress)
        if checkpoint.size > kept:
            connection.execute(
                delete(projections)
            )  # a crash from here on: the next opening asks for a rebuild
    if checkpoint.size == kept and was_current:
        return Carried(checkpoint, kept, None)
    return Carried(checkpoint, kept, _derive(engine, read_file, kept if was_current else 0))


def carry_log(
    connection: Connection, folder: Path, verifier: Verifier, progress: Progress = no_progress
) -> Checkpoint:
    """The log's own rows alone, into the transaction of `connection`: the first half of `carry_in`."""
    return _Carrying(connection, Directory(folder), store.size(connection)).run(verifier, progress)


def verify_log(
    folder: Path, verifier: Verifier, progress: Progress = no_progress, *, processes: int | None = None
) -> tuple[Checkpoint, tuple[Verifier, ...]]:
    """The checkpoint of the log in `folder`, once all of it was checked, and the way from `verifier` to its key.

    Unlike `verify_directory` it follows the changes of the log's keys. Raises FileDiffers naming the first file that
    differs, UntrustedNote where no statement leads from the key given to those that signed the last checkpoint.
    Many signatures are checked by `processes` others (0: none; None: where it is worth it, as many as there are cores).
    """
    directory = Directory(folder)
    wanted = Checkpoint.parse(split_note(directory.note())[0])
    place = Place(Edge.empty(), None)
    with _signature_check(directory, processes) as check_signatures:
        for step in walk(directory, place, wanted.size, directory.notes(), follow_keys, check_signatures):
            _check_complete(step)
            _check_last_known(step, directory, wanted.size)
            place = step.after
            progress(place.edge.size, wanted.size)
    compare_edge(directory, place.edge)
    assert place.keyring is not None  # a log without an entry has no checkpoint
    return wanted, place.keyring.way(verifier, wanted.size)


def _signature_check(directory: Directory, processes: int | None) -> AbstractContextManager[CheckSignatures]:
    """By other processes where that was asked for, or is worth their start: a second of work."""
    if processes is None:
        file = directory.folder / CHECKPOINTS
        is_long = file.is_file() and file.stat().st_size >= LONG_BYTES
        processes = min(os.cpu_count() or 1, MOST_PROCESSES) if is_long else 0
    return checked_apart(processes) if processes else nullcontext(check_here)


def copy_files(connection: Connection, files: Files, target: Files) -> int:
    """Copy every file that an entry names to `target`, each durable; gives how many were not there yet.

    Raises FileMissing or FileDamaged: what is exported must be whole.
    """
    copied = 0
    for first, bodies in store.walk(connection):
        for index, body in enumerate(bodies, first):
            if FILE_MARK in body:
                copied += sum(
                    _copy(ref, files, target) for ref in file_refs(recorded_from(index, body).event)
                )
    return copied


def _copy(ref: FileRef, files: Files, target: Files) -> bool:
    if target.exists(ref.sha256):
        return False
    with files.open(ref.sha256) as file:
        target.put(iter(lambda: file.read(CHUNK_BYTES), b""))
    return True


def follow_keys(keyring: Keyring | None, start: int, bodies: Sequence[bytes]) -> Keyring | None:
    """The keyring after these entries: a `FollowKeys`. Raises KeyChangeRefused, or FileDiffers for what is no entry."""
    if KEYS_MARK not in b"".join(bodies):  # once for a bundle: nearly none of them has one
        return keyring
    for index, body in enumerate(bodies, start):
        if KEYS_MARK in body:
            keyring = _followed(keyring, index, body)
    return keyring


def _followed(keyring: Keyring | None, index: int, body: bytes) -> Keyring | None:
    try:
        return keyring_after(keyring, index, recorded_from(index, body).event)
    except UNREADABLE as error:
        raise FileDiffers(file=f"entry {index}", problem=f"cannot be read ({error})") from error


@dataclass(frozen=True, slots=True)
class _Carrying:
    """One run, inside its transaction, into a database that holds `kept` entries."""

    connection: Connection
    directory: Directory
    kept: int

    def run(self, verifier: Verifier, progress: Progress) -> Checkpoint:
        """Check and insert what is new; gives the export's last checkpoint."""
        wanted = Checkpoint.parse(split_note(self.directory.note())[0])
        try:
            place = self._insert_all(wanted.size, self._compare_notes(), progress)
        except FileDiffers as error:
            raise self._explained(wanted.size, error, verifier) from error
        if wanted.size < self.kept:
            raise OlderThanHere(folder=self.directory.folder, theirs=wanted.size, ours=self.kept)
        assert place.keyring is not None
        place.keyring.way(verifier, wanted.size)
        return wanted

    def _compare_notes(self) -> int:
        """Compare the checkpoints up to `kept` with those here; gives the byte at which the new ones begin."""
        end = 0
        ours = _notes_here(self.connection, self.kept)
        for theirs in self.directory.notes():
            if theirs.size > self.kept:
                break
            end = theirs.end
            if next(ours, None) != theirs.note:
                problem = f"holds other checkpoints than stand here, first at size {theirs.size}"
                raise FileDiffers(file=CHECKPOINTS, problem=problem)
        return end

    def _insert_all(self, size: int, notes_start: int, progress: Progress) -> Place:
        place = self._standing()
        steps = walk(self.directory, place, size, self.directory.notes(notes_start), follow_keys)
        for batch in _batches(steps if size > self.kept else iter(())):
            place = batch[-1].after
            self._insert(batch, size)
            progress(place.edge.size, size)
        if size > self.kept:
            compare_edge(self.directory, place.edge)
        return place

    def _standing(self) -> Place:
        """What the database says of the log that stands in it. Raises DatabaseDiffers if that is not one."""
        if not self.kept:
            return Place(Edge.empty(), None)
        edge, newest = store.read_edge(self.connection), store.newest_checkpoint(self.connection)
        if newest is None or (newest.size, newest.root) != (edge.size, edge.root()):
            raise DatabaseDiffers()
        return Place(edge, _keyring_here(self.connection))

    def _insert(self, steps: Sequence[Step], size: int) -> None:
        for step in steps:
            _check_complete(step)
            _check_last_known(step, self.directory, size)
        rows = [row for step in steps for row in zip(step.leaves, step.bodies, strict=True)]
        store.append_entries(self.connection, steps[0].start, rows)
        store.append_tiles(self.connection, [tile for step in steps for tile in step.tiles])
        notes = [(stored.size, stored.note) for step in steps for stored in step.notes]
        insert_rows(self.connection, store.checkpoints, notes)

    def _explained(self, size: int, error: FileDiffers, verifier: Verifier) -> LedgerError:
        """`error`, or what it comes from: that the export tells another history than stands here."""
        index = self._first_difference(size)
        if index is None:
            return error
        if index == 0:
            return AnotherLog(folder=self.directory.folder)
        ours, theirs = self._evidence(index)
        if not self._is_signed(theirs, verifier):
            return error  # whoever made this export could not sign it: a bad copy, and no second history
        return HistoryRewritten(folder=self.directory.folder, index=index, ours=ours, theirs=theirs)

    def _is_signed(self, note: str, verifier: Verifier) -> bool:
        """Whether keys that stand here signed it, or such as the export itself leads to from the key that is trusted.

        A second history may begin with a change of the log's keys: then it shows by the whole of it alone.
        """
        try:
            keyring = _keyring_here(self.connection)
            assert keyring is not None
            keyring.open(note)
        except LedgerError:
            return self._is_history(verifier)
        return True

    def _is_history(self, verifier: Verifier) -> bool:
        try:
            verify_log(self.directory.folder, verifier)
        except LedgerError:
            return False
        return True

    def _evidence(self, index: int) -> tuple[str | None, str]:
        """Checkpoints of two histories that part at `index`: of one size where there are such, else the newest."""
        for theirs in self.directory.notes():
            ours = store.note_at(self.connection, theirs.size) if theirs.size > index else None
            if ours is not None and ours != theirs.note:
                return ours, theirs.note
        return store.newest_note(self.connection), self.directory.note()

    def _first_difference(self, size: int) -> int | None:
        """The first entry that the export, of `size` entries, has otherwise than the database; None for none."""
        for start in range(0, min(size, self.kept), TILE_WIDTH):
            ours = store.read_bodies(self.connection, start, start + TILE_WIDTH)
            theirs = self.directory.read_entries(start // TILE_WIDTH, min(TILE_WIDTH, size - start))
            for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
                if one != other:
                    return start + place
        return None


def _batches(steps: Iterator[Step]) -> Iterator[Sequence[Step]]:
    """Some steps at a time: so many rows as an insert is quick with."""
    while batch := tuple(islice(steps, BATCH_STEPS)):
        yield batch


def _check_complete(step: Step) -> None:
    """Every `status.stated/1` closes a checkpoint. Raises FileDiffers for one that was left out."""
    sizes = {stored.size for stored in step.notes}
    for index, body in enumerate(step.bodies, step.start):
        if CLOSING_MARK in body and index + 1 not in sizes and _is_closing(body):
            raise FileDiffers(file=CHECKPOINTS, problem=f"lacks the checkpoint of size {index + 1}")


def _check_last_known(step: Step, directory: Directory, end: int) -> None:
    """A succession from a checkpoint of entries that were all kept must name their root. Raises FileDiffers."""
    if SUCCESSION_MARK not in b"".join(step.bodies):
        return
    for index, body in enumerate(step.bodies, step.start):
        event = recorded_from(index, body).event if SUCCESSION_MARK in body else None
        known = last_known(event) if isinstance(event, LogSucceeded) else None
        if known is not None and not begins_with(directory, end, step.after.edge, known):
            problem = "names another root of the last checkpoint known than the entries have"
            raise FileDiffers(file=f"entry {index}", problem=problem)


def _is_closing(body: bytes) -> bool:
    """Whether an entry is `status.stated/1`, and does not merely hold those words."""
    try:
        return parse_entry(body).kind == KIND_OF[StatusStated]
    except UNREADABLE:
        return False  # a later reader says why


def _notes_here(connection: Connection, size: int) -> Iterator[str]:
    for start in range(0, size, NOTES_WINDOW):
        yield from store.read_notes(connection, start, min(start + NOTES_WINDOW, size))


def _keyring_here(connection: Connection) -> Keyring | None:
    """The keyring of the log in the database: from its table where that is current, else from the entries."""
    if LOG_KEYS not in outdated(connection):
        return read_keyring(connection)
    keyring = None
    for first, bodies in store.walk(connection):
        keyring = follow_keys(keyring, first, bodies)
    return keyring


def _derive(engine: Engine, read_file: ReadFile, since: int) -> FileMissing | None:
    """Make the derived tables: those of the entries from `since` on, or all; gives the file that is missing.

    In a transaction of its own: where a file is missing, or the power goes, the log stays as it was carried.
    """
    nouns = tuple(NOUNS.values())
    try:
        if since == 0:
            rebuild(engine, nouns, read_file)
            return None
        with writing(engine) as connection:
            state = State(connection, read_file)
            for first, bodies in store.walk(connection, since):
                recorded = [recorded_from(index, body) for index, body in enumerate(bodies, first)]
                apply_all(state, recorded, nouns)
            note_versions(connection, nouns)
    except FileMissing as error:
        return error
    return None
