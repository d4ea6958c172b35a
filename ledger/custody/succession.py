"""Going on after entries that were published are gone for good: the same tree, under a new origin and a new key.

    what is still known of the old log → audit of what is left → `log.succeeded/1` is committed, signed by the new key
        → the guard begins afresh → the settings name the new origin → another audit

Whoever kept a checkpoint of the old origin is told by `log compare` what was lost. Called again after a crash, it goes
on where it was.
"""

import secrets
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import Connection

from ledger.custody.resume import OPERATOR, EntriesDiffer, demand_whole
from ledger.database import connect, reading
from ledger.durable import make_private_folder
from ledger.errors import Refused
from ledger.journal.clock import Clock
from ledger.journal.journal import By, Receipt
from ledger.journal.key_changes import NAME_TAKEN, is_succeeded, succeed_log
from ledger.journal.key_events import read_keyring
from ledger.journal.opening import open_ledger
from ledger.keys.key_files import KEY_BYTES, locked, read_plain, replace_file, sealed_signer, wrapped
from ledger.keys.keys import LINKS_KEY, LOG_KEY, MASTER_KEY, UNITS_KEY
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.compare import compare, parse_kept
from ledger.log.directory import NothingPublished
from ledger.log.guard import FreshGuard, Guard, GuardDamaged, GuardMissing
from ledger.log.keyring import KeyChangeRefused, Keyring
from ledger.log.note import Signer, UntrustedNote, open_note, split_note
from ledger.settings import Settings


class NothingLost(Refused):
    """The guard and the database agree, the log's keys are here, and no checkpoint was shown that is not."""

    message = (
        "Nothing shows that anything is lost: the guard and the database agree at {size} entries, and the log's key "
        "is here. A new name is for ever, and everybody needs the new key. If somebody kept a checkpoint of more "
        "entries: --last-known FILE. If the name itself is to change: --nothing-is-lost."
    )


class GuardAloneLost(Refused):
    """Only the guard is missing, damaged or another log's: a log goes on from that under its own name."""

    message = (
        "Only the guard does not stand for this log: nothing shows that entries or keys are lost. To go on under the "
        "same name: lotproof log resume. If somebody kept a checkpoint of more than the {size} entries that are here: "
        "--last-known FILE. A new name is for ever; if it is to change although nobody can show a loss: "
        "--nothing-is-lost."
    )


def succeed(
    settings: Settings,
    *,
    origin: str,
    reason: str,
    last_known: str | None = None,
    clock: Clock | None = None,
    accept_long_silence: bool = False,
    keys_are_lost: bool = False,
    nothing_is_lost: bool = False,
) -> Receipt | None:
    """Go on as `origin` with the entries that are left; None where that was recorded already, and is now finished.

    With `keys_are_lost` the log's key, and what else is missing beside the master key, is made anew first: then the
    statement bears the new signature alone. A log of which nothing shows a loss is renamed only with
    `nothing_is_lost`.

    `last_known` is a signed checkpoint of the old origin that somebody kept; the guard's own counts too where it is
    this log's, and the larger one is recorded. Raises NotWhole, InvalidOrigin, KeyChangeRefused, EntriesDiffer where
    one of the two contradicts the entries that are left, NothingLost, GuardAloneLost, and what opening the note
    raises; then nothing has changed.
    """
    settings.check_origin(origin)
    if keys_are_lost:
        _demand_free(settings, origin)
        nothing_is_lost = bool(make_lost_keys(settings, origin)) or nothing_is_lost
    how: dict[str, Any] = {"clock": clock, "accept_long_silence": accept_long_silence}
    with closing(open_ledger(settings, **how)) as ledger:
        demand_whole(ledger)
        with reading(ledger.engine) as connection:
            guard = _guard_for(connection, settings)
            _demand_unfinished(connection, settings, guard, origin)
            own = ledger.keys.signers()
            known = _largest(connection, settings, last_known, own=own, origin=origin)
            if not nothing_is_lost:
                _demand_loss(connection, guard, known, own=own, origin=origin)
    with closing(open_ledger(settings, guard=guard, **how)) as ledger:
        receipt = succeed_log(ledger, origin=origin, reason=reason, by=By(OPERATOR), last_known_note=known)
        if receipt is None:
            ledger.journal.seal()  # a crash came between entry and guard: this writes the guard
    # A crash here: everything stands but the name in the settings; the same command again writes it.
    renamed = settings.rename(origin)
    with closing(open_ledger(renamed, **how)) as ledger:
        demand_whole(ledger)
    return receipt


def _demand_free(settings: Settings, origin: str) -> None:
    """Before a key is made under a name: it must not be one that this log had. Raises KeyChangeRefused.

    Where the succession to it is on record already, its key was made then, and there is nothing to make.
    """
    engine = connect(settings.ledger_db)
    try:
        with reading(engine) as connection:
            keyring = read_keyring(connection)
    finally:
        engine.dispose()
    names = {one.verifier.name for one in keyring.keys} if keyring else set()
    if origin in names and not (settings.keys / LOG_KEY).exists():
        raise KeyChangeRefused(reason=NAME_TAKEN)


