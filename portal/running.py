"""`lotproof run`: server and worker together, with the demo where there is nothing yet. What `make run` calls.

Imports next to nothing: server and worker do their own importing while this process waits for them.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import click
import msgspec

from ledger.settings import Settings
from portal.processes import GRACE_SECONDS, WEB_PROCESSES

START_WITHIN_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.05
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SHOWS = {  # what the demo's numbers show, by their kind in demo.json
    "recalled": "recalled: stop using it, what to do, what you get",
    "settled": "recalled, and its buyer was helped already",
    "clear": "in no recall",
    "unknown": "a number that nobody knows",
}


class Login(msgspec.Struct, frozen=True):
    """A name and a password to sign in with."""

    name: str
    password: str


class Demo(msgspec.Struct, frozen=True):
    """What is shown of demo.json."""

    portal: str
    login: Login
    serials: dict[str, list[str]]


class Stopped(Exception):
    """Somebody asked us to stop."""


class ChildDied(Exception):
    """A process of ours ended by itself."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} ended with {code}")
        self.name, self.code = name, code


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=WEB_PROCESSES, show_default=True)
@click.option("--accept-clock", is_flag=True, help="Start although a year has passed since the last entry.")
def run(port: int, workers: int, accept_clock: bool) -> None:
    """Start everything, with the demo where there is nothing yet. Ctrl-C or SIGTERM stops all of it."""
    facts = prepare(Settings.from_env(), port)
    # The demo tells of 2025, so its last entry may well be a year old.
    clock = ["--accept-clock"] if accept_clock or facts else []
    serve = ["serve", "--port", str(port), "--workers", str(workers), *clock]
    try:
        with stopping_on_signals() as stop, Children(stop) as children:
            children.start(*serve)
            children.wait_for_answer(f"http://127.0.0.1:{port}/healthz")
            children.start("worker", *clock)  # second, because people wait for the first
            click.echo(welcome(port, facts))
            children.watch()
    except Stopped:
        click.echo("Stopped.")
    except ChildDied as died:
        click.echo(f"lotproof: {died.name} ended by itself; everything was stopped.", err=True)
        click.get_current_context().exit(died.code if died.code > 0 else 1)


def prepare(settings: Settings, port: int) -> Demo | None:
    """The demo's facts with the addresses of this port, told first into an empty folder.

    None for a company that is no demo. Exits as `lotproof demo` does for a folder that is neither.
    """
    if settings.has_ledger and not settings.demo_json.exists():
        return None
    facts = _read(settings)
    if facts is None or facts.portal != f"http://127.0.0.1:{port}/":
        told = subprocess.run(_lotproof("demo", "--port", str(port)), check=False)
        if told.returncode:
            click.get_current_context().exit(told.returncode)
        facts = _read(settings)
    return facts


def _read(settings: Settings) -> Demo | None:
    if not settings.demo_json.exists():
        return None
    return msgspec.json.decode(settings.demo_json.read_bytes(), type=Demo)


def _lotproof(*words: str) -> list[str]:
    """`lotproof WORDS` in this very installation."""
    return [sys.executable, "-m", "portal.cli", *words]


def welcome(port: int, facts: Demo | None) -> str:
    """Where everything is, and what to try."""
    base = f"http://127.0.0.1:{port}"
    lines = [
        "",
        "Lotproof is running. Ctrl-C stops it.",
        "",
        f"  Portal    {base}/",
        f"  Console   {base}/console/",
    ]
    if facts is not None:
        lines += [
            f"  Sign in   {facts.login.name}, {facts.login.password}",
            "",
            "Numbers to try at the portal:",
        ]
        for kind, says in SHOWS.items():
            lines += [f"  {serial:<18} {says}" for serial in facts.serials.get(kind, ())[:1]]
    return "\n".join([*lines, ""])


@dataclass
class Stop:
    """Whether somebody asked us to stop.

    A flag, and no exception from the handler: one that is raised while Python runs a callback is swallowed there.
    """

    is_asked: bool = False

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of SIGTERM, SIGINT and SIGHUP."""
        self.is_asked = True


@contextmanager
def stopping_on_signals() -> Iterator[Stop]:
    """Within the block SIGTERM, SIGINT and SIGHUP only ask to stop."""
    stop = Stop()
    earlier = {one: signal.signal(one, stop.ask) for one in STOPS}
    try:
        yield stop
    finally:
        for one, handler in earlier.items():
            signal.signal(one, handler)


class Children:
    """Processes of ours. They are stopped at the end of the block, and watch this one in case it has no end."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_error: object) -> None:
        for child in self._running.values():
            child.terminate()
        end = time.monotonic() + GRACE_SECONDS
        for child in self._running.values():
            try:
                child.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def start(self, name: str, *options: str) -> None:
        """Start `lotproof NAME OPTIONS` in a session of its own: Ctrl-C reaches this process alone."""
        command = _lotproof(name, *options, "--with-parent", str(os.getpid()))
        self._running[name] = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)

    def wait_for_answer(self, url: str) -> None:
        """Until the address answers. Raises ChildDied, Stopped, and TimeoutError when it takes too long."""
        end = time.monotonic() + START_WITHIN_SECONDS
        while not answers(url):
            self.look()
            if time.monotonic() > end:
                raise TimeoutError(f"{url} does not answer after {START_WITHIN_SECONDS:.0f} s")
            time.sleep(LOOK_EVERY_SECONDS)

    def watch(self) -> None:
        """Until one of them dies, or somebody asks to stop. Raises ChildDied, Stopped."""
        while True:
            self.look()
            time.sleep(LOOK_EVERY_SECONDS * 4)

    def look(self) -> None:
        """Raise Stopped if somebody asked to stop, ChildDied if one of them has ended."""
        if self._stop.is_asked:
            raise Stopped
        for name, child in self._running.items():
            code = child.poll()
            if code is not None:
                raise ChildDied(name, code)


def answers(url: str) -> bool:
    """Whether somebody answers at an address, whatever they say."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # our own address, http
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
