"""Fair turns between processes before SQLite's write lock, which by itself starves some of them.

Whoever comes draws a ticket, locks the ticket's byte, and waits for the byte of the ticket before. So turns are
taken in the order of coming, and a turn that ends wakes one process and not all: with plain file locks, eight
processes spent half of their time waking each other. A process that dies loses its locks: the next goes on.
It could then run beside the one two tickets ahead; SQLite's own lock, taken next, still lets one write at a time.
"""

import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

COUNTER = struct.Struct("=Q")
# struct flock of Linux on 64 bits: type, whence, start, length, pid (0 for locks of an open file).
LOCK = struct.Struct("hhqqi4x")
DRAWING = 0  # the byte that is locked while a ticket is drawn
FIRST_TICKET = COUNTER.size
MARK_BYTES = 32
MARK = COUNTER.size  # where it stands in the file; locks on the same bytes do not mind


class OpenGate:
    """Where a server lets writers on in turn by itself: PostgreSQL's queue for a row is fair."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Go on at once."""
        yield

    def mark(self) -> bytes:
        """Nobody leaves one here."""
        return b""

    def leave(self, mark: Callable[[], bytes]) -> None:
        """Nothing is kept: on a server two turns may overlap by a moment."""

    def close(self) -> None:
        """Nothing is held."""


class Turnstile:
    """A turn among the processes that share a folder, and among the threads of this one."""

    def __init__(self, folder: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(folder / "turnstile", flags, 0o600)
        # A lock belongs to the open file, which threads share: one would pass beside another.
        self._thread = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn, once."""
        with self._thread:
            ticket = self._draw()
            try:
                if ticket > FIRST_TICKET:
                    self._lock(fcntl.F_WRLCK, ticket - 1)
                    self._lock(fcntl.F_UNLCK, ticket - 1)
                yield
            finally:
                self._lock(fcntl.F_UNLCK, ticket)

    def mark(self) -> bytes:
        """What whoever had the turn before left here, or whoever before them; who has the turn asks."""
        return os.pread(self._file, MARK_BYTES, MARK)

    def leave(self, mark: Callable[[], bytes]) -> None:
        """Leave 32 bytes to whoever comes next. Not synced: what a power cut takes, nobody may need."""
        os.pwrite(self._file, mark(), MARK)

    def close(self) -> None:
        """Give the descriptor back. A second time does nothing: its number is somebody else's by then."""
        given_back, self._file = self._file, -1
        if given_back >= 0:
            os.close(given_back)

    def _draw(self) -> int:
        """The next ticket, its byte locked before anybody can draw the one after."""
        self._lock(fcntl.F_WRLCK, DRAWING)
        try:
            drawn = os.pread(self._file, COUNTER.size, 0)
            ticket = COUNTER.unpack(drawn)[0] if len(drawn) == COUNTER.size else FIRST_TICKET
            self._lock(fcntl.F_WRLCK, ticket)
            os.pwrite(self._file, COUNTER.pack(ticket + 1), 0)
            return int(ticket)
        finally:
            self._lock(fcntl.F_UNLCK, DRAWING)

    def _lock(self, kind: int, byte: int) -> None:
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLKW, LOCK.pack(kind, os.SEEK_SET, byte, 1, 0))
