"""Entries that were published are gone for good: the log goes on under a new name, and says so for ever."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ledger.cli.compare import compare_checkpoint
from ledger.cli.guard import succeed as succeed_command
from ledger.custody.resume import EntriesDiffer, EntriesMissing, resume
from ledger.custody.succession import GuardAloneLost, NothingLost, succeed
from ledger.errors import LedgerError
from ledger.journal.journal import By
from ledger.journal.key_changes import retire_key, rotate_key
from ledger.journal.key_events import LogSucceeded
from ledger.journal.opening import open_ledger
from ledger.keys.keys import KeyMissing
from ledger.log.keyring import KeyChangeRefused
from ledger.log.note import UntrustedNote
from ledger.settings import InvalidOrigin, Settings
from ledger.trace.bill_of_materials import RegisterMaterial
from tests.tampering import audited
from tests.world import ADA, World

pytestmark = pytest.mark.files  # the folder is looked at from outside, as files

NEW = "localhost:8000/log-2"
FILM, CELL, FOIL = (RegisterMaterial(code=code, name=code.title()) for code in ("FILM", "CELL", "FOIL"))


@pytest.fixture
def lost(world: World) -> Iterator[tuple[World, str, str]]:
    """A world of which two writes are gone, with a checkpoint kept before them and one kept after."""
    world.ledger.settings.init()
    world.do(FILM)
    early = world.standing().note
    world.ledger.close()
    data = world.ledger.settings.data
    older = shutil.copy(data / "lotproof.db", data.parent / "older.db")
    world.reopen()
    world.do(CELL)
    world.do(FOIL)
    late = world.standing().note
    world.ledger.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{data}/lotproof.db{suffix}").unlink(missing_ok=True)
    shutil.copy(older, data / "lotproof.db")
    yield world, early, late
    world.close()


def succeeded(world: World, *, last_known: str | None = None, nothing_is_lost: bool = False) -> LogSucceeded:
    receipt = succeed(
        world.ledger.settings,
        origin=NEW,
        reason="The machine and its last backup burned.",
        clock=world.clock,
        last_known=last_known,
        nothing_is_lost=nothing_is_lost,
    )
    assert receipt is not None
    return receipt.first(LogSucceeded).event


def compared(world: World, *words: str) -> Result:
    """`lotproof log compare` over the world's folder."""
    environ = {"LOTPROOF_DATA": str(world.ledger.settings.data)}
    return CliRunner().invoke(compare_checkpoint, [*words, "--json"], env=environ)


def test_it_goes_on_in_the_same_tree_and_says_what_was_lost(lost: tuple[World, str, str]) -> None:
    world, _early, late = lost
    with closing(sqlite3.connect(world.ledger.settings.data / "lotproof.db")) as database:
        left = database.execute("SELECT count(*) FROM log_entries").fetchone()[0]
    with pytest.raises(EntriesMissing):
        resume(world.ledger.settings, reason="Let us go on.", clock=world.clock)
    event = succeeded(world)
    assert (event.kept, event.last.size, event.origin) == (left, int(late.split("\n")[1]), NEW)
    folder = world.ledger.settings.data
    settings = Settings.from_env({"LOTPROOF_DATA": str(folder)})
    assert settings.origin == NEW
    again = World(open_ledger(settings, clock=world.clock), world.clock)
    assert not again.standing().is_old
    again.do(CELL)
    assert again.standing().note.startswith(f"{NEW}\n")
    again.close()
    assert audited(folder, derived=True).findings == ()


def test_what_was_kept_before_the_loss_is_contained_and_what_was_kept_after_is_said_to_be_lost(
    lost: tuple[World, str, str],
) -> None:
    world, early, late = lost
    succeeded(world)
    found = compared(world, early)
    assert (found.exit_code, json.loads(found.stdout)["result"]) == (0, "contained")
    found = compared(world, late)
    assert (found.exit_code, json.loads(found.stdout)["result"]) == (1, "succeeded")
    assert "Entry" in json.loads(found.stdout)["message"]


