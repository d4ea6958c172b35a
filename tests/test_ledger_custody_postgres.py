"""Loss, backup and restore on PostgreSQL: a dump is put back with PostgreSQL's own programs, beside the guard of later.

The files `test_ledger_resume`, `test_ledger_succession` and `test_ledger_backup` look at SQLite's files from outside;
here is what matters of them where the tables are on a server.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url, text
from sqlalchemy.exc import DatabaseError, ProgrammingError

from ledger.cli.compare import compare_checkpoint
from ledger.custody.backup import back_up
from ledger.custody.backup_check import check_backup
from ledger.custody.generations import generations
from ledger.custody.restore import DatabaseTaken, GuardDiffers, NotInBackup, Restored, Sources, restore
from ledger.custody.resume import EntriesDiffer, EntriesMissing, NotWhole, resume
from ledger.custody.succession import succeed
from ledger.database import writing
from ledger.errors import LedgerError
from ledger.journal.clock import SetClock
from ledger.journal.journal import By
from ledger.journal.key_changes import retire_key, rotate_key
from ledger.journal.key_events import LogResumed, LogSucceeded
from ledger.journal.opening import create_ledger, open_ledger
from ledger.journal.publish import LogBehindGuard
from ledger.keys.keys import KeyMissing
from ledger.log.compare import parse_kept
from ledger.log.guard import GuardDamaged, GuardMissing
from ledger.recall.claim import named_items
from ledger.settings import Settings
from ledger.trace.bill_of_materials import RegisterMaterial
from portal.cli_backup import ENDED, STATE_TABLES
from tests.faults import CHILDREN
from tests.postgres import PORT, Server, programs
from tests.tampering import audited, change_on_server
from tests.world import ADA, BEGINNING, World

pytestmark = pytest.mark.slow

NEW = "localhost:8000/log-2"
WHY = "The machine and its last backup burned."
FILM, CELL, FOIL = (RegisterMaterial(code=code, name=code.title()) for code in ("FILM", "CELL", "FOIL"))


@pytest.fixture
def database() -> str:
    """What `world` stands on here."""
    return "postgresql"


# --- a dump, and what it is put back beside


@dataclass(frozen=True, slots=True)
class Dumps:
    """A world's database as `pg_dump` writes it, and put back by `psql`; nobody is connected meanwhile."""

    server: Server
    world: World

    def take(self) -> bytes:
        self.world.ledger.close()
        dump = self._run("pg_dump", self._name)
        self.world.reopen()
        return dump

    def put_back(self, dump: bytes) -> None:
        self.world.ledger.close()
        self.server.execute(f'DROP DATABASE "{self._name}" WITH (FORCE)')
        self.server.make(self._name)
        self._run("psql", "-q", "-v", "ON_ERROR_STOP=1", self._name, given=dump)
        self.world.reopen()

    @property
    def _name(self) -> str:
        return str(make_url(url_of(self.world)).database)

    def _run(self, program: str, *arguments: str, given: bytes = b"") -> bytes:
        where = ["-h", str(self.server.folder), "-p", str(PORT), "-U", "postgres"]
        command = [str(programs() / program), *where, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


def url_of(world: World) -> str:
    return str(world.ledger.settings.database_url)


@pytest.fixture
def dumps(world: World, postgres: Server) -> Dumps:
    world.ledger.settings.init()
    world.do(FILM)
    return Dumps(postgres, world)


@dataclass(frozen=True, slots=True)
class Lost:
    """A world of which two writes are gone, with a checkpoint kept before them, one after, and the newest dump."""

    world: World
    dumps: Dumps
    early: str
    late: str
    newest: bytes


@pytest.fixture
def lost(dumps: Dumps) -> Lost:
    world = dumps.world
    early, older = world.standing().note, dumps.take()
    world.do(CELL)
    world.do(FOIL)
    late, newest = world.standing().note, dumps.take()
    dumps.put_back(older)
    return Lost(world, dumps, early, late, newest)


def resumed(world: World, *, kept: str | None = None) -> LogResumed:
    """Resumed with every process stopped, and opened again."""
    world.ledger.close()
    parsed = None if kept is None else parse_kept(kept)
    try:
        receipt = resume(world.ledger.settings, reason=WHY, kept=parsed, clock=world.clock)
    finally:
        world.reopen()
    return receipt.first(LogResumed).event


def succeeded(world: World, **how: Any) -> LogSucceeded | None:
    """The same under a new name; None where only the rest of it was done."""
    world.ledger.close()
    settings = world.ledger.settings
    receipt = succeed(settings, origin=NEW, reason=WHY, clock=world.clock, **how)
    world.ledger = open_ledger(said_by(settings.data, url_of(world)), clock=world.clock)
    return None if receipt is None else receipt.first(LogSucceeded).event


def said_by(folder: Path, url: str) -> Settings:
    """The settings as a process reads them."""
    return Settings.from_env({"LOTPROOF_DATA": str(folder), "LOTPROOF_DATABASE_URL": url})


def assert_goes_on(world: World) -> None:
    """It is signed again, answered as of now, and nothing is wrong with it."""
    before = world.size()
    world.do(RegisterMaterial(code=f"M{before}", name="Glue"))
    assert not world.standing().is_old
    assert world.ledger.guard.read().note == world.standing().note
    assert_whole(world)


def assert_whole(world: World) -> None:
    report = audited(world.ledger.settings.data, derived=True, database_url=url_of(world))
    assert report.findings == ()
    assert report.size == world.size()


def compared(world: World, note: str) -> int:
    """How `lotproof log compare` ends."""
    environ = {"LOTPROOF_DATA": str(world.ledger.settings.data), "LOTPROOF_DATABASE_URL": url_of(world)}
    return CliRunner().invoke(compare_checkpoint, [note, "--json"], env=environ).exit_code


def test_a_dump_that_is_put_back_is_the_same_log(dumps: Dumps) -> None:
    bodies, rows = dumps.world.bodies(), dumps.world.rows()
    dumps.put_back(dumps.take())
    assert (dumps.world.bodies(), dumps.world.rows()) == (bodies, rows)
    assert_goes_on(dumps.world)


def test_an_older_dump_beside_the_newer_guard_signs_nothing_until_the_newest_is_put_back(lost: Lost) -> None:
    world, size = lost.world, lost.world.size()
    assert world.standing().is_old
    with pytest.raises(LogBehindGuard):
        world.do(FOIL)
    with pytest.raises(EntriesMissing) as refused:
        resumed(world)
    assert (refused.value.facts["size"], refused.value.facts["published"]) == (size, size + 4)
    assert world.size() == size
    lost.dumps.put_back(lost.newest)
    assert world.standing().note == lost.late
    assert_goes_on(world)


def test_with_the_guard_gone_too_a_kept_checkpoint_gives_an_older_dump_away(lost: Lost) -> None:
    lost.world.ledger.guard.path.unlink()
    with pytest.raises(EntriesMissing):
        resumed(lost.world, kept=lost.late)
    with pytest.raises(GuardMissing):
        lost.world.ledger.guard.read()
    assert resumed(lost.world, kept=lost.early).guard == "missing"
    assert_goes_on(lost.world)
    lost.world.do(CELL)  # now as long as what was published, and another history
    lost.world.ledger.guard.path.unlink()
    with pytest.raises(EntriesDiffer):
        resumed(lost.world, kept=lost.late)


def test_an_older_dump_is_gone_on_with_under_a_new_name_that_says_what_was_lost(lost: Lost) -> None:
    world, kept = lost.world, lost.world.size()
    event = succeeded(world)
    assert event is not None
    assert (event.kept, event.last.size) == (kept, parse_kept(lost.late).size)
    assert event.statement.count("\n— ") == 2
    assert world.standing().note.startswith(f"{NEW}\n")
    assert_goes_on(world)
    assert (compared(world, lost.early), compared(world, lost.late)) == (0, 1)


def test_a_dump_of_before_a_change_of_keys_is_gone_on_with_beside_the_keys_of_after_it(dumps: Dumps) -> None:
    world, older = dumps.world, dumps.take()
    rotate_key(world.ledger, "A year has passed.", By(ADA))
    retire_key(world.ledger, "The overlap is over.", By(ADA))
    late = world.standing().note
    dumps.put_back(older)
    with pytest.raises(LedgerError):
        resumed(world)
    event = succeeded(world)
    assert event is not None
    assert event.kept < event.last.size == parse_kept(late).size
    assert event.statement.count("\n— ") == 1  # the old key was destroyed when it was retired
    assert_goes_on(world)


def test_with_the_log_s_key_gone_it_goes_on_under_a_new_one(lost: Lost) -> None:
    world = lost.world
    (world.ledger.settings.keys / "log.pem").unlink()
    with pytest.raises(KeyMissing):
        succeed(world.ledger.settings, origin=NEW, reason=WHY, clock=world.clock)
    event = succeeded(world, keys_are_lost=True)
    assert event is not None
    assert event.statement.count("\n— ") == 1
    assert_goes_on(world)


@pytest.mark.parametrize("name", ["guard.fresh", "settings.json.new"])
def test_a_succession_cut_short_between_two_steps_is_finished_by_the_same_command(
    lost: Lost, name: str
) -> None:
    world = lost.world
    obstacle = world.ledger.settings.data / name
    obstacle.mkdir()
    with pytest.raises((OSError, LedgerError)):
        succeeded(world)
    obstacle.rmdir()
    assert succeeded(world) is None
    assert_goes_on(world)
    assert (compared(world, lost.early), compared(world, lost.late)) == (0, 1)


def test_a_crash_between_the_entry_and_the_fresh_guard_is_resumed_again(dumps: Dumps) -> None:
    world = dumps.world
    world.ledger.guard.path.unlink()
    in_the_way = world.ledger.settings.data / "guard.fresh"
    in_the_way.mkdir()
    with pytest.raises(OSError, match=r"guard\.fresh"):
        resumed(world)
    in_the_way.rmdir()
    assert world.standing().is_old  # committed, and published nowhere
    resumed(world)
    assert_goes_on(world)
    assert sum(b"log.resumed/1" in body for body in world.bodies()) == 2


def test_a_log_that_is_not_whole_is_neither_resumed_nor_succeeded(dumps: Dumps) -> None:
    world = dumps.world
    world.ledger.guard.path.unlink()
    change_on_server(url_of(world), "UPDATE log_entries SET body = body || ' '::bytea WHERE position = 1")
    for way_on in (resumed, succeeded):
        with pytest.raises(NotWhole) as refused:
            way_on(world)
        assert "log_entries" in str(refused.value)
    assert not world.ledger.guard.path.exists()


# --- two roles


@pytest.fixture
def roles(postgres: Server) -> Iterator[tuple[str, str]]:
    """Addresses of an empty database for a role that owns it, and for one that may only run the program."""
    with ExitStack() as stack:
        name = str(make_url(stack.enter_context(postgres.database())).database)
        for role in ("custody_owner", "custody_runner"):
            postgres.execute(f'CREATE ROLE "{role}" LOGIN')
            stack.callback(postgres.execute, f'DROP ROLE "{role}"')
            stack.callback(postgres.execute, f'DROP OWNED BY "{role}" CASCADE', name)
        postgres.execute(f'ALTER DATABASE "{name}" OWNER TO "custody_owner"')
        stack.callback(postgres.execute, f'ALTER DATABASE "{name}" OWNER TO postgres')
        yield postgres.url(name, "custody_owner"), postgres.url(name, "custody_runner")


def test_whoever_only_runs_the_program_resumes_and_succeeds(tmp_path: Path, roles: tuple[str, str]) -> None:
    owned = Settings(data=tmp_path / "var", database_url=roles[1], owner_url=roles[0])
    clock = SetClock(BEGINNING)
    create_ledger(owned, clock=clock).close()
    owned.init()
    world = World(open_ledger(replace(owned, owner_url=None), clock=clock), clock)
    world.do(FILM)
    world.ledger.guard.path.unlink()
    resumed(world)
    assert_goes_on(world)
    assert succeeded(world, nothing_is_lost=True) is not None
    assert_goes_on(world)
    world.close()


# --- backup and restore


@dataclass(frozen=True, slots=True)
class Copies:
    """Where a world's backup goes."""

    world: World
    at: Path
    serials: tuple[str, ...]

    def make(self, *, minutes: int = 0) -> int:
        """Bring it up to date; gives how many entries it holds."""
        made = back_up(
            self.world.ledger,
            self.at / "data",
            now=self.world.clock.now() + timedelta(minutes=minutes),
            state_tables=STATE_TABLES,
            vault=self.at / "vault",
            keys=self.at / "keys",
        )
        return made.checkpoint.size

    def problems(self) -> tuple[str, ...]:
        keys = self.world.ledger.keys
        vault = self.at / "vault"
        return check_backup(self.at / "data", keys.verifiers(), vault=vault, master=keys.master).problems

    def sources(self, *, guard: Path | None = None, vault: bool = True) -> Sources:
        place = self.at / "vault" if vault else None
        return Sources(self.at / "data", keys=self.at / "keys", vault=place, guard=guard)

    def restored(self, into: Path, url: str | None, **how: Any) -> Restored:
        settings = Settings(data=into, database_url=url)
        return restore(self.sources(**how), settings, state_tables=STATE_TABLES, emptied=ENDED)

    def opened(self, folder: Path, url: str | None) -> World:
        """The world as it is in a restored folder, as a process reads it."""
        return World(open_ledger(said_by(folder, url or ""), clock=self.world.clock), self.world.clock)


@pytest.fixture
def copies(world: World, tmp_path: Path) -> Copies:
    """A company with units, a file, a recall, and a claim with contact and payout."""
    world.ledger.settings.init()
    batch = world.batch("B1", units=120, quantity=122)
    batch.receives_units(["7Q4K-0001", "7Q4K-0002"])
    world.recall("R1", batches=["B1"])
    world.claim(batch.serials[-1])
    return Copies(world, tmp_path / "copies", batch.serials)


@pytest.fixture
def empty(postgres: Server) -> Iterator[str]:
    """Another database."""
    with postgres.database() as url:
        yield url


def write_on(settings: Settings, number: int, serials: Sequence[str], is_over: Any) -> None:
    """In a process of its own: buyers file claims, and factories send lists of serials, until it is over."""
    clock = SetClock(BEGINNING)
    with closing(World(open_ledger(settings, clock=clock), clock)) as world:
        for place, serial in enumerate(serials):
            world.claim(serial, email=f"{serial}@mail.example")
            made = world.batch(f"N{number}-{place}", units=1, quantity=4)
            made.receives_units([f"{number}X{place:04}-{one}" for one in range(3)])
            if is_over.is_set():
                return


@contextmanager
def writers(copies: Copies, count: int) -> Iterator[None]:
    """Others write on; at the end each has come to the end of what it was doing."""
    is_over, settings = CHILDREN.Event(), copies.world.ledger.settings
    shares = [copies.serials[number:-1:count] for number in range(count)]
    processes = [
        CHILDREN.Process(target=write_on, args=(settings, number, share, is_over), daemon=True)
        for number, share in enumerate(shares)
    ]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        is_over.set()
        for process in processes:
            process.join(60)
    assert [process.exitcode for process in processes] == [0] * count


def wait_for_more(world: World) -> None:
    """Until others have written."""
    end, size = time.monotonic() + 60, world.size()
    while world.size() < size + 3:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_backup_beside_writers_is_whole_and_restores_into_a_server_and_into_files(
    copies: Copies, tmp_path: Path, empty: str
) -> None:
    world, sizes = copies.world, []
    with writers(copies, 3):
        for minutes in range(4):
            wait_for_more(world)
            sizes.append(copies.make(minutes=minutes))
            assert copies.problems() == ()
            assert world.size() >= sizes[-1]
        wait_for_more(world)  # they were at work to the end
    assert sizes == sorted(set(sizes))
    assert world.size() > sizes[-1]

    places = {"server": empty, "files": None}
    again = {}
    for name, url in places.items():
        done = copies.restored(tmp_path / name, url)
        assert (done.checkpoint.size, done.missing, done.erased) == (sizes[-1], 0, 0)
        again[name] = copies.opened(tmp_path / name, url)
    assert not list((tmp_path / "server").glob("*.db"))
    there, here = again["server"], again["files"]
    assert there.bodies() == here.bodies() == world.bodies()[: sizes[-1]]
    assert there.rows() == here.rows()
    items = there.read(named_items)
    assert len(items) > 2
    for item in items:
        value = world.ledger.vault.opening(item)
        assert there.ledger.vault.opening(item) == here.ledger.vault.opening(item) == value
    for one in again.values():
        assert one.standing().is_old  # no guard survived
        one.close()


def test_what_a_server_held_comes_back_on_a_server_with_its_guard_and_goes_on(
    copies: Copies, tmp_path: Path, empty: str
) -> None:
    world = copies.world
    copies.make()
    done = copies.restored(tmp_path / "again", empty, guard=world.ledger.guard.path)
    assert (done.lost, done.missing) == (None, 0)
    again = copies.opened(tmp_path / "again", empty)
    assert (again.bodies(), again.rows(), again.standing()) == (
        world.bodies(),
        world.rows(),
        world.standing(),
    )
    again.claim(copies.serials[0])
    assert_goes_on(again)
    again.close()


def test_an_older_backup_beside_the_newer_guard_says_what_is_lost_and_is_succeeded(
    copies: Copies, tmp_path: Path, empty: str
) -> None:
    world = copies.world
    size = copies.make()
    world.do(FOIL)
    late = world.standing().note
    done = copies.restored(tmp_path / "again", empty, guard=world.ledger.guard.path)
    assert done.lost == (size, world.size())
    again = copies.opened(tmp_path / "again", empty)
    with pytest.raises(LogBehindGuard):
        again.do(CELL)
    event = succeeded(again)
    assert event is not None
    assert (event.kept, event.last.size) == (size, parse_kept(late).size)
    assert_goes_on(again)
    again.close()


def test_a_backup_is_restored_by_the_owner_for_one_who_may_change_no_log(
    copies: Copies, tmp_path: Path, roles: tuple[str, str]
) -> None:
    copies.make()
    settings = Settings(data=tmp_path / "again", database_url=roles[1], owner_url=roles[0])
    guard = copies.world.ledger.guard.path
    restore(copies.sources(guard=guard), settings, state_tables=STATE_TABLES, emptied=ENDED)
    again = copies.opened(tmp_path / "again", roles[1])
    assert_goes_on(again)
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        writing(again.ledger.engine) as connection,
    ):
        connection.execute(text("DELETE FROM log_entries"))
    again.close()


