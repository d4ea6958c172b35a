"""A seller's ledger, made once and opened by every process: database, keys, guard, files, vault and journal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from msgspec import Meta
from sqlalchemy import Engine

from ledger.database import connect, is_postgresql, migrate, reading, server_time, writing
from ledger.errors import Refused
from ledger.files import Files
from ledger.installing import make_databases
from ledger.journal.clock import Clock, DatabaseClock, SystemClock
from ledger.journal.events import FIRST_MAP_ROOT, ClockCorrected, LogOpened, StatedMap
from ledger.journal.fields import Prose, ask
from ledger.journal.journal import By, Journal, read_recorded
from ledger.journal.projections import note_versions
from ledger.journal.publish import SEALER
from ledger.journal.registry import NOUNS, Request, command
from ledger.journal.transaction import Tx
from ledger.journal.turnstile import OpenGate, Turnstile
from ledger.journal.whereabouts import NothingThere as NothingThere
from ledger.journal.whereabouts import demand_ledger, refuse_lost_log, refuse_lost_vault
from ledger.keys.keys import Keys
from ledger.log.closing import refuse_closed
from ledger.log.guard import Guard
from ledger.settings import Settings
from ledger.vault.vault import Vault, open_vault

FORMAT = "lotproof-log/1"


class AlreadyThere(Refused):
    """Something already lives in the folder."""

    message = "There is a ledger in {folder} already. Choose another folder with LOTPROOF_DATA."


class DatabaseTaken(Refused):
    """The database holds a log, made with other keys."""

    message = (
        "There is a log in {database} already. Choose another database with LOTPROOF_DATABASE_URL. If it is only what "
        "an init or import left that broke off, remove it and type that again: "
        "DROP SCHEMA IF EXISTS ledger, state, vault CASCADE."
    )


class MirrorIsReadOnly(Refused):
    """Somebody else's log stands here as a copy, without its keys."""

    message = (
        "{folder} is a mirror of {origin}: it can be read, and nothing is recorded or served from it. To bring it up "
        "to date: lotproof log import DIR. To show it to others, serve the files that lotproof log export DIR writes."
    )


class OpenLog(Request, frozen=True):
    """Open a new log."""

    demo: bool
    origin: str
    vkey: str


@command("log.open")
def open_log(tx: Tx, request: OpenLog) -> None:
    """The first entry, which says what this log is: a demo's can never pass for a real one."""
    log = tx.new_id()
    first = StatedMap(leaves=1, root=FIRST_MAP_ROOT, version=0)
    opened = LogOpened(
        demo=request.demo,
        format=FORMAT,
        log=log,
        map=first,
        origin=request.origin,
        product="lotproof",
        vkey=request.vkey,
    )
    tx.record(opened, f"log:{log}")


class CorrectClock(Request, frozen=True):
    """Record that the clock was wrong and has been set. Only then may an entry be earlier than the last."""

    reason: Annotated[Prose, Meta(min_length=1), ask("What was wrong", "And what set it right.")]


@command("log.correct_clock", may_step_back=True)
def correct_clock(tx: Tx, request: CorrectClock) -> None:
    """The entries before keep the times they have: order is the index."""
    opened = read_recorded(tx.connection, 0).event
    assert isinstance(opened, LogOpened)
    tx.record(ClockCorrected(reason=request.reason), f"log:{opened.log}")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Everything a process needs of a seller's ledger."""

    settings: Settings
    engine: Engine
    keys: Keys
    guard: Guard
    files: Files
    vault: Vault
    clock: Clock
    journal: Journal

    def opened(self) -> LogOpened:
        """What the first entry says."""
        event = self.journal.read(0).event
        assert isinstance(event, LogOpened)
        return event

    def close(self) -> None:
        """Give connections and descriptors back."""
        self.journal.close()
        self.engine.dispose()
        self.vault.engine.dispose()


OnOpening = Callable[[Ledger], object]
Step = TypeVar("Step", bound=OnOpening)
WHEN_OPENED: list[OnOpening] = []


def when_opened(step: Step) -> Step:
    """Register what a higher floor does whenever a ledger is opened: it finishes there what a crash left."""
    WHEN_OPENED.append(step)
    return step


def create_ledger(settings: Settings, *, demo: bool = False, clock: Clock | None = None) -> Ledger:
    """Make an empty ledger in an empty folder and open it. Raises AlreadyThere."""
    settings.prepare()
    if settings.has_ledger:
        raise (
            DatabaseTaken(database=settings.ledger_db)
            if settings.database_url
            else AlreadyThere(folder=settings.data)
        )
    Keys.create(settings.keys, settings.origin, master_key_file=settings.master_key_file)
    Guard(settings.guard).create()
    make_databases(settings)
    engine = connect(settings.ledger_db)
    with writing(engine) as connection:
        note_versions(connection, tuple(NOUNS.values()))
    engine.dispose()
    ledger = _open(settings, clock, accept_long_silence=False)
    vkey = ledger.keys.signer.verifier.to_text()
    ledger.journal.write(open_log, OpenLog(demo=demo, origin=settings.origin, vkey=vkey), By(SEALER))
    return ledger


def open_ledger(
    settings: Settings,
    *,
    clock: Clock | None = None,
    accept_long_silence: bool = False,
    guard: Guard | None = None,
) -> Ledger:
    """Open the ledger that the settings point at, and publish what a crash left unpublished.

    `guard` stands in for the one in the folder of data, where that one is to be replaced.
    Raises NothingThere, DatabaseMissing, LogMissing, VaultMissing, MirrorIsReadOnly, RebuildNeeded, and what stands in
    the way of reading keys or guard.
    """
    if settings.mirror_of is not None:
        raise MirrorIsReadOnly(folder=settings.data, origin=settings.origin)
    demand_ledger(settings)
    ledger = _open(settings, clock, accept_long_silence=accept_long_silence, guard=guard)
    try:
        with reading(ledger.engine) as connection:
            refuse_closed(connection)
        ledger.journal.recover()
        for step in WHEN_OPENED:
            step(ledger)
    except BaseException:
        ledger.close()
        raise
    return ledger


def _open(
    settings: Settings, clock: Clock | None, *, accept_long_silence: bool, guard: Guard | None = None
) -> Ledger:
    keys = Keys.open(settings.keys, master_key_file=settings.master_key_file)  # first: nothing is open yet
    refuse_lost_vault(settings)
    engine = _engine(settings)
    clock = clock or _clock_of(engine)
    files = Files(settings.files)
    guard = guard or Guard(settings.guard)
    journal = Journal(
        engine=engine,
        signer=keys.signer,
        read_signers=keys.signers,
        guard=guard,
        files=files,
        turnstile=OpenGate() if is_postgresql(engine) else Turnstile(settings.data),
        clock=clock,
        accept_long_silence=accept_long_silence,
    )
    vault = open_vault(settings.vault_db, *keys.masters())
    return Ledger(settings, engine, keys, guard, files, vault, clock, journal)


def _engine(settings: Settings) -> Engine:
    """The log's database, up to date. Raises LogMissing, MigrationNeeded, DatabaseNewer."""
    engine = connect(settings.ledger_db)
    try:
        refuse_lost_log(settings, engine)  # before tables are made in it
        migrate(engine, "lotproof")
    except BaseException:
        engine.dispose()
        raise
    return engine


def _clock_of(engine: Engine) -> Clock:
    return DatabaseClock(server_time(engine)) if is_postgresql(engine) else SystemClock()
