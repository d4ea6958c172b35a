"""`lotproof serve`: granian serves the portal over WSGI on this machine's own address.

Each worker process is forked, or spawned, before it opens the ledger, and works on one request at a time, while it
waits for what others send (`portal.turns`).
"""

import os
import socket
import tempfile
from contextlib import closing

import click
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from ledger.journal.opening import open_ledger
from ledger.journal.publish import ForeignCheckpoint, LogBehindGuard, TreeDiffers
from ledger.log.guard import GuardDamaged, GuardMissing
from ledger.settings import Settings
from portal.processes import GRACE_SECONDS, WEB_PROCESSES, watch_parent, with_parent
from portal.turns import THREADS

ADDRESS = "127.0.0.1"  # a proxy stands in front where others are to reach it
APPLICATION = "portal.opening:make_application"
SHARED_FIGURES = "PROMETHEUS_MULTIPROC_DIR"  # by this name prometheus-client finds it, in each process
UNSIGNED = (
    LogBehindGuard,
    TreeDiffers,
    ForeignCheckpoint,
    GuardMissing,
    GuardDamaged,
)  # answers go on, marked old


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=WEB_PROCESSES, show_default=True)
@click.option("--accept-clock", is_flag=True, help="Start although a year has passed since the last entry.")
@with_parent
def serve(port: int, workers: int, accept_clock: bool, with_parent: int | None) -> None:
    """Serve portal and console on 127.0.0.1 until SIGTERM or Ctrl-C."""
    watch_parent(with_parent)
    refuse_taken(port)
    seal(Settings.from_env(), accept_clock=accept_clock)
    server = Granian(
        APPLICATION,
        factory=True,
        address=ADDRESS,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        workers=workers,
        blocking_threads=THREADS,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        workers_kill_timeout=round(GRACE_SECONDS / 2),
    )
    with tempfile.TemporaryDirectory(prefix="lotproof-metrics-") as figures:
        os.environ[SHARED_FIGURES] = figures
        server.serve()


def seal(settings: Settings, *, accept_clock: bool) -> None:
    """Publish a checkpoint of now, so that the first answer is not as old as the last entry.

    Raises what opening raises. After it no worker meets a silence of a year. A database that is not the one last
    published, or a guard that is gone, is said and served: buyers still get answers, marked old, and nothing is signed.
    """
    with closing(open_ledger(settings, accept_long_silence=accept_clock)) as ledger:
        try:
            ledger.journal.seal()
        except UNSIGNED as error:
            click.echo(f"lotproof: {error}", err=True)


def refuse_taken(port: int) -> None:
    """Raise UsageError for a port that somebody listens on: granian would silently share it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise click.UsageError(
                f"Port {port} cannot be used ({error.strerror}). Choose another: --port {port + 80}"
            ) from error
