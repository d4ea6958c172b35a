"""The audit of a long log against a loop that reads and hashes its entries, in the same run.

Entries are real ones of about 500 bytes, each about a subject of its own and one that is met again and again;
every thousandth closes a checkpoint.
"""

import hashlib
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlalchemy import Connection

import ledger.nouns  # noqa: F401  # the registry, whole
from ledger.audit.log import audit
from ledger.database import connect, migrate, writing
from ledger.database.migrating import make_schema
from ledger.files import Files
from ledger.identifiers import ALPHABET
from ledger.journal.events import FIRST_MAP_ROOT, LogOpened, StatedMap, StatusStated, subject_heads
from ledger.journal.key_events import log_keys
from ledger.journal.opening import FORMAT
from ledger.journal.registry import KIND_OF, Event
from ledger.location import Postgres
from ledger.log import store
from ledger.log.canonical import encode
from ledger.log.checkpoint import Checkpoint
from ledger.log.entry import NO_PREVIOUS, format_entry
from ledger.log.guard import Guard
from ledger.log.merkle import leaf_hash, root
from ledger.log.note import Signer, Verifier, sign_note, split_note
from ledger.log.tiles import Edge
from ledger.trace.party import PartyRegistered
from tests.bench.table import Row

ORIGIN = "bench.example/log"
GROUP_ENTRIES = 1_000
ROUNDS = 3
FIRST_MAP = StatedMap(leaves=1, root=FIRST_MAP_ROOT, version=0)
LOG = "log:" + "A" * 16


class _Filling:
    """Appends entries as the journal would, many at once."""

    def __init__(self, connection: Connection, signer: Signer) -> None:
        self._connection = connection
        self._signer = signer
        self._edge = Edge.empty()
        self._prev = NO_PREVIOUS
        self._heads: dict[str, int] = {}

    def group(self, events: list[tuple[Event, tuple[str, ...]]]) -> str:
        """One group with its checkpoint; gives the note."""
        start = self._edge.size
        rows = [self._compose(start + place, *one) for place, one in enumerate(events)]
        store.append_entries(self._connection, start, rows)
        self._edge, full = self._edge.extend([leaf for leaf, _ in rows])
        store.append_tiles(self._connection, full)
        note = sign_note(Checkpoint(ORIGIN, self._edge.size, self._edge.root()).format(), self._signer)
        store.append_checkpoint(self._connection, self._edge.size, note)
        return note

    def close(self) -> None:
        """Write the heads and the one key: what an audit that begins later looks up."""
        heads = [{"subject": subject, "last": last} for subject, last in self._heads.items()]
        self._connection.execute(subject_heads.insert(), heads)
        key = {"place": 0, "vkey": self._signer.verifier.to_text(), "first_size": 1, "is_vouched": False}
        self._connection.execute(log_keys.insert(), [key])

    def _compose(self, index: int, event: Event, subjects: tuple[str, ...]) -> tuple[bytes, bytes]:
        body = format_entry(
            actor="account:" + "B" * 16,
            at=f"2025-05-01T08:{index // 60_000 % 60:02}:{index // 1_000 % 60:02}.{index % 1_000:03}Z",
            data=encode(msgspec.to_builtins(event)),
            kind=KIND_OF[type(event)],
            prev=self._prev,
            request=b"null",
            salt=os.urandom(16),
            subjects={subject: self._heads.get(subject) for subject in sorted(subjects)},
        )
        self._heads.update(dict.fromkeys(subjects, index))
        self._prev = leaf_hash(body)
        return self._prev, body


def make_log(
    folder: Path, size: int, signer: Signer | None = None, *, location: Postgres | None = None
) -> None:
    """A log of `size` entries in `folder`: lotproof.db (or the schema given), its guard and its key."""
    signer = signer or Signer.generate(ORIGIN)
    (folder / "vkey").write_text(signer.verifier.to_text())
    engine = connect(location or folder / "lotproof.db")
    if location is None:
        migrate(engine, "lotproof")
    else:
        make_schema(engine, location, "lotproof", runner=str(engine.url.username))
    with writing(engine) as connection:
        filling = _Filling(connection, signer)
        for events in _groups(size, signer):
            note = filling.group(events)
        filling.close()
    guard = Guard(folder / "guard")
    guard.create()
    guard.swap(guard.read(), note)
    engine.dispose()


