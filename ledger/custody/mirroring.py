"""Making a mirror from an export, and bringing it up to date: `lotproof log import`.

A new mirror is made beside its place and moved there whole. Importing a newer export appends to it in one transaction;
one that tells another history is refused, and both checkpoints are kept as evidence: that is what a mirror is for.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ledger.database import connect, migrate
from ledger.durable import make_private_folder, sync_folder, write_new
from ledger.errors import Refused
from ledger.files import CHUNK_BYTES, Files
from ledger.installing import make_ledger_database
from ledger.journal.carrying import Carried, HistoryRewritten, carry_in
from ledger.journal.opening import DatabaseTaken
from ledger.log.checkpoint import Checkpoint
from ledger.log.layout import FILES, Directory, Progress, no_progress
from ledger.log.note import Verifier, split_note
from ledger.settings import Settings

EVIDENCE = "split-view"


class NotAMirror(Refused):
    """The folder of data holds something else."""

    message = "{folder} holds something else than a mirror. Choose another folder: --into FOLDER."


def import_log(
    source: Path, settings: Settings, verifier: Verifier, progress: Progress = no_progress
) -> Carried:
    """Make a mirror of the exported log `source` in the settings' folder of data, or bring the one there up to date.

    Raises NotAMirror, DatabaseTaken, and what `carry_in` does.
    """
    if settings.mirror_of is not None:
        return _take_over(source, settings, verifier, progress)
    with _founding(source, settings, verifier) as beside:
        return _take_over(source, beside, verifier, progress)


def keep_evidence(folder: Path, error: HistoryRewritten, now: datetime) -> tuple[Path, Path]:
    """Write down the checkpoints of both histories, in files named by the moment: ours, then theirs."""
    evidence = folder / EVIDENCE
    make_private_folder(evidence)
    moment = now.strftime("%Y%m%dT%H%M%S.%fZ")
    ours, theirs = evidence / f"{moment}-here", evidence / f"{moment}-there"
    write_new(ours, str(error.facts["ours"]).encode())
    write_new(theirs, str(error.facts["theirs"]).encode())
    sync_folder(evidence)
    return ours, theirs


@contextmanager
def _founding(source: Path, settings: Settings, verifier: Verifier) -> Iterator[Settings]:
    """Settings of a mirror in a folder beside the one wanted, moved into place when the block ends well."""
    wanted = settings.data
    if wanted.exists() and any(wanted.iterdir()):
        raise NotAMirror(folder=wanted)
    if settings.has_ledger:
        raise DatabaseTaken(database=settings.ledger_db)
    origin = Checkpoint.parse(split_note(Directory(source).note())[0]).origin
    beside = replace(
        settings,
        data=wanted.with_name(f"{wanted.name}.new"),
        host=origin.partition("/")[0],
        origin=origin,
        mirror_of=verifier.to_text(),
    )
    # What a crash left there was never a mirror: only the renaming below makes it one.
    shutil.rmtree(beside.data, ignore_errors=True)
    wanted.parent.mkdir(parents=True, exist_ok=True)
    beside.init()
    try:
        make_ledger_database(beside)
        yield beside
    except BaseException:
        shutil.rmtree(beside.data, ignore_errors=True)
        raise
    if wanted.exists():
        wanted.rmdir()
    beside.data.rename(wanted)
    sync_folder(wanted.parent)


def _take_over(source: Path, settings: Settings, verifier: Verifier, progress: Progress) -> Carried:
    files = Files(settings.files)
    _copy_files(Files(source / FILES), files)  # first: an entry that stands may count on what it names
    engine = connect(settings.ledger_db)
    try:
        migrate(engine, "lotproof")
        return carry_in(source, engine, verifier, files.read, progress)
    finally:
        engine.dispose()


def _copy_files(there: Files, here: Files) -> None:
    """Copy the files that came along, each hashed once more. Raises FileDamaged."""
    for sha256 in there.names() if there.folder.is_dir() else ():
        if not here.exists(sha256):
            with there.open(sha256) as file:
                here.put(iter(lambda: file.read(CHUNK_BYTES), b""))
