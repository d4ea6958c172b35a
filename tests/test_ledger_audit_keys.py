"""Every checkpoint is held against the keys of its size, which the audit takes from the entries themselves."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.audit.log import Report, audit
from ledger.database import connect
from ledger.files import Files
from ledger.journal.journal import By
from ledger.journal.key_changes import retire_key, rotate_key, succeed_log
from ledger.journal.opening import open_ledger
from ledger.keys.keys import Keys
from ledger.log.checkpoint import Checkpoint
from ledger.log.guard import FreshGuard, Guard
from ledger.log.note import Signer, Verifier, sign_note, split_note
from ledger.settings import Settings
from tests import tampering
from tests.tampering import Forger, change, copied, places, stored_note
from tests.world import World

pytestmark = pytest.mark.slow

OPERATOR = By("system:operator")


@dataclass(frozen=True)
class Rotated:
    """A closed ledger whose log has changed its key: signed by the old one, by both, and by the new one alone."""

    folder: Path
    old: Signer
    new: Signer
    sizes: tuple[int, int, int]  # of a checkpoint of each of the three times


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> Rotated:
    folder = tmp_path_factory.mktemp("rotated") / "var"
    world = World.begin(folder)
    old = world.ledger.keys.signer
    sizes: list[int] = []
    for step in (lambda: None, _rotate(world), _retire(world)):
        step()
        world.material(f"M{len(sizes)}")
        sizes.append(world.size())
    world.close()
    return Rotated(folder, old, Keys.open(folder / "keys").signer, (sizes[0], sizes[1], sizes[2]))


def _rotate(world: World) -> Callable[[], object]:
    return lambda: rotate_key(world.ledger, "A test.", OPERATOR)


def _retire(world: World) -> Callable[[], object]:
    return lambda: retire_key(world.ledger, "A test.", OPERATOR)


@pytest.fixture
def folder(rotated: Rotated, tmp_path: Path) -> Path:
    return copied(rotated.folder, tmp_path / "var")


def audited(folder: Path, verifier: Verifier) -> Report:
    engine = connect(folder / "lotproof.db")
    try:
        return audit(engine, Files(folder / "files"), Guard(folder / "guard"), verifier)
    finally:
        engine.dispose()


def sign_again(folder: Path, size: int, *signers: Signer) -> None:
    """Put a checkpoint of this size there that others signed."""
    text = Checkpoint.parse(split_note(stored_note(folder, size))[0]).format()
    note = sign_note(text, *signers).replace("'", "''")
    change(folder, f"UPDATE log_checkpoints SET note = '{note}' WHERE size = {size}")


def test_the_three_times_of_a_rotation_are_right_under_the_old_key_and_under_the_new_one(
    rotated: Rotated,
) -> None:
    for size, count in zip(rotated.sizes, (1, 2, 1), strict=True):
        assert len(split_note(stored_note(rotated.folder, size))[1]) == count
    for key in (rotated.old, rotated.new):
        assert audited(rotated.folder, key.verifier).findings == ()


def test_a_checkpoint_that_not_just_the_keys_of_its_time_signed_is_named(
    rotated: Rotated, tmp_path: Path
) -> None:
    before, between, after = rotated.sizes
    old, new, stranger = rotated.old, rotated.new, Signer(rotated.old.name, b"s" * 32)
    wrong = {
        before: ((new,), (old, new), (stranger,), (old, stranger)),
        between: ((old,), (new,), (old, new, stranger)),
        after: ((old,), (old, new), (stranger,)),
    }
    for size, choices in wrong.items():
        for number, signers in enumerate(choices):
            folder = copied(rotated.folder, tmp_path / f"{size}-{number}")
            sign_again(folder, size, *signers)
            found = places(audited(folder, new.verifier)) - {("guard", "guard", "", "")}
            assert found == {("bad_checkpoint", "log_checkpoints", str(size), "note")}, (size, number)


def test_a_key_that_no_statement_leads_from_is_named(rotated: Rotated) -> None:
    stranger = Signer(rotated.old.name, b"s" * 32).verifier
    newest = str(audited(rotated.folder, rotated.new.verifier).size)
    assert places(audited(rotated.folder, stranger)) == {("key", "log_checkpoints", newest, "note")}


def test_the_keys_are_taken_from_the_entries_and_not_from_the_derived_table(
    rotated: Rotated, folder: Path
) -> None:
    change(folder, "DELETE FROM log_keys")
    assert audited(folder, rotated.new.verifier).findings == ()


def test_a_change_of_keys_without_its_statement_is_named_and_brings_in_no_key(
    rotated: Rotated, folder: Path
) -> None:
    """Whoever has the key that signs now can append entries, but no key without the statement of both."""
    stranger = Signer(rotated.old.name, b"s" * 32)
    with closing(sqlite3.connect(folder / "lotproof.db")) as database:
        (size,) = database.execute("SELECT max(position) + 1 FROM log_entries").fetchone()
    said = {
        "compromised": False,
        "new": stranger.verifier.to_text(),
        "old": rotated.new.verifier.to_text(),
        "reason": "A test.",
        "statement": sign_note("Trust me.\n", stranger),
    }
    Forger(folder).append(kind="log.key_rotated/1", data=said)
    assert places(audited(folder, rotated.new.verifier)) == {("key_change", "log_entries", str(size), "data")}


@pytest.mark.parametrize("derived", [False, True])
def test_a_last_known_checkpoint_that_the_entries_contradict_is_named(
    folder: Path, rotated: Rotated, derived: bool
) -> None:
    settings = Settings(data=folder)
    size = max(rotated.sizes)
    lie = sign_note(Checkpoint(rotated.new.name, size, b"\xab" * 32).format(), rotated.new)
    fresh = FreshGuard(settings.guard, stored_note(folder, size))
    ledger = open_ledger(settings, guard=fresh, accept_long_silence=True)
    succeed_log(ledger, origin="localhost:8000/log-2", reason="A test.", by=OPERATOR, last_known_note=lie)
    ledger.close()
    report = tampering.audited(folder, derived=derived)
    assert places(report) == {("last_known", "log_entries", str(size), "data.last.root")}
    [finding] = report.findings
    root = Checkpoint.parse(split_note(stored_note(folder, size))[0]).root
    assert (finding.facts["stands"], finding.facts["should"]) == ("ab" * 32, root.hex())