def _groups(size: int, signer: Signer) -> Iterator[list[tuple[Event, tuple[str, ...]]]]:
    opened = LogOpened(
        demo=True,
        format=FORMAT,
        log="A" * 16,
        map=FIRST_MAP,
        origin=ORIGIN,
        product="lotproof",
        vkey=signer.verifier.to_text(),
    )
    first: list[tuple[Event, tuple[str, ...]]] = [(opened, (LOG,))]
    for start in range(0, size, GROUP_ENTRIES):
        end = min(start + GROUP_ENTRIES, size) - 1
        middle: list[tuple[Event, tuple[str, ...]]] = [
            (_party(index), (f"party:{_id(index)}", f"site:{_id(index % 97)}"))
            for index in range(start + len(first), end)
        ]
        yield [*first, *middle, (StatusStated(map=FIRST_MAP), (LOG,))]
        first = []


def _party(index: int) -> PartyRegistered:
    return PartyRegistered(
        party=_id(index),
        code=f"P{index}",
        name="Baishan Cell Works, hall 3".ljust(60, "."),
        role="factory",
        country="CN",
    )


def _id(number: int) -> str:
    letters = []
    for _ in range(16):
        number, rest = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[rest])
    return "".join(letters)


@dataclass(frozen=True, slots=True)
class Measured:
    """A run over a log: entries a second, processors' microseconds an entry, megabytes of the largest process."""

    rate: float
    cpu: float
    megabytes: float = 0.0


def raw(folder: Path) -> Measured:
    """A plain loop that reads every body and hashes all of it again, up to the root."""
    connection = sqlite3.connect(folder / "lotproof.db")
    started, begun, leaves = time.perf_counter(), time.process_time(), []
    for leaf, body in connection.execute("SELECT leaf, body FROM log_entries ORDER BY position"):
        hashed = hashlib.sha256(b"\0" + body).digest()
        assert hashed == leaf
        leaves.append(hashed)
    computed = root(leaves)
    seconds, busy = time.perf_counter() - started, time.process_time() - begun
    newest = connection.execute("SELECT note FROM log_checkpoints ORDER BY size DESC").fetchone()
    connection.close()
    assert Checkpoint.parse(split_note(newest[0])[0]).root == computed
    return Measured(len(leaves) / seconds, busy / len(leaves) * 1e6)


def audited(folder: Path, workers: int) -> Measured:
    """An audit in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.audit", str(folder), str(workers)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Measured(*json.loads(printed))


def rows(scale: float) -> Iterator[Row]:
    """The audit on one core, on two, and what it takes of memory: for a million entries times `scale`."""
    size = max(int(1_000_000 * scale), 3 * GROUP_ENTRIES)
    with tempfile.TemporaryDirectory(prefix="lotproof-bench-") as name:
        folder = Path(name)
        make_log(folder, size)
        raw(folder)  # once unmeasured, for the disk's cache
        ours: list[Measured] = []
        limits: list[Measured] = []
        for workers, least in ((1, 0.25), (2, 0.45)):
            # In turn, and the least disturbed of each: what runs beside us takes more from one than from the other.
            tries = [(raw(folder), audited(folder, workers)) for _ in range(ROUNDS)]
            limits += [limit for limit, _ in tries]
            ours += [own for _, own in tries]
            limit, own = max(one.rate for one, _ in tries), max(one.rate for _, one in tries)
            cores = f"{workers} core" + "s" * (workers > 1)
            yield Row(
                f"audit of {size:,} entries, {cores}", f"{own:,.0f}/s", f"{limit:,.0f}/s", own / limit, least
            )
        own, limit = min(one.cpu for one in ours), min(one.cpu for one in limits)
        yield Row("audit, time of processors an entry", f"{own:.2f} µs", f"{limit:.2f} µs", limit / own, 0.25)
        most = max(one.megabytes for one in ours)
        yield Row("audit, memory of a process", f"{most:.0f} MB", "200 MB", most / 200, 1, at_most=True)


def _audit_here(folder: Path, workers: int) -> None:
    engine = connect(folder / "lotproof.db")
    verifier = Verifier.parse((folder / "vkey").read_text())
    started, begun = time.perf_counter(), time.process_time()
    report = audit(engine, Files(folder / "files"), Guard(folder / "guard"), verifier, workers=workers)
    seconds, busy = time.perf_counter() - started, time.process_time() - begun
    assert not report.findings, report.findings[:5]
    helpers = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy += helpers.ru_utime + helpers.ru_stime
    most = max(_peak_megabytes(), helpers.ru_maxrss / 1024)
    print(json.dumps([report.size / seconds, busy / report.size * 1e6, most]))


def _peak_megabytes() -> float:
    """The most that this process had in memory. `ru_maxrss` would count what its parent had when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    _audit_here(Path(sys.argv[1]), int(sys.argv[2]))
