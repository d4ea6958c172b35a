"""The parts of an audit, shared among processes: each looks at its part with a connection of its own.

The parts come in order and their reports go out in the same order. This process takes its share; the others are
there for logs of more than one range.
"""

import gc
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine

from ledger.audit.heads import HeadsReport, sum_heads
from ledger.audit.notes import KeysText, from_text
from ledger.audit.prefix import check_tiles
from ledger.audit.ranges import RANGE_ENTRIES, RangeReport, Scope, check_range
from ledger.audit.rows import DRIVER_ERRORS, begin_recoverable, enter_snapshot, fetch
from ledger.database import connect, reading
from ledger.journal.registry import KINDS


@dataclass(frozen=True, slots=True)
class Part:
    """Something to look at: entries with all that belongs to them, the tiles over entries, or heads of subjects."""

    kind: Literal["entries", "tiles", "heads"]
    start: int
    end: int


Seen = RangeReport | HeadsReport
KnownKeys = Callable[[], KeysText]
"""Gives the keyring as far as the entries that were joined tell it."""


def look_at(connection: Connection, scope: Scope, part: Part, keys: KeysText) -> Seen:
    """The report of one part."""
    with _no_collection():
        match part.kind:
            case "heads":
                return sum_heads(connection, scope.links_key, scope.first, part.start, part.end)
            case "tiles":
                return check_tiles(connection, part.start, part.end)
        return check_range(connection, scope, from_text(keys), part.start, part.end)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the search for cycles: rows and entries make none, and looking for them takes a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Crew:
    """This process and its helpers. Without helpers everything happens here.

    `snapshot` is the name of what they are to look at, set once it is taken.
    """

    def __init__(self, pool: Executor | None, helpers: int) -> None:
        self._pool = pool
        self._helpers = helpers
        self.snapshot = ""

    def reports(
        self, connection: Connection, scope: Scope, parts: deque[Part], keys: KnownKeys
    ) -> Iterator[Seen]:
        """The report of each part, in order. Empties `parts`."""
        if self._pool is None or len(parts) < 2:
            while parts:
                part = parts.popleft()
                yield look_at(connection, scope, part, keys())
            return
        yield from self._shared(self._pool, connection, scope, parts, keys)

    def _shared(
        self,
        pool: Executor,
        connection: Connection,
        scope: Scope,
        parts: deque[Part],
        keys: KnownKeys,
    ) -> Iterator[Seen]:
        waiting: deque[Future[Seen]] = deque()
        while parts:
            # A second part in each helper's hands, so that it never waits; not at the end, where we would wait for it.
            wanted = self._helpers * (2 if len(parts) > 2 * self._helpers else 1)
            for _ in range(min(wanted - sum(not one.done() for one in waiting), len(parts))):
                part = parts.popleft()
                waiting.append(pool.submit(_look_apart, scope, part, keys(), self.snapshot))
            if parts:
                part = parts.popleft()
                waiting.append(_done(look_at(connection, scope, part, keys())))
            while waiting and waiting[0].done():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def crew(engine: Engine, workers: int) -> Iterator[Crew]:
    """Up to `workers` processes, this one among them; only as many as the log has ranges for.

    Enter it before the snapshot is taken: a process is forked here if it may be, which saves it the imports, and
    no connection must be open then (SQLite, "How To Corrupt An SQLite Database File", 2.6).
    """
    helpers = min(workers, _count_ranges(engine) if workers > 1 else 0) - 1
    if helpers < 1:
        yield Crew(None, 0)
        return
    with _pool(engine, helpers) as pool:
        yield Crew(pool, helpers)


def _count_ranges(engine: Engine) -> int:
    with reading(engine) as connection:
        try:
            last = fetch(connection, "SELECT coalesce(max(position), 0) FROM log_entries")[0][0]
        except DRIVER_ERRORS:
            return 0  # the schema's own check says why
    return int(last) // RANGE_ENTRIES + 1


def _pool(engine: Engine, helpers: int) -> ProcessPoolExecutor:
    if threading.active_count() == 1:
        engine.dispose()
        return ProcessPoolExecutor(
            helpers, mp_context=get_context("fork"), initializer=_begin_forked, initargs=(engine,)
        )
    # Beside other threads a fork may inherit a lock that nobody will release. A new process has to be told where the
    # database is; the classes of the events are sent along, because receiving them imports their modules.
    database = engine.url.database if engine.dialect.name == "sqlite" else None
    if not database:
        raise ValueError("beside other threads only a database in a file can be audited by several processes")
    return ProcessPoolExecutor(
        helpers,
        mp_context=get_context("spawn"),
        initializer=_begin_spawned,
        initargs=(Path(database), tuple(KINDS.values())),
    )


_APART: list[Engine] = []  # of a helper process: what it was given at its start


def _begin_forked(engine: Engine) -> None:
    engine.dispose(close=False)  # connections, if there were any, belong to the process that forked
    _APART.append(engine)


def _begin_spawned(path: Path, _events: tuple[type, ...]) -> None:
    _APART.append(connect(path))


def _look_apart(scope: Scope, part: Part, keys: KeysText, snapshot: str) -> Seen:
    with reading(_APART[0]) as connection:
        enter_snapshot(connection, snapshot)
        begin_recoverable(connection)
        return look_at(connection, scope, part, keys)


def _done(seen: Seen) -> Future[Seen]:
    future: Future[Any] = Future()
    future.set_result(seen)
    return future
