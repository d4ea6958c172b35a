"""Restoring a backup: nothing is served from it before all of it was verified.

    keys → every entry, tile, checkpoint and signature into tables → files → derived tables → vault and state
        → persons erased in the log are erased in the vault → audit → the folder is moved into its place

All of that happens in a folder beside, `NAME.restoring`; a crash leaves that and nothing else, and the next restore
begins anew. On PostgreSQL the tables are in place from the start, and the folder without which nobody opens them is
not: a crash leaves rows there, and the next restore asks for them to be removed, because nothing tells them from those
of somebody who lives there. So what can be looked at is looked at before: every source, and every schema.

The guard is never made up: the one that survived is put in its place and says what is lost; without one readers are
answered, marked old, until somebody answers for going on (`lotproof log resume`).
"""

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
from sqlalchemy import Engine, Table

from ledger.audit.derived import audit_derived
from ledger.custody.backup import FILES, LOG, SETTINGS, STATE_DB, VAULT_DB, copy_private, newest_of
from ledger.custody.copying import copy_tables, table_with_rows
from ledger.custody.generations import sync_tree
from ledger.database import connect, migrate, reading
from ledger.durable import PRIVATE_FOLDER, sync_folder, write_new
from ledger.errors import LedgerError, Refused
from ledger.files import CHUNK_BYTES, Files
from ledger.installing import make_databases
from ledger.journal.carrying import Carried, carry_in
from ledger.keys.keys import LOG_KEY, Keys
from ledger.location import Location, Postgres
from ledger.log import store
from ledger.log.checkpoint import Checkpoint, checkpoint_of
from ledger.log.guard import Guard
from ledger.log.layout import Directory, Progress, no_progress
from ledger.log.note import UntrustedNote, Verifier
from ledger.recall.erasing import erase_recorded, vault_problems
from ledger.settings import Settings
from ledger.vault.tables import METADATA as VAULT
from ledger.vault.vault import open_vault


class PlaceTaken(Refused):
    """Something lives where the backup should go."""

    message = (
        "{folder} is not empty. Move it aside first (its guard, keys and vault may be of use: --guard, --keys, "
        "--vault), or restore elsewhere: --into FOLDER."
    )


class DatabaseTaken(Refused):
    """Rows of somebody else, or of a restore that broke off, are where the backup should go."""

    message = (
        "{place} is not empty: {schema}.{table} holds rows. Nothing was restored or changed. Choose an empty database. "
        "Only if those rows are of a restore that broke off, or are to go for good, remove them as their owner: "
        "DROP SCHEMA IF EXISTS ledger, state, vault CASCADE;"
    )


class NotInBackup(LedgerError):
    """A part of the backup is not where it was said to be."""

    message = "{folder} holds no {what}. {advice}"


class GuardDiffers(Refused):
    """The guard and the backup tell two histories, or are of two logs."""

    message = (
        "The guard {path} holds a checkpoint of {published} entries that the log in this backup does not have: it is "
        "another log's, or history was rewritten. Nothing was put in place. Give this log's guard, or leave it out."
    )


class KeysOfAnotherTime(Refused):
    """None of the keys at hand is one that the log in the backup knows."""

    message = (
        "No key in {folder} signed this backup ({reason}). If they are of this log and newer than the backup, give the "
        "key of its time, from somebody you trust: --key VKEY. Its private half is gone: what is restored goes on with "
        "lotproof log succeed."
    )


class BackupNotWhole(Refused):
    """An audit of what was restored found something."""

    message = (
        "The backup is not whole: {finding} ({count} such findings). Nothing was put in place; what was made of it "
        "is in {folder}, to be looked at."
    )


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. `lost` is (from, to): entries that the guard knows of and the backup has not."""

    checkpoint: Checkpoint
    files: int
    vault_rows: int | None  # None: there was no copy of the vault, and it begins empty
    erased: int  # persons and values that the older vault still held, and the log says are destroyed
    missing: int  # values that the log names and the copy of the vault has not, or not whole
    lost: tuple[int, int] | None
    has_guard: bool


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the parts of a backup are. `key` is one of the log's that is trusted, where the folder's are newer."""

    folder: Path
    keys: Path
    vault: Path | None = None
    guard: Path | None = None
    key: Verifier | None = None


