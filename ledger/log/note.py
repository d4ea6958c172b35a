"""Signed notes: text, a blank line, and a line a signature (C2SP signed-note, Ed25519).

    >>> signer = Signer("example.com/log", b"0" * 32)
    >>> note = sign_note("Ten batches left today.\\n", signer)
    >>> note[:43]
    'Ten batches left today.\\n\\n— example.com/log '
    >>> note[43:]
    'WoVUFzaFQf4CJ7lf493jjrLryZh4W3tYyfrCXi+G7caki2tbZJVJ18QVDMfYIVbjS62o9Wf910YJHkzvTNZh0ixgKw8=\\n'
    >>> open_note(note, [signer.verifier]).text
    'Ten batches left today.\\n'

A key is told by its name and four bytes of a hash. Keys are written on one line: a verifier's as
`name+id+base64`, a signer's as `PRIVATE+KEY+name+id+base64`. A name has no plus and no space; base64 may have
a plus, so only the first ones are borders.
"""

import binascii
import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from secrets import token_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import LedgerError

ED25519 = b"\x01"
MAX_SIGNATURES = 100  # the format asks for at least 16; a bound keeps a hostile note cheap
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")  # all but newline
_DASH = "— "
_PRIVATE = "PRIVATE+KEY+"


class MalformedNote(LedgerError):
    """The text is not a signed note; `reason` says what is wrong with it."""

    message = "This is no signed note: {reason}."


class UntrustedNote(LedgerError):
    """The note is well formed, but no known key signed it, or the signature of a known key is wrong."""

    message = "This note cannot be trusted: {reason}."


class MalformedKey(LedgerError):
    """The text is not a key of the form `name+id+base64`; `reason` says what is wrong with it."""

    message = "This is no key for signed notes: {reason}."


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key it names (`key_id` 4 bytes) and what that key signed."""

    name: str
    key_id: bytes
    value: bytes

    def to_line(self) -> str:
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.value).decode()}\n"


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note's text, vouched for by `verified`; the signatures in `ignored` are by unknown keys."""

    text: str
    verified: tuple[Signature, ...]
    ignored: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key (32 bytes) under a name."""

    name: str
    public_key: bytes
    key_id: bytes = field(init=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "_key", _public_key(self.public_key))
        object.__setattr__(self, "key_id", _key_id(self.name, self.public_key))

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """The verifier written as `text`; raises MalformedKey unless `to_text` gives back exactly that."""
        name, public_key = _parse_key(text)
        verifier = cls(name, public_key)
        if verifier.to_text() != text:
            raise MalformedKey(reason="its id is not the one of this name and key")
        return verifier

    def to_text(self) -> str:
        return _format_key(self.name, self.key_id, self.public_key)

    def __reduce__(self) -> tuple[type["Verifier"], tuple[str, bytes]]:
        """How it goes to another process: the library's key object stays in its own."""
        return Verifier, (self.name, self.public_key)

    def verify(self, text: str, signature: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `text`."""
        try:
            self._key.verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, its seed 32 bytes, under a name."""

    name: str
    seed: bytes = field(repr=False)
    verifier: Verifier = field(init=False)
    _key: Ed25519PrivateKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.seed) != 32:
            raise MalformedKey(reason="a private key has 32 bytes")
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "verifier", Verifier(self.name, key.public_key().public_bytes_raw()))

    @classmethod
    def generate(cls, name: str, *, random_bytes: Callable[[int], bytes] = token_bytes) -> "Signer":
        return cls(name, random_bytes(32))

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """The signer written as `text`; raises MalformedKey, which never repeats the text."""
        if not text.startswith(_PRIVATE):
            raise MalformedKey(reason="a private key begins with PRIVATE+KEY+")
        name, seed = _parse_key(text.removeprefix(_PRIVATE))
        signer = cls(name, seed)
        if signer.to_text() != text:
            raise MalformedKey(reason="its id is not the one of this name and key")
        return signer

    def to_text(self) -> str:
        return _PRIVATE + _format_key(self.name, self.verifier.key_id, self.seed)

    def sign(self, text: str) -> str:
        """The signature line over `text`, which ends in a newline; so does the line."""
        _check_text(text)
        return Signature(self.name, self.verifier.key_id, self._key.sign(text.encode())).to_line()


