"""Is a backup whole? Everything that a restore would need is read, and nothing is made of it."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ledger.audit.references import file_refs
from ledger.custody.backup import FILES, LOG, VAULT_DB, copy_private, newest_of
from ledger.database import connect, migrate
from ledger.errors import LedgerError
from ledger.files import Files
from ledger.journal.carrying import FILE_MARK, verify_log
from ledger.journal.replay import recorded_from
from ledger.keys.keys import LOG_KEY, MASTER_KEY, Keys
from ledger.log.checkpoint import Checkpoint
from ledger.log.layout import Directory, Progress, no_progress
from ledger.log.note import UntrustedNote, Verifier, split_note
from ledger.log.tiles import TILE_WIDTH, tiles_of
from ledger.vault.checking import check_vault
from ledger.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class CopiedKeys:
    """Where the copies of the keys are, and the master key where it is not among them."""

    folder: Path
    master_key_file: Path


@dataclass(frozen=True, slots=True)
class Checked:
    """What was looked at. `problems` is empty where a restore would find everything."""

    checkpoint: Checkpoint | None  # None: the log itself is not whole
    files: int
    vault: Path | None  # the copy that was opened
    keys: Path | None  # likewise
    problems: tuple[str, ...]
    is_untrusted: bool  # no statement leads from a trusted key to those that signed it


def check_backup(
    folder: Path,
    trusted: Sequence[Verifier],
    *,
    vault: Path | None = None,
    master: bytes | None = None,
    keys: CopiedKeys | None = None,
    progress: Progress = no_progress,
) -> Checked:
    """Check the log in `folder` against trusted keys, every file it names, and the newest copies of vault and keys.

    One of the trusted keys is enough: of two in an overlap, an older backup knows the older one. `master` opens the
    vault; it goes on after the first problem.
    """
    problems: list[str] = []
    checkpoint, count, is_untrusted = None, 0, False
    try:
        checkpoint = _verify_by_any(folder / LOG, trusted, progress)
    except LedgerError as error:
        problems.append(str(error))
        is_untrusted = isinstance(error, UntrustedNote)
    if checkpoint is not None:
        count = _check_files(folder, checkpoint.size, problems)
    opened = None
    if vault is not None:
        opened = newest_of(vault, VAULT_DB)
        problems += _vault_problems(opened, vault, master)
    copied = None
    if keys is not None:
        copied = newest_of(keys.folder, LOG_KEY)
        note = Directory(folder / LOG).note() if checkpoint is not None else None
        problems += _key_problems(copied, keys, note)
    return Checked(checkpoint, count, opened, copied, tuple(problems), is_untrusted)


def _verify_by_any(folder: Path, trusted: Sequence[Verifier], progress: Progress) -> Checkpoint:
    """The log's checkpoint, trusted by the first key that leads to it. Raises the first key's UntrustedNote."""
    refusals: list[UntrustedNote] = []
    for verifier in trusted:
        try:
            return verify_log(folder, verifier, progress)[0]
        except UntrustedNote as error:
            refusals.append(error)
    raise refusals[0]


def _check_files(folder: Path, size: int, problems: list[str]) -> int:
    """Read every file that an entry names; gives how many there are."""
    files, wanted = Files(folder / FILES), set(_named(Directory(folder / LOG), size))
    for sha256 in sorted(wanted):
        try:
            files.open(sha256).close()
        except LedgerError as error:
            problems.append(str(error))
    return len(wanted)


def _named(log: Directory, size: int) -> Iterator[str]:
    for tile in tiles_of(size):
        if tile.level:
            return
        start = tile.number * TILE_WIDTH
        for index, body in enumerate(log.read_entries(tile.number, tile.width), start):
            if FILE_MARK in body:
                yield from (ref.sha256 for ref in file_refs(recorded_from(index, body).event))


def _vault_problems(opened: Path | None, vault: Path, master: bytes | None) -> Iterator[str]:
    """What is wrong with a copy of the vault: it is copied once more, so that looking changes nothing in it."""
    if opened is None:
        yield f"{vault} holds no complete copy of a vault."
        return
    with TemporaryDirectory(prefix="lotproof-check-") as beside:
        copy = Path(beside) / VAULT_DB
        shutil.copyfile(opened / VAULT_DB, copy)
        engine = connect(copy)
        try:
            with engine.connect() as connection:
                found = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
            if found != "ok":
                yield f"{opened / VAULT_DB}: {found}"
            elif master is not None:
                migrate(engine, "vault")
                for one in check_vault(Vault(engine, master)):
                    yield f"{opened / VAULT_DB}: {one.table} {one.row}: {one.problem}"
        finally:
            engine.dispose()


def _key_problems(copied: Path | None, keys: CopiedKeys, note: str | None) -> Iterator[str]:
    """What is wrong with a copy of the keys; `note` is the log's last checkpoint, None where there is none to rely on.

    It is opened as a restore would open it, which may write: so in a copy, but for the master key, which lies in clear.
    """
    if copied is None:
        yield f"{keys.folder} holds no copy of the keys: no {LOG_KEY} is in it."
        return
    with TemporaryDirectory(prefix="lotproof-check-") as beside:
        opened = Path(beside)
        try:
            copy_private(copied, opened, left_out=MASTER_KEY)
            inside = copied / MASTER_KEY
            place = inside if inside.exists() else keys.master_key_file
            signing = Keys.open(opened, master_key_file=place).verifiers()
        except LedgerError as error:
            yield str(error).replace(str(opened), str(copied))
            return
    if note is not None:
        yield from (
            f"{copied} has no key {name}, which signed the last checkpoint of the log in this backup: with these "
            "keys nobody can sign for it. Take a new backup of log and keys together."
            for name in _signed_without(note, signing)
        )


def _signed_without(note: str, verifiers: Sequence[Verifier]) -> list[str]:
    """The keys that signed a verified note and are not among `verifiers`, as name and id."""
    text, signatures = split_note(note)
    return [
        f"{one.name}+{one.key_id.hex()}"
        for one in signatures
        if not any(verifier.verify(text, one.value) for verifier in verifiers)
    ]
