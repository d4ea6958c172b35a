"""PostgreSQL killed under load: restarted, and replaced by its synchronous replica. Nothing confirmed is lost."""

import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ledger.journal.opening import open_ledger
from ledger.settings import Settings
from tests.faults import CHILDREN, Witness, Writers, begin_on, chance, times, wait_until
from tests.postgres import PORT, Server, launch, new_folder, remove_leftovers, run_program
from tests.tampering import audited

pytestmark = pytest.mark.slow

CRASHES = times(3)
PATIENCE_SECONDS = 30.0
STANDBY = "standby"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that syncs as in production, and a company in its database `lots`."""
    with closing(Server.start(durable=True)) as started:
        started.make("lots")
        yield started


def test_a_server_killed_under_load_loses_nothing_confirmed(server: Server, tmp_path: Path) -> None:
    folder, told, url = tmp_path / "var", tmp_path / "told", server.url("lots")
    begin_on(url, folder)
    witness = Witness(folder, told, url)
    writers = Writers(folder, told, database_url=url, patience_seconds=PATIENCE_SECONDS)
    with chance("postgres") as random:
        processes = [writers.start(str(number)) for number in range(2)]
        for _ in range(CRASHES):
            told_more(told)
            time.sleep(random.random() * 0.5)
            server.kill()
            server.restart()
            witness.engine.dispose()
            told_more(told)  # the same processes go on by themselves
            witness.check()
        for process in processes:
            assert process.is_alive()
            process.kill()
            process.join()
        finish(folder, url, witness)
    print(f"{CRASHES} crashes of the server, {witness.written} writes")


def test_a_promoted_synchronous_replica_holds_everything_confirmed(server: Server, tmp_path: Path) -> None:
    replica = replicate(server)
    with closing(replica):
        url = (
            f"postgresql+psycopg://postgres@/lots?host={server.folder},{replica.folder}&port={PORT},{PORT}"
            "&target_session_attrs=read-write"
        )
        folder, told = tmp_path / "var", tmp_path / "told"
        begin_on(url, folder)
        witness = Witness(folder, told, url)
        writers = Writers(folder, told, database_url=url, patience_seconds=PATIENCE_SECONDS)
        with chance("replica") as random:
            processes = [writers.start(str(number)) for number in range(2)]
            told_more(told)
            time.sleep(random.random())
            server.kill()
            replica.execute("SELECT pg_promote()")
            replica.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            replica.execute("SELECT pg_reload_conf()")
            witness.engine.dispose()
            told_more(told)
            witness.check()
            for process in processes:
                assert process.is_alive()
                process.kill()
                process.join()
            finish(folder, url, witness)
        print(f"a replica took over after {witness.written} writes")


def test_what_a_killed_run_left_is_removed_by_the_next_start_and_nothing_else() -> None:
    ours, theirs = CHILDREN.Pipe()
    process = CHILDREN.Process(target=_start_and_wait, args=(theirs,), daemon=True)
    process.start()
    left: Path = ours.recv()
    with closing(Server.start()) as other:
        assert (left / "data").exists(), "it is in use"
        process.kill()
        process.join()
        wait_until(lambda: not is_running(left))
        remove_leftovers(left.parent)
        assert not left.exists()
        other.execute("SELECT 1")


def _start_and_wait(told: Connection) -> None:
    server = Server.start()
    told.send(server.folder)
    server.process.wait()


def is_running(folder: Path) -> bool:
    """Whether the server that was started last on this folder is there still."""
    try:
        number = (folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0]
    except FileNotFoundError:
        return False
    return Path("/proc", number).exists()


def told_more(told: Path) -> None:
    """Wait until a good many more writes were confirmed."""
    before = told.read_bytes().count(b"written") if told.exists() else 0
    wait_until(lambda: told.exists() and told.read_bytes().count(b"written") >= before + 20)


def finish(folder: Path, url: str, witness: Witness) -> None:
    """The next start has nothing to complain of, and neither have the witness and the audit."""
    settings = Settings(data=folder, database_url=url)
    with closing(open_ledger(settings)) as ledger:
        ledger.journal.seal()
    witness.check()
    witness.close()
    assert witness.written > 40
    assert audited(folder, derived=True, database_url=url).findings == ()


def replicate(server: Server) -> Server:
    """A replica that the primary waits for at every commit."""
    folder = new_folder()
    primary = f"host={server.folder} port={PORT} user=postgres application_name={STANDBY}"
    run_program(
        "pg_basebackup", "-D", str(folder / "data"), "-d", primary, "-R", "-c", "fast", "-X", "stream"
    )
    settings = {**server.settings, "unix_socket_directories": str(folder)}
    replica = Server(folder, launch(folder, settings), settings)
    replica.wait()
    server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
    server.execute("SELECT pg_reload_conf()")
    wait_until(lambda: server.execute("SELECT sync_state FROM pg_stat_replication") == [("sync",)])
    return replica
