"""Changing the log's keys: a new key, an old one retired, a new origin.

Each goes through four steps, and a crash after any of them leaves a state from which the same call goes on:

    1. make the next key: keys/log.next.pem           nothing has happened yet
    2. sign the statement, with old and new           in memory
    3. record the event; the seal of that very group is signed as the new keyring demands
    4. give the files the names that fit: `keys.settle`

Between 3 and 4 the log says which keys sign, and every process finds them under whatever name they stand.
"""

from typing import Annotated

from msgspec import Meta

from ledger.database import reading
from ledger.errors import Refused
from ledger.journal.events import LogOpened
from ledger.journal.fields import Prose, ask
from ledger.journal.journal import By, Receipt, read_recorded
from ledger.journal.key_events import (
    GuardState,
    KeyRetired,
    KeyRotated,
    LastKnown,
    LogResumed,
    LogSucceeded,
    keyring_after,
    read_keyring,
)
from ledger.journal.opening import Ledger
from ledger.journal.publish import checkpoint_of
from ledger.journal.registry import Event, Request, command
from ledger.journal.transaction import Tx
from ledger.journal.who_signs import check_keys
from ledger.keys.keys import NEXT_KEY, make_next, settle
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.keyring import KeyChangeRefused, Keyring
from ledger.log.note import Signer
from ledger.log.statement import rotate, succeed

NAME_TAKEN = "the log had this origin before; choose another name"

Why = Annotated[Prose, Meta(min_length=1), ask("Why", "It stands in the log for ever.")]


class NothingToRetire(Refused):
    """One key signs, and it is the newest."""

    message = "One key signs alone; there is none to retire. To replace it: lotproof keys rotate."


class RotateKey(Request, frozen=True):
    """Record that the log has a new key."""

    compromised: bool
    new: str
    old: str
    reason: Why
    signed: str  # the statement, a signed note


class RetireKey(Request, frozen=True):
    """Record that a key signs no more."""

    reason: Why
    vkey: str


class SucceedLog(Request, frozen=True):
    """Record that the log goes on under a new origin."""

    kept: int
    last_origin: str
    last_root: str
    last_size: int
    origin: str
    reason: Why
    signed: str  # the statement, a signed note
    vkey: str


class ResumeLog(Request, frozen=True):
    """Record that the log goes on with a fresh guard, because the former one was lost or was another log's."""

    guard: GuardState
    known: int | None
    reason: Why


@command("log.rotate_key")
def record_rotation(tx: Tx, request: RotateKey) -> None:
    """Refused with KeyChangeRefused where it does not follow on the keys there are."""
    _record(
        tx,
        KeyRotated(
            compromised=request.compromised,
            new=request.new,
            old=request.old,
            reason=request.reason,
            statement=request.signed,
        ),
    )


@command("log.retire_key")
def record_retirement(tx: Tx, request: RetireKey) -> None:
    """As `record_rotation`."""
    _record(tx, KeyRetired(reason=request.reason, vkey=request.vkey))


@command("log.succeed")
def record_succession(tx: Tx, request: SucceedLog) -> None:
    """As `record_rotation`; also where somebody wrote meanwhile, so that other entries were kept than was said."""
    last = LastKnown(origin=request.last_origin, root=request.last_root, size=request.last_size)
    _record(
        tx,
        LogSucceeded(
            kept=request.kept,
            last=last,
            origin=request.origin,
            reason=request.reason,
            statement=request.signed,
            vkey=request.vkey,
        ),
    )


@command("log.resume")
def record_resumption(tx: Tx, request: ResumeLog) -> None:
    """On record for ever: the guard that stood for what was published is no longer the one that stands now."""
    _record(tx, LogResumed(guard=request.guard, known=request.known, reason=request.reason))


def rotate_key(ledger: Ledger, reason: str, by: By, *, compromised: bool = False) -> Receipt | None:
    """Give the log a new key. None where a rotation that was interrupted had been recorded: then it is finished.

    The old key signs beside the new one until `retire_key`; a compromised one signs no more from this entry on. If
    what was interrupted was an ordinary rotation and the key is compromised now, another one follows at once.
    Raises KeyChangeRefused during an overlap, unless compromised; and what writing raises.
    """
    keyring = _keyring(ledger)
    if _finish(ledger, keyring) and not (compromised and len(keyring.current) > 1):
        return None
    _check_rotation(keyring, compromised=compromised)
    # Whoever has the compromised key may have the one beside it too.
    new = make_next(ledger.keys, keyring.newest.verifier.name, fresh=compromised)
    old = _signer_of(ledger, keyring)
    request = RotateKey(
        compromised=compromised,
        new=new.verifier.to_text(),
        old=old.verifier.to_text(),
        reason=reason,
        signed=rotate(old, new),
    )
    receipt = ledger.journal.write(record_rotation, request, by)
    # A crash here: the log demands the new key, which is in keys/log.next.pem, where every process finds it.
    settle(ledger.keys, _keyring(ledger).current)
    return receipt


