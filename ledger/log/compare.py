"""Comparing this log with a checkpoint that somebody kept: does the log still contain it?

Whoever kept one may hold it in three forms: the signed note, as it is served and printed; the same note, its white
space spoiled by mail or a phone; or the short form, typed from a paper or a page, which nobody signed:

    lots.example/log 1234 3f2a 91bc 77d0 0a1b       the origin may be left out; 8 to 64 digits of the root

    >>> parse_kept("1234 3F2A-91bc").size
    1234

The root at that size is computed from the stored hashes, so a log that was rewritten gives another one.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Literal

from sqlalchemy import Connection

from ledger.errors import LedgerError
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import fold, prove_consistency, range_nodes
from ledger.log.note import split_note
from ledger.log.tiles import TileHashes

Verdict = Literal["contained", "behind", "rewritten"]

FEWEST_DIGITS = 8  # 32 bits: enough against a slip of the pen; the whole root is 64
_SHORT = re.compile(r"(?:(\S+)\s+)?([1-9][0-9]{0,18})\s+([0-9A-Fa-f][0-9A-Fa-f\s.\-]*)")
_DASH = re.compile(r"(?:—|–|-{1,2}|â€”)\s*(?=\S)")


class NotKept(LedgerError):
    """What was given is no checkpoint in any of its forms."""

    message = (
        "This is no checkpoint. Give the signed text, as it stands on a packing list or in a file, or its short "
        "form: the number of entries and at least {digits} digits of the root, such as “1234 3f2a 91bc 77d0 0a1b”."
    )
    http_status = 400


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody kept of a checkpoint: `root_start` is hex, whole (64 digits) for a note."""

    size: int
    root_start: str
    origin: str | None
    note: str | None  # None: the short form, which carries no signature


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing has shown. `root` (32 bytes) is this log's at the kept size, None where it is not that long."""

    verdict: Verdict
    size: int  # of this log, as its newest checkpoint has it
    root: bytes | None
    was_published: bool  # whether this log's own list names a checkpoint of that size
    proof: tuple[bytes, ...]  # RFC 9162 consistency, kept → newest; empty unless contained


def parse_kept(text: str) -> Kept:
    """What `text` says, in any of the three forms; no signature checked. Raises NotKept."""
    note = tidied(text)
    try:
        checkpoint = Checkpoint.parse(split_note(note)[0])
    except LedgerError:
        return _parse_short(text)
    if checkpoint.size == 0:  # every log contains nothing
        raise NotKept(digits=FEWEST_DIGITS)
    return Kept(checkpoint.size, checkpoint.root.hex(), checkpoint.origin, note)


def tidied(text: str) -> str:
    """A note as it was signed, from one whose line ends, margins or dashes were spoiled on the way."""
    lines = [line.strip() for line in text.replace("\ufeff", "").strip().splitlines()]
    signatures: list[str] = []
    for line in filter(None, lines[3:]):
        if _DASH.match(line) or not signatures:
            signatures.append(_DASH.sub("— ", line, count=1))
        else:  # a narrow column broke it: behind the name there is a space, within base64 none
            signatures[-1] += line if signatures[-1].count(" ") > 1 else f" {line}"
    return "\n".join([*lines[:3], "", *signatures, ""])


def _parse_short(text: str) -> Kept:
    found = _SHORT.fullmatch(text.strip())
    digits = re.sub(r"[^0-9a-f]", "", found[3].lower()) if found else ""
    if found is None or not FEWEST_DIGITS <= len(digits) <= 64:
        raise NotKept(digits=FEWEST_DIGITS)
    return Kept(int(found[2]), digits, found[1], None)


def short_form(checkpoint: Checkpoint, digits: int = 32) -> str:
    """The form for papers: origin, size, and the first `digits` of the root in groups of four."""
    start = checkpoint.root.hex()[:digits]
    groups = " ".join(start[place : place + 4] for place in range(0, len(start), 4))
    return f"{checkpoint.origin} {checkpoint.size} {groups}"


def compare(connection: Connection, kept: Kept, newest: Checkpoint) -> Comparison:
    """Whether the log in this snapshot, whose newest checkpoint is `newest`, contains what was kept.

    Reads some tiles, whatever the size. Who kept a note checks its signature first: see `Keyring.open`.
    """
    if kept.size > newest.size:
        return Comparison("behind", newest.size, None, was_published=False, proof=())
    read_hashes = TileHashes(partial(store.read_tile, connection), newest.size)
    root = fold(read_hashes(range_nodes(0, kept.size)))
    published = store.note_at(connection, kept.size) is not None
    if not root.hex().startswith(kept.root_start):
        return Comparison("rewritten", newest.size, root, was_published=published, proof=())
    proof = prove_consistency(kept.size, newest.size, read_hashes)
    return Comparison("contained", newest.size, root, was_published=published, proof=tuple(proof))
