"""The databases, and what must agree with them: guard, keys, vault, clock, worker, backup."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import orjson
from sqlalchemy import Engine

from ledger.audit.finding import Findings
from ledger.audit.schema import check_schema
from ledger.database import connect, reading, refuse_other
from ledger.journal.clock import LEAP, LONG_SILENCE, SMALL_STEP, ClockAhead, ClockBehind
from ledger.journal.publish import GuardEmpty, LogBehindGuard
from ledger.journal.whereabouts import demand_ledger, is_lost, refuse_lost_log, refuse_lost_vault
from ledger.keys.keys import Keys
from ledger.location import Location
from ledger.log import store
from ledger.log.guard import Guard
from ledger.moments import parse_moment
from ledger.vault.vault import open_vault
from portal.doctor.machine import folder
from portal.doctor.registry import Situation, Trouble, check
from portal.heartbeats import BACKUP, WORKER, boot_id, last_beat

WORKER_SEEN_WITHIN = timedelta(minutes=5)  # it says so every minute
BACKUP_WITHIN = timedelta(days=2)


@contextmanager
def _opened(location: Location) -> Iterator[Engine]:
    engine = connect(location)
    try:
        yield engine
    finally:
        engine.dispose()


@check("database")
def database(situation: Situation) -> Trouble | None:
    """There is a ledger, its server lets us in, and there are entries. Raises what opening it raises."""
    demand_ledger(situation.settings)
    with _opened(situation.settings.ledger_db) as engine:
        refuse_lost_log(situation.settings, engine)
    return None


@check("migrations", needs=(database,))
def migrations(situation: Situation) -> Trouble | None:
    """The log's tables are those of this version. Raises MigrationNeeded, DatabaseNewer."""
    with _opened(situation.settings.ledger_db) as engine:
        refuse_other(engine, "lotproof")
    return None


@check("triggers", needs=(migrations,))
def triggers(situation: Situation) -> Trouble | None:
    """What keeps the log's rows from being changed stands as the migrations made it."""
    findings = Findings()
    with _opened(situation.settings.ledger_db) as engine, reading(engine) as connection:
        check_schema(connection, findings)
    if findings.found:
        return Trouble(
            str(findings.found[0]), "Look for changes: lotproof audit. It says what each may mean."
        )
    return None


@check("state", needs=(folder,), of_ledgers=True)
def state(situation: Situation) -> Trouble | None:
    """Accounts and sessions are there, in tables of this version. Raises MigrationNeeded, DatabaseNewer."""
    place = situation.settings.state_db
    if is_lost(place):
        return Trouble(
            f"{place} is missing: nobody can sign in.",
            "Put it back from a backup of the vault, or begin anew: lotproof account add NAME --role admin",
        )
    with _opened(place) as engine:
        refuse_other(engine, "state")
    return None


@check("guard", needs=(migrations,), of_ledgers=True)
def guard(situation: Situation) -> Trouble | None:
    """The guard holds a checkpoint of this log. Raises GuardMissing, GuardDamaged, LogBehindGuard."""
    guarded = Guard(situation.settings.guard).read()
    with _opened(situation.settings.ledger_db) as engine, reading(engine) as connection:
        size = store.size(connection)
        if guarded.note is None:
            raise GuardEmpty(size=size)
        if store.note_at(connection, guarded.size) != guarded.note:
            raise LogBehindGuard(size=size, published=guarded.size)
    return None


@check("keys", needs=(folder,), of_ledgers=True)
def keys(situation: Situation) -> Trouble | None:
    """All keys are there and the master key opens them. Raises KeyMissing, KeyLocked …"""
    Keys.open(situation.settings.keys, master_key_file=situation.settings.master_key_file)
    return None


@check("vault", needs=(keys,), of_ledgers=True)
def vault(situation: Situation) -> Trouble | None:
    """The vault is there and the master key opens it. Raises VaultMissing, WrongMasterKey, MigrationNeeded."""
    settings = situation.settings
    refuse_lost_vault(settings)
    with _opened(settings.vault_db) as engine:
        refuse_other(engine, "vault")
    opened = Keys.open(settings.keys, master_key_file=settings.master_key_file)
    open_vault(settings.vault_db, *opened.masters()).engine.dispose()
    return None


@check("clock", needs=(migrations,), of_ledgers=True)
def clock(situation: Situation) -> Trouble | None:
    """This machine's clock fits the last entry. Raises ClockBehind, ClockAhead."""
    now, last = situation.clock.now(), _last_entry(situation)
    if now < last - SMALL_STEP:
        raise ClockBehind(now=now, last=last)
    if now > last + LONG_SILENCE and not situation.is_demo:
        raise ClockAhead(now=now, last=last)
    return None


def _last_entry(situation: Situation) -> datetime:
    with _opened(situation.settings.ledger_db) as engine, reading(engine) as connection:
        body = store.read_body(connection, store.size(connection) - 1)
    assert body is not None
    return parse_moment(orjson.loads(body)["at"])


@check("uptime", needs=(state,), of_ledgers=True)
def uptime(situation: Situation) -> Trouble | None:
    """The clock went as the machine's uptime did since the worker last looked at both."""
    with _opened(situation.settings.state_db) as engine:
        seen = last_beat(engine, WORKER)
    if seen is None or seen.boot != boot_id():
        return None
    by_clock = (situation.clock.now() - seen.at).total_seconds()
    leapt = by_clock - (situation.clock.uptime() - seen.uptime)
    if abs(leapt) > LEAP.total_seconds():
        said = f"The clock moved by {leapt:.0f} s against the machine's uptime since {seen.at:%Y-%m-%d %H:%M} UTC."
        return Trouble(
            said, "Set the clock, have a time service keep it (chrony, systemd-timesyncd), then restart."
        )
    return None


@check("worker", needs=(state,), of_ledgers=True)
def worker(situation: Situation) -> Trouble | None:
    """A worker did its round lately: without one nothing is sealed, and no label made."""
    with _opened(situation.settings.state_db) as engine:
        seen = last_beat(engine, WORKER)
    if seen is None:
        return Trouble("No worker was ever seen.", "Start it: lotproof worker")
    if situation.clock.now() - seen.at > WORKER_SEEN_WITHIN:
        return Trouble(
            f"The worker was last seen at {seen.at:%Y-%m-%d %H:%M} UTC.", "Start it: lotproof worker"
        )
    return None


@check("backup", needs=(state,), of_ledgers=True)
def backup(situation: Situation) -> Trouble | None:
    """The newest backup, where `lotproof backup` made one, is no older than two days."""
    with _opened(situation.settings.state_db) as engine:
        made = last_beat(engine, BACKUP)
    if made is not None and situation.clock.now() - made.at > BACKUP_WITHIN:
        said = f"The newest backup was made at {made.at:%Y-%m-%d %H:%M} UTC."
        return Trouble(
            said, "Make one, and have it made every day: lotproof backup DIR --vault DIR --keys DIR"
        )
    return None
