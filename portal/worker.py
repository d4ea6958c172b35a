"""`lotproof worker`: does what is owed in the background, one job at a time. Several may run side by side."""

import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta

import click
from sqlalchemy import Engine

from ledger import nouns
from ledger.errors import LedgerError
from ledger.identifiers import new_id
from ledger.journal.opening import Ledger, open_ledger
from ledger.settings import Settings
from ledger.state import open_state
from ledger.work import LeaseLost, done, failed, take
from portal.chores import keep_promises, seal_if_quiet, sweep
from portal.heartbeats import WORKER, beat
from portal.jobs import HANDLERS, Bench, Handler
from portal.logs import Log, frames, kind, make_log
from portal.processes import watch_parent, with_parent
from portal.webhooks import owe

assert nouns  # imported so that the registry is whole

LOOK_EVERY_SECONDS = 1.0
CHORES_EVERY = timedelta(minutes=1)
PROMISES_EVERY = timedelta(days=1)


class UnknownKind(LedgerError):
    """A job that this version cannot do, perhaps of a newer one."""

    message = "This version of Lotproof cannot do background jobs of the kind {kind}."


@click.command()
@click.option("--once", is_flag=True, help="Do what is owed by now, and end.")
@click.option("--accept-clock", is_flag=True, help="Start although a year has passed since the last entry.")
@with_parent
def worker(once: bool, accept_clock: bool, with_parent: int | None) -> None:
    """Do what is owed in the background until SIGTERM or Ctrl-C: seals, sheets of labels, sweeping up."""
    watch_parent(with_parent)
    settings = Settings.from_env()
    with closing(open_ledger(settings, accept_long_silence=accept_clock)) as ledger:
        state = open_state(settings.state_db)
        work(Worker(ledger, state, log=make_log(settings.log_form)), stop_signal(), once=once)
        state.dispose()


def stop_signal() -> threading.Event:
    """Is set by SIGTERM or Ctrl-C."""
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda _number, _frame: stop.set())
    return stop


def work(worker: "Worker", stop: threading.Event, *, once: bool) -> None:
    """Jobs and chores until `stop` is set; the job in hand is finished first."""
    while not stop.is_set():
        worker.do_chores()
        owe(worker.ledger, worker.state, now=worker.ledger.clock.now())
        while not stop.is_set() and worker.do_job():
            pass
        if once or stop.wait(LOOK_EVERY_SECONDS):
            return


class Worker:
    """One worker: its name, which no other process has, and when it last did its chores."""

    def __init__(
        self,
        ledger: Ledger,
        state: Engine,
        handlers: Mapping[str, Handler] = HANDLERS,
        log: Log | None = None,
    ) -> None:
        self.ledger = ledger
        self.state = state
        self.log = log or make_log()
        self.handlers = handlers
        self.name = f"{socket.gethostname()}:{os.getpid()}:{new_id(os.urandom)}"
        self._chores_at = ledger.clock.now() - CHORES_EVERY
        self._promises_at = ledger.clock.now() - PROMISES_EVERY

    def do_chores(self) -> None:
        """Seal if it is time and sweep, at most once a minute; destroy what has run out, once a day.

        What is refused is said and tried again later.
        """
        now = self.ledger.clock.now()
        if now - self._chores_at < CHORES_EVERY:
            return
        self._chores_at = now
        beat(self.state, WORKER, self.ledger.clock)
        try:
            seal_if_quiet(self.ledger)
            sweep(self.ledger, now=now)
            if now - self._promises_at >= PROMISES_EVERY:
                keep_promises(self.ledger, now=now)
                self._promises_at = now
        except LedgerError as error:
            self.log.error("chores refused", error=kind(error), said=str(error))

    def do_job(self) -> bool:
        """Take the job that is due longest and do it; whether there was one."""
        now = self.ledger.clock.now()
        job = take(self.state, self.name, now=now)
        if job is None:
            return False
        begun = time.perf_counter()
        about = {"job": job.id, "kind": job.kind, "tries": job.tries}
        try:
            how, more = self._do(Bench(self.ledger, self.state, job, kept_at=now))
        except LeaseLost as error:
            how, more = "job lost", {"error": kind(error)}
        say = self.log.info if how == "job done" else self.log.error
        say(how, **about, ms=round((time.perf_counter() - begun) * 1000), **more)
        return True

    def _do(self, bench: Bench) -> tuple[str, dict[str, object]]:
        """Do the job and mark it done, or failed with the reason; gives what the log is told. Raises LeaseLost.

        The reason stands with the job, which staff see; it may name codes, so the log has its kind alone.
        """
        handler = self.handlers.get(bench.job.kind)
        try:
            if handler is None:
                raise UnknownKind(kind=bench.job.kind)
            result = handler(bench)
        except LeaseLost:
            raise
        except LedgerError as error:
            failed(self.state, bench.job, str(error), now=self.ledger.clock.now())
            return "job refused", {"error": kind(error)}
        except Exception as error:  # noqa: BLE001  # a job that crashes must not take the others with it
            reason = f"{type(error).__name__}: {error}"
            failed(self.state, bench.job, reason, now=self.ledger.clock.now())
            return "job crashed", {"error": kind(error), "frames": frames(error)}
        done(self.state, bench.job, result=result, now=self.ledger.clock.now())
        return "job done", {}
