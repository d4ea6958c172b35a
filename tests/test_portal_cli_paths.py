"""Paths that cannot be written or read: a sentence and exit code 2 or 3, never 1, which means a finding."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portal.cli import main


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("made") / "var"
    assert typed(data, "init", "--account", "Ada").exit_code == 0
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    """An empty company, a test's own."""
    return Path(shutil.copytree(made, tmp_path / "var"))


def typed(data: Path, *words: str) -> Result:
    result = CliRunner().invoke(main, words, env={"LOTPROOF_DATA": str(data)})
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return result


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "--report"),
        ("audit", "--keep"),
        ("audit", "--resume"),
        ("log", "prove", "0", "--out"),
        ("log", "compare", "1 3f2a 91bc 77d0", "--proof"),
        ("keys", "rotate-master", "--reason", "Its time has run out.", "--new-file"),
        ("person", "export", "CL-1", "--out"),
        ("label", "unit", "S", "--out"),
        ("label", "sheet", "B1", "--out"),
        ("shipment", "paper", "SH-1", "--out"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("folder", ["missing", "/proc", "a file"])
def test_a_file_that_cannot_be_made_is_wrong_usage_before_any_work_is_done(
    words: tuple[str, ...], folder: str, tmp_path: Path
) -> None:
    (tmp_path / "a file").touch()
    result = typed(tmp_path / "no ledger is opened", *words, str(tmp_path / folder / "out"))
    assert (result.exit_code, "nothing can be written in" in result.stderr) == (2, True), result.output


def test_a_key_that_is_there_already_may_lie_where_nothing_can_be_written(data: Path) -> None:
    result = typed(data, "keys", "rotate-master", "--reason", "Its time.", "--new-file", "/proc/version")
    assert result.exit_code == 3
    assert "nothing can be written" not in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("log", "export", "/proc/x"),
        ("backup", "/proc/x"),
        ("backup", "{good}", "--vault", "/proc/x"),
        ("backup", "{good}", "--keys", "/proc/x"),
    ],
    ids=" ".join,
)
def test_a_folder_that_cannot_be_made_is_named_and_is_no_finding(
    words: tuple[str, ...], data: Path, tmp_path: Path
) -> None:
    result = typed(data, *(word.format(good=tmp_path / "good") for word in words))
    assert (result.exit_code, "/proc/x" in result.stderr) == (3, True), result.output


def test_an_audit_with_a_report_and_a_checkpoint_to_keep_writes_both(data: Path, tmp_path: Path) -> None:
    report, keep = tmp_path / "report.html", tmp_path / "kept"
    assert typed(data, "audit", "--report", str(report), "--keep", str(keep)).exit_code == 0
    assert report.read_text().startswith("<!doctype html>")
    assert keep.read_text().splitlines()[0] == "localhost:8000/log"
    assert sorted(tmp_path.iterdir()) == [keep, report, data]
