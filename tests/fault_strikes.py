"""A company, a command that is struck by a fault at one call after another, and what must hold after each.

A command is run once to see its calls, and then again and again on a fresh copy of the same company, each time with
one call struck. CI strikes each kind of call on each file with each fault once, at a place that chance takes; with
LOTPROOF_FAULTS=10 every single call is struck.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ledger.cli.border import REFUSED
from ledger.database import connect, reading
from ledger.journal.opening import open_ledger
from ledger.log import store
from ledger.log.entry import parse_entry
from ledger.recall.claim import named_items
from ledger.settings import Settings
from tests.fault_commands import ERRORS, Call, Command, Ended, by_command_line, run, strike
from tests.faults import FACTOR, chance, times
from tests.tampering import audited, copied
from tests.world import World

KILLED = -9
TRIES = 4  # until a call is met whose number differs from run to run
SHARED = "-shm"  # memory that processes share; SQLite makes it anew at every start


ROLES = ("--role", "seller", "--role", "coordinator", "--role", "admin")


@dataclass(frozen=True, slots=True)
class Company:
    """A closed company that is only ever copied, and what a claim needs."""

    folder: Path
    number: str  # of a recalled unit
    form: str  # a form's token


def begin_company(blank: Path, base: Path) -> Company:
    """A company with an account, a batch with units to come, and one that is recalled."""
    begun = World.begin_as(blank, base / "begun")
    begun.later(days=1)
    number = begun.batch("B1", units=5).serials[0]
    begun.batch("B2", quantity=5_000)
    begun.recall("R1", batches=["B1"])
    made = Company(base / "var", number, begun.form())
    begun.close()
    told = told_in(base)
    added = run(
        Command(by_command_line, ("account", "add", "Ada Muster", *ROLES, "--accept-clock")),
        base / "begun",
        told,
    )
    assert added.code == 0, added.error
    sealed = Command(
        by_command_line, ("material", "register", "--code", "M", "--name", "M", "--accept-clock")
    )
    assert run(sealed, base / "begun", told).code == 0
    copied(base / "begun", made.folder)
    return made


def strike_everywhere(kind: str, command: Command, company: Company, base: Path) -> dict[str, int]:
    """Strike a command that records one entry of this kind, and check what is left each time; strikes by fault."""
    before = bodies_of(company.folder)
    counts: dict[str, int] = dict.fromkeys(ERRORS, 0)
    with chance(kind) as random:
        seen = strike(command, copied(company.folder, base / f"seen {command.arguments[0]}"), told_in(base))
        assert seen.code == 0, seen.error
        for error in ERRORS:
            for call in chosen(seen.calls, random):
                ended = strike_one(command, company, base, error, call)
                assert_whole_after(base / "struck", command, ended, kind, before)
                shutil.rmtree(base / "struck")
                counts[error] += 1
    return counts


def strike_one(command: Command, company: Company, base: Path, error: str, call: Call) -> Ended:
    """Strike this call on a copy in `base / "struck"`; where this time there were fewer of its kind, the last of them.

    Ids and serials are new each time, so that a page more or less is written.
    """
    for _ in range(TRIES):
        folder = copied(company.folder, base / "struck")
        ended = strike(command, folder, told_in(base), error, call)
        if ended.struck is not None:
            break
        assert ended.code == 0, f"{call} was not met: {ended.error}"
        shutil.rmtree(folder)
        call = [one for one in ended.calls if (one.name, one.place) == (call.name, call.place)][-1]
    assert ended.struck == call, f"{call} was not met, but {ended.struck}"
    return ended


def told_in(base: Path) -> Path:
    folder = base / "told"
    folder.mkdir(exist_ok=True)
    return folder


def chosen(calls: Sequence[Call], random: Random) -> list[Call]:
    """All of them, or of each kind on each file one (as many as the setting says), files that hold nothing left out."""
    if FACTOR >= 10:
        return list(calls)
    kinds: dict[tuple[str, str], list[Call]] = {}
    for call in calls:
        if call.place.endswith(SHARED):
            continue
        kinds.setdefault((call.name, call.place), []).append(call)
    return [call for ones in kinds.values() for call in random.sample(ones, min(len(ones), times(1)))]


def assert_whole_after(
    folder: Path, command: Command, ended: Ended, kind: str, before: Sequence[bytes]
) -> None:
    """What was there is there; what was confirmed is there; the user was told; the next start goes on, once."""
    about = f"{ended.struck}: {ended.code} {ended.out}{ended.error}"
    assert_was_said(ended, about)
    settled = bodies_of(folder)
    assert settled[: len(before)] == before, about
    recorded = sum(parse_entry(body).kind == kind for body in settled[len(before) :])
    assert recorded == 1 if ended.code == 0 else recorded <= 1, about
    assert [str(one) for one in audited(folder).findings] == [], about

    again = run(command, folder, told_in(folder.parent))
    assert again.code == 0, f"{about}\nand then: {again.error}"
    after = bodies_of(folder)
    assert after[: len(settled)] == settled, about
    assert sum(parse_entry(body).kind == kind for body in after[len(before) :]) == 1, about
    assert [str(one) for one in audited(folder, derived=True).findings] == [], about
    assert_vault_opens(folder)


def assert_was_said(ended: Ended, about: str) -> None:
    """Done, or a sentence that says what to do; killed, nothing."""
    assert "Traceback" not in ended.error, about
    if ended.code == KILLED:
        return
    assert ended.code in {0, REFUSED} or ended.error.startswith("lotproof: "), about
    if ended.code == REFUSED:
        assert ended.error.startswith("lotproof: "), about


def bodies_of(folder: Path) -> list[bytes]:
    """Every entry, read as an auditor does: nothing is published by it."""
    engine = connect(Settings(data=folder).ledger_db)
    with reading(engine) as connection:
        bodies = store.read_bodies(connection, 0, store.size(connection))
    engine.dispose()
    return bodies


def assert_vault_opens(folder: Path) -> None:
    """Every value that an entry names is there and opens."""
    ledger = open_ledger(Settings(data=folder))
    with reading(ledger.engine) as connection:
        named = named_items(connection)
    for item in named:
        assert ledger.vault.read(item)
    ledger.close()
