"""`lotproof log import`: a mirror that is read like a ledger, never written to, and that notices a second history."""

import json
import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.log.note import Verifier
from portal.cli import main
from tests.postgres import Server
from tests.world import BEGINNING, World


def run(data: Path, *arguments: str, **environment: str) -> Result:
    """What a command does for whoever's folder of data is `data`."""
    result = CliRunner().invoke(main, list(arguments), env={"LOTPROOF_DATA": str(data), **environment})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def said(data: Path, *arguments: str) -> dict[str, object]:
    value: dict[str, object] = json.loads(run(data, *arguments, "--json").stdout)
    return value


def tell(world: World) -> None:
    """A batch with units, shipped and recalled."""
    world.lot("SF-1", "4000 m")
    world.batch("B1", lots={"SF-1": "1200 m"}, units=5).ships(to="DE", count=3)
    world.recall("R1", lots=["SF-1"])


def key(world: World) -> str:
    return world.ledger.keys.signer.verifier.to_text()


def exported(world: World, folder: Path, *options: str) -> Path:
    assert run(world.ledger.settings.data, "log", "export", str(folder), *options).exit_code == 0
    return folder


@pytest.fixture
def mirror(world: World, tmp_path: Path) -> Path:
    """A mirror of a told world."""
    tell(world)
    folder = exported(world, tmp_path / "log", "--files")
    result = run(tmp_path / "mirror", "log", "import", str(folder), "--key", key(world))
    assert result.exit_code == 0, result.output
    return tmp_path / "mirror"


READING = (
    ("log", "show", "0"),
    ("log", "show", "--json"),
    ("log", "vkey", "--json"),
    ("trace", "SF-1", "--json"),
    ("batch", "list", "--json"),
    ("batch", "show", "VS-10/B1", "--json"),
    ("recall", "list", "--json"),
    ("party", "list", "--json"),
)


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_mirror_says_what_its_ledger_says(world: World, mirror: Path, command: tuple[str, ...]) -> None:
    there, here = run(world.ledger.settings.data, *command), run(mirror, *command)
    assert (here.exit_code, here.stdout) == (there.exit_code, there.stdout)
    assert here.exit_code == 0


def test_a_mirrors_audit_proof_comparison_and_export_are_as_good(
    world: World, mirror: Path, tmp_path: Path
) -> None:
    assert run(mirror, "audit", "--derived", "--key", key(world)).exit_code == 0
    assert run(mirror, "audit").exit_code == 0
    proof, note = tmp_path / "proof", tmp_path / "note"
    assert run(mirror, "log", "prove", "3", "--out", str(proof)).exit_code == 0
    assert run(mirror, "verify", str(proof), "--key", key(world)).exit_code == 0
    note.write_text(world.standing().note)
    assert said(mirror, "log", "compare", str(note))["result"] == "contained"
    assert run(mirror, "log", "export", str(tmp_path / "again"), "--files").exit_code == 0
    assert run(mirror, "verify", str(tmp_path / "again"), "--key", key(world)).exit_code == 0
    assert run(mirror, "rebuild").exit_code == 0
    assert run(mirror, "audit", "--derived").exit_code == 0


WRITING = (
    ("party", "register", "--code", "X", "--name", "X", "--role", "factory", "--country", "CN"),
    ("log", "correct-clock", "--reason", "It was wrong."),
    ("serve", "--port", "1"),
    ("worker", "--once"),
)


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_nothing_is_written_to_a_mirror_or_served_from_it(mirror: Path, command: tuple[str, ...]) -> None:
    before = sorted(path.name for path in mirror.iterdir())
    result = run(mirror, *command)
    assert result.exit_code in {2, 3}
    if result.exit_code == 3:
        assert "is a mirror of" in result.stderr
    assert run(mirror, "audit", "--derived").exit_code == 0
    assert sorted(path.name for path in mirror.iterdir()) == before


def test_a_mirror_holds_no_key_no_guard_no_vault_and_no_state(mirror: Path) -> None:
    assert {path.name for path in mirror.iterdir()} <= {
        "files",
        "lotproof.db",
        "lotproof.db-shm",
        "lotproof.db-wal",
        "settings.json",
        "turnstile",
    }


