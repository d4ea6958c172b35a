"""Changing the log's keys: who signs when, what a crash leaves, and that other processes go on."""

import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from ledger.database import reading, writing
from ledger.journal.clock import SetClock
from ledger.journal.journal import By
from ledger.journal.key_changes import (
    NothingToRetire,
    RotateKey,
    record_rotation,
    retire_key,
    rotate_key,
    succeed_log,
)
from ledger.journal.key_events import KeyRotated, LogSucceeded, log_keys, read_keyring
from ledger.journal.opening import open_ledger
from ledger.journal.publish import ForeignCheckpoint, SigningKeyMissing, checkpoint_of
from ledger.journal.who_signs import KeysDiffer
from ledger.keys.keys import make_next, settle
from ledger.log import store
from ledger.log.checkpoint import open_checkpoint
from ledger.log.guard import FreshGuard
from ledger.log.keyring import KeyChangeRefused, Keyring
from ledger.log.note import Signer, UntrustedNote, sign_note, split_note
from ledger.log.statement import rotate
from ledger.settings import Settings
from ledger.trace.bill_of_materials import RegisterMaterial, register_material
from tests.whole_log import assert_whole
from tests.world import ADA, BEGINNING, World

CONTEXT = multiprocessing.get_context("spawn")
NEW_ORIGIN = "localhost:8000/log/2"


def keyring_of(world: World) -> Keyring:
    found = world.read(read_keyring)
    assert found is not None
    return found


def signatures(world: World) -> int:
    """How many signature lines the newest checkpoint has."""
    return len(split_note(world.standing().note)[1])


def rotated(world: World, *, compromised: bool = False) -> None:
    rotate_key(world.ledger, "A year has passed.", By(ADA), compromised=compromised)


def names(world: World) -> list[str]:
    return sorted(path.name for path in world.ledger.settings.keys.glob("log*"))


def test_in_the_overlap_both_keys_sign_and_either_opens(world: World) -> None:
    old = world.ledger.keys.signer.verifier
    rotated(world)
    world.material("FILM")
    new = keyring_of(world).newest.verifier
    assert names(world) == ["log.pem", "log.previous.pem"]
    assert signatures(world) == 2
    for one in (old, new):
        assert open_checkpoint(world.standing().note, one).size == world.size()
    assert_whole(world.ledger)


def test_the_seal_of_a_rotation_itself_is_signed_as_it_demands(world: World) -> None:
    receipt = rotate_key(world.ledger, "A year has passed.", By(ADA))
    assert receipt is not None
    at = receipt.first(KeyRotated).index
    assert world.standing().size == at + 2
    assert signatures(world) == 2


def test_after_retirement_the_old_signature_counts_no_more(world: World) -> None:
    old = world.ledger.keys.signer
    rotated(world)
    retire_key(world.ledger, "The overlap is over.", By(ADA))
    world.material("FILM")
    assert signatures(world) == 1
    assert names(world) == ["log.pem"]
    point = checkpoint_of(world.standing().note)
    forged = f"{point.format()}\n{old.sign(point.format())}"
    with pytest.raises(UntrustedNote, match="must sign"):
        keyring_of(world).open(forged)
    assert_whole(world.ledger)


def test_a_compromised_key_signs_no_more_at_once(world: World) -> None:
    old = world.ledger.keys.signer.verifier
    rotated(world, compromised=True)
    assert signatures(world) == 1
    assert names(world) == ["log.pem"]
    assert old not in keyring_of(world).current
    with pytest.raises(UntrustedNote):
        open_checkpoint(world.standing().note, old)
    assert_whole(world.ledger)


def test_a_next_key_that_lay_beside_a_compromised_one_is_not_used(world: World) -> None:
    waiting = make_next(world.ledger.keys, world.ledger.settings.origin).verifier
    rotated(world, compromised=True)
    assert waiting not in {one.verifier for one in keyring_of(world).keys}
    assert names(world) == ["log.pem"]


