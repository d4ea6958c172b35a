"""Backup and restore: what comes back is what was there, and nothing is served before all of it was verified."""

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.cli.border import FINDING
from ledger.custody.backup import BackedUp, KeysBesideData, back_up
from ledger.custody.backup_check import check_backup
from ledger.custody.generations import add_generation, generations, prune
from ledger.custody.restore import (
    GuardDiffers,
    KeysOfAnotherTime,
    NotInBackup,
    PlaceTaken,
    Restored,
    Sources,
    restore,
)
from ledger.custody.resume import OPERATOR, resume
from ledger.custody.succession import succeed
from ledger.errors import LedgerError
from ledger.journal.journal import By
from ledger.journal.key_changes import retire_key, rotate_key
from ledger.journal.master_key import rotate_master_key
from ledger.journal.opening import open_ledger
from ledger.log.compare import parse_kept
from ledger.log.layout import FileDiffers
from ledger.recall.claim import named_items
from ledger.recall.erasing import carry_out_erasure
from ledger.recall.person import ErasePerson
from ledger.state import open_state
from ledger.vault.vault import UnknownItem
from portal.accounts import accounts, find_session, start_session
from portal.cli import main
from portal.cli_backup import ENDED, STATE_TABLES
from portal.names import Names
from portal.staff import let_in
from tests.postgres import Server
from tests.tampering import audited
from tests.world import ADA, World

pytestmark = pytest.mark.files  # the folder is looked at from outside, as files


@dataclass(frozen=True, slots=True)
class Copies:
    """Where a world's backup goes."""

    world: World
    at: Path

    def make(self, **how: object) -> BackedUp:
        world = self.world
        places = {"vault": self.at / "vault", "keys": self.at / "keys", **how}
        return back_up(
            world.ledger,
            self.at / "data",
            now=world.clock.now(),
            state_tables=STATE_TABLES,
            **places,  # type: ignore[arg-type]
        )

    def sources(self, *, guard: Path | None = None) -> Sources:
        return Sources(self.at / "data", keys=self.at / "keys", vault=self.at / "vault", guard=guard)

    def restored(self, into: Path, *, guard: Path | None = None) -> Restored:
        settings = replace(self.world.ledger.settings, data=into)
        return restore(self.sources(guard=guard), settings, state_tables=STATE_TABLES, emptied=ENDED)


@pytest.fixture
def copies(world: World, tmp_path: Path) -> Copies:
    """A company with something of everything, and an account."""
    told(world)
    state = open_state(world.ledger.settings.state_db)
    let_in(world.ledger, state, "Ada", ("seller",), now=world.clock.now())
    state.dispose()
    return Copies(world, tmp_path / "copies")


def at(world: World, folder: Path) -> World:
    """The world as it is in a restored folder."""
    ledger = open_ledger(replace(world.ledger.settings, data=folder), clock=world.clock)
    return World(ledger, world.clock)


def contact_of(world: World) -> str:
    """The one claim's contact, an item of the vault."""
    with closing(sqlite3.connect(world.ledger.settings.data / "lotproof.db")) as database:
        return str(database.execute("SELECT contact FROM claims").fetchone()[0])


def test_what_is_restored_is_what_was_there(copies: Copies, tmp_path: Path) -> None:
    world, target = copies.world, tmp_path / "again"
    made = copies.make()
    assert made.files > 0
    assert made.vault_rows
    done = copies.restored(target, guard=world.ledger.guard.path)
    assert (done.lost, done.missing, done.erased, done.has_guard) == (None, 0, 0, True)
    again = at(world, target)
    assert again.bodies() == world.bodies()
    assert again.rows() == world.rows()
    assert again.standing() == world.standing()
    item = contact_of(world)
    assert again.ledger.vault.opening(item) == world.ledger.vault.opening(item)
    state = open_state(again.ledger.settings.state_db)
    assert [one.name for one in accounts(state, Names.of(again.ledger))] == ["Ada"]
    state.dispose()
    again.batch("B2", units=2)
    again.close()
    assert audited(target, derived=True).findings == ()
    assert not list(tmp_path.glob("*.restoring"))
    assert target.stat().st_mode & 0o777 == 0o700


