"""Whether the database is built as our migrations build it, its triggers above all."""

from sqlalchemy import Connection

from ledger.audit.finding import Findings
from ledger.audit.rows import fetch
from ledger.database import connect, migrate, reading

# Statistics that SQLite keeps for itself hold nothing of ours.
_SCHEMA = (
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'"
)
_REVISIONS = "SELECT typeof(version_num), CAST(version_num AS BLOB) FROM alembic_version"


def check_schema(connection: Connection, findings: Findings) -> set[str]:
    """Compare tables, indexes, triggers and the revision with those of a database that was just made.

    Gives the names of the tables that are there.
    """
    scratch = connect(None)
    migrate(scratch, "lotproof")
    with reading(scratch) as fresh:
        should, stands = _schema(fresh), _schema(connection)
        _compare(should, stands, findings)
        if "alembic_version" in {name for _kind, name in stands}:
            _compare_revisions(fetch(fresh, _REVISIONS), fetch(connection, _REVISIONS), findings)
    scratch.dispose()
    return {name for kind, name in stands if kind == "table"}


def _schema(connection: Connection) -> dict[tuple[str, str], tuple[object, ...]]:
    return {(kind, name): tuple(rest) for kind, name, *rest in fetch(connection, _SCHEMA)}


def _compare(
    should: dict[tuple[str, str], tuple[object, ...]],
    stands: dict[tuple[str, str], tuple[object, ...]],
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
        facts = {"stands": stands.get(key), "should": should.get(key)}
        findings.add("schema", "sqlite_schema", name, "sql", problem, **facts)


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
