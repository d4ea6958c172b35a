"""`lotproof log compare` as whoever kept a checkpoint types it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.cli.compare import compare_checkpoint
from ledger.cli.guard import resume, succeed
from ledger.cli.support import Group
from ledger.journal.journal import By
from ledger.journal.key_changes import rotate_key
from ledger.journal.key_events import read_keyring
from ledger.log.checkpoint import Checkpoint
from ledger.log.compare import short_form
from ledger.log.note import Signer, sign_note, split_note
from ledger.log.proving import prove_entry
from ledger.trace.bill_of_materials import RegisterMaterial
from tests.world import ADA, World

pytestmark = pytest.mark.files  # the folder is looked at from outside, as files


@pytest.fixture
def kept(world: World) -> str:
    """A checkpoint kept on the way; the log went on since."""
    world.do(RegisterMaterial(code="FILM", name="Film"))
    note = world.standing().note
    world.do(RegisterMaterial(code="CELL", name="Cell"))
    return note


def compare(world: World, *words: str, given: str | None = None) -> Result:
    log = Group("log", commands={"compare": compare_checkpoint})
    environ = {"LOTPROOF_DATA": str(world.ledger.settings.data)}
    return CliRunner().invoke(log, ["compare", *words], env=environ, input=given)


def told(result: Result) -> dict[str, object]:
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_a_file_standard_input_the_text_itself_and_the_short_form_are_all_taken(
    world: World, kept: str, tmp_path: Path
) -> None:
    file = tmp_path / "kept"
    file.write_text(kept)
    short = short_form(Checkpoint.parse(split_note(kept)[0]))
    assert "contains it" in compare(world, str(file)).stdout
    assert "contains it" in compare(world, "-", given=kept).stdout
    assert "contains it" in compare(world, kept).stdout
    found = compare(world, *short.split(" "))
    assert found.exit_code == 0
    assert "carries no signature" in found.stdout


def test_a_proof_file_holds_a_checkpoint_too(world: World, kept: str, tmp_path: Path) -> None:
    file = tmp_path / "entry.tlog-proof"
    file.write_text(world.read(lambda connection: prove_entry(connection, 1, kept)).format())
    assert told(compare(world, str(file), "--json"))["result"] == "contained"


def test_the_proof_is_checked_elsewhere_with_nothing_but_the_key(
    world: World, kept: str, tmp_path: Path
) -> None:
    proof, file = tmp_path / "proof", tmp_path / "kept"
    file.write_text(kept)
    assert compare(world, str(file), "--proof", str(proof)).exit_code == 0
    key = world.ledger.keys.signer.verifier.to_text()
    elsewhere = CliRunner().invoke(
        compare_checkpoint,
        [str(file), "--against", str(proof), "--key", key],
        env={"LOTPROOF_DATA": str(tmp_path / "nothing")},
    )
    assert elsewhere.exit_code == 0, elsewhere.output
    assert "Proven" in elsewhere.stdout
    lines = proof.read_text().split("\n")
    lines[1] = "A" + lines[1][1:] if lines[1][0] != "A" else "B" + lines[1][1:]
    proof.write_text("\n".join(lines))
    refuted = compare(world, str(file), "--against", str(proof), "--key", key)
    assert refuted.exit_code == 1


def test_after_a_change_of_keys_the_proof_asks_for_the_key_that_was_not_given(
    world: World, kept: str, tmp_path: Path
) -> None:
    proof, old = tmp_path / "proof", world.ledger.keys.signer.verifier.to_text()
    rotate_key(world.ledger, "It was stolen.", By(ADA), compromised=True)
    keyring = world.read(read_keyring)
    assert keyring is not None
    new = keyring.newest.verifier.to_text()
    assert compare(world, kept, "--proof", str(proof)).exit_code == 0
    how = (kept, "--against", str(proof), "--key")
    for key, source in ((old, "The newer checkpoint in the proof"), (new, "The checkpoint that was kept")):
        refused = compare(world, *how, key)
        assert refused.exit_code == 3
        assert f"{source} is signed by none of the keys" in refused.stderr
        assert "each with its own --key" in refused.stderr
    assert "Proven" in compare(world, *how, old, "--key", new).stdout


def test_a_rewritten_history_is_a_finding_in_plain_words(world: World, kept: str) -> None:
    point = Checkpoint.parse(split_note(kept)[0])
    signer = world.ledger.keys.signer
    other = sign_note(Checkpoint(point.origin, point.size, b"x" * 32).format(), signer)
    found = compare(world, other)
    assert found.exit_code == 1
    assert found.stdout.startswith("HISTORY WAS REWRITTEN")
    typed = compare(world, f"{point.size} {'78' * 16}")
    assert typed.exit_code == 1
    assert "slip of the pen" in typed.stdout


def test_a_checkpoint_of_more_entries_says_that_this_database_is_older(world: World, kept: str) -> None:
    later = Checkpoint(world.ledger.settings.origin, world.size() + 4, b"x" * 32)
    found = compare(world, sign_note(later.format(), world.ledger.keys.signer), "--json")
    assert (found.exit_code, told(found)["result"]) == (1, "behind")


def test_what_somebody_else_signed_is_refused(world: World, kept: str) -> None:
    point = Checkpoint.parse(split_note(kept)[0])
    stranger = sign_note(point.format(), Signer.generate(point.origin))
    assert compare(world, stranger).exit_code == 3
    elsewhere = Signer.generate("other.example/log")
    assert (
        compare(world, sign_note(Checkpoint(elsewhere.name, 2, b"x" * 32).format(), elsewhere)).exit_code == 3
    )
    assert compare(world, "other.example/log 4 00010203").exit_code == 3


def test_what_is_no_checkpoint_is_wrong_usage(world: World, kept: str) -> None:
    assert compare(world, "hello there").exit_code == 2
    assert compare(world, "").exit_code == 2
    assert compare(world, kept, "--against", __file__).exit_code == 2


@pytest.mark.parametrize("name", ["no-such-file", "kept.txt", "{}/no such folder/kept"])
def test_a_file_that_is_not_there_is_named_to_whoever_compares_or_goes_on_by_it(
    world: World, tmp_path: Path, name: str
) -> None:
    path = name.format(tmp_path)
    environ = {"LOTPROOF_DATA": str(world.ledger.settings.data)}
    log = Group("log", commands={"resume": resume, "succeed": succeed})
    results = (
        compare(world, path),
        CliRunner().invoke(log, ["resume", "--reason", "x", "--checkpoint", path], env=environ),
        CliRunner().invoke(
            log, ["succeed", "--origin", "a/b", "--reason", "x", "--last-known", path], env=environ
        ),
    )
    for result in results:
        assert result.exit_code == 2
        assert f"There is no file {path}." in result.stderr
