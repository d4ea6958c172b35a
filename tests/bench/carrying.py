"""Carrying a long log: exported, checked and imported, against plain loops over the same bytes in the same run.

The audit's memory is measured here too, because here are logs of three sizes.

Each of ours runs in a process of its own, so that its memory is its own too.
"""

import hashlib
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ledger.nouns
from ledger.database import connect, migrate, reading, writing
from ledger.journal.carrying import carry_log, verify_log
from ledger.log.directory import export
from ledger.log.note import Verifier
from tests.bench.audit import GROUP_ENTRIES, audited, make_log
from tests.bench.table import Row

assert ledger.nouns  # the registry, whole

PIECE_ENTRIES = 256
LEAST_EXPORTED = 100_000  # entries a second
MOST_MEGABYTES = 150
AUDITING = 2  # processes; the memory is that of the larger one
SIZES = (0.1, 1.0, 3.0)  # in millions, times the scale


def write_rate(folder: Path) -> float:
    """Entries a second of a loop that writes 256 entries a file and nothing else."""
    target = folder / "plain"
    target.mkdir()
    connection, count, started = sqlite3.connect(folder / "lotproof.db"), 0, time.perf_counter()
    rows = connection.execute("SELECT body FROM log_entries ORDER BY position")
    while bodies := rows.fetchmany(PIECE_ENTRIES):
        (target / str(count)).write_bytes(b"".join(body for (body,) in bodies))
        count += len(bodies)
    seconds = time.perf_counter() - started
    connection.close()
    return count / seconds


def hash_rate(folder: Path) -> float:
    """Entries a second of a loop that hashes every entry, and once more for the tree above it."""
    connection, count, started = sqlite3.connect(folder / "lotproof.db"), 0, time.perf_counter()
    for (body,) in connection.execute("SELECT body FROM log_entries ORDER BY position"):
        leaf = hashlib.sha256(b"\0" + body).digest()
        hashlib.sha256(b"\1" + leaf + leaf).digest()
        count += 1
    seconds = time.perf_counter() - started
    connection.close()
    return count / seconds


def insert_rate(folder: Path) -> float:
    """Entries a second of a loop that hashes them and inserts them into a table of another database."""
    connection, started = sqlite3.connect(folder / "lotproof.db"), time.perf_counter()
    target = sqlite3.connect(folder / "plain.db")
    target.execute("PRAGMA journal_mode = WAL")
    target.execute(
        "CREATE TABLE copied (position INTEGER PRIMARY KEY, leaf BLOB NOT NULL, body BLOB NOT NULL)"
    )
    count, rows = 0, connection.execute("SELECT position, body FROM log_entries ORDER BY position")
    while some := rows.fetchmany(4_096):
        hashed = [(position, hashlib.sha256(b"\0" + body).digest(), body) for position, body in some]
        target.executemany("INSERT INTO copied VALUES (?, ?, ?)", hashed)
        count += len(some)
    target.commit()
    seconds = time.perf_counter() - started
    connection.close()
    target.close()
    return count / seconds


def ours(what: str, folder: Path) -> tuple[float, float]:
    """(entries a second, megabytes at most) of `what` in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.carrying", what, str(folder)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate, megabytes = json.loads(printed)
    return rate, megabytes


def rows(scale: float) -> Iterator[Row]:
    """Export, verify and import of a million entries times `scale`; their memory and the audit's at three sizes."""
    for size in SIZES:
        count = max(int(1_000_000 * size * scale), 3 * GROUP_ENTRIES)
        with tempfile.TemporaryDirectory(prefix="lotproof-bench-") as name:
            folder = Path(name)
            make_log(folder, count)
            measured = {what: ours(what, folder) for what in RUNS}
            if size == 1.0:
                yield from _speed(folder, count, {what: rate for what, (rate, _) in measured.items()})
            used = {what: megabytes for what, (_, megabytes) in measured.items()}
            used["audit"] = audited(folder, AUDITING).megabytes
            for what, megabytes in used.items():
                yield Row(
                    f"{what} of {count:,} entries, memory",
                    f"{megabytes:.0f} MB",
                    f"{MOST_MEGABYTES} MB",
                    megabytes / MOST_MEGABYTES,
                    1,
                    at_most=True,
                )


def _speed(folder: Path, count: int, rates: dict[str, float]) -> Iterator[Row]:
    plain = {"export": write_rate(folder), "verify": hash_rate(folder), "import": insert_rate(folder)}
    for what, least in (("export", 0.3), ("verify", 0.4), ("import", 0.3)):
        limit, rate = plain[what], rates[what]
        yield Row(f"{what} of {count:,} entries", f"{rate:,.0f}/s", f"{limit:,.0f}/s", rate / limit, least)
    rate = rates["export"]
    yield Row("export, entries a second", f"{rate:,.0f}/s", f"{LEAST_EXPORTED:,}/s", rate / LEAST_EXPORTED, 1)


def _export(folder: Path) -> int:
    engine = connect(folder / "lotproof.db")
    with reading(engine) as connection:
        return export(connection, folder / "exported", (folder / "vkey").read_text()).size


def _verify(folder: Path) -> int:
    checkpoint, _way = verify_log(folder / "exported", Verifier.parse((folder / "vkey").read_text()))
    return checkpoint.size


def _import(folder: Path) -> int:
    engine = connect(folder / "imported.db")
    migrate(engine, "lotproof")
    with writing(engine) as connection:
        return carry_log(connection, folder / "exported", Verifier.parse((folder / "vkey").read_text())).size


RUNS: dict[str, Callable[[Path], int]] = {"export": _export, "verify": _verify, "import": _import}


def _run_here(what: str, folder: Path) -> None:
    started = time.perf_counter()
    count = RUNS[what](folder)
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text()
    print(json.dumps([count / seconds, int(status.partition("VmHWM:")[2].split()[0]) / 1024]))


if __name__ == "__main__":
    _run_here(sys.argv[1], Path(sys.argv[2]))
