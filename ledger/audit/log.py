"""`audit`: the log against itself, its checkpoints and keys, the guard and the files that it names.

Reads one snapshot, so it can run beside writers. Memory does not grow with the log.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Engine

from ledger.audit.finding import Finding, Findings, Progress, no_progress
from ledger.audit.heads import HeadsReport, parts_of_heads
from ledger.audit.joining import Joining, check_ends, check_extra_tiles, guard_problem
from ledger.audit.notes import claimed_root, problem_of, to_text
from ledger.audit.opening import check_key, first_keyring, known_keyring
from ledger.audit.prefix import Prefix, first_to_read, name_other_root, read_prefix, root_at
from ledger.audit.ranges import RANGE_ENTRIES, Scope
from ledger.audit.resuming import FORMAT, Header, OtherAudit, Resumed, begin_or_resume, program_digest
from ledger.audit.rows import (
    CANNOT_READ,
    begin_recoverable,
    export_snapshot,
    fetch,
    is_sqlite,
    name_unreadable,
    read_notes,
)
from ledger.audit.schema import check_schema, remarks
from ledger.audit.sharing import Crew, Part, crew
from ledger.audit.size import log_size
from ledger.audit.slots import slot_remarks
from ledger.database import connect, reading, writing
from ledger.errors import LedgerError
from ledger.files import Files
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.guard import Guard, Guarded
from ledger.log.keyring import Keyring
from ledger.log.note import Verifier, split_note

LARGE_BYTES = 256 * 1024 * 1024  # from there on what is made on the side goes to disk


class SinceRefused(LedgerError):
    """The checkpoint given cannot stand for the beginning of this log."""

    message = (
        "The checkpoint to begin at was not signed by this log's keys: {reason} Give one that you trust, or leave "
        "--since out and everything is checked."
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """How to go about it: by how many processes, from which checkpoint on, and what to take up again."""

    workers: int = 1
    since: str | None = None  # a signed checkpoint that somebody has already checked
    resume: Path | None = None  # ranges that are done are written down here


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at, and what is not as it must be."""

    size: int  # entries
    checkpoints: int
    findings: tuple[Finding, ...]
    staged: dict[str, int] = field(
        default_factory=dict
    )  # rows by table that wait for their event: no finding
    note: str | None = None  # the newest checkpoint
    first: int = 0  # the entries before it were taken from their tiles
    vault_rows: int | None = None  # opened; None where the vault was not looked at
    remarks: tuple[str, ...] = ()  # what is no finding, and good to know


def audit(
    engine: Engine,
    files: Files,
    guard: Guard | None,
    verifier: Verifier,
    *,
    workers: int = 1,
    plan: Plan | None = None,
    progress: Progress = no_progress,
) -> Report:
    """Check everything that the log itself says; goes on after the first finding.

    `verifier` is a key of the log, of any time of it. `workers` is how many processes check a log that fills more
    than one range, this one among them. The noun's modules must have been imported: an entry of a kind nobody
    registered is a finding. Raises SinceRefused, NoAudit, OtherAudit for a plan that does not fit.
    """
    findings = Findings()
    plan = plan or Plan(workers)
    guarded = read_guard(guard, findings)  # before the snapshot: it may lag behind it, never be ahead
    with crew(engine, plan.workers) as hands, snapshot(engine, hands) as connection:
        seen = audit_snapshot(connection, guarded, verifier, files, findings, plan, hands, progress)
    return Report(
        seen.size,
        seen.checkpoints,
        findings.all(),
        note=seen.note,
        first=seen.first,
        remarks=seen.remarks + slot_remarks(guard),
    )


@contextmanager
def snapshot(engine: Engine, hands: Crew) -> Iterator[Connection]:
    """A connection whose reads all see one moment, as `hands` do, and which survives a row that cannot be read."""
    with reading(engine) as connection:
        hands.snapshot = export_snapshot(connection)
        begin_recoverable(connection)
        yield connection


