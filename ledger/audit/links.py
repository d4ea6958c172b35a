"""Whether each entry points at the entry before about the same subject: checked without remembering subjects.

Call an entry that names a subject a *mention* (subject, index), and what it says about the one before a *claim*
(subject, previous index). In a right log every mention is claimed exactly once, but for the last one of each
subject, which `subject_heads` holds. So as multisets

    mentions = claims + heads

and the converse holds too where every claim points backwards: the first mention of a subject can claim nothing,
so no other may claim nothing either, and going up, each has only one mention left to claim.

The multisets are compared by the sum of a hash of their members under a key that is random and new at every
audit, so nobody can choose members that cancel out. So a million subjects cost no memory, and ranges of the
log can be summed apart. Where the sums differ, `wrong_links` goes through the log once more and names the entries.

The same holds for the end of a log alone: among the mentions, claims and heads that are not before some index.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from ledger.audit.rows import walk_bodies
from ledger.errors import LedgerError
from ledger.log.entry import BadEntry, Entry, parse_entry

MODULUS = 2**256

_SCRATCH = MetaData()
_last = Table(
    "last",
    _SCRATCH,
    Column("subject", String, primary_key=True),
    Column("position", Integer, nullable=False),
)
_PUT = insert(_last)
_PUT = _PUT.on_conflict_do_update(index_elements=["subject"], set_={"position": _PUT.excluded.position})
_FIND = select(_last.c.subject, _last.c.position).where(
    _last.c.subject.in_(bindparam("subjects", expanding=True))
)


@dataclass(slots=True)
class LinkSum:
    """Mentions less claims of a run of entries, as a sum of hashes under `key` (random text).

    Claims that point before `first` are left aside: an audit that begins there has not seen what they claim.
    """

    key: str
    total: int = 0
    first: int = 0
    _window: dict[str, int] = field(default_factory=dict)  # the last mention of each subject
    _claims: list[tuple[str, int]] = field(default_factory=list)

    def mention(self, all_subjects: Iterable[Mapping[str, int | None]], start: int) -> bool:
        """Add the subjects of the entries from `start` on; False if one does not point where it certainly should."""
        right = True
        window, claims = self._window, self._claims
        for index, subjects in enumerate(all_subjects, start):
            for subject, previous in subjects.items():
                known = window.get(subject)
                window[subject] = index
                if known is not None:
                    # The mention before is of this window: it and its claim cancel out and need no hash.
                    right = right and previous == known
                elif previous is not None:
                    right = right and previous < index
                    claims.append((subject, previous))
        return right

    def close_window(self) -> None:
        """Count what was mentioned since the window was opened, and forget it."""
        first = self.first
        claims = [claim for claim in self._claims if claim[1] >= first] if first else self._claims
        self.total += self._sum(self._window.items()) - self._sum(claims)
        self._window.clear()
        self._claims.clear()

    def take_heads(self, heads: Iterable[tuple[str, int]]) -> None:
        """Take heads away; with the last of them a right log comes to zero."""
        self.total -= self._sum(heads)

    def is_zero(self) -> bool:
        """Whether nothing is left."""
        return self.total % MODULUS == 0

    def _sum(self, members: Iterable[tuple[str, int]]) -> int:
        key = self.key
        hashes = [sha256(f"{key}{subject} {index}".encode()).digest() for subject, index in members]
        return sum(map(int.from_bytes, hashes))


@dataclass(frozen=True, slots=True)
class WrongLink:
    """An entry that points elsewhere than at the entry before about `subject`."""

    index: int
    subject: str
    stands: int | None
    should: int | None


def wrong_links(connection: Connection, scratch: Connection) -> Iterator[WrongLink]:
    """Go through the log and name every wrong link; what was seen last is kept in `scratch`, not in memory."""
    _SCRATCH.create_all(scratch)
    unreadable: set[int] = set()  # named elsewhere; who points at one may be right
    for bodies in walk_bodies(connection, 500):
        entries = [(index, _entry(body)) for index, body in bodies]
        last = _read_last(scratch, {subject for _index, one in entries if one for subject in one.subjects})
        changed: dict[str, int] = {}
        for index, entry in entries:
            if entry is None:
                unreadable.add(index)
                continue
            for subject, previous in entry.subjects.items():
                if previous != last.get(subject) and previous not in unreadable:
                    yield WrongLink(index, subject, previous, last.get(subject))
                last[subject] = changed[subject] = index
        if changed:
            scratch.execute(_PUT, [{"subject": s, "position": i} for s, i in changed.items()])


def _entry(body: bytes | None) -> Entry | None:
    """The entry, or None for what is named as no entry elsewhere."""
    try:
        return None if body is None else parse_entry(body)
    except (BadEntry, LedgerError):
        return None


def _read_last(scratch: Connection, subjects: set[str]) -> dict[str, int]:
    last: dict[str, int] = {}
    wanted = sorted(subjects)
    for start in range(0, len(wanted), 500):
        rows = scratch.execute(_FIND, {"subjects": wanted[start : start + 500]})
        last.update((row.subject, row.position) for row in rows)
    return last
