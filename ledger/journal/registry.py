"""What the log can say: the registry of nouns, their events, commands and tables.

A noun is one module that registers here what it is made of. Journal, rebuild and audit read the registry and
import no noun; `ledger.nouns` imports them all, so that a program knows every kind.
"""

import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Table

from ledger.log.canonical import JSON


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What happened; its fields are the keys of an entry's `data`."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a command is asked to do: the same from a page, the API, the CLI or an importer."""


class MapChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The status map after an event: its root (hex), how many leaves, and the version it was computed from."""

    leaves: int
    previous: int
    root: str


E_co = TypeVar("E_co", bound=Event, covariant=True)
E = TypeVar("E", bound=Event)
R = TypeVar("R", bound=Request)


class Recorded(msgspec.Struct, Generic[E_co], frozen=True, gc=False):
    """An event with its place in the log."""

    index: int
    at: datetime
    actor: str
    subjects: tuple[str, ...]
    request: tuple[str, str] | None  # (key, body) digests, hex
    event: E_co


class ReadFile(Protocol):
    """Gives the content of the stored file with this SHA-256 (hex)."""

    def __call__(self, sha256: str, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class State:
    """What an `apply` may touch: its noun's tables through `connection`, and the files its events name."""

    connection: Connection
    read_file: ReadFile


Apply = Callable[[State, Sequence[Recorded[Any]]], None]
Check = Callable[["Evidence", Sequence[Recorded[Any]]], Iterator["Difference"]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a noun's own check may look at, beside its events. Without the key of units, an auditor's own copy."""

    read_file: ReadFile
    units_key: bytes | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that a noun's own check found: in which entry's event, in which field, and what is wrong."""

    index: int
    field: str
    problem: str


@dataclass
class Noun:
    """One noun: its name, the version of its projection, its derived tables, its events and how they apply.

    `version` rises whenever the tables or an `apply` change, so that an upgrade asks for a rebuild and is not
    mistaken for tampering.
    """

    name: str
    version: int
    tables: tuple[Table, ...]
    kinds: dict[str, type[Event]] = field(default_factory=dict)
    appliers: dict[type[Event], Apply] = field(default_factory=dict)
    observers: list[Apply] = field(default_factory=list)  # see every event of every noun
    checks: list[tuple[tuple[type[Event], ...], Check]] = field(default_factory=list)
    # By table: which rows were staged and wait for their event. No entry speaks of them yet: counted, not compared.
    staged: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name in NOUNS:
            raise ValueError(f"two nouns are called {self.name}")
        NOUNS[self.name] = self

    def event(self, kind: str) -> Callable[[type[E]], type[E]]:
        """Register a class as the event of this kind."""

        def register(cls: type[E]) -> type[E]:
            if kind in KINDS or cls in KIND_OF:
                raise ValueError(f"{kind} is registered twice")
            KINDS[kind], KIND_OF[cls], self.kinds[kind] = cls, kind, cls
            NOUN_OF[cls] = self
            return cls

        return register

    def applies(self, cls: type[E]) -> Callable[[Callable[[State, Sequence[Recorded[E]]], None]], Apply]:
        """Register how events of this class change the noun's tables. Total: it never refuses."""

        def register(apply: Callable[[State, Sequence[Recorded[E]]], None]) -> Apply:
            self.appliers[cls] = apply
            APPLIED_BY[cls] = self.name
            return apply

        return register

    def checked(self, *classes: type[Event]) -> Callable[[Check], Check]:
        """Register what an audit asks of all events of these classes beyond their form."""

        def register(check: Check) -> Check:
            self.checks.append((classes, check))
            return check

        return register

    def observes(self, apply: Apply) -> Apply:
        """Register an `apply` that sees every event."""
        self.observers.append(apply)
        return apply


NOUNS: dict[str, Noun] = {}
KINDS: dict[str, type[Event]] = {}
KIND_OF: dict[type[Event], str] = {}
NOUN_OF: dict[type[Event], Noun] = {}
APPLIED_BY: dict[type[Event], str] = {}  # the noun whose `apply` takes events of this class
COMMANDS: dict[str, "Command[Any]"] = {}


@dataclass(frozen=True)
class Command(Generic[R]):
    """The one way to change something. Its name is the name of the permission it needs.

    `prepare` runs before the lock is taken, for what takes long; what it gives stands in `tx.prepared`.
    A higher floor may add objections: they see the request under the lock before it is carried out.
    """

    name: str
    request: type[R]
    run: Callable[[Any, R], None]
    prepare: Callable[[Any, R], Any] | None
    may_step_back: bool
    objections: list[Callable[[Any, R], None]] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """The first line of the request's docstring: what the command does, in the trade's words."""
        return (self.request.__doc__ or "").strip().partition("\n")[0]

    def carry_out(self, tx: Any, request: R) -> None:
        """Hear the objections, then run."""
        for objection in self.objections:
            objection(tx, request)
        self.run(tx, request)

    def objects(self, objection: Callable[[Any, R], None]) -> Callable[[Any, R], None]:
        """Register a function that raises where the command must not be carried out."""
        self.objections.append(objection)
        return objection


def command(
    name: str, *, prepare: Callable[[Any, Any], Any] | None = None, may_step_back: bool = False
) -> Callable[[Callable[[Any, R], None]], Command[R]]:
    """Register a function of a transaction and a Request as the command `name` (`noun.verb`)."""

    def register(run: Callable[[Any, R], None]) -> Command[R]:
        if name in COMMANDS:
            raise ValueError(f"two commands are called {name}")
        request = typing.get_type_hints(run)["request"]
        COMMANDS[name] = Command(name, request, run, prepare, may_step_back)
        return COMMANDS[name]

    return register


def decode(kind: str, data: JSON) -> Event:
    """The event of a known kind. Raises KeyError for an unknown one, msgspec.ValidationError for bad data."""
    return msgspec.convert(data, KINDS[kind])


def apply_all(state: State, recorded: Sequence[Recorded[Any]], nouns: Sequence[Noun]) -> None:
    """Apply events in order, each noun its own, neighbours of one kind in one batch."""
    for noun in nouns:
        for observer in noun.observers:
            observer(state, recorded)
    wanted = {noun.name for noun in nouns}
    for own in _by_noun(recorded):
        noun = NOUN_OF[type(own[0].event)]
        if noun.name in wanted:
            for apply, batch in _batches(noun, own):
                apply(state, batch)


def _by_noun(recorded: Sequence[Recorded[Any]]) -> Iterator[list[Recorded[Any]]]:
    """The events of each noun that has an `apply` for them, in order. Nouns share no table: theirs is no order."""
    found: dict[str, list[Recorded[Any]]] = {}
    for one in recorded:
        noun = APPLIED_BY.get(type(one.event))
        if noun is not None:
            found.setdefault(noun, []).append(one)
    yield from found.values()


def _batches(noun: Noun, recorded: Sequence[Recorded[Any]]) -> Iterator[tuple[Apply, list[Recorded[Any]]]]:
    for cls, batch in groupby(recorded, key=lambda one: type(one.event)):
        yield noun.appliers[cls], list(batch)