def test_a_mirror_is_brought_up_to_date_without_naming_the_key_again(
    world: World, mirror: Path, tmp_path: Path
) -> None:
    world.batch("B2", units=3)
    folder = exported(world, tmp_path / "log", "--files")
    told = said(mirror, "log", "import", str(folder))
    assert (told["size"], told["missing"]) == (world.size(), None)
    assert run(mirror, "batch", "list").stdout == run(world.ledger.settings.data, "batch", "list").stdout
    assert said(mirror, "log", "import", str(folder))["new"] == 0


def test_without_the_files_a_mirror_has_the_log_and_says_how_to_get_the_rest(
    world: World, tmp_path: Path
) -> None:
    tell(world)
    folder, data = exported(world, tmp_path / "log"), tmp_path / "mirror"
    assert "Export with --files" in run(data, "log", "import", str(folder), "--key", key(world)).stdout
    assert run(data, "batch", "list").exit_code == 3
    shutil.copytree(world.ledger.settings.files, data / "files", dirs_exist_ok=True)
    assert run(data, "rebuild").exit_code == 0
    assert run(data, "batch", "list").stdout == run(world.ledger.settings.data, "batch", "list").stdout


def test_a_second_history_is_a_finding_and_both_checkpoints_are_kept(
    world: World, mirror: Path, tmp_path: Path
) -> None:
    data = world.ledger.settings.data
    shutil.copytree(data, tmp_path / "branch-data")
    world.party("A")
    assert run(mirror, "log", "import", str(exported(world, tmp_path / "log", "--files"))).exit_code == 0
    with closing(World.begin_as(tmp_path / "branch-data", tmp_path / "branch")) as branch:
        branch.clock.moment = BEGINNING + timedelta(days=3)
        branch.party("B")
        branch.party("C")
        folder = exported(branch, tmp_path / "other")
        result = run(mirror, "log", "import", str(folder))
        assert result.exit_code == 1
        assert "HISTORY WAS REWRITTEN" in result.stdout
        here, there = sorted((mirror / "split-view").iterdir())
        verifier = Verifier.parse(key(world))
        for file in (here, there):
            text, _, signature = file.read_text().partition("\n\n")
            assert signature
            assert text.startswith(verifier.name)
        assert here.read_text() != there.read_text()
    assert run(mirror, "audit", "--derived").exit_code == 0


def test_a_bad_copy_leaves_nothing_behind(world: World, tmp_path: Path) -> None:
    tell(world)
    folder = exported(world, tmp_path / "log", "--files")
    bundle = next(folder.glob("tile/entries/*.p/*"))
    bundle.write_bytes(bundle.read_bytes().replace(b"Voltaro", b"Voltara", 1))
    data = tmp_path / "mirror"
    assert run(data, "log", "import", str(folder), "--key", key(world)).exit_code == 3
    assert not data.exists()
    assert not data.with_name("mirror.new").exists()


def test_a_mirror_is_never_made_over_something_else(world: World, tmp_path: Path) -> None:
    folder = exported(world, tmp_path / "log")
    own = world.ledger.settings.data
    assert "Choose another folder" in run(own, "log", "import", str(folder), "--key", key(world)).stderr
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter").write_text("dear")
    assert run(tmp_path / "taken", "log", "import", str(folder), "--key", key(world)).exit_code == 3
    assert run(tmp_path / "new", "log", "import", str(folder)).exit_code == 2


@pytest.mark.slow
def test_a_mirror_may_live_on_a_server(world: World, tmp_path: Path, postgres: Server) -> None:
    tell(world)
    folder, data = exported(world, tmp_path / "log", "--files"), tmp_path / "mirror"
    with postgres.database() as url:
        made = run(data, "log", "import", str(folder), "--key", key(world), LOTPROOF_DATABASE_URL=url)
        assert made.exit_code == 0, made.output
        world.batch("B2", units=1)
        exported(world, folder, "--files")
        newer = run(data, "log", "import", str(folder), LOTPROOF_DATABASE_URL=url)
        assert newer.exit_code == 0, newer.output
        assert run(data, "audit", "--derived", LOTPROOF_DATABASE_URL=url).exit_code == 0
        refused = run(
            tmp_path / "second", "log", "import", str(folder), "--key", key(world), LOTPROOF_DATABASE_URL=url
        )
        assert "There is a log in PostgreSQL" in refused.stderr
    assert not (data / "lotproof.db").exists()
