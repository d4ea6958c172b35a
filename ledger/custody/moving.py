"""Moving an installation from SQLite to PostgreSQL, or back: log, vault and state, with every proof as good as before.

    export beside the old place → carried into the new one, all verified          while everything runs
    lock → what was recorded meanwhile, the same way → vault and state → roots compared → the old place is closed
    settings.json → the old files are put aside

Closing is the switch: one commit that makes the old database refuse entries, from whatever process. A crash before it
leaves the old installation as it was; after it, nobody can write to the old one, and the same command goes on.
Guard, keys and files stay in the folder of data.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, Engine, Table

from ledger.custody.copying import copy_tables, table_with_rows
from ledger.database import connect, reading, writing
from ledger.durable import sync_folder
from ledger.errors import LedgerError, Refused
from ledger.files import Files
from ledger.installing import make_databases
from ledger.journal.carrying import carry_in
from ledger.journal.key_events import read_keyring
from ledger.journal.opening import MirrorIsReadOnly, open_ledger
from ledger.journal.turnstile import Turnstile
from ledger.location import Location, Postgres
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.closing import close_log, is_closed
from ledger.log.directory import export
from ledger.log.layout import Progress, no_progress
from ledger.settings import Settings
from ledger.vault.tables import METADATA as VAULT

CARRIED, BEGUN = "moving", "moving.to"
# What `close_log` needs: a function in the schema and a trigger on its table. Tables are looked up by their numbers,
# because looking them up by name takes a right as well.
MAY_CLOSE = (
    "coalesce((SELECT has_schema_privilege(n.oid, 'CREATE') AND has_table_privilege(c.oid, 'TRIGGER') FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'ledger' AND c.relname = 'log_entries'), false)"
)
# What `make_databases` needs: schemas, and tables in those that are there already.
MAY_MAKE = (
    "has_database_privilege(current_database(), 'CREATE') AND coalesce((SELECT bool_and("
    "has_schema_privilege(oid, 'CREATE')) FROM pg_namespace WHERE nspname IN ('ledger', 'state', 'vault')), true)"
)
ASIDE, SUFFIXES = ".moved", ("", "-wal", "-shm")


class SamePlace(Refused):
    """The ledger lives there already."""

    message = "The ledger of {folder} lives there already. Nothing was moved."


class TargetTaken(Refused):
    """Something lives in the new place that no interrupted move left."""

    message = "There is something in {place} already. Nothing was moved; choose an empty database."


class MayNotMove(Refused):
    """The role that was given may not make the tables of the new place, or not close those of the old."""

    message = (
        "The role {role} may not {what} in {place}. Nothing was moved or copied. Set LOTPROOF_OWNER_URL to the address "
        "of the role that owns that database's tables, and type the command again."
    )


class NotTheSame(LedgerError):
    """The copy is not what it was copied from."""

    message = "The log in the new place is not the one in the old. Nothing was moved; this is a fault of the program."
    http_status = 500


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved."""

    checkpoint: Checkpoint
    rows: int  # of vault and state; 0 where an interrupted move had copied them


def move(
    settings: Settings,
    target: Settings,
    *,
    state_tables: Sequence[Table],
    progress: Progress = no_progress,
) -> Moved:
    """Move the installation from where `settings` has its databases to where `target`, of the same folder, has them.

    The second time it finishes what was interrupted. Raises SamePlace, TargetTaken, MayNotMove, MirrorIsReadOnly, what
    opening the ledger raises, and FileMissing where a file is gone without which the tables cannot be made.
    """
    if settings.database_url is None:
        settings = replace(settings, owner_url=None)  # the environment's is the new place's
    if settings.ledger_db == target.ledger_db:
        raise SamePlace(folder=settings.data)
    if settings.mirror_of is not None:
        raise MirrorIsReadOnly(folder=settings.data, origin=settings.origin)
    owner = settings.as_owner()  # on PostgreSQL, closing the log takes the role that owns its tables
    with _engine(owner.ledger_db) as source, _engine(target.ledger_db) as there:
        moving = _Moving(settings, target, tuple(state_tables), source, there)
        with reading(source) as connection:
            was_closed = is_closed(connection)
        # Closed already: a crash came between the switch and what follows it.
        moved = moving.compared() if was_closed else moving.carry_all(progress)
    _switch(settings, target)
    return moved


@dataclass(frozen=True, slots=True)
class _Moving:
    """One move; `source` and `there` are the log's databases."""

    settings: Settings
    target: Settings
    state_tables: tuple[Table, ...]
    source: Engine
    there: Engine

    def carry_all(self, progress: Progress) -> Moved:
        """Everything up to the commit that closes the old place."""
        _demand_rights(self.settings.as_owner().ledger_db, MAY_CLOSE, "close the log")
        _demand_rights(self.target.as_owner().ledger_db, MAY_MAKE, "make tables")
        open_ledger(self.settings).close()  # publishes what a crash left, and refuses what the guard refuses
        self._begin()
        self._carry_log(progress)
        with self._locked() as connection:
            self._carry_log(progress)
            rows = self._copy_rest()
            moved = replace(self.compared(), rows=rows)
            # The switch. A crash before this commit leaves the old place as it was.
            close_log(connection)
        return moved

    def compared(self) -> Moved:
        """What stands in both places. Raises NotTheSame unless it is the same log, whole."""
        with reading(self.source) as old, reading(self.there) as new:
            checkpoint, edge = store.newest_checkpoint(new), store.read_edge(new)
            is_same = store.newest_note(new) == store.newest_note(old)
            is_whole = store.count_checkpoints(new) == store.count_checkpoints(old)
        if checkpoint is None or not is_same or not is_whole or edge.root() != checkpoint.root:
            raise NotTheSame()
        return Moved(checkpoint, 0)

    def _begin(self) -> None:
        """Make the tables of the new place, which must be empty, or what an interrupted move has begun to fill."""
        begun = self.settings.data / BEGUN
        name = str(self.target.ledger_db)
        if begun.exists() and begun.read_text() == name:
            self._drop_rest()
        elif self._is_taken():
            raise TargetTaken(place=name)
        begun.write_text(name)
        make_databases(self.target)

    def _is_taken(self) -> bool:
        """Whether anything stands in the new place, be it a vault without a log."""
        owner = self.target.as_owner()
        places = (owner.ledger_db, owner.state_db, owner.vault_db)
        return self.target.has_ledger or any(table_with_rows(one) is not None for one in places)

    def _drop_rest(self) -> None:
        """Drop vault and state of the new place: whatever an interrupted move copied may be old by now.

        Raises TargetTaken where somebody uses the new place: its log is then another than ours, or a longer one.
        """
        with reading(self.source) as old, reading(self.there) as new:
            has_log = self.target.has_ledger and not is_closed(new)
            is_ours = has_log and store.read_body(new, 0) in (None, store.read_body(old, 0))
            if has_log and not (is_ours and store.size(new) <= store.size(old)):
                raise TargetTaken(place=str(self.target.ledger_db))
        for location in (self.target.as_owner().vault_db, self.target.as_owner().state_db):
            _drop(location)

    def _carry_log(self, progress: Progress) -> None:
        """Bring the export beside the old place, and the new place, up to date."""
        folder = self.settings.data / CARRIED
        with reading(self.source) as connection:
            keyring = read_keyring(connection)
            assert keyring is not None  # a ledger that was opened has its first entry
            verifier = keyring.newest.verifier
            export(connection, folder, verifier.to_text())
        carried = carry_in(folder, self.there, verifier, Files(self.settings.files).read, progress)
        if carried.missing is not None:
            raise carried.missing

    @contextmanager
    def _locked(self) -> Iterator[Connection]:
        """The old log's write transaction, and nobody writes to vault and state either."""
        owner = self.settings.as_owner()
        with ExitStack() as stack:
            if not isinstance(owner.ledger_db, Postgres):
                turnstile = stack.enter_context(closing(Turnstile(self.settings.data)))
                stack.enter_context(turnstile.turn())
            for location in (owner.vault_db, owner.state_db):
                stack.enter_context(writing(stack.enter_context(_engine(location))))
            yield stack.enter_context(writing(self.source))

    def _copy_rest(self) -> int:
        """Vault and state; gives how many rows they have."""
        rows = 0
        for old, new, tables in (
            (self.settings.vault_db, self.target.vault_db, VAULT.sorted_tables),
            (self.settings.state_db, self.target.state_db, self.state_tables),
        ):
            with _engine(old) as source, _engine(new) as there:
                rows += copy_tables(source, there, tables)
        return rows


def _demand_rights(location: Location, question: str, what: str) -> None:
    """Raise MayNotMove unless the database answers `question` with yes; files are asked when they are written."""
    if not isinstance(location, Postgres):
        return
    with _engine(location) as engine, reading(engine) as connection:
        role, may = connection.exec_driver_sql(f"SELECT current_user, {question}").one()
    if not may:
        raise MayNotMove(role=role, what=what, place=location)


@contextmanager
def _engine(location: Location) -> Iterator[Engine]:
    engine = connect(location)
    try:
        yield engine
    finally:
        engine.dispose()


def _drop(location: Location) -> None:
    """Remove a database that nobody uses."""
    if isinstance(location, Postgres):
        with _engine(location) as engine, engine.begin() as connection:
            connection.exec_driver_sql(f'DROP SCHEMA IF EXISTS "{location.schema}" CASCADE')
    elif location is not None:
        for suffix in SUFFIXES:
            location.with_name(location.name + suffix).unlink(missing_ok=True)


def _switch(settings: Settings, target: Settings) -> None:
    """What follows the switch: settings.json says so, the files of SQLite's are put aside. Each step once is enough."""
    goes_to_server = isinstance(target.ledger_db, Postgres)
    replace(settings, moved_to="postgresql" if goes_to_server else None).rewrite()
    shutil.rmtree(settings.data / CARRIED, ignore_errors=True)
    (settings.data / BEGUN).unlink(missing_ok=True)
    for location in (settings.ledger_db, settings.vault_db, settings.state_db):
        if isinstance(location, Path):
            _put_aside(location)
    sync_folder(settings.data)


def _put_aside(database: Path) -> None:
    for suffix in SUFFIXES:
        file = database.with_name(database.name + suffix)
        if file.exists():
            file.rename(database.with_name(database.name + ASIDE + suffix))
