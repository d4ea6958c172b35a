"""An outsider's check of a log: written from the specifications alone, with nothing of the product in it.

Sources: RFC 6962 and RFC 9162 (tree, proofs), RFC 8785 (canonical JSON), C2SP signed-note, tlog-checkpoint,
tlog-tiles and tlog-proof; for what entries hold and for the log's keys, docs/ of the product. All that is read comes
through `fetch`: over HTTP, or from the files of an export. Whatever does not fit raises Untrue.

    log = read_log(fetch, vkey)         # the newest checkpoint, and every entry under it, checked
    log.events("recall.published/1")
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.outsider_keys import Checkpoint as Checkpoint
from tests.outsider_keys import Key, expect, keys_of, open_note, open_signed_by_all, read_checkpoint
from tests.outsider_keys import Untrue as Untrue
from tests.outsider_keys import open_checkpoint as open_checkpoint
from tests.outsider_keys import read_key_list as read_key_list

Fetch = Callable[[str], bytes]
TILE = 256


# --- hashes


def leaf_hash(entry: bytes) -> bytes:
    """RFC 9162, 2.1.1."""
    return hashlib.sha256(b"\0" + entry).digest()


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes: split at the largest power of two below their number (RFC 9162, 2.1.1)."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_hash(leaves[:half]) + tree_hash(leaves[half:])).digest()


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """RFC 9162, 2.1.3.2. Raises Untrue."""
    expect(0 <= index < size and all(len(one) == 32 for one in path), "no such place in the tree")
    place, last, found = index, size - 1, leaf
    for sibling in path:
        expect(last > 0, "the path is too long")
        if place % 2 or place == last:
            found = hashlib.sha256(b"\1" + sibling + found).digest()
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            found = hashlib.sha256(b"\1" + found + sibling).digest()
        place, last = place >> 1, last >> 1
    expect(last == 0 and found == root, "the path does not lead to the root")


# --- tiles


def tile_path(level: int | str, number: int, width: int) -> str:
    """The address of a tile: numbers in groups of three digits, all but the last marked with an x."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return f"tile/{level}/{'/'.join(groups)}" + ("" if width == TILE else f".p/{width}")


def tiles_of(size: int, level: int) -> Iterator[tuple[int, int]]:
    """Number and width of the tiles at a level of a tree of this size."""
    full, rest = divmod(size >> 8 * level, TILE)
    yield from ((number, TILE) for number in range(full))
    if rest:
        yield full, rest


def read_hashes(fetch: Fetch, size: int) -> list[bytes]:
    """The leaf hashes of the tree, from its tiles; every upper level is checked to follow from the one below."""
    leaves = _level(fetch, size, 0)
    below, level = leaves, 1
    while size >> 8 * level:
        made = [tree_hash(below[start : start + TILE]) for start in range(0, len(below) - TILE + 1, TILE)]
        below = _level(fetch, size, level)
        expect(below == made, f"the hashes of level {level} do not follow from those below")
        level += 1
    return leaves


def _level(fetch: Fetch, size: int, level: int) -> list[bytes]:
    hashes: list[bytes] = []
    for number, width in tiles_of(size, level):
        tile = fetch(tile_path(level, number, width))
        expect(len(tile) == width * 32, f"tile {level}/{number} has another length")
        hashes += [tile[start : start + 32] for start in range(0, len(tile), 32)]
    return hashes


def read_entries(fetch: Fetch, size: int) -> list[bytes]:
    """The exact bytes of every entry: bundles of two bytes of length and as many of an entry."""
    entries: list[bytes] = []
    for number, width in tiles_of(size, 0):
        bundle, found = fetch(tile_path("entries", number, width)), 0
        while bundle:
            length = int.from_bytes(bundle[:2], "big")
            expect(len(bundle) >= 2 + length, f"bundle {number} is cut short")
            entries.append(bundle[2 : 2 + length])
            bundle, found = bundle[2 + length :], found + 1
        expect(found == width, f"bundle {number} has another number of entries")
    return entries


