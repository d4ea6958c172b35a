"""The outsider's half about signatures: notes, checkpoints, and which keys a log asks for (see `tests.outsider`).

Sources: C2SP signed-note and tlog-checkpoint; for the log's keys docs/keys.md. Nothing of the product is used.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Untrue(Exception):
    """The log is not what its key's holder signed, or not what the specifications ask for."""


def expect(holds: bool, otherwise: str) -> None:
    """Raise Untrue unless something holds."""
    if not holds:
        raise Untrue(otherwise)


# --- the signed checkpoint


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was signed."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Vkey:
    """A key as one line says it: name, four bytes of a hash, and the key's own bytes."""

    text: str
    name: str
    key_id: bytes
    public: bytes


def read_vkey(text: str) -> Vkey:
    """C2SP signed-note, "Verifier keys". Raises Untrue."""
    try:
        name, key_id, key = text.strip().split("+", 2)
        raw = base64.b64decode(key, validate=True)
    except ValueError as error:
        raise Untrue(f"a key that cannot be read: {error}") from error
    expect(len(raw) == 33 and raw[0] == 1, "not an Ed25519 key")
    right_id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    expect(right_id.hex() == key_id, "the key's id is not that of the key")
    return Vkey(text.strip(), name, right_id, raw[1:])


def open_note(note: bytes, known: Sequence[Vkey]) -> tuple[str, set[str]]:
    """The text, and which of the keys known signed it; a wrong signature of one of them is Untrue."""
    try:
        text, _, signatures = note.decode().rpartition("\n\n")
    except ValueError as error:
        raise Untrue(f"a note that cannot be read: {error}") from error
    text += "\n"
    expect(signatures.endswith("\n"), "the note does not end with a line")
    signed = set()
    for line in signatures.removesuffix("\n").split("\n"):
        name, blob = _signature(line)
        for key in known:
            if (key.name, key.key_id) == (name, blob[:4]):
                _check_signature(key, blob[4:], text)
                signed.add(key.text)
    return text, signed


def open_checkpoint(note: bytes, vkey: str) -> Checkpoint:
    """The checkpoint that the holder of the key signed. Raises Untrue."""
    key = read_vkey(vkey)
    text, signed = open_note(note, [key])
    expect(bool(signed), "nobody we know has signed this")
    checkpoint = read_checkpoint(text)
    expect(checkpoint.origin == key.name, "the checkpoint is of another log")
    return checkpoint


def read_checkpoint(text: str) -> Checkpoint:
    """C2SP tlog-checkpoint: origin, size, root. Raises Untrue."""
    match = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n", text)
    expect(match is not None, "no checkpoint")
    assert match is not None
    return Checkpoint(match[1], int(match[2]), base64.b64decode(match[3], validate=True))


def _signature(line: str) -> tuple[str, bytes]:
    match = re.fullmatch(r"— (\S+) ([A-Za-z0-9+/=]+)", line)
    expect(match is not None, "a line that is no signature")
    assert match is not None
    try:
        blob = base64.b64decode(match[2], validate=True)
    except ValueError as error:
        raise Untrue("a signature that cannot be read") from error
    expect(base64.b64encode(blob).decode() == match[2], "a signature written in another way")
    return match[1], blob


def _check_signature(key: Vkey, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text.encode())
    except InvalidSignature as error:
        raise Untrue("the signature is wrong") from error


# --- the log's keys (docs/keys.md)

