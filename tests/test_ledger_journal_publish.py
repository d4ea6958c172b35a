"""Publishing: commit, then the guard, then the answer; and what is done when that was cut short or undone."""

import hashlib
import multiprocessing
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from ledger.database import reading, writing
from ledger.errors import DiskRefused
from ledger.journal.clock import SetClock
from ledger.journal.journal import By, Journal
from ledger.journal.opening import Ledger, open_ledger
from ledger.journal.projections import rebuild
from ledger.journal.publish import ForeignCheckpoint, GuardEmpty, LogBehindGuard, TreeDiffers
from ledger.journal.registry import NOUNS, Command, Request
from ledger.journal.transaction import Tx
from ledger.journal.turnstile import Turnstile
from ledger.journal.who_signs import KeysDiffer
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.entry import format_entry
from ledger.log.guard import Guard, GuardDamaged, Guarded, GuardMissing
from ledger.log.merkle import leaf_hash
from ledger.log.note import Signer, sign_note
from ledger.settings import Settings
from ledger.trace.bill_of_materials import (
    MaterialRegistered,
    RegisterMaterial,
    list_materials,
    register_material,
)
from tests.whole_log import assert_whole
from tests.world import ADA, BEGINNING, World

FILM = RegisterMaterial(code="FILM", name="Separator film")
CELL = RegisterMaterial(code="CELL", name="Cells")


def journal_with(ledger: Ledger, guard: Guard) -> Journal:
    """A further journal on the same ledger, as another process would have it, with a guard of its own."""
    return Journal(
        engine=ledger.engine,
        signer=ledger.keys.signer,
        guard=guard,
        files=ledger.files,
        turnstile=Turnstile(ledger.settings.data),
        clock=ledger.clock,
    )


def turnstiles_open() -> int:
    # SQLite keeps descriptors of a closed connection as long as another one is open on the file; ours are these.
    return sum(
        "turnstile" in str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()
    )


@pytest.mark.files
def test_a_ledger_that_is_closed_gives_its_turnstile_back(world: World) -> None:
    before = turnstiles_open()
    for number in range(3):
        again = open_ledger(world.ledger.settings, clock=world.clock)
        again.journal.write(register_material, RegisterMaterial(code=f"M{number}", name="x"), By(ADA))
        assert turnstiles_open() == before + 1
        again.close()
        again.close()
    assert turnstiles_open() == before


def codes(world: World) -> list[str]:
    return [one.code for one in world.read(list_materials)]


# --- a crash at every point


class DyingGuard(Guard):
    """Kills its process before or after the swap."""

    def __init__(self, path: Path, *, dies: str) -> None:
        super().__init__(path)
        self.dies = dies

    def swap(self, expected: Guarded, note: str) -> Guarded:
        if self.dies == "before the guard":
            os.kill(os.getpid(), signal.SIGKILL)
        swapped = super().swap(expected, note)
        if self.dies == "after the guard":
            os.kill(os.getpid(), signal.SIGKILL)
        return swapped


def _write_and_die(folder: str, dies: str) -> None:
    ledger = open_ledger(Settings(data=Path(folder)), clock=SetClock(BEGINNING))
    journal = journal_with(ledger, DyingGuard(ledger.settings.guard, dies=dies))

    def carry_out(tx: Tx, request: RegisterMaterial) -> None:
        register_material.run(tx, request)
        tx.flush()
        if dies == "in the command":
            os.kill(os.getpid(), signal.SIGKILL)

    journal.write(replace(register_material, run=carry_out), FILM, By(ADA, "k"))


