"""A company from nothing, and the processes that serve it: started, stopped, and none left behind."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, takewhile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pyotp import TOTP

from ledger.database import reading
from ledger.journal.opening import Ledger, open_ledger
from ledger.log import store
from ledger.settings import Settings
from ledger.state import open_state
from portal.accounts import account_named, authenticate
from portal.cli import main
from portal.names import Names
from portal.second_factor import begin_codes, confirm_codes, factors_of
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 30.0
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def typed(data: Path, *words: str, said: str = "", env: Mapping[str, str] | None = None) -> Result:
    found = CliRunner().invoke(main, words, input=said, env={"LOTPROOF_DATA": str(data), **(env or {})})
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@contextlib.contextmanager
def opened(data: Path) -> Iterator[Ledger]:
    ledger = open_ledger(Settings.from_env({"LOTPROOF_DATA": str(data)}))
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("made") / "var"
    assert typed(data, "init", "--account", "Ada").exit_code == 0
    return data


@pytest.fixture
def company(made: Path, tmp_path: Path) -> Path:
    """An empty company with one account, a test's own."""
    return Path(shutil.copytree(made, tmp_path / "var"))


# --- a company


def password_in(result: Result) -> str:
    [line] = [line for line in result.stdout.splitlines() if line.startswith("Password")]
    return line.split()[1]


def test_init_makes_an_empty_company_whose_password_signs_in(tmp_path: Path) -> None:
    data = tmp_path / "var"
    found = typed(data, "init", "--host", "Lots.Example", "--log-entries", "open", said="Ada\n")
    assert found.exit_code == 0
    assert "lots.example/log" in found.stdout
    state = open_state(data / "state.db")
    with opened(data) as ledger:
        names, now = Names.of(ledger), ledger.clock.now()
        account = authenticate(state, names, "ada", password_in(found), address="127.0.0.1", now=now)
        state.dispose()
        assert account.name == "Ada"
        assert (ledger.opened().demo, ledger.opened().origin) == (False, "lots.example/log")
        assert ledger.opened().vkey in found.stdout
        assert ledger.settings.log_entries == "open"


