"""The seller's keys: made once, kept in `keys/`, read at start.

    log.pem      signs checkpoints; whoever can open it can speak for the log
    units.key    keys the hashes of serials, so that a unit's leaf cannot be guessed from its number
    links.key    makes the links of claims
    master.key   opens the three above and wraps the key of each person in the vault; best kept elsewhere

While the log's key changes there are `log.next.pem` (made, perhaps not yet recorded) and `log.previous.pem` (signs
beside the new one until it is retired). Which of them must sign is what the log says; the names are for people.
While the master key changes `master.change` holds the new one opened by the old and the old one by the new: so
whichever of the two a process is given, it opens everything.

All files have mode 600, the folder 700. Back them up apart from the data. Their forms: `ledger.keys.key_files`.
"""

import errno
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ledger.durable import PRIVATE_FOLDER, is_private, sync_folder, write_new
from ledger.errors import LedgerError, Refused
from ledger.keys.key_files import KEY_BYTES as KEY_BYTES
from ledger.keys.key_files import KeyDamaged as KeyDamaged
from ledger.keys.key_files import KeyLocked as KeyLocked
from ledger.keys.key_files import KeyMissing as KeyMissing
from ledger.keys.key_files import KeysUnwritable as KeysUnwritable
from ledger.keys.key_files import KeyTooOpen as KeyTooOpen
from ledger.keys.key_files import KeyUnreadable as KeyUnreadable
from ledger.keys.key_files import (
    from_hex,
    locked,
    plain,
    read_plain,
    read_private,
    read_signer,
    read_wrapped,
    remove_file,
    replace_file,
    sealed_signer,
    wrapped,
)
from ledger.keys.master_change import other_master
from ledger.log.note import Signer, Verifier

LOG_KEY, PREVIOUS_KEY, NEXT_KEY = "log.pem", "log.previous.pem", "log.next.pem"
UNITS_KEY, LINKS_KEY, MASTER_KEY = "units.key", "links.key", "master.key"
FORMER_LOG_KEY = "log.key"


class KeysExist(Refused):
    """There are keys already; other keys would make what they sealed worthless."""

    message = "There are keys in {folder} already, and they are never overwritten."


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys, read and checked; none of them shows in a `repr`."""

    folder: Path
    master_key_file: Path  # where the master key is
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
        signer = Signer.generate(origin)
        master = _master_for(master_key_file)
        _create_folder(
            folder,
            {
                LOG_KEY: sealed_signer(signer, master),
                UNITS_KEY: wrapped(UNITS_KEY, secrets.token_bytes(KEY_BYTES), master),
                LINKS_KEY: wrapped(LINKS_KEY, secrets.token_bytes(KEY_BYTES), master),
            }
            | ({MASTER_KEY: plain(master)} if master_key_file is None else {}),
        )
        return cls.open(folder, master_key_file=master_key_file)

    @classmethod
    def open(cls, folder: Path, *, master_key_file: Path | None = None) -> "Keys":
        """The keys that `create` made. Costs about 2 ms. Raises KeyMissing, KeyUnreadable, KeyTooOpen, KeyDamaged
        or KeyLocked; KeysUnwritable where keys of the former form are to be taken over and cannot be."""
        if folder.is_dir() and not is_private(folder.stat().st_mode):
            raise KeyTooOpen(path=folder)
        place = master_key_file or folder / MASTER_KEY
        _take_over(folder, place)
        master = read_plain(place)
        masters = [master, *other_master(folder, master)]
        return cls(
            folder=folder,
            master_key_file=place,
            signer=read_signer(folder / LOG_KEY, masters),
            units=read_wrapped(folder / UNITS_KEY, masters),
            links=read_wrapped(folder / LINKS_KEY, masters),
            master=master,
        )

    def again(self) -> "Keys":
        """The keys as they are on disk now."""
        place = None if self.master_key_file == self.folder / MASTER_KEY else self.master_key_file
        return Keys.open(self.folder, master_key_file=place)

    def masters(self) -> tuple[bytes, ...]:
        """The master key, and while it is being changed the other one."""
        return (self.master, *other_master(self.folder, self.master))

    def log_keys(self) -> dict[str, Signer]:
        """Every key of the log whose private half is here, by its file's name; read afresh."""
        master = read_plain(self.master_key_file)
        masters = [master, *other_master(self.folder, master)]
        found = {}
        # In the direction in which keys move: one that is moved on while we read is met under its later name.
        for name in (NEXT_KEY, LOG_KEY, PREVIOUS_KEY):
            with suppress(KeyMissing):
                found[name] = read_signer(self.folder / name, masters)
        return found

    def verifiers(self) -> list[Verifier]:
        """The public halves of the same, that of `log.pem` first."""
        others = [one.verifier for one in self.signers() if one.verifier != self.signer.verifier]
        return [self.signer.verifier, *others]

    def signers(self) -> tuple[Signer, ...]:
        """The same, for who signs."""
        return tuple(self.log_keys().values())


