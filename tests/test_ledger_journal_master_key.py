"""Replacing the master key: whatever step a crash comes after, the old or the new key opens everything."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.journal.journal import By
from ledger.journal.key_changes import rotate_key
from ledger.journal.key_events import MasterKeyRotated
from ledger.journal.master_key import (
    DEADLINE_DAYS,
    OtherChangeUnderWay,
    SameMasterKey,
    begin,
    master_key_age,
    rotate_master_key,
)
from ledger.journal.opening import open_ledger
from ledger.keys.key_files import plain, replace_file
from ledger.keys.keys import KeyLocked, Keys, make_next, rewrap_files
from ledger.keys.master_change import MASTER_CHANGE
from ledger.log.note import Signer
from ledger.vault.vault import WrongMasterKey
from tests.world import ADA, World

REASON = "Its time has run out."


@pytest.fixture
def filed(world: World) -> str:
    """A claim with two values in the vault."""
    batch = world.batch("B1", lots={world.lot("SF-1", "4000 m"): "10 m"}, units=2)
    world.recall("R1", lots=["SF-1"])
    return world.claim(batch.serials[0])


def values(world: World) -> list[dict[str, object]]:
    """Every value of the vault, opened."""
    with world.ledger.vault.engine.connect() as connection:
        items = [row[0] for row in connection.exec_driver_sql("SELECT id FROM items ORDER BY id")]
    return [dict(world.ledger.vault.read(item)) for item in items]


def rotations(world: World) -> int:
    return sum(
        isinstance(world.ledger.journal.read(index).event, MasterKeyRotated) for index in range(world.size())
    )


@pytest.mark.usefixtures("filed")
def test_afterwards_the_new_key_opens_everything_and_the_old_one_nothing(world: World) -> None:
    before, keys = values(world), world.ledger.keys
    rotate_key(world.ledger, "So that there are two files.", By(ADA))
    receipt = rotate_master_key(world.ledger, REASON, By(ADA))
    assert receipt.first(MasterKeyRotated).event.persons > 0
    assert not (keys.folder / MASTER_CHANGE).exists()
    world.reopen()
    again = world.ledger.keys
    assert (again.units, again.links) == (keys.units, keys.links)
    assert again.master != keys.master
    assert len(again.signers()) == 2
    assert values(world) == before
    replace_file(keys.folder / "master.key", plain(keys.master))
    with pytest.raises(KeyLocked):
        Keys.open(keys.folder)


@pytest.mark.usefixtures("filed")
def test_a_process_that_has_the_old_key_reads_nothing_and_stores_nothing(world: World) -> None:
    rotate_master_key(world.ledger, REASON, By(ADA))
    with pytest.raises(WrongMasterKey):
        values(world)
    with pytest.raises(WrongMasterKey, match="restart"):
        world.ledger.vault.put(None, "contact", {"email": "a"}, now=world.clock.moment)


STEPS = ("change begun", "master written", "files wrapped", "vault wrapped")


def crash_after(step: str, world: World, new_file: Path | None) -> None:
    """Take the steps of `rotate_master_key` up to `step`, each as it takes them."""
    old, new = begin(world.ledger, new_file)
    reached = STEPS.index(step)
    if reached >= 1 and new_file is None:
        replace_file(world.ledger.keys.master_key_file, plain(new))
    if reached >= 2:
        rewrap_files(world.ledger.keys, (old, new), new)
    if reached >= 3:
        world.ledger.vault.rewrap(new)


@pytest.mark.usefixtures("filed")
@pytest.mark.parametrize("with_file", [False, True], ids=["in place", "in a file of its own"])
@pytest.mark.parametrize("step", STEPS)
def test_whatever_step_a_crash_comes_after_the_same_command_finishes(
    world: World, step: str, with_file: bool, tmp_path: Path
) -> None:
    before, old = values(world), world.ledger.keys.master
    new_file = tmp_path / "new-master" if with_file else None
    crash_after(step, world, new_file)
    world.ledger.close()
    # Whoever has the old or the new one opens the keys; the vault opens with one of the two.
    settings = world.ledger.settings
    world.ledger = open_ledger(settings, clock=world.clock)
    assert values(world) == before
    rotate_master_key(world.ledger, REASON, By(ADA), new_file=new_file)
    world.ledger.close()
    if new_file:
        with pytest.raises(KeyLocked):
            open_ledger(settings, clock=world.clock)
        settings = replace(settings, master_key_file=new_file)
    world.ledger = open_ledger(settings, clock=world.clock)
    assert values(world) == before
    assert world.ledger.keys.master != old
    assert rotations(world) == 1


@pytest.mark.usefixtures("filed")
def test_a_key_that_was_made_meanwhile_with_the_old_one_opens_with_the_new_one(
    world: World, tmp_path: Path
) -> None:
    folder, new_file = world.ledger.keys, tmp_path / "new-master"
    made: list[Signer] = []

    def other_process(count: int) -> bytes:
        """Asked for chance while the vault is wrapped: by then the files of keys are done."""
        if not made:
            made.append(make_next(folder, world.ledger.settings.origin))
        return os.urandom(count)

    ledger = replace(world.ledger, vault=replace(world.ledger.vault, random_bytes=other_process))
    rotate_master_key(ledger, REASON, By(ADA), new_file=new_file)
    keys = Keys.open(folder.folder, master_key_file=new_file)
    assert keys.log_keys()["log.next.pem"] == made[0]


@pytest.mark.usefixtures("filed")
def test_a_crash_between_two_files_leaves_both_open(world: World) -> None:
    old, new = begin(world.ledger, None)
    whole = {path.name: path.read_bytes() for path in world.ledger.keys.folder.iterdir()}
    rewrap_files(world.ledger.keys, (old, new), new)
    names = ("log.pem", "units.key", "links.key")
    for done in range(len(names)):
        for name in names[done:]:  # as if it had not come so far
            replace_file(world.ledger.keys.folder / name, whole[name])
        for master in (old, new):
            replace_file(world.ledger.keys.folder / "master.key", plain(master))
            opened = Keys.open(world.ledger.keys.folder)
            assert opened.units == world.ledger.keys.units
        rewrap_files(world.ledger.keys, (old, new), new)


def test_recorded_once_although_the_last_step_was_lost(world: World, tmp_path: Path) -> None:
    rotate_master_key(world.ledger, REASON, By(ADA), new_file=tmp_path / "first")
    settings = replace(world.ledger.settings, master_key_file=tmp_path / "first")
    world.ledger.close()
    world.ledger = open_ledger(settings, clock=world.clock)
    old, new = begin(world.ledger, None)
    kept = (world.ledger.keys.folder / MASTER_CHANGE).read_bytes()
    rotate_master_key(world.ledger, REASON, By(ADA))
    assert rotations(world) == 2
    replace_file(world.ledger.keys.folder / MASTER_CHANGE, kept)  # as if its removal had been lost
    world.ledger.close()
    world.ledger = open_ledger(settings, clock=world.clock)
    rotate_master_key(world.ledger, REASON, By(ADA))
    assert rotations(world) == 2
    assert old != new


def test_another_new_key_in_the_middle_of_a_change_is_refused(world: World, tmp_path: Path) -> None:
    begin(world.ledger, tmp_path / "one")
    replace_file(tmp_path / "two", plain(b"2" * 32))
    with pytest.raises(OtherChangeUnderWay):
        rotate_master_key(world.ledger, REASON, By(ADA), new_file=tmp_path / "two")
    rotate_master_key(world.ledger, REASON, By(ADA), new_file=tmp_path / "one")


def test_the_key_in_use_is_no_new_one(world: World, tmp_path: Path) -> None:
    shutil.copy(world.ledger.keys.master_key_file, tmp_path / "same")
    with pytest.raises(SameMasterKey):
        rotate_master_key(world.ledger, REASON, By(ADA), new_file=tmp_path / "same")


def test_the_deadline_counts_from_the_last_rotation(world: World) -> None:
    first = master_key_age(world.ledger)
    assert (first.due - first.since).days == DEADLINE_DAYS
    world.later(days=DEADLINE_DAYS + 1)
    assert first.is_overdue(world.clock.moment)
    rotate_master_key(world.ledger, REASON, By(ADA))
    world.reopen()
    age = master_key_age(world.ledger)
    assert age.since == world.clock.moment
    assert not age.is_overdue(world.clock.moment)
