"""`--resume FILE`: ranges that were done are written down, and not done again.

A line of JSON for each, behind the SHA-256 of the line; the first says of which audit the file is. A line is synced
before the next range is joined, so that a crash loses at most the ranges in hand; a line that is not whole is
ignored, and so is all that follows it. A file of another log, another program or other options is refused.

Whoever can write the file can make an audit overlook what it says was done: it belongs to the auditor alone
(mode 600). What is changed in a range after it was written down is found by an audit from the beginning.
"""

import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import msgspec

from ledger.audit.entries import Borders
from ledger.audit.finding import Findings
from ledger.audit.notes import KeysText
from ledger.audit.ranges import RANGE_ENTRIES, RangeReport, Sealed
from ledger.audit.references import MapStep
from ledger.durable import sync_folder, write_new
from ledger.errors import Refused
from ledger.journal.registry import KIND_OF, KINDS, Event

FORMAT = "lotproof-audit/1"
_DIGEST = 64


class OtherAudit(Refused):
    """The file was written by an audit of something else."""

    message = (
        "{path} belongs to another audit: its {name} differs. Give the options of that audit again, or another "
        "file, or delete this one to begin anew."
    )


class NoAudit(Refused):
    """The file is not one that an audit wrote."""

    message = "{path} was not written by lotproof audit --resume. It is left as it is; give another file."


class Header(msgspec.Struct, frozen=True):
    """Of which audit the file is. `program` is a digest of the kinds of entries that the program knows."""

    format: str
    origin: str
    program: str
    first: int  # the entries before it are taken from their tiles
    since: str  # the checkpoint given, or empty
    size: int  # entries when it began
    root: str  # hex, of the newest checkpoint when it began
    links_key: str


class _Written(msgspec.Struct, frozen=True):
    """A range's report as it is written: sums are longer than JSON's numbers, events stand behind their kind."""

    start: int
    end: int
    findings: Findings
    root: bytes
    borders: Borders
    links_total: str
    links_are_right: bool
    map_steps: list[MapStep]
    sealed: list[Sealed]
    key_changes: list[tuple[int, str, Any]]
    keys: KeysText
    wrong_notes: dict[int, str]
    has_entries: bool


@dataclass(slots=True)
class Resumed:
    """The file of one audit: what stands in it, and where the next range is written."""

    path: Path
    header: Header
    done: dict[int, RangeReport] = field(default_factory=dict)  # by start

    def report(self, kind: str, start: int, end: int) -> RangeReport | None:
        """What was found in this part, if it was done; `kind` is one of `sharing.Part`'s."""
        found = self.done.get(start)
        if found is None or found.end != end or found.has_entries != (kind == "entries"):
            return None
        return found if kind in ("entries", "tiles") else None

    def add(self, report: RangeReport) -> None:
        """Write down a whole range, durably; the last one, which is still growing, is always done again."""
        if report.end - report.start == RANGE_ENTRIES and report.start not in self.done:
            with self.path.open("ab") as file:
                file.write(_line(msgspec.json.encode(_written(report))))
                file.flush()
                os.fsync(file.fileno())

    def finish(self) -> None:
        """Remove the file: the audit has come to its end."""
        self.path.unlink()
        sync_folder(self.path.parent)


def program_digest() -> str:
    """What tells programs apart that may read the same entry differently."""
    return sha256("\n".join(sorted(KINDS)).encode()).hexdigest()


def begin_or_resume(path: Path, wanted: Header) -> Resumed:
    """The file at `path`, made if it is not there. Raises NoAudit or OtherAudit."""
    if not path.exists():
        header = msgspec.structs.replace(wanted, links_key=token_urlsafe(12))
        # A crash here leaves a file that is not whole: it is no audit's, and is said so.
        write_new(path, _line(msgspec.json.encode(header)))
        sync_folder(path.parent)
        return Resumed(path, header)
    lines = list(_whole_lines(path))
    try:
        header = msgspec.json.decode(lines[0], type=Header)
    except (IndexError, msgspec.DecodeError):
        raise NoAudit(path=path) from None
    for name in ("format", "origin", "program", "since", "first"):
        if getattr(header, name) != getattr(wanted, name):
            raise OtherAudit(path=path, name=name)
    _cut(path, sum(_DIGEST + 2 + len(line) for line in lines))
    reports = [_report(line) for line in lines[1:]]
    return Resumed(path, header, {one.start: one for one in reports})


def _cut(path: Path, size: int) -> None:
    """Remove what a crash left of a line, so that the next one stands behind whole ones."""
    with path.open("r+b") as file:
        file.truncate(size)


def _line(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode() + b" " + content + b"\n"


def _whole_lines(path: Path) -> list[bytes]:
    """The contents of the lines up to the first that is not whole."""
    whole = []
    with path.open("rb") as file:
        for line in file:
            content = line[_DIGEST + 1 : -1]
            if _line(content) != line:
                break
            whole.append(content)
    return whole


def _written(report: RangeReport) -> _Written:
    events = [
        (index, KIND_OF[type(event)], msgspec.to_builtins(event)) for index, event in report.key_changes
    ]
    plain = {name: getattr(report, name) for name in _Written.__struct_fields__}
    return _Written(**{**plain, "links_total": str(report.links_total), "key_changes": events})


def _report(line: bytes) -> RangeReport:
    written = msgspec.json.decode(line, type=_Written)
    events: list[tuple[int, Event]] = [
        (index, msgspec.convert(data, KINDS[kind])) for index, kind, data in written.key_changes
    ]
    plain = {name: getattr(written, name) for name in _Written.__struct_fields__}
    return RangeReport(**{**plain, "links_total": int(written.links_total), "key_changes": events})
