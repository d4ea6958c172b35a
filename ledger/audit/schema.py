"""Whether the database is built as our migrations build it, its triggers above all."""

from functools import cache

from sqlalchemy import Connection

from ledger.audit.catalogue import Catalogue, kept_catalogue, owns, read_catalogue, read_grants
from ledger.audit.finding import Findings
from ledger.audit.rows import fetch, is_sqlite
from ledger.database import connect, migrate, reading
from ledger.database.migrating import newest_revision
from ledger.log import store

# Statistics that SQLite keeps for itself hold nothing of ours.
# As bytes: what was changed may no longer be text.
_SCHEMA = (
    "SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB) FROM sqlite_schema "
    "WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'"
)
_REVISIONS = {
    "sqlite": "SELECT typeof(version_num), CAST(version_num AS BLOB) FROM alembic_version",
    "postgresql": "SELECT 'text', convert_to(version_num, 'UTF8') FROM alembic_version",
}


def check_schema(connection: Connection, findings: Findings) -> set[str]:
    """Compare tables, indexes, triggers and the revision with those of a database that was just made.

    On PostgreSQL also what roles may do to the log's tables. Gives the names of the tables that are there.
    """
    if is_sqlite(connection):
        stands = _schema(connection)
        _compare("sqlite_schema", _made_fresh(), stands, findings)
    else:
        stands = read_catalogue(connection)
        _compare("pg_catalog", kept_catalogue(), stands, findings)
        _check_grants(connection, findings)
    tables = {name for kind, name in stands if kind == "table"}
    if "alembic_version" in tables:
        found = fetch(connection, _REVISIONS[connection.dialect.name])
        _compare_revisions([("text", newest_revision("lotproof").encode())], found, findings)
    return tables


@cache
def _made_fresh() -> Catalogue:
    """A database that was just made: 40 ms, and the same as long as this program runs."""
    scratch = connect(None)
    migrate(scratch, "lotproof")
    with reading(scratch) as fresh:
        made = _schema(fresh)
    scratch.dispose()
    return made


def _schema(connection: Connection) -> Catalogue:
    rows = (
        [None if value is None else value.decode(errors="backslashreplace") for value in row]
        for row in fetch(connection, _SCHEMA)
    )
    return {(str(kind), str(name)): tuple(rest) for kind, name, *rest in rows}


def _compare(
    where: str,
    should: Catalogue,
    stands: Catalogue,
    findings: Findings,
) -> None:
    for kind, name in sorted(should.keys() | stands.keys()):
        key = (kind, name)
        if key not in stands:
            problem = f"the {kind} is missing"
        elif key not in should:
            problem = f"the {kind} is not ours"
        elif should[key] != stands[key]:
            problem = f"the {kind} was changed"
        else:
            continue
        field = "sql" if where == "sqlite_schema" else kind
        facts = {"stands": stands.get(key), "should": should.get(key)}
        findings.add("schema", where, name, field, problem, **facts)


def _check_grants(connection: Connection, findings: Findings) -> None:
    for table, role, right in read_grants(connection, list(store.LOG.tables)):
        problem = f"the role {role} may {right} what must never change"
        findings.add("privilege", table, "", right, problem, role=role)


def remarks(connection: Connection) -> tuple[str, ...]:
    """What is no finding about how the database is set up, and good to know."""
    if is_sqlite(connection) or not owns(connection, list(store.LOG.tables)):
        return ()
    return (
        "The role that this program runs as owns the log's tables, so it may switch off their triggers. Two roles "
        "are safer: docs/operating.md.",
    )


def _compare_revisions(
    should: list[tuple[object, ...]], stands: list[tuple[object, ...]], findings: Findings
) -> None:
    if stands != should:
        shown = ", ".join(_shown(value) for _kind, value in stands) or "nothing"
        problem = (
            f"is {shown}, not {_shown(should[0][1])}: another version of the program made this, or a hand"
        )
        findings.add("revision", "alembic_version", shown, "version_num", problem)


def _shown(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