def restore(
    sources: Sources,
    settings: Settings,
    *,
    state_tables: Sequence[Table],
    emptied: Collection[Table] = (),
    progress: Progress = no_progress,
) -> Restored:
    """Restore into `settings.data`, which must be empty or not there; tables of the state in `emptied` begin empty.

    Raises PlaceTaken, DatabaseTaken, NotInBackup, KeysOfAnotherTime, GuardDiffers, BackupNotWhole, and what reading
    keys, guard, log and vault raises.
    """
    target = settings.data
    _demand_sources(sources)
    _demand_empty(settings)
    staging = _fresh(target.with_name(f"{target.name}.restoring"))
    staged = _settings(sources, settings, staging)
    keys = _copy_keys(sources, staged)
    files = _copy_files(sources.folder / FILES, Files(staged.files))
    checkpoint, verifier = _carry(sources, staged, keys, progress)
    rows = _copy_vault(sources, staged, state_tables, emptied)
    lost = _place_guard(sources.guard, staged, checkpoint)
    erased, missing = _settle(staged, keys, verifier)
    sync_tree(staging)
    if target.exists():
        target.rmdir()
    # A crash before this line leaves no installation, and `NAME.restoring`; after it, the whole one.
    staging.rename(target)
    sync_folder(target.parent)
    return Restored(checkpoint, files, rows, erased, missing, lost, has_guard=sources.guard is not None)


# --- before anything is written


def _demand_empty(settings: Settings) -> None:
    """Raise PlaceTaken or DatabaseTaken unless nobody lives in the folder, nor in any of the three schemas."""
    target, owner = settings.data, settings.as_owner()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PlaceTaken(folder=target)
    for location in (owner.ledger_db, owner.state_db, owner.vault_db):
        if isinstance(location, Postgres) and (table := table_with_rows(location)) is not None:
            raise DatabaseTaken(place=location, schema=location.schema, table=table)


def _demand_sources(sources: Sources) -> None:
    """Raise NotInBackup, GuardDamaged or GuardDiffers for a source that is not what it was said to be."""
    if not (sources.folder / LOG).is_dir():
        advice = "Give the folder that lotproof backup wrote."
        raise NotInBackup(folder=sources.folder, what=LOG, advice=advice)
    _keys_in(sources)
    if sources.vault is not None:
        _vault_in(sources.vault)
    if sources.guard is not None:
        _compare_guard(sources.guard, Directory(sources.folder / LOG))


def _keys_in(sources: Sources) -> Path:
    found = newest_of(sources.keys, LOG_KEY)
    if found is None:
        advice = "Without the log's key it can be read as a mirror: lotproof log import."
        raise NotInBackup(folder=sources.keys, what=LOG_KEY, advice=advice)
    return found


def _vault_in(folder: Path) -> Path:
    found = newest_of(folder, VAULT_DB)
    if found is None:
        advice = "Leave --vault out to begin with an empty one: contacts and payouts are lost then."
        raise NotInBackup(folder=folder, what=VAULT_DB, advice=advice)
    return found


def _compare_guard(guard: Path, log: Directory) -> None:
    """Raise GuardDiffers where the backup reaches as far as the guard and has not its checkpoint.

    Nothing of the backup is verified yet: `_place_guard` looks again at what was.
    """
    guarded = Guard(guard).read()
    is_covered = 0 < guarded.size <= checkpoint_of(log.note()).size
    if is_covered and all(stored.note != guarded.note for stored in log.notes()):
        raise GuardDiffers(path=guard, published=guarded.size)


# --- its parts, one after the other


def _fresh(staging: Path) -> Path:
    if staging.exists():
        shutil.rmtree(staging)  # what a crash left of a former try
    staging.mkdir(mode=PRIVATE_FOLDER, parents=True)
    return staging


def _settings(sources: Sources, settings: Settings, staging: Path) -> Settings:
    """The settings for the folder beside, as `init` fixed them."""
    if not (sources.folder / SETTINGS).is_file():
        return replace(settings, data=staging)
    fixed = msgspec.json.decode((sources.folder / SETTINGS).read_bytes(), type=dict[str, str])
    # What was on PostgreSQL may be restored into files, and the other way round.
    fixed.pop("database", None)
    if settings.database_url is not None:
        fixed["database"] = "postgresql"
    write_new(staging / SETTINGS, msgspec.json.format(msgspec.json.encode(fixed), indent=2) + b"\n")
    address = {"LOTPROOF_DATABASE_URL": settings.database_url or ""}
    said = Settings.from_env({"LOTPROOF_DATA": str(staging), **address})
    return replace(
        settings,
        data=staging,
        host=said.host,
        origin=said.origin,
        log_entries=said.log_entries,
        moved_to=said.moved_to,
    )


def _copy_keys(sources: Sources, staged: Settings) -> Keys:
    staged.keys.mkdir(mode=PRIVATE_FOLDER)
    copy_private(_keys_in(sources), staged.keys)
    return Keys.open(staged.keys, master_key_file=staged.master_key_file)


