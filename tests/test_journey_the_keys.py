"""The log's key is changed, again and again: what operators type, what auditors check, and what forgers get.

Auditors check with `lotproof verify` and with software that is not ours (`tests.outsider`).
"""

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.database import reading
from ledger.journal.key_events import read_keyring, read_statements
from ledger.journal.opening import open_ledger
from ledger.log.key_list import format_key_list
from ledger.log.layout import CHECKPOINT, CHECKPOINTS, Directory, frame_note
from ledger.log.note import Signer, sign_note, split_note
from ledger.settings import Settings
from portal.cli import main
from tests.outsider import Untrue, check_proof, read_key_list, read_log, read_proof

pytestmark = pytest.mark.slow
FINDING, REFUSED = 1, 3


@dataclass(frozen=True)
class Desk:
    """Somebody at the seller's command line."""

    data: Path
    papers: Path

    def types(self, *words: str) -> Result:
        return CliRunner().invoke(main, words, env={"LOTPROOF_DATA": str(self.data)}, catch_exceptions=False)

    def says(self, *words: str) -> str:
        result = self.types(*words)
        assert result.exit_code == 0, result.output
        return result.output

    def vkey(self) -> str:
        """The newest key."""
        return str(json.loads(self.says("keys", "list", "--json"))["keys"][-1]["vkey"])

    def rotates(self, *more: str) -> str:
        self.says("keys", "rotate", "--reason", "A year has passed.", *more)
        return self.vkey()

    def retires(self) -> None:
        self.says("keys", "retire", "--reason", "Every auditor has the new one.")

    def records(self, code: str) -> None:
        self.says("material", "register", "--code", code, "--name", code)

    def exports(self, name: str) -> Path:
        folder = self.papers / name
        self.says("log", "export", str(folder))
        return folder

    def proves(self, index: int, name: str) -> Path:
        self.says("log", "prove", str(index), "--out", str(self.papers / name))
        return self.papers / name

    def key_list(self) -> Path:
        """What stands at /log/keys, saved."""
        with closing(open_ledger(Settings(data=self.data))) as ledger, reading(ledger.engine) as connection:
            keyring = read_keyring(connection)
            assert keyring is not None
            text = format_key_list(keyring, read_statements(connection))
        (self.papers / "keys").write_text(text)
        return self.papers / "keys"

    def signer(self) -> Signer:
        """The log's key, in a thief's hands."""
        with closing(open_ledger(Settings(data=self.data))) as ledger:
            return ledger.keys.signer


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "var", tmp_path)
    desk.says("init", "--account", "Ada")
    desk.records("FILM")
    return desk


def fetch_from(folder: Path) -> Callable[[str], bytes]:
    return lambda path: (folder / path).read_bytes()


def both_accept(desk: Desk, folder: Path, vkey: str) -> str:
    """The product and the outsider take the export for true; gives what the product says."""
    read_log(fetch_from(folder), vkey)
    return desk.says("verify", str(folder), "--key", vkey)


def both_refuse(desk: Desk, folder: Path, vkey: str) -> str:
    with pytest.raises(Untrue):
        read_log(fetch_from(folder), vkey)
    result = desk.types("verify", str(folder), "--key", vkey)
    assert result.exit_code == FINDING
    return result.output


def test_whoever_knows_one_key_comes_to_the_newest_by_statements(desk: Desk) -> None:
    first = desk.vkey()
    second = desk.rotates()
    assert "by way of" not in both_accept(desk, desk.exports("overlap"), first)
    both_accept(desk, desk.exports("overlap"), second)
    desk.retires()
    desk.records("GLUE")
    third = desk.rotates("--compromised")
    folder = desk.exports("later")
    assert "by way of" not in both_accept(desk, folder, third)
    for vkey in (first, second):
        said = both_accept(desk, folder, vkey)
        assert "by way of" in said
        assert third.split("+")[1] in said
    stranger = Signer.generate("localhost:8000/log").verifier.to_text()
    assert "none of this log's" in both_refuse(desk, folder, stranger)


def test_the_old_key_alone_signs_nothing_after_a_rotation(desk: Desk) -> None:
    thief, first = desk.signer(), desk.vkey()
    second = desk.rotates()
    desk.retires()
    folder = desk.exports("log")
    notes = [one.note for one in Directory(folder).notes()]
    text = split_note((folder / CHECKPOINT).read_text())[0]
    forged = sign_note(text, thief)
    (folder / CHECKPOINT).write_text(forged)
    for vkey in (first, second):
        both_refuse(desk, folder, vkey)
    (folder / CHECKPOINTS).write_bytes(b"".join(map(frame_note, [*notes[:-1], forged])))
    for vkey in (first, second):
        assert "must sign" in both_refuse(desk, folder, vkey)


