"""lotproof doctor: each thing broken for real, and the doctor sees it and says what to do."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from shutil import copytree
from socketserver import BaseRequestHandler, TCPServer
from threading import Thread

import pytest
from click.testing import CliRunner

from labels.fonts import FOLDER
from ledger.journal.clock import SetClock
from ledger.settings import Settings
from ledger.state import open_state
from portal.cli import main
from portal.cli_doctor import doctor
from portal.doctor.network import https, port, proxies
from portal.doctor.registry import CHECKS, Situation, Told, examine
from portal.heartbeats import BACKUP, WORKER, beat
from tests.journeys import free_port
from tests.world import World

pytestmark = pytest.mark.files  # the folder is looked at from outside, as files
assert doctor  # imported so that every check is registered


@dataclass
class MovedClock(SetClock):
    """The world's clock; its uptime may go another way."""

    behind: float = 0.0

    def uptime(self) -> float:
        return super().uptime() - self.behind


@pytest.fixture
def situation(world: World) -> Situation:
    """A company of a demo's kind, where nothing is wrong."""
    world.batch("B1", units=1)
    settings = world.ledger.settings
    settings.demo_json.write_text("{}")
    clock = MovedClock(world.clock.now() + timedelta(seconds=30))
    state = open_state(settings.state_db)
    beat(state, WORKER, clock)
    beat(state, BACKUP, clock)
    state.dispose()
    return Situation(settings, port=free_port(), clock=clock)


def to_do(situation: Situation) -> dict[str, Told]:
    """What is to be done, by check."""
    return {one.check: one for one in examine(situation) if one.standing == "to do"}


def test_where_nothing_is_wrong_there_is_nothing_to_do(situation: Situation) -> None:
    told = examine(situation)
    assert [one for one in told if one.standing != "fine"] == []
    assert len(told) == len(CHECKS) >= 22


def test_looking_changes_nothing(situation: Situation) -> None:
    def content() -> dict[str, bytes]:
        found = {
            path.name: path.read_bytes() for path in situation.settings.data.rglob("*") if path.is_file()
        }
        return {name: data for name, data in found.items() if not name.endswith("-shm")}

    before = content()
    examine(situation)
    assert content() == before


# --- broken in the folder


def data(situation: Situation) -> Path:
    return situation.settings.data


def open_folder(situation: Situation) -> Situation:
    data(situation).chmod(0o755)
    return situation


def open_key(situation: Situation) -> Situation:
    (data(situation) / "keys" / "log.pem").chmod(0o640)
    return situation


def open_state_db(situation: Situation) -> Situation:
    (data(situation) / "state.db").chmod(0o666)
    return situation


def no_folder(situation: Situation) -> Situation:
    return replace(situation, settings=replace(situation.settings, data=data(situation) / "nowhere"))


def no_key(situation: Situation) -> Situation:
    (data(situation) / "keys" / "units.key").unlink()
    return situation


def another_master_key(situation: Situation) -> Situation:
    file = data(situation) / "keys" / "master.key"
    content = file.read_bytes()
    file.write_bytes(bytes([*content[:-9], content[-9] ^ 1, *content[-8:]]))
    return situation


def no_vault(situation: Situation) -> Situation:
    (data(situation) / "vault.db").unlink()
    return situation


def no_guard(situation: Situation) -> Situation:
    (data(situation) / "guard").unlink()
    return situation


def damaged_guard(situation: Situation) -> Situation:
    (data(situation) / "guard").write_bytes(b"x" * 8_192)
    return situation


def no_state(situation: Situation) -> Situation:
    for file in data(situation).glob("state.db*"):
        file.unlink()
    return situation


def no_database(situation: Situation) -> Situation:
    (data(situation) / "lotproof.db").unlink()
    return situation


def damaged_database(situation: Situation) -> Situation:
    for file in data(situation).glob("lotproof.db*"):
        file.write_bytes(b"no database" * 1_000)
    return situation