# --- a database that holds something


def the_same_log(copies: Copies, url: str, folder: Path) -> None:
    copies.restored(folder, url)


def an_earlier_state_of_the_log(copies: Copies, url: str, folder: Path) -> None:
    copies.restored(folder, url)
    copies.world.do(FOIL)
    copies.make(minutes=1)


def another_log(_copies: Copies, url: str, folder: Path) -> None:
    World.begin(folder, url).close()


def a_vault_alone(copies: Copies, url: str, folder: Path) -> None:
    """As whoever empties the log's schema by hand, and forgets the others."""
    copies.restored(folder, url)
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string()) as connection:
        connection.execute(b"DROP SCHEMA ledger CASCADE")
        connection.execute(b"DROP SCHEMA state CASCADE")


@pytest.mark.parametrize(
    ("fill", "has_vault"),
    [
        (another_log, True),
        (another_log, False),
        (the_same_log, True),
        (the_same_log, False),
        (an_earlier_state_of_the_log, True),
        (an_earlier_state_of_the_log, False),
        (a_vault_alone, True),
        (a_vault_alone, False),
    ],
)
def test_nothing_is_restored_into_a_database_that_holds_something(
    copies: Copies,
    tmp_path: Path,
    empty: str,
    fill: Callable[[Copies, str, Path], None],
    has_vault: bool,
) -> None:
    copies.make()
    fill(copies, empty, tmp_path / "first")
    before = everything(empty)
    with pytest.raises(DatabaseTaken):
        copies.restored(tmp_path / "second", empty, vault=has_vault)
    assert not list(tmp_path.glob("second*"))
    assert everything(empty) == before