def test_after_a_restart_everything_goes_on(world: World) -> None:
    for change in (
        lambda: rotated(world),
        lambda: rotated(world, compromised=True),
        lambda: rotated(world),
        lambda: retire_key(world.ledger, "The overlap is over.", By(ADA)),
    ):
        change()
        world.reopen()
        world.do(RegisterMaterial(code=f"M{world.size()}", name="Film"))
        assert world.ledger.keys.signer.verifier == keyring_of(world).newest.verifier
    assert len(keyring_of(world).keys) == 4
    assert_whole(world.ledger)


def test_what_cannot_follow_is_refused_and_nothing_is_recorded(world: World) -> None:
    with pytest.raises(NothingToRetire):
        retire_key(world.ledger, "Why not.", By(ADA))
    rotated(world)
    size = world.size()
    with pytest.raises(KeyChangeRefused, match="retire"):
        rotated(world)
    stranger, newest = Signer.generate(world.ledger.settings.origin), keyring_of(world).newest.verifier
    forged = RotateKey(
        compromised=True,
        new=stranger.verifier.to_text(),
        old=newest.to_text(),
        reason="Mine now.",
        signed=rotate(world.ledger.keys.signer, stranger),
    )
    with pytest.raises(KeyChangeRefused, match="other keys"):
        world.ledger.journal.write(record_rotation, forged, By(ADA))
    assert world.size() == size


def test_a_key_that_is_not_here_stops_signing_and_not_answering(world: World) -> None:
    new = Signer.generate(world.ledger.settings.origin)
    request = RotateKey(
        compromised=False,
        new=new.verifier.to_text(),
        old=world.ledger.keys.signer.verifier.to_text(),
        reason="The new key was lost before it was kept.",
        signed=rotate(world.ledger.keys.signer, new),
    )
    size = world.size()
    with pytest.raises(SigningKeyMissing, match=new.verifier.key_id.hex()):
        world.ledger.journal.write(record_rotation, request, By(ADA))
    assert world.size() == size  # the seal failed, and the entry with it
    assert not world.standing().is_old
    world.material("FILM")


def test_a_key_written_into_the_table_of_keys_is_not_gone_on_from(world: World) -> None:
    # Whoever can write to the database names a key of their own, and signs with it what they like.
    world.material("FILM")
    thief, point = Signer.generate(world.ledger.settings.origin), checkpoint_of(world.standing().note)
    forged = sign_note(replace(point, size=point.size + 1).format(), thief)
    with writing(world.ledger.engine) as connection:
        store.append_entries(
            connection, point.size, store.read_entries(connection, point.size - 1, point.size)
        )
        connection.execute(update(log_keys).values(vkey=thief.verifier.to_text()))
        connection.execute(insert(store.checkpoints).values(size=point.size + 1, note=forged))
    world.reopen()
    assert world.standing().is_old
    with pytest.raises(SigningKeyMissing):
        world.material("GLUE")
    assert world.ledger.guard.read().size == point.size


@pytest.mark.parametrize(
    "tampered",
    [
        delete(log_keys).where(log_keys.c.place == 1),
        update(log_keys).where(log_keys.c.place == 0).values(last_size=1),
        update(log_keys).where(log_keys.c.place == 0).values(last_size=10),
        update(log_keys).where(log_keys.c.place == 1).values(first_size=1_000),
    ],
)
def test_a_table_of_keys_that_was_changed_makes_nobody_sign_what_the_log_does_not_allow(
    world: World, tampered: Any
) -> None:
    rotated(world)
    world.material("FILM")
    size, guarded = world.size(), world.ledger.guard.read()
    with reading(world.ledger.engine) as connection:
        kept = [dict(row) for row in connection.execute(select(log_keys)).mappings()]
    with writing(world.ledger.engine) as connection:
        assert connection.execute(tampered).rowcount == 1
    with pytest.raises((KeysDiffer, ForeignCheckpoint)):
        world.do(RegisterMaterial(code="GLUE", name="Glue"))
    with pytest.raises(KeysDiffer):
        retire_key(world.ledger, "The overlap is over.", By(ADA))
    assert (world.size(), world.ledger.guard.read()) == (size, guarded)
    assert names(world) == ["log.pem", "log.previous.pem"]
    with writing(world.ledger.engine) as connection:
        connection.execute(delete(log_keys))
        connection.execute(insert(log_keys), kept)
    world.material("GLUE")
    assert_whole(world.ledger)


