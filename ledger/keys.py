"""The seller's keys: made once, kept in `keys/`, read at start.

    log.key      signs checkpoints, `PRIVATE+KEY+…` (C2SP signed-note); whoever has it can speak for the log
    units.key    keys the hashes of serials, so that a unit's leaf cannot be guessed from its number
    links.key    makes the links of claims
    master.key   wraps the key of each person in the vault; without it no personal data can be read

All but the first are 32 bytes in hex. Files have mode 600, the folder 700. Back them up apart from the data.
"""

import errno
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ledger.durable import PRIVATE_FOLDER, is_private, sync_folder, write_new
from ledger.errors import LedgerError, Refused
from ledger.log.note import Signer

KEY_BYTES = 32
LOG_KEY, UNITS_KEY, LINKS_KEY, MASTER_KEY = "log.key", "units.key", "links.key", "master.key"


class KeysExist(Refused):
    """There are keys already; other keys would make what they sealed worthless."""

    message = "There are keys in {folder} already, and they are never overwritten."


class KeyMissing(LedgerError):
    """A key's file is not there."""

    message = "The key {path} is missing. Put the folder of keys back from its backup."


class KeyUnreadable(LedgerError):
    """A key's file is there and this process may not read it."""

    message = "The key {path} cannot be read ({reason}). It must be a file of the user who runs Lotproof."


class KeyTooOpen(LedgerError):
    """Others on this machine may read the key, or the folder of keys."""

    message = "Others on this machine may read {path}. Close it first: chmod go-rwx {path}"


class KeyDamaged(LedgerError):
    """The file holds no key."""

    message = "The file {path} holds no key of its kind. Put it back from its backup."


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys, read and checked; none of them shows in a `repr`."""

    signer: Signer = field(repr=False)
    units: bytes = field(repr=False)
    links: bytes = field(repr=False)
    master: bytes = field(repr=False)

    @classmethod
    def create(cls, folder: Path, origin: str, *, master_key_file: Path | None = None) -> "Keys":
        """Make the keys of the log named `origin`; `folder`'s parent must exist.

        A master key that stands at `master_key_file` already is taken over: some keep it in a secret store.
        Raises KeysExist where `folder` holds anything.
        """
        if folder.exists() and any(folder.iterdir()):
            # Looked at first, so that a lost master key is never silently replaced beside the old keys.
            raise KeysExist(folder=folder)
        if master_key_file is not None and not master_key_file.exists():
            write_new(master_key_file, _random_key())
            sync_folder(master_key_file.parent)
        _create_folder(
            folder,
            {
                LOG_KEY: Signer.generate(origin).to_text().encode() + b"\n",
                UNITS_KEY: _random_key(),
                LINKS_KEY: _random_key(),
            }
            | ({MASTER_KEY: _random_key()} if master_key_file is None else {}),
        )
        return cls.open(folder, master_key_file=master_key_file)

    @classmethod
    def open(cls, folder: Path, *, master_key_file: Path | None = None) -> "Keys":
        """The keys that `create` made. Raises KeyMissing, KeyUnreadable, KeyTooOpen or KeyDamaged."""
        if folder.is_dir() and not is_private(folder.stat().st_mode):
            raise KeyTooOpen(path=folder)
        return cls(
            signer=_signer(folder / LOG_KEY),
            units=_key(folder / UNITS_KEY),
            links=_key(folder / LINKS_KEY),
            master=_key(master_key_file or folder / MASTER_KEY),
        )


def _create_folder(folder: Path, contents: dict[str, bytes]) -> None:
    """All files of `contents` in a new `folder`, or none: a crash half-way leaves `keys.…` beside it."""
    staging = folder.with_name(f"{folder.name}.{secrets.token_hex(8)}")
    staging.mkdir(mode=PRIVATE_FOLDER)
    try:
        for name, content in contents.items():
            write_new(staging / name, content)
        sync_folder(staging)
        # rename(2) replaces an empty folder and refuses a full one: the check and the act are one.
        staging.rename(folder)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise KeysExist(folder=folder) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    sync_folder(folder.parent)


def _random_key() -> bytes:
    return secrets.token_hex(KEY_BYTES).encode() + b"\n"


def _read(path: Path) -> str:
    """The text of a private file that is no link."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            if not is_private(os.fstat(file.fileno()).st_mode):
                raise KeyTooOpen(path=path)
            return file.read().decode("ascii").removesuffix("\n")
    except FileNotFoundError as error:
        raise KeyMissing(path=path) from error
    except UnicodeDecodeError as error:
        raise KeyDamaged(path=path) from error
    except OSError as error:
        raise KeyUnreadable(path=path, reason=error.strerror) from error


def _key(path: Path) -> bytes:
    text = _read(path)
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise KeyDamaged(path=path) from error
    if key.hex() != text or len(key) != KEY_BYTES:
        raise KeyDamaged(path=path)
    return key


def _signer(path: Path) -> Signer:
    text = _read(path)
    try:
        return Signer.parse(text)
    except (ValueError, LedgerError):
        # From None: a message about the text could quote the key.
        raise KeyDamaged(path=path) from None
