"""Commands that are run in a process of their own to be struck by a fault: forked from one that has imported all."""

import ctypes
import importlib
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ledger.cli.border import REFUSED
from ledger.database import reading
from ledger.errors import LedgerError, storage_error
from ledger.journal.opening import open_ledger
from ledger.recall.answer import find_answer
from ledger.recall.claiming import Wish, file_claim
from ledger.settings import Settings
from portal.cli import GROUPS, main
from tests.faults import CHILDREN

for _module, _about in GROUPS.values():
    importlib.import_module(_module.partition(":")[0])

SYSCALLS = ("write", "pwrite64", "fdatasync", "fsync", "rename", "ftruncate", "unlink", "mkdir")
ERRORS = ("error=EIO", "error=ENOSPC", "signal=KILL")
_FILE = re.compile(r'<(/[^>]*)>|"(/[^"]*)"')
_SET_PTRACER, _ANY = 0x59616D61, -1  # prctl(2): where Yama lets only parents trace


# --- what is run


def by_command_line(folder: Path, *arguments: str) -> None:
    """`lotproof …` as the shell runs it; ends the process with its exit code."""
    os.environ["LOTPROOF_DATA"] = str(folder)
    main(list(arguments))


def by_a_buyer(folder: Path, form: str, number: str) -> None:
    """A claim as a page files it, the form's token given; ends as the command line does."""
    try:
        print(_claim(folder, form, number))
    except Exception as error:
        said = error if isinstance(error, LedgerError) else storage_error(error)
        if said is None:
            raise
        print(f"lotproof: {said}", file=sys.stderr)
        raise SystemExit(REFUSED) from error


def _claim(folder: Path, form: str, number: str) -> str:
    ledger = open_ledger(Settings(data=folder))
    try:
        with reading(ledger.engine) as connection:
            match = find_answer(connection, ledger.journal.standing(connection), number, None).matches[0]
        wish = Wish(match.product_id, match.batch_id, match.position, "refund", "DE", "de")
        contact: dict[str, Any] = {"email": "buyer@mail.example"}
        return file_claim(ledger, wish, form_token=form, contact=contact, payout={"account": "an account"})
    finally:
        ledger.close()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int | None  # negative: by that signal
    out: str
    error: str
    calls: tuple["Call", ...] = ()  # what was traced
    struck: "Call | None" = None


@dataclass(frozen=True, slots=True)
class Call:
    """The `nth` call of this name about a place: a path below the folder, names that are new each time left out.

    Where the name is new each time, the `nth` of all calls of this name.
    """

    name: str
    nth: int
    place: str
    is_named: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A function of this module and what it is given besides the folder."""

    run: Callable[..., None]
    arguments: tuple[str, ...]


def _child(command: Command, folder: Path, told: Path, go: Connection) -> None:
    ctypes.CDLL(None).prctl(_SET_PTRACER, _ANY, 0, 0, 0)
    for descriptor, name in ((1, "out"), (2, "error")):
        os.dup2(os.open(told / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    go.recv()
    command.run(folder, *command.arguments)


def start(command: Command, folder: Path, told: Path) -> tuple[BaseProcess, Connection]:
    """The process, which begins when something is sent."""
    ours, theirs = CHILDREN.Pipe()
    process = CHILDREN.Process(target=_child, args=(command, folder, told, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


def run(command: Command, folder: Path, told: Path) -> Ended:
    """Run it to its end, with nothing in its way."""
    process, go = start(command, folder, told)
    go.send("go")
    return _end(process, told)


def strike(
    command: Command,
    folder: Path,
    told: Path,
    fault: str = "",
    call: Call | None = None,
    *,
    beside: Path | None = None,
) -> Ended:
    """Run it under strace, which makes `call` fail as `fault` says (strace(1), "inject").

    Of interest are the calls about what lies in `folder`, or in a folder `beside` it that the command writes.
    """
    process, go = start(command, folder, told)
    log = told / "strace"
    line = ["strace", "-f", "-y", "-s", "0", "-o", str(log), "-p", str(process.pid)]
    line += ["-e", f"trace={','.join(SYSCALLS)}"]
    if call:
        line += ["-e", f"inject={call.name}:{fault}:when={call.nth}"]
        line += ["-P", str(folder / call.place)] if call.is_named else []
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        assert "attached" in attached, attached
        go.send("go")
        ended = _end(process, told)
        tracer.stderr.read()
    assert tracer.returncode in {0, -signal.SIGKILL}, tracer.returncode
    calls, struck = _calls(log.read_text(), beside or folder, are_named=beside is None)
    return Ended(ended.code, ended.out, ended.error, calls, struck)


def _end(process: BaseProcess, told: Path) -> Ended:
    process.join(60)
    if process.is_alive():
        process.kill()
        raise AssertionError("the command never came to an end")
    return Ended(process.exitcode, (told / "out").read_text(), (told / "error").read_text())


def _calls(log: str, folder: Path, *, are_named: bool) -> tuple[tuple[Call, ...], Call | None]:
    """The calls about files below the folder, and the one that was struck."""
    counts: Counter[str] = Counter()
    calls: list[Call] = []
    struck = None
    for line in log.splitlines():
        text = line.split(maxsplit=1)[1]
        name = text.split("(", 1)[0]
        if name not in SYSCALLS:
            continue  # a signal, or the end
        place = _place(text, folder)
        counts.update([name, f"{name} {place}"])
        if place is not None:
            is_named = are_named and not place.startswith("files")
            calls.append(Call(name, counts[f"{name} {place}" if is_named else name], place, is_named))
            if "INJECTED" in text or text.rstrip().endswith("= ?"):
                struck = calls[-1]
    return tuple(calls), struck


def _place(text: str, folder: Path) -> str | None:
    """Where below the folder a call writes; None for elsewhere."""
    for pair in _FILE.findall(text):
        path = Path(pair[0] or pair[1])
        if path == folder or folder in path.parents:
            parts = path.relative_to(folder).parts
            return "/".join(parts[:2]) if parts[:2] == ("files", "incoming") else (parts or (".",))[0]
    return None