# --- the whole log


@dataclass(frozen=True, slots=True)
class Log:
    """A log that was checked from its first entry to its last."""

    checkpoint: Checkpoint
    bodies: tuple[bytes, ...]
    entries: tuple[dict[str, Any], ...]

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The entries of a kind, in order."""
        return [entry for entry in self.entries if entry["kind"] == kind]

    def root_at(self, size: int) -> bytes:
        """The root that the tree had when it held so many entries."""
        return tree_hash([leaf_hash(body) for body in self.bodies[:size]])


def read_log(fetch: Fetch, vkey: str) -> Log:
    """The newest checkpoint of a log with everything under it, checked; `vkey` is any key that the log had.

    Raises Untrue.
    """
    note = fetch("checkpoint")
    checkpoint = read_checkpoint(
        open_note(note, [])[0]
    )  # believed once the entries have said whose it must be
    leaves = read_hashes(fetch, checkpoint.size)
    bodies = read_entries(fetch, checkpoint.size)
    expect([leaf_hash(body) for body in bodies] == leaves, "an entry is not the one that was hashed")
    expect(tree_hash(leaves) == checkpoint.root, "the entries do not give the signed root")
    entries = [_entry(body) for body in bodies]
    _check_chain(entries, leaves)
    _check_links(entries)
    _check_known(entries, leaves)
    expect(entries[0]["kind"] == "log.opened/1", "the log was not opened")
    open_signed_by_all(note, keys_of(entries), vkey)
    expect(entries[-1]["kind"] == "status.stated/1", "a checkpoint does not end with the stated status")
    return Log(checkpoint, tuple(bodies), tuple(entries))


def _entry(body: bytes) -> dict[str, Any]:
    """An entry, if its bytes are the one way to write it (RFC 8785; here without floats, with ASCII keys)."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Untrue("an entry is no JSON") from error
    written = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    expect(written.encode() == body, "an entry is not written canonically")
    keys = {"v", "kind", "at", "actor", "request", "subjects", "prev", "salt", "data"}
    expect(value.keys() == keys and value["v"] == 1, "an entry has other parts")
    expect(re.fullmatch("[0-9a-f]{32}", value["salt"]) is not None, "an entry has no salt")
    return dict(value)


def _check_chain(entries: Sequence[Mapping[str, Any]], leaves: Sequence[bytes]) -> None:
    before = [bytes(32), *leaves]
    for index, entry in enumerate(entries):
        expect(entry["prev"] == before[index].hex(), f"entry {index} does not continue the one before")
        if index and entry["kind"] != "clock.corrected/1":
            expect(entry["at"] >= entries[index - 1]["at"], f"entry {index} is earlier than the one before")
    expect(len({entry["salt"] for entry in entries}) == len(entries), "a salt was used twice")


def _check_links(entries: Sequence[Mapping[str, Any]]) -> None:
    """Each subject names the entry about it before, so that nothing about it can be left out."""
    last: dict[str, int] = {}
    for index, entry in enumerate(entries):
        for subject, previous in entry["subjects"].items():
            expect(previous == last.get(subject), f"entry {index} skips an entry about {subject}")
        last |= dict.fromkeys(entry["subjects"], index)


def _check_known(entries: Sequence[Mapping[str, Any]], leaves: Sequence[bytes]) -> None:
    """A succession goes on in the same tree: the last checkpoint known is of it, as far as its entries were kept."""
    for entry in entries:
        if entry["kind"] == "log.succeeded/1":
            kept, last = entry["data"]["kept"], entry["data"]["last"]
            is_here = last["size"] > kept or tree_hash(leaves[: last["size"]]).hex() == last["root"]
            expect(is_here, "the last checkpoint known of the old log has another root")


# --- the status map


