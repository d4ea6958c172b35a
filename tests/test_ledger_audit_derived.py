"""Every value of every derived table is compared with what the log makes of it."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.journal.journal import By
from ledger.journal.master_key import rotate_master_key
from ledger.journal.registry import NOUNS
from ledger.people.account import AdmitAccount, EndAccount
from ledger.people.approval import SetApprovalRule
from ledger.people.token import IssueToken
from ledger.people.webhook import EndWebhook, SubscribeWebhook, list_webhooks
from ledger.quantities import Quantity
from ledger.recall.claim import DeclineClaim
from ledger.recall.person import ErasePerson, ExpireItems, SetRetention
from ledger.trace.bill_of_materials import NeededMaterial, ReviseBillOfMaterials
from ledger.trace.commissioning import stage
from ledger.trace.legal_entity import EndLegalEntity, RecordLegalEntity
from ledger.trace.seller import DescribeSeller, StyleSeller
from ledger.trace.shipment import ReceiveShipment, list_shipments
from ledger.trace.site import StaffSite
from ledger.trace.substitution import FindSubstitution
from portal.names import Names
from tests.tampering import audited, change, copied, places
from tests.world import World

pytestmark = pytest.mark.slow

LOG_TABLES = {"log_entries", "log_tiles", "log_checkpoints"}
OUR_OWN = {"alembic_version", "projections"}
ANY_TEXT, ANY_NUMBER = "'Ж'", "987654321"


@pytest.fixture(scope="module")
def whole_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a world in which every derived table has rows."""
    folder = tmp_path_factory.mktemp("whole") / "var"
    world = World.begin(folder)
    fill(world)
    world.close()
    return folder


def fill(world: World) -> None:
    """Something of everything."""
    world.do(
        DescribeSeller(brand="Voltaro", company="Voltaro Europe GmbH", address=("Musterkai 4",)), key="k1"
    )
    logo = world.ledger.files.put(b"\x89PNG\r\n\x1a\n...")
    world.do(StyleSeller(logo=logo, accent="#123456"))
    entity = RecordLegalEntity(
        code="EU", name="Voltaro", country="DE", address=("Musterkai 4",), roles=("importer",)
    )
    world.do(entity, key="entity")
    world.do(EndLegalEntity(legal_entity="EU", reason="A test."))
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=5)
    world.batch("B2", lots={"SF-1": "100 m"}, units=2)
    batch.ships(to="DE", count=3)
    batch.is_held()
    line = NeededMaterial(material=world.material("FILM"), quantity=Quantity(2, "m"), specification="16 µm")
    world.do(ReviseBillOfMaterials(product=world.product("P"), revision="A", lines=(line,)))
    found = FindSubstitution(
        code="S1", lots=("SF-1",), known="12 µm", effective_on=world.today, statement="A test."
    )
    world.do(found)
    world.later(days=1)
    world.recall("R1", lots=["SF-1"])
    world.claim(batch.serials[0])
    forget_some(world, [world.claim(batch.serials[place]) for place in (1, 2)])
    for account, role in (("A" * 16, "admin"), ("B" * 16, "warehouse")):
        name = Names.of(world.ledger).keep(role, now=world.clock.now()).sealed
        world.do(AdmitAccount(account=account, roles=(role,), name=name))
    world.site("HAM-1")
    world.batch("B3", units=2).ships(to="DE", count=1, site="HAM-1")
    world.do(StaffSite(account="A" * 16, site="HAM-1"))
    world.do(ReceiveShipment(shipment=world.read(list_shipments)[0].code, received_on=world.today))
    for address in ("https://erp.example/1", "https://erp.example/2"):
        world.do(SubscribeWebhook(address=address, kinds=("*",)))
    world.do(EndWebhook(webhook=world.read(list_webhooks)[0].id, reason="A test."))
    world.do(EndAccount(account="B" * 16, reason="A test."))
    world.do(SetApprovalRule(command="recall.approve", stand_in="waiting", waiting_hours=24))
    rotate_master_key(world.ledger, "A test.", By("system:operator"))
    issued = IssueToken(token="C" * 16, scopes=("admin",), ends_at=world.clock.now() + timedelta(days=9))
    world.do(issued, by=f"account:{'A' * 16}")


