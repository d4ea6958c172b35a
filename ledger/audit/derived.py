"""`audit --derived`: everything that stands in the database, made again from the log and compared.

Each noun's tables are rebuilt in a scratch database that holds nothing else, so that an `apply` which looks into
another noun's tables fails here. The log is read once for all of them. Every value of every table is covered:
the log's own by `log`, the others here, the copies in indexes by the database's own check.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ledger.audit.comparing import compare, count_staged
from ledger.audit.copies import check_copies
from ledger.audit.finding import Findings, Progress, no_progress
from ledger.audit.log import Plan, Report, audit_snapshot, read_guard, scratch, snapshot
from ledger.audit.rows import DRIVER_ERRORS, as_far_as_it_can_be_read, fetch, recover, walk_bodies
from ledger.audit.sharing import crew
from ledger.audit.slots import slot_remarks
from ledger.database import writing
from ledger.errors import LedgerError
from ledger.files import Files
from ledger.journal.projections import projections
from ledger.journal.registry import NOUNS, Event, Evidence, Noun, Recorded, State, apply_all
from ledger.journal.replay import recorded_from
from ledger.log.entry import BadEntry
from ledger.log.guard import Guard
from ledger.log.note import Verifier

CANNOT_REBUILD = (LedgerError, SQLAlchemyError, *DRIVER_ERRORS, ValueError, LookupError)
CHUNK_ENTRIES = 2_000
_VERSIONS = {
    "sqlite": "SELECT CAST(noun AS BLOB), version FROM projections NOT INDEXED",
    "postgresql": "SELECT convert_to(noun, 'UTF8'), version FROM projections",
}


def audit_derived(
    engine: Engine,
    files: Files,
    guard: Guard | None,
    verifier: Verifier,
    *,
    units_key: bytes | None = None,
    workers: int = 1,
    plan: Plan | None = None,
    progress: Progress = no_progress,
) -> Report:
    """The whole audit, and every derived table against the log. `units_key` also checks the roots of units.

    Raises as `audit`. The tables are made from the whole log, also where the plan begins later.
    """
    findings = Findings()
    plan = plan or Plan(workers)
    guarded = read_guard(guard, findings)
    with crew(engine, plan.workers) as hands, snapshot(engine, hands) as connection:
        seen = audit_snapshot(connection, guarded, verifier, files, findings, plan, hands, progress)
        with as_far_as_it_can_be_read(connection, "", findings):
            check_copies(connection, findings)
        current = _current_nouns(connection, findings)
        _Rebuild(connection, current, files, units_key, findings).run(seen.size, progress)
        staged = _count_staged(connection, findings)
    return Report(
        seen.size,
        seen.checkpoints,
        findings.all(),
        staged,
        seen.note,
        seen.first,
        remarks=seen.remarks + slot_remarks(guard),
    )


def _current_nouns(connection: Connection, findings: Findings) -> list[Noun]:
    """The nouns whose tables were made by the present program; names the others, and rows of no noun."""
    versions = {}
    try:
        for noun, version in fetch(connection, _VERSIONS[connection.dialect.name]):
            versions[noun.decode(errors="backslashreplace") if noun else "NULL"] = version
    except (SQLAlchemyError, *DRIVER_ERRORS) as error:
        recover(connection)
        findings.add("unreadable", projections.name, "", "", f"cannot be read: {error}")
        return []
    for name in sorted(versions.keys() - NOUNS.keys()):
        findings.add("row_extra", projections.name, name, "", "no noun of this program has this name")
    current = []
    for noun in NOUNS.values():
        stands = versions.get(noun.name)
        if type(stands) is int and stands == noun.version:
            current.append(noun)
        else:
            problem = f"rebuild needed: made by version {stands}, this program has version {noun.version}"
            findings.add("rebuild_needed", projections.name, noun.name, "version", problem)
    return current


def _count_staged(connection: Connection, findings: Findings) -> dict[str, int]:
    staged: dict[str, int] = {}
    for noun in NOUNS.values():
        for table in noun.tables:
            if table.name in noun.staged:
                with as_far_as_it_can_be_read(connection, table.name, findings):
                    staged[table.name] = count_staged(connection, table, noun.staged[table.name])
    return {name: count for name, count in staged.items() if count}


@dataclass(slots=True)
class _Rebuild:
    """The nouns made again beside the live ones."""

    live: Connection
    nouns: Sequence[Noun]
    files: Files
    units_key: bytes | None
    findings: Findings
    _beside: dict[str, Connection] = field(default_factory=dict)
    _checked: dict[str, list[Recorded[Event]]] = field(default_factory=dict)

    def run(self, size: int, progress: Progress) -> None:
        """Rebuild from `size` entries, run the nouns' own checks, and compare."""
        with ExitStack() as stack:
            for noun in self.nouns:
                beside = stack.enter_context(writing(stack.enter_context(scratch(self.live))))
                for table in noun.tables:
                    table.create(beside)
                self._beside[noun.name] = beside
            for done, recorded in enumerate(_readable(self.live), 1):
                self._take(recorded)
                progress("derived", min(done * CHUNK_ENTRIES, size), size)
            for noun in self.nouns:
                self._check(noun)
                if noun.name in self._beside:
                    self._compare(noun)

    def _take(self, recorded: Sequence[Recorded[Any]]) -> None:
        for noun in self.nouns:
            wanted = tuple(cls for classes, _check in noun.checks for cls in classes)
            if wanted:
                own = [one for one in recorded if isinstance(one.event, wanted)]
                self._checked.setdefault(noun.name, []).extend(own)
            if noun.name in self._beside:
                self._apply(noun, recorded)

    def _apply(self, noun: Noun, recorded: Sequence[Recorded[Any]]) -> None:
        try:
            apply_all(State(self._beside[noun.name], self.files.read), recorded, [noun])
        except CANNOT_REBUILD as error:
            self._give_up(noun, error)

    def _check(self, noun: Noun) -> None:
        evidence = Evidence(self.files.read, self.units_key)
        for classes, check in noun.checks:
            recorded = [one for one in self._checked.get(noun.name, ()) if isinstance(one.event, classes)]
            try:
                for found in check(evidence, recorded):
                    self.findings.add(noun.name, "log_entries", found.index, found.field, found.problem)
            except CANNOT_REBUILD as error:
                self._give_up(noun, error)

    def _compare(self, noun: Noun) -> None:
        for table in noun.tables:
            staged = noun.staged.get(table.name)
            try:
                compare(self.live, self._beside[noun.name], table, staged, self.findings)
            except (SQLAlchemyError, *DRIVER_ERRORS) as error:
                recover(self.live)
                self.findings.add("unreadable", table.name, "", "", f"cannot be read: {error}")

    def _give_up(self, noun: Noun, error: Exception) -> None:
        """Leave a noun out. Only a log that is damaged may come to this; with a whole one the fault is ours."""
        if not self.findings.found:
            raise error
        self._beside.pop(noun.name, None)
        problem = f"cannot be made again from this log: {type(error).__name__}: {error}"
        self.findings.add("not_rebuilt", noun.name, "", "", problem)


def _readable(connection: Connection) -> Iterator[list[Recorded[Event]]]:
    """The events in order, without those that the log's own audit has named as unreadable."""
    for bodies in walk_bodies(connection, CHUNK_ENTRIES):
        recorded = (_recorded(index, body) for index, body in bodies if body is not None)
        yield [one for one in recorded if one is not None]


def _recorded(index: int, body: bytes) -> Recorded[Event] | None:
    try:
        return recorded_from(index, body)
    except (BadEntry, LedgerError, KeyError, msgspec.ValidationError):
        return None