def rewrap_files(keys: Keys, masters: Sequence[bytes], new: bytes) -> None:
    """Encrypt every file of the folder under the master key `new`; each opens with one of `masters`.

    A file at a time, each at once: a crash between two leaves files of both, and `master.change` opens them.
    """
    for name in (LOG_KEY, PREVIOUS_KEY, NEXT_KEY):
        if (keys.folder / name).exists():
            replace_file(keys.folder / name, sealed_signer(read_signer(keys.folder / name, masters), new))
    for name in (UNITS_KEY, LINKS_KEY):
        replace_file(keys.folder / name, wrapped(name, read_wrapped(keys.folder / name, masters), new))


def settle(keys: Keys, current: Sequence[Verifier]) -> None:
    """Give the log's key files the names that fit the keys which must sign now, the newest last in `current`.

    Every step leaves each key that must sign under one of the three names; what a crash leaves half done the
    next call finishes. A key that must sign no more is removed; one that is not recorded yet is kept.
    """
    with locked(keys.folder):
        found = {name: signer.verifier for name, signer in keys.log_keys().items()}
        if found.get(LOG_KEY) != current[-1] and found.get(NEXT_KEY) == current[-1]:
            if found.get(LOG_KEY) in current:
                _copy(keys.folder, LOG_KEY, PREVIOUS_KEY)
            (keys.folder / NEXT_KEY).rename(keys.folder / LOG_KEY)
            sync_folder(keys.folder)
        found = {name: signer.verifier for name, signer in keys.log_keys().items()}
        # Beside an older database these keys may be newer than its log, which then demands the one called previous.
        is_named = found.get(LOG_KEY) == current[-1]
        if is_named and PREVIOUS_KEY in found and found[PREVIOUS_KEY] not in current[:-1]:
            remove_file(keys.folder / PREVIOUS_KEY)


def make_next(keys: Keys, origin: str, *, fresh: bool = False) -> Signer:
    """The log's next key, under the name `origin`: the one that an interrupted change has made, or a fresh one."""
    with locked(keys.folder):
        waiting = None if fresh else keys.log_keys().get(NEXT_KEY)
        if waiting is not None and waiting.name == origin:
            return waiting
        signer = Signer.generate(origin)
        replace_file(keys.folder / NEXT_KEY, sealed_signer(signer, read_plain(keys.master_key_file)))
        return signer


def _copy(folder: Path, source: str, target: str) -> None:
    """A second name for a file, put in place at once."""
    fresh = folder / f"{target}.new"
    fresh.unlink(missing_ok=True)
    fresh.hardlink_to(folder / source)
    fresh.rename(folder / target)
    fresh.unlink(missing_ok=True)  # rename(2) does nothing where both names are of one file already
    sync_folder(folder)


def _take_over(folder: Path, master_key_file: Path) -> None:
    """Encrypt keys of the former form. A crash between two steps leaves some of either form: taken over next time."""
    if not _has_former(folder):
        return
    master = read_plain(master_key_file)
    with locked(folder):
        former = folder / FORMER_LOG_KEY
        if former.exists():
            if not (folder / LOG_KEY).exists():
                replace_file(folder / LOG_KEY, sealed_signer(_former_signer(former), master))
            # Removed last: a crash before this line leaves both, and here we are again.
            remove_file(former)
        for name in (UNITS_KEY, LINKS_KEY):
            key = from_hex(read_private(folder / name))
            if key is not None:
                replace_file(folder / name, wrapped(name, key, master))


def _has_former(folder: Path) -> bool:
    if (folder / FORMER_LOG_KEY).exists():
        return True
    return any(
        (folder / name).is_file() and from_hex(read_private(folder / name)) is not None
        for name in (UNITS_KEY, LINKS_KEY)
    )


def _former_signer(path: Path) -> Signer:
    text = read_private(path)
    try:
        return Signer.parse(text)
    except (ValueError, LedgerError):
        # From None: a message about the text could quote the key.
        raise KeyDamaged(path=path) from None


def _master_for(place: Path | None) -> bytes:
    """A new master key, written to `place` if one is given; or the one that stands there already."""
    if place is None:
        return secrets.token_bytes(KEY_BYTES)
    if not place.exists():
        write_new(place, plain(secrets.token_bytes(KEY_BYTES)))
        sync_folder(place.parent)
    return read_plain(place)


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