def forget_some(world: World, claims: list[str]) -> None:
    """Of two buyers one is erased, and what the other left runs out."""
    world.do(DeclineClaim(claim=claims[0], statement="A test."))
    world.do(SetRetention(kind="contact", days=0, reason="A test."))
    world.do(ExpireItems(), by="system:worker")
    world.do(ErasePerson(person=claims[1], reason="A test."))


@pytest.fixture
def folder(whole_world: Path, tmp_path: Path) -> Path:
    return copied(whole_world, tmp_path / "var")


def tables_of(folder: Path) -> dict[str, list[str]]:
    """The columns of every table."""
    with closing(sqlite3.connect(folder / "lotproof.db")) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            name: [row[1] for row in database.execute(f"PRAGMA table_info({name})")] for name in sorted(names)
        }


def derived_tables() -> dict[str, list[str]]:
    return {table.name: [c.name for c in table.primary_key] for n in NOUNS.values() for table in n.tables}


def rows_in(folder: Path, table: str) -> int:
    with closing(sqlite3.connect(folder / "lotproof.db")) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_every_table_is_the_logs_or_a_nouns_or_says_which_version_made_it(folder: Path) -> None:
    assert tables_of(folder).keys() == LOG_TABLES | OUR_OWN | derived_tables().keys()


def test_an_untouched_world_has_no_findings_and_something_in_every_table(folder: Path) -> None:
    assert audited(folder, derived=True).findings == ()
    empty = {table for table in tables_of(folder) if not rows_in(folder, table)}
    assert empty == {"log_tiles", "stagings"}  # a tile is 256 entries; nothing is being staged


def test_every_value_of_every_derived_table_is_covered(folder: Path, tmp_path: Path) -> None:
    """In one copy for each place of a column: one value of every table changed, to text, and to a number."""
    columns = {name: names for name, names in tables_of(folder).items() if name in derived_tables()}
    columns = {name: names for name, names in columns.items() if rows_in(folder, name)}
    widest = max(map(len, columns.values()))
    for place in range(widest):
        changed = copied(folder, tmp_path / f"copy-{place}")
        wanted = {name: names[place] for name, names in columns.items() if place < len(names)}
        change(changed, "PRAGMA ignore_check_constraints = ON", *(_changing(*one) for one in wanted.items()))
        report = audited(changed, derived=True)
        named = {(one.table, one.field) for one in report.findings if one.code == "derived"}
        gone = {one.table for one in report.findings if one.code in ("row_missing", "row_extra")}
        for table, column in wanted.items():
            is_key = column in derived_tables()[table]
            assert table in gone if is_key else (table, column) in named, (table, column)


def _changing(table: str, column: str) -> str:
    """Put another value into one row: the smallest change that SQLite lets stand."""
    other = f"CASE typeof({column}) WHEN 'integer' THEN {ANY_NUMBER} ELSE {ANY_TEXT} END"
    first = f"SELECT {column} FROM {table} ORDER BY {column} IS NULL LIMIT 1"
    return f"UPDATE OR REPLACE {table} SET {column} = {other} WHERE {column} IS ({first})"


def test_a_changed_value_is_named_with_table_row_and_field(folder: Path) -> None:
    change(folder, "UPDATE batches SET quantity = quantity + 1 WHERE code = 'B1'")
    (finding,) = audited(folder, derived=True).findings
    with closing(sqlite3.connect(folder / "lotproof.db")) as database:
        (row,) = database.execute("SELECT id FROM batches WHERE code = 'B1'").fetchone()
    assert (finding.code, finding.table, finding.row, finding.field) == (
        "derived",
        "batches",
        row,
        "quantity",
    )
    assert finding.facts["stands"] == str(int(str(finding.facts["should"])) + 1)


def test_a_row_that_is_gone_added_or_moved_is_named(folder: Path) -> None:
    change(folder, "DELETE FROM units WHERE i = 3", "INSERT INTO recall_lots VALUES ('R', 1, 'L')")
    found = {(one.code, one.table) for one in audited(folder, derived=True).findings}
    assert found == {("row_missing", "units"), ("row_extra", "recall_lots")}