def sql(situation: Situation, file: str, statement: str) -> Situation:
    with closing(sqlite3.connect(data(situation) / file)) as connection:
        connection.execute(statement)
        connection.commit()
    return situation


def older_tables(situation: Situation) -> Situation:
    return sql(situation, "lotproof.db", "UPDATE alembic_version SET version_num = '0001'")


def newer_state(situation: Situation) -> Situation:
    return sql(situation, "state.db", "UPDATE alembic_version SET version_num = '9999'")


def no_trigger(situation: Situation) -> Situation:
    with closing(sqlite3.connect(data(situation) / "lotproof.db")) as connection:
        [name] = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' LIMIT 1"
        ).fetchone()
    return sql(situation, "lotproof.db", f'DROP TRIGGER "{name}"')


def no_worker(situation: Situation) -> Situation:
    return sql(situation, "state.db", "DELETE FROM heartbeats WHERE name = 'worker'")


# --- broken around it


def moved(situation: Situation, by: timedelta, *, behind: float = 0.0) -> Situation:
    return replace(situation, clock=MovedClock(situation.clock.now() + by, behind))


def full_disk(situation: Situation) -> Situation:
    return replace(situation, least_free_bytes=2**62)


def no_inodes(situation: Situation) -> Situation:
    return replace(situation, least_free_inodes=2**62)


def other_packages(situation: Situation) -> Situation:
    lock = data(situation).parent / "lock.txt"
    lock.write_text("flask==0.0.1 \\\n    --hash=sha256:00\nnot-there==1.0 \\\n")
    return replace(situation, lock=lock)


def no_font(situation: Situation) -> Situation:
    fonts = data(situation).parent / "fonts"
    copytree(FOLDER, fonts)
    (fonts / "NotoSansArabic-Bold.ttf").unlink()
    return replace(situation, fonts=fonts)


def no_mail(situation: Situation) -> Situation:
    return replace(situation, settings=replace(situation.settings, smtp=("127.0.0.1", free_port())))


def real(situation: Situation, **changes: object) -> Situation:
    """No demo: a company that somebody relies on."""
    situation.settings.demo_json.unlink(missing_ok=True)
    return replace(situation, settings=replace(situation.settings, **changes))  # type: ignore[arg-type]


BROKEN: tuple[tuple[str, Callable[[Situation], Situation], str], ...] = (
    ("folder", open_folder, "chmod go-rwx"),
    ("folder", open_key, "log.pem"),
    ("folder", no_folder, "lotproof init"),
    ("files", open_state_db, "chmod go-w"),
    ("disk", full_disk, "Make room"),
    ("disk", no_inodes, "inodes are free"),
    ("packages", other_packages, "flask 3"),
    ("packages", other_packages, "not-there missing"),
    ("fonts", no_font, "NotoSansArabic-Bold.ttf"),
    ("database", no_database, "lotproof restore"),
    ("database", damaged_database, "backup"),
    ("migrations", older_tables, "lotproof migrate"),
    ("triggers", no_trigger, "lotproof audit"),
    ("state", no_state, "lotproof account add"),
    ("state", newer_state, "newer version"),
    ("guard", no_guard, "lotproof log resume"),
    ("guard", damaged_guard, "lotproof log resume"),
    ("keys", no_key, "units.key"),
    ("keys", another_master_key, "key"),
    ("vault", no_vault, "vault"),
    ("clock", lambda one: moved(one, -timedelta(hours=1)), "Set the clock"),
    ("uptime", lambda one: moved(one, timedelta(minutes=3), behind=120.0), "chrony"),
    ("worker", no_worker, "lotproof worker"),
    ("worker", lambda one: moved(one, timedelta(minutes=6)), "last seen"),
    ("backup", lambda one: moved(one, timedelta(days=3)), "lotproof backup"),
    ("mail", no_mail, "LOTPROOF_SMTP"),
    ("host", lambda one: real(one, host="localhost:8000"), "lotproof init --host"),
    ("python", lambda one: replace(one, python=(3, 10, 4)), "3.10.4"),
    ("time zones", lambda one: replace(one, zones=("UTC", "Mars/Olympus")), "Mars/Olympus"),
)