def check_status(log: Log, read_file: Callable[[str], bytes]) -> int:
    """How many times the map was stated, each time as the published scopes make it. Raises Untrue.

    `read_file` gives the file of a scope by its SHA-256.
    """
    scopes: dict[str, list[tuple[int, int, int]]] = {}
    version = stated = 0
    for entry in log.entries:
        data = entry["data"]
        match entry["kind"]:
            case "recall.published/1" | "recall.widened/1" | "recall.retracted/1":
                scopes.pop(data["recall"], None)
                if "scope" in data:  # a retraction has none
                    scopes[data["recall"]] = _scope(read_file, data["scope"])
                _check_map(scopes, data["map"])
                expect(data["map"]["previous"] == version, "a version of the map was left out")
                version += 1
            case "status.stated/1":
                _check_map(scopes, data["map"])
                expect(data["map"]["version"] == version, "the map has another version")
                stated += 1
    return stated


def _scope(read_file: Callable[[str], bytes], named: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    content = read_file(named["sha256"])
    expect(hashlib.sha256(content).hexdigest() == named["sha256"], "a scope is another file")
    expect(len(content) == named["size_bytes"], "a scope has another length")
    value = json.loads(content)
    expect(value.keys() == {"ranges", "v"} and value["v"] == 1, "a file that is no scope")
    return [(c, start, end) for c, start, end in value["ranges"]]


def _check_map(scopes: Mapping[str, Sequence[tuple[int, int, int]]], said: Mapping[str, Any]) -> None:
    leaves = map_leaves(scopes)
    root = tree_hash([leaf_hash(leaf) for leaf in leaves]).hex()
    expect((said["leaves"], said["root"]) == (len(leaves), root), "the map is not what the scopes make it")


def map_leaves(scopes: Mapping[str, Sequence[tuple[int, int, int]]]) -> list[bytes]:
    """The map: all positions in order, cut wherever the set of recalls over them changes."""
    flat = [(recall, *one) for recall, ranges in scopes.items() for one in ranges]
    borders = {(0, 0)} | {(c, start) for _, c, start, _ in flat} | {(c, end) for _, c, _, end in flat}
    pieces: list[tuple[tuple[int, int], list[str]]] = []
    for c, i in sorted(borders):
        over = sorted({recall for recall, at, start, end in flat if at == c and start <= i < end})
        if not pieces or pieces[-1][1] != over:
            pieces.append(((c, i), over))
    ends = [list(begins) for begins, _ in pieces[1:]] + [None]
    return [
        json.dumps({"from": list(begins), "recalls": over, "to": end}, separators=(",", ":")).encode()
        for (begins, over), end in zip(pieces, ends, strict=True)
    ]


# --- proof files


@dataclass(frozen=True, slots=True)
class Proof:
    """A `.tlog-proof`: an entry's place, the way to the root, and the signed root."""

    index: int
    path: tuple[bytes, ...]
    note: bytes
    extra: bytes | None


def read_proof(text: bytes) -> Proof:
    """A proof file (C2SP tlog-proof). Raises Untrue."""
    head, _, note = text.partition(b"\n\n")
    header, *lines = head.decode().split("\n")
    expect(header == "c2sp.org/tlog-proof@v1", "no proof file")
    extra = base64.b64decode(lines.pop(0)[6:]) if lines[0].startswith("extra ") else None
    expect(lines[0].startswith("index "), "a proof without an index")
    return Proof(int(lines[0][6:]), tuple(map(base64.b64decode, lines[1:])), note, extra)


def check_proof(proof: Proof, entry: bytes, vkey: str, *, keys: Sequence[Key] = ()) -> Checkpoint:
    """The checkpoint under which the entry stands; with `keys` (a key list's), also by way of statements.

    Raises Untrue.
    """
    checkpoint = open_signed_by_all(proof.note, keys, vkey) if keys else open_checkpoint(proof.note, vkey)
    check_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint
