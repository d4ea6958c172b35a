"""What the processes say while they run: one line an event on standard error, JSON where no terminal reads it.

    {"level":"info","at":"2026-02-12T08:41:07.120345Z","event":"request","id":"9f3c61a8d0e1f2a3","method":"GET",
     "route":"/s/<number:number>","status":200,"ms":0.61,"bytes":5120,"who":"","from":"4be1c02f9a77"}

Never in a line: names, addresses, serials, tokens, links, query strings, what a form held. So a path is told by its
route, an account by its id, an address by a hash that another day changes, an exception by its kind and where it was
raised: its words may repeat what somebody typed, and a local variable may hold it.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, TextIO, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from ledger.settings import LogForm

Log = FilteringBoundLogger

DEEPEST = 40  # frames of one exception
CODES = (
    "errno",
    "sqlite_errorname",
    "sqlstate",
)  # what disk and databases call their errors: no words of anybody's


def make_log(form: LogForm = "auto", stream: TextIO | None = None) -> Log:
    """A log onto standard error as it is now, or onto `stream`; `auto` is text for a terminal and JSON otherwise."""
    stream = stream or sys.stderr
    is_text = form == "text" or (form == "auto" and stream.isatty())
    level = logging.CRITICAL if form == "off" else logging.INFO  # nothing of ours is critical
    made = structlog.wrap_logger(
        structlog.WriteLogger(cast(TextIO, Forgiving(stream)))
        if is_text
        else structlog.BytesLogger(cast(BinaryIO, Forgiving(stream.buffer))),
        processors=_for_people(stream) if is_text else _for_programs(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return cast(Log, made.bind())


class Forgiving:
    """A stream that takes what it can: no answer fails because the reader of the log went away, or its disk is full."""

    def __init__(self, stream: TextIO | BinaryIO) -> None:
        self._stream: Any = stream

    def write(self, line: str | bytes) -> None:
        """Write a whole line, or lose it."""
        with suppress(OSError, ValueError):  # ValueError: somebody closed it
            self._stream.write(line)

    def flush(self) -> None:
        """Hand it on."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def frames(error: BaseException) -> list[str]:
    """Where an exception was raised and what it was raised from, outermost first, as `file:line function`."""
    return [line for one in _chain(error) for line in _frames_of(one)][-DEEPEST:]


def kind(error: BaseException) -> str:
    """The exception's class, and the code that disk or database gave it, without its words."""
    codes = [str(getattr(one, name)) for one in _chain(error) for name in CODES if getattr(one, name, None)]
    return " ".join([type(error).__name__, *dict.fromkeys(codes)])


def _for_programs() -> list[Processor]:
    return [*_common(), structlog.processors.JSONRenderer(serializer=orjson.dumps)]


def _for_people(stream: TextIO) -> list[Processor]:
    shown = structlog.dev.ConsoleRenderer(
        timestamp_key="at", pad_event_to=10, sort_keys=False, colors=stream.isatty()
    )
    return [*_common(), shown]


def _common() -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """What it was raised from first, the exception itself last."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    original = getattr(error, "orig", None)  # SQLAlchemy's name for what the driver raised
    if isinstance(original, BaseException) and original is not cause:
        yield original
    if cause is not None:
        yield from _chain(cause)
    yield error


def _frames_of(error: BaseException) -> list[str]:
    found = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in found]
