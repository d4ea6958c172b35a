"""After a guard was lost: every case has a way on, each gone to the end, with an audit that finds nothing."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from ledger.audit.log import audit
from ledger.custody.resume import (
    EntriesDiffer,
    EntriesMissing,
    GuardFits,
    GuardUnknown,
    NotWhole,
    resume,
)
from ledger.errors import LedgerError
from ledger.journal.key_events import LogResumed
from ledger.journal.opening import create_ledger
from ledger.journal.publish import GuardOfAnotherLog
from ledger.log.compare import parse_kept
from ledger.log.guard import FreshGuard, Guard, GuardDamaged, Guarded, GuardMissing, GuardMoved
from ledger.log.note import UntrustedNote
from ledger.settings import Settings
from ledger.trace.bill_of_materials import RegisterMaterial
from tests.postgres import Server
from tests.tampering import audited, change
from tests.world import World

pytestmark = pytest.mark.files  # the folder is looked at from outside, as files

REASON = "The disk with the guard broke."
FILM = RegisterMaterial(code="FILM", name="Separator film")
CELL = RegisterMaterial(code="CELL", name="Cells")
FOIL = RegisterMaterial(code="FOIL", name="Foil")


@pytest.fixture
def grown(world: World) -> World:
    """A log of several checkpoints."""
    world.do(FILM)
    world.do(CELL)
    return world


def missing(world: World) -> None:
    world.ledger.guard.path.unlink()


def damaged(world: World) -> None:
    world.ledger.guard.path.write_bytes(b"\xff" * 8_192)


def torn_short(world: World) -> None:
    world.ledger.guard.path.write_bytes(b"")


def emptied(world: World) -> None:
    world.ledger.guard.path.unlink()
    world.ledger.guard.create()


def resumed(world: World, *, kept: str | None = None, reason: str = REASON) -> LogResumed:
    """Resume with every process stopped, and open again."""
    world.ledger.close()
    parsed = None if kept is None else parse_kept(kept)
    try:
        receipt = resume(world.ledger.settings, reason=reason, kept=parsed, clock=world.clock)
    finally:
        world.reopen()
    return receipt.first(LogResumed).event


def assert_goes_on(world: World) -> None:
    """It is signed again, answered as of now, and nothing is wrong with it."""
    assert not world.standing().is_old
    assert world.ledger.guard.read().note == world.standing().note
    before = world.size()
    world.do(FOIL)
    world.reopen()
    assert world.size() > before
    assert world.ledger.guard.read().note == world.standing().note
    assert audited(world.ledger.settings.data, derived=True).findings == ()


@pytest.mark.parametrize("lose", [missing, damaged, torn_short, emptied])
def test_a_lost_guard_is_replaced_by_a_fresh_one_and_that_is_on_record(
    grown: World, lose: Callable[[World], None]
) -> None:
    newest = grown.standing().note
    lose(grown)
    event = resumed(grown, kept=newest)
    assert event.guard == ("damaged" if lose in (damaged, torn_short) else "missing")
    assert event.known == parse_kept(newest).size
    assert event.reason == REASON
    assert_goes_on(grown)


def test_without_any_checkpoint_the_reason_alone_is_on_record(grown: World) -> None:
    missing(grown)
    assert resumed(grown).known is None
    assert_goes_on(grown)


def test_the_lost_guard_is_kept_aside(grown: World) -> None:
    damaged(grown)
    resumed(grown)
    assert (grown.ledger.settings.data / "guard.aside").read_bytes() == b"\xff" * 8_192


def test_a_guard_of_another_log_is_replaced_only_once_a_checkpoint_is_shown(
    grown: World, tmp_path: Path
) -> None:
    """It could be this log's own, after a succession that an older database knows nothing of."""
    newest = grown.standing().note
    other = create_ledger(Settings(data=tmp_path / "other", origin="other.example/log"), clock=grown.clock)
    other.close()
    shutil.copy(other.guard.path, grown.ledger.guard.path)
    with pytest.raises(GuardOfAnotherLog, match=r"of another log, other\.example/log, .*log resume"):
        grown.do(FOIL)
    with pytest.raises(GuardUnknown):
        resumed(grown)
    assert resumed(grown, kept=newest).guard == "foreign"
    assert_goes_on(grown)


def test_a_guard_of_another_log_of_the_same_name_is_replaced_only_once_a_checkpoint_is_shown(
    grown: World, tmp_path: Path
) -> None:
    """It could be this log's own, after a change of keys that an older database knows nothing of."""
    newest = grown.standing().note
    other = World.begin(tmp_path / "other")
    other.close()
    shutil.copy(other.ledger.guard.path, grown.ledger.guard.path)
    with pytest.raises(GuardUnknown):
        resumed(grown)
    assert resumed(grown, kept=newest).guard == "foreign"
    assert_goes_on(grown)


def test_where_guard_and_database_agree_there_is_nothing_to_resume(grown: World) -> None:
    before = grown.size()
    with pytest.raises(GuardFits):
        resumed(grown)
    assert grown.size() == before


def copied(world: World) -> Path:
    """The database as it stands, copied."""
    world.ledger.close()
    copy = world.ledger.settings.data.parent / f"{uuid4().hex}.db"
    shutil.copy(world.ledger.settings.data / "lotproof.db", copy)
    world.reopen()
    return copy


