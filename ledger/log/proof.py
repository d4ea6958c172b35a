"""Proof files, `.tlog-proof`: all that is needed to check one entry, offline (C2SP tlog-proof).

    c2sp.org/tlog-proof@v1
    extra c2FsdA==
    index 1
    bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=

    example.com/log
    2
    …the rest of a signed checkpoint

`extra` is optional and nobody signed it: it is worth what one can check with it, such as the salt of a
commitment. The hashes lead from the entry's sibling to the root.
"""

from base64 import b64encode
from dataclasses import dataclass

from ledger.errors import LedgerError
from ledger.log.checkpoint import (
    LARGEST_SIZE,
    Checkpoint,
    MalformedCheckpoint,
    open_checkpoint,
    parse_decimal,
)
from ledger.log.keyring import Keyring
from ledger.log.merkle import HASH_BYTES, InvalidProof, verify_inclusion
from ledger.log.note import MalformedNote, UntrustedNote, Verifier, decode_base64, split_note

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63


class MalformedProof(LedgerError):
    """The text is not a proof file; `reason` says what is wrong with it."""

    message = "This is no proof file: {reason}."


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Entry `index`, the hashes (32 bytes each) that lead to the root, and the note that holds the root.

    Raises MalformedProof for values that the format cannot carry.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint_note: str
    extra: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.index < LARGEST_SIZE:
            raise MalformedProof(reason="its index is out of range")
        if len(self.hashes) > MAX_HASHES or any(len(value) != HASH_BYTES for value in self.hashes):
            raise MalformedProof(reason=f"it has more than {MAX_HASHES} hashes, or one that is not 32 bytes")
        if self.extra == b"":
            raise MalformedProof(reason="extra data, if there is any, is not empty")
        try:
            split_note(self.checkpoint_note)
        except MalformedNote as error:
            raise MalformedProof(reason=str(error).removesuffix(".")) from error

    def format(self) -> str:
        """The whole file, its last newline included."""
        extra = [] if self.extra is None else [f"extra {b64encode(self.extra).decode()}"]
        hashes = [b64encode(value).decode() for value in self.hashes]
        return "\n".join([HEADER, *extra, f"index {self.index}", *hashes, "", self.checkpoint_note])

    @classmethod
    def parse(cls, text: str) -> "TlogProof":
        """The proof that `text` is; raises MalformedProof unless `format` gives back exactly that."""
        head, _, note = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != HEADER:
            raise MalformedProof(reason=f"its first line is not {HEADER}")
        try:
            extra = _take(lines, "extra ")
            index = _take(lines, "index ")
            if index is None:
                raise MalformedProof(reason="it has no line with an index")
            hashes = tuple(decode_base64(line) for line in lines)
            return cls(parse_decimal(index), hashes, note, None if extra is None else decode_base64(extra))
        except ValueError as error:
            raise MalformedProof(reason=str(error)) from error


def verify(proof: TlogProof, leaf_hash: bytes, trusted: Verifier | Keyring) -> Checkpoint:
    """The signed checkpoint of the log under which `leaf_hash` stands at `proof.index`.

    `trusted` is the one key that somebody knows, or all keys of the log, which ask for more (`Keyring.open`).
    Raises InvalidProof. `proof.extra` is not looked at.
    """
    try:
        checkpoint = open_signed(proof.checkpoint_note, trusted)
    except (MalformedNote, UntrustedNote, MalformedCheckpoint) as error:
        raise InvalidProof(reason=str(error).removesuffix(".")) from error
    verify_inclusion(leaf_hash, proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return checkpoint


def open_signed(note: str, trusted: Verifier | Keyring) -> Checkpoint:
    """The checkpoint in a note, signed as `trusted` asks for. Raises as `open_checkpoint`."""
    return trusted.open(note) if isinstance(trusted, Keyring) else open_checkpoint(note, trusted)


def _take(lines: list[str], prefix: str) -> str | None:
    """Remove the first line if it begins with `prefix`, and give what follows that."""
    if not lines or not lines[0].startswith(prefix):
        return None
    return lines.pop(0).removeprefix(prefix)
