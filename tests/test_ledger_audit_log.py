"""Whoever changes anything behind the log's back is found, and told where."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.audit.log import audit
from ledger.database import connect
from ledger.files import Files
from ledger.journal.clock import SetClock
from ledger.journal.journal import By
from ledger.journal.opening import create_ledger
from ledger.log.guard import Guard
from ledger.log.note import Verifier
from ledger.settings import Settings
from ledger.trace.party import RegisterParty, register_party
from tests.bench.audit import make_log
from tests.tampering import Forger, audited, change, copied, places

pytestmark = pytest.mark.slow

START = datetime(2025, 5, 1, 8, tzinfo=UTC)
WRITER = By("account:" + "A" * 16)


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a log of 300 entries and 150 checkpoints: a full tile and a partial one."""
    folder = tmp_path_factory.mktemp("long") / "var"
    ledger = create_ledger(Settings(data=folder), clock=SetClock(START))
    for number in range(149):
        request = RegisterParty(code=f"P{number}", name=f"Maker {number}", role="factory", country="CN")
        ledger.journal.write(register_party, request, WRITER)
    ledger.close()
    return folder


@pytest.fixture
def folder(long_log: Path, tmp_path: Path) -> Path:
    return copied(long_log, tmp_path / "var")


def test_an_untouched_log_has_no_findings(folder: Path) -> None:
    report = audited(folder, derived=True)
    assert (report.findings, report.size, report.checkpoints, report.staged) == ((), 300, 150, {})


# --- entries

X = "x'78'"  # the byte x

CHANGES_OF_THE_LOG: dict[str, tuple[list[str], set[tuple[str, str, str, str]]]] = {
    "a body": (
        [
            "UPDATE log_entries SET body = CAST(replace(body, 'Maker 49', 'Maker 94') AS BLOB) WHERE position = 100"
        ],
        {("leaf_differs", "log_entries", "100", "body")},
    ),
    "a leaf": (
        ["UPDATE log_entries SET leaf = zeroblob(32) WHERE position = 100"],
        {("leaf_differs", "log_entries", "100", "body"), ("leaf_differs", "log_entries", "100", "leaf")},
    ),
    "a leaf that is too short": (
        [f"UPDATE log_entries SET leaf = {X} WHERE position = 100"],
        {("leaf_differs", "log_entries", "100", "body")},
    ),
    "a body that is text": (
        ["UPDATE log_entries SET body = CAST(body AS TEXT) WHERE position = 100"],
        {("not_bytes", "log_entries", "100", "body")},
    ),
    "a body that is no JSON": (
        [f"UPDATE log_entries SET body = {X} WHERE position = 290"],
        {("leaf_differs", "log_entries", "290", "body"), ("bad_entry", "log_entries", "290", "body")},
    ),
    "two bodies swapped": (
        [
            "CREATE TABLE other AS SELECT * FROM log_entries WHERE position IN (10, 20)",
            "UPDATE log_entries SET (leaf, body) = (SELECT leaf, body FROM other WHERE other.position = 30 - "
            "log_entries.position) WHERE position IN (10, 20)",
            "DROP TABLE other",
        ],
        {
            ("leaf_differs", "log_entries", "10", "leaf"),
            ("leaf_differs", "log_entries", "20", "leaf"),
            ("chain", "log_entries", "10", "prev"),
            ("chain", "log_entries", "20", "prev"),
            ("chain", "log_entries", "11", "prev"),
            ("chain", "log_entries", "21", "prev"),
        },
    ),
    "an entry deleted": (
        ["DELETE FROM log_entries WHERE position = 100"],
        {("entry_missing", "log_entries", "100", "")},
    ),
    "several entries deleted": (
        ["DELETE FROM log_entries WHERE position BETWEEN 100 AND 109"],
        {("entry_missing", "log_entries", "100-109", "")},
    ),
    "the tail cut": (
        ["DELETE FROM log_entries WHERE position >= 296"],
        {
            ("checkpoint_extra", "log_checkpoints", "298", "size"),
            ("checkpoint_extra", "log_checkpoints", "300", "size"),
        },
    ),
    "the tail cut, and its checkpoints too": (
        ["DELETE FROM log_entries WHERE position >= 296", "DELETE FROM log_checkpoints WHERE size > 296"],
        {("guard", "guard", "", "")},
    ),
    "an entry before the first": (
        ["INSERT INTO log_entries SELECT -5, leaf, body FROM log_entries WHERE position = 5"],
        {("entry_extra", "log_entries", "-5", "")},
    ),
    "an entry put at the end": (
        ["INSERT INTO log_entries SELECT 300, leaf, body FROM log_entries WHERE position = 5"],
        {
            ("unsealed", "log_entries", "300-300", ""),
            ("chain", "log_entries", "300", "prev"),
            ("link", "log_entries", "300", "subjects"),
            ("checkpoint_missing", "log_checkpoints", "301", ""),
        },
    ),
    "the hashes of a tile": (
        ["UPDATE log_tiles SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB)"],
        {("tile_differs", "log_tiles", "0/0", "hashes")},
    ),
    "the root of a tile": (
        ["UPDATE log_tiles SET root = zeroblob(32)"],
        {("tile_differs", "log_tiles", "0/0", "root")},
    ),
    "a tile deleted": (["DELETE FROM log_tiles"], {("tile_missing", "log_tiles", "0/0", "")}),
    "a tile too many": (
        ["INSERT INTO log_tiles SELECT 0, 1, root, hashes FROM log_tiles"],
        {("tile_extra", "log_tiles", "0/1", "")},
    ),
    "a tile of a level that is not there": (
        ["INSERT INTO log_tiles SELECT 'one', 0, root, hashes FROM log_tiles"],
        {("tile_extra", "log_tiles", "one/0", "")},
    ),
    "a checkpoint deleted": (
        ["DELETE FROM log_checkpoints WHERE size = 20"],
        {("checkpoint_missing", "log_checkpoints", "20", "")},
    ),
    "the note of a checkpoint": (
        ["UPDATE log_checkpoints SET note = replace(note, '\n20\n', '\n21\n')"],
        {("bad_checkpoint", "log_checkpoints", "20", "note")},
    ),
    "a note that is not text any more": (
        ["UPDATE log_checkpoints SET note = CAST(x'ff' || CAST(note AS BLOB) AS TEXT) WHERE size = 20"],
        {("bad_checkpoint", "log_checkpoints", "20", "note")},
    ),
    "a note of another size": (
        [
            "UPDATE log_checkpoints SET note = (SELECT note FROM log_checkpoints WHERE size = 22) WHERE size = 20"
        ],
        {("bad_checkpoint", "log_checkpoints", "20", "note")},
    ),
    "a signature too many": (
        ["UPDATE log_checkpoints SET note = note || '— somebody AAAAAAAAAAAA' || char(10) WHERE size = 20"],
        {("bad_checkpoint", "log_checkpoints", "20", "note")},
    ),
    "a checkpoint moved to an entry that states no map": (
        ["UPDATE log_checkpoints SET size = 21 WHERE size = 20"],
        {
            ("last_leaf", "log_checkpoints", "21", "size"),
            ("bad_checkpoint", "log_checkpoints", "21", "note"),
            ("checkpoint_missing", "log_checkpoints", "20", ""),
        },
    ),
    "the head of a subject": (
        ["UPDATE subject_heads SET last = 1 WHERE last = 100"],
        {("heads", "subject_heads", "", "last")},
    ),
    "a table of another": (["CREATE TABLE mine (a)"], {("schema", "sqlite_schema", "mine", "sql")}),
    "an index dropped": (["DROP INDEX units_by_key"], {("schema", "sqlite_schema", "units_by_key", "sql")}),
    "the revision": (
        ["UPDATE alembic_version SET version_num = '0000'"],
        {("revision", "alembic_version", "0000", "version_num")},
    ),
}


