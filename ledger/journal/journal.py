"""Writing: a command in, a receipt out, and nothing in between that a crash could leave half done.

    turn among processes → BEGIN → each command in a savepoint → seal → COMMIT → guard → answers

Threads of one process are answered in groups: whoever comes first leads, runs everything that waits, seals
once, and the others find their answer. So a signature and three syncs are shared by all of them.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine

from ledger.database import TransactionLost, locked_at, reading, savepoint, writing
from ledger.errors import LedgerError, Refused
from ledger.files import Files
from ledger.journal.clock import Clock, ClockBehind, DatabaseClock, Stamps
from ledger.journal.events import LINKS
from ledger.journal.projections import refuse_outdated
from ledger.journal.publish import READ_AHEAD, Publisher, Standing
from ledger.journal.registry import Command, E, R, Recorded, State, apply_all
from ledger.journal.replay import recorded_from
from ledger.journal.transaction import (
    Draft,
    Tx,
    check_free_text,
    find_request,
    read_heads,
    request_digests,
)
from ledger.journal.turnstile import OpenGate, Turnstile
from ledger.log import store
from ledger.log.canonical import encode
from ledger.log.closing import telling_closed
from ledger.log.guard import Guard
from ledger.log.note import Signer

MAX_GROUP = 64
MAX_HELD_SECONDS = 0.03  # commands hold the lock for at most 50 ms
T = TypeVar("T")


class SameKeyOtherRequest(LedgerError):
    """An idempotency key was used again for something else."""

    message = "This request's key was already used for a different request. Send the new one under a new key."
    http_status = 422


class NothingRecorded(Refused):
    """A command that had nothing to record."""

    message = "There was nothing to record: it already stands as you ask."


class NoSuchEntry(LedgerError):
    """An index at or beyond the size of the log."""

    message = "The log has no entry {index}; it holds {size}, numbered from 0."
    http_status = 404


@dataclass(frozen=True, slots=True)
class By:
    """Who asks, from the session, token or link; and the request's idempotency key, if it has one.

    `body` stands for the request in its digest where the request itself holds something made anew each time.
    """

    actor: str
    key: str | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a command recorded, in order: its result."""

    entries: tuple[Recorded[Any], ...]

    def first(self, cls: type[E]) -> Recorded[E]:
        """The first entry whose event is a `cls`. Raises LookupError."""
        for one in self.entries:
            if isinstance(one.event, cls):
                return one
        raise LookupError(cls.__name__)


@dataclass(eq=False)
class _Waiting:
    """A command on its way through a group. Its thread sleeps on `woken` until it is answered or has to lead."""

    command: Command[Any]
    request: Any
    by: By
    digests: tuple[str, str] | None
    prepared: object
    woken: threading.Event = field(default_factory=threading.Event)
    receipt: Receipt | None = None
    error: BaseException | None = None

    @property
    def is_answered(self) -> bool:
        return self.receipt is not None or self.error is not None

    def answer(self) -> Receipt:
        if self.error is not None:
            raise self.error
        assert self.receipt is not None
        return self.receipt


@dataclass
class _Group:
    """What one group has so far: drafts and events of the commands that went through."""

    next_index: int
    last_at: datetime | None
    drafts: list[Draft] = field(default_factory=list)
    heads: dict[str, int | None] = field(default_factory=dict)  # the last entry about each of their subjects
    recorded: list[Recorded[Any]] = field(default_factory=list)
    answered: dict[str, tuple[str, Receipt]] = field(default_factory=dict)

    def read_heads(self, connection: Connection, drafts: Sequence[Draft]) -> None:
        """Look up the subjects not met before; nothing changes them before the group is sealed."""
        subjects = {subject for draft in drafts for subject in draft.subjects}
        self.heads |= read_heads(connection, subjects.difference(self.heads))


