"""Checkpoints: what a log signs about itself (C2SP tlog-checkpoint).

Three lines: the log's origin, the number of its entries, the root of its tree.

    >>> point = Checkpoint("example.com/log", 1, b"0" * 32)
    >>> print(point.format(), end="")
    example.com/log
    1
    MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=
    >>> Checkpoint.parse(point.format()) == point
    True

The format allows further lines and advises against them: nobody agrees on what they mean. We refuse them.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache

from ledger.errors import LedgerError
from ledger.log.merkle import HASH_BYTES
from ledger.log.note import MalformedKey, Verifier, check_name, decode_base64, open_note, split_note

LARGEST_SIZE = 2**63 - 1
_DECIMAL = re.compile("0|[1-9][0-9]{0,18}")


class MalformedCheckpoint(LedgerError):
    """The text is not a checkpoint, or no checkpoint of that log; `reason` says what is wrong with it."""

    message = "This is no checkpoint: {reason}."


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree of the log `origin` at `size` entries; `root` is 32 bytes.

    Raises MalformedCheckpoint for values that the format cannot carry.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        check_origin(self.origin)
        if not 0 <= self.size <= LARGEST_SIZE:
            raise MalformedCheckpoint(reason="its size is out of range")
        if len(self.root) != HASH_BYTES:
            raise MalformedCheckpoint(reason="its root is not 32 bytes long")

    def format(self) -> str:
        """The text that is signed, its last newline included."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint that `text` is; raises MalformedCheckpoint unless `format` gives back just that."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1]:
            raise MalformedCheckpoint(reason="it is not three whole lines")
        if len(lines) > 4:
            raise MalformedCheckpoint(reason="it has more than three lines, and extensions are not supported")
        try:
            return cls(lines[0], parse_decimal(lines[1]), decode_base64(lines[2]))
        except ValueError as error:
            raise MalformedCheckpoint(reason=str(error)) from error


def check_origin(origin: str) -> str:
    """`origin`, if a log can have it: like a key's name, because it is one (see `note.check_name`)."""
    try:
        return check_name(origin)
    except MalformedKey as error:
        raise MalformedCheckpoint(reason="an origin is not empty and has no space and no plus") from error


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """The checkpoint in `note`, signed by the log whose key is `verifier`.

    Raises MalformedNote, UntrustedNote, or MalformedCheckpoint, also where the origin is not the key's name:
    otherwise a log could sign what looks like the checkpoint of another.
    """
    checkpoint = Checkpoint.parse(open_note(note, [verifier]).text)
    if checkpoint.origin != verifier.name:
        raise MalformedCheckpoint(reason=f"its origin is not {verifier.name}, the name of the key")
    return checkpoint


@lru_cache(maxsize=64)  # a writer looks at the same few again and again
def checkpoint_of(note: str) -> Checkpoint:
    """The checkpoint that a signed note holds, its signature not checked. Raises MalformedNote, MalformedCheckpoint."""
    return Checkpoint.parse(split_note(note)[0])


def parse_decimal(text: str) -> int:
    """A whole number as it is printed: `02`, `+2` and ` 2` raise ValueError."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError("a number is not plain decimal")
    return int(text)
