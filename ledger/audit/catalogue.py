"""How a schema of PostgreSQL is built, read from its catalogue, and how our migrations build it.

Whoever runs the program may not make a schema to compare with. So what the migrations make is kept in
`catalogue.json`, an object a line; a test makes a schema with them and compares (`python -m tests.catalogue` writes
the file anew after a migration). Definitions are PostgreSQL's own words for them, the same from version 13 on.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from sqlalchemy import Connection

from ledger.audit.rows import fetch

KEPT = Path(__file__).parent / "catalogue.json"

Catalogue = Mapping[tuple[str, str], object]
"""By kind and name (behind that of its table): what each object of a schema is made of."""

_QUERIES = {
    "table": """
        SELECT relname, concat_ws(' ', relkind, relpersistence, relrowsecurity, relforcerowsecurity) FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')""",
    "column": """
        SELECT c.relname || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull,
            a.attidentity, a.attgenerated, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid))
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND a.attnum > 0 AND NOT a.attisdropped""",
    # Version 18 lists what may not be null among the constraints too; the columns say it already.
    "constraint": """
        SELECT c.relname || '.' || k.conname, concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        WHERE c.relnamespace = current_schema()::regnamespace AND k.contype <> 'n'""",
    "index": """
        SELECT c.relname, concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisready)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace = current_schema()::regnamespace""",
    # Those that PostgreSQL makes for foreign keys show only where somebody switched them off.
    "trigger": """
        SELECT c.relname || '.' || t.tgname, concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = current_schema()::regnamespace AND (NOT t.tgisinternal OR t.tgenabled <> 'O')""",
    "rule": """
        SELECT c.relname || '.' || r.rulename, concat_ws(' ', pg_get_ruledef(r.oid), r.ev_enabled)
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
        WHERE c.relnamespace = current_schema()::regnamespace""",
    "policy": """
        SELECT c.relname || '.' || p.polname, p.polcmd::text FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relnamespace = current_schema()::regnamespace""",
    "function": """
        SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
            concat_ws(' ', l.lanname, p.prosecdef, array_to_string(p.proconfig, ','), p.prosrc)
        FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
        WHERE p.pronamespace = current_schema()::regnamespace""",
    "sequence": """
        SELECT relname, relpersistence::text FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S'""",
    "event trigger": "SELECT evtname, concat_ws(' ', evtevent, evtenabled) FROM pg_event_trigger",
}


def read_catalogue(connection: Connection) -> Catalogue:
    """Every object of the connection's schema, with what it is made of."""
    schema = fetch(connection, "SELECT quote_ident(current_schema())")[0][0]
    return {
        (kind, name): definition.replace(f"{schema}.", "")
        for kind, sql in _QUERIES.items()
        for name, definition in fetch(connection, sql)
    }


@cache
def kept_catalogue() -> Catalogue:
    """What the migrations of this program make."""
    return {(kind, name): definition for kind, name, definition in json.loads(KEPT.read_bytes())}


def format_catalogue(catalogue: Catalogue) -> str:
    """The text of `catalogue.json`: an object a line, sorted, so that a change shows in a diff."""
    lines = [json.dumps([kind, name, catalogue[kind, name]]) for kind, name in sorted(catalogue)]
    return "[\n" + ",\n".join(lines) + "\n]\n"


# Whoever may do one of these to a table of the log may undo what was recorded.
_GRANTS = """
    SELECT c.relname, coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), a.privilege_type
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(?) AND a.grantee <> c.relowner
        AND a.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER') ORDER BY 1, 2, 3"""
_OWNED = """
    SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.rolname = current_user
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY(?)
        AND (r.rolsuper OR pg_has_role(current_user, c.relowner, 'USAGE')) ORDER BY 1"""


def read_grants(connection: Connection, tables: list[str]) -> list[tuple[str, str, str]]:
    """(table, role, right) of every role but the owner that may change rows of these tables, or their triggers."""
    return [(table, role, right) for table, role, right in fetch(connection, _GRANTS, tables)]


def owns(connection: Connection, tables: list[str]) -> bool:
    """Whether the role of this connection owns any of these tables, or may do anything at all."""
    return bool(fetch(connection, _OWNED, tables))