def no_vault(sources: Sources, folder: Path) -> Sources:
    (folder / "nothing").mkdir()
    return replace(sources, vault=folder / "nothing")


def no_keys(sources: Sources, folder: Path) -> Sources:
    (folder / "nothing").mkdir()
    return replace(sources, keys=folder / "nothing")


def no_guard(sources: Sources, folder: Path) -> Sources:
    (folder / "guard").write_bytes(b"what a broken disk gives")
    return replace(sources, guard=folder / "guard")


def another_log_s_guard(sources: Sources, folder: Path) -> Sources:
    other = World.begin(folder / "other")
    other.close()
    return replace(sources, guard=other.ledger.settings.guard)


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (no_vault, NotInBackup),
        (no_keys, NotInBackup),
        (no_guard, GuardDamaged),
        (another_log_s_guard, GuardDiffers),
    ],
)
def test_a_restore_that_was_given_a_wrong_source_is_typed_again(
    copies: Copies,
    tmp_path: Path,
    empty: str,
    spoil: Callable[[Sources, Path], Sources],
    refusal: type[LedgerError],
) -> None:
    copies.make()
    settings = Settings(data=tmp_path / "again", database_url=empty)
    with pytest.raises(refusal):
        restore(spoil(copies.sources(), tmp_path), settings, state_tables=STATE_TABLES, emptied=ENDED)
    assert not list(tmp_path.glob("again*"))
    assert everything(empty) == {}
    assert copies.restored(settings.data, empty).missing == 0
    again = copies.opened(settings.data, empty)
    assert (again.bodies(), again.rows()) == (copies.world.bodies(), copies.world.rows())
    again.close()


