"""Whether the ledger is where the settings point: before anything is opened, made or brought up to date.

An empty folder has no ledger yet. Keys or a guard beside a database that is missing or empty are something else, a
loss: whoever went on would begin another log, or find nothing to make anew, and call it an upgrade.
"""

from pathlib import Path

from sqlalchemy import Engine, inspect

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.log import store
from ledger.log.guard import Guard, GuardDamaged, GuardMissing
from ledger.settings import Settings


class NothingThere(LedgerError):
    """There is no ledger to open."""

    message = "There is no ledger in {folder}. Make one with: lotproof init."
    http_status = 503


class NothingInDatabase(NothingThere):
    """The database that LOTPROOF_DATABASE_URL names holds no ledger, nor does anything say that there was one."""

    message = (
        "There is no ledger in {database}, the database that LOTPROOF_DATABASE_URL names. If yours is in another one, "
        "name that. Make a ledger in this one with: lotproof init."
    )


class DatabaseMissing(LedgerError):
    """The file of the log is not there, and what lies beside it belongs to a log."""

    message = (
        "The database {database} is missing, and {trace} says that there was a ledger. Put the file back, with its "
        "-wal and -shm if they are somewhere, or make an installation of a backup in an empty folder: lotproof "
        "restore. If the ledger is in PostgreSQL, set LOTPROOF_DATABASE_URL to its address."
    )
    http_status = 503


class LogMissing(LedgerError):
    """The database is there and holds no entry, and what lies in the folder belongs to a log that has some."""

    message = (
        "There is no log in {database}, and {trace} says that there was one. This is no upgrade: the database was "
        "emptied, or it is not the one that the log is in. Look whether LOTPROOF_DATABASE_URL is set, and right; put "
        "the newest copy of the database back; or make an installation of a backup in an empty folder: lotproof "
        "restore."
    )
    http_status = 503


class VaultMissing(LedgerError):
    """The file of the vault is not there, or empty, beside a log."""

    message = (
        "The vault {database} is missing or empty: contacts, addresses and payouts are in it. Put the file back, or "
        "make an installation of a backup in an empty folder: lotproof restore --vault DIR. If it is gone for good, "
        "begin with an empty one: lotproof migrate; lotproof audit --vault then names every value that is lost."
    )
    http_status = 503


def demand_ledger(settings: Settings) -> None:
    """Raises NothingThere, DatabaseMissing or LogMissing where the settings point at no ledger.

    What is in a file is not looked at: an audit wants to see for itself.
    """
    if settings.has_ledger:
        return
    trace = None if settings.mirror_of else _trace(settings)
    if trace is None:
        raise (
            NothingInDatabase(database=settings.ledger_db)
            if settings.database_url
            else NothingThere(folder=settings.data)
        )
    lost = LogMissing if settings.database_url else DatabaseMissing
    raise lost(database=settings.ledger_db, trace=trace)


def refuse_lost_log(settings: Settings, engine: Engine) -> None:
    """Raises LogMissing for a database without an entry, unless its guard says that nothing was published yet."""
    with reading(engine) as connection:
        if inspect(connection).has_table(store.entries.name) and store.size(connection):
            return
    if settings.mirror_of is None and _may_have_published(settings.guard):
        raise LogMissing(database=settings.ledger_db, trace=_trace(settings) or settings.data)


def refuse_lost_vault(settings: Settings) -> None:
    """Raises VaultMissing where its file is gone: it is made together with the log's, so that it never begins later."""
    if is_lost(settings.vault_db):
        raise VaultMissing(database=settings.vault_db)


def is_lost(location: object) -> bool:
    """Whether a file of a database is not there, or has nothing in it; of a schema its server tells."""
    return isinstance(location, Path) and not (location.is_file() and location.stat().st_size)


def _trace(settings: Settings) -> Path | None:
    """What `init` and nobody else leaves in the folder, if any of it is there."""
    return next(
        (one for one in (settings.guard, settings.keys, settings.settings_json) if one.exists()), None
    )


def _may_have_published(guard: Path) -> bool:
    """Not of a ledger whose making broke off: its guard is there, whole, and empty."""
    try:
        return Guard(guard).read().note is not None
    except (GuardMissing, GuardDamaged):
        return True
