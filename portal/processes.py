"""Processes that belong together: none outlives the one that started it, however that one ended."""

import os
import signal
import threading
import time

import click

LOOK_EVERY_SECONDS = 0.5
GRACE_SECONDS = 8.0
# Measured on two cores: 2,600 answers a second from one process, 4,900 from two, 4,300 from three.
WEB_PROCESSES = min(2, os.cpu_count() or 1)

# For processes that `lotproof run` starts: not for people, so not in the help.
with_parent = click.option("--with-parent", type=int, hidden=True, metavar="PID")


def watch_parent(parent: int | None) -> None:
    """End this process soon after process `parent` has; None: nobody to watch.

    A parent that was killed outright tells nobody. But its children get another one then, which any system
    shows without help from the dead: so we look.
    """
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True, name="watch-parent").start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)  # the graceful way was not taken