def test_a_loss_that_the_log_does_not_own_up_to_is_not_said_to_be_on_record(
    lost: tuple[World, str, str],
) -> None:
    """The guard went with the entries, and whoever went on named no later checkpoint."""
    world, _early, late = lost
    world.ledger.guard.path.unlink()
    event = succeeded(world, nothing_is_lost=True)
    assert event.last.size == event.kept
    found = compared(world, late)
    assert (found.exit_code, json.loads(found.stdout)["result"]) == (1, "unaccounted")


def test_with_the_guard_gone_too_the_checkpoint_that_was_kept_is_named(lost: tuple[World, str, str]) -> None:
    world, _early, late = lost
    world.ledger.guard.path.unlink()
    assert succeeded(world, last_known=late).last.size == int(late.split("\n")[1])
    assert audited(world.ledger.settings.data, derived=True).findings == ()


@pytest.fixture
def rotated(world: World) -> Iterator[tuple[World, str]]:
    """A world whose database is of before a change of keys, beside the guard and keys of after it; the last note."""
    world.ledger.settings.init()
    world.do(FILM)
    world.ledger.close()
    data = world.ledger.settings.data
    older = shutil.copy(data / "lotproof.db", data.parent / "older.db")
    world.reopen()
    rotate_key(world.ledger, "A year has passed.", By(ADA))
    world.ledger.close()
    shutil.copytree(data / "keys", data.parent / "keys-in-the-overlap")
    world.reopen()
    retire_key(world.ledger, "The overlap is over.", By(ADA))
    late = world.standing().note
    world.ledger.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{data}/lotproof.db{suffix}").unlink(missing_ok=True)
    shutil.copy(older, data / "lotproof.db")
    yield world, late
    world.close()


def test_what_is_lost_is_said_also_where_only_a_later_key_signed_it(rotated: tuple[World, str]) -> None:
    world, late = rotated
    event = succeeded(world)
    assert event.kept < event.last.size == int(late.split("\n")[1])
    assert event.statement.count("\n— ") == 1  # the old key was destroyed when it was retired
    assert audited(world.ledger.settings.data, derived=True).findings == ()


def test_a_kept_checkpoint_counts_by_a_key_of_the_folder_that_the_database_does_not_know(
    rotated: tuple[World, str],
) -> None:
    world, late = rotated
    world.ledger.guard.path.unlink()
    assert succeeded(world, last_known=late).last.size == int(late.split("\n")[1])


def test_the_old_key_vouches_for_the_new_one_wherever_in_the_folder_it_lies(
    rotated: tuple[World, str],
) -> None:
    world, _late = rotated
    data = world.ledger.settings.data
    shutil.rmtree(data / "keys")
    shutil.copytree(data.parent / "keys-in-the-overlap", data / "keys")
    assert succeeded(world).statement.count("\n— ") == 2


def test_entries_that_contradict_the_guard_are_not_gone_on_with(world: World, tmp_path: Path) -> None:
    world.do(FILM)
    world.ledger.close()
    data = world.ledger.settings.data
    other = World.begin_as(data, tmp_path / "other")
    other.do(CELL)
    guard = other.ledger.settings.guard
    other.close()
    world.reopen()
    world.do(FOIL)
    world.do(CELL)
    size = world.size()
    world.ledger.close()
    shutil.copy(guard, data / "guard")
    with pytest.raises(EntriesDiffer):
        succeeded(world)
    assert audited(data).size == size


def test_a_checkpoint_of_somebody_else_is_not_named(lost: tuple[World, str, str], tmp_path: Path) -> None:
    world, early, _late = lost
    other = World.begin(tmp_path / "other")
    note = other.standing().note
    other.close()
    with pytest.raises(UntrustedNote):
        succeeded(world, last_known=note)
    assert compared(world, early).exit_code == 0
    assert json.loads((world.ledger.settings.data / "settings.json").read_text())["origin"] != NEW