@pytest.mark.files
@pytest.mark.slow
@pytest.mark.parametrize(
    ("dies", "is_recorded"),
    [("in the command", False), ("before the guard", True), ("after the guard", True)],
)
def test_a_crash_leaves_everything_or_nothing_and_the_next_start_publishes_it(
    world: World, dies: str, is_recorded: bool
) -> None:
    before = world.standing()
    world.ledger.close()
    process = multiprocessing.get_context("spawn").Process(
        target=_write_and_die, args=(str(world.ledger.settings.data), dies)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert world.ledger.guard.read().size == before.size + (2 if dies == "after the guard" else 0)
    world.reopen()
    assert codes(world) == (["FILM"] if is_recorded else [])
    assert world.ledger.guard.read().size == before.size + (2 if is_recorded else 0)
    assert not world.standing().is_old
    receipt = world.do(FILM, key="k")
    assert receipt.entries[0].index == before.size
    assert_whole(world.ledger)


# --- a guard that cannot be written


class FailingGuard(Guard):
    """Its disk fails as often as it is told."""

    failures = 0

    def swap(self, expected: Guarded, note: str) -> Guarded:
        if self.failures:
            self.failures -= 1
            raise OSError(5, "Input/output error")
        return super().swap(expected, note)


@pytest.fixture
def failing(world: World) -> FailingGuard:
    return FailingGuard(world.ledger.settings.guard)


def test_nobody_is_answered_before_the_guard_holds_it(world: World, failing: FailingGuard) -> None:
    journal = journal_with(world.ledger, failing)
    failing.failures = 2
    for _ in range(2):
        with pytest.raises(OSError, match="Input/output"):
            journal.write(register_material, FILM, By(ADA, "k"))
    held = failing.read().size
    receipt = journal.write(register_material, FILM, By(ADA, "k"))
    assert receipt.entries[0].index == held
    assert failing.read().size == held + 2 == world.size()
    assert_whole(world.ledger)


def test_another_process_answers_a_repeated_request_only_once_it_is_published(
    world: World, failing: FailingGuard
) -> None:
    failing.failures = 1
    with pytest.raises(OSError, match="Input/output"):
        journal_with(world.ledger, failing).write(register_material, FILM, By(ADA, "k"))
    assert failing.read().size == world.size() - 2
    assert world.do(FILM, key="k")
    assert failing.read().size == world.size()


def test_a_reader_publishes_what_it_finds_unpublished(world: World, failing: FailingGuard) -> None:
    failing.failures = 1
    with pytest.raises(OSError, match="Input/output"):
        journal_with(world.ledger, failing).write(register_material, FILM, By(ADA))
    standing = world.standing()
    assert standing.size == failing.read().size == world.size()
    assert not standing.is_old


def test_the_next_write_goes_on_past_what_was_not_published(world: World, failing: FailingGuard) -> None:
    journal = journal_with(world.ledger, failing)
    failing.failures = 1
    with pytest.raises(OSError, match="Input/output"):
        journal.write(register_material, FILM, By(ADA))
    journal.write(register_material, CELL, By(ADA))
    assert codes(world) == ["CELL", "FILM"]
    assert_whole(world.ledger)


def test_a_reader_that_is_overtaken_is_not_old(world: World) -> None:
    with reading(world.ledger.engine) as connection:
        assert store.size(connection) == 2  # the snapshot is taken
        world.do(FILM)
        standing = world.ledger.journal.standing(connection)
    assert standing.size == 2
    assert not standing.is_old
    assert world.standing().size == 4


# --- a database or a guard that was put back


@contextmanager
def put_back(world: World) -> Iterator[None]:
    """What happens inside is undone in the database, as by a backup; the guard stays."""
    database = world.ledger.settings.data / "lotproof.db"
    world.ledger.close()
    copy = database.with_suffix(".copy")
    shutil.copy(database, copy)
    world.reopen()
    yield
    world.ledger.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    copy.rename(database)
    world.reopen()


@pytest.mark.files
def test_a_database_put_back_is_not_signed_and_answers_marked_old(world: World) -> None:
    batch = world.batch("B1", units=1)
    known = world.standing()
    with put_back(world):
        world.later(days=1)
        world.recall("R1", batches=["B1"])
        published = world.standing()
        assert world.answer(batch.serials[0]).status == "recalled"
    guarded = world.ledger.guard.read()
    for _ in range(2):
        with pytest.raises(LogBehindGuard) as refused:
            world.do(FILM)
    assert refused.value.facts == {"size": known.size, "published": published.size}
    assert "log resume" not in str(refused.value)  # with the newest copy back there is nothing to resume
    with pytest.raises(LogBehindGuard):
        world.ledger.journal.seal()
    answer = world.answer(batch.serials[0])
    assert answer.spoken_for.is_old
    assert (answer.spoken_for.size, answer.spoken_for.as_of) == (known.size, known.as_of)
    assert world.ledger.guard.read() == guarded
    assert world.size() == known.size


@pytest.mark.files
def test_a_database_put_back_and_grown_past_the_guard_by_another_history_is_not_signed(world: World) -> None:
    with put_back(world):
        world.do(FILM)
    guard, guarded = world.ledger.guard, world.ledger.guard.read()
    guard.path.unlink()
    guard.create()
    elsewhere = Guard(guard.path.with_name("another guard"))
    elsewhere.create()
    elsewhere.swap(elsewhere.read(), world.standing().note)
    other = journal_with(world.ledger, elsewhere)
    for code in ("CELL", "FOIL", "CAN"):
        other.write(register_material, RegisterMaterial(code=code, name=code), By(ADA))
    guard.path.unlink()
    guard.create()
    assert guarded.note
    guard.swap(guard.read(), guarded.note)
    assert world.size() > guarded.size
    with pytest.raises(LogBehindGuard):
        world.do(FILM)
    assert world.standing().is_old
    assert guard.read().note == guarded.note


@pytest.mark.parametrize("lost", ["missing", "damaged"])
def test_without_its_guard_nothing_is_signed_and_readers_are_told_that_it_is_old(
    world: World, lost: str
) -> None:
    world.do(FILM)
    newest = world.standing()
    assert not newest.is_old
    lose(world.ledger.guard, lost)
    before = world.bodies()
    for _ in range(2):  # at once, and after a restart
        with pytest.raises((GuardMissing, GuardDamaged)):
            world.do(CELL)
        with pytest.raises((GuardMissing, GuardDamaged)):
            world.ledger.journal.seal()
        assert world.bodies() == before
        assert world.standing() == replace(newest, is_old=True)
        world.reopen()
    with pytest.raises((GuardMissing, GuardDamaged)):
        world.ledger.guard.read()


def lose(guard: Guard, how: str) -> None:
    """The guard's file as after a lost disk (missing) or a bad one (damaged)."""
    if how == "missing":
        guard.path.unlink()
    else:
        guard.path.write_bytes(bytes(len(guard.path.read_bytes())))


def test_an_empty_guard_beside_a_log_of_several_checkpoints_is_refused(world: World) -> None:
    world.do(FILM)
    world.ledger.settings.guard.unlink()
    world.ledger.guard.create()
    with pytest.raises(GuardEmpty, match="log resume"):
        world.do(CELL)
    world.reopen()
    with pytest.raises(LogBehindGuard):
        world.do(CELL)
    assert world.standing().is_old
    assert world.ledger.guard.read() == Guarded(0, None)


def test_an_empty_guard_beside_a_log_made_this_moment_is_a_crash_and_goes_on(world: World) -> None:
    world.ledger.settings.guard.unlink()
    world.ledger.guard.create()
    world.reopen()
    assert world.ledger.guard.read().size == 2
    world.do(FILM)
    assert_whole(world.ledger)


# --- a database that somebody wrote into


def forge(world: World, signer: Signer) -> None:
    """Append an entry and a checkpoint over it, right in everything but who signed."""
    with writing(world.ledger.engine) as connection:
        edge = store.read_edge(connection)
        body = format_entry(
            actor="system:worker",
            at="2025-05-01T08:00:00.000Z",
            data=b'{"material":"AAAAAAAAAAAAAAAA","code":"FORGED","name":"FORGED"}',
            kind="material.registered/1",
            prev=store.read_leaves(connection, edge.size - 1, edge.size)[0],
            request=b"null",
            salt=bytes(16),
            subjects={"material:AAAAAAAAAAAAAAAA": None},
        )
        store.append_entries(connection, edge.size, [(leaf_hash(body), body)])
        grown, _ = edge.extend([leaf_hash(body)])
        note = sign_note(Checkpoint(signer.name, grown.size, grown.root()).format(), signer)
        store.append_checkpoint(connection, grown.size, note)


@pytest.mark.files
def test_what_a_turn_leaves_vouches_for_a_checkpoint_only_under_our_key(world: World) -> None:
    thief = Signer.generate(world.ledger.settings.origin)
    world.do(FILM)
    forge(world, thief)
    note = world.read(store.newest_note)
    assert note

    def leave(signer: Signer) -> None:
        key = hashlib.blake2b(signer.seed, person=b"lotproof/mark").digest()
        with (world.ledger.settings.data / "turnstile").open("r+b") as file:
            file.seek(8)
            file.write(hashlib.blake2b(note.encode(), digest_size=32, key=key).digest())

    leave(thief)
    with pytest.raises(ForeignCheckpoint):
        world.do(CELL)
    leave(world.ledger.keys.signer)  # which nobody else can
    with pytest.raises(KeysDiffer):  # so the signature was not looked at again; by which key it is, was
        world.do(CELL)


@pytest.mark.parametrize("is_open", [True, False])
def test_a_checkpoint_that_the_key_never_signed_is_neither_published_nor_built_upon(
    world: World, is_open: bool
) -> None:
    world.do(FILM)
    forge(world, Signer.generate(world.ledger.settings.origin))
    guarded = world.ledger.guard.read()
    if not is_open:
        world.reopen()
    assert world.standing().is_old
    assert world.ledger.guard.read() == guarded
    for _ in range(2):
        with pytest.raises(ForeignCheckpoint):
            world.do(CELL)
    assert world.ledger.guard.read() == guarded


@pytest.mark.files
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE log_entries SET leaf = zeroblob(32) WHERE position = 2",
        "DELETE FROM log_entries WHERE position = 3",
        "INSERT INTO log_entries SELECT 4, leaf, body FROM log_entries WHERE position = 2",
    ],
)
def test_entries_that_do_not_give_the_signed_root_are_not_signed_over(world: World, change: str) -> None:
    world.do(FILM)
    world.ledger.close()
    database = sqlite3.connect(world.ledger.settings.data / "lotproof.db")
    for table in ("log_entries",):
        for act in ("update", "delete"):
            database.execute(f"DROP TRIGGER {table}_no_{act}")
    database.execute(change)
    database.commit()
    database.close()
    for _ in range(2):
        with pytest.raises(TreeDiffers):
            reopen_and_write(world)


