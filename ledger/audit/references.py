"""What an event says besides itself: the files that it names, and the status map."""

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import msgspec

from ledger.audit.finding import Findings
from ledger.errors import LedgerError
from ledger.files import FileRef, Files
from ledger.journal.events import LogOpened, StatusStated
from ledger.journal.key_events import KEY_KINDS
from ledger.journal.registry import KIND_OF, Event, MapChange

MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Traits:
    """What instances of an event class may hold; most hold nothing of it and need no second look."""

    has_files: bool
    is_special: bool


@cache
def traits_of(cls: type[Event]) -> Traits:
    """The traits of a class of events, read from its annotations once."""
    hints = typing.get_type_hints(cls)
    has_files = any(map(_may_hold_file, hints.values()))
    return Traits(has_files, has_files or "map" in hints or KIND_OF.get(cls) in KEY_KINDS)


def _may_hold_file(kind: Any) -> bool:
    if kind is FileRef:
        return True
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return any(map(_may_hold_file, typing.get_type_hints(kind).values()))
    return any(map(_may_hold_file, typing.get_args(kind)))


def file_refs(value: object) -> Iterator[FileRef]:
    """Every file named anywhere in a value of an event."""
    if isinstance(value, FileRef):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from file_refs(getattr(value, name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from file_refs(item)
    elif isinstance(value, Mapping):
        yield from file_refs(list(value.values()))


@dataclass(slots=True)
class FileCheck:
    """Looks at each file that events name: there, whole, and as long as was said."""

    files: Files
    findings: Findings
    _seen: set[FileRef] = field(default_factory=set)

    def check(self, position: int, event: Event) -> None:
        """Check the files that the event at `position` names, but those seen a moment ago."""
        for ref in file_refs(event):
            if ref in self._seen:
                continue
            if len(self._seen) >= MOST_REMEMBERED:
                self._seen.clear()
            self._seen.add(ref)
            problem = self._problem(ref)
            if problem:
                self.findings.add("file", "files", ref.sha256, "", problem, index=position)

    def _problem(self, ref: FileRef) -> str:
        try:
            with self.files.open(ref.sha256) as file:
                size = file.seek(0, 2)
        except LedgerError as error:
            return str(error)
        except OSError as error:
            return f"the file cannot be read: {error.strerror}"
        return "" if size == ref.size_bytes else f"has {size} bytes, and the log says {ref.size_bytes}"


@dataclass(frozen=True, slots=True)
class MapStep:
    """What the entry at `index` says of the status map: that it stands so, or that it was changed to this."""

    index: int
    version: int
    root: str
    leaves: int
    previous: int | None  # the version it was changed from; None where the map is stated

    def same_map(self, other: "MapStep | None") -> bool:
        """Whether both speak of the same map."""
        if other is None:
            return False
        return (self.version, self.root, self.leaves) == (other.version, other.root, other.leaves)


def map_step(index: int, event: Event) -> MapStep | None:
    """What an event says of the status map, or None."""
    if isinstance(event, StatusStated | LogOpened):
        return MapStep(index, event.map.version, event.map.root, event.map.leaves, None)
    change = getattr(event, "map", None)
    if isinstance(change, MapChange):
        return MapStep(index, change.previous + 1, change.root, change.leaves, change.previous)
    return None