def test_a_name_that_cannot_be_one_is_refused_before_anything_is_done(lost: tuple[World, str, str]) -> None:
    world, _early, _late = lost
    with pytest.raises(InvalidOrigin):
        succeed(world.ledger.settings, origin="no name+", reason="x", clock=world.clock)


def everything_there(world: World) -> None:
    """Nothing happens to it."""


def the_guard_gone(world: World) -> None:
    world.ledger.guard.path.unlink()


def the_guard_damaged(world: World) -> None:
    world.ledger.guard.path.write_text("not a guard")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file() and one.name in ("guard", "settings.json", "log.pem", "log.next.pem")
    }


@pytest.mark.parametrize(
    ("what", "refusal", "way_on"),
    [
        (everything_there, NothingLost, "--nothing-is-lost"),
        (the_guard_gone, GuardAloneLost, "lotproof log resume"),
        (the_guard_damaged, GuardAloneLost, "lotproof log resume"),
    ],
)
@pytest.mark.parametrize("keys_are_lost", [False, True])
def test_a_log_that_has_lost_nothing_is_renamed_only_by_whoever_says_so(
    world: World, what: Callable[[World], None], refusal: type[LedgerError], way_on: str, keys_are_lost: bool
) -> None:
    world.ledger.settings.init()
    world.do(FILM)
    size, known, data = world.size(), world.standing().note, world.ledger.settings.data
    world.close()
    what(world)
    before = contents(data)
    how: dict[str, Any] = {"origin": NEW, "reason": "x", "clock": world.clock, "keys_are_lost": keys_are_lost}
    for last_known in (None, known):  # no loss shows in a checkpoint whose entries are all here
        with pytest.raises(refusal, match=way_on):
            succeed(world.ledger.settings, last_known=last_known, **how)
    assert contents(data) == before
    assert audited(data).size == size
    event = succeeded(world, nothing_is_lost=True)
    assert (event.kept, event.last.size) == (size, size)
    assert audited(data, derived=True).findings == ()


def test_the_command_has_the_words_for_a_change_of_the_name_alone(world: World) -> None:
    world.ledger.settings.init()
    world.close()
    environ = {"LOTPROOF_DATA": str(world.ledger.settings.data)}
    words = ["--origin", NEW, "--reason", "The name was sold.", "--accept-clock"]
    refused = CliRunner().invoke(succeed_command, words, env=environ)
    assert isinstance(refused.exception, NothingLost)
    renamed = CliRunner().invoke(succeed_command, [*words, "--nothing-is-lost"], env=environ)
    assert f"goes on as {NEW}" in renamed.output


def in_the_way_of_the_guard(folder: Path) -> Path:
    return folder / "guard.fresh"


def in_the_way_of_the_settings(folder: Path) -> Path:
    return folder / "settings.json.new"


@pytest.mark.parametrize("place", [in_the_way_of_the_guard, in_the_way_of_the_settings])
def test_cut_short_between_two_steps_the_same_command_goes_on(
    lost: tuple[World, str, str], place: Callable[[Path], Path]
) -> None:
    world, early, late = lost
    obstacle = place(world.ledger.settings.data)
    obstacle.mkdir()
    with pytest.raises((OSError, LedgerError)):
        succeeded(world)
    obstacle.rmdir()
    assert succeed(world.ledger.settings, origin=NEW, reason="Again.", clock=world.clock) is None
    assert audited(world.ledger.settings.data, derived=True).findings == ()
    assert compared(world, early).exit_code == 0
    assert compared(world, late).exit_code == 1


