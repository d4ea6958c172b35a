"""The same audit on PostgreSQL: what is changed there behind the log's back is found, and told where."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Boolean, Date, Integer, LargeBinary, Table

from ledger.audit.catalogue import KEPT
from ledger.audit.derived import audit_derived
from ledger.audit.log import Plan, Report, audit
from ledger.database import connect
from ledger.files import Files
from ledger.journal.registry import NOUNS
from ledger.keys.keys import Keys
from ledger.location import Postgres
from ledger.log.guard import Guard
from ledger.log.note import Verifier
from ledger.settings import Settings
from tests.bench.audit import make_log
from tests.catalogue import made_by_migrations
from tests.postgres import Server
from tests.tampering import change_on_server, places
from tests.test_ledger_audit_derived import fill
from tests.world import World

pytestmark = pytest.mark.slow

TEMPLATE = "audited"


@pytest.fixture(scope="module")
def filled(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a world in which every derived table has rows; its database is only ever copied."""
    folder = tmp_path_factory.mktemp("filled") / "var"
    postgres.make(TEMPLATE)
    world = World.begin(folder, postgres.url(TEMPLATE))
    fill(world)
    world.close()
    return folder


@pytest.fixture
def url(filled: Path, postgres: Server) -> Iterator[str]:
    """A copy of the database."""
    with postgres.database(template=TEMPLATE) as made:
        yield made


def audited(folder: Path, url: str, *, derived: bool = True) -> Report:
    settings = Settings(data=folder, database_url=url)
    keys = Keys.open(settings.keys)
    engine = connect(settings.ledger_db)
    parts = (engine, Files(settings.files), Guard(settings.guard), keys.signer.verifier)
    try:
        return audit_derived(*parts, units_key=keys.units) if derived else audit(*parts)
    finally:
        engine.dispose()


def test_an_untouched_world_has_no_findings(filled: Path, url: str) -> None:
    report = audited(filled, url)
    assert (report.findings, report.staged) == ((), {})
    assert report.size > 30


def test_what_is_kept_of_the_catalogue_is_what_the_migrations_make(postgres: Server) -> None:
    with postgres.database() as url:
        assert made_by_migrations(url) == KEPT.read_text(encoding="utf-8"), "python -m tests.catalogue"


