"""One line in the log and one figure for each request, around everything else that answers it.

Answers that `kept_answers` sends are counted, and logged as counts every few seconds: on a recall day nothing else is
asked for, and a line each would cost a fifth of an answer.

Whoever answers says the route (`ROUTE`), who asks (`acting`) and what was found (`kept_answers.FOUND`) in the request's
environment. Probes that go well are not logged: they come every few seconds, and say the same each time.
"""

import hmac
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, request

from portal.kept_answers import FOUND, ROUTE
from portal.logs import Log, frames, kind
from portal.metrics import ANSWERS, REQUESTS

ID = "lotproof.request_id"
ACTOR = "lotproof.actor"
NO_ROUTE = "none"
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
HEADER = "X-Request-Id"
COUNTED_SECONDS = 5.0  # counts of answers are behind by no more than this
TROUBLE = b"We cannot answer right now. The fault is ours. Try again in a minute.\n"
_GIVEN_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def acting(actor: str) -> None:
    """Say whose request this is: `account:ID` or `token:ID`, and never a name."""
    request.environ[ACTOR] = actor


def note_routes(app: Flask) -> None:
    """Have every request say its route."""
    app.before_request(_note_route)


def _note_route() -> None:
    rule = request.url_rule
    request.environ[ROUTE] = NO_ROUTE if rule is None else rule.rule


class Watch:
    """What is noted of requests. `address_key` hashes addresses; `trusts_ids`: a proxy of ours may name requests."""

    def __init__(
        self, log: Log, *, address_key: bytes, trusts_ids: bool, now: Callable[[], float] = time.time
    ) -> None:
        self.log = log
        self._address_key = address_key
        self._trusts_ids = trusts_ids
        self._now = now
        self._from = lru_cache(maxsize=4_096)(self._hashed)
        self._figures = lru_cache(maxsize=2_048)(REQUESTS.labels)
        self._kept: list[tuple[str, str, float]] = []  # status, route, seconds of answers to be counted
        self._is_counting = False

    def around(self, app: WSGIApplication) -> WSGIApplication:
        """`app`, watched; an exception that it lets through is logged and answered."""

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            begun = time.perf_counter()
            request_id = environ[ID] = self._id_of(environ)
            status = "500"

            def start(told: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
                nonlocal status
                status = told[:3]
                return start_response(told, [*headers, (HEADER, request_id)], *rest)

            try:
                body = app(environ, start)
            except Exception as error:  # noqa: BLE001  # the last border: somebody waits for an answer
                self.crashed(environ, error)
                start("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
                body = [TROUBLE]
            if isinstance(body, list):
                if FOUND in environ and status == "200":
                    self._count(environ, begun)
                    return body
                self._finished(environ, begun, status, sum(map(len, body)))
                return body
            return Counting(body, lambda count: self._finished(environ, begun, status, count))

        return answer

    def crashed(self, environ: WSGIEnvironment, error: BaseException) -> None:
        """Log an exception that nobody expected, under the request's id."""
        self.log.error(
            "crash",
            id=environ.get(ID, ""),
            route=environ.get(ROUTE, NO_ROUTE),
            error=kind(error),
            frames=frames(error),
        )

    def _finished(self, environ: WSGIEnvironment, begun: float, status: str, count: int) -> None:
        seconds = time.perf_counter() - begun
        route = environ.get(ROUTE, NO_ROUTE)
        method = environ["REQUEST_METHOD"]
        method = method if method in METHODS else "other"
        self._figures(route, method, status).observe(seconds)
        found = environ.get(FOUND)
        if found is not None:
            ANSWERS.labels(found.status).inc()
        if route in PROBES and status < "500":
            return
        say = self.log.info if status < "500" else self.log.error
        say(
            "request",
            id=environ[ID],
            method=method,
            route=route,
            status=int(status),
            ms=round(seconds * 1000, 2),
            bytes=count,
            who=environ.get(ACTOR, ""),
            **{"from": self._from(environ.get("REMOTE_ADDR", ""), int(self._now()) // 86_400)},
        )

    def _count(self, environ: WSGIEnvironment, begun: float) -> None:
        """Keep in mind one answer of those that `count_kept` tells of, at the latest in COUNTED_SECONDS."""
        self._kept.append((environ[FOUND].status, environ[ROUTE], time.perf_counter() - begun))
        if not self._is_counting:
            self._is_counting = True
            timer = threading.Timer(COUNTED_SECONDS, self.count_kept)
            timer.daemon = True  # a server that stops does not wait for figures
            timer.start()

    def count_kept(self) -> None:
        """Put the answers since the last time into the figures, and one line of counts into the log."""
        self._is_counting = False  # first: an answer that comes now begins the next count
        kept, self._kept = self._kept, []
        for _, route, seconds in kept:
            self._figures(route, "GET", "200").observe(seconds)
        counts = Counter(status for status, _, _ in kept)
        for status, count in counts.items():
            ANSWERS.labels(status).inc(count)
        if kept:
            slowest = max(seconds for _, _, seconds in kept)
            self.log.info("answers", count=len(kept), **counts, slowest_ms=round(slowest * 1000, 2))

    def _id_of(self, environ: WSGIEnvironment) -> str:
        """The id that our own proxy gave the request, or a new one."""
        if self._trusts_ids:
            given = environ.get("HTTP_X_REQUEST_ID", "")
            if _GIVEN_ID.fullmatch(given):
                return str(given)
        return os.urandom(8).hex()

    def _hashed(self, address: str, day: int) -> str:
        """Tells one source from another within a day (UTC), and no further."""
        date = datetime.fromtimestamp(day * 86_400, UTC).date().isoformat()
        daily = hmac.digest(self._address_key, date.encode(), "sha256")
        return hmac.digest(daily, address.encode(), "sha256").hex()[:12]


class Counting:
    """A response's body that counts itself, and says so when it was sent or given up."""

    def __init__(self, body: Iterable[bytes], finish: Callable[[int], None]) -> None:
        self._body = body
        self._finish: Callable[[int], None] | None = finish
        self._count = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self._body:
            self._count += len(part)
            yield part
        self._end()

    def close(self) -> None:
        """What a server calls at the end, and where the reader went away."""
        closing = getattr(self._body, "close", None)
        if closing is not None:
            closing()
        self._end()

    def _end(self) -> None:
        finish, self._finish = self._finish, None
        if finish is not None:
            finish(self._count)
