"""Statements: signed notes in which a log's old key says which key comes after it.

Whoever trusts the old key comes through them to the new one, and needs nobody's word. They stand in
`log.key_rotated/1` and `log.succeeded/1` and are served at `/log/keys`.

    lotproof/key-rotation/1        lotproof/succession/1
    <origin>                       <old origin>
    <old vkey>                     <size> <root, base64>      the last checkpoint known of the old log
    <new vkey>                     <kept>                     entries that go on
                                   <new origin>
                                   <new vkey>

A rotation bears both keys' signatures. A succession bears the new key's and, unless they are lost, those of all
keys that signed for the old origin.

    >>> from ledger.log.note import Signer
    >>> old, new = (Signer("example.com/log", seed * 32) for seed in (b"0", b"1"))
    >>> note = rotate(old, new)
    >>> print(note.partition("\\n")[0])
    lotproof/key-rotation/1
    >>> open_rotation(note) == Rotation(old.verifier, new.verifier)
    True
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ledger.errors import LedgerError
from ledger.log.checkpoint import Checkpoint, check_origin, parse_decimal
from ledger.log.note import Signer, Verifier, decode_base64, open_note, sign_note, split_note

ROTATION = "lotproof/key-rotation/1"
SUCCESSION = "lotproof/succession/1"
S = TypeVar("S", "Rotation", "Succession")


class MalformedStatement(LedgerError):
    """The text is no statement of that kind; `reason` says what is wrong with it."""

    message = "This is no statement about the log's keys: {reason}."


class UnsignedStatement(LedgerError):
    """A key that has to sign the statement did not."""

    message = "The statement about the log's keys is not signed by {key}, and must be."


@dataclass(frozen=True, slots=True)
class Rotation:
    """`new` comes after `old`, under the same origin. Raises MalformedStatement for other pairs."""

    old: Verifier
    new: Verifier

    def __post_init__(self) -> None:
        if self.old.name != self.new.name:
            raise MalformedStatement(reason="the two keys are of different logs")
        if self.old.key_id == self.new.key_id:
            raise MalformedStatement(reason="the two keys cannot be told apart")

    def format(self) -> str:
        """The text that is signed."""
        return f"{ROTATION}\n{self.old.name}\n{self.old.to_text()}\n{self.new.to_text()}\n"

    @classmethod
    def parse(cls, text: str) -> "Rotation":
        """The rotation that `text` is. Raises MalformedStatement unless `format` gives back just that."""
        lines = _lines(text, ROTATION, 4)
        return _same(text, cls(_verifier(lines[2]), _verifier(lines[3])))


@dataclass(frozen=True, slots=True)
class Succession:
    """`new` goes on with the first `kept` entries of a log whose last known checkpoint is `last`.

    Where entries were lost `kept` is below `last.size`. Raises MalformedStatement for what cannot be.
    """

    last: Checkpoint
    kept: int
    new: Verifier

    def __post_init__(self) -> None:
        if self.last.origin == self.new.name:
            raise MalformedStatement(reason="the new log has the old one's origin")
        if not 0 < self.kept < 2**63:
            raise MalformedStatement(reason="the number of entries kept is out of range")
        check_origin(self.new.name)

    def format(self) -> str:
        """The text that is signed."""
        last = f"{self.last.origin}\n{self.last.size} {b64encode(self.last.root).decode()}"
        return f"{SUCCESSION}\n{last}\n{self.kept}\n{self.new.name}\n{self.new.to_text()}\n"

    @classmethod
    def parse(cls, text: str) -> "Succession":
        """The succession that `text` is. Raises MalformedStatement unless `format` gives back just that."""
        lines = _lines(text, SUCCESSION, 6)
        size, _, root = lines[2].partition(" ")
        try:
            last = Checkpoint(lines[1], parse_decimal(size), decode_base64(root))
            kept = parse_decimal(lines[3])
        except (ValueError, LedgerError) as error:
            raise MalformedStatement(reason=str(error).removesuffix(".")) from error
        return _same(text, cls(last, kept, _verifier(lines[5])))


def rotate(old: Signer, new: Signer) -> str:
    """The statement that `new` comes after `old`, signed by both."""
    return sign_note(Rotation(old.verifier, new.verifier).format(), old, new)


def open_rotation(note: str) -> Rotation:
    """The rotation in `note`, signed by both keys that it names.

    Whether `old` is a key to be trusted is for the caller to know. Raises MalformedNote, UntrustedNote,
    MalformedStatement or UnsignedStatement.
    """
    rotation = Rotation.parse(split_note(note)[0])
    _demand(note, (rotation.old, rotation.new))
    return rotation


def succeed(last: Checkpoint, kept: int, old: Sequence[Signer], new: Signer) -> str:
    """The statement that `new` goes on with the log; `old` is empty where its keys are lost."""
    return sign_note(Succession(last, kept, new.verifier).format(), *old, new)


def open_succession(note: str, old: Sequence[Verifier]) -> tuple[Succession, bool]:
    """The succession in `note`, signed by the key that it names; and whether all keys of `old` signed it too.

    Raises as `open_rotation`.
    """
    succession = Succession.parse(split_note(note)[0])
    signed = _demand(note, (succession.new,), also=old)
    return succession, bool(old) and all((key.name, key.key_id) in signed for key in old)


def _demand(note: str, wanted: Sequence[Verifier], also: Sequence[Verifier] = ()) -> set[tuple[str, bytes]]:
    """Who of `wanted` and `also` signed. Raises UnsignedStatement unless all of `wanted` did."""
    opened = open_note(note, [*wanted, *also])
    signed = {(one.name, one.key_id) for one in opened.verified}
    for key in wanted:
        if (key.name, key.key_id) not in signed:
            raise UnsignedStatement(key=key.to_text())
    return signed


def _lines(text: str, header: str, count: int) -> list[str]:
    lines = text.removesuffix("\n").split("\n")
    if lines[0] != header or len(lines) != count:
        raise MalformedStatement(reason=f"it is not {count} lines of which the first is {header}")
    return lines


def _verifier(text: str) -> Verifier:
    try:
        return Verifier.parse(text)
    except LedgerError as error:
        raise MalformedStatement(reason=str(error).removesuffix(".")) from error


def _same(text: str, made: S) -> S:
    if made.format() != text:
        raise MalformedStatement(reason="it is not written in its one form")
    return made