@pytest.mark.parametrize("name", CHANGES_OF_THE_LOG)
def test_a_change_of_the_log_is_named_with_its_place_and_nothing_else_is(folder: Path, name: str) -> None:
    statements, expected = CHANGES_OF_THE_LOG[name]
    change(folder, *statements)
    assert places(audited(folder)) == expected


def test_a_guard_that_was_lost_damaged_or_put_back_is_named(folder: Path) -> None:
    guard = folder / "guard"
    whole = guard.read_bytes()
    for content in (b"", whole[:4096].replace(b"300", b"999") + bytes(4096)):
        guard.write_bytes(content)
        assert places(audited(folder)) == {("guard", "guard", "", "")}
    guard.unlink()
    assert places(audited(folder)) == {("guard", "guard", "", "")}
    Guard(guard).create()
    assert places(audited(folder)) == {("guard", "guard", "", "")}


def test_a_history_rewritten_and_signed_again_is_given_away_by_the_guard(folder: Path) -> None:
    """Whoever has the key can make a log that is right in itself; the guard knows the other one."""
    settings = Settings(data=folder)
    guard = settings.guard.read_bytes()
    shutil.rmtree(folder)
    again = create_ledger(settings, clock=SetClock(START))
    again.close()
    settings.guard.write_bytes(guard)
    assert ("guard", "guard", "", "") in places(audited(folder))


def test_triggers_that_were_dropped_or_changed_are_named(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "lotproof.db", isolation_level=None)) as database:
        database.execute("DROP TRIGGER log_entries_no_update")
        database.execute("DROP TRIGGER log_tiles_no_delete")
        database.execute("CREATE TRIGGER log_tiles_no_delete BEFORE DELETE ON log_tiles BEGIN SELECT 1; END")
    assert places(audited(folder)) == {
        ("schema", "sqlite_schema", "log_entries_no_update", "sql"),
        ("schema", "sqlite_schema", "log_tiles_no_delete", "sql"),
    }