def make_lost_keys(settings: Settings, origin: str) -> list[str]:
    """Make the keys that are missing in their folder, and give their files' names; the master key must be there.

    Without units.key the sets of units so far cannot be opened to an auditor any more; without links.key the links
    that were given out end. Raises KeyMissing, KeyDamaged.
    """
    folder = settings.keys
    master = read_plain(settings.master_key_file or folder / MASTER_KEY)
    make_private_folder(folder)
    with locked(folder):
        missing = [name for name in (LOG_KEY, UNITS_KEY, LINKS_KEY) if not (folder / name).exists()]
        for name in missing:
            fresh = sealed_signer(Signer.generate(origin), master) if name == LOG_KEY else None
            replace_file(folder / name, fresh or wrapped(name, secrets.token_bytes(KEY_BYTES), master))
    return missing


def _guard_for(connection: Connection, settings: Settings) -> Guard:
    """The guard itself where it agrees with the database, else one that begins afresh."""
    guard, newest = Guard(settings.guard), store.newest_note(connection)
    if newest is None:
        raise NothingPublished()
    try:
        guarded = guard.read()
        fits = guarded.note is not None and store.note_at(connection, guarded.size) == guarded.note
    except (GuardMissing, GuardDamaged):
        fits = False
    return guard if fits else FreshGuard(settings.guard, newest)


def _demand_unfinished(connection: Connection, settings: Settings, guard: Guard, origin: str) -> None:
    """Where the succession to `origin` is on record, it may only be finished: entries lost since ask for another name.

    A guard that is begun afresh would forget them. Only before the first one is the log of the succession's own size,
    and there is none of the new origin yet. Raises KeyChangeRefused.
    """
    keyring, newest = read_keyring(connection), store.newest_checkpoint(connection)
    assert keyring is not None
    assert newest is not None
    if not is_succeeded(keyring, origin) or not isinstance(guard, FreshGuard):
        return
    own_size = keyring.newest.first_size + 1  # what it recorded, and the state that the seal adds
    if _guards_own(settings, keyring) is not None or newest.size > own_size:
        raise KeyChangeRefused(reason=f"{NAME_TAKEN}, or where only the guard is lost: lotproof log resume")


def _demand_loss(
    connection: Connection, guard: Guard, known: str | None, *, own: Sequence[Signer], origin: str
) -> None:
    """Raise NothingLost or GuardAloneLost unless a key is not here, or `known` is of more entries than are.

    Where the succession to `origin` is on record, it is only finished.
    """
    keyring, newest = read_keyring(connection), store.newest_checkpoint(connection)
    assert keyring is not None
    assert newest is not None
    has_keys = {one.verifier for one in own}.issuperset(keyring.current)
    if is_succeeded(keyring, origin) or not has_keys:
        return
    if known is None or _size_of(known) <= newest.size:
        raise (GuardAloneLost if isinstance(guard, FreshGuard) else NothingLost)(size=newest.size)


def _largest(
    connection: Connection, settings: Settings, last_known: str | None, *, own: Sequence[Signer], origin: str
) -> str | None:
    """The checkpoint of the most entries that is known of the log so far: that of the guard, or the one kept.

    None where the succession to `origin` is on record. Raises EntriesDiffer, and what opening `last_known` raises.
    """
    keyring, newest = read_keyring(connection), store.newest_checkpoint(connection)
    assert keyring is not None
    assert newest is not None
    if is_succeeded(keyring, origin):
        return None
    if last_known is not None:
        _demand_signed(last_known, keyring, newest, own)
    known = {"The guard": _guards_own(settings, keyring), "The checkpoint that was kept": last_known}
    for source, note in known.items():
        if note is not None and compare(connection, parse_kept(note), newest).verdict == "rewritten":
            raise EntriesDiffer(source=source, published=_size_of(note))
    return max((note for note in known.values() if note is not None), key=_size_of, default=None)


def _demand_signed(note: str, keyring: Keyring, newest: Checkpoint, own: Sequence[Signer]) -> None:
    """Raise UntrustedNote unless keys of this log signed it: an older database knows none that came after it."""
    try:
        keyring.open(note)
    except UntrustedNote:
        if _size_of(note) <= newest.size:
            raise
        open_note(note, [one.verifier for one in own])


def _guards_own(settings: Settings, keyring: Keyring) -> str | None:
    """What the guard holds, if it can be read and is of this log.

    By whom it is signed is not asked: where the key was changed after what is left was written, nobody here may know
    that key any more, and a loss that the guard knows of must never go on record as none.
    """
    try:
        note = Guard(settings.guard).read().note
    except (GuardMissing, GuardDamaged):
        return None
    if note is None or Checkpoint.parse(split_note(note)[0]).origin != keyring.newest.verifier.name:
        return None
    return note


def _size_of(note: str) -> int:
    return Checkpoint.parse(split_note(note)[0]).size
