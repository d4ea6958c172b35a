"""All keys that a log ever had, as text with the statements that lead from each to the next: `/log/keys`.

    lotproof/keys/1
    1 912 lots.example/log+…                 first and last size that it signs, and the key
    9 - lots.example/log+…                   “-”: it still signs

    lotproof/key-rotation/1                  the statements, in the order of the keys that they brought in
    …

    — lots.example/log …
    — lots.example/log …

Sections are parted by a blank line. The sizes are nobody's word: whoever has the entries reads them there. The
statements are signed, so whoever trusts an old key can check with this file a proof that a newer key signed.
"""

import re
from collections.abc import Mapping

from ledger.errors import LedgerError
from ledger.log.checkpoint import parse_decimal
from ledger.log.keyring import Keyring, LogKey
from ledger.log.note import Verifier
from ledger.log.statement import ROTATION, open_rotation, open_succession

HEADER = "lotproof/keys/1"
_LINE = re.compile(r"([0-9]+) ([0-9]+|-) (\S+)")


class MalformedKeyList(LedgerError):
    """The text is no list of keys; `reason` says what is wrong with it."""

    message = "This is no list of a log's keys: {reason}."


def format_key_list(keyring: Keyring, statements: Mapping[str, str]) -> str:
    """The list; `statements` by the vkey that each brought in."""
    lines = [HEADER]
    for key in keyring.keys:
        last = "-" if key.last_size is None else str(key.last_size)
        lines.append(f"{key.first_size} {last} {key.verifier.to_text()}")
    notes = [statements[key.verifier.to_text()] for key in keyring.keys[1:]]
    return "\n".join(["\n".join(lines) + "\n", *notes])


def parse_key_list(text: str) -> Keyring:
    """The keyring that the list tells, every statement checked.

    Raises MalformedKeyList, and what opening a statement raises.
    """
    head, *parts = text.removesuffix("\n").split("\n\n")
    header, *lines = head.split("\n")
    if header != HEADER or not lines:
        raise MalformedKeyList(reason=f"its first line is not {HEADER}, or no key follows")
    notes = [f"{said}\n\n{signed}\n" for said, signed in zip(parts[::2], parts[1::2], strict=False)]
    if len(parts) % 2 or len(notes) != len(lines) - 1:
        raise MalformedKeyList(reason="there is not one statement for each key after the first")
    keys = [_key(line) for line in lines]
    for place, note in enumerate(notes, 1):
        keys[place] = _vouched(keys[:place], keys[place], note)
    return Keyring(tuple(keys))


def _key(line: str) -> LogKey:
    match = _LINE.fullmatch(line)
    if match is None:
        raise MalformedKeyList(reason="a key's line is not two sizes and a key")
    try:
        last = None if match[2] == "-" else parse_decimal(match[2])
        return LogKey(Verifier.parse(match[3]), parse_decimal(match[1]), last)
    except (ValueError, LedgerError) as error:
        raise MalformedKeyList(reason=str(error).removesuffix(".")) from error


def _vouched(before: list[LogKey], key: LogKey, note: str) -> LogKey:
    """The key, once its statement is known to be about it; it says whether the keys before vouch for it."""
    if note.startswith(ROTATION):
        rotation = open_rotation(note)
        is_right = (rotation.old, rotation.new) == (before[-1].verifier, key.verifier)
        is_vouched = True
    else:
        signing = [one.verifier for one in before if one.signs(key.first_size - 1)]
        succession, is_vouched = open_succession(note, signing)
        is_right = succession.new == key.verifier and succession.kept == key.first_size - 1
        if succession.last.origin != before[-1].verifier.name:
            reason = f"the statement about {key.verifier.to_text()} goes on from another log"
            raise MalformedKeyList(reason=reason)
    if not is_right:
        raise MalformedKeyList(reason=f"the statement about {key.verifier.to_text()} is about another key")
    return LogKey(key.verifier, key.first_size, key.last_size, is_vouched)
