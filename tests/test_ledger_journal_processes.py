"""Several processes, each with several threads, writing and reading one ledger at once."""

import base64
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import pytest

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.journal.clock import SetClock
from ledger.journal.journal import By, SameKeyOtherRequest
from ledger.journal.opening import open_ledger
from ledger.journal.projections import rebuild
from ledger.journal.registry import NOUNS, Recorded
from ledger.journal.turnstile import Turnstile
from ledger.log import store
from ledger.log.note import open_note
from ledger.settings import Settings
from ledger.trace.bill_of_materials import MaterialRegistered, RegisterMaterial, register_material
from tests.faults import CHILDREN
from tests.whole_log import assert_whole
from tests.world import ADA, BEGINNING, BEN, World

PROCESSES, THREADS, WRITES = 4, 8, 6  # writes of each thread, and as many readings

pytestmark = pytest.mark.slow

Written = list[tuple[str, int, str, str]]  # (code, index, at, actor)
Seen = set[tuple[int, str]]  # (size, root) of checkpoints that a reader was given


def _write_and_read(settings: Settings, process: int, start: Any, report: "Queue[Any]") -> None:
    ledger = open_ledger(settings, clock=SetClock(BEGINNING))
    written: Written = []
    seen: Seen = set()
    shared: list[int] = []
    is_done = threading.Event()

    def send(code: str, by: By) -> Recorded[MaterialRegistered]:
        one = ledger.journal.write(register_material, RegisterMaterial(code=code, name=code), by).entries[0]
        assert ledger.guard.read().size > one.index  # never answered before it is published
        assert read() > one.index  # whoever was answered reads it, whatever others write meanwhile
        return one

    def write(thread: int) -> None:
        for number in range(WRITES):
            code = f"M-{process}-{thread}-{number}"
            one = send(code, By(ADA, code))
            written.append((code, one.index, str(one.at), one.actor))
            # Every thread of every process sends this one too, under one key: it is recorded once.
            if number == WRITES // 2:
                shared.append(send("ONCE", By(BEN, "once")).index)

    def read() -> int:
        with reading(ledger.engine) as connection:
            standing = ledger.journal.standing(connection)
        assert not standing.is_old
        open_note(standing.note, [ledger.keys.signer.verifier])
        assert ledger.guard.read().size >= standing.size  # never served before it is published
        seen.add((standing.size, standing.root))
        return standing.size

    def read_on() -> None:
        while not is_done.is_set():
            read()

    start.wait(60)
    with ThreadPoolExecutor(THREADS + 1) as pool:
        reader = pool.submit(read_on)
        for writer in [pool.submit(write, thread) for thread in range(THREADS)]:
            writer.result(120)
        is_done.set()
        reader.result(30)
    ledger.close()
    report.put((written, seen, shared))


def test_four_processes_of_eight_threads_write_and_read_one_log(world: World) -> None:
    settings = world.ledger.settings
    start, report = CHILDREN.Barrier(PROCESSES), CHILDREN.Queue()
    processes = [
        CHILDREN.Process(target=_write_and_read, args=(settings, number, start, report))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    reports = [report.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0

    entries = assert_whole(world.ledger)
    written = [one for written, _, _ in reports for one in written]
    assert len(written) == PROCESSES * THREADS * WRITES
    for code, index, at, actor in written:
        assert entries[index].data["code"] == code
        assert (str(entries[index].at), entries[index].actor) == (at, actor)
    assert len({index for _, index, _, _ in written}) == len(written)

    once = {index for _, _, shared in reports for index in shared}
    assert len(once) == 1
    assert sum(entry.data.get("code") == "ONCE" for entry in entries) == 1

    seen = {one for _, seen, _ in reports for one in seen}
    assert len({size for size, _ in seen}) == len(seen), "two roots were shown for one size"
    with reading(world.ledger.engine) as connection:
        for size, root in seen:
            published = store.note_at(connection, size)
            assert published is not None
            assert bytes.fromhex(root) in _root_of(published)

    live = world.rows()
    rebuild(world.ledger.engine, tuple(NOUNS.values()), world.ledger.files.read)
    assert world.rows() == live


def _root_of(note: str) -> bytes:
    return base64.b64decode(note.split("\n")[2])


def _send(settings: Settings, code: str, report: "Queue[Any]") -> None:
    ledger = open_ledger(settings, clock=SetClock(BEGINNING))
    request = RegisterMaterial(code=code, name="Separator film")
    try:
        report.put(ledger.journal.write(register_material, request, By(ADA, "k")).entries[0].index)
    except LedgerError as error:
        report.put(type(error).__name__)
    ledger.close()


def test_a_request_repeated_from_another_process_gives_the_first_receipt(world: World) -> None:
    first = world.do(RegisterMaterial(code="FILM", name="Separator film"), key="k").entries[0].index
    size = world.size()
    report: Queue[Any] = CHILDREN.Queue()
    answers = []
    for code in ("FILM", "CELL"):
        process = CHILDREN.Process(target=_send, args=(world.ledger.settings, code, report))
        process.start()
        answers.append(report.get(timeout=60))
        process.join(60)
    assert answers == [first, SameKeyOtherRequest.__name__]
    assert world.size() == size


def _take_turns(folder: str, times: int, start: Any, report: "Queue[Any]") -> None:
    turnstile = Turnstile(Path(folder))
    start.wait(60)
    spans = []
    for _ in range(times):
        with turnstile.turn():
            begun = time.monotonic()
            time.sleep(0.002)
            spans.append((begun, time.monotonic()))
    report.put(spans)


def test_turns_of_processes_never_overlap_and_nobody_starves(tmp_path: Path) -> None:
    start, report = CHILDREN.Barrier(3), CHILDREN.Queue()
    processes = [
        CHILDREN.Process(target=_take_turns, args=(str(tmp_path), 40, start, report)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    spans = [report.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    turns = sorted((begun, ended, number) for number, own in enumerate(spans) for begun, ended in own)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(turns))
    # As long as all three want turns, each waits for few of the others': without the queue one has most.
    first_to_finish = min(own[-1][1] for own in spans)
    had = Counter(number for _, ended, number in turns if ended <= first_to_finish)
    assert min(had[number] for number in range(3)) >= 20


def test_turns_of_threads_never_overlap(tmp_path: Path) -> None:
    turnstile, inside, most = Turnstile(tmp_path), 0, 0

    def take(_: int) -> None:
        nonlocal inside, most
        for _ in range(20):
            with turnstile.turn():
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take, range(4)))
    turnstile.close()
    assert most == 1


def test_a_thread_that_leaves_does_not_open_the_door_for_another_process(tmp_path: Path) -> None:
    # Two turnstiles on one folder stand for two processes: a lock belongs to the open file.
    ours, theirs = Turnstile(tmp_path), Turnstile(tmp_path)
    log: list[str] = []

    def briefly() -> None:
        with ours.turn():
            log.append("ours briefly")

    def other() -> None:
        with theirs.turn():
            log.append("theirs")

    with ThreadPoolExecutor(2) as pool:
        with ours.turn():
            waiting = [pool.submit(briefly), pool.submit(other)]
            time.sleep(0.1)
            assert log == []
            log.append("ours")
        for one in waiting:
            one.result(10)
    assert log[0] == "ours"
    assert sorted(log[1:]) == ["ours briefly", "theirs"]
    ours.close()
    theirs.close()
