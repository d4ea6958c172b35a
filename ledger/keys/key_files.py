"""The forms that keys have on disk, and replacing such a file so that a crash leaves the old one or the new one.

    log.pem      the log's key's vkey on a line, then PKCS #8, encrypted with the master key's text as passphrase:
                 openssl pkey -in log.pem -passin file:master.key
    units.key    lotproof-key/1 and, in hex, nonce ‖ ciphertext ‖ tag of 32 bytes: AES-256-GCM under the master key,
    links.key    the file's name bound in
    master.key   32 bytes in hex

Former forms, taken over when they are met: `log.key` in the signed-note form `PRIVATE+KEY+…`, and hex for the
two that are wrapped now.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InternalError, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.durable import is_private, sync_folder, write_new
from ledger.errors import LedgerError
from ledger.log.note import Signer, Verifier

KEY_BYTES = 32
NONCE_BYTES = 12
WRAPPED = "lotproof-key/1 "
_PEM = "-----BEGIN ENCRYPTED PRIVATE KEY-----"


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


class KeyLocked(LedgerError):
    """The master key is not the one that encrypted the file, or the file was changed."""

    message = (
        "The master key does not open {path}: it belongs to another installation or was replaced since, or the "
        "file was changed. Put both back from the same backup; LOTPROOF_MASTER_KEY_FILE says where the master key is."
    )


class KeysUnwritable(LedgerError):
    """The folder of keys cannot be written to."""

    message = "The folder of keys cannot be written to ({path}: {reason}). The user who runs Lotproof must be able to."


# --- reading


def read_private(path: Path) -> str:
    """The text of a private file that is no link, without its last newline.

    Raises KeyMissing, KeyUnreadable, KeyTooOpen or KeyDamaged.
    """
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


def read_plain(path: Path) -> bytes:
    """32 bytes that stand there in hex. Raises as `read_private`."""
    key = from_hex(read_private(path))
    if key is None:
        raise KeyDamaged(path=path)
    return key


def from_hex(text: str) -> bytes | None:
    """The 32 bytes that `text` spells in hex, or None for every other text."""
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if key.hex() == text and len(key) == KEY_BYTES else None


def read_wrapped(path: Path, masters: Sequence[bytes]) -> bytes:
    """The key in `path`, opened by the first of `masters` that does. Raises also KeyLocked."""
    return unwrap(path, read_private(path), masters)


def unwrap(path: Path, text: str, masters: Sequence[bytes]) -> bytes:
    """The key that `text`, read from `path`, holds. Raises KeyDamaged or KeyLocked."""
    try:
        sealed = bytes.fromhex(text.removeprefix(WRAPPED))
    except ValueError as error:
        raise KeyDamaged(path=path) from error
    if text != WRAPPED + sealed.hex() or len(sealed) != NONCE_BYTES + KEY_BYTES + 16:
        raise KeyDamaged(path=path)
    for master in masters:
        try:
            return AESGCM(master).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(path.name))
        except InvalidTag:
            continue
    raise KeyLocked(path=path)


def read_signer(path: Path, masters: Sequence[bytes]) -> Signer:
    """The log's key in `path`. The line above the key names it: the log, and that it is this key."""
    text = read_private(path)
    vkey, _, pem = text.partition("\n")
    try:
        verifier = Verifier.parse(vkey)
    except LedgerError as error:
        raise KeyDamaged(path=path) from error
    if not pem.startswith(_PEM):
        raise KeyDamaged(path=path)
    for master in masters:
        signer = _decrypted(verifier.name, pem, master)
        if signer is not None and signer.verifier == verifier:
            return signer
    raise KeyLocked(path=path)


def _decrypted(name: str, pem: str, master: bytes) -> Signer | None:
    """The signer, or None: without a checksum of its own the form cannot tell a wrong passphrase from damage."""
    try:
        key = load_pem_private_key(pem.encode(), master.hex().encode())
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        return None
    return Signer(name, key.private_bytes_raw()) if isinstance(key, Ed25519PrivateKey) else None


# --- writing


def plain(key: bytes) -> bytes:
    """What `read_plain` reads."""
    return key.hex().encode() + b"\n"


def wrapped(name: str, key: bytes, master: bytes) -> bytes:
    """What `read_wrapped` reads from a file called `name`."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = nonce + AESGCM(master).encrypt(nonce, key, _bound(name))
    return f"{WRAPPED}{sealed.hex()}\n".encode()


def sealed_signer(signer: Signer, master: bytes) -> bytes:
    """What `read_signer` reads."""
    # The passphrase is 32 random bytes, so that the many rounds that protect a word are not needed.
    encryption = BestAvailableEncryption(master.hex().encode())
    key = Ed25519PrivateKey.from_private_bytes(signer.seed)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return signer.verifier.to_text().encode() + b"\n" + pem


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` in the place of `path`, durably: a crash leaves the old file or the new one, both whole."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.unlink(missing_ok=True)  # of a crash; only who holds the folder's lock writes here
        write_new(fresh, content)
        fresh.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise KeysUnwritable(path=path, reason=error.strerror) from error


def remove_file(path: Path) -> None:
    """Remove it, durably; nothing where it is gone already."""
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise KeysUnwritable(path=path, reason=error.strerror) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else changes the files of this folder meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _bound(name: str) -> bytes:
    """What the encryption of a key vouches for besides the key: a file under another name does not open."""
    return f"{WRAPPED}{name}".encode()
