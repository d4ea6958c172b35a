"""What a worker does unasked: sealing when nothing happens, sweeping up what crashes left behind, and destroying
personal data whose time has run out."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.database import reading
from ledger.journal.opening import Ledger
from ledger.recall.claim import named_items
from ledger.recall.erasing import finish_erasures, keep_to_retention
from ledger.trace.commissioning import drop_leftovers

SEAL_AFTER = timedelta(minutes=10)  # so old an answer may be by neglect
LEFT_BEHIND_AFTER = timedelta(hours=1)  # a command in flight takes seconds


@dataclass(frozen=True, slots=True)
class Swept:
    """How much was removed."""

    staged_sets: int
    temporary_files: int
    vault_items: int


@dataclass(frozen=True, slots=True)
class Destroyed:
    """How many values ran out, and how many persons and values a crash or an older vault had left."""

    expired_items: int
    left_behind: int


def seal_if_quiet(ledger: Ledger) -> bool:
    """Publish a checkpoint with nothing new in it if the last one is ten minutes old; whether it was."""
    with reading(ledger.engine) as connection:
        last = ledger.journal.standing(connection).as_of
    is_quiet = ledger.journal.now() - last >= SEAL_AFTER
    if is_quiet:
        ledger.journal.seal()
    return is_quiet


def sweep(ledger: Ledger, *, now: datetime) -> Swept:
    """Remove what no entry names and nobody can still be at work on, and what pages stood as before."""
    old = now - LEFT_BEHIND_AFTER
    # `old` first, the names second: whatever is older than `old` has its entry by now or never will.
    with reading(ledger.engine) as connection:
        named = named_items(connection)
    swept = Swept(
        staged_sets=drop_leftovers(ledger.journal),
        temporary_files=ledger.files.sweep(older_than=old),
        vault_items=ledger.vault.sweep(named, older_than=old),
    )
    ledger.vault.scrub()  # also after an erasure in another process, when a reader was in the way
    return swept


def keep_promises(ledger: Ledger, *, now: datetime) -> Destroyed:
    """Destroy the personal data whose time has run out, and what was erased on record and is there still."""
    return Destroyed(expired_items=keep_to_retention(ledger, now=now), left_behind=finish_erasures(ledger))
