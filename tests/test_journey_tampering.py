"""Somebody with the database in their hands: whatever they change, `lotproof audit --derived` names it.

Each test works on a copy of the demo, whose log was grown past its first full tile, with no process near it. The
triggers that guard the log are dropped for the change and put back after it, as a thief would.
"""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger.journal.opening import open_ledger
from ledger.settings import Settings
from tests.journeys import Lotproof, copy_of, demo_copy, served
from tests.meddling import (
    FAR,
    Place,
    audited,
    change,
    columns_of,
    derived_tables,
    key_of,
    named,
    opened,
    other,
    quoted,
    rows_of,
    shown,
)
from tests.reader import Reader

pytestmark = pytest.mark.slow

SEALS = 130  # as many entries, so that the log has a full tile


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with a log of more than 256 entries; only ever copied."""
    folder = demo_copy(tmp_path_factory)
    with closing(open_ledger(Settings(data=folder), accept_long_silence=True)) as ledger:
        for _ in range(SEALS):
            ledger.journal.seal()
    return folder


@pytest.fixture
def company(grown: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return copy_of(grown, tmp_path / "var")


def test_the_demo_itself_is_clean(grown: Path) -> None:
    said = audited(grown)
    assert said.code == 0
    assert said.json["findings"] == []
    assert said.json["entries"] > 256


# --- derived tables


def test_a_changed_value_in_any_column_is_named_and_nothing_else(company: Path) -> None:
    changed: set[Place] = set()
    with opened(company) as connection:
        tables = derived_tables(connection)
        assert len(tables) > 20
        for table in tables:
            keys = rows_of(connection, table)
            plain = [name for name, is_key in columns_of(connection, table) if not is_key]
            for number, column in enumerate(plain):
                key = keys[number % len(keys)]
                change(connection, table, key, column)
                changed.add((table, shown(key), column))
    assert len(changed) > 100
    assert named(audited(company)) == changed


def test_a_changed_key_is_named_where_it_was_and_where_it_is(company: Path) -> None:
    changed: set[Place] = set()
    with opened(company) as connection:
        tables = set(derived_tables(connection)) - {
            "unit_sets"
        }  # without its set, every unit would be missing
        for table in sorted(tables):
            keys, names = rows_of(connection, table), key_of(connection, table)
            for place, (key, column) in enumerate(zip(keys, names, strict=False)):
                change(connection, table, key, column, step=FAR)
                renamed = [other(value, step=FAR) if at == place else value for at, value in enumerate(key)]
                changed |= {(table, shown(key), ""), (table, shown(renamed), "")}
    assert len(changed) > 60
    assert named(audited(company)) == changed


def test_a_deleted_row_is_named(company: Path) -> None:
    gone: set[Place] = set()
    with opened(company) as connection:
        for table in derived_tables(connection):
            key = rows_of(connection, table)[-1]
            where = " AND ".join(f"{name} = ?" for name in quoted(key_of(connection, table)))
            connection.execute(f"DELETE FROM {table} WHERE {where}", key)
            gone.add((table, shown(key), ""))
    assert named(audited(company)) == gone


def test_an_inserted_row_is_named(company: Path) -> None:
    added: set[Place] = set()
    with opened(company) as connection:
        for table in derived_tables(connection):
            row = connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
            key = key_of(connection, table)
            fresh = {
                key[-1],
                "code",
                "person",
                "search_key",
                "gtin",
                "c",
                "recorded",
            }  # what must not stand twice
            values = {
                name: other(value, step=FAR) if name in fresh else value
                for (name, _), value in zip(columns_of(connection, table), row, strict=True)
            }
            marks = ", ".join("?" for _ in values)
            connection.execute(f"INSERT INTO {table} VALUES ({marks})", list(values.values()))
            added.add((table, shown([values[name] for name in key]), ""))
    assert named(audited(company)) == added


def test_a_table_said_to_be_made_by_another_version_needs_a_rebuild(company: Path) -> None:
    with opened(company) as connection:
        change(connection, "projections", ["claim"], "version")
    assert named(audited(company)) == {("projections", "claim", "version")}
    refused = Lotproof(company).refused("claim", "list")
    assert refused["error"] == "RebuildNeeded"
    assert Lotproof(company).run("rebuild", "claim").code == 0
    assert Lotproof(company)("claim", "list")


def test_a_rebuild_puts_right_what_was_changed(company: Path) -> None:
    with opened(company) as connection:
        change(connection, "products", rows_of(connection, "products")[0], "name")
        connection.execute("DELETE FROM units WHERE i = 17")
    assert {place[0] for place in named(audited(company))} == {"products", "units"}
    assert Lotproof(company).run("rebuild").code == 0
    assert audited(company).code == 0


# --- the log's own tables


def first_produced(connection: sqlite3.Connection) -> int:
    """The index of the entry that produced the first batch."""
    query = "SELECT position FROM log_entries WHERE CAST(body AS TEXT) LIKE '%batch.produced/1%' ORDER BY position"
    return int(connection.execute(query).fetchone()[0])


def rewrite_body(connection: sqlite3.Connection) -> set[Place]:
    """Another quantity, nothing else touched."""
    at = first_produced(connection)
    _replace_quantity(connection, at)
    return {("log_entries", str(at), "body")}


def rewrite_body_and_leaf(connection: sqlite3.Connection) -> set[Place]:
    """Another quantity, and the leaf to fit it: then the next entry's prev, the tile and every root do not."""
    at = first_produced(connection)
    body = _replace_quantity(connection, at)
    leaf = hashlib.sha256(b"\0" + body).digest()
    connection.execute("UPDATE log_entries SET leaf = ? WHERE position = ?", [leaf, at])
    return {("log_entries", str(at), "leaf"), ("log_entries", str(at + 1), "prev")}


