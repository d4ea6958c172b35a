"""`lotproof log move`: from SQLite to PostgreSQL and back, whole, and at whatever moment it is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url

from ledger.database import reading
from ledger.journal.clock import SetClock
from ledger.journal.opening import open_ledger
from ledger.log.closing import LogClosed
from ledger.log.merkle import leaf_hash
from ledger.log.proof import verify
from ledger.log.proving import prove_entry
from ledger.settings import Settings
from ledger.trace.party import RegisterParty
from portal.cli import main
from tests.conftest import ROOT
from tests.postgres import Server
from tests.world import World

pytestmark = pytest.mark.slow

LAST_STEPS = (40, 20, 10, 1)  # before the end of a move: the switch is among them


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    with postgres.database() as made:
        yield made


@pytest.fixture
def told(blank: Path, tmp_path: Path) -> Iterator[World]:
    """A world on SQLite, with a claim and what it keeps in the vault."""
    world = World.begin_as(blank, tmp_path / "var")
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=5)
    batch.ships(to="DE", count=3)
    world.recall("R1", lots=["SF-1"])
    world.claim(batch.serials[0])
    yield world
    world.close()


def run(data: Path, *arguments: str, url: str = "", owner: str = "") -> Result:
    environment = {"LOTPROOF_DATA": str(data), "LOTPROOF_DATABASE_URL": url, "LOTPROOF_OWNER_URL": owner}
    result = CliRunner().invoke(main, list(arguments), env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def at(settings: Settings, clock: SetClock) -> World:
    """The world that stands there."""
    return World(open_ledger(settings, clock=clock), clock)


def opened(told: World, url: str | None) -> World:
    """The world in its new place."""
    environment = {"LOTPROOF_DATA": str(told.ledger.settings.data), "LOTPROOF_DATABASE_URL": url or ""}
    settings = Settings.from_env(environment)
    return at(settings, told.clock)


def test_a_moved_ledger_is_the_same_and_goes_on(told: World, url: str) -> None:
    data, rows, bodies = told.ledger.settings.data, told.rows(), told.bodies()
    note = told.standing().note
    told.close()
    result = run(data, "log", "move", url)
    assert result.exit_code == 0, result.output
    assert "Set LOTPROOF_DATABASE_URL" in result.stdout
    refused = run(data, "log", "show", "0")
    assert (refused.exit_code, "is in PostgreSQL" in refused.stderr) == (3, True)
    assert run(data, "audit", "--derived", url=url).exit_code == 0
    moved = opened(told, url)
    assert moved.bodies()[: len(bodies)] == bodies
    assert moved.rows() == rows
    assert moved.standing().note == note
    moved.party("AFTER")
    assert moved.answer("B1").status == "recalled"
    moved.close()
    assert run(data, "audit", "--derived", url=url).exit_code == 0


def test_a_proof_made_before_the_move_verifies_after_it(told: World, url: str) -> None:
    key = told.ledger.keys.signer.verifier
    with reading(told.ledger.engine) as connection:
        proof = prove_entry(connection, 3, told.standing().note, with_entry=True)
    told.close()
    assert run(told.ledger.settings.data, "log", "move", url).exit_code == 0
    assert proof.extra is not None
    old = verify(proof, leaf_hash(proof.extra), key)
    moved = opened(told, url)
    moved.party("AFTER")
    with reading(moved.ledger.engine) as connection:
        assert prove_entry(connection, 3, proof.checkpoint_note, with_entry=True).format() == proof.format()
        assert moved.standing().size > old.size
    moved.close()


def test_whoever_still_has_the_old_place_open_can_write_no_more(told: World, url: str) -> None:
    other = at(told.ledger.settings, told.clock)
    other.party("BEFORE")
    told.close()
    assert run(told.ledger.settings.data, "log", "move", url).exit_code == 0
    with pytest.raises(LogClosed):
        other.do(RegisterParty(code="LATE", name="Late", role="factory", country="CN"))
    other.close()


def test_a_ledger_that_was_moved_moves_back(told: World, url: str) -> None:
    data = told.ledger.settings.data
    told.close()
    assert run(data, "log", "move", url).exit_code == 0
    there = opened(told, url)
    there.party("THERE")
    bodies, rows = there.bodies(), there.rows()
    there.close()
    result = run(data, "log", "move", "files", url=url)
    assert result.exit_code == 0, result.output
    assert run(data, "log", "show", "0", url=url).exit_code == 3
    assert run(data, "audit", "--derived").exit_code == 0
    back = opened(told, None)
    assert (back.bodies(), back.rows()) == (bodies, rows)
    back.party("BACK")
    back.close()


def test_nothing_is_moved_over_something_else(
    told: World, postgres: Server, tmp_path: Path, blank_on_postgres: Path
) -> None:
    data = told.ledger.settings.data
    told.close()
    with postgres.database(template="blank") as taken:
        result = run(data, "log", "move", taken)
        assert (result.exit_code, "There is something in" in result.stderr) == (3, True)
        assert "postgres@" not in result.stderr
    assert run(data, "audit", "--derived").exit_code == 0


def test_nothing_is_moved_beside_the_vault_of_something_else(told: World, url: str) -> None:
    data = told.ledger.settings.data
    told.close()
    before = names_in(data)
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string()) as connection:
        connection.execute(b"CREATE SCHEMA vault")
        connection.execute(b"CREATE TABLE vault.items AS SELECT 1 AS item")
    result = run(data, "log", "move", url)
    assert (result.exit_code, "There is something in" in result.stderr) == (3, True)
    assert names_in(data) == before


def test_a_move_that_fails_on_its_way_says_so_and_the_same_command_goes_on(
    told: World, url: str, tmp_path: Path
) -> None:
    data, bodies = told.ledger.settings.data, told.bodies()
    told.close()
    (data / "files").rename(tmp_path / "elsewhere")
    failed = run(data, "log", "move", url)
    assert (failed.exit_code, "has begun and has not ended" in failed.stderr) == (3, True)
    shutil.rmtree(data / "files", ignore_errors=True)
    (tmp_path / "elsewhere").rename(data / "files")
    assert run(data, "log", "show", "0").exit_code == 0
    ended = run(data, "log", "move", url)
    assert (ended.exit_code, "has not ended" in ended.stderr) == (0, False)
    assert_lives_in(data, url, bodies, told.clock)


# --- two roles


@pytest.fixture
def roles(postgres: Server) -> Iterator[tuple[str, str]]:
    """Addresses of an empty database for a role that owns it, and for one that may only run the program."""
    with ExitStack() as stack:
        name = str(make_url(stack.enter_context(postgres.database())).database)
        for role in ("move_owner", "move_runner"):
            postgres.execute(f'CREATE ROLE "{role}" LOGIN')
            stack.callback(postgres.execute, f'DROP ROLE "{role}"')
            stack.callback(postgres.execute, f'DROP OWNED BY "{role}" CASCADE', name)
        postgres.execute(f'ALTER DATABASE "{name}" OWNER TO "move_owner"')
        stack.callback(postgres.execute, f'ALTER DATABASE "{name}" OWNER TO postgres')
        yield postgres.url(name, "move_owner"), postgres.url(name, "move_runner")


def names_in(data: Path) -> set[str]:
    """What the folder of data holds; SQLite keeps or removes its journals as it likes."""
    return {one.name for one in data.iterdir() if not one.name.endswith(("-wal", "-shm"))}


def test_a_role_that_may_not_move_is_refused_before_anything_is_copied_there_or_back(
    told: World, roles: tuple[str, str]
) -> None:
    data, bodies, (owner, runner) = told.ledger.settings.data, told.bodies(), roles
    told.close()
    before = names_in(data)
    refused = run(data, "log", "move", runner)
    assert (refused.exit_code, "move_runner may not make tables" in refused.stderr) == (3, True)
    assert names_in(data) == before
    assert run(data, "log", "move", runner, owner=owner).exit_code == 0

    before = names_in(data)
    refused = run(data, "log", "move", "files", url=runner)
    assert (refused.exit_code, "move_runner may not close the log" in refused.stderr) == (3, True)
    assert "LOTPROOF_OWNER_URL" in refused.stderr
    assert names_in(data) == before
    assert run(data, "log", "show", "0", url=runner).exit_code == 0
    assert run(data, "log", "move", "files", url=runner, owner=owner).exit_code == 0
    back = opened(told, None)
    assert back.bodies() == bodies
    back.close()


KILLED = """
import os, sys
from dataclasses import replace
from pathlib import Path
import sqlalchemy
from ledger.custody.moving import move
from ledger.settings import Settings
from ledger.location import parse_database_url
from portal.cli_backup import STATE_TABLES
import ledger.nouns
count, left = 0, int(sys.argv[2])
def audit(event, arguments):
    global left
    if event in ("open", "os.rename", "os.remove", "shutil.rmtree") or event.startswith("socket"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
def count_statement(conn, cursor, statement, parameters, context, executemany):
    audit("open", ())
sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", count_statement)
sys.addaudithook(audit)
settings = Settings.from_env()
move(settings, replace(settings, database_url=parse_database_url("URL", sys.argv[1])), state_tables=STATE_TABLES)
print("moved", left)
"""


def killed_after(data: Path, url: str, steps: int) -> subprocess.CompletedProcess[str]:
    """A move that is killed at its `steps`-th statement or file."""
    environment = {**os.environ, "LOTPROOF_DATA": str(data), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, url, str(steps)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def is_moved(data: Path) -> bool:
    """Whether settings.json says that the ledger lives in PostgreSQL."""
    fixed = data / "settings.json"
    return fixed.exists() and json.loads(fixed.read_text()).get("database") == "postgresql"


def test_killed_again_and_again_it_ends_whole(told: World, postgres: Server) -> None:
    """One ledger, killed later and later until a move comes through; in between it is used where it lives."""
    data, bodies = told.ledger.settings.data, told.bodies()
    told.close()
    with postgres.database() as url:
        steps = 60
        while (ended := killed_after(data, url, steps)).returncode and not is_moved(data):
            assert ended.returncode == -signal.SIGKILL, ended.stderr
            steps = int(steps * 1.6)
            if run(data, "log", "show", "0").exit_code == 0:
                used = at(told.ledger.settings, told.clock)
                used.party(f"K{steps}")
                assert used.bodies()[: len(bodies)] == bodies
                bodies = used.bodies()
                used.close()
        assert_lives_in(data, url, bodies, told.clock)


def test_killed_around_the_switch_it_lives_in_one_place(
    told: World, postgres: Server, tmp_path: Path
) -> None:
    """Each of the last steps, on a copy of its own: the old place goes on, or the same command ends the move."""
    data, bodies = told.ledger.settings.data, told.bodies()
    told.close()
    shutil.copytree(data, tmp_path / "counted")
    with postgres.database() as url:
        whole = killed_after(tmp_path / "counted", url, 1_000_000)
    steps = 1_000_000 - int(whole.stdout.split()[-1])
    states = set()
    for before_end in LAST_STEPS:
        copy = tmp_path / f"copy-{before_end}"
        shutil.copytree(data, copy)
        with postgres.database() as url:
            assert killed_after(copy, url, steps - before_end).returncode == -signal.SIGKILL
            shown = run(copy, "log", "show", "0")
            states.add((shown.exit_code, is_moved(copy)))
            if shown.exit_code == 0:
                assert run(copy, "party", "list").exit_code == 0
            if not is_moved(copy):
                assert run(copy, "log", "move", url).exit_code == 0
            assert_lives_in(copy, url, bodies, told.clock)
    assert (0, False) in states  # killed before the switch
    assert (3, True) in states  # and behind it


def assert_lives_in(data: Path, url: str, bodies: list[bytes], clock: SetClock) -> None:
    """The whole ledger is in PostgreSQL, and the folder of data says so."""
    assert is_moved(data)
    environment = {"LOTPROOF_DATA": str(data), "LOTPROOF_DATABASE_URL": url}
    moved = at(Settings.from_env(environment), clock)
    assert moved.bodies() == bodies
    moved.close()
    assert run(data, "audit", "--derived", url=url).exit_code == 0
