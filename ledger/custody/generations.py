"""Dated copies in one folder, each whole or not there: `2026-11-22T001530Z`, the newest last.

A copy is made under another name, synced and renamed; so a folder with a date is complete, whenever the power
went. What a crash leaves behind has `.new` at its end and is removed by the next copy.
"""

import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledger.durable import PRIVATE_FOLDER, sync_folder

STAMP = "%Y-%m-%dT%H%M%SZ"
UNFINISHED = ".new"
_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z")


def generations(folder: Path) -> list[Path]:
    """The complete copies in `folder`, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if _NAME.fullmatch(one.name) and one.is_dir())


def taken_at(generation: Path) -> datetime:
    """When a copy was made."""
    return datetime.strptime(generation.name, STAMP).replace(tzinfo=UTC)


def add_generation(folder: Path, now: datetime, fill: Callable[[Path], None]) -> Path:
    """A further copy, which `fill` writes into the folder it is given; durable when this returns."""
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    for left in folder.glob(f"*{UNFINISHED}"):
        shutil.rmtree(left)
    made = folder / now.astimezone(UTC).strftime(STAMP)
    unfinished = made.with_name(made.name + UNFINISHED)
    unfinished.mkdir(mode=PRIVATE_FOLDER)
    fill(unfinished)
    sync_tree(unfinished)
    if made.exists():  # a second copy within the same second says the same or more
        shutil.rmtree(made)
    # A crash before this line: the former copies stand, and this one is not there.
    unfinished.rename(made)
    sync_folder(folder)
    return made


def prune(folder: Path, now: datetime, keep: timedelta) -> int:
    """Keep the newest copy of each day, of as many days as `keep`, and always the newest; gives how many went."""
    copies = generations(folder)
    last_of_day = {taken_at(one).date(): one for one in copies}
    wanted = {one for one in last_of_day.values() if now - taken_at(one) <= keep} | set(copies[-1:])
    gone = [one for one in copies if one not in wanted]
    for one in gone:
        shutil.rmtree(one)
    return len(gone)


def sync_tree(folder: Path) -> None:
    """Make everything below `folder` durable: contents first, then names."""
    for parent, _folders, files in os.walk(folder, topdown=False):
        for name in files:
            _sync_file(Path(parent) / name)
        sync_folder(Path(parent))


def _sync_file(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