def _replace_quantity(connection: sqlite3.Connection, at: int) -> bytes:
    [body] = connection.execute("SELECT body FROM log_entries WHERE position = ?", [at]).fetchone()
    changed = bytes(body).replace(b'"quantity":20000', b'"quantity":20001')
    assert changed != body
    connection.execute("UPDATE log_entries SET body = ? WHERE position = ?", [changed, at])
    return changed


def change_leaf(connection: sqlite3.Connection) -> set[Place]:
    change(connection, "log_entries", [40], "leaf")
    return {("log_entries", "40", "leaf")}


def change_position(connection: sqlite3.Connection) -> set[Place]:
    """The last entry moved up by one."""
    last = connection.execute("SELECT max(position) FROM log_entries").fetchone()[0]
    change(connection, "log_entries", [last], "position")
    return {("log_entries", str(last), "")}


def delete_entry(connection: sqlite3.Connection) -> set[Place]:
    connection.execute("DELETE FROM log_entries WHERE position = 41")
    return {("log_entries", "41", "")}


def append_entry(connection: sqlite3.Connection) -> set[Place]:
    """One entry more than any checkpoint knows."""
    last = connection.execute("SELECT max(position) FROM log_entries").fetchone()[0]
    connection.execute(
        "INSERT INTO log_entries SELECT position + 1, leaf, body FROM log_entries WHERE position = ?", [last]
    )
    return {("log_entries", str(last + 1), "")}


def change_note(connection: sqlite3.Connection) -> set[Place]:
    sizes = [row[0] for row in connection.execute("SELECT size FROM log_checkpoints ORDER BY size")]
    change(connection, "log_checkpoints", [sizes[5]], "note")
    return {("log_checkpoints", str(sizes[5]), "note")}


def change_size(connection: sqlite3.Connection) -> set[Place]:
    sizes = [row[0] for row in connection.execute("SELECT size FROM log_checkpoints ORDER BY size")]
    change(connection, "log_checkpoints", [sizes[7]], "size")
    return {("log_checkpoints", str(sizes[7]), ""), ("log_checkpoints", str(sizes[7] + 1), "")}


def delete_checkpoint(connection: sqlite3.Connection) -> set[Place]:
    sizes = [row[0] for row in connection.execute("SELECT size FROM log_checkpoints ORDER BY size")]
    connection.execute("DELETE FROM log_checkpoints WHERE size = ?", [sizes[6]])
    return {("log_checkpoints", str(sizes[6]), "")}


def change_tile_hashes(connection: sqlite3.Connection) -> set[Place]:
    change(connection, "log_tiles", [0, 0], "hashes")
    return {("log_tiles", "0/0", "hashes")}


def change_tile_root(connection: sqlite3.Connection) -> set[Place]:
    change(connection, "log_tiles", [0, 0], "root")
    return {("log_tiles", "0/0", "root")}


def change_tile_number(connection: sqlite3.Connection) -> set[Place]:
    change(connection, "log_tiles", [0, 0], "number")
    return {("log_tiles", "0/0", ""), ("log_tiles", "0/1", "")}


def delete_tile(connection: sqlite3.Connection) -> set[Place]:
    connection.execute("DELETE FROM log_tiles")
    return {("log_tiles", "0/0", "")}


def change_revision(connection: sqlite3.Connection) -> set[Place]:
    connection.execute("UPDATE alembic_version SET version_num = '0099'")
    return {("alembic_version", "0099", "version_num")}


IN_THE_LOG: tuple[Callable[[sqlite3.Connection], set[Place]], ...] = (
    rewrite_body,
    rewrite_body_and_leaf,
    change_leaf,
    change_position,
    delete_entry,
    append_entry,
    change_note,
    change_size,
    delete_checkpoint,
    change_tile_hashes,
    change_tile_root,
    change_tile_number,
    delete_tile,
    change_revision,
)