@pytest.mark.parametrize("gone", [("log.pem",), ("log.pem", "units.key", "links.key")])
def test_with_the_log_s_key_gone_it_goes_on_under_a_new_one_as_long_as_the_master_key_is_there(
    world: World, gone: tuple[str, ...]
) -> None:
    world.ledger.settings.init()
    world.do(FILM)
    early = world.standing().note
    world.close()
    settings = world.ledger.settings
    for name in gone:
        (settings.keys / name).unlink()
    with pytest.raises(KeyMissing):
        succeed(settings, origin=NEW, reason="Gone.", clock=world.clock)
    receipt = succeed(settings, origin=NEW, reason="Gone.", clock=world.clock, keys_are_lost=True)
    assert receipt is not None
    assert receipt.first(LogSucceeded).event.kept == int(early.split("\n")[1])
    renamed = Settings.from_env({"LOTPROOF_DATA": str(settings.data)})
    again = World(open_ledger(renamed, clock=world.clock), world.clock)
    again.do(CELL)
    assert not again.standing().is_old
    again.close()
    assert audited(settings.data).findings == ()
    assert compared(world, early).exit_code == 0


def test_under_a_name_that_the_log_had_no_key_is_made(world: World) -> None:
    world.ledger.settings.init()
    world.close()
    settings = world.ledger.settings
    (settings.keys / "log.pem").unlink()
    with pytest.raises(KeyChangeRefused, match="another name"):
        succeed(settings, origin=settings.origin, reason="Gone.", clock=world.clock, keys_are_lost=True)
    assert not (settings.keys / "log.pem").exists()


def test_without_the_master_key_nothing_is_made(world: World) -> None:
    world.ledger.settings.init()
    world.close()
    for file in world.ledger.settings.keys.iterdir():
        file.unlink()
    with pytest.raises(KeyMissing):
        succeed(world.ledger.settings, origin=NEW, reason="Gone.", clock=world.clock, keys_are_lost=True)
    assert not list(world.ledger.settings.keys.iterdir())


def lose_the_last(world: World, settings: Settings) -> dict[str, bytes]:
    """Record something, put the database of before in its place; the folder's guard and keys as they are then."""
    data = settings.data
    older = shutil.copy(data / "lotproof.db", data.parent / "older-still.db")
    again = World(open_ledger(settings, clock=world.clock), world.clock)
    again.do(CELL)
    again.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{data}/lotproof.db{suffix}").unlink(missing_ok=True)
    shutil.copy(older, data / "lotproof.db")
    return {one.name: one.read_bytes() for one in [data / "guard", *(data / "keys").iterdir()]}


def test_a_log_whose_key_was_rotated_does_not_go_on_under_its_own_name(world: World) -> None:
    world.ledger.settings.init()
    rotate_key(world.ledger, "A year has passed.", By(ADA))
    world.close()
    settings = world.ledger.settings
    before = lose_the_last(world, settings)
    with pytest.raises(KeyChangeRefused, match="this origin before"):
        succeed(settings, origin=settings.origin, reason="Let us go on.", clock=world.clock)
    assert {name: at.read_bytes() for name in before for at in settings.data.rglob(name)} == before


@pytest.mark.parametrize("guard_is_lost", [False, True])
def test_a_second_loss_asks_for_a_second_name(lost: tuple[World, str, str], guard_is_lost: bool) -> None:
    world, _early, _late = lost
    succeeded(world)
    settings = Settings.from_env({"LOTPROOF_DATA": str(world.ledger.settings.data)})
    if guard_is_lost:
        again = World(open_ledger(settings, clock=world.clock), world.clock)
        again.do(FOIL)
        again.close()
    lose_the_last(world, settings)
    if guard_is_lost:
        (settings.data / "guard").unlink()
    with pytest.raises(KeyChangeRefused, match="this origin before"):
        succeed(settings, origin=NEW, reason="Let us go on.", clock=world.clock)
    how: dict[str, Any] = {"clock": world.clock, "nothing_is_lost": guard_is_lost}
    receipt = succeed(settings, origin=f"{NEW}-3", reason="Gone again.", **how)
    assert receipt is not None
    event = receipt.first(LogSucceeded).event
    assert event.last.size - event.kept == (0 if guard_is_lost else 2)