# --- crashes


def made(world: World) -> None:
    make_next(world.ledger.keys, world.ledger.settings.origin)


def recorded(world: World, *, compromised: bool = False) -> None:
    """As far as the event; the files have their old names."""
    new, old = make_next(world.ledger.keys, world.ledger.settings.origin), world.ledger.keys.signer
    request = RotateKey(
        compromised=compromised,
        new=new.verifier.to_text(),
        old=old.verifier.to_text(),
        reason="A year has passed.",
        signed=rotate(old, new),
    )
    world.ledger.journal.write(record_rotation, request, By(ADA))


def half_settled(world: World) -> None:
    """The old key has its second name, and the new one has not got its own yet."""
    recorded(world)
    folder = world.ledger.settings.keys
    (folder / "log.previous.pem").hardlink_to(folder / "log.pem")


@pytest.mark.parametrize("crashed", [made, recorded, half_settled])
@pytest.mark.parametrize("in_between", [False, True], ids=["at once", "after further entries"])
def test_a_rotation_that_crashed_is_finished_by_the_same_command(
    world: World, crashed: Callable[[World], None], in_between: bool
) -> None:
    crashed(world)
    world.reopen()
    if in_between:
        world.material("FILM")
        world.reopen()
    rotated(world)
    assert names(world) == ["log.pem", "log.previous.pem"]
    assert len(keyring_of(world).keys) == 2
    world.material("GLUE")
    assert signatures(world) == 2
    world.reopen()
    assert_whole(world.ledger)


def test_a_key_found_stolen_after_an_interrupted_rotation_signs_no_more(world: World) -> None:
    recorded(world)  # and a crash before the files had their names
    old = keyring_of(world).current
    assert len(old) == 2
    assert rotate_key(world.ledger, "Both lay in that folder.", By(ADA), compromised=True) is not None
    assert not set(old) & set(keyring_of(world).current)
    assert (signatures(world), names(world)) == (1, ["log.pem"])


def test_a_crash_before_the_old_file_is_removed_leaves_it_unused(world: World) -> None:
    rotated(world)
    kept = (world.ledger.settings.keys / "log.previous.pem").read_bytes()
    retire_key(world.ledger, "The overlap is over.", By(ADA))
    left = world.ledger.settings.keys / "log.previous.pem"
    left.write_bytes(kept)
    left.chmod(0o600)
    world.reopen()
    world.material("FILM")
    assert signatures(world) == 1
    settle(world.ledger.keys, keyring_of(world).current)
    assert names(world) == ["log.pem"]


def test_beside_an_older_log_no_key_that_it_demands_is_destroyed(world: World) -> None:
    # A database from before the rotation came back, and the keys did not: what is called previous must sign alone.
    first = keyring_of(world)
    rotated(world)
    settle(world.ledger.keys, first.current)
    assert names(world) == ["log.pem", "log.previous.pem"]
    assert first.newest.verifier in {one.verifier for one in world.ledger.keys.signers()}


def test_settling_twice_changes_nothing(world: World) -> None:
    rotated(world)
    before = {path.name: path.read_bytes() for path in world.ledger.settings.keys.iterdir()}
    settle(world.ledger.keys, keyring_of(world).current)
    assert {path.name: path.read_bytes() for path in world.ledger.settings.keys.iterdir()} == before


# --- succession


def succeeded(world: World, *, last_known: str | None = None) -> None:
    """What `lotproof log succeed` does: a fresh guard, the event, the settings."""
    settings, newest = world.ledger.settings, world.standing().note
    world.ledger.close()
    ledger = open_ledger(settings, clock=world.clock, guard=FreshGuard(settings.guard, newest))
    succeed_log(ledger, origin=NEW_ORIGIN, reason="The disk broke.", by=By(ADA), last_known_note=last_known)
    ledger.close()
    world.ledger = open_ledger(replace(settings, origin=NEW_ORIGIN), clock=world.clock)