def _copy_files(source: Path, target: Files) -> int:
    """Every file, hashed on the way in; gives how many."""
    count = 0
    for name in Files(source).names():
        with Files(source).open(name) as file:
            target.put(iter(lambda: file.read(CHUNK_BYTES), b""))
        count += 1
    return count


def _carry(sources: Sources, staged: Settings, keys: Keys, progress: Progress) -> tuple[Checkpoint, Verifier]:
    """The log into its tables, and what is derived from it, all verified; gives the key that it was trusted by."""
    make_databases(staged)
    engine = connect(staged.ledger_db)
    try:
        verifier, carried = _carry_in(sources, staged, keys, engine, progress)
    finally:
        engine.dispose()
    if carried.missing is not None:
        raise carried.missing
    return carried.checkpoint, verifier


def _carry_in(
    sources: Sources, staged: Settings, keys: Keys, engine: Engine, progress: Progress
) -> tuple[Verifier, Carried]:
    """By the newest key that the log knows. Raises KeysOfAnotherTime.

    Of the keys only the newest copy is kept, and the log may be older: in an overlap the other one signed it.
    """
    reason: UntrustedNote | None = None
    for verifier in [sources.key] if sources.key else keys.verifiers():
        try:
            read_file = Files(staged.files).read
            return verifier, carry_in(sources.folder / LOG, engine, verifier, read_file, progress)
        except UntrustedNote as error:
            reason = reason or error
    raise KeysOfAnotherTime(folder=sources.keys, reason=str(reason).removesuffix(".")) from reason


def _copy_vault(
    sources: Sources, staged: Settings, state_tables: Sequence[Table], emptied: Collection[Table]
) -> int | None:
    """Vault and state into their places; gives how many rows the vault has."""
    if sources.vault is None:
        return None
    found, beside = _vault_in(sources.vault), staged.data
    copy_vault = partial(copy_tables, tables=VAULT.sorted_tables)
    rows = _copy_database(found / VAULT_DB, "vault", staged.vault_db, copy_vault, beside=beside)
    if (found / STATE_DB).is_file():
        copy_state = partial(copy_tables, tables=state_tables, emptied=emptied)
        _copy_database(found / STATE_DB, "state", staged.state_db, copy_state, beside=beside)
    return rows


def _copy_database(
    file: Path, history: str, location: Location, copy_rows: Callable[[Engine, Engine], int], *, beside: Path
) -> int:
    """Rows of a backup's file, which stays untouched: a copy of it is opened, and migrated where it is older."""
    copy = beside / f"{history}.copy"
    shutil.copyfile(file, copy)
    source, target = connect(copy), connect(location)
    try:
        migrate(source, history)
        return copy_rows(source, target)
    finally:
        source.dispose()
        target.dispose()
        for left in beside.glob(f"{copy.name}*"):
            left.unlink()


def _place_guard(guard: Path | None, staged: Settings, checkpoint: Checkpoint) -> tuple[int, int] | None:
    """Put the guard that survived in its place; gives which entries it knows of beyond the backup's end.

    Raises GuardDiffers where it knows another log than that of the backup.
    """
    if guard is None:
        return None
    guarded = Guard(guard).read()
    engine = connect(staged.ledger_db)
    try:
        with reading(engine) as connection:
            if guarded.size <= checkpoint.size and store.note_at(connection, guarded.size) != guarded.note:
                raise GuardDiffers(path=guard, published=guarded.size)
    finally:
        engine.dispose()
    shutil.copyfile(guard, staged.guard)
    staged.guard.chmod(0o600)
    return (checkpoint.size, guarded.size) if guarded.size > checkpoint.size else None


def _settle(staged: Settings, keys: Keys, verifier: Verifier) -> tuple[int, int]:
    """Erase in the vault what the log says is erased, and look at everything once more.

    Gives how much was erased, and how many values the log names and the vault's copy has not. Raises BackupNotWhole.
    """
    vault, engine = open_vault(staged.vault_db, keys.master), connect(staged.ledger_db)
    try:
        with reading(engine) as connection:
            erased = erase_recorded(vault, connection)
        with reading(engine) as connection:
            problems = list(vault_problems(vault, connection))
        report = audit_derived(engine, Files(staged.files), None, verifier, units_key=keys.units)
    finally:
        vault.engine.dispose()
        engine.dispose()
    if report.findings:
        raise BackupNotWhole(finding=report.findings[0], count=len(report.findings), folder=staged.data)
    return erased, len(problems)
