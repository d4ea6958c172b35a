"""Faults, caused: what the tests of faults share.

    LOTPROOF_FAULTS=10 pytest tests/test_fault_*.py     ten times as many kills, injections and bytes
    LOTPROOF_FAULTS_SEED=123 pytest …                   the moments and places of an earlier run

Children are forked from a server that has imported the product once, so that starting one takes 10 ms and not a
second. They write down what they were told as they are told it, a line each, before they ask for more; a `Witness`
holds the ledger to it.
"""

import json
import multiprocessing
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from ledger.database import connect, reading
from ledger.errors import LedgerError
from ledger.journal.journal import By, Receipt
from ledger.journal.opening import Ledger, open_ledger
from ledger.journal.publish import Standing
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.entry import parse_entry
from ledger.log.guard import Guard
from ledger.log.merkle import leaf_hash
from ledger.log.note import split_note
from ledger.log.tiles import Edge
from ledger.settings import Settings
from ledger.trace.bill_of_materials import RegisterMaterial, register_material
from ledger.trace.commissioning import MakeSerials, commission_made
from tests.world import ADA, World

T = TypeVar("T")
FACTOR = float(os.environ.get("LOTPROOF_FAULTS", "1"))
SEED = int(os.environ.get("LOTPROOF_FAULTS_SEED") or random.SystemRandom().randrange(10**9))
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.faults", "tests.fault_commands"])
UNAVAILABLE = 503
BATCH = "VS-10/B1"  # what writers commission units into


def times(count: int) -> int:
    """So many, or more where the setting asks for more."""
    return max(1, round(count * FACTOR))


@contextmanager
def chance(name: str) -> Iterator[random.Random]:
    """Chance from the run's seed; a failure says which seed that was."""
    try:
        yield random.Random(f"{SEED}/{name}")
    except BaseException as error:
        error.add_note(f"Again with LOTPROOF_FAULTS_SEED={SEED}")
        raise


# --- writers, and what they were told


@dataclass(frozen=True, slots=True)
class Writers:
    """How a process writes: into which folder, where it writes down what it was told, with how many threads."""

    folder: Path
    told: Path
    threads: int = 3
    limit: int | None = None  # writes of each thread; None: until it is killed
    database_url: str | None = None
    patience_seconds: float = 0  # how long a database that does not answer is asked again

    @property
    def settings(self) -> Settings:
        return Settings(data=self.folder, database_url=self.database_url)

    def start(self, name: str) -> BaseProcess:
        """A process of them. Threads of one name ask for the same things in the same order, under the same keys."""
        process = CHILDREN.Process(target=_write_on, args=(self, name), daemon=True)
        process.start()
        return process


