"""Checking the signatures of many checkpoints: here, or by other processes while the tree is computed here.

A signature takes a tenth of a millisecond, an entry a hundredth of that: where every other entry closes a checkpoint,
signatures are nearly all of the time.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Protocol

from ledger.errors import LedgerError
from ledger.log.keyring import Keyring, LogKey
from ledger.log.layout import CHECKPOINTS, FileDiffers, StoredNote
from ledger.log.note import Verifier

NOTES_AT_ONCE = 1_000
MOST_WAITING = 8  # parts of work a process: memory stays flat where the tree is quicker than the signatures
KeyRow = tuple[str, int, int | None, bool]


class CheckSignatures(Protocol):
    """Takes checkpoints with the keyring that answers for their sizes, and raises FileDiffers for a bad one."""

    def __call__(self, keyring: Keyring, notes: Sequence[StoredNote]) -> None: ...


def check_here(keyring: Keyring, notes: Sequence[StoredNote]) -> None:
    """Check at once. Raises FileDiffers."""
    for stored in notes:
        problem = _problem(keyring, stored)
        if problem:
            raise FileDiffers(file=CHECKPOINTS, problem=problem)


@contextmanager
def checked_apart(processes: int) -> Iterator[CheckSignatures]:
    """A `CheckSignatures` that other processes carry out; whatever is wrong is raised by the end of the block."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        apart = _Apart(pool, processes * MOST_WAITING)
        yield apart
        apart.finish()


class _Apart:
    """Collects checkpoints and hands them out, a thousand at a time."""

    def __init__(self, pool: ProcessPoolExecutor, most: int) -> None:
        self._pool = pool
        self._most = most
        self._waiting: deque[Future[str]] = deque()
        self._keyring: Keyring | None = None
        self._notes: list[StoredNote] = []

    def __call__(self, keyring: Keyring, notes: Sequence[StoredNote]) -> None:
        self._keyring = keyring  # a later keyring answers for earlier sizes too
        self._notes += notes
        if len(self._notes) >= NOTES_AT_ONCE:
            self._hand_out()

    def finish(self) -> None:
        """Wait for all. Raises FileDiffers."""
        self._hand_out()
        while self._waiting:
            self._take()

    def _hand_out(self) -> None:
        if self._keyring is None or not self._notes:
            return
        rows = [
            (one.verifier.to_text(), one.first_size, one.last_size, one.is_vouched)
            for one in self._keyring.keys
        ]
        self._waiting.append(self._pool.submit(_first_problem, rows, self._notes))
        self._notes = []
        while len(self._waiting) > self._most:
            self._take()

    def _take(self) -> None:
        problem = self._waiting.popleft().result()
        if problem:
            raise FileDiffers(file=CHECKPOINTS, problem=problem)


def _first_problem(rows: Sequence[KeyRow], notes: Sequence[StoredNote]) -> str:
    """What is wrong with the first bad one; empty if none is. Key objects belong to one process: they come as text."""
    keyring = Keyring(
        tuple(LogKey(Verifier.parse(vkey), first, last, vouched) for vkey, first, last, vouched in rows)
    )
    return next(filter(None, (_problem(keyring, stored) for stored in notes)), "")


def _problem(keyring: Keyring, stored: StoredNote) -> str:
    try:
        keyring.open(stored.note)
    except LedgerError as error:
        return f"holds no good checkpoint of size {stored.size} ({error})"
    return ""
