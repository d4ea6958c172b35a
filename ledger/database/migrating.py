"""Migrations: each database has its own history, hand-written, in a folder of `migrations/`.

A file of SQLite's is brought up to date whenever it is opened. A schema of PostgreSQL belongs to a role of its own,
which alone may change tables: opening looks whether they are the newest, and `lotproof migrate` brings them there.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Inspector, inspect

from ledger.database.transactions import is_postgresql, open_connection, reading, writing
from ledger.errors import LedgerError
from ledger.location import Postgres

MIGRATIONS = Path(__file__).parents[1] / "migrations"
# Whoever runs the program may add to these and change nothing; of the others it may change rows.
NEVER_CHANGED = "SELECT, INSERT"
CHANGED = "SELECT, INSERT, UPDATE, DELETE"
# By name too: where their triggers are gone, as after a dump that left them out, a migration must not give rights away.
KEPT_FOR_EVER = frozenset({"log_entries", "log_tiles", "log_checkpoints", "accesses"})


class MigrationNeeded(LedgerError):
    """The tables were made by an older version of the program."""

    message = "The database's tables are older than this program. Bring them up to date: lotproof migrate."
    http_status = 503


class DatabaseNewer(LedgerError):
    """The tables were made by a newer version of the program."""

    message = (
        "The database's tables were made by a newer version of Lotproof ({revision}). Install that version; an older "
        "one does not know what they hold."
    )
    http_status = 503


class WrongCollation(LedgerError):
    """Text would sort differently than in files, so that pages and logs would differ."""

    message = (
        "The database {database} has encoding {encoding} and collation {collation}; Lotproof needs UTF8 and C, so that "
        "text sorts the same everywhere. Make another: CREATE DATABASE {database} OWNER {role} TEMPLATE template0 "
        "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';"
    )


def migrate(engine: Engine, history: str) -> None:
    """Bring a file to the newest revision of `history`; of a schema, make sure that it is there already.

    Raises MigrationNeeded, DatabaseNewer.
    """
    try:
        refuse_other(
            engine, history
        )  # without the write lock: it has no queue, and a start beside writers waited
    except MigrationNeeded:
        if is_postgresql(engine):
            engine.dispose()  # nobody will go on with it
            raise
        with writing(engine) as connection:
            _upgrade(connection, _config(history))
    except DatabaseNewer:
        engine.dispose()
        raise


def refuse_other(engine: Engine, history: str) -> None:
    """Raise MigrationNeeded or DatabaseNewer unless the tables are at the newest revision; changes nothing."""
    stands = _revision(engine)
    script = ScriptDirectory.from_config(_config(history))
    if stands == script.get_current_head():
        return
    if stands is not None and stands not in {one.revision for one in script.walk_revisions()}:
        raise DatabaseNewer(revision=stands)
    raise MigrationNeeded()


def make_schema(engine: Engine, location: Postgres, history: str, *, runner: str) -> None:
    """Make or bring up to date a schema and its tables, as the role that owns them; let `runner` use them.

    All of it or nothing. Raises WrongCollation.
    """
    with open_connection(engine) as connection:
        _refuse_other_collation(connection)
        _make_write_lock(connection, location.schema)
    with writing(engine) as connection:
        _upgrade(connection, _config(history))
        _grant(connection, location.schema, runner)


def newest_revision(history: str) -> str:
    """What a database that was just made is at."""
    return str(ScriptDirectory.from_config(_config(history)).get_current_head())


def _upgrade(connection: Connection, config: Config) -> None:
    connection.exec_driver_sql("SELECT 1")  # through SQLAlchemy, so that Alembic sees the transaction
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config(history: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS / history))
    config.set_main_option("path_separator", "os")
    return config


def _revision(engine: Engine) -> str | None:
    with reading(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _refuse_other_collation(connection: Connection) -> None:
    row = connection.exec_driver_sql(
        "SELECT quote_ident(datname), pg_encoding_to_char(encoding), datcollate, quote_ident(current_user) "
        "FROM pg_database WHERE datname = current_database()"
    ).one()
    database, encoding, collation, role = row
    if encoding != "UTF8" or collation not in ("C", "POSIX"):
        raise WrongCollation(database=database, encoding=encoding, collation=collation, role=role)


def _make_write_lock(connection: Connection, schema: str) -> None:
    """The row that writers lock, migrations among them. Each statement may be repeated after a crash."""
    for statement in (
        f'CREATE SCHEMA IF NOT EXISTS "{schema}"',
        f'CREATE TABLE IF NOT EXISTS "{schema}".write_lock ("only" integer PRIMARY KEY CHECK ("only" = 1))',
        f'INSERT INTO "{schema}".write_lock VALUES (1) ON CONFLICT DO NOTHING',  # noqa: S608 - our own name
    ):
        connection.exec_driver_sql(statement)


def _grant(connection: Connection, schema: str, runner: str) -> None:
    """What whoever runs the program may do: add to the tables that nobody changes, and change rows of the others."""
    quoted = connection.dialect.identifier_preparer.quote_identifier(runner)
    if connection.exec_driver_sql("SELECT current_user").scalar_one() == runner:
        return
    connection.exec_driver_sql(f'GRANT USAGE ON SCHEMA "{schema}" TO {quoted}')
    connection.exec_driver_sql(f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA "{schema}" TO {quoted}')
    protected = _protected(connection, schema)
    tables: Inspector = inspect(connection)
    for table in tables.get_table_names(schema):
        rights = NEVER_CHANGED if table in protected else CHANGED
        rights = {"alembic_version": "SELECT", "write_lock": "SELECT, UPDATE"}.get(table, rights)
        connection.exec_driver_sql(f'REVOKE ALL ON "{schema}"."{table}" FROM {quoted}')
        connection.exec_driver_sql(f'GRANT {rights} ON "{schema}"."{table}" TO {quoted}')


def _protected(connection: Connection, schema: str) -> set[str]:
    """The tables that are only added to, and all whose triggers refuse a change: who runs has no right to try."""
    rows = connection.exec_driver_sql(
        "SELECT event_object_table FROM information_schema.triggers "
        "WHERE event_object_schema = %(schema)s AND event_manipulation = 'UPDATE'",
        {"schema": schema},
    )
    return {*KEPT_FOR_EVER, *rows.scalars()}