def put(world: World, copy: Path) -> None:
    """A copy in the place of the database."""
    world.ledger.close()
    database = world.ledger.settings.data / "lotproof.db"
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    shutil.copy(copy, database)
    world.reopen()


def test_behind_its_guard_a_log_cannot_be_resumed_and_goes_on_once_the_newest_is_put_back(
    grown: World,
) -> None:
    older = copied(grown)
    grown.do(FOIL)
    newest = copied(grown)
    put(grown, older)
    with pytest.raises(EntriesMissing) as refused:
        resumed(grown)
    assert (refused.value.facts["size"], refused.value.facts["published"]) == (grown.size(), grown.size() + 2)
    assert grown.standing().is_old
    put(grown, newest)
    grown.do(RegisterMaterial(code="CAN", name="Can"))
    assert audited(grown.ledger.settings.data, derived=True).findings == ()


def test_with_the_guard_gone_too_a_kept_checkpoint_gives_an_older_database_away(grown: World) -> None:
    older = copied(grown)
    grown.do(FOIL)
    newest = grown.standing().note
    put(grown, older)
    missing(grown)
    with pytest.raises(EntriesMissing):
        resumed(grown, kept=newest)
    with pytest.raises(GuardMissing):
        grown.ledger.guard.read()


def test_a_kept_checkpoint_gives_a_rewritten_log_away(grown: World) -> None:
    older = copied(grown)
    grown.do(FOIL)
    published = grown.standing().note
    missing(grown)
    put(grown, older)
    resumed(grown)  # size: one entry and its seal, as the one that was published
    assert grown.size() == parse_kept(published).size
    missing(grown)
    with pytest.raises(EntriesDiffer):
        resumed(grown, kept=published)


def test_a_checkpoint_that_somebody_else_signed_shows_nothing(grown: World, tmp_path: Path) -> None:
    other = World.begin(tmp_path / "other")
    other.do(FILM)
    missing(grown)
    with pytest.raises(UntrustedNote):
        resumed(grown, kept=other.standing().note)
    other.close()


def test_a_log_that_is_not_whole_is_not_resumed(grown: World) -> None:
    missing(grown)
    grown.ledger.close()
    folder = grown.ledger.settings.data
    rewritten = "replace(CAST(body AS TEXT), 'Separator', 'Separate')"
    change(folder, f"UPDATE log_entries SET body = CAST({rewritten} AS BLOB) WHERE position = 2")
    with pytest.raises(NotWhole) as refused:
        resume(grown.ledger.settings, reason=REASON, clock=grown.clock)
    assert "log_entries" in str(refused.value)
    assert not (folder / "guard").exists()


# --- the fresh guard itself


def test_nothing_is_written_before_the_entry_that_says_why(grown: World) -> None:
    """A crash between the two leaves a guard that is still lost."""
    note = grown.standing().note
    damaged(grown)
    fresh = FreshGuard(grown.ledger.guard.path, note)
    assert fresh.read() == Guarded(0, note)
    with pytest.raises(GuardDamaged):
        grown.ledger.guard.read()
    assert fresh.swap(fresh.read(), note) == grown.ledger.guard.read() == fresh.read()


def test_of_two_who_replace_it_at_once_one_is_sent_to_the_other_s(grown: World) -> None:
    note, path = grown.standing().note, grown.ledger.guard.path
    missing(grown)
    one, two = FreshGuard(path, note), FreshGuard(path, note)
    one.swap(one.read(), note)
    with pytest.raises(GuardMoved):
        two.swap(two.read(), note)
    assert two.read() == Guard(path).read()


def test_a_crash_between_the_entry_and_the_guard_is_resumed_again(grown: World) -> None:
    missing(grown)
    grown.ledger.close()
    settings = grown.ledger.settings
    in_the_way = settings.data / "guard.fresh"
    in_the_way.mkdir()
    with pytest.raises(OSError, match=r"guard\.fresh"):
        resume(settings, reason=REASON, clock=grown.clock)
    in_the_way.rmdir()
    grown.reopen()
    assert grown.standing().is_old  # committed, and published nowhere
    with pytest.raises(LedgerError):
        grown.do(FOIL)
    resumed(grown, reason="The same again.")
    assert_goes_on(grown)
    with closing(sqlite3.connect(settings.data / "lotproof.db")) as database:
        count = "SELECT count(*) FROM log_entries WHERE CAST(body AS TEXT) LIKE '%log.resumed/1%'"
        assert database.execute(count).fetchone() == (2,)


def test_on_postgresql_too_a_lost_guard_is_replaced(tmp_path: Path, postgres: Server) -> None:
    with postgres.database() as url:
        world = World.begin(tmp_path / "var", url)
        world.do(FILM)
        world.do(CELL)
        newest = world.standing().note
        missing(world)
        assert world.standing().is_old
        assert resumed(world, kept=newest).guard == "missing"
        assert not world.standing().is_old
        world.do(FOIL)
        ledger = world.ledger
        report = audit(ledger.engine, ledger.files, ledger.guard, ledger.keys.signer.verifier)
        world.close()
    assert report.findings == ()