def test_a_second_backup_adds_what_is_new_and_restores_to_it(copies: Copies, tmp_path: Path) -> None:
    first = copies.make()
    copies.world.later(hours=1)
    copies.world.batch("B2", units=4).ships(to="FR", count=1)
    second = copies.make()
    assert second.checkpoint.size > first.checkpoint.size
    assert 0 < second.files < first.files + second.files
    copies.restored(tmp_path / "again", guard=copies.world.ledger.guard.path)
    again = at(copies.world, tmp_path / "again")
    assert again.bodies() == copies.world.bodies()
    again.close()


def test_an_older_backup_says_what_is_lost_and_signs_nothing(copies: Copies, tmp_path: Path) -> None:
    world = copies.world
    copies.make()
    size = world.size()
    world.batch("B2", units=2)
    done = copies.restored(tmp_path / "again", guard=world.ledger.guard.path)
    assert done.lost == (size, world.size())
    again = at(world, tmp_path / "again")
    assert again.standing().is_old
    with pytest.raises(LedgerError):
        again.batch("B3", units=2)
    again.close()


def test_without_a_guard_it_answers_as_old_until_it_is_resumed(copies: Copies, tmp_path: Path) -> None:
    world = copies.world
    copies.make()
    newest = world.standing().note
    assert not copies.restored(tmp_path / "again").has_guard
    again = at(world, tmp_path / "again")
    assert again.standing().is_old
    again.close()
    resume(again.ledger.settings, reason="The machine is gone.", kept=parse_kept(newest), clock=world.clock)
    again.reopen()
    again.batch("B2", units=2)
    assert not again.standing().is_old
    again.close()
    assert audited(tmp_path / "again", derived=True).findings == ()


def test_persons_erased_since_the_copy_of_the_vault_are_erased_in_it(copies: Copies, tmp_path: Path) -> None:
    world = copies.world
    item = contact_of(world)
    copies.make()
    older = generations(copies.at / "vault")[-1]
    with closing(sqlite3.connect(world.ledger.settings.data / "lotproof.db")) as database:
        person = str(database.execute("SELECT person FROM claims").fetchone()[0])
    world.later(days=1)
    carry_out_erasure(world.ledger, ErasePerson(person=person, reason="They asked."), By(ADA))
    copies.make()
    for newer in generations(copies.at / "vault"):
        if newer != older:
            shutil.rmtree(newer)
    done = copies.restored(tmp_path / "again", guard=world.ledger.guard.path)
    assert done.erased > 0
    again = at(world, tmp_path / "again")
    with pytest.raises(UnknownItem):
        again.ledger.vault.opening(item)
    again.close()


def test_a_backup_without_the_vault_restores_with_an_empty_one(copies: Copies, tmp_path: Path) -> None:
    copies.make()
    sources = replace(copies.sources(guard=copies.world.ledger.guard.path), vault=None)
    settings = replace(copies.world.ledger.settings, data=tmp_path / "again")
    done = restore(sources, settings, state_tables=STATE_TABLES)
    assert done.vault_rows is None
    assert done.missing > 0
    again = at(copies.world, tmp_path / "again")
    with pytest.raises(UnknownItem):
        again.ledger.vault.opening(contact_of(copies.world))
    again.close()


# --- from one kind of database into the other


def told(world: World) -> None:
    """Units, a shipment, a recall and a claim with contact and payout."""
    world.ledger.settings.init()
    batch = world.batch("B1", units=5)
    batch.ships(to="DE", count=3)
    world.recall("R1", batches=["B1"])
    world.claim(batch.serials[0])


def assert_same(world: World, again: World) -> None:
    """Entries, derived rows, checkpoint and what the vault holds."""
    assert again.bodies() == world.bodies()
    assert again.rows() == world.rows()
    assert again.standing() == world.standing()
    for item in named(world):
        assert again.ledger.vault.opening(item) == world.ledger.vault.opening(item)
    again.batch(f"B{again.size()}", units=2)


def named(world: World) -> list[str]:
    """The items of the vault that the log names."""
    return sorted(world.read(named_items))