@pytest.mark.parametrize("tamper", IN_THE_LOG, ids=lambda one: one.__name__)
def test_whatever_is_changed_in_the_log_is_named(
    company: Path, tamper: Callable[[sqlite3.Connection], set[Place]]
) -> None:
    with opened(company) as connection:
        places = tamper(connection)
    found = named(audited(company, derived=False))
    rows = {(table, row) for table, row, _ in found}
    for table, row, field in places:
        assert (table, row, field) in found or (not field and (table, row) in rows), found


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("DROP TRIGGER log_entries_no_update", "log_entries_no_update"),
        ("DROP INDEX units_by_key", "units_by_key"),
        ("CREATE TRIGGER sly AFTER INSERT ON log_entries BEGIN DELETE FROM holds; END", "sly"),
        ("CREATE TABLE spare (x)", "spare"),
        ("DROP TABLE holds", "holds"),
    ],
)
def test_a_changed_schema_is_named(company: Path, sql: str, name: str) -> None:
    with closing(sqlite3.connect(company / "lotproof.db")) as connection:
        connection.execute(sql)
        connection.commit()
    assert ("sqlite_schema", name) in {
        (table, row) for table, row, _ in named(audited(company, derived=False))
    }


# --- beside the database


def files_of(company: Path) -> list[Path]:
    return sorted(path for path in (company / "files").rglob("*") if path.is_file())


def test_a_changed_or_missing_file_is_named(company: Path) -> None:
    changed, gone = files_of(company)[0], files_of(company)[-1]
    changed.chmod(0o600)
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    gone.unlink()
    found = named(audited(company, derived=False))
    rows = {row for table, row, _ in found if table == "files"}
    assert rows == {path.parent.name + path.name for path in (changed, gone)}


def test_a_guard_of_another_log_or_none_is_named(company: Path, grown: Path) -> None:
    (company / "guard").write_bytes(bytes(8192))
    assert any("guard" in table for table, _, _ in named(audited(company, derived=False)))
    refused = Lotproof(company).refused(
        "hold", "release", "--batch", "25W21-A", "--reason", "x", "--as", "Ada Muster"
    )
    assert refused["message"]


def test_a_key_that_is_not_the_log_s_own_is_named(company: Path, tmp_path: Path) -> None:
    stranger = Lotproof(tmp_path / "stranger")
    assert stranger.run("init", "--account", "Cleo", "--host", "voltaro.example").code == 0
    key = stranger.run("log", "vkey").out.strip()
    said = Lotproof(company).run("audit", "--json", "--key", key)
    assert ("log_checkpoints", "note") in {(table, field) for table, _, field in named(said)}


# --- an older copy put back


def test_an_older_copy_put_back_is_answered_as_old_and_nothing_more_is_recorded(
    grown: Path, tmp_path: Path
) -> None:
    """The guard knows a later checkpoint: that one entry is lost must not pass unseen."""
    company = copy_of(grown, tmp_path / "var")
    lotproof = Lotproof(company)
    lotproof(
        "hold", "release", "--batch", "25W21-A", "--reason", "A mistake.", "--accept-clock", by="Ada Muster"
    )
    for name in ("lotproof.db", "lotproof.db-wal", "lotproof.db-shm"):
        (company / name).unlink(missing_ok=True)
    shutil.copy(grown / "lotproof.db", company / "lotproof.db")
    refused = lotproof.refused(
        "hold", "release", "--batch", "25W21-A", "--reason", "Again.", "--as", "Ada Muster", "--accept-clock"
    )
    assert refused["error"] == "LogBehindGuard"
    assert int(refused["facts"]["published"]) - int(refused["facts"]["size"]) == 2
    assert any("guard" in table for table, _, _ in named(audited(company, derived=False)))
    with served(company) as shop:
        reader = Reader(shop.base)
        number = shop.demo["serials"]["recalled"][0]
        page = reader.get(f"/s/{number}")
        assert page.status == 200
        assert "is-old" in " ".join(given.get("class", "") for _, given in page.read.tags)
        told = reader.get(f"/api/v1/units/{number}").json
        assert told["status"] == "recalled"
        assert told["checkpoint"]["size"] == int(refused["facts"]["size"])
        clear = reader.get(f"/s/{shop.demo['serials']['clear'][0]}")
        assert "is-old" in " ".join(given.get("class", "") for _, given in clear.read.tags)
        form_page = reader.get(f"/en/claim/{number}")
        typed = {"remedy": "refund", "country": "DE", "email": "a@mail.example", "payout": "an account"}
        sent = reader.submit(form_page, form_page.form("claim").filled(typed))
        assert sent.status == 422
        assert typed.items() <= sent.form("claim").values.items()
