"""Derived tables: which version of each noun's projection stands in the database, and making it anew.

Everything but the log is derived from the log. After an upgrade a noun's version may have risen: then a rebuild
is needed, which is not the same as tampering, and is said so.
"""

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Engine, Integer, String, Table, delete, insert, select

from ledger.database import writing
from ledger.errors import LedgerError
from ledger.journal.events import DERIVED
from ledger.journal.registry import NOUNS, Noun, ReadFile, State, apply_all
from ledger.journal.replay import replay

projections = Table(
    "projections",
    DERIVED,
    Column("noun", String, primary_key=True),
    Column("version", Integer, nullable=False),
)


class RebuildNeeded(LedgerError):
    """The derived tables were made by another version of the program."""

    message = "After the upgrade these must be made anew from the log: {nouns}. Run: lotproof rebuild."
    http_status = 503


def outdated(connection: Connection) -> list[Noun]:
    """The nouns whose tables were made by another version of their projection."""
    versions = {row.noun: row.version for row in connection.execute(select(projections))}
    return [noun for noun in NOUNS.values() if versions.get(noun.name) != noun.version]


def refuse_outdated(connection: Connection) -> None:
    """Raise RebuildNeeded if any is."""
    behind = outdated(connection)
    if behind:
        raise RebuildNeeded(nouns=", ".join(noun.name for noun in behind))


def note_versions(connection: Connection, nouns: Sequence[Noun]) -> None:
    """Record that these nouns' tables are made by the present versions."""
    connection.execute(delete(projections).where(projections.c.noun.in_([noun.name for noun in nouns])))
    connection.execute(insert(projections), [{"noun": n.name, "version": n.version} for n in nouns])


def rebuild(engine: Engine, nouns: Sequence[Noun], read_file: ReadFile) -> int:
    """Empty these nouns' tables and fill them from the log, in one transaction; gives how many entries were read."""
    with writing(engine) as connection:
        for noun in nouns:
            for table in reversed(noun.tables):
                connection.execute(delete(table))
        state = State(connection, read_file)
        count = 0
        for recorded in replay(connection):
            apply_all(state, recorded, nouns)
            count += len(recorded)
        note_versions(connection, nouns)
        return count