def test_what_was_in_files_is_restored_into_postgresql_and_back(tmp_path: Path, postgres: Server) -> None:
    with postgres.database() as url:
        world = World.begin(tmp_path / "var")
        told(world)
        first = Copies(world, tmp_path / "first")
        first.make()
        settings = replace(world.ledger.settings, data=tmp_path / "on-postgres", database_url=url)
        source = first.sources(guard=world.ledger.guard.path)
        done = restore(source, settings, state_tables=STATE_TABLES)
        assert (done.lost, done.missing) == (None, 0)
        there = World(open_ledger(settings, clock=world.clock), world.clock)
        assert not list((tmp_path / "on-postgres").glob("*.db"))
        assert_same(world, there)
        second = Copies(there, tmp_path / "second")
        second.make()
        back = replace(settings, data=tmp_path / "back", database_url=None)
        source = second.sources(guard=there.ledger.guard.path)
        assert restore(source, back, state_tables=STATE_TABLES).missing == 0
        again = World(open_ledger(back, clock=world.clock), world.clock)
        assert_same(there, again)
        for one in (world, there, again):
            one.close()
    assert audited(tmp_path / "back", derived=True).findings == ()


# --- what is refused


def test_a_log_older_than_its_keys_is_restored_by_the_key_that_signed_it(
    copies: Copies, tmp_path: Path
) -> None:
    """Of the keys only the newest copy is kept; the log beside it may be of before a change of keys."""
    copies.make()
    ledger = copies.world.ledger
    old = ledger.keys.signer.verifier
    rotate_key(ledger, "A year has passed.", By(ADA))
    shutil.rmtree(copies.at / "keys")
    shutil.copytree(ledger.settings.keys, copies.at / "keys")
    copies.restored(tmp_path / "overlap")
    resume(replace(ledger.settings, data=tmp_path / "overlap"), reason="It burned.", clock=copies.world.clock)
    retire_key(ledger, "The overlap is over.", By(ADA))
    shutil.rmtree(copies.at / "keys")
    shutil.copytree(ledger.settings.keys, copies.at / "keys")
    with pytest.raises(KeysOfAnotherTime):
        copies.restored(tmp_path / "later")
    assert not (tmp_path / "later").exists()
    settings = replace(ledger.settings, data=tmp_path / "later")
    restore(replace(copies.sources(), key=old), settings, state_tables=STATE_TABLES)
    receipt = succeed(settings, origin="lots.example/log-2", reason="It burned.", clock=copies.world.clock)
    assert receipt is not None


def test_a_guard_that_does_not_fit_the_backup_is_not_said_to_agree(copies: Copies, tmp_path: Path) -> None:
    copies.make()
    other = World.begin(tmp_path / "other")
    other.close()
    with pytest.raises(GuardDiffers):
        copies.restored(tmp_path / "again", guard=other.ledger.settings.guard)
    assert not (tmp_path / "again").exists()


def test_nothing_is_restored_over_something(copies: Copies) -> None:
    copies.make()
    with pytest.raises(PlaceTaken):
        copies.restored(copies.world.ledger.settings.data)