CHANGES: dict[str, tuple[list[str], set[tuple[str, str, str, str]]]] = {
    "a body": (
        ["UPDATE log_entries SET body = body || ' '::bytea WHERE position = 10"],
        {("leaf_differs", "log_entries", "10", "body"), ("bad_entry", "log_entries", "10", "body")},
    ),
    "an entry before the first": (
        ["INSERT INTO log_entries SELECT -5, leaf, body FROM log_entries WHERE position = 5"],
        {("entry_extra", "log_entries", "-5", "")},
    ),
    "a tile too many": (
        ["INSERT INTO log_tiles VALUES (0, 0, ''::bytea, ''::bytea)"],
        {("tile_extra", "log_tiles", "0/0", "")},
    ),
    "a checkpoint deleted": (
        ["DELETE FROM log_checkpoints WHERE size = 2"],
        {("checkpoint_missing", "log_checkpoints", "2", "")},
    ),
    "the note of a checkpoint": (
        ["UPDATE log_checkpoints SET note = replace(note, E'\\n2\\n', E'\\n3\\n') WHERE size = 2"],
        {("bad_checkpoint", "log_checkpoints", "2", "note")},
    ),
    "the head of a subject": (
        ["UPDATE subject_heads SET last = last - 1 WHERE last = (SELECT max(last) FROM subject_heads)"],
        {("heads", "subject_heads", "", "last")},
    ),
    "a table of another": (
        ["CREATE TABLE mine (a integer)"],
        {("schema", "pg_catalog", "mine", "table"), ("schema", "pg_catalog", "mine.a", "column")},
    ),
    "an index dropped": (["DROP INDEX units_by_key"], {("schema", "pg_catalog", "units_by_key", "index")}),
    "a trigger dropped": (
        ["DROP TRIGGER log_entries_no_update ON log_entries"],
        {("schema", "pg_catalog", "log_entries.log_entries_no_update", "trigger")},
    ),
    "a trigger that replicas go past": (
        ["ALTER TABLE log_entries ENABLE TRIGGER log_entries_no_update"],
        {("schema", "pg_catalog", "log_entries.log_entries_no_update", "trigger")},
    ),
    "a trigger switched off": (
        ["ALTER TABLE log_tiles DISABLE TRIGGER log_tiles_no_truncate"],
        {("schema", "pg_catalog", "log_tiles.log_tiles_no_truncate", "trigger")},
    ),
    "a function that refuses nothing": (
        [
            "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
        ],
        {("schema", "pg_catalog", "refuse_change()", "function")},
    ),
    "a rule that swallows rows": (
        ["CREATE RULE sly AS ON INSERT TO holds DO INSTEAD NOTHING"],
        {("schema", "pg_catalog", "holds.sly", "rule")},
    ),
    "a policy that hides rows": (
        ["CREATE POLICY sly ON holds USING (false)", "ALTER TABLE holds ENABLE ROW LEVEL SECURITY"],
        {("schema", "pg_catalog", "holds", "table"), ("schema", "pg_catalog", "holds.sly", "policy")},
    ),
    "a right for everybody": (
        ["GRANT UPDATE, SELECT ON log_entries TO PUBLIC"],
        {("privilege", "log_entries", "", "UPDATE")},
    ),
    "the revision": (
        ["UPDATE alembic_version SET version_num = '0000'"],
        {("revision", "alembic_version", "0000", "version_num")},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named_with_its_place_and_nothing_else_is(filled: Path, url: str, name: str) -> None:
    statements, expected = CHANGES[name]
    change_on_server(url, *statements)
    assert places(audited(filled, url, derived=False)) == expected


def test_every_value_of_every_derived_table_is_covered(filled: Path, url: str) -> None:
    """One value of each column that is no key is changed, all at once; each is named with its table and column."""
    changed = set()
    with psycopg.connect(_plain(url), autocommit=True) as connection:
        for table in (table for noun in NOUNS.values() for table in noun.tables):
            for column in table.columns:
                if not column.primary_key and _change_one(connection, table, column.name):
                    changed.add((table.name, column.name))
    assert len(changed) > 120  # the few that a check of the table's own refuses are left out
    found = audited(filled, url).findings
    assert {(one.table, one.field) for one in found if one.code == "derived"} == changed


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg", "postgresql")


def _change_one(connection: psycopg.Connection[tuple[object, ...]], table: Table, column: str) -> bool:
    """Put another value into the first row; whether there was one and the table let it stand."""
    match table.c[column].type:
        case Boolean():
            other = f'NOT coalesce("{column}", false)'
        case Integer():
            other = f'coalesce("{column}", 0) + 1'
        case Date():
            other = f"coalesce(\"{column}\", DATE '2025-01-01') + 1"
        case LargeBinary():
            other = f"coalesce(\"{column}\", '') || 'x'::bytea"
        case kind if str(kind) == "JSON":
            other = "'[0]'::json"
        case _:
            other = f"CASE \"{column}\" WHEN 'x' THEN 'y' ELSE 'x' END"
    sql = (
        f'UPDATE ledger."{table.name}" SET "{column}" = {other} WHERE ctid = '
        f'(SELECT min(ctid) FROM ledger."{table.name}")'
    )
    try:
        return connection.execute(sql.encode()).rowcount == 1
    except (
        psycopg.errors.CheckViolation,
        psycopg.errors.UniqueViolation,
        psycopg.errors.ForeignKeyViolation,
    ):
        return False


def test_rows_that_are_gone_or_added_are_named(filled: Path, url: str) -> None:
    change_on_server(url, "DELETE FROM units WHERE i = 3", "INSERT INTO recall_lots VALUES ('R', 1, 'L')")
    found = {(one.code, one.table) for one in audited(filled, url).findings}
    assert found == {("row_missing", "units"), ("row_extra", "recall_lots")}


def test_several_processes_see_one_snapshot_and_find_what_one_finds(postgres: Server, tmp_path: Path) -> None:
    with postgres.database() as url:
        location = Postgres(url, "ledger")
        make_log(
            tmp_path, 66_000, location=location
        )  # a range of 65,536 entries, and the beginning of another
        change_on_server(
            url,
            "UPDATE log_entries SET leaf = ''::bytea WHERE position IN (300, 65600)",
            "DELETE FROM log_entries WHERE position = 65535",
        )
        engine = connect(location)
        verifier = Verifier.parse((tmp_path / "vkey").read_text())
        parts = (engine, Files(tmp_path / "files"), Guard(tmp_path / "guard"), verifier)
        reports = [audit(*parts, plan=Plan(workers)) for workers in (1, 2)]
        engine.dispose()
    assert reports[0] == reports[1]
    assert places(reports[0]) == {
        ("entry_missing", "log_entries", "65535", ""),
        ("leaf_differs", "log_entries", "300", "body"),
        ("leaf_differs", "log_entries", "65600", "body"),
    }