def test_a_table_of_the_log_that_is_gone_is_named(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "lotproof.db")) as database:
        database.execute("DROP TABLE log_checkpoints")
    assert ("schema", "sqlite_schema", "log_checkpoints", "sql") in places(audited(folder, derived=True))


# --- what only the writer can have done: entries that are well chained, signed, and wrong


FORGED: dict[str, tuple[dict[str, object], set[tuple[str, str, str, str]]]] = {
    "nothing wrong": ({}, set()),
    "an unknown kind": ({"kind": "party.renamed/1"}, {("unknown_kind", "log_entries", "300", "body")}),
    "an event of another form": ({"data": {"code": "P"}}, {("bad_entry", "log_entries", "300", "body")}),
    "a member too many": ({"note": "x"}, {("bad_entry", "log_entries", "300", "body")}),
    "an actor by name": ({"actor": "Ada"}, {("bad_entry", "log_entries", "300", "body")}),
    "a time that is none": (
        {"at": "2025-02-30T08:00:00.000Z"},
        {("bad_entry", "log_entries", "300", "body")},
    ),
    "a time before the last": ({"at": "2025-04-30T08:00:00.000Z"}, {("time", "log_entries", "300", "at")}),
    "a link to nothing": (
        {"subjects": {f"party:{'Z' * 16}": 7}},
        {("link", "log_entries", "300", "subjects")},
    ),
    "a link forward": (
        {"subjects": {f"party:{'Z' * 16}": 301}},
        {("link", "log_entries", "300", "subjects")},
    ),
    "a file that is not there": (
        {
            "kind": "units.commissioned/1",
            "data": {
                "unit_set": "Z" * 16,
                "batch": "Z" * 16,
                "product": "Z" * 16,
                "count": 1,
                "root": "0" * 64,
                "list_file": {"sha256": "ab" * 32, "size_bytes": 1},
                "received_file": None,
                "not_recalled_because": None,
            },
        },
        {("file", "files", "ab" * 32, "")},
    ),
    "another map stated": (
        {"kind": "status.stated/1", "data": {"map": {"leaves": 2, "root": "0" * 64, "version": 1}}},
        {
            ("status", "log_entries", "300", "data.map"),
            ("checkpoint_missing", "log_checkpoints", "301", ""),
        },
    ),
    "a log opened again": (
        {
            "kind": "log.opened/1",
            "data": {
                "demo": False,
                "format": "lotproof-log/1",
                "log": "Z" * 16,
                "map": {"leaves": 1, "root": "0" * 64, "version": 0},
                "origin": "other.example/log",
                "product": "lotproof",
                "vkey": "",
            },
        },
        {("opened_again", "log_entries", "300", "kind"), ("status", "log_entries", "300", "data.map")},
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_an_entry_that_is_signed_and_wrong_is_named(folder: Path, name: str) -> None:
    members, expected = FORGED[name]
    Forger(folder).append(**members)
    assert places(audited(folder)) == expected


def test_a_link_that_skips_an_entry_is_named(folder: Path) -> None:
    forger = Forger(folder)
    forger.append()
    forger.append(subjects={f"party:{'Z' * 16}": 300})
    assert places(audited(folder)) == set()
    forger.append(subjects={f"party:{'Z' * 16}": 300})
    assert places(audited(folder)) == {("link", "log_entries", "304", "subjects")}


@pytest.mark.slow
def test_several_processes_find_what_one_finds_across_the_borders_of_their_ranges(tmp_path: Path) -> None:
    make_log(tmp_path, 66_000)  # a range of 65,536 entries, and the beginning of another
    engine, files, guard = (
        connect(tmp_path / "lotproof.db"),
        Files(tmp_path / "files"),
        Guard(tmp_path / "guard"),
    )
    verifier = Verifier.parse((tmp_path / "vkey").read_text())
    assert audit(engine, files, guard, verifier, workers=2).findings == ()
    change(
        tmp_path,
        "UPDATE log_entries SET leaf = zeroblob(32) WHERE position IN (300, 65600)",
        "UPDATE log_tiles SET root = zeroblob(32) WHERE level = 1",
        "DELETE FROM log_entries WHERE position = 65535",
    )
    reports = [audit(engine, files, guard, verifier, workers=count) for count in (1, 2)]
    engine.dispose()
    assert reports[0] == reports[1]
    assert places(reports[0]) == {
        ("entry_missing", "log_entries", "65535", ""),
        ("leaf_differs", "log_entries", "300", "body"),
        ("leaf_differs", "log_entries", "300", "leaf"),
        ("leaf_differs", "log_entries", "65600", "body"),
        ("leaf_differs", "log_entries", "65600", "leaf"),
        ("tile_differs", "log_tiles", "1/0", "root"),
    }
