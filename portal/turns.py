"""One request at a time is worked on in a process, and a slow sender keeps nobody waiting.

Two threads at work would only take the interpreter's lock from each other. But a thread that waits for the rest of an
upload does nothing, and may do so for minutes: meanwhile the others take their turns. Without this, as many telephones
on a bad line as there are processes stop every answer to everybody.
"""

import io
import os
import threading
from collections.abc import Iterable
from typing import IO, Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# Of a process: so many senders but one may be slow at once. At most 8, because each thread keeps a connection to the
# database and a pool has 15; granian warns above two a core and one.
THREADS = min(8, 2 * (os.cpu_count() or 1) + 1)


def with_turns(app: WSGIApplication) -> WSGIApplication:
    """`app`, of which one thread at a time is inside, but for those that wait for bytes."""
    turn = threading.Lock()

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            environ["wsgi.input"] = io.BufferedReader(WaitingOutside(environ["wsgi.input"], turn))
        with turn:
            return app(environ, start_response)

    return answer


class WaitingOutside(io.RawIOBase):
    """A request's body: whoever reads it gives the turn away until bytes have come."""

    def __init__(self, body: IO[bytes], turn: threading.Lock) -> None:
        self.body, self.turn = body, turn

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, place: Any) -> int:
        """As RawIOBase has it."""
        self.turn.release()
        try:
            some = self.body.read(len(place))
        finally:
            self.turn.acquire()
        place[: len(some)] = some
        return len(some)
