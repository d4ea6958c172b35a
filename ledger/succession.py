"""Going on after entries that were published are gone for good: the same tree, under a new origin and a new key.

    what is still known of the old log → audit of what is left → `log.succeeded/1` is committed, signed by the new key
        → the guard begins afresh → the settings name the new origin → another audit

Whoever kept a checkpoint of the old origin is told by `log compare` what was lost. Called again after a crash, it goes
on where it was.
"""

import secrets
from contextlib import closing
from typing import Any

from sqlalchemy import Connection

from ledger.database import reading
from ledger.durable import make_private_folder
from ledger.errors import LedgerError
from ledger.journal.clock import Clock
from ledger.journal.journal import By, Receipt
from ledger.journal.key_changes import succeed_log
from ledger.journal.key_events import read_keyring
from ledger.journal.opening import open_ledger
from ledger.key_files import KEY_BYTES, locked, read_plain, replace_file, sealed_signer, wrapped
from ledger.keys import LINKS_KEY, LOG_KEY, MASTER_KEY, UNITS_KEY
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.directory import NothingPublished
from ledger.log.guard import FreshGuard, Guard, GuardDamaged, GuardMissing
from ledger.log.keyring import Keyring
from ledger.log.note import Signer, split_note
from ledger.resume import OPERATOR, demand_whole
from ledger.settings import Settings


def succeed(
    settings: Settings,
    *,
    origin: str,
    reason: str,
    last_known: str | None = None,
    clock: Clock | None = None,
    accept_long_silence: bool = False,
    keys_are_lost: bool = False,
) -> Receipt | None:
    """Go on as `origin` with the entries that are left; None where that was recorded already, and is now finished.

    With `keys_are_lost` the log's key, and what else is missing beside the master key, is made anew first: then the
    statement bears the new signature alone.

    `last_known` is a signed checkpoint of the old origin that somebody kept; the guard's own counts too where it is
    this log's, and the larger one is recorded. Raises NotWhole, InvalidOrigin, KeyChangeRefused, and what opening
    the note raises; then nothing has changed.
    """
    settings.check_origin(origin)
    if keys_are_lost:
        make_lost_keys(settings, origin)
    how: dict[str, Any] = {"clock": clock, "accept_long_silence": accept_long_silence}
    with closing(open_ledger(settings, **how)) as ledger:
        demand_whole(ledger)
        with reading(ledger.engine) as connection:
            guard, known = _guard_for(connection, settings), _largest(connection, settings, last_known)
    with closing(open_ledger(settings, guard=guard, **how)) as ledger:
        receipt = succeed_log(ledger, origin=origin, reason=reason, by=By(OPERATOR), last_known_note=known)
        if receipt is None:
            ledger.journal.seal()  # a crash came between entry and guard: this writes the guard
    # A crash here: everything stands but the name in the settings; the same command again writes it.
    renamed = settings.rename(origin)
    with closing(open_ledger(renamed, **how)) as ledger:
        demand_whole(ledger)
    return receipt


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


def _largest(connection: Connection, settings: Settings, last_known: str | None) -> str | None:
    """The checkpoint of the most entries that is known of the log so far: that of the guard, or the one kept."""
    keyring = read_keyring(connection)
    assert keyring is not None
    known = [note for note in (_guards_own(settings, keyring), last_known) if note is not None]
    if last_known is not None:
        keyring.open(last_known)
    return max(known, key=_size_of, default=None)


def _guards_own(settings: Settings, keyring: Keyring) -> str | None:
    """What the guard holds, if it can be read and this log signed it."""
    try:
        note = Guard(settings.guard).read().note
        if note is not None:
            keyring.open(note)
    except LedgerError:
        return None
    return note


def _size_of(note: str) -> int:
    return Checkpoint.parse(split_note(note)[0]).size