def everything(url: str) -> dict[str, int]:
    """How many rows each table of the database has."""
    listed = (
        "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
        "WHERE schemaname IN ('ledger', 'state', 'vault')"
    )
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string()) as connection:
        names = [str(name) for (name,) in connection.execute(listed.encode())]
        counts = {}
        for name in sorted(names):
            row = connection.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()
            assert row is not None
            counts[name] = int(row[0])
    return {name: count for name, count in counts.items() if count}


def test_a_restore_that_failed_late_leaves_no_folder_and_an_emptied_database_takes_it(
    copies: Copies, tmp_path: Path, empty: str
) -> None:
    copies.make()
    [copy] = generations(copies.at / "vault")
    whole = (copy / "vault.db").read_bytes()
    (copy / "vault.db").write_bytes(b"no database " * 1_000)  # the log is in its tables when this is met
    target = tmp_path / "again"
    with pytest.raises(DatabaseError, match="not a database"):
        copies.restored(target, empty)
    (copy / "vault.db").write_bytes(whole)
    assert not target.exists()
    with pytest.raises(DatabaseTaken, match="DROP SCHEMA IF EXISTS ledger, state, vault CASCADE"):
        copies.restored(target, empty)
    assert not target.exists()
    with psycopg.connect(make_url(empty).set(drivername="postgresql").render_as_string()) as connection:
        connection.execute(b"DROP SCHEMA IF EXISTS ledger, state, vault CASCADE")
    copies.restored(target, empty, guard=copies.world.ledger.guard.path)
    again = copies.opened(target, empty)
    assert again.bodies() == copies.world.bodies()
    assert_goes_on(again)
    again.close()
