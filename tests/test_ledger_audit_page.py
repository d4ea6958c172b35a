"""The report that prints: everything that was found and what was looked at, on one page that needs nothing else."""

import json
import re
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zxingcpp
from click.testing import CliRunner, Result
from PIL import Image

from ledger.audit.advice import ADVICE
from ledger.audit.finding import Finding
from ledger.audit.log import Report
from ledger.audit.page import page
from ledger.audit.told import Audited, as_text, as_values
from ledger.cli.audit import audit
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import Signer, sign_note
from ledger.settings import Settings
from tests.tampering import change
from tests.world import World

SIGNER = Signer("lots.example/log", b"k" * 32)
NOTE = sign_note(Checkpoint(SIGNER.name, 1_234, b"r" * 32).format(), SIGNER)


def audited(*findings: Finding) -> Audited:
    return Audited(
        report=Report(1_234, 600, findings, note=NOTE, vault_rows=12),
        origin=SIGNER.name,
        key=SIGNER.verifier.to_text(),
        begun=datetime(2025, 5, 1, 8, tzinfo=UTC),
        seconds=1.5,
        version="1.0",
        is_derived=False,
        has_guard=True,
    )


def one_of_each() -> list[Finding]:
    return [
        Finding(
            code,
            "log_entries",
            str(row),
            "body",
            f"<b>is wrong</b> & {code}",
            {"stands": "aa", "should": "bb"},
        )
        for row, code in enumerate(code for code in ADVICE if code != "more")
    ]


def test_the_page_holds_every_finding_with_its_advice_and_loads_nothing() -> None:
    made = page(audited(*one_of_each(), Finding("more", "", "", "", "7 more findings", {"count": 7})))
    assert "<b>is wrong</b>" not in made  # what stands in a database may be written by anybody
    for code, advice in ADVICE.items():
        assert advice.means.replace("'", "&#x27;") in made, code
    assert not re.search(r"""(?:src|href|url)\s*[=(]""", made)
    assert f"{len(ADVICE) - 1 + 7:,} findings" in made
    assert "<script" not in made


def test_the_page_says_what_was_checked_and_what_was_not() -> None:
    made = page(audited())
    assert "Nothing wrong was found" in made
    assert "1 May 2025, 08:00:00 UTC" in made
    assert re.search(r"every row opened \(12\)</td><td>✓ yes", made)
    assert re.search(r"derived from the log, made again and compared</td><td>— no", made)


def test_text_and_json_say_the_same_findings_and_what_to_do() -> None:
    told = audited(*one_of_each())
    text, values = as_text(told), json.loads(json.dumps(as_values(told)))
    for one, listed in zip(told.report.findings, values["findings"], strict=True):
        assert f"{one.code}: {one}" in text
        assert (listed["code"], listed["row"]) == (one.code, one.row)
        assert values["advice"][one.code]["next"] == list(ADVICE[one.code].next)
        assert f"  What it means: {ADVICE[one.code].means}" in text


@pytest.mark.slow
def test_the_square_on_the_printed_page_holds_the_checkpoint(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    assert browser, "make test installs it"
    (tmp_path / "report.html").write_text(page(audited(*one_of_each()[:2])), encoding="utf-8")
    subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--window-size=900,2400",
            "--force-device-scale-factor=2",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={tmp_path / 'page.png'}",
            (tmp_path / "report.html").as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    [code] = zxingcpp.read_barcodes(Image.open(tmp_path / "page.png"))
    assert code.text == NOTE


# --- as it is called


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A company with a claim, where the environment points."""
    world = World.begin(tmp_path / "var")
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=2)
    world.recall("R1", lots=["SF-1"])
    world.claim(batch.serials[0])
    world.close()
    monkeypatch.setenv("LOTPROOF_DATA", str(tmp_path / "var"))
    return Settings(data=tmp_path / "var")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(audit, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


@pytest.mark.slow
def test_everything_at_once_finds_nothing_and_writes_its_page_once(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    result = run(
        "--derived", "--vault", "--progress", "--resume", str(tmp_path / "resume"), "--report", str(file)
    )
    assert result.exit_code == 0, result.output
    assert "rows of the vault" in result.stdout
    assert "entries checked" in result.stderr
    assert "Nothing wrong was found" in file.read_text(encoding="utf-8")
    before = file.read_bytes()
    refused = CliRunner().invoke(audit, ["--report", str(file)])
    assert type(refused.exception).__name__ == "ReportExists"
    assert file.read_bytes() == before


@pytest.mark.slow
def test_a_changed_row_of_the_vault_is_named_and_the_log_is_not_accused(settings: Settings) -> None:
    with sqlite3.connect(settings.data / "vault.db") as database:
        (item,) = database.execute("SELECT id FROM items LIMIT 1").fetchone()
        database.execute("UPDATE items SET ciphertext = zeroblob(length(ciphertext)) WHERE id = ?", (item,))
    database.close()
    assert run().exit_code == 0
    said = json.loads(run("--vault", "--json").stdout)
    assert [(one["code"], one["table"], one["row"]) for one in said["findings"]] == [
        ("vault", "vault.items", item)
    ]


@pytest.mark.slow
def test_the_vault_cannot_be_opened_with_a_key_from_outside(settings: Settings) -> None:
    refused = CliRunner().invoke(audit, ["--vault", "--key", SIGNER.verifier.to_text()])
    assert type(refused.exception).__name__ == "NoKeysToOpen"


@pytest.mark.slow
def test_the_checkpoint_of_a_clean_audit_is_kept_and_the_next_one_begins_there(
    settings: Settings, tmp_path: Path
) -> None:
    kept = tmp_path / "checked"
    assert run("--keep", str(kept)).exit_code == 0
    note = kept.read_text(encoding="utf-8")
    assert run("--since", str(kept), "--keep", str(kept)).exit_code == 0
    change(settings.data, "UPDATE log_entries SET leaf = zeroblob(32) WHERE position = 3")
    assert run("--since", str(kept), "--keep", str(kept)).exit_code == 1
    assert kept.read_text(encoding="utf-8") == note  # what was found something in is no place to begin at