def _write_on(writers: Writers, name: str) -> None:
    """Write and read until killed; nothing is caught, so that a failure shows as the process's end."""
    ledger = open_ledger(writers.settings)
    told = os.open(writers.told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    begun = _answered(writers.told, name)
    _tell(told, what="start", name=name)
    ended = threading.Event()
    with ThreadPoolExecutor(writers.threads + 1) as pool:
        watching = pool.submit(_watch, writers, ledger, told, ended)
        try:
            writing = [
                pool.submit(_write, writers, ledger, told, f"{name}-{n}", begun[f"{name}-{n}"])
                for n in range(writers.threads)
            ]
            for one in as_completed(writing):
                one.result()
        finally:
            ended.set()
        watching.result()
    ledger.close()


def _answered(told: Path, name: str) -> Counter[str]:
    """How many answers each thread of an earlier process of this name got: its successor asks for the rest."""
    lines = [json.loads(line) for line in told.read_bytes().splitlines()]
    return Counter(line["by"] for line in lines if line.get("by", "").startswith(f"{name}-"))


def _write(writers: Writers, ledger: Ledger, told: int, name: str, begin: int) -> None:
    """One write after the other; the first may be a repetition of one whose answer was never given."""
    for number in count(begin) if writers.limit is None else range(begin, writers.limit):
        key = f"M-{name}-{number}"
        if number % 16 == 15:
            code, receipt = None, _patiently(writers, partial(_commission, ledger, key))
        else:
            code, request = key, RegisterMaterial(code=key, name=f"Material {key}")
            ask = partial(ledger.journal.write, register_material, request, By(ADA, key))
            receipt = _patiently(writers, ask)
        _tell(told, what="written", by=name, code=code, index=receipt.entries[0].index)


def _patiently(writers: Writers, ask: Callable[[], T]) -> T:
    """What is answered; where the database does not answer, the same is asked again for a while."""
    until = time.monotonic() + writers.patience_seconds
    while True:
        try:
            return ask()
        except LedgerError as error:
            if error.http_status != UNAVAILABLE or time.monotonic() > until:
                raise
            time.sleep(0.05)


def _commission(ledger: Ledger, key: str) -> Receipt:
    """Bulk: a file and staged rows before the lock, one small event under it."""
    return commission_made(
        ledger.journal, ledger.keys.units, MakeSerials(batch=BATCH, count=40), By(ADA, key)
    )


def _watch(writers: Writers, ledger: Ledger, told: int, ended: threading.Event) -> None:
    """Read as a page does, and write down every checkpoint that was served."""

    def look() -> Standing:
        with reading(ledger.engine) as connection:
            return ledger.journal.standing(connection)

    last = ""
    while not ended.is_set():
        standing = _patiently(writers, look)
        if standing.note != last and not standing.is_old:
            last = standing.note
            _tell(told, what="served", size=standing.size, root=standing.root)
        time.sleep(0.001)


def _tell(told: int, **line: object) -> None:
    """One line in one write: it is there whole or not at all, also when the next instruction never comes."""
    os.write(told, (json.dumps(line) + "\n").encode())


# --- who holds the ledger to it


@dataclass
class Witness:
    """Reads what the processes were told, and the log as it grows; every `check` compares the two."""

    folder: Path
    told: Path
    database_url: str | None = None
    engine: Engine = field(init=False)
    written: int = 0  # acknowledged writes
    served: dict[int, str] = field(default_factory=dict)  # root by size, of every checkpoint anybody ever saw
    codes: dict[int, str] = field(default_factory=dict)  # code of the material that each entry registers
    _indexes: dict[str, int] = field(default_factory=dict)
    _edge: Edge = field(default_factory=Edge.empty)
    _roots: dict[int, str] = field(default_factory=dict)  # root by size, as the entries make it
    _last: bytes = bytes(32)
    _heard: int = 0

    def __post_init__(self) -> None:
        self.engine = connect(Settings(data=self.folder, database_url=self.database_url).ledger_db)

    def close(self) -> None:
        self.engine.dispose()

    def check(self) -> None:
        """Nothing acknowledged is lost, no size has two roots, the guard and every checkpoint have their entries."""
        lines = self._lines()  # first: what is told later may be newer than the snapshot
        guarded = Guard(Settings(data=self.folder).guard).read()
        with reading(self.engine) as connection:
            self._follow(connection)
        if guarded.note is not None:
            self._see(guarded.size, _root_of(guarded.note))
        for line in lines:
            self._hold_to(line, guarded.size)

    def _lines(self) -> list[dict[str, Any]]:
        if not self.told.exists():
            return []
        with self.told.open("rb") as file:
            file.seek(self._heard)
            fresh = file.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._heard += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def _follow(self, connection: Connection) -> None:
        """Take in the entries that are new since the last time, and every checkpoint over them."""
        size = store.size(connection)
        for position, (leaf, body) in enumerate(
            store.read_entries(connection, self._edge.size, size), self._edge.size
        ):
            entry = parse_entry(body)
            assert leaf == leaf_hash(body), f"the leaf of entry {position}"
            assert entry.prev == self._last, f"the chain breaks at entry {position}"
            self._edge, _ = self._edge.extend([leaf])
            self._last, self._roots[position + 1] = leaf, self._edge.root().hex()
            if entry.kind == "material.registered/1":
                self._take_material(position, str(entry.data["code"]))
        assert self._edge.size == size
        for note in store.notes_from(connection, min(self.served, default=0)):
            point = Checkpoint.parse(split_note(note)[0])
            self._see(point.size, point.root.hex())
        newest = store.newest_checkpoint(connection)
        assert newest is not None
        assert newest.size == size, "the log ends with entries that no checkpoint covers"

    def _take_material(self, position: int, code: str) -> None:
        assert code not in self._indexes, f"{code} was recorded twice under one key"
        self._indexes[code], self.codes[position] = position, code

    def _see(self, size: int, root: str) -> None:
        assert size in self._roots, f"a checkpoint of {size} entries was published, and they are not there"
        assert self._roots[size] == root, f"another root than the entries make was published for size {size}"
        assert self.served.setdefault(size, root) == root, f"two roots for size {size}"

    def _hold_to(self, line: dict[str, Any], guarded: int) -> None:
        if line["what"] == "served":
            self._see(line["size"], line["root"])
        elif line["what"] == "written":
            self.written += 1
            assert line["index"] < self._edge.size, f"entry {line['index']} was acknowledged and is gone"
            assert self.codes.get(line["index"]) == line["code"], f"entry {line['index']} is another one"
            assert line["index"] < guarded, f"entry {line['index']} was acknowledged before the guard held it"


def _root_of(note: str) -> str:
    return Checkpoint.parse(split_note(note)[0]).root.hex()


# --- small worlds


@contextmanager
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder whose syncs cost nothing, where there is one: for faults that do not depend on when a sync ends."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(prefix="lotproof-faults-", dir=memory) as folder:
        yield Path(folder)


def begin(blank: Path, folder: Path) -> None:
    """A company with a batch that has units to come, closed: what writers write into."""
    _begin(World.begin_as(blank, folder))


def begin_on(url: str, folder: Path) -> None:
    """The same on a database of its own."""
    _begin(World.begin(folder, url))


def _begin(world: World) -> None:
    world.clock.moment = datetime.now(UTC)  # writers go by the machine's clock
    world.reopen(accept_long_silence=True)
    world.batch("B1", quantity=1_000_000)
    world.close()


def wait_until(holds: Callable[[], bool], *, seconds: float = 30) -> None:
    """Look again and again; fails with TimeoutError."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.002)


def refused(action: Callable[[], object]) -> LedgerError:
    """The error with which an action is refused; fails where it is not."""
    try:
        given = action()
    except LedgerError as error:
        return error
    raise AssertionError(f"not refused: {given!r}")
