"""Consistency proofs as files: that the log of an older checkpoint is the beginning of a newer one's.

The form is the body that C2SP tlog-witness sends to witnesses, so their software reads it too:

    old 1234
    bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=

    example.com/log
    2345
    …the rest of the newer signed checkpoint

Whoever kept the older one has its root; nothing else is needed to check it.
"""

from base64 import b64encode
from dataclasses import dataclass

from ledger.errors import LedgerError
from ledger.log.checkpoint import LARGEST_SIZE, parse_decimal
from ledger.log.merkle import HASH_BYTES, verify_consistency
from ledger.log.note import MalformedNote, decode_base64, split_note

MAX_HASHES = 63
_OLD = "old "


class MalformedConsistency(LedgerError):
    """The text is not a consistency proof; `reason` says what is wrong with it."""

    message = "This is no consistency proof: {reason}."


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """From the tree of `old_size` entries to the newer checkpoint in `note`; each hash 32 bytes.

    Raises MalformedConsistency for values that the format cannot carry.
    """

    old_size: int
    hashes: tuple[bytes, ...]
    note: str

    def __post_init__(self) -> None:
        if not 1 <= self.old_size <= LARGEST_SIZE:
            raise MalformedConsistency(reason="its old size is out of range")
        if len(self.hashes) > MAX_HASHES or any(len(value) != HASH_BYTES for value in self.hashes):
            raise MalformedConsistency(
                reason=f"it has more than {MAX_HASHES} hashes, or one that is not 32 bytes"
            )
        try:
            split_note(self.note)
        except MalformedNote as error:
            raise MalformedConsistency(reason=str(error).removesuffix(".")) from error

    def format(self) -> str:
        """The whole file, its last newline included."""
        hashes = [b64encode(value).decode() for value in self.hashes]
        return "\n".join([f"{_OLD}{self.old_size}", *hashes, "", self.note])

    @classmethod
    def parse(cls, text: str) -> "ConsistencyProof":
        """The proof that `text` is; raises MalformedConsistency unless `format` gives back exactly that."""
        head, _, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        if not first.startswith(_OLD):
            raise MalformedConsistency(reason="its first line does not name an old size")
        try:
            return cls(parse_decimal(first.removeprefix(_OLD)), tuple(map(decode_base64, lines)), note)
        except ValueError as error:
            raise MalformedConsistency(reason=str(error)) from error

    def verify(self, old_root: bytes, new_size: int, new_root: bytes) -> None:
        """Return if it leads from `old_root` (32 bytes) to the newer tree. Raises InvalidProof.

        The newer size and root come from `note`, once its signature was checked.
        """
        verify_consistency(self.old_size, old_root, new_size, new_root, self.hashes)