def test_in_the_overlap_one_signature_of_two_is_not_enough(desk: Desk) -> None:
    thief, first = desk.signer(), desk.vkey()
    second = desk.rotates()
    folder = desk.exports("log")
    text = split_note((folder / CHECKPOINT).read_text())[0]
    (folder / CHECKPOINT).write_text(sign_note(text, thief))
    for vkey in (first, second):
        both_refuse(desk, folder, vkey)


def test_an_old_proof_stays_true_and_a_new_one_is_led_to_by_the_list(desk: Desk) -> None:
    first, old_proof = desk.vkey(), desk.proves(2, "old.tlog-proof")
    desk.rotates()
    overlap_proof = desk.proves(2, "overlap.tlog-proof")
    desk.retires()
    new_proof = desk.proves(2, "new.tlog-proof")
    listed = desk.key_list()
    for path in (old_proof, overlap_proof):
        desk.says("verify", str(path), "--key", first)
    refused = desk.types("verify", str(new_proof), "--key", first)
    assert refused.exit_code == FINDING
    assert "--statements" in refused.output
    said = desk.says("verify", str(new_proof), "--key", first, "--statements", str(listed))
    assert "by way of" in said
    desk.says("verify", str(new_proof), "--key", desk.vkey())
    # In the overlap the list asks for both signatures; before and after it, for one.
    for path in (old_proof, overlap_proof):
        desk.says("verify", str(path), "--key", first, "--statements", str(listed))

    keys = read_key_list(listed.read_text())
    for path in (old_proof, overlap_proof, new_proof):
        proof = read_proof(path.read_bytes())
        check_proof(proof, proof.extra or b"", first, keys=keys)
    with pytest.raises(Untrue):
        check_proof(proof, proof.extra or b"", first)


def test_a_list_with_a_thiefs_key_leads_nowhere(desk: Desk) -> None:
    first = desk.vkey()
    desk.rotates()
    desk.retires()
    proof, listed = desk.proves(2, "new.tlog-proof"), desk.key_list()
    text = listed.read_text()
    thief = Signer.generate("localhost:8000/log").verifier.to_text()
    listed.write_text(text.replace(desk.vkey(), thief))
    result = desk.types("verify", str(proof), "--key", first, "--statements", str(listed))
    assert result.exit_code == FINDING
    with pytest.raises(Untrue):
        read_key_list(listed.read_text())


def test_keys_are_listed_with_where_they_are_and_what_is_not_recorded(desk: Desk) -> None:
    desk.rotates()
    shown = desk.says("keys", "list")
    assert "log.previous.pem" in shown
    assert "The master key is in use since" in shown
    desk.retires()
    listed = json.loads(desk.says("keys", "list", "--json"))
    assert [one["private_half"] for one in listed["keys"]] == ["not here", "log.pem"]
    assert not listed["master_key"]["is_overdue"]
    assert desk.types("keys", "retire", "--reason", "Again.").exit_code == REFUSED


def test_the_master_key_is_replaced_in_place_or_by_a_file(desk: Desk) -> None:
    desk.says("keys", "rotate-master", "--reason", "Its time has run out.")
    desk.records("GLUE")
    said = desk.says(
        "keys", "rotate-master", "--reason", "It moves.", "--new-file", str(desk.papers / "master")
    )
    assert "LOTPROOF_MASTER_KEY_FILE=" in said
    assert desk.types("log", "show").exit_code == REFUSED
    env = {"LOTPROOF_DATA": str(desk.data), "LOTPROOF_MASTER_KEY_FILE": str(desk.papers / "master")}
    assert CliRunner().invoke(main, ["log", "show"], env=env).exit_code == 0


def test_a_copy_of_the_keys_without_the_master_key_signs_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.says("keys", "rotate-master", "--reason", "It moves.", "--new-file", str(desk.papers / "master"))
    copy = Desk(tmp_path / "copy", tmp_path / "papers")
    shutil.copytree(desk.data, copy.data)
    result = copy.types("material", "register", "--code", "FAKE", "--name", "Fake")
    assert result.exit_code == REFUSED
    assert "does not open" in result.output
