"""`lotproof log`, `audit`, `verify` and `rebuild`, as they are called."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.cli.audit import audit
from ledger.cli.border import Group
from ledger.cli.log import rebuild
from ledger.cli.verify import verify
from ledger.journal.clock import SetClock
from ledger.journal.journal import By
from ledger.journal.opening import Ledger, create_ledger, open_ledger
from ledger.log.note import Signer
from ledger.settings import Settings
from ledger.state import open_state
from ledger.trace.party import RegisterParty, register_party
from portal.cli_log import log
from portal.staff import let_in

LOTPROOF = Group("lotproof", commands={"log": log, "audit": audit, "verify": verify, "rebuild": rebuild})


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A company with three suppliers, where the environment points."""
    made = Settings(data=tmp_path / "var")
    ledger = create_ledger(made)
    for number in range(3):
        request = RegisterParty(code=f"P{number}", name=f"Maker {number}", role="factory", country="CN")
        ledger.journal.write(register_party, request, By("account:" + "A" * 16))
    ledger.close()
    monkeypatch.setenv("LOTPROOF_DATA", str(made.data))
    return made


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(LOTPROOF, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def said(*arguments: str) -> dict[str, object]:
    """What a command says in JSON."""
    value: dict[str, object] = json.loads(run(*arguments, "--json").stdout)
    return value


def vkey() -> str:
    return run("log", "vkey").stdout.strip()


# --- proofs, checked offline


def test_a_proof_with_its_entry_is_proven_offline(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, file = vkey(), tmp_path / "entry.tlog-proof"
    assert run("log", "prove", "2", "--out", str(file)).exit_code == 0
    entry = run("log", "show", "2", "--json").stdout.strip()
    monkeypatch.setenv("LOTPROOF_DATA", str(tmp_path / "nowhere"))
    result = run("verify", str(file), "--key", key)
    assert result.exit_code == 0
    assert "this is entry 2 of the 8" in result.stdout
    assert entry in result.stdout
    assert said("verify", str(file), "--key", key)["entry"] == entry


def test_without_the_entry_only_the_signature_is_spoken_of(settings: Settings, tmp_path: Path) -> None:
    text = run("log", "prove", "2").stdout
    bare = tmp_path / "bare.tlog-proof"
    bare.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("extra ")))
    result = run("verify", str(bare), "--key", vkey())
    assert result.exit_code == 2
    assert result.stdout.startswith("Signature only:")
    assert "roven" not in result.stdout
    entry = tmp_path / "entry"
    entry.write_bytes(run("log", "show", "2", "--json").stdout.strip().encode())
    assert run("verify", str(bare), "--key", vkey(), "--entry", str(entry)).exit_code == 0
    entry.write_bytes(entry.read_bytes() + b" ")
    assert run("verify", str(bare), "--key", vkey(), "--entry", str(entry)).exit_code == 1


def test_every_changed_line_of_a_proof_is_refused(settings: Settings, tmp_path: Path) -> None:
    text, key = run("log", "prove", "2").stdout, vkey()
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        changed = line.replace(line[0], "Z" if line[0] != "Z" else "Y", 1) if line.strip() else "x\n"
        file = tmp_path / "changed.tlog-proof"
        file.write_text("".join([*lines[:number], changed, *lines[number + 1 :]]))
        result = run("verify", str(file), "--key", key)
        assert result.exit_code == 1, (line, changed, result.stdout)


