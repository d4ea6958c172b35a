"""Appending: in bulk, one durable command at a time, eight threads, eight processes."""

import hashlib
import multiprocessing
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import ledger.nouns
from ledger.journal.journal import By
from ledger.journal.opening import Ledger, create_ledger, open_ledger
from ledger.journal.registry import Event, Noun, Request, command
from ledger.journal.transaction import Tx
from ledger.settings import Settings
from ledger.trace.bill_of_materials import RegisterMaterial, register_material
from tests.bench.table import Row, paired, rate, timed

assert ledger.nouns

BENCH = Noun("bench", version=1, tables=())
ACTOR = "account:" + "B" * 16
TEXT = "Separator film of a lot that nobody has looked at yet; " * 3


@BENCH.event("bench.noted/1")
class Noted(Event, frozen=True):
    """An event that makes an entry of about 500 bytes."""

    number: int
    text: str


class NoteMany(Request, frozen=True):
    """Note many things in one write."""

    count: int


@command("bench.note_many")
def note_many(tx: Tx, request: NoteMany) -> None:
    """Records `count` events about 100 subjects."""
    subjects = [f"batch:{i:016d}".replace("0", "Z").replace("1", "Y") for i in range(100)]
    for number in range(request.count):
        tx.record(Noted(number=number, text=TEXT), subjects[number % 100])


def rows(scale: float) -> Iterator[Row]:
    """The measures of appending."""
    with tempfile.TemporaryDirectory() as folder:
        ledger_ = create_ledger(Settings(data=Path(folder) / "data"))
        yield _bulk(ledger_, Path(folder), max(2_000, int(100_000 * scale)))
        yield from _durable(ledger_, Path(folder), max(100, int(2_000 * scale)))
        yield from _processes(Path(folder), max(50, int(300 * scale)))
        ledger_.close()


def _bulk(ledger_: Ledger, folder: Path, entries: int) -> Row:
    ours, limit = paired(
        lambda: ledger_.journal.write(note_many, NoteMany(count=entries), By(ACTOR)),
        lambda: _raw_chain(folder / "chain.db", entries),
    )
    return Row("bulk append, entries", rate(entries, ours), rate(entries, limit), limit / ours, 0.5)


def _raw_chain(path: Path, entries: int) -> None:
    """The limit: a hash chain of 500-byte bodies inserted by sqlite3 alone in one transaction."""
    path.unlink(missing_ok=True)
    database = _raw(path)
    database.execute("BEGIN IMMEDIATE")
    leaf, made = bytes(32), []
    for position in range(entries):
        body = leaf.hex().encode() + b"x" * 436
        leaf = hashlib.sha256(b"\0" + body).digest()
        made.append((position, leaf, body))
    database.executemany("INSERT INTO t VALUES (?, ?, ?)", made)
    database.execute("COMMIT")
    database.close()


def _raw(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE IF NOT EXISTS t (position INTEGER PRIMARY KEY, leaf BLOB, body BLOB)")
    return database


_NUMBERS = count()


def register(ledger_: Ledger, times: int) -> None:
    """So many durable commands, one after the other."""
    for _ in range(times):
        code = f"{os.getpid()}-{next(_NUMBERS)}"
        ledger_.journal.write(register_material, RegisterMaterial(code=code, name="film"), By(ACTOR))


def _raw_durable(path: Path, times: int) -> None:
    database = _raw(path)
    start = database.execute("SELECT coalesce(max(position), 0) + 1 FROM t").fetchone()[0]
    for position in range(start, start + times):
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO t VALUES (?, ?, ?)", (position, bytes(32), b"x" * 500))
        database.execute("COMMIT")
    database.close()


def in_threads(ledger_: Ledger, times: int) -> None:
    """The same number by eight threads."""
    threads = [threading.Thread(target=register, args=(ledger_, times // 8)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _durable(ledger_: Ledger, folder: Path, times: int) -> Iterator[Row]:
    register(ledger_, 20)
    one, limit = paired(lambda: register(ledger_, times), lambda: _raw_durable(folder / "raw.db", times))
    yield Row("one durable command", rate(times, one), rate(times, limit), limit / one, 0.10)
    eight, one = paired(lambda: in_threads(ledger_, times), lambda: register(ledger_, times))
    yield Row("eight threads against one", rate(times, eight), rate(times, one), one / eight, 2.5)


def _process(
    data: Path, times: int, begin: float, results: "multiprocessing.Queue[tuple[float, float]]"
) -> None:
    opened = open_ledger(Settings(data=data))
    register(opened, 3)
    time.sleep(max(0.0, begin - time.time()))
    start, longest = time.perf_counter(), 0.0
    for _ in range(times):
        longest = max(longest, timed(lambda: register(opened, 1)))
    results.put((time.perf_counter() - start, longest))


def _run_processes(data: Path, processes: int, times: int) -> tuple[float, float]:
    """(appends a second, longest wait in seconds) of so many processes at once."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[float, float]] = context.Queue()
    begin = time.time() + 2 + processes * 0.7
    made = [context.Process(target=_process, args=(data, times, begin, results)) for _ in range(processes)]
    for process in made:
        process.start()
    found = [results.get(timeout=600) for _ in made]
    for process in made:
        process.join()
    return processes * times / max(seconds for seconds, _ in found), max(wait for _, wait in found)


def _processes(folder: Path, times: int) -> Iterator[Row]:
    data = folder / "data"
    one, _ = _run_processes(data, 1, times * 4)
    eight, wait = _run_processes(data, 8, times)
    yield Row("eight processes against one", f"{eight:,.0f}/s", f"{one:,.0f}/s", eight / one, 1.0)
    yield Row(
        "longest wait of eight processes, ms", f"{wait * 1000:,.0f}", "-", wait * 1000, 200, at_most=True
    )