class Journal:
    """The one writer of the log. Threads share one; each process has its own."""

    def __init__(
        self,
        *,
        engine: Engine,
        signer: Signer,
        guard: Guard,
        files: Files,
        turnstile: Turnstile | OpenGate,
        clock: Clock,
        accept_long_silence: bool = False,
        random_bytes: Callable[[int], bytes] = os.urandom,
        read_signers: Callable[[], Sequence[Signer]] = tuple,
        max_held_seconds: float = MAX_HELD_SECONDS,
    ) -> None:
        self.engine = engine
        self.files = files
        self.random_bytes = random_bytes
        self.publisher = Publisher(signer, guard, random_bytes, read_signers)
        self._turnstile = turnstile
        self._clock = clock
        self._stamps = Stamps(clock, accept_long_silence=accept_long_silence)
        self._max_held_seconds = max_held_seconds
        self._queue: deque[_Waiting] = deque()
        self._arriving = threading.Lock()
        self._is_led = False

    def write(self, command: Command[R], request: R, by: By) -> Receipt:
        """Run a command; gives what it recorded once that is published.

        The same request under the same key again gives the first receipt. Raises what the command raises
        (then nothing of it is recorded), SameKeyOtherRequest, and what stands in the way of publishing.
        """
        check_free_text(request)
        prepared = command.prepare(self, request) if command.prepare else None
        waiting = _Waiting(command, request, by, _digests(command, request, by), prepared)
        with self._arriving:
            self._queue.append(waiting)
            leads = not self._is_led
            self._is_led = True
        if not leads:
            waiting.woken.wait()
        if not waiting.is_answered:
            self._lead()
        return waiting.answer()

    def seal(self) -> None:
        """Publish a checkpoint with nothing new in it, so that answers do not grow old by neglect."""
        with self._arriving:
            if self._is_led:
                return  # a group is being sealed this moment
            self._is_led = True
        self._lead(empty=True)

    def recover(self) -> None:
        """Advance a guard that a crash left behind; refuse a database that is behind its guard."""
        with reading(self.engine) as connection:
            refuse_outdated(connection)
            self.publisher.standing(connection)

    def standing(self, connection: Connection) -> Standing:
        """The newest checkpoint in this snapshot, published if it was not yet."""
        return self.publisher.standing(connection)

    def stage(self, insert: Callable[[Connection], T]) -> T:
        """Write rows that nobody sees until an event makes them live. Keep each call short."""
        with self._turnstile.turn(), writing(self.engine) as connection:
            return insert(connection)

    def now(self) -> datetime:
        """The clock's time, unchecked: for leases and leftovers, never for an entry."""
        return self._clock.now()

    def turn(self) -> AbstractContextManager[None]:
        """The turn among processes, for what must not run beside a writer."""
        return self._turnstile.turn()

    def close(self) -> None:
        """Give back what it holds open; nobody may write any more."""
        self._turnstile.close()

    def read(self, index: int) -> Recorded[Any]:
        """One entry's event. Raises NoSuchEntry."""
        with reading(self.engine) as connection:
            return read_recorded(connection, index)

    def _lead(self, *, empty: bool = False) -> None:
        """Run one group, wake whoever it answered, and hand the lead to the first who still waits.

        `empty` seals even if nobody waits, and its error is the caller's.
        """
        group: list[_Waiting] = []
        try:
            self._run(group, empty=empty)
        except BaseException as error:
            if not group and not empty:  # it failed before anybody was taken; who leads stands first
                with self._arriving:
                    group.append(self._queue.popleft())
            for waiting in group:
                waiting.receipt, waiting.error = None, error
            if empty or not isinstance(error, Exception):
                raise
        finally:
            for waiting in group:
                waiting.woken.set()
            self._hand_over()

    def _hand_over(self) -> None:
        with self._arriving:
            self._is_led = bool(self._queue)
            if self._queue:
                self._queue[0].woken.set()

    def _arrivals(self, group: list[_Waiting]) -> Iterator[_Waiting]:
        """Whoever waits, also those who come while the group runs, until it is full or has held the lock long."""
        until = time.monotonic() + self._max_held_seconds
        # The first is taken however late it is: who leads stands there, and would lead for nobody.
        while True:
            with self._arriving:
                if not self._queue:
                    return
                group.append(self._queue.popleft())
            yield group[-1]
            if len(group) >= MAX_GROUP or time.monotonic() >= until:
                return

    def _run(self, group: list[_Waiting], *, empty: bool) -> None:
        """One group: all that succeed are sealed together; an error of the group itself is everybody's.

        `group` is filled here, as late as can be: the more are sealed together, the less each costs.
        """
        receipts: list[tuple[_Waiting, Receipt]] = []
        with self._turnstile.turn():
            with telling_closed(), writing(self.engine, ahead=READ_AHEAD) as connection:
                self._set_clock(connection)
                self.publisher.prepare(connection, self._turnstile.mark())
                sealing = _Group(self.publisher.edge.size, self.publisher.last_at)
                for one in self._arrivals(group):
                    try:
                        receipts.append((one, self._run_one(connection, sealing, one)))
                    except TransactionLost:
                        raise  # nothing of the group is left
                    except Exception as error:  # noqa: BLE001 - each asker gets their own; the others go on
                        one.error = error
                if sealing.drafts or empty:
                    self._seal(connection, sealing)
            published = self.publisher.committed()
            self._turnstile.leave(self.publisher.mark)
        # A crash here: the database is ahead of the guard; the next start or reader advances it. The turn is
        # given on before the guard is synced: whoever comes next seals past us, and a guard past us holds us too.
        self.publisher.publish(published)
        for one, receipt in receipts:
            one.receipt = receipt

    def _run_one(self, connection: Connection, group: _Group, one: _Waiting) -> Receipt:
        earlier = self._answered(connection, group, one)
        if earlier is not None:
            return earlier
        tx = Tx(
            connection=connection,
            at=self._stamp(one.command, group),
            actor=one.by.actor,
            request=one.digests,
            next_index=group.next_index,
            read_file=self.files.read,
            put_file=self.files.put,
            random_bytes=self.random_bytes,
            prepared=one.prepared,
        )
        with savepoint(connection):
            one.command.carry_out(tx, one.request)
            tx.flush()
            if not tx.recorded:
                raise NothingRecorded()
            group.read_heads(connection, tx.drafts)
        group.next_index, group.last_at = tx.next_index, tx.at
        group.drafts += tx.drafts
        group.recorded += tx.recorded
        receipt = Receipt(tuple(tx.recorded))
        if one.digests is not None:
            group.answered[one.digests[0]] = (one.digests[1], receipt)
        return receipt

    def _set_clock(self, connection: Connection) -> None:
        """By the server's, as it was once the lock was held: an entry's time must not be from before its turn."""
        moment = locked_at(connection)
        if moment is not None and isinstance(self._clock, DatabaseClock):
            self._clock.set(moment)

    def _stamp(self, command: Command[Any], group: _Group) -> datetime:
        try:
            return self._stamps.next(group.last_at)
        except ClockBehind:
            if command.may_step_back:
                return self._stamps.corrected()
            raise

    def _answered(self, connection: Connection, group: _Group, one: _Waiting) -> Receipt | None:
        """The first receipt of a repeated request, from this group or from the entries."""
        if one.digests is None:
            return None
        key, body = one.digests
        if key in group.answered:
            earlier_body, receipt = group.answered[key]
        else:
            found = find_request(connection, key)
            if found is None:
                return None
            earlier_body, first, count = found
            receipt = Receipt(
                tuple(read_recorded(connection, index) for index in range(first, first + count))
            )
        if earlier_body != body:
            raise SameKeyOtherRequest()
        return receipt

    def _seal(self, connection: Connection, group: _Group) -> None:
        at = self._stamps.next(group.last_at)
        sealed = self.publisher.seal(connection, group.drafts, group.heads, at)
        apply_all(State(connection, self.files.read), [*group.recorded, sealed], [LINKS])


def read_recorded(connection: Connection, index: int) -> Recorded[Any]:
    """The event at `index` with its place in the log. Raises NoSuchEntry."""
    body = store.read_body(connection, index)
    if body is None:
        raise NoSuchEntry(index=index, size=store.size(connection))
    return recorded_from(index, body)


def _digests(command: Command[Any], request: Any, by: By) -> tuple[str, str] | None:
    if by.key is None:
        return None
    body = by.body if by.body is not None else encode(msgspec.to_builtins(request))
    return request_digests(by.actor, command.name, by.key, body)
