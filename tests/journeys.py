"""What the journeys stand on: the real server over a company of its own, and the command line beside it.

    with served(demo_copy(tmp_path_factory)) as shop:
        Reader(shop.base).get(f"/s/{shop.demo['serials']['recalled'][0]}")
        shop.lotproof("claim", "list")

The demo is told once a test run (about 3 s) and copied; each module serves a copy of its own, so that none sees
another's claims. At the end SIGTERM must leave no process behind.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.reader import Reader

LOTPROOF = Path(sys.executable).with_name("lotproof")
ANSWERS_WITHIN_SECONDS = 60.0
STOPS_WITHIN_SECONDS = 20.0


# --- the command line


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed, and how it ended."""

    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        """What `--json` printed; of a refusal, what it printed on standard error."""
        return json.loads(self.out or self.error)


@dataclass(frozen=True, slots=True)
class Lotproof:
    """`.venv/bin/lotproof` over the company in one folder."""

    folder: Path

    def run(self, *arguments: object, environ: Mapping[str, str] | None = None) -> Said:
        """Run a command to its end, however that is."""
        line = [str(LOTPROOF), *map(str, arguments)]
        done = subprocess.run(
            line,
            env=environment(self.folder, environ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def __call__(self, *arguments: object, by: str = "") -> Any:
        """Run a command that must succeed, with `--json`; gives what it printed."""
        said = self.run(*arguments, *(("--as", by) if by else ()), "--json")
        assert said.code == 0, f"{arguments}: {said.code}\n{said.error}{said.out}"
        return said.json

    def refused(self, *arguments: object, by: str = "") -> Any:
        """Run a command that the ledger must refuse (exit 3); gives the error's name, facts and message."""
        said = self.run(*arguments, *(("--as", by) if by else ()), "--json")
        assert said.code == 3, f"{arguments}: {said.code}\n{said.error}{said.out}"
        assert said.out == ""
        return said.json


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with its company in `folder`, and nothing else of Lotproof's set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOTPROOF_")}
    return {**kept, "LOTPROOF_DATA": str(folder), **(more or {})}


# --- the server


@dataclass(frozen=True, slots=True)
class Shop:
    """A running server with its worker, over the company in `folder`."""

    base: str
    folder: Path
    process: "subprocess.Popen[str]"

    @property
    def lotproof(self) -> Lotproof:
        """The command line beside the server."""
        return Lotproof(self.folder)

    @property
    def demo(self) -> Any:
        """`demo.json`."""
        return json.loads((self.folder / "demo.json").read_text())


def demo_copy(factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo, which `lotproof demo` tells once a test run."""
    told = factory.getbasetemp() / "demo"
    if not told.exists():
        said = Lotproof(told).run("demo")
        assert said.code == 0, said.error
    return copy_of(told, factory.mktemp("shop") / "var")


def copy_of(folder: Path, to: Path) -> Path:
    """A copy of a company that no process has open."""
    shutil.copytree(folder, to)
    return to


@contextmanager
def served(folder: Path) -> Iterator[Shop]:
    """`lotproof run` over a folder, until the end of the block; then SIGTERM must leave none of it behind."""
    port = free_port()
    output = (folder.parent / "run.log").open("w+")
    command = [str(LOTPROOF), "run", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(command, env=environment(folder), stdout=output, stderr=output, text=True)
    shop = Shop(f"http://127.0.0.1:{port}", folder, process)
    try:
        _wait_for(shop, folder.parent / "run.log")
        yield shop
    finally:
        ours = [process.pid, *descendants(process.pid)]
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOPS_WITHIN_SECONDS)
        finally:
            process.kill()
            output.close()
        _expect_gone(ours)
    assert code == 0, (folder.parent / "run.log").read_text()


def _wait_for(shop: Shop, log: Path) -> None:
    end = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while True:
        assert shop.process.poll() is None, f"`lotproof run` ended by itself:\n{log.read_text()}"
        assert time.monotonic() < end, f"no answer in {ANSWERS_WITHIN_SECONDS:.0f} s:\n{log.read_text()}"
        try:
            if "Lotproof is running" in log.read_text():
                Reader(shop.base).get("/en/")
                return
        except OSError:
            pass
        time.sleep(0.05)


def _expect_gone(pids: Sequence[int]) -> None:
    end = time.monotonic() + STOPS_WITHIN_SECONDS
    while left := [pid for pid in pids if _is_alive(pid)]:
        assert time.monotonic() < end, f"still running after SIGTERM: {left}"
        time.sleep(0.05)


def free_port() -> int:
    """A port of this machine that nobody listens on at the moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """The processes that `pid` started, and that those started.  Source: proc(5), children of each thread."""
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *descendants(child)]
    return found


def _is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie that waits for its parent to look does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