SUCCESSION = re.compile(
    r"lotproof/succession/1\n(?P<old>[^\n]+)\n[0-9]+ [A-Za-z0-9+/]{43}=\n"
    r"(?P<kept>[0-9]+)\n(?P<new>[^\n]+)\n(?P<vkey>[^\n]+)\n"
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the log, the sizes of the checkpoints that it must sign, and whether the keys before vouch for it."""

    vkey: Vkey
    first: int
    last: int | None
    is_vouched: bool

    def signs(self, size: int) -> bool:
        return self.first <= size and (self.last is None or size <= self.last)


def keys_of(entries: Sequence[Mapping[str, Any]]) -> list[Key]:
    """All keys that a log ever had, from its entries. Raises Untrue for a change that does not follow."""
    keys: list[Key] = []
    for index, entry in enumerate(entries):
        data = entry["data"]
        match entry["kind"]:
            case "log.opened/1":
                keys = [Key(read_vkey(data["vkey"]), 1, None, False)]
                expect(keys[0].vkey.name == data["origin"], "the first key has another name than the log")
            case "log.key_rotated/1":
                _check_rotation(data["statement"].encode(), keys[-1].vkey, read_vkey(data["new"]))
                expect(data["old"] == keys[-1].vkey.text, "a rotation from another key than the newest")
                ended = [one.vkey.text for one in keys] if data["compromised"] else []
                keys = [*_ended(keys, ended, index), Key(read_vkey(data["new"]), index + 1, None, True)]
                expect(sum(one.last is None for one in keys) <= 2, "three keys at once")
            case "log.key_retired/1":
                expect(data["vkey"] != keys[-1].vkey.text, "the newest key was retired")
                expect(any(one.vkey.text == data["vkey"] and one.last is None for one in keys), "no such key")
                keys = _ended(keys, [data["vkey"]], index)
            case "log.succeeded/1":
                keys = _succeeded(keys, data, index)
    expect(len({(one.vkey.name, one.vkey.key_id) for one in keys}) == len(keys), "two keys look the same")
    return keys


def _ended(keys: Sequence[Key], texts: Sequence[str], index: int) -> list[Key]:
    return [
        Key(one.vkey, one.first, index, one.is_vouched)
        if one.vkey.text in texts and one.last is None
        else one
        for one in keys
    ]


def _check_rotation(note: bytes, old: Vkey, new: Vkey) -> None:
    text, signed = open_note(note, [old, new])
    said = f"lotproof/key-rotation/1\n{old.name}\n{old.text}\n{new.text}\n"
    expect(text == said and old.name == new.name, "a statement about other keys")
    expect(signed == {old.text, new.text}, "a rotation without both signatures")


def _succeeded(keys: Sequence[Key], data: Mapping[str, Any], index: int) -> list[Key]:
    new, last = read_vkey(data["vkey"]), data["last"]
    old = [one.vkey for one in keys if one.last is None]
    root = base64.b64encode(bytes.fromhex(last["root"])).decode()
    text, signed = open_note(data["statement"].encode(), [*old, new])
    said = f"{last['origin']}\n{last['size']} {root}\n{data['kept']}\n{data['origin']}\n{new.text}\n"
    expect(text == f"lotproof/succession/1\n{said}", "a statement about another succession")
    expect(new.text in signed and new.name == data["origin"], "a succession without the new signature")
    expect(data["kept"] == index and last["origin"] == old[0].name, "a succession of another log")
    expect(all(one.vkey.name != new.name for one in keys), "an origin that the log had before")
    is_vouched = {one.text for one in old} <= signed
    ended = _ended(keys, [one.text for one in old], index)
    return [*ended, Key(new, index + 1, None, is_vouched)]


def read_key_list(text: str) -> list[Key]:
    """What stands at /log/keys, its statements checked; its sizes are nobody's word. Raises Untrue."""
    head, *parts = text.removesuffix("\n").split("\n\n")
    header, *lines = head.split("\n")
    expect(header == "lotproof/keys/1" and len(parts) == 2 * (len(lines) - 1), "no list of keys")
    keys: list[Key] = []
    for place, line in enumerate(lines):
        first, last, vkey = line.split(" ")
        key = Key(read_vkey(vkey), int(first), None if last == "-" else int(last), False)
        if place:
            note = "\n\n".join(parts[2 * place - 2 : 2 * place]).encode() + b"\n"
            key = Key(key.vkey, key.first, key.last, _is_vouched(note, keys, key))
        keys.append(key)
    return keys


def _is_vouched(note: bytes, before: Sequence[Key], key: Key) -> bool:
    if note.startswith(b"lotproof/key-rotation/1\n"):
        _check_rotation(note, before[-1].vkey, key.vkey)
        return True
    old = [one.vkey for one in before if one.signs(key.first - 1)]
    text, signed = open_note(note, [*old, key.vkey])
    match = SUCCESSION.fullmatch(text)
    expect(match is not None, "no statement of a succession")
    assert match is not None
    said, known = match.group("old", "kept", "new", "vkey"), {one.name for one in old}
    expect(known == {said[0]}, "a succession of another log")
    expect(
        said[1:] == (str(key.first - 1), key.vkey.name, key.vkey.text), "a statement about another succession"
    )
    expect(key.vkey.text in signed, "a succession without the new signature")
    return {one.text for one in old} <= signed


def open_signed_by_all(note: bytes, keys: Sequence[Key], vkey: str) -> Checkpoint:
    """The checkpoint that all keys of its size signed and no other of the log's; statements lead there from `vkey`."""
    text, signed = open_note(note, [one.vkey for one in keys])
    checkpoint = read_checkpoint(text)
    wanted = [one for one in keys if one.signs(checkpoint.size)]
    expect(bool(wanted) and signed == {one.vkey.text for one in wanted}, "other keys signed than had to")
    expect({one.vkey.name for one in wanted} == {checkpoint.origin}, "the checkpoint is of another log")
    if vkey.strip() not in signed:
        known = [one.vkey.text for one in keys if one.first <= checkpoint.size]
        expect(vkey.strip() in known, "the key that we trust is none of this log's")
        later = keys[known.index(vkey.strip()) + 1 : len(known)]
        expect(
            all(one.is_vouched for one in later),
            "no statement leads from the key that we trust to the new one",
        )
    return checkpoint
