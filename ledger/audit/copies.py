"""The copies of values that stand in indexes: the database itself compares them with its tables.

SQLite does so by `PRAGMA integrity_check`, which also looks for damaged pages. PostgreSQL has the extension `amcheck`;
where an administrator installed it and lets the program's role use it, every index is held against its table.
"""

import re

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ledger.audit.finding import Findings
from ledger.audit.rows import DRIVER_ERRORS, fetch, is_sqlite, recover

_INDEX = re.compile(r"index (\w+)")
_AMCHECK = """
    SELECT quote_ident(n.nspname) || '.bt_index_check'
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'amcheck'
        AND has_function_privilege(quote_ident(n.nspname) || '.bt_index_check(regclass, boolean)', 'EXECUTE')"""
_BTREES = """
    SELECT i.indexrelid::bigint, c.relname, t.relname
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_am a ON a.oid = c.relam
    WHERE a.amname = 'btree' AND c.relnamespace = current_schema()::regnamespace AND i.indisvalid ORDER BY 2"""


# As bytes: what was changed may no longer be text.
_OWNERS = "SELECT CAST(name AS BLOB), CAST(tbl_name AS BLOB) FROM sqlite_schema WHERE type = 'index'"


def check_copies(connection: Connection, findings: Findings) -> None:
    """Name indexes that do not agree with their tables, and what the database calls damaged."""
    if is_sqlite(connection):
        _check_sqlite(connection, findings)
    else:
        _check_postgresql(connection, findings)


def _check_sqlite(connection: Connection, findings: Findings) -> None:
    owners = {_text(name): _text(table) for name, table in fetch(connection, _OWNERS)}
    try:
        messages = [row[0] for row in fetch(connection, "PRAGMA integrity_check")]
    except (SQLAlchemyError, *DRIVER_ERRORS) as error:
        messages = [str(error)]
    for message in messages:
        if message != "ok":
            index = _INDEX.search(message)
            table = owners.get(index[1], "") if index else ""
            findings.add("damaged", table, "", index[1] if index else "", f"SQLite says: {message}")


def _text(stored: bytes | None) -> str:
    return (stored or b"").decode(errors="backslashreplace")


def _check_postgresql(connection: Connection, findings: Findings) -> None:
    for (function,) in fetch(connection, _AMCHECK):
        for index, name, table in fetch(connection, _BTREES):
            try:
                fetch(connection, f"SELECT {function}(?::oid::regclass, true)", index)
            except DRIVER_ERRORS as error:
                recover(connection)
                findings.add("damaged", table, "", name, f"PostgreSQL says: {error}")
