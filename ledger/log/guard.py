"""The guard: the last published checkpoint, kept outside the database, never lowered.

A database can be put back to an older state by a backup or by a hand; the guard then still knows what was
already promised. One file with two slots of 4,096 bytes, written in turn, so that a torn write leaves the
other whole. A slot is text, padded with zeros:

    lotproof-guard/1
    <sequence number>
    <SHA-256 of sequence number, newline and note, hex>
    <the signed checkpoint>

The checksum is over the sequence number too: a write torn behind it would make the older note the newest.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ledger.durable import sync_folder, write_new
from ledger.errors import LedgerError
from ledger.log.checkpoint import Checkpoint, checkpoint_of

SLOT_BYTES = 4_096
FORMAT = "lotproof-guard/1"


class GuardMissing(LedgerError):
    """There is a log and no guard."""

    message = (
        "The guard file {path} is missing beside a log that is not empty. Nothing will be signed: without it nobody "
        "can tell whether the log is the newest that was published. Put it back from where it went, or begin a "
        "fresh one with the newest checkpoint that anybody kept: lotproof log resume."
    )
    http_status = 503


class GuardDamaged(LedgerError):
    """Neither slot can be read."""

    message = (
        "The guard file {path} cannot be read: neither of its two slots is whole. Nothing will be signed. Begin a "
        "fresh one with the newest checkpoint that anybody kept: lotproof log resume."
    )
    http_status = 503


class GuardMoved(LedgerError):
    """Somebody advanced the guard in between, or it would have been lowered."""

    message = "The guard already stands at size {size}; it is never lowered to {wanted}."
    http_status = 503


@dataclass(frozen=True, slots=True)
class Guarded:
    """What the guard holds: a sequence number and the signed checkpoint (None before the first)."""

    sequence: int
    note: str | None

    @property
    def checkpoint(self) -> Checkpoint | None:
        return None if self.note is None else checkpoint_of(self.note)

    @property
    def size(self) -> int:
        checkpoint = self.checkpoint
        return 0 if checkpoint is None else checkpoint.size


class Guard:
    """One object with one compare-and-swap, so that several machines can keep it elsewhere one day."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make an empty guard, its blocks allocated and synced. Raises FileExistsError."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            os.pwrite(descriptor, _format_slot(Guarded(0, None)) + bytes(SLOT_BYTES), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self.path.parent)

    def read(self) -> Guarded:
        """The newest whole slot. Raises GuardMissing, GuardDamaged."""
        data = self._read_bytes()
        whole = [slot for slot in (_parse_slot(data[:SLOT_BYTES]), _parse_slot(data[SLOT_BYTES:])) if slot]
        if not whole:
            raise GuardDamaged(path=self.path)
        return max(whole, key=lambda slot: slot.sequence)

    def _read_bytes(self) -> bytes:
        """Both slots. Without the file objects of `open`: every answer reads them."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise GuardMissing(path=self.path) from None
        try:
            return os.read(descriptor, 2 * SLOT_BYTES)
        finally:
            os.close(descriptor)

    def swap(self, expected: Guarded, note: str) -> Guarded:
        """Replace `expected` by `note`, durably. Raises GuardMoved if it is not what stands there, or would shrink."""
        with self._locked() as descriptor:
            current = self.read()
            replacement = Guarded(current.sequence + 1, note)
            if current != expected or replacement.size < current.size:
                raise GuardMoved(size=current.size, wanted=replacement.size)
            # A crash in this write tears the slot that is not the newest: the checksum tells.
            os.pwrite(descriptor, _format_slot(replacement), (replacement.sequence % 2) * SLOT_BYTES)
            os.fdatasync(descriptor)
            return replacement

    def look(self) -> bytes | None:
        """The file's bytes as they are, None where there is no file: for who is about to replace it."""
        try:
            return self._read_bytes()
        except GuardMissing:
            return None

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            raise GuardMissing(path=self.path) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


class FreshGuard(Guard):
    """A guard in the place of one that is lost, damaged or of another log: `begun_with` until it is first written.

    So the entry that says why the guard was replaced is committed before the file is: what a crash between the two
    leaves is a log whose guard is still lost, and never a new guard that nobody has owned up to.
    """

    def __init__(self, path: Path, begun_with: str) -> None:
        super().__init__(path)
        self._begun_with = Guarded(0, begun_with)
        self._lost = self.look()
        self._is_written = False

    def read(self) -> Guarded:
        """What it was begun with; once it is written, as any guard."""
        return super().read() if self._is_written else self._begun_with

    def swap(self, expected: Guarded, note: str) -> Guarded:
        """The first time, put a new file in the place of the lost one, which stays beside it as `guard.aside`.

        Raises GuardMoved where somebody else replaced it meanwhile; from then on this is an ordinary guard.
        """
        if self._is_written:
            return super().swap(expected, note)
        replacement = Guarded(1, note)
        if expected != self._begun_with or replacement.size < expected.size:
            raise GuardMoved(size=self._begun_with.size, wanted=replacement.size)
        self._is_written = True
        if self.look() != self._lost:
            raise GuardMoved(size=super().read().size, wanted=replacement.size)
        self._write(replacement)
        return replacement

    def _write(self, guarded: Guarded) -> None:
        fresh = self.path.with_name(f"{self.path.name}.fresh")
        fresh.unlink(missing_ok=True)
        write_new(fresh, bytes(SLOT_BYTES) + _format_slot(guarded))
        if self._lost is not None:
            aside = self.path.with_name(f"{self.path.name}.aside")
            aside.unlink(missing_ok=True)
            os.link(self.path, aside)
        # A crash before this line leaves the lost guard in its place; after it, the new one. Never none.
        fresh.rename(self.path)
        sync_folder(self.path.parent)


def _format_slot(guarded: Guarded) -> bytes:
    note = guarded.note or ""
    slot = f"{FORMAT}\n{guarded.sequence}\n{_checksum(guarded.sequence, note)}\n{note}".encode()
    if len(slot) > SLOT_BYTES:
        raise ValueError(f"a checkpoint of {len(slot)} bytes does not fit a slot of the guard")
    return slot.ljust(SLOT_BYTES, b"\0")


def _checksum(sequence: int, note: str) -> str:
    return hashlib.sha256(f"{sequence}\n{note}".encode()).hexdigest()


@lru_cache(maxsize=8)  # readers look at the same two slots again and again
def _parse_slot(data: bytes) -> Guarded | None:
    """What a slot holds, or None unless `_format_slot` gives back just these bytes."""
    parts = data.rstrip(b"\0").split(b"\n", 3)
    if len(parts) != 4 or not parts[1].isdigit():
        return None
    try:
        guarded = Guarded(int(parts[1]), parts[3].decode() or None)
        return guarded if _format_slot(guarded) == data else None
    except ValueError:  # no UTF-8, or too long
        return None
