"""Rows deleted, swapped and slipped in past the triggers; old copies put back; the guard gone, damaged, another's.

`tests/test_journey_tampering.py` changes values through the command line; here are the ways around what guards them.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ledger.audit.slots import NOT_WHOLE
from ledger.database import reading
from ledger.journal.journal import By
from ledger.journal.opening import open_ledger
from ledger.journal.publish import LogBehindGuard
from ledger.log.guard import SLOT_BYTES, GuardDamaged, GuardMissing
from ledger.settings import Settings
from ledger.trace.bill_of_materials import RegisterMaterial, register_material
from tests.faults import refused
from tests.tampering import audited, copied
from tests.world import ADA, World

pytestmark = pytest.mark.slow

DATABASE = ("lotproof.db", "lotproof.db-wal", "lotproof.db-shm")


@pytest.fixture(scope="module")
def made(blank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed company of some sixty entries; only ever copied."""
    base = tmp_path_factory.mktemp("rows")
    world = World.begin_as(blank, base / "begun")
    for number in range(25):
        world.material(f"M{number}")
    world.batch("B1", units=5)
    world.recall("R1", batches=["B1"])
    world.close()
    return copied(base / "begun", base / "var")


@pytest.fixture
def company(made: Path, tmp_path: Path) -> Path:
    return copied(made, tmp_path / "var")


@contextmanager
def behind_its_back(company: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(company / "lotproof.db", isolation_level=None)) as connection:
        yield connection


# --- past the triggers


def by_dropping_them(connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], None]) -> None:
    """Drop the triggers, change, put them back to the letter."""
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    change(connection)
    for _, sql in triggers:
        connection.execute(sql)


def by_rewriting_the_schema(
    connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], None]
) -> None:
    """Take the triggers out of the schema's own table, change, write them back: no statement ever drops one."""
    connection.execute("PRAGMA writable_schema = ON")
    triggers = connection.execute("SELECT * FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    connection.execute("DELETE FROM sqlite_schema WHERE type = 'trigger'")
    [version] = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute(f"PRAGMA schema_version = {version + 1}")
    change(connection)
    connection.executemany("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", triggers)
    connection.execute(f"PRAGMA schema_version = {version + 2}")


def by_leaving_them_away(
    connection: sqlite3.Connection, change: Callable[[sqlite3.Connection], None]
) -> None:
    """Drop the triggers, and never put them back."""
    triggers = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for (name,) in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    change(connection)


def delete_one(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM log_entries WHERE position = 20")


def swap_two(connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT leaf, body FROM log_entries WHERE position IN (20, 22)").fetchall()
    for position, (leaf, body) in zip((22, 20), rows, strict=True):
        connection.execute(
            "UPDATE log_entries SET leaf = ?, body = ? WHERE position = ?", [leaf, body, position]
        )


def overwrite_one(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO log_entries SELECT 20, leaf, body FROM log_entries WHERE position = 22"
    )


def slip_one_in(connection: sqlite3.Connection) -> None:
    """All later entries moved up by one, and a copy in the gap."""
    connection.execute("UPDATE log_entries SET position = -position - 1 WHERE position >= 21")
    connection.execute("UPDATE log_entries SET position = -position WHERE position < 0")
    connection.execute("INSERT INTO log_entries SELECT 21, leaf, body FROM log_entries WHERE position = 20")


def cut_the_tail(connection: sqlite3.Connection) -> None:
    """The last checkpoint and its entries, as if they had never been."""
    sizes = connection.execute("SELECT size FROM log_checkpoints ORDER BY size DESC LIMIT 2").fetchall()
    connection.execute("DELETE FROM log_checkpoints WHERE size = ?", sizes[0])
    connection.execute("DELETE FROM log_entries WHERE position >= ?", sizes[1])


@pytest.mark.parametrize("way", [by_dropping_them, by_rewriting_the_schema, by_leaving_them_away])
@pytest.mark.parametrize("change", [delete_one, swap_two, overwrite_one, slip_one_in, cut_the_tail])
def test_whoever_gets_past_the_triggers_is_found_out(
    company: Path,
    way: Callable[[sqlite3.Connection, Callable[[sqlite3.Connection], None]], None],
    change: Callable[[sqlite3.Connection], None],
) -> None:
    with behind_its_back(company) as connection:
        way(connection, change)
    found = audited(company).findings
    if change is cut_the_tail:
        assert any(one.table == "guard" for one in found)
    else:
        assert any(one.table == "log_entries" and one.row.startswith(("20", "21")) for one in found)
    if way is by_leaving_them_away:
        assert any(one.table == "sqlite_schema" and one.row == "log_entries_no_update" for one in found)


@pytest.mark.parametrize("change", [delete_one, swap_two, overwrite_one])
def test_the_triggers_refuse_who_does_not_get_past_them(
    company: Path, change: Callable[[sqlite3.Connection], None]
) -> None:
    with behind_its_back(company) as connection:
        connection.execute("PRAGMA recursive_triggers = ON")
        with pytest.raises(sqlite3.IntegrityError):
            change(connection)
    assert audited(company).findings == ()


def test_a_row_replaced_without_firing_a_trigger_is_found(company: Path) -> None:
    """REPLACE deletes past the delete trigger, on a connection that does not ask for recursive ones."""
    with behind_its_back(company) as connection:
        connection.execute("PRAGMA recursive_triggers = OFF")
        overwrite_one(connection)
    assert any((one.table, one.row) == ("log_entries", "20") for one in audited(company).findings)


# --- old copies


def test_an_old_database_beside_the_new_guard_signs_nothing(made: Path, company: Path) -> None:
    record(company, "LATER")
    put_back(made, company, *DATABASE)
    assert isinstance(refused(lambda: record(company, "AGAIN")), LogBehindGuard)
    assert any(one.table == "guard" for one in audited(company).findings)
    assert is_old(company)


def test_an_old_database_with_its_old_guard_is_found_by_whoever_kept_a_checkpoint(
    made: Path, company: Path
) -> None:
    """Nothing here can know; docs/log.md says so. Whoever holds the later checkpoint can show it."""
    record(company, "LATER")
    kept = newest_note(company)
    put_back(made, company, *DATABASE, "guard")
    record(company, "ANOTHER")
    record(company, "AND ANOTHER")
    assert audited(company).findings == ()
    with behind_its_back(company) as connection:
        size = int(kept.split("\n")[1])
        [other] = connection.execute("SELECT note FROM log_checkpoints WHERE size = ?", [size]).fetchone()
    assert other != kept


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda guard: guard.unlink(), GuardMissing),
        (lambda guard: guard.write_bytes(bytes(8_192)), GuardDamaged),
        (lambda guard: guard.write_bytes(guard.read_bytes()[:100]), GuardDamaged),
    ],
    ids=["gone", "zeros", "cut"],
)
def test_without_a_readable_guard_nothing_is_signed_and_answers_are_old(
    company: Path, damage: Callable[[Path], None], error: type[Exception]
) -> None:
    damage(company / "guard")
    assert isinstance(refused(lambda: record(company, "MORE")), error)
    assert any(one.table == "guard" for one in audited(company).findings)
    assert is_old(company)


