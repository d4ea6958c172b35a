"""Backups, made while everything runs: the log as an export, the files it names, and apart from them vault and keys.

    DIR/log             an export, brought up to date: whoever has it can check all of it
    DIR/files           the files that entries name, by their SHA-256
    DIR/settings.json   what `init` fixed
    VAULT/<time>/       vault.db and state.db, encrypted values and secrets, kept for some days
    KEYS/<time>/        the folder of keys, and only when asked: the newest alone

The order makes it right beside writers: files and vault values are written before the entry that names them, so a
snapshot of the log is taken first, and what it names is copied after that. The export's checkpoint is written last of
DIR: a backup that is killed leaves the former one, with some files more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, Table

from ledger.custody.copying import copy_tables
from ledger.custody.generations import add_generation, generations, prune
from ledger.database import connect, migrate, reading
from ledger.durable import PRIVATE_FOLDER, sync_folder, write_new
from ledger.errors import Refused
from ledger.files import Files
from ledger.journal.carrying import copy_files
from ledger.journal.key_events import read_keyring
from ledger.journal.opening import Ledger
from ledger.log.checkpoint import Checkpoint
from ledger.log.directory import NothingPublished, export
from ledger.settings import Settings
from ledger.state import open_state
from ledger.vault.tables import METADATA as VAULT

LOG, FILES, SETTINGS = "log", "files", "settings.json"
VAULT_DB, STATE_DB = "vault.db", "state.db"
KEEP_DAYS = 30


class KeysBesideData(Refused):
    """Keys in the folder of the log would open to whoever finds it."""

    message = (
        "Keys belong on another medium than what they open: choose a folder that is not within {folder}."
    )


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds now."""

    checkpoint: Checkpoint
    files: int  # copied that were not there yet
    vault_rows: int | None  # None: no vault was asked for
    pruned: int


def back_up(
    ledger: Ledger,
    folder: Path,
    *,
    now: datetime,
    state_tables: Sequence[Table],
    vault: Path | None = None,
    keys: Path | None = None,
    keep_days: int = KEEP_DAYS,
) -> BackedUp:
    """Bring the backup in `folder` up to date. Raises NothingPublished, FolderTaken, FileMissing, KeysBesideData."""
    if keys is not None and keys.absolute().is_relative_to(folder.absolute()):
        raise KeysBesideData(folder=folder)
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    with reading(ledger.engine) as connection:
        keyring = read_keyring(connection)
        if keyring is None:
            raise NothingPublished()
        copied = copy_files(connection, ledger.files, Files(folder / FILES))
        checkpoint = export(connection, folder / LOG, keyring.newest.verifier.to_text())
    _copy_settings(ledger.settings, folder)
    rows, pruned = None, 0
    if vault is not None:
        rows = _copy_vault(ledger, vault, now=now, state_tables=state_tables)
        pruned = prune(vault, now, timedelta(days=keep_days))
    if keys is not None:
        add_generation(keys, now, lambda made: copy_private(ledger.settings.keys, made))
        prune(keys, now, timedelta(0))
    return BackedUp(checkpoint, copied, rows, pruned)


def _copy_settings(settings: Settings, folder: Path) -> None:
    if not settings.settings_json.exists():
        return
    fresh = folder / f"{SETTINGS}.new"
    fresh.unlink(missing_ok=True)
    write_new(fresh, settings.settings_json.read_bytes())
    fresh.rename(folder / SETTINGS)
    sync_folder(folder)


def _copy_vault(ledger: Ledger, folder: Path, *, now: datetime, state_tables: Sequence[Table]) -> int:
    """Vault and state as SQLite files, whatever database they come from; gives how many rows the vault has."""
    counts = []

    def fill(made: Path) -> None:
        counts.append(_copy_database(ledger.vault.engine, made / VAULT_DB, "vault", VAULT.sorted_tables))
        state = open_state(ledger.settings.state_db)
        try:
            _copy_database(state, made / STATE_DB, "state", state_tables)
        finally:
            state.dispose()

    add_generation(folder, now, fill)
    return counts[0]


def _copy_database(source: Engine, file: Path, history: str, tables: Sequence[Table]) -> int:
    target = connect(file)
    try:
        migrate(target, history)
        return copy_tables(source, target, tables)
    finally:
        target.dispose()  # the last connection folds the write-ahead log into the file
        file.chmod(0o600)


def copy_private(source: Path, target: Path, *, left_out: str | None = None) -> None:
    """The files of a folder that nobody else may read, copied with that mode; but for the one called `left_out`."""
    for file in sorted(source.iterdir()):
        if file.is_file() and file.name != left_out:
            write_new(target / file.name, file.read_bytes())


def newest_of(folder: Path, wanted: str) -> Path | None:
    """The newest copy in a folder of copies, or the folder itself where it holds the file `wanted`; else None."""
    if (folder / wanted).is_file():
        return folder
    return next((one for one in reversed(generations(folder)) if (one / wanted).is_file()), None)