def test_keys_and_folder_of_a_new_company_are_closed_to_others(company: Path) -> None:
    assert company.stat().st_mode & 0o777 == 0o700
    keys = list((company / "keys").iterdir())
    assert len(keys) == 4
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_init_refuses_a_folder_that_holds_something(company: Path, tmp_path: Path) -> None:
    again = typed(company, "init", "--account", "Ben")
    assert again.exit_code == 3
    assert "There is something in" in again.stderr
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_text("mine")
    assert typed(other, "init", "--account", "Ben").exit_code == 3
    assert [path.name for path in other.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("words", [("--account", " "), ("--account", "Ada", "--host", "https://x")])
def test_an_init_that_is_refused_leaves_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert typed(tmp_path / "var", "init", *words).exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_an_init_whose_database_does_not_answer_leaves_nothing(tmp_path: Path, port: int) -> None:
    url = f"postgresql://nobody@127.0.0.1:{port}/lotproof"
    refused = typed(tmp_path / "var", "init", "--account", "Ada", env={"LOTPROOF_DATABASE_URL": url})
    assert refused.exit_code == 3
    assert "does not let us in" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_second_factors_are_told_and_removed(company: Path) -> None:
    """Also where there are none: whoever asks may not know."""
    state = open_state(company / "state.db")
    with opened(company) as ledger:
        ada, now = account_named(state, Names.of(ledger), "Ada").id, ledger.clock.now()
    begin_codes(state, ada, SECRET)
    confirm_codes(state, ada, TOTP(SECRET).at(now), now=now)
    told = typed(company, "account", "factors", "ada").stdout
    assert "Codes from app  yes" in told
    assert "Recovery codes  10 left" in told
    assert "the password is enough" in typed(company, "account", "factors", "ada", "--remove").stdout
    assert not factors_of(state, ada).is_set
    assert "Nothing to remove" in typed(company, "account", "factors", "ada", "--remove").stdout
    assert typed(company, "account", "factors", "Nobody").exit_code == 3
    state.dispose()


def test_accounts_are_added_listed_and_given_new_passwords(company: Path) -> None:
    added = typed(company, "account", "add", "Ben", "--role", "warehouse")
    rows = json.loads(typed(company, "account", "list", "--json").stdout)
    assert [row["name"] for row in rows] == ["Ada", "Ben"]
    changed = typed(company, "account", "password", "ben")
    assert password_in(changed) != password_in(added)
    assert typed(company, "account", "add", "BEN", "--role", "warehouse").exit_code == 3
    assert "Ben" in typed(company, "account", "list").stdout


def test_without_a_company_every_command_says_how_to_make_one(tmp_path: Path) -> None:
    for words in (
        ("batch", "list"),
        ("account", "list"),
        ("serve", "--port", str(free_port())),
        ("worker", "--once"),
    ):
        found = typed(tmp_path / "nothing", *words)
        assert found.exit_code == 3, words
        assert "lotproof init" in found.stderr
    assert not (tmp_path / "nothing").exists()


# --- processes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def port() -> int:
    return free_port()


def environment(data: Path) -> dict[str, str]:
    return {**os.environ, "LOTPROOF_DATA": str(data)}


@contextlib.contextmanager
def started(data: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """A real `lotproof`, killed at the end of the block if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "portal.cli", *words],
        cwd=ROOT,
        env=environment(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def answers(port: int, path: str = "/") -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def working_on(data: Path) -> set[int]:
    """The processes that live with this company's folder, by their environment."""
    found = set()
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (
                process.name.isdecimal()
                and f"LOTPROOF_DATA={data}".encode() in (process / "environ").read_bytes()
            ):
                found.add(int(process.name))
    return found


def test_serve_answers_until_it_is_told_to_stop(company: Path, port: int) -> None:
    with opened(company) as ledger, reading(ledger.engine) as connection:
        before = store.size(connection)
    with started(company, "serve", "--port", str(port), "--workers", "1") as server:
        assert eventually(lambda: answers(port))
        assert len(working_on(company)) == 2
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE_SECONDS) == 0
        said = [json.loads(line) for line in server.communicate()[0].splitlines()]
        assert {(one["event"], one["status"]) for one in said} <= {("request", 302), ("request", 200)}
    assert eventually(lambda: not working_on(company))
    with opened(company) as ledger, reading(ledger.engine) as connection:
        assert store.size(connection) == before + 1  # the seal at start


@pytest.mark.slow
def test_workers_of_a_server_that_was_killed_end_too(company: Path, port: int) -> None:
    with started(company, "serve", "--port", str(port)) as server:
        assert eventually(lambda: answers(port))
        server.kill()
        server.wait()
        assert eventually(lambda: not working_on(company))


def test_a_port_that_is_taken_is_named_and_nothing_starts(company: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        found = typed(company, "serve", "--port", str(port))
    assert found.exit_code == 2
    assert f"Port {port} cannot be used" in found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_run_stops_all_that_it_started(company: Path, port: int, how: signal.Signals) -> None:
    with started(company, "run", "--port", str(port), "--workers", "2") as running:
        assert running.stdout is not None
        said = [running.stdout.readline() for _ in range(5)]
        assert f"  Portal    http://127.0.0.1:{port}/\n" in said
        assert answers(port)
        assert eventually(lambda: len(working_on(company)) == 5)  # run, serve, two of its own, worker
        running.send_signal(how)
        assert running.wait(PATIENCE_SECONDS) == 0
        assert not working_on(company)


def test_nothing_outlives_a_run_that_was_killed(company: Path, port: int) -> None:
    with started(company, "run", "--port", str(port), "--workers", "2") as running:
        assert eventually(lambda: len(working_on(company)) == 5)
        running.kill()
        running.wait()
        assert eventually(lambda: not working_on(company))


@pytest.mark.slow
def test_a_part_that_dies_ends_the_whole(company: Path, port: int) -> None:
    with started(company, "run", "--port", str(port), "--workers", "2") as running:
        assert eventually(lambda: len(working_on(company)) == 5)
        [worker] = [
            one for one in working_on(company) if b"worker\0" in Path(f"/proc/{one}/cmdline").read_bytes()
        ]
        os.kill(worker, signal.SIGKILL)
        assert running.wait(PATIENCE_SECONDS) == 1
        assert "worker ended by itself" in running.communicate()[0]
    assert not working_on(company)


def test_run_refuses_a_folder_that_is_neither_demo_nor_company(tmp_path: Path, port: int) -> None:
    data = tmp_path / "var"
    data.mkdir()
    (data / "notes.txt").write_text("mine")
    with started(data, "run", "--port", str(port), "--workers", "2") as running:
        assert running.wait(PATIENCE_SECONDS) == 3
    assert [path.name for path in data.iterdir()] == ["notes.txt"]


@pytest.mark.slow
def test_run_tells_the_demo_into_an_empty_folder_and_shows_what_to_try(tmp_path: Path, port: int) -> None:
    data = tmp_path / "var"
    with started(data, "run", "--port", str(port), "--workers", "2") as running:
        assert running.stdout is not None
        lines = iter(running.stdout.readline, "")  # which ends with the process
        said = "".join(takewhile(lambda line: line != "Numbers to try at the portal:\n", lines))
        said += "".join(islice(lines, 4))
        facts = json.loads((data / "demo.json").read_text())
        assert facts["portal"] == f"http://127.0.0.1:{port}/"
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_SECONDS) == 0
    for kind in ("recalled", "clear", "settled", "unknown"):
        assert facts["serials"][kind][0] in said
    assert facts["login"]["password"] in said
    again = free_port()
    with started(data, "run", "--port", str(again)) as running:
        assert eventually(lambda: answers(again))
        assert json.loads((data / "demo.json").read_text())["console"] == f"http://127.0.0.1:{again}/console/"
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_SECONDS) == 0
