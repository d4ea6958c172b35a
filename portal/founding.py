"""A new folder of data, whole or not there at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ledger.durable import sync_folder
from ledger.errors import Refused
from ledger.settings import Settings


class FolderNotEmpty(Refused):
    """A new company needs a folder of its own."""

    message = "There is something in {folder} already. Choose an empty folder with LOTPROOF_DATA."


@contextmanager
def founding(settings: Settings) -> Iterator[Settings]:
    """The same settings with a folder beside the one wanted, moved into place when the block ends well.

    Raises FolderNotEmpty. What is refused leaves nothing. A crash leaves the folder beside; the next founding drops it.
    """
    wanted = settings.data
    if wanted.exists() and any(wanted.iterdir()):
        raise FolderNotEmpty(folder=wanted)
    beside = replace(settings, data=wanted.with_name(f"{wanted.name}.new"))
    shutil.rmtree(beside.data, ignore_errors=True)
    try:
        beside.init()
        yield beside
    except BaseException:
        shutil.rmtree(beside.data, ignore_errors=True)
        raise
    if wanted.exists():
        wanted.rmdir()
    beside.data.rename(wanted)
    sync_folder(wanted.parent)