def sign_note(text: str, *signers: Signer) -> str:
    """The note that says `text`, signed by each of `signers`, in their order.

    Raises MalformedNote where `text` has no newline at its end or a control character other than newline.
    """
    if not signers:
        raise ValueError("a note needs at least one signer")
    return text + "\n" + "".join(signer.sign(text) for signer in signers)


def open_note(note: str, verifiers: Iterable[Verifier]) -> OpenedNote:
    """The text of `note`, once at least one of `verifiers` has signed it.

    Raises MalformedNote, or UntrustedNote where none of them signed it or a signature in the name of one of
    them is wrong. Signatures by unknown keys are ignored, as the format demands.
    """
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    text, signatures = split_note(note)
    verified, ignored = [], []
    for signature in signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            ignored.append(signature)
        elif verifier.verify(text, signature.value):
            verified.append(signature)
        else:
            raise UntrustedNote(reason=f"the signature of {signature.name} does not match the text")
    if not verified:
        raise UntrustedNote(reason="no known key signed it")
    return OpenedNote(text, tuple(verified), tuple(ignored))


@lru_cache(maxsize=64)  # a writer looks at the same few notes again and again
def split_note(note: str) -> tuple[str, tuple[Signature, ...]]:
    """The text and the signatures of `note`, nothing of it verified; raises MalformedNote."""
    text, blank, lines = note.rpartition("\n\n")
    if not blank:
        raise MalformedNote(reason="no blank line parts text and signatures")
    text += "\n"
    _check_text(text)
    if not lines.endswith("\n"):
        raise MalformedNote(reason="it does not end in a signature line")
    if lines.count("\n") > MAX_SIGNATURES:
        raise MalformedNote(reason=f"it has more than {MAX_SIGNATURES} signatures")
    return text, tuple(_parse_signature(line) for line in lines[:-1].split("\n"))


@lru_cache(maxsize=64)  # a log's own few names, for every checkpoint
def check_name(name: str) -> str:
    """`name`, if it can be a key's name or a log's origin: something, with no space, plus or control."""
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise MalformedKey(reason="a name is not empty and has no space and no plus")
    return name


def decode_base64(text: str) -> bytes:
    """The bytes of standard base64 with padding; ValueError for every other spelling of the same bytes."""
    try:
        value = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise ValueError("this is no base64") from error
    if b64encode(value).decode() != text:
        raise ValueError("this is not the one base64 form of its bytes")
    return value


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise MalformedNote(reason="its text does not end in a newline")
    if _CONTROL.search(text):
        raise MalformedNote(reason="its text has a control character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedNote(reason="its text is not Unicode") from error


def _parse_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise MalformedNote(reason="a signature line is a dash, a name and a signature")
    try:
        value = decode_base64(encoded)
        check_name(name).encode()
    except (ValueError, MalformedKey) as error:
        raise MalformedNote(reason="a signature line has no right name or no right base64") from error
    if len(value) <= 4:
        raise MalformedNote(reason="a signature is too short")
    return Signature(name, value[:4], value[4:])


def _parse_key(text: str) -> tuple[str, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise MalformedKey(reason="it is not name, id and key, joined by plus")
    try:
        value = decode_base64(parts[2])
    except ValueError as error:
        raise MalformedKey(reason="its last part is no base64") from error
    if len(value) != 33 or not value.startswith(ED25519):
        raise MalformedKey(reason="it is no Ed25519 key")
    return parts[0], value[1:]


def _format_key(name: str, key_id: bytes, key: bytes) -> str:
    return f"{name}+{key_id.hex()}+{b64encode(ED25519 + key).decode()}"


def _key_id(name: str, public_key: bytes) -> bytes:
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise MalformedKey(reason="its name is not Unicode") from error
    return sha256(encoded + b"\n" + ED25519 + public_key).digest()[:4]


def _public_key(public_key: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError as error:
        raise MalformedKey(reason="it is no Ed25519 key") from error
