"""A database that is missing, emptied or another one: a loss is called a loss, and nothing is made over it."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.settings import Settings
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


def error_of(data: Path, *words: str) -> str:
    """The class of what was refused, told in JSON."""
    result = typed(data, *words, "--json")
    assert result.exit_code == 3, result.output
    return str(json.loads(result.stderr)["error"])


def remove(data: Path, name: str) -> None:
    for file in data.glob(f"{name}*"):
        file.unlink()


ASKING = [
    ("claim", "list"),
    ("log", "show"),
    ("rebuild",),
    ("migrate",),
    ("log", "compare", "1 3f2a 91bc 77d0 3f2a 91bc"),
]


@pytest.mark.parametrize("words", ASKING, ids=" ".join)
def test_an_emptied_log_is_a_loss_and_no_upgrade(data: Path, words: tuple[str, ...]) -> None:
    remove(data, "lotproof.db")
    (data / "lotproof.db").touch()
    result = typed(data, *words)
    assert (result.exit_code, "There is no log in" in result.stderr) == (3, True), result.output
    assert "lotproof restore" in result.stderr
    assert "rebuild" not in result.stderr
    (data / "guard").unlink()  # nor is it one where nobody can tell what was published
    assert error_of(data, *words) == "LogMissing"


@pytest.mark.parametrize("words", [*ASKING, ("audit",), ("token", "list")], ids=" ".join)
@pytest.mark.parametrize("left", ["guard", "keys", "settings.json"])
def test_a_missing_log_beside_any_trace_of_one_is_named_and_not_made_anew(
    data: Path, words: tuple[str, ...], left: str
) -> None:
    for path in data.iterdir():
        if path.name != left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    result = typed(data, *words)
    assert result.exit_code == 3
    assert f"{data / 'lotproof.db'} is missing, and {data / left} says" in result.stderr
    assert "lotproof init" not in result.stderr
    assert "lotproof restore" in result.stderr
    assert list(data.iterdir()) == [data / left]


def test_a_folder_without_a_trace_has_no_ledger_yet(tmp_path: Path) -> None:
    for words in (*ASKING, ("audit",), ("token", "list")):
        assert "lotproof init" in typed(tmp_path / "var", *words).stderr
        assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("is_emptied", [False, True])
def test_a_missing_vault_is_said_and_begins_anew_only_when_told_to(data: Path, *, is_emptied: bool) -> None:
    remove(data, "vault.db")
    if is_emptied:
        (data / "vault.db").touch()
    assert error_of(data, "log", "show") == "VaultMissing"
    assert error_of(data, "seller", "describe", "--brand", "B", "--company", "C") == "VaultMissing"
    assert (data / "vault.db").exists() == is_emptied
    begun = typed(data, "migrate")
    assert (begun.exit_code, "vault.db was missing or empty" in begun.stderr) == (0, True)
    assert typed(data, "log", "show").exit_code == 0
    assert typed(data, "migrate").stderr == ""


def test_a_restore_without_a_vault_begins_with_an_empty_one(data: Path, tmp_path: Path) -> None:
    copy, keys, back = tmp_path / "copy", tmp_path / "keys", tmp_path / "back"
    assert typed(data, "backup", str(copy), "--keys", str(keys)).exit_code == 0
    restored = typed(back, "restore", str(copy), "--keys", str(keys), "--guard", str(data / "guard"))
    assert restored.exit_code == 0, restored.output
    assert typed(back, "log", "show").exit_code == 0


def test_a_folder_made_for_postgresql_says_that_the_address_is_not_set(tmp_path: Path) -> None:
    made = Settings(data=tmp_path / "var", database_url="postgresql+psycopg://nobody@localhost/lotproof")
    made.init()
    result = typed(made.data, "log", "show")
    assert (result.exit_code, "LOTPROOF_DATABASE_URL is not set" in result.stderr) == (3, True)