def retire_key(ledger: Ledger, reason: str, by: By) -> Receipt:
    """End the overlap: the older of the two keys signs no more, and its private half is destroyed.

    Raises NothingToRetire outside an overlap.
    """
    keyring = _keyring(ledger)
    settle(ledger.keys, keyring.current)
    if len(keyring.current) < 2:
        raise NothingToRetire()
    request = RetireKey(reason=reason, vkey=keyring.current[0].to_text())
    receipt = ledger.journal.write(record_retirement, request, by)
    # A crash here: the old key's file stays until the next of these calls; nobody takes its signature any more.
    settle(ledger.keys, _keyring(ledger).current)
    return receipt


def succeed_log(
    ledger: Ledger, *, origin: str, reason: str, by: By, last_known_note: str | None = None
) -> Receipt | None:
    """Go on in the same tree under a new origin and a new key; None where that is recorded already.

    `last_known_note` is the last checkpoint known of the old log, which may be of more entries than the database
    has, and signed by a key that it does not know yet: the caller looks at its signature. Without one the database's
    own. Where the old keys are lost the statement bears the new signature alone.
    The guard must let the ledger write: open it with one that was begun afresh (`guard.FreshGuard`), and put
    the new origin into the settings afterwards. Raises KeyChangeRefused.
    """
    keyring = _keyring(ledger)
    if is_succeeded(keyring, origin):
        settle(ledger.keys, keyring.current)
        return None
    with reading(ledger.engine) as connection:
        kept, newest = store.size(connection), store.newest_note(connection)
    note = last_known_note or newest
    assert note is not None  # a ledger is never without its first checkpoint
    last = checkpoint_of(note)
    settle(ledger.keys, keyring.current)
    new = make_next(ledger.keys, origin)
    ledger.journal.publisher.accept(keyring.current)
    held = {one.verifier: one for one in ledger.keys.signers()}
    old = [held[key] for key in keyring.current if key in held]
    receipt = ledger.journal.write(record_succession, _succession(last, kept, old, new, reason), by)
    # A crash here: the log demands the new key and the guard may still be the old one. The same call goes on.
    settle(ledger.keys, _keyring(ledger).current)
    return receipt


def is_succeeded(keyring: Keyring, origin: str) -> bool:
    """Whether the newest change of keys is the succession to `origin`. Raises KeyChangeRefused for an earlier name.

    A rotation brings a key of the same name: that the newest key is called `origin` says nothing of a succession.
    """
    names = [one.verifier.name for one in keyring.keys]
    if names[-1] == origin and origin not in names[:-1] and len(names) > 1:
        return True
    if origin in names:
        raise KeyChangeRefused(reason=NAME_TAKEN)
    return False


def _succession(last: Checkpoint, kept: int, old: list[Signer], new: Signer, reason: str) -> SucceedLog:
    return SucceedLog(
        kept=kept,
        last_origin=last.origin,
        last_root=last.root.hex(),
        last_size=last.size,
        origin=new.name,
        reason=reason,
        signed=succeed(last, kept, old, new),
        vkey=new.verifier.to_text(),
    )


def _record(tx: Tx, event: Event) -> None:
    """Record it about the log, once it is known to follow. Raises KeyChangeRefused."""
    keyring_after(read_keyring(tx.connection), tx.next_index, event)
    opened = read_recorded(tx.connection, 0).event
    assert isinstance(opened, LogOpened)
    tx.record(event, f"log:{opened.log}")


def _keyring(ledger: Ledger) -> Keyring:
    """Raises KeysDiffer: by what it says, files of keys are destroyed."""
    with reading(ledger.engine) as connection:
        keyring, note = read_keyring(connection), store.newest_note(connection)
    assert keyring is not None  # a ledger is made with its first entry,
    assert note is not None  # and with a checkpoint
    check_keys(keyring, note, ())
    return keyring


def _finish(ledger: Ledger, keyring: Keyring) -> bool:
    """Give the files of an interrupted change their names; whether there was one."""
    before = set(ledger.keys.log_keys())
    settle(ledger.keys, keyring.current)
    return NEXT_KEY in before and NEXT_KEY not in ledger.keys.log_keys()


def _check_rotation(keyring: Keyring, *, compromised: bool) -> None:
    if not compromised and len(keyring.current) > 1:
        raise KeyChangeRefused(
            reason="two keys sign already; retire the older one first: lotproof keys retire"
        )


def _signer_of(ledger: Ledger, keyring: Keyring) -> Signer:
    """The private half of the newest key. Raises KeyChangeRefused where it is lost."""
    for signer in ledger.keys.signers():
        if signer.verifier == keyring.newest.verifier:
            return signer
    raise KeyChangeRefused(
        reason="the private half of the newest key is not here; put keys/ back, or: lotproof log succeed"
    )
