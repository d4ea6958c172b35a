"""When something last happened that an operator would miss: a worker's round, a backup. What `doctor` reads."""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Column, Engine, Float, String, Table, delete, insert, select

from ledger.database import reading, writing
from ledger.journal.clock import Clock
from ledger.moments import Moment
from ledger.state import STATE

WORKER, BACKUP = "worker", "backup"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux, random(4): another one after every boot

heartbeats = Table(
    "heartbeats",
    STATE,
    Column("name", String, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("uptime", Float, nullable=False),  # seconds since boot: a clock that leapt differs from it
    Column("boot", String, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When it happened, by the clock and by the machine's uptime, and since which boot."""

    at: datetime
    uptime: float
    boot: str


def beat(engine: Engine, name: str, clock: Clock) -> None:
    """It happened now."""
    values = {"name": name, "at": clock.now(), "uptime": clock.uptime(), "boot": boot_id()}
    with writing(engine) as connection:
        connection.execute(delete(heartbeats).where(heartbeats.c.name == name))
        connection.execute(insert(heartbeats).values(values))


def last_beat(engine: Engine, name: str) -> Heartbeat | None:
    """When it last happened; None: never, or not since a restore."""
    columns = (heartbeats.c.at, heartbeats.c.uptime, heartbeats.c.boot)
    with reading(engine) as connection:
        row = connection.execute(select(*columns).where(heartbeats.c.name == name)).one_or_none()
    return None if row is None else Heartbeat(*row)


def boot_id() -> str:
    """Which boot of the machine this is; where the system has no name for it, the moment it began."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return f"{(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)) // 60:.0f}"
