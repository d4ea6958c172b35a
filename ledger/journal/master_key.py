"""Replacing the master key: everything that it opens is wrapped anew, and a crash anywhere leaves one that opens all.

    1. keys/master.change: each of the two opens the other        before this nothing has happened
    2. the new one in the place of the old, unless it has a file of its own
    3. the files of keys, one by one                              some open with the old, some with the new: 1 has both
    4. the vault, in one transaction
    5. `master_key.rotated/1` is recorded, once however often the steps are repeated
    6. keys/master.change is removed: nothing leads from the new one to the old any more

What was copied before opens with the old master key for ever: so it is rotated in a stated time, and copies of
the old one are destroyed.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from msgspec import Meta
from sqlalchemy import func, select

from ledger.database import reading
from ledger.durable import sync_folder, write_new
from ledger.errors import Refused
from ledger.journal.events import LogOpened
from ledger.journal.fields import Prose, ask
from ledger.journal.journal import By, Receipt, read_recorded
from ledger.journal.key_events import MasterKeyRotated, last_master_rotation
from ledger.journal.opening import Ledger
from ledger.journal.registry import Request, command
from ledger.journal.transaction import Tx
from ledger.keys.key_files import KEY_BYTES, locked, plain, read_plain, replace_file
from ledger.keys.keys import rewrap_files
from ledger.keys.master_change import begin_change, change_under_way, end_change
from ledger.vault.tables import persons
from ledger.vault.vault import WrongMasterKey

DEADLINE_DAYS = 90  # a person who was erased may be read from an older copy until then


class OtherChangeUnderWay(Refused):
    """A change of the master key was interrupted, and another new key is given now."""

    message = (
        "The master key was being replaced by another one than that in {path}. Finish that change first: "
        "lotproof keys rotate-master without --new-file, or with the file that was given then."
    )


class SameMasterKey(Refused):
    """The new master key is the old one."""

    message = "The master key in {path} is the one in use. Give another file, or none."


class RotateMasterKey(Request, frozen=True):
    """Record that the master key was replaced."""

    persons: int
    reason: Annotated[Prose, Meta(min_length=1), ask("Why", "It stands in the log for ever.")]


@command("master_key.rotate")
def record_master_rotation(tx: Tx, request: RotateMasterKey) -> None:
    """When, and keys of how many were wrapped anew; nothing of the key."""
    opened = read_recorded(tx.connection, 0).event
    assert isinstance(opened, LogOpened)
    tx.record(MasterKeyRotated(persons=request.persons, reason=request.reason), f"log:{opened.log}")


@dataclass(frozen=True, slots=True)
class MasterKeyAge:
    """Since when the master key is in use, and by when it is to be replaced."""

    since: datetime
    due: datetime

    def is_overdue(self, now: datetime) -> bool:
        return now > self.due


def master_key_age(ledger: Ledger) -> MasterKeyAge:
    """From the log: since the last rotation, or since the log was opened."""
    with reading(ledger.engine) as connection:
        since = last_master_rotation(connection) or read_recorded(connection, 0).at
    return MasterKeyAge(since.astimezone(UTC), since.astimezone(UTC) + timedelta(days=DEADLINE_DAYS))


def rotate_master_key(ledger: Ledger, reason: str, by: By, *, new_file: Path | None = None) -> Receipt:
    """Replace the master key by a new one, or go on where a crash ended the last attempt.

    With `new_file` the new one is taken from there (made there if the file is missing), and the old file is left
    to whoever keeps it: from then on LOTPROOF_MASTER_KEY_FILE must name the new one. `ledger` can read no personal
    data afterwards: it has the old master key. Raises OtherChangeUnderWay, SameMasterKey, and what the keys raise.
    """
    old, new = begin(ledger, new_file)
    with locked(ledger.keys.folder):
        if new_file is None:
            replace_file(ledger.keys.master_key_file, plain(new))
        rewrap_files(ledger.keys, (old, new), new)
    persons = _rewrap_vault(ledger, old, new)
    # The key of the request tells the attempts of one change from the next change. Only its digest is kept.
    key = hashlib.sha256(b"lotproof/master-key-change\n" + old + new).hexdigest()
    request = RotateMasterKey(persons=persons, reason=reason)
    receipt = ledger.journal.write(record_master_rotation, request, By(by.actor, key, b"master key"))
    with locked(ledger.keys.folder):
        # Once more: a process that has the old one alone may have made a key of the log since the first time.
        rewrap_files(ledger.keys, (old, new), new)
        end_change(ledger.keys.folder)
    return receipt


def begin(ledger: Ledger, new_file: Path | None) -> tuple[bytes, bytes]:
    """The first step: (old, new), each of which opens the other from now on."""
    folder = ledger.keys.folder
    with locked(folder):
        change = change_under_way(folder, read_plain(ledger.keys.master_key_file))
        if change is not None:
            if new_file is not None and read_plain(new_file) != change[1]:
                raise OtherChangeUnderWay(path=new_file)
            return change
        old = read_plain(ledger.keys.master_key_file)
        new = _new_master(new_file)
        if new == old:
            raise SameMasterKey(path=new_file)
        begin_change(folder, old, new)
    return old, new


def _new_master(place: Path | None) -> bytes:
    if place is None:
        return secrets.token_bytes(KEY_BYTES)
    if not place.exists():
        write_new(place, plain(secrets.token_bytes(KEY_BYTES)))
        sync_folder(place.parent)
    return read_plain(place)


def _rewrap_vault(ledger: Ledger, old: bytes, new: bytes) -> int:
    """How many persons' keys are wrapped by the new master key, by this call or by one before a crash."""
    try:
        replace(ledger.vault, master=old).rewrap(new)
    except WrongMasterKey:
        replace(ledger.vault, master=new).check_master_key()
    with reading(ledger.vault.engine) as connection:
        count: int = connection.scalar(select(func.count()).select_from(persons)) or 0
    return count
