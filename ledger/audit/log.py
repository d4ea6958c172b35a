"""`audit`: the log against itself, its checkpoints, the guard and the files that it names.

Reads one snapshot, so it can run beside writers. Memory does not grow with the log.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Engine

from ledger.audit.finding import Finding, Findings, Progress, no_progress
from ledger.audit.joining import Joining, check_ends, check_extra_tiles, guard_problem
from ledger.audit.ranges import RANGE_ENTRIES, RangeReport, Scope, check_range
from ledger.audit.reading import BadBody, EntryReader, UnknownKind
from ledger.audit.rows import fetch
from ledger.audit.schema import check_schema
from ledger.database import connect, reading, writing
from ledger.errors import LedgerError
from ledger.files import Files
from ledger.journal.events import LogOpened
from ledger.journal.registry import KINDS
from ledger.log import store
from ledger.log.guard import Guard, Guarded
from ledger.log.note import Verifier

LARGE_BYTES = 256 * 1024 * 1024  # from there on what is made on the side goes to disk


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at, and what is not as it must be."""

    size: int  # entries
    checkpoints: int
    findings: tuple[Finding, ...]
    staged: dict[str, int] = field(
        default_factory=dict
    )  # rows by table that wait for their event: no finding


def audit(
    engine: Engine,
    files: Files,
    guard: Guard,
    verifier: Verifier,
    *,
    workers: int = 1,
    progress: Progress = no_progress,
) -> Report:
    """Check everything that the log itself says; goes on after the first finding.

    `workers` is how many processes check a log that fills more than one range, this one among them.
    The noun's modules must have been imported: an entry of a kind nobody registered is a finding.
    """
    findings = Findings()
    guarded = read_guard(guard, findings)  # before the snapshot: it may lag behind it, never be ahead
    with reading(engine) as connection:
        size, checkpoints = audit_snapshot(
            connection, guarded, Scope(verifier, files, token_urlsafe(12)), findings, workers, progress
        )
    return Report(size, checkpoints, findings.all())


def read_guard(guard: Guard, findings: Findings) -> Guarded | None:
    """What the guard holds; None, and noted, where it cannot be read."""
    try:
        return guard.read()
    except LedgerError as error:
        findings.add("guard", "guard", "", "", str(error))
        return None


def audit_snapshot(
    connection: Connection,
    guarded: Guarded | None,
    scope: Scope,
    findings: Findings,
    workers: int,
    progress: Progress,
) -> tuple[int, int]:
    """Check the log in one snapshot; gives how many entries and checkpoints there are."""
    if not store.LOG.tables.keys() <= check_schema(connection, findings):
        return 0, 0  # a table of the log itself is missing, and that is said
    size = store.size(connection)
    _check_opening(connection, scope.verifier, findings)
    joining = Joining(connection, findings, scope.links_key)
    for report in _reports(connection, scope, size, workers):
        joining.take(report)
        progress(report.end, size)
    check_ends(connection, size, findings)
    check_extra_tiles(connection, size, findings)
    problem = guard_problem(connection, guarded) if guarded else ""
    if problem:
        findings.add("guard", "guard", "", "", problem)
    with scratch(connection) as engine, writing(engine) as beside:
        joining.check_links(beside)  # last: where entries are gone, the heads say nothing new
    return size, int(fetch(connection, "SELECT count(*) FROM log_checkpoints")[0][0])


@contextmanager
def scratch(connection: Connection) -> Iterator[Engine]:
    """An empty database to work beside the one of `connection`: in memory, or on disk beside a large one."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
    with TemporaryDirectory(prefix="lotproof-audit-") as folder:
        engine = connect(Path(folder) / "scratch.db" if pages * page_bytes > LARGE_BYTES else None)
        try:
            yield engine
        finally:
            engine.dispose()


def _check_opening(connection: Connection, verifier: Verifier, findings: Findings) -> None:
    """Entry 0 must open this very log."""
    body = fetch(connection, "SELECT CAST(body AS BLOB) FROM log_entries WHERE position = 0")
    try:
        _value, event = EntryReader().read(body[0][0] if body else b"")
    except (BadBody, UnknownKind):
        event = None  # the entries' own check says why
    if not isinstance(event, LogOpened):
        findings.add("opening", "log_entries", 0, "body", "does not open a log")
    elif event.origin != verifier.name:
        problem = f"opens the log {event.origin}, and the key is that of {verifier.name}"
        findings.add("opening", "log_entries", 0, "data.origin", problem)
    elif event.vkey != verifier.to_text():
        findings.add("opening", "log_entries", 0, "data.vkey", "names another key than the one at hand")


def _reports(connection: Connection, scope: Scope, size: int, workers: int) -> Iterator[RangeReport]:
    """The reports of all ranges, in order."""
    ranges = deque((start, min(start + RANGE_ENTRIES, size)) for start in range(0, size, RANGE_ENTRIES))
    database = connection.engine.url.database
    if workers < 2 or len(ranges) < 2 or not database:
        for start, end in ranges:
            yield check_range(connection, scope, start, end)
        return
    vkey = scope.verifier.to_text()  # the key object itself belongs to this process
    # The classes of the events are sent along: receiving them imports their modules, which register them.
    initial = (Path(database), vkey, scope.files, scope.links_key, tuple(KINDS.values()))
    helpers = min(workers, len(ranges)) - 1
    with ProcessPoolExecutor(
        helpers, mp_context=get_context("spawn"), initializer=_begin, initargs=initial
    ) as pool:
        yield from _shared(pool, helpers, ranges, partial(check_range, connection, scope))


def _shared(
    pool: Executor, helpers: int, ranges: deque[tuple[int, int]], check: Callable[[int, int], RangeReport]
) -> Iterator[RangeReport]:
    """The reports in order, of ranges that the helpers check and this process too."""
    reports: deque[Future[RangeReport]] = deque()
    while ranges:
        # A second range in each helper's hands, so that it never waits; not at the end, where we would wait for it.
        wanted = helpers * (2 if len(ranges) > 2 * helpers else 1)
        for _ in range(min(wanted - sum(not one.done() for one in reports), len(ranges))):
            reports.append(pool.submit(_check_apart, *ranges.popleft()))
        if ranges:
            reports.append(Future())
            reports[-1].set_result(check(*ranges.popleft()))
        while reports and reports[0].done():
            yield reports.popleft().result()
    while reports:
        yield reports.popleft().result()


_APART: list[tuple[Engine, Scope]] = []  # of a worker process: what it was given at its start


def _begin(path: Path, vkey: str, files: Files, links_key: str, _events: tuple[type, ...]) -> None:
    _APART.append((connect(path), Scope(Verifier.parse(vkey), files, links_key)))


def _check_apart(start: int, end: int) -> RangeReport:
    engine, scope = _APART[0]
    with reading(engine) as connection:
        return check_range(connection, scope, start, end)