def read_guard(guard: Guard | None, findings: Findings) -> Guarded | None:
    """What the guard holds; None, and noted, where it cannot be read; None where there has to be none."""
    if guard is None:
        return None
    try:
        return guard.read()
    except LedgerError as error:
        findings.add("guard", "guard", "", "", str(error))
        return None


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was in the snapshot."""

    size: int = 0
    checkpoints: int = 0
    note: str | None = None
    first: int = 0
    remarks: tuple[str, ...] = ()


def audit_snapshot(
    connection: Connection,
    guarded: Guarded | None,
    verifier: Verifier,
    files: Files,
    findings: Findings,
    plan: Plan,
    hands: Crew,
    progress: Progress,
) -> Seen:
    """Check the log in one snapshot, as far as it can be read."""
    try:
        return _check_all(connection, guarded, verifier, files, findings, plan, hands, progress)
    except CANNOT_READ as error:
        name_unreadable(connection, "log_entries", findings, error)
        return Seen()


def _check_all(
    connection: Connection,
    guarded: Guarded | None,
    verifier: Verifier,
    files: Files,
    findings: Findings,
    plan: Plan,
    hands: Crew,
    progress: Progress,
) -> Seen:
    if not store.LOG.tables.keys() <= check_schema(connection, findings):
        return Seen()  # a table of the log itself is missing, and that is said
    size = log_size(connection)
    prefix = _prefix(connection, plan, size, verifier)
    first = prefix.first if prefix else 0
    resumed = _resumed(connection, plan, first)
    scope = Scope(files, resumed.header.links_key if resumed else token_urlsafe(12), first)
    keyring = prefix.keyring if prefix else first_keyring(connection, verifier, findings)
    joining = Joining(connection, findings, keyring)
    if prefix and prefix.first:
        joining.begin_at(prefix.borders)
    _join_all(connection, scope, size, joining, hands, resumed, progress)
    check_ends(connection, size, findings)
    check_extra_tiles(connection, size, findings)
    note = _newest(connection, size)
    check_key(joining.keyring, verifier, note, findings)
    _check_since(connection, plan, size, joining.keyring, findings)
    problem = guard_problem(connection, guarded) if guarded else ""
    if problem:
        findings.add("guard", "guard", "", "", problem)
    with scratch(connection) as engine, writing(engine) as beside:
        joining.check_links(beside)  # last: where entries are gone, the heads say nothing new
    if resumed:
        resumed.finish()
    count = int(fetch(connection, "SELECT count(*) FROM log_checkpoints")[0][0])
    return Seen(size, count, note, scope.first, remarks(connection))


@contextmanager
def scratch(connection: Connection) -> Iterator[Engine]:
    """An empty database to work beside the one of `connection`: in memory, or on disk beside a large one."""
    with TemporaryDirectory(prefix="lotproof-audit-") as folder:
        large = _bytes_of(connection) > LARGE_BYTES
        engine = connect(Path(folder) / "scratch.db" if large else None)
        try:
            yield engine
        finally:
            engine.dispose()


def _bytes_of(connection: Connection) -> int:
    if is_sqlite(connection):
        return int(fetch(connection, "PRAGMA page_count")[0][0]) * int(
            fetch(connection, "PRAGMA page_size")[0][0]
        )
    return int(fetch(connection, "SELECT pg_database_size(current_database())")[0][0])


def _join_all(
    connection: Connection,
    scope: Scope,
    size: int,
    joining: Joining,
    hands: Crew,
    resumed: Resumed | None,
    progress: Progress,
) -> None:
    """Look at every part and join them in order; those that were done before are joined as they were."""
    parts = _parts(connection, scope, size)
    found = {part: resumed.report(part.kind, part.start, part.end) for part in parts} if resumed else {}
    done = {part: report for part, report in found.items() if report is not None}
    todo = deque(part for part in parts if part not in done)
    looking = hands.reports(connection, scope, todo, lambda: to_text(joining.keyring))
    for part in parts:
        seen = done[part] if part in done else next(looking)
        if isinstance(seen, HeadsReport):
            joining.take_heads(seen)
            continue
        if resumed:
            resumed.add(seen)  # a crash here: the range is done, and is joined by whoever takes this up
        joining.take(seen)
        progress("entries", seen.end, size)


def _parts(connection: Connection, scope: Scope, size: int) -> list[Part]:
    """All that there is to look at, in order: the ranges, then the heads."""
    ranges = [
        Part("tiles" if start < scope.first else "entries", start, min(start + RANGE_ENTRIES, size))
        for start in range(0, size, RANGE_ENTRIES)
    ]
    return ranges + [Part("heads", *bounds) for bounds in parts_of_heads(connection)]


def _prefix(connection: Connection, plan: Plan, size: int, verifier: Verifier) -> Prefix | None:
    """What stands before the checkpoint to begin at; None means that everything is read. Raises SinceRefused."""
    if plan.since is None:
        return None
    given = _checkpoint(plan.since)
    try:
        known_keyring(connection, verifier).open(plan.since)  # a first look: `_check_since` has the last word
    except LedgerError as error:
        raise SinceRefused(reason=str(error)) from error
    return read_prefix(connection, first_to_read(given.size)) if given.size <= size else None


def _checkpoint(note: str) -> Checkpoint:
    try:
        return Checkpoint.parse(split_note(note)[0])
    except LedgerError as error:
        raise SinceRefused(reason=str(error)) from error


def _check_since(connection: Connection, plan: Plan, size: int, keyring: Keyring, findings: Findings) -> None:
    """The checkpoint given must be one of this log, whatever was read of it."""
    if plan.since is None:
        return
    given = _checkpoint(plan.since)
    if given.size > size:
        problem = (
            f"the log has only {size} entries, fewer than the checkpoint that was given: its end is missing"
        )
        findings.add("since", "log_checkpoints", given.size, "size", problem)
        return
    stands = root_at(connection, given.size)
    if stands != given.root:
        name_other_root(given, stands, findings)
    problem = problem_of(plan.since, given.size, keyring)
    if problem:
        findings.add(
            "since", "log_checkpoints", given.size, "note", f"the checkpoint that was given: {problem}"
        )


def _resumed(connection: Connection, plan: Plan, first: int) -> Resumed | None:
    """The file to go on with. Raises NoAudit, OtherAudit."""
    if plan.resume is None:
        return None
    note = store.newest_note(connection)
    if note is None:
        return None  # there is nothing that would take long
    newest = _checkpoint(note)
    wanted = Header(
        FORMAT, newest.origin, program_digest(), first, plan.since or "", newest.size, newest.root.hex(), ""
    )
    resumed = begin_or_resume(plan.resume, wanted)
    begun = resumed.header
    stands = dict(read_notes(connection, begun.size - 1, begun.size)).get(begun.size)
    if claimed_root(stands, begun.size) != bytes.fromhex(begun.root):
        raise OtherAudit(path=plan.resume, name="checkpoint")
    return resumed


def _newest(connection: Connection, size: int) -> str | None:
    """The newest checkpoint that is not beyond the entries."""
    newest = fetch(connection, "SELECT coalesce(max(size), 0) FROM log_checkpoints WHERE size <= ?", size)[0][
        0
    ]
    return dict(read_notes(connection, newest - 1, newest)).get(newest) if newest > 0 else None
