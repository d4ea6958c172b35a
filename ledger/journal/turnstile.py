"""Fair turns between processes before SQLite's write lock, which by itself starves some of them.

Two file locks: one waits in `queue` until the one before has left `door`. Whoever comes out must queue again,
so nobody writes twice while another waits at the door.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Turnstile:
    """A turn among the processes that share a folder, and among the threads of this one."""

    def __init__(self, folder: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._queue = os.open(folder / "turnstile.queue", flags, 0o600)
        self._door = os.open(folder / "turnstile.door", flags, 0o600)
        # A file lock belongs to the open file, which threads share: one would pass beside another, and open the
        # door for other processes when it leaves.
        self._thread = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn, once. A process that dies loses it: the kernel drops its locks."""
        with self._thread:
            fcntl.flock(self._queue, fcntl.LOCK_EX)
            try:
                fcntl.flock(self._door, fcntl.LOCK_EX)
            finally:
                fcntl.flock(self._queue, fcntl.LOCK_UN)
            try:
                yield
            finally:
                fcntl.flock(self._door, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the two descriptors back."""
        os.close(self._queue)
        os.close(self._door)