LOOKALIKES = {
    "a number with a point": ("shipment_lines", "quantity", "CAST(quantity AS REAL)"),
    "a number as text": ("shipment_lines", "quantity", "CAST(quantity AS TEXT)"),
    "text as bytes": ("parties", "name", "CAST(name AS BLOB)"),
    "a zero byte after the text": ("parties", "name", "CAST(CAST(name AS BLOB) || x'00' AS TEXT)"),
    "a byte that is no text": ("parties", "name", "CAST(CAST(name AS BLOB) || x'ff' AS TEXT)"),
    "nothing for an empty text": ("batches", "line", "NULL"),
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_value_that_only_looks_the_same_is_named(folder: Path, name: str) -> None:
    table, column, value = LOOKALIKES[name]
    with closing(sqlite3.connect(folder / "lotproof.db")) as database:
        database.execute("PRAGMA writable_schema = ON")
        for rule in (" INTEGER", " NOT NULL"):  # so that SQLite does not put the value right, or refuse it
            loosen = f"UPDATE sqlite_schema SET sql = replace(sql, '{rule}', '') WHERE name = ?"
            database.execute(loosen, (table,))
        database.commit()
    change(folder, f"UPDATE {table} SET {column} = {value}")
    found = {
        (one.table, one.field) for one in audited(folder, derived=True).findings if one.code == "derived"
    }
    assert found == {(table, column)}


def test_a_byte_changed_in_the_file_itself_is_named_wherever_it_stands(folder: Path) -> None:
    """Past SQLite, in the table and in each index that holds a copy."""
    file = folder / "lotproof.db"
    with closing(sqlite3.connect(file)) as database:
        (serial,) = database.execute("SELECT serial FROM units LIMIT 1").fetchone()
    whole = file.read_bytes()
    found = []
    start = whole.find(serial.encode())
    while start >= 0:
        file.write_bytes(whole[:start] + b"@" + whole[start + 1 :])
        report = audited(folder, derived=True)
        found.append({one.table for one in report.findings})
        start = whole.find(serial.encode(), start + 1)
    assert len(found) >= 3  # the serial, its search key, and the index over that
    assert all("units" in tables for tables in found)


def test_staged_rows_are_counted_and_no_finding(whole_world: Path, tmp_path: Path) -> None:
    world = World.begin(tmp_path / "var")
    fill(world)
    stage(world.ledger.journal, world.ledger.keys.units, ["A1", "A2", "A3"])
    world.close()
    report = audited(tmp_path / "var", derived=True)
    assert report.findings == ()
    assert report.staged == {"units": 3, "stagings": 1}


def test_a_live_set_that_is_called_staged_is_named(folder: Path) -> None:
    change(
        folder,
        "INSERT INTO stagings SELECT id, '2025-05-01T08:00:00.000Z' FROM unit_sets LIMIT 1",
        "UPDATE units SET serial = 'OTHER' WHERE i = 0 AND unit_set = (SELECT unit_set FROM stagings)",
    )
    found = {(one.code, one.table) for one in audited(folder, derived=True).findings}
    assert found == {("row_extra", "stagings"), ("derived", "units")}


def test_after_an_upgrade_a_rebuild_is_asked_for_and_nobody_is_accused(folder: Path) -> None:
    change(
        folder,
        "UPDATE projections SET version = 0 WHERE noun = 'batch'",
        "UPDATE batches SET line = 'as an older version wrote it'",
    )
    assert places(audited(folder, derived=True)) == {("rebuild_needed", "projections", "batch", "version")}


def test_a_version_that_no_noun_has_is_named(folder: Path) -> None:
    change(folder, "INSERT INTO projections VALUES ('unicorn', 1)")
    assert places(audited(folder, derived=True)) == {("row_extra", "projections", "unicorn", "")}


def test_a_file_that_was_lost_or_changed_is_named_and_the_rest_is_still_compared(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "lotproof.db")) as database:
        (name,) = database.execute("SELECT list_sha256 FROM unit_sets LIMIT 1").fetchone()
    change(folder, "UPDATE parties SET country = 'XX'")
    file = folder / "files" / name[:2] / name[2:]
    for damage in (lambda: file.write_bytes(b"x"), file.unlink):
        damage()
        found = {(one.code, one.table) for one in audited(folder, derived=True).findings}
        assert found == {("file", "files"), ("not_rebuilt", "unit"), ("derived", "parties")}


def test_the_audit_of_derived_tables_runs_beside_a_writer(tmp_path: Path) -> None:
    world = World.begin(tmp_path / "var")
    fill(world)
    world.later(days=timedelta(days=2).days)
    assert audited(tmp_path / "var", derived=True).findings == ()
    world.material("AFTERWARDS")
    assert audited(tmp_path / "var", derived=True).findings == ()
    world.close()
