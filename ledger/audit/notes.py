"""Checkpoints against the log's keys: who had to sign each one follows from the entries before it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from ledger.errors import LedgerError
from ledger.journal.key_events import keyring_after
from ledger.journal.registry import Event
from ledger.log.checkpoint import Checkpoint
from ledger.log.keyring import KeyChangeRefused, Keyring, LogKey
from ledger.log.note import Verifier, split_note

KeysText = tuple[tuple[str, int, int | None, bool], ...]
"""A keyring as values that can be sent and written: vkey, first and last size, whether it is vouched for."""


@dataclass(slots=True)
class Folding:
    """A keyring that follows the entries as they are read; a change that cannot be leaves it as it is."""

    keyring: Keyring
    _taken: int = 0

    def take(self, changes: Sequence[tuple[int, Event]]) -> None:
        """Follow the changes behind those that were taken before."""
        for index, event in changes[self._taken :]:
            if index:
                with suppress(KeyChangeRefused):  # `joining`, which knows all keys before, says what is wrong
                    self.keyring = keyring_after(self.keyring, index, event) or self.keyring
        self._taken = len(changes)


def to_text(keyring: Keyring) -> KeysText:
    """The keyring as plain values."""
    return tuple(
        (one.verifier.to_text(), one.first_size, one.last_size, one.is_vouched) for one in keyring.keys
    )


def from_text(keys: KeysText) -> Keyring:
    """The keyring that `to_text` wrote."""
    return Keyring(
        tuple(LogKey(Verifier.parse(vkey), first, last, vouched) for vkey, first, last, vouched in keys)
    )


def problem_of(note: str | None, size: int, keyring: Keyring) -> str:
    """What is wrong with a stored checkpoint, its root left aside; empty where nothing is."""
    if note is None:
        return "is no text"
    try:
        checkpoint = Checkpoint.parse(split_note(note)[0])
        if checkpoint.size != size:
            return f"speaks of {checkpoint.size} entries"
        keyring.open(note)
    except LedgerError as error:
        return str(error)
    # A witness may sign what we hand out; what stands here was written by us, and we signed it once a key.
    return "has a signature that is none of the log's" if _has_more(note, keyring, size) else ""


def claimed_root(note: str | None, size: int) -> bytes | None:
    """The root that a stored checkpoint of this size names, whoever signed it; None where it names none."""
    try:
        checkpoint = Checkpoint.parse(split_note(note or "")[0])
    except LedgerError:
        return None
    return checkpoint.root if checkpoint.size == size else None


def _has_more(note: str, keyring: Keyring, size: int) -> bool:
    return note.rpartition("\n\n")[2].count("\n") != len(keyring.at(size))