@pytest.mark.files
def test_a_log_that_lost_entries_goes_on_in_the_same_tree(world: World, tmp_path: Path) -> None:
    world.material("FILM")
    copy = tmp_path / "copy.db"
    world.ledger.engine.dispose()
    shutil.copy(world.ledger.settings.data / "lotproof.db", copy)
    kept = world.size()
    world.material("GLUE")
    lost = world.standing().note
    world.ledger.close()
    for path in world.ledger.settings.data.glob("lotproof.db*"):
        path.unlink()
    shutil.copy(copy, world.ledger.settings.data / "lotproof.db")
    world.reopen()
    assert world.standing().is_old
    old = world.ledger.keys.signer.verifier
    succeeded(world, last_known=lost)
    event = world.ledger.journal.read(kept).event
    assert isinstance(event, LogSucceeded)
    assert (event.kept, event.last.size, event.origin) == (kept, checkpoint_of(lost).size, NEW_ORIGIN)
    world.material("TAPE")
    assert not world.standing().is_old
    assert checkpoint_of(world.standing().note).origin == NEW_ORIGIN
    assert keyring_of(world).way(old, world.size()) == (old, keyring_of(world).newest.verifier)
    assert_whole(world.ledger)


def test_a_log_whose_key_is_lost_goes_on_and_trust_is_handed_over_by_hand(world: World) -> None:
    world.material("FILM")
    old = world.ledger.keys.signer.verifier
    folder = world.ledger.settings.keys
    (folder / "log.pem").unlink()
    make_next(world.ledger.keys, NEW_ORIGIN)
    (folder / "log.next.pem").rename(folder / "log.pem")
    succeeded(world)
    world.material("TAPE")
    assert_whole(world.ledger)
    with pytest.raises(UntrustedNote, match="somebody you trust"):
        keyring_of(world).way(old, world.size())


def test_a_succession_that_crashed_before_its_files_were_named_is_finished(world: World) -> None:
    succeeded(world)
    folder = world.ledger.settings.keys
    (folder / "log.pem").rename(folder / "log.next.pem")
    shutil.copy(folder / "log.next.pem", folder / "log.pem")
    assert succeed_log(world.ledger, origin=NEW_ORIGIN, reason="Again.", by=By(ADA)) is None
    assert (
        sum(
            isinstance(one.event, LogSucceeded) for one in map(world.ledger.journal.read, range(world.size()))
        )
        == 1
    )


# --- under load


def _write(settings: Settings, process: int, start: Any, report: "Queue[Any]") -> None:
    ledger = open_ledger(settings, clock=SetClock(BEGINNING))

    def write(thread: int) -> list[int]:
        found = []
        for number in range(20):
            code = f"M-{process}-{thread}-{number}"
            receipt = ledger.journal.write(register_material, RegisterMaterial(code=code, name=code), By(ADA))
            found.append(receipt.entries[0].index)
        return found

    start.wait(60)
    with ThreadPoolExecutor(4) as pool:
        indexes = [index for one in pool.map(write, range(4)) for index in one]
    ledger.close()
    report.put(indexes)


@pytest.mark.slow
def test_four_threads_of_two_processes_go_on_while_keys_are_rotated(world: World) -> None:
    start, report = CONTEXT.Barrier(3), CONTEXT.Queue()
    settings = world.ledger.settings
    processes = [CONTEXT.Process(target=_write, args=(settings, one, start, report)) for one in range(2)]
    for process in processes:
        process.start()
    start.wait(60)
    for _ in range(3):
        rotated(world)
        retire_key(world.ledger, "The overlap is over.", By(ADA))
    rotated(world, compromised=True)
    indexes = [index for _ in processes for index in report.get(timeout=120)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(set(indexes)) == 2 * 4 * 20
    keys = keyring_of(world).keys
    assert len(keys) == 5
    assert any(keys[1].first_size <= index for index in indexes), (
        "the writers were done before the first rotation"
    )
    assert_whole(world.ledger)