def reopen_and_write(world: World) -> None:
    world.reopen()
    world.do(CELL)


# --- a disk that is full


@contextmanager
def full_disk(world: World, *, pages: int) -> Iterator[None]:
    """The database cannot grow by more than some pages: SQLite's own limit, which fails as a full disk does."""
    engine = world.ledger.engine
    engine.dispose()

    def limit(connection: Any, _record: Any) -> None:
        (count,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {count + pages}")

    event.listen(engine, "connect", limit)
    yield
    event.remove(engine, "connect", limit)
    engine.dispose()


def long(code: str) -> RegisterMaterial:
    return RegisterMaterial(code=code, name="x" * 40_000)


@pytest.mark.files
@pytest.mark.parametrize("pages", range(0, 60, 5))
def test_a_full_disk_leaves_the_journal_usable_and_nothing_half_written(world: World, pages: int) -> None:
    world.do(FILM)
    with full_disk(world, pages=pages):
        before = world.bodies()
        failed = attempt(lambda: world.do(long("LONG")))
        assert failed or pages
        if failed:
            assert world.bodies() == before
            assert codes(world) == ["FILM"]
    world.do(CELL)
    assert_derived_from_its_entries(world)


@pytest.mark.files
def test_a_full_disk_in_one_command_of_a_group_leaves_nothing_half_written_of_the_others(
    world: World,
) -> None:
    world.do(FILM)

    class Both(Request, frozen=True):
        pass

    def first_fills_the_disk(tx: Tx, request: Both) -> None:
        for number in range(200):
            one = tx.new_id()
            made = MaterialRegistered(material=one, code=f"LONG{number}", name="x" * 40_000)
            tx.record(made, f"material:{one}")
        # Another thread comes while this one runs: it is taken into the same group.
        beside.start()
        while not world.ledger.journal._queue:
            pass
        tx.flush()

    errors: list[Exception] = []
    beside = thread_of(lambda: world.do(CELL), errors)
    with full_disk(world, pages=40):
        with pytest.raises(DiskRefused):
            world.ledger.journal.write(
                Command("test.fill", Both, first_fills_the_disk, None, False), Both(), By(ADA)
            )
        beside.join(30)
    assert errors == []  # it was carried out after the group was lost
    assert codes(world) == ["CELL", "FILM"]
    assert_derived_from_its_entries(world)


def thread_of(action: Callable[[], object], errors: list[Exception]) -> threading.Thread:
    def run() -> None:
        failed = attempt(action)
        if failed:
            errors.append(failed)

    return threading.Thread(target=run)


def attempt(action: Callable[[], object]) -> Exception | None:
    try:
        action()
    except DiskRefused as error:
        return error
    return None


def assert_derived_from_its_entries(world: World) -> None:
    """The log is whole, and a rebuild gives the rows that stand there."""
    assert_whole(world.ledger)
    live = world.rows()
    rebuild(world.ledger.engine, tuple(NOUNS.values()), world.ledger.files.read)
    assert world.rows() == live