@pytest.mark.parametrize("materials", [0, 3, 40], ids=["barely begun", "shorter", "longer"])
def test_a_guard_of_another_log_signs_nothing(company: Path, tmp_path: Path, materials: int) -> None:
    """Both slots, whatever size the other log has."""
    other = World.begin(tmp_path / "other")
    for number in range(materials):
        other.material(f"X{number}")
    other.close()
    shutil.copy(tmp_path / "other" / "guard", company / "guard")
    assert isinstance(refused(lambda: record(company, "MORE")), LogBehindGuard)
    report = audited(company)
    assert any(one.table == "guard" for one in report.findings)
    assert report.remarks == ()
    assert is_old(company)


def test_one_slot_of_another_log_signs_nothing_where_it_is_the_newer(company: Path, tmp_path: Path) -> None:
    other = World.begin(tmp_path / "other")
    for number in range(40):
        other.material(f"X{number}")
    other.close()
    slots = slots_of(company)
    foreign = max(slots_of(tmp_path / "other"), key=sequence_of)
    assert sequence_of(foreign) > max(map(sequence_of, slots))
    newest = max((0, 1), key=lambda place: sequence_of(slots[place]))
    (company / "guard").write_bytes(foreign + slots[1] if newest == 1 else slots[0] + foreign)
    assert isinstance(refused(lambda: record(company, "MORE")), LogBehindGuard)
    assert any(one.table == "guard" for one in audited(company).findings)


@pytest.mark.parametrize("place", [0, 30, 90, 200, 4_000], ids=lambda place: f"at {place}")
@pytest.mark.parametrize("is_newest", [True, False], ids=["newest", "older"])
def test_a_slot_that_is_not_whole_is_remarked_and_written_over(
    company: Path, place: int, is_newest: bool
) -> None:
    """Format, sequence number, checksum, note, padding: the other slot is used, and nothing is lost."""
    record(company, "BEFORE")  # both slots have been written to
    slots = slots_of(company)
    number = (max if is_newest else min)((0, 1), key=lambda one: sequence_of(slots[one]))
    slots[number] = slots[number][:place] + bytes([slots[number][place] ^ 1]) + slots[number][place + 1 :]
    (company / "guard").write_bytes(b"".join(slots))
    report = audited(company)
    assert (report.findings, report.remarks) == ((), (NOT_WHOLE,))
    record(company, "AFTER")
    report = audited(company, derived=True)
    assert (report.findings, report.remarks) == ((), ())


def slots_of(company: Path) -> list[bytes]:
    data = (company / "guard").read_bytes()
    return [data[:SLOT_BYTES], data[SLOT_BYTES:]]


def sequence_of(slot: bytes) -> int:
    return int(slot.split(b"\n", 2)[1])


def test_a_guard_rolled_back_alone_is_brought_up_again(made: Path, company: Path) -> None:
    """It holds a checkpoint of this log, and the database has gone on from there: nothing is lost."""
    record(company, "LATER")
    put_back(made, company, "guard")
    record(company, "STILL LATER")
    assert audited(company, derived=True).findings == ()


def record(company: Path, code: str) -> None:
    """One more material, by the product's own command."""
    with closing(open_ledger(Settings(data=company), accept_long_silence=True)) as ledger:
        ledger.journal.write(register_material, RegisterMaterial(code=code, name=code), By(ADA))


def put_back(source: Path, company: Path, *names: str) -> None:
    """What an old copy holds, in place of what is there."""
    for name in names:
        (company / name).unlink(missing_ok=True)
        if (source / name).exists():
            shutil.copy(source / name, company / name)


def newest_note(company: Path) -> str:
    """The newest checkpoint, as somebody outside keeps it."""
    with closing(open_ledger(Settings(data=company))) as ledger, reading(ledger.engine) as connection:
        return ledger.journal.standing(connection).note


def is_old(company: Path) -> bool:
    """Whether answers are given, and marked old."""
    with closing(open_ledger(Settings(data=company))) as ledger, reading(ledger.engine) as connection:
        return ledger.journal.standing(connection).is_old