@pytest.mark.parametrize(("check", "break_it", "said"), BROKEN)
def test_what_is_broken_is_found_and_it_is_said_what_to_do(
    situation: Situation, check: str, break_it: Callable[[Situation], Situation], said: str
) -> None:
    told = to_do(replace(break_it(situation), timeout_seconds=0.2))[check]
    assert said in f"{told.said} {told.do}"


@pytest.mark.parametrize(
    ("host", "known", "said"),
    [("lots.example", 0, "LOTPROOF_TRUSTED_PROXIES=1"), ("localhost:8000", 1, "claim any address")],
)
def test_proxies_that_do_not_fit_the_name_on_labels_are_found(
    situation: Situation, host: str, known: int, said: str
) -> None:
    found = proxies(real(situation, host=host, trusted_proxies=known))
    assert found is not None
    assert said in found.do
    assert proxies(real(situation, host=host, trusted_proxies=1 - known)) is None


def test_what_needs_something_broken_is_not_looked_at(situation: Situation) -> None:
    told = {one.check: one.standing for one in examine(no_database(situation))}
    assert told["database"] == "to do"
    assert {told["migrations"], told["triggers"], told["guard"], told["clock"]} == {"not looked at"}
    assert told["keys"] == "fine"


# --- who answers at a port


class Web(BaseHTTPRequestHandler):
    """Some other server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"hello": "world"}')

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name it has above
        pass


class Ours(Web):
    """What /healthz of ours says."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"lotproof":"alive"}\n')


class Silent(BaseRequestHandler):
    """Takes the connection and hangs up."""

    def handle(self) -> None:
        self.request.recv(1_000)


@contextmanager
def serving(address: str, handler: type[BaseRequestHandler]) -> Iterator[int]:
    """A server on a free port of this address."""
    kind = HTTPServer if issubclass(handler, BaseHTTPRequestHandler) else TCPServer
    with kind((address, 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


@pytest.mark.parametrize(("handler", "is_fine"), [(Ours, True), (Web, False), (Silent, False)])
def test_a_port_is_free_or_ours(
    situation: Situation, handler: type[BaseRequestHandler], is_fine: bool
) -> None:
    with serving("127.0.0.1", handler) as taken:
        found = port(replace(situation, port=taken, timeout_seconds=1.0))
    assert (found is None) == is_fine
    assert port(replace(situation, port=free_port())) is None


@pytest.mark.parametrize("handler", [Web, Silent])
def test_a_name_that_does_not_answer_over_https_is_found(
    situation: Situation, handler: type[BaseRequestHandler]
) -> None:
    with serving("127.0.0.1", handler) as taken:
        found = https(replace(real(situation, host=f"127.0.0.1:{taken}"), timeout_seconds=1.0))
    assert found is not None
    assert "certificate must be valid" in found.do


# --- the command


def typed(settings: Settings, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["doctor", *words], env={"LOTPROOF_DATA": str(settings.data)})
    return done.exit_code, done.stdout


def test_the_command_says_it_for_people_and_for_programs(situation: Situation) -> None:
    settings, number = situation.settings, str(situation.port)
    code, text = typed(
        settings, "--port", number
    )  # the world's year is past, so the worker's last round is old
    assert code == 1
    assert "Start it: lotproof worker" in text
    code, text = typed(settings, "--port", number, "--json")
    told = json.loads(text)
    assert code == 1
    assert told["to_do"] == len([one for one in told["checks"] if one["standing"] == "to do"])
    assert {one["check"] for one in told["checks"]} == {one.name for one in CHECKS.values()}


def test_a_folder_without_a_company_is_told_how_to_make_one(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["doctor"], env={"LOTPROOF_DATA": str(tmp_path / "none")})
    assert done.exit_code == 1
    assert "lotproof init" in done.stdout
    assert not (tmp_path / "none").exists()