def test_without_keys_nothing_is_restored(copies: Copies, tmp_path: Path) -> None:
    copies.make(keys=None)
    (copies.at / "keys").mkdir()
    with pytest.raises(NotInBackup):
        copies.restored(tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_keys_do_not_go_where_the_log_goes(copies: Copies) -> None:
    with pytest.raises(KeysBesideData):
        copies.make(keys=copies.at / "data" / "keys")


def bundle_of(copies: Copies) -> Path:
    """The file with the first entries."""
    return next(
        path for path in (copies.at / "data" / "log" / "tile" / "entries").rglob("*") if path.is_file()
    )


def test_a_changed_byte_anywhere_in_the_log_is_found_before_anything_is_in_place(
    copies: Copies, tmp_path: Path
) -> None:
    copies.make()
    file = bundle_of(copies)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    verifier = copies.world.ledger.keys.signer.verifier
    assert check_backup(copies.at / "data", [verifier]).problems
    with pytest.raises((FileDiffers, LedgerError)):
        copies.restored(tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_missing_or_changed_file_is_found(copies: Copies, tmp_path: Path) -> None:
    copies.make()
    verifier, master = copies.world.ledger.keys.signer.verifier, copies.world.ledger.keys.master
    whole = check_backup(copies.at / "data", [verifier], vault=copies.at / "vault", master=master)
    assert whole.problems == ()
    assert whole.files > 0
    file = next(path for path in sorted((copies.at / "data" / "files").rglob("*")) if path.is_file())
    content = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(content + b"x")
    [problem] = check_backup(copies.at / "data", [verifier]).problems
    assert file.name in problem
    file.unlink()
    with pytest.raises(LedgerError):
        copies.restored(tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_changed_copy_of_the_vault_is_found(copies: Copies) -> None:
    copies.make()
    [copy] = generations(copies.at / "vault")
    with closing(sqlite3.connect(copy / "vault.db")) as database:
        database.execute("UPDATE items SET ciphertext = ciphertext || x'00'")
        database.commit()
    ledger = copies.world.ledger
    checked = check_backup(
        copies.at / "data", ledger.keys.verifiers(), vault=copies.at / "vault", master=ledger.keys.master
    )
    assert any("items" in problem for problem in checked.problems)


def checked(copies: Copies, *words: str) -> Result:
    """What `lotproof backup --check` says of the backup with its copy of the vault."""
    world, places = copies.world, (str(copies.at / "data"), "--vault", str(copies.at / "vault"))
    environment = {"LOTPROOF_DATA": str(world.ledger.settings.data)}
    return CliRunner().invoke(main, ["backup", *places, "--check", *words], env=environment)


def test_a_check_without_the_keys_says_that_no_value_was_opened(copies: Copies) -> None:
    copies.make()
    told = "No value of the vault was opened"
    assert told not in checked(copies).stdout
    without = checked(copies, "--key", copies.world.ledger.keys.signer.verifier.to_text())
    assert without.exit_code == 0
    assert told in without.stdout


def checked_keys(copies: Copies) -> Result:
    return checked(copies, "--keys", str(copies.at / "keys"))


def copied_keys(copies: Copies) -> Path:
    """The one copy of the keys."""
    [copy] = generations(copies.at / "keys")
    return copy


def test_a_check_says_that_the_copy_of_the_keys_opens_and_leaves_it_as_it_is(copies: Copies) -> None:
    copies.make()
    before = {file.name: file.read_bytes() for file in copied_keys(copies).iterdir()}
    result = checked_keys(copies)
    assert (result.exit_code, f"{copied_keys(copies)} opens" in result.stdout) == (0, True)
    assert {file.name: file.read_bytes() for file in copied_keys(copies).iterdir()} == before


def test_a_check_opens_a_copy_of_the_keys_with_the_master_key_at_hand(copies: Copies) -> None:
    copies.make()
    (copied_keys(copies) / "master.key").unlink()  # as where it is kept elsewhere
    assert checked_keys(copies).exit_code == 0
    rotate_master_key(copies.world.ledger, "Its time has run out.", By(OPERATOR))
    result = checked_keys(copies)
    assert result.exit_code == FINDING
    assert f"The master key does not open {copied_keys(copies) / 'log.pem'}" in result.stdout


@pytest.mark.parametrize("name", ["log.pem", "units.key", "links.key", "master.key"])
def test_a_check_finds_a_damaged_key_in_the_copy(copies: Copies, name: str) -> None:
    copies.make()
    (copied_keys(copies) / name).write_text("what a broken medium gives")
    result = checked_keys(copies)
    assert result.exit_code == FINDING
    assert f"{copied_keys(copies) / name} holds no key" in result.stdout
    assert "1 problems: this backup is not whole." in result.stdout


@pytest.mark.parametrize("name", ["units.key", "links.key"])
def test_a_check_finds_a_key_that_is_missing_in_the_copy(copies: Copies, name: str) -> None:
    copies.make()
    (copied_keys(copies) / name).unlink()
    result = checked_keys(copies)
    assert result.exit_code == FINDING
    assert f"The key {copied_keys(copies) / name} is missing" in result.stdout


def test_a_check_finds_that_there_is_no_copy_of_the_keys(copies: Copies) -> None:
    copies.make(keys=None)
    (copies.at / "keys").mkdir()
    result = checked_keys(copies)
    assert result.exit_code == FINDING
    assert f"{copies.at / 'keys'} holds no copy of the keys" in result.stdout


def test_a_check_finds_a_copy_of_the_keys_that_does_not_sign_for_this_log(
    copies: Copies, tmp_path: Path
) -> None:
    other = World.begin(tmp_path / "other")
    other.close()
    copies.make(keys=None)
    shutil.copytree(other.ledger.settings.keys, copies.at / "keys")
    result = checked_keys(copies)
    assert result.exit_code == FINDING
    assert "nobody can sign for it" in result.stdout


def test_a_check_finds_a_copy_of_the_keys_of_before_a_change(copies: Copies) -> None:
    ledger = copies.world.ledger
    copies.make()
    rotate_key(ledger, "A year has passed.", By(OPERATOR))
    copies.make(keys=None)
    result = checked_keys(copies)
    assert result.exit_code == FINDING
    assert "nobody can sign for it" in result.stdout
    copies.make()
    assert checked_keys(copies).exit_code == 0


def test_a_copy_of_before_a_new_master_key_says_what_may_be_the_reason(copies: Copies) -> None:
    copies.make()
    rotate_master_key(copies.world.ledger, "Its time has run out.", By(OPERATOR))
    result = checked(copies)
    assert result.exit_code == FINDING
    assert "take a new backup" in result.stdout


def test_the_key_of_an_older_backup_is_tried_while_it_is_here_and_asked_for_after(copies: Copies) -> None:
    ledger = copies.world.ledger
    copies.make()
    former = ledger.keys.signer.verifier
    rotate_key(ledger, "A year has passed.", By(OPERATOR))
    assert checked(copies).exit_code == 0
    retire_key(ledger, "The overlap is over.", By(OPERATOR))
    result = checked(copies)
    assert result.exit_code == FINDING
    assert "--key VKEY" in result.stdout
    assert checked(copies, "--key", former.to_text()).exit_code == 0


def test_whoever_was_signed_in_signs_in_anew_after_a_restore(copies: Copies, tmp_path: Path) -> None:
    world = copies.world
    state = open_state(world.ledger.settings.state_db)
    names = Names.of(world.ledger)
    token = start_session(state, accounts(state, names)[0], now=world.clock.now()).token
    state.dispose()
    copies.make()
    copies.restored(tmp_path / "again")
    state = open_state(tmp_path / "again" / "state.db")
    assert [one.name for one in accounts(state, names)] == ["Ada"]
    assert find_session(state, names, token, now=world.clock.now()) is None
    state.dispose()


# --- killed in the middle


class Killed(Exception):
    """The power went."""


@pytest.mark.parametrize("step", range(9))
def test_a_backup_killed_at_any_moment_leaves_the_former_one_usable(
    copies: Copies, tmp_path: Path, step: int
) -> None:
    """The n-th name that the backup makes durable is the last thing it does."""
    copies.make()
    before = copies.world.bodies()
    copies.world.later(hours=1)
    copies.world.batch("B2", units=2)
    pid = os.fork()
    if pid == 0:
        _die_after(step)
        copies.make()
        os._exit(0)
    os.waitpid(pid, 0)
    copies.restored(tmp_path / "again")
    again = at(copies.world, tmp_path / "again")
    assert again.bodies() in (before, copies.world.bodies())
    again.close()


def _die_after(step: int) -> None:
    """End this process at its next rename but `step`, as kill -9 would."""
    left = [step]

    def audit(event: str, _facts: tuple[object, ...]) -> None:
        if event == "os.rename":
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)

    sys.addaudithook(audit)


# --- dated copies

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def fill(folder: Path) -> None:
    (folder / "file").write_text("x")


def test_of_dated_copies_the_newest_of_each_day_is_kept_for_as_long_as_was_said(tmp_path: Path) -> None:
    for hours in range(0, 24 * 40, 8):
        add_generation(tmp_path, NOON + timedelta(hours=hours), fill)
    now = NOON + timedelta(hours=24 * 40 - 8)
    prune(tmp_path, now, timedelta(days=30))
    kept = generations(tmp_path)
    assert 30 <= len(kept) <= 31
    assert len({one.name[:10] for one in kept}) == len(kept)
    assert kept[-1].name == "2026-04-19T040000Z"


def test_the_newest_copy_is_kept_however_old_it_is(tmp_path: Path) -> None:
    made = add_generation(tmp_path, NOON, fill)
    assert prune(tmp_path, NOON + timedelta(days=400), timedelta(days=30)) == 0
    assert generations(tmp_path) == [made]


def test_a_copy_cut_short_is_none_and_is_swept_by_the_next(tmp_path: Path) -> None:
    def dies(folder: Path) -> None:
        fill(folder)
        raise Killed

    with pytest.raises(Killed):
        add_generation(tmp_path, NOON, dies)
    assert generations(tmp_path) == []
    made = add_generation(tmp_path, NOON + timedelta(hours=1), fill)
    assert generations(tmp_path) == [made]
    assert list(tmp_path.iterdir()) == [made]
