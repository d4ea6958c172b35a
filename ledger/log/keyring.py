"""Which keys must sign a checkpoint: they follow from the log itself, so an outsider comes to the same keyring.

The log's key may change. An entry says so, and from the next size on other keys must sign:

    entry at index r        keys of checkpoints larger than r
    log.opened/1            its key
    log.key_rotated/1       the new key too; the old one as well, unless it was compromised
    log.key_retired/1       no longer the key that it names
    log.succeeded/1         the key of the new origin alone

A checkpoint counts if every key of its size signed it, no other key of the log did, and its origin is the one
of its size. Signatures by keys that the log never had (witnesses) are ignored, as the format demands.

    >>> from ledger.log.note import Signer, sign_note
    >>> old, new = (Signer("example.com/log", seed * 32) for seed in (b"0", b"1"))
    >>> keyring = Keyring.begin(old.verifier).rotated(7, new.verifier).retired(9, old.verifier)
    >>> [len(keyring.at(size)) for size in (7, 8, 9, 10)]
    [1, 2, 2, 1]
    >>> note = sign_note(Checkpoint("example.com/log", 8, b"0" * 32).format(), old, new)
    >>> keyring.open(note).size
    8
    >>> keyring.way(old.verifier, 10) == (old.verifier, new.verifier)
    True
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ledger.errors import LedgerError
from ledger.log.checkpoint import Checkpoint, MalformedCheckpoint, checkpoint_of
from ledger.log.note import UntrustedNote, Verifier, open_note

MAX_CURRENT = 2  # an overlap is of two keys: rotating again in it asks for the older one to be retired first


class KeyChangeRefused(LedgerError):
    """A change of keys that cannot follow on the keys there are; `reason` says why."""

    message = "The log's keys cannot change so: {reason}."
    http_status = 409


@dataclass(frozen=True, slots=True)
class LogKey:
    """A key of the log with the sizes of the checkpoints that it must sign, both ends included.

    `last_size` is None for a key that still signs. `is_vouched` says whether the key before it signed the
    statement that brought it in; for the first key that question does not arise, and it is False.
    """

    verifier: Verifier
    first_size: int
    last_size: int | None = None
    is_vouched: bool = False

    def signs(self, size: int) -> bool:
        """Whether it must sign the checkpoint of this size."""
        return self.first_size <= size and (self.last_size is None or size <= self.last_size)


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys that a log ever had, in the order in which they came. Made by `begin`; never changed, only followed."""

    keys: tuple[LogKey, ...]

    @classmethod
    def begin(cls, verifier: Verifier) -> "Keyring":
        """The keyring after `log.opened/1`, the entry 0."""
        return cls((LogKey(verifier, 1),))

    def rotated(self, index: int, verifier: Verifier, *, compromised: bool = False) -> "Keyring":
        """The keyring after `log.key_rotated/1` at `index`. Raises KeyChangeRefused.

        After a compromise the new key signs alone, whatever keys there were.
        """
        self._check_new(verifier, index)
        if verifier.name != self.newest.verifier.name:
            raise KeyChangeRefused(reason="a new key has the name of the log")
        if compromised:
            return self._ended(index, self.current)._with(LogKey(verifier, index + 1, is_vouched=True))
        if len(self.current) >= MAX_CURRENT:
            raise KeyChangeRefused(reason="two keys sign already; the older one is to be retired first")
        return self._with(LogKey(verifier, index + 1, is_vouched=True))

    def retired(self, index: int, verifier: Verifier) -> "Keyring":
        """The keyring after `log.key_retired/1` at `index`. Raises KeyChangeRefused."""
        if verifier not in self.current:
            raise KeyChangeRefused(reason="the key to be retired is none that signs")
        if verifier == self.newest.verifier:
            raise KeyChangeRefused(reason="the newest key cannot be retired; rotate first")
        return self._ended(index, (verifier,))

    def succeeded(self, index: int, verifier: Verifier, *, is_vouched: bool = True) -> "Keyring":
        """The keyring after `log.succeeded/1` at `index`: a new origin, its key alone. Raises KeyChangeRefused."""
        self._check_new(verifier, index)
        if any(one.verifier.name == verifier.name for one in self.keys):
            raise KeyChangeRefused(reason="the log had this origin before")
        return self._ended(index, self.current)._with(LogKey(verifier, index + 1, is_vouched=is_vouched))

    @property
    def newest(self) -> LogKey:
        """The key that came last. It always signs."""
        return self.keys[-1]

    @property
    def current(self) -> tuple[Verifier, ...]:
        """The keys that sign from now on, the older one first."""
        return tuple(one.verifier for one in self.keys if one.last_size is None)

    def at(self, size: int) -> tuple[Verifier, ...]:
        """The keys that must sign the checkpoint of this size, in the order in which they came."""
        return tuple(one.verifier for one in self.keys if one.signs(size))

    def origin(self, size: int) -> str:
        """The origin of the checkpoint of this size. Raises MalformedCheckpoint for size 0, which nobody signs."""
        keys = self.at(size)
        if not keys:
            raise MalformedCheckpoint(reason=f"no key signs a checkpoint of size {size}")
        return keys[0].name

    def open(self, note: str) -> Checkpoint:
        """The checkpoint in `note`, once all keys of its size signed it and no other key of this log did.

        Raises MalformedNote, UntrustedNote or MalformedCheckpoint, as `open_checkpoint` does.
        """
        checkpoint = checkpoint_of(note)
        wanted = self.at(checkpoint.size)
        if checkpoint.origin != self.origin(checkpoint.size):
            raise MalformedCheckpoint(reason=f"its origin is not {self.origin(checkpoint.size)}, the log's")
        opened = open_note(note, [one.verifier for one in self.keys])
        signed = {(one.name, one.key_id) for one in opened.verified}
        missing = [key for key in wanted if (key.name, key.key_id) not in signed]
        if missing:
            raise UntrustedNote(
                reason=f"at size {checkpoint.size} the key {short(missing[0])} must sign it, and did not"
            )
        surplus = [one for one in self.keys if _mark(one.verifier) in signed and one.verifier not in wanted]
        if surplus:
            raise UntrustedNote(
                reason=f"at size {checkpoint.size} the key {short(surplus[0].verifier)} may not sign it, and did"
            )
        return checkpoint

    def way(self, trusted: Verifier, size: int) -> tuple[Verifier, ...]:
        """The keys from `trusted` to one that signs at `size`, each vouched for by the one before; at least one.

        A key that signs there is its own way. Raises UntrustedNote where no statement leads on.
        """
        if trusted in self.at(size):
            return (trusted,)
        known = [one for one in self.keys if one.first_size <= size]
        if trusted not in [one.verifier for one in self.keys]:
            raise UntrustedNote(reason=f"the key {short(trusted)} is none of this log's")
        if trusted not in [one.verifier for one in known]:
            # Back there is no way: an older key may have been replaced because somebody else had it.
            raise UntrustedNote(
                reason=f"the key {short(trusted)} came after size {size}, and keys vouch only for later ones; "
                "take the key of that time, or ask for a newer proof"
            )
        return tuple(self._steps(trusted, known))

    def _steps(self, trusted: Verifier, known: list[LogKey]) -> Iterator[Verifier]:
        """The keys from `trusted` on, in order; raises where one was not vouched for by the one before."""
        start = [one.verifier for one in known].index(trusted)
        yield trusted
        for one in known[start + 1 :]:
            if not one.is_vouched:
                raise UntrustedNote(
                    reason=f"no statement leads from the key {short(trusted)} to {short(one.verifier)}; "
                    "get the new key from somebody you trust"
                )
            yield one.verifier

    def _check_new(self, verifier: Verifier, index: int) -> None:
        """A key is told by its name and id alone: another one with the same two could not be told apart."""
        if any(_mark(one.verifier) == _mark(verifier) for one in self.keys):
            raise KeyChangeRefused(reason="the log had this key before")
        if index < self.newest.first_size:
            raise KeyChangeRefused(reason="keys change once in an entry, and in the order of entries")

    def _ended(self, index: int, verifiers: tuple[Verifier, ...]) -> "Keyring":
        if index < self.newest.first_size:
            raise KeyChangeRefused(reason="keys change once in an entry, and in the order of entries")
        return Keyring(
            tuple(
                replace(one, last_size=index) if one.verifier in verifiers and one.last_size is None else one
                for one in self.keys
            )
        )

    def _with(self, key: LogKey) -> "Keyring":
        return Keyring((*self.keys, key))


def short(verifier: Verifier) -> str:
    """How a sentence names a key: its name and id, without the key itself."""
    return f"{verifier.name}+{verifier.key_id.hex()}"


def _mark(verifier: Verifier) -> tuple[str, bytes]:
    return verifier.name, verifier.key_id