def test_a_proof_under_another_key_is_refused_and_a_wrong_key_is_no_answer(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "proof"
    run("log", "prove", "0", "--out", str(file))
    other = Signer(settings.origin, b"k" * 32).verifier.to_text()
    assert run("verify", str(file), "--key", other).exit_code == 1
    assert run("verify", str(file), "--key", "nonsense").exit_code == 3
    assert run("verify", str(file)).exit_code == 2
    (tmp_path / "picture").write_bytes(b"\xff\xd8\xff")
    assert run("verify", str(tmp_path / "picture"), "--key", vkey()).exit_code == 1


def test_an_export_is_proven_as_a_whole_and_refused_after_a_change(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    assert said("log", "export", str(folder))["size"] == 8
    result = run("verify", str(folder), "--key", vkey())
    assert (result.exit_code, "all 8 entries" in result.stdout) == (0, True)
    bundle = folder / "tile/entries/000.p/8"
    bundle.write_bytes(bundle.read_bytes().replace(b"Maker 1", b"Maker 2"))
    result = run("verify", str(folder), "--key", vkey())
    assert (result.exit_code, "tile/0/000.p/8" in result.stdout) == (1, True)


# --- looking


def test_show_gives_an_entry_a_list_and_the_history_of_a_subject(settings: Settings) -> None:
    shown = run("log", "show", "2")
    data = json.loads(shown.stdout)["data"]
    assert data["code"] == "P0"
    assert len(run("log", "show").stdout.splitlines()) == 9
    assert run("log", "show", "--last", "1").stdout.splitlines()[1].startswith("   #7")
    about = json.loads(run("log", "show", "--subject", f"party:{data['party']}", "--json").stdout)
    assert [one["index"] for one in about] == [2]
    opened = json.loads(run("log", "show", "0", "--json").stdout)["subjects"]
    history = json.loads(run("log", "show", "--subject", next(iter(opened)), "--json").stdout)
    assert [one["index"] for one in history] == [7, 5, 3, 1, 0]


def test_what_is_not_there_is_refused_in_words(settings: Settings) -> None:
    for arguments in (("log", "show", "99"), ("log", "prove", "99")):
        result = run(*arguments)
        assert (result.exit_code, result.stderr.startswith("lotproof: The log has no entry 99")) == (3, True)
    told = json.loads(run("log", "prove", "99", "--json").stderr)
    assert told["error"] == "NoSuchEntry"
    assert run("log", "show", "--subject", "batch").exit_code == 2
    assert run("log", "show", "-1").exit_code == 2
    assert run("rebuild", "unicorn").exit_code == 2


def test_without_a_ledger_every_command_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOTPROOF_DATA", str(tmp_path / "nowhere"))
    for arguments in (("log", "show"), ("log", "vkey"), ("audit",), ("rebuild",)):
        result = run(*arguments)
        assert (result.exit_code, "lotproof init" in result.stderr) == (3, True)


# --- audit and rebuild


def test_an_audit_says_what_it_looked_at_and_finds_nothing(settings: Settings) -> None:
    result = run("audit")
    assert (result.exit_code, result.stdout) == (0, "Nothing wrong found in 8 entries and 4 checkpoints.\n")
    assert said("audit", "--derived")["findings"] == []


def test_an_audit_names_a_changed_value_and_a_rebuild_mends_it(settings: Settings) -> None:
    with sqlite3.connect(settings.data / "lotproof.db") as database:
        database.execute("UPDATE parties SET country = 'DE' WHERE code = 'P1'")
        row = database.execute("SELECT id FROM parties WHERE code = 'P1'").fetchone()[0]
    database.close()
    assert run("audit").exit_code == 0  # the log itself is as it was
    result = run("audit", "--derived")
    assert result.exit_code == 1
    assert f"derived: parties {row} country: is DE, and the log makes it CN" in result.stdout
    found = said("audit", "--derived")["findings"]
    assert isinstance(found, list)
    assert [(one["table"], one["row"], one["field"]) for one in found] == [("parties", row, "country")]
    assert said("rebuild", "party") == {"nouns": ["party"], "entries": 8}
    assert run("audit", "--derived").exit_code == 0


def test_an_audit_with_another_key_finds_that_nothing_fits(settings: Settings) -> None:
    other = Signer(settings.origin, b"k" * 32).verifier.to_text()
    result = run("audit", "--key", other)
    assert result.exit_code == 1
    assert run("audit", "--key", vkey()).exit_code == 0


def test_after_an_upgrade_a_rebuild_is_needed_and_enough(settings: Settings) -> None:
    with sqlite3.connect(settings.data / "lotproof.db") as database:
        database.execute("UPDATE projections SET version = 0 WHERE noun = 'party'")
    database.close()
    assert "lotproof rebuild" in run("log", "show").stderr
    result = run("audit", "--derived")
    assert (result.exit_code, "rebuild_needed: projections party version" in result.stdout) == (1, True)
    assert run("rebuild").exit_code == 0
    assert run("log", "show").exit_code == 0
    assert run("audit", "--derived").exit_code == 0


# --- the clock


def test_a_wrong_clock_is_corrected_by_an_entry_that_may_step_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=tmp_path / "var")
    ahead: Ledger = create_ledger(settings, clock=SetClock(datetime.now(UTC) + timedelta(days=3)))
    state = open_state(settings.state_db)
    let_in(ahead, state, "Ada", ("admin",), now=datetime.now(UTC))
    state.dispose()
    ahead.close()
    monkeypatch.setenv("LOTPROOF_DATA", str(settings.data))
    result = run("log", "correct-clock", "--reason", "The battery was flat.")
    assert result.exit_code == 0, result.output
    ledger = open_ledger(settings)
    assert ledger.journal.read(5).at < ledger.journal.read(4).at
    assert ledger.journal.read(5).event.reason == "The battery was flat."
    ledger.close()
    assert run("audit", "--derived").exit_code == 0
