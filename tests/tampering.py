"""Ways to change a ledger's database behind its back, as whoever holds the file can, and the audit that follows."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import psycopg

from ledger import nouns
from ledger.audit.derived import audit_derived
from ledger.audit.log import Report, audit
from ledger.database import connect, writing
from ledger.files import Files
from ledger.keys.keys import Keys
from ledger.log import store
from ledger.log.canonical import encode
from ledger.log.checkpoint import Checkpoint
from ledger.log.guard import Guard
from ledger.log.merkle import leaf_hash
from ledger.log.note import sign_note
from ledger.settings import Settings

assert nouns  # imported so that the registry is whole


def copied(source: Path, target: Path) -> Path:
    """A copy of a closed ledger's folder, with everything in one file."""
    with closing(sqlite3.connect(source / "lotproof.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(source, target)
    return target


def change(folder: Path, *statements: str) -> None:
    """Run SQL past the triggers, and put them back as they were."""
    with closing(sqlite3.connect(folder / "lotproof.db", isolation_level=None)) as database:
        triggers = database.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _sql in triggers:
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        for _name, sql in triggers:
            database.execute(sql)


def change_on_server(url: str, *statements: str) -> None:
    """Run SQL in the schema `ledger` as whoever owns it, the log's triggers switched off and put back as they were."""
    triggers = [
        (table, f"{table}_no_{act}") for table in store.LOG.tables for act in ("update", "delete", "truncate")
    ]
    plain = url.replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(plain, options="-csearch_path=ledger") as connection:
        for table, trigger in triggers:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}".encode())
        past = [statement for statement in statements if " TRIGGER " not in statement]
        for statement in past:
            connection.execute(statement.encode())
        for table, trigger in triggers:
            connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}".encode())
        for statement in statements:  # what is done to the triggers themselves stays
            if statement not in past:
                connection.execute(statement.encode())


def audited(folder: Path, *, derived: bool = False, database_url: str | None = None) -> Report:
    """The audit of what lies in a folder, opened as an auditor opens it: nothing is migrated or published."""
    settings = Settings(data=folder, database_url=database_url)
    keys = Keys.open(settings.keys)
    engine = connect(settings.ledger_db)
    parts = (engine, Files(settings.files), Guard(settings.guard), keys.signer.verifier)
    report = audit_derived(*parts, units_key=keys.units) if derived else audit(*parts)
    engine.dispose()
    return report


def stored_note(folder: Path, size: int) -> str:
    """The checkpoint that was published at this size."""
    with closing(sqlite3.connect(folder / "lotproof.db")) as database:
        return str(database.execute("SELECT note FROM log_checkpoints WHERE size = ?", (size,)).fetchone()[0])


def places(report: Report) -> set[tuple[str, str, str, str]]:
    return {(one.code, one.table, one.row, one.field) for one in report.findings}


class Forger:
    """Appends to a log as the journal does, but says what it likes."""

    def __init__(self, folder: Path) -> None:
        self._settings = Settings(data=folder)
        self._signer = Keys.open(self._settings.keys).signer
        self._engine = connect(self._settings.ledger_db)

    def append(self, **members: object) -> None:
        """One entry like the last one but one, with other members; then an entry that closes a checkpoint."""
        with writing(self._engine) as connection:
            size = store.size(connection)
            model, closing_one = store.read_bodies(connection, size - 2, size)
            prev = leaf_hash(closing_one)
            first = self._body(model, prev, {"subjects": {f"party:{'Z' * 16}": None}, **members})
            log = next(iter(orjson.loads(closing_one)["subjects"]))
            second = self._body(closing_one, leaf_hash(first), {"subjects": {log: size - 1}})
            edge, full = store.read_edge(connection).extend([leaf_hash(first), leaf_hash(second)])
            store.append_entries(connection, size, [(leaf_hash(body), body) for body in (first, second)])
            store.append_tiles(connection, full)
            note = sign_note(Checkpoint(self._signer.name, edge.size, edge.root()).format(), self._signer)
            store.append_checkpoint(connection, edge.size, note)
            heads = {**orjson.loads(first)["subjects"], log: None}
            last = dict.fromkeys(heads, size) | {log: size + 1}
            for subject, index in last.items():
                connection.exec_driver_sql(
                    "INSERT OR REPLACE INTO subject_heads VALUES (?, ?)", (subject, index)
                )
        guard = Guard(self._settings.guard)
        guard.swap(guard.read(), note)
        self._engine.dispose()

    @staticmethod
    def _body(model: bytes, prev: bytes, members: dict[str, object]) -> bytes:
        return encode({**orjson.loads(model), "prev": prev.hex(), **members})
