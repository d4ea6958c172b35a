"""An audit in parts: taken up again after it was killed, begun at a checkpoint that was checked before."""

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest

from ledger.audit.finding import no_progress
from ledger.audit.log import Plan, Report, SinceRefused, audit
from ledger.audit.resuming import NoAudit, OtherAudit
from ledger.database import connect
from ledger.files import Files
from ledger.log.checkpoint import Checkpoint
from ledger.log.guard import Guard
from ledger.log.note import Signer, Verifier, sign_note, split_note
from tests.bench.audit import make_log
from tests.tampering import change, copied, places, stored_note

pytestmark = pytest.mark.slow

RANGE = 65_536
SIZE = 72_000
FIRST = "UPDATE log_entries SET leaf = zeroblob(32) WHERE position = 300"


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of a range of 65,536 entries and the beginning of another."""
    folder = tmp_path_factory.mktemp("long") / "var"
    folder.mkdir()
    make_log(folder, SIZE)
    return folder


@pytest.fixture
def folder(long_log: Path, tmp_path: Path) -> Path:
    return copied(long_log, tmp_path / "var")


def audited(
    folder: Path, plan: Plan | None = None, progress: Callable[[str, int, int], None] = no_progress
) -> Report:
    engine = connect(folder / "lotproof.db")
    verifier = Verifier.parse((folder / "vkey").read_text())
    try:
        return audit(
            engine, Files(folder / "files"), Guard(folder / "guard"), verifier, plan=plan, progress=progress
        )
    finally:
        engine.dispose()


class Killed(BaseException):
    """Ends an audit in its middle, as a signal does."""


def kill_after(ranges: int) -> Callable[[str, int, int], None]:
    def progress(_what: str, done: int, _count: int) -> None:
        if done >= ranges * RANGE:
            raise Killed

    return progress


# --- taken up again


def test_an_audit_that_was_killed_ends_with_the_same_report_and_does_nothing_twice(
    folder: Path, tmp_path: Path
) -> None:
    change(folder, FIRST, "UPDATE log_tiles SET root = zeroblob(32) WHERE level = 1")
    plan = Plan(resume=tmp_path / "audit.resume")
    with pytest.raises(Killed):
        audited(folder, plan, kill_after(1))
    whole = audited(folder)
    # What was done is not looked at again: a change behind its back shows only in an audit from the beginning.
    change(folder, "UPDATE log_entries SET leaf = zeroblob(32) WHERE position = 400")
    assert audited(folder, plan) == whole
    assert not (tmp_path / "audit.resume").exists()
    assert ("leaf_differs", "log_entries", "400", "leaf") in places(audited(folder))


def test_what_a_crash_left_of_a_line_is_done_again(folder: Path, tmp_path: Path) -> None:
    change(folder, FIRST)
    file = tmp_path / "audit.resume"
    whole = audited(folder)
    with pytest.raises(Killed):
        audited(folder, Plan(resume=file), kill_after(1))
    written = file.read_bytes()
    assert written.count(b"\n") == 2  # the header and a range
    for torn in (written[:-1], written[:-40], written.replace(b'"start":0', b'"start":1')):
        file.write_bytes(torn)
        assert audited(folder, Plan(resume=file)) == whole


def test_the_file_of_another_audit_is_refused_and_left_alone(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "audit.resume"
    file.write_text("my notes\n")
    with pytest.raises(NoAudit):
        audited(folder, Plan(resume=file))
    assert file.read_text() == "my notes\n"
    file.unlink()
    with pytest.raises(Killed):
        audited(folder, Plan(resume=file), kill_after(1))
    before = file.read_bytes()
    since = stored_note(folder, RANGE + 4_464)
    with pytest.raises(OtherAudit, match=r"since|first"):
        audited(folder, Plan(resume=file, since=since))
    other = tmp_path / "other"
    other.mkdir()
    make_log(other, 3_000)
    with pytest.raises(OtherAudit, match="checkpoint"):
        audited(other, Plan(resume=file))
    assert file.read_bytes() == before


# --- begun at a checkpoint

AT = RANGE + 4_464  # the size of a checkpoint in the second range: 70,000


def test_an_audit_since_a_checkpoint_reads_the_entries_from_the_border_before_it(folder: Path) -> None:
    report = audited(folder, Plan(since=stored_note(folder, AT)))
    assert (report.findings, report.first, report.size) == ((), RANGE, SIZE)
    assert report.note == stored_note(folder, SIZE)


SINCE: dict[str, tuple[str, set[tuple[str, str, str, str]]]] = {
    "a body below": ("UPDATE log_entries SET body = x'00' WHERE position = 300", set()),
    "the hashes of a tile below": (
        "UPDATE log_tiles SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB) WHERE level = 0 AND number = 7",
        {("tile_differs", "log_tiles", "0/7", "hashes")},
    ),
    "the root of a tile below": (
        "UPDATE log_tiles SET root = zeroblob(32) WHERE level = 0 AND number = 7",
        {("tile_differs", "log_tiles", "0/7", "root")},
    ),
    "a tile below deleted": (
        "DELETE FROM log_tiles WHERE level = 0 AND number = 7",
        {("tile_missing", "log_tiles", "0/7", "")},
    ),
    "a leaf above": (
        f"UPDATE log_entries SET leaf = zeroblob(32) WHERE position = {RANGE + 9}",
        {
            ("leaf_differs", "log_entries", f"{RANGE + 9}", "body"),
            ("leaf_differs", "log_entries", f"{RANGE + 9}", "leaf"),
        },
    ),
    "the entry before the border": (
        f"UPDATE log_entries SET body = x'00' WHERE position = {RANGE - 1}",
        set(),
    ),
    "the head of a subject that was met since": (
        f"UPDATE subject_heads SET last = last - 1 WHERE last = {RANGE + 9}",
        {("heads", "subject_heads", "", "last")},
    ),
}


@pytest.mark.parametrize("name", SINCE)
def test_what_is_and_what_is_not_found_since_a_checkpoint(folder: Path, name: str) -> None:
    statement, expected = SINCE[name]
    plan = Plan(since=stored_note(folder, AT))
    change(folder, statement)
    assert places(audited(folder, plan)) == expected


def test_a_history_that_was_rewritten_before_the_checkpoint_is_named(folder: Path, tmp_path: Path) -> None:
    """The tiles were made to fit; the checkpoint that was kept gives it away."""
    kept = stored_note(folder, AT)
    other = tmp_path / "other"
    other.mkdir()
    signer = Signer("bench.example/log", b"k" * 32)
    checkpoint = Checkpoint.parse(split_note(kept)[0])
    make_log(other, SIZE, signer)
    forged = sign_note(replace(checkpoint, root=b"r" * 32).format(), signer)
    assert places(audited(other, Plan(since=forged))) == {("since", "log_checkpoints", str(AT), "note")}
    with pytest.raises(SinceRefused):
        audited(other, Plan(since=kept))


def test_a_checkpoint_of_more_entries_than_there_are_is_a_finding(folder: Path, tmp_path: Path) -> None:
    last = stored_note(folder, SIZE)
    change(
        folder,
        f"DELETE FROM log_entries WHERE position >= {AT}",
        f"DELETE FROM log_checkpoints WHERE size > {AT}",
    )
    found = places(audited(folder, Plan(since=last)))
    assert ("since", "log_checkpoints", str(SIZE), "size") in found
    with pytest.raises(SinceRefused):
        audited(folder, Plan(since="no checkpoint"))


# --- what somebody may put there to make an audit take for ever


def test_rows_at_the_end_of_the_numbers_are_named_and_cost_nothing(folder: Path) -> None:
    started = perf_counter()
    plain = audited(folder)
    as_ever = perf_counter() - started
    change(
        folder,
        f"INSERT INTO log_entries VALUES ({2**62}, zeroblob(32), x'00')",
        f"INSERT INTO log_checkpoints VALUES ({2**62}, 'x')",
        f"INSERT INTO log_tiles VALUES ({2**62}, {2**62}, zeroblob(32), x'00')",
    )
    started = perf_counter()
    report = audited(folder)
    assert perf_counter() - started < 3 * as_ever + 2
    assert (plain.findings, report.size) == ((), plain.size)
    assert {one.row for one in report.findings} == {f"{2**62}", f"{2**62}/{2**62}"}


def test_a_collection_of_garbage_is_put_off_only_while_a_part_is_looked_at(folder: Path) -> None:
    assert gc.isenabled()
    audited(folder)
    assert gc.isenabled()
