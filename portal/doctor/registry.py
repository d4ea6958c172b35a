"""What a check is, and how all of them are run.

    @check("guard", needs=(database,))
    def guard(situation: Situation) -> Trouble | None: ...

A check gives the trouble that it finds, or raises a LedgerError, whose sentence says what happened and what to do.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from labels.fonts import FOLDER as FONTS
from ledger.errors import LedgerError, storage_error
from ledger.journal.clock import Clock, SystemClock
from ledger.settings import Settings

Standing = Literal["fine", "to do", "not looked at"]
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Situation:
    """All that checks look at. `lock` names the versions that were tested, where this is a checkout."""

    settings: Settings
    port: int = 8000
    clock: Clock = field(default_factory=SystemClock)
    fonts: Path = FONTS
    python: tuple[int, ...] = sys.version_info[:3]
    zones: tuple[str, ...] = ("UTC", "Europe/Berlin", "Asia/Shanghai", "America/New_York")
    lock: Path = Path(__file__).parent.parent.parent / "requirements" / "runtime.txt"
    least_free_bytes: int = GIB
    least_free_inodes: int = 10_000
    timeout_seconds: float = 3.0

    @property
    def is_demo(self) -> bool:
        """Whether nobody relies on it."""
        return self.settings.demo_json.exists()


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is not as it should be, and what to do."""

    said: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What one check found."""

    check: str
    standing: Standing
    said: str = ""
    do: str = ""


Look = Callable[[Situation], Trouble | None]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at; not looked at where one of `needs` failed, or in a mirror if it is `of_ledgers`."""

    name: str
    needs: tuple[Look, ...]
    of_ledgers: bool


CHECKS: dict[Look, Check] = {}


def check(name: str, *, needs: tuple[Look, ...] = (), of_ledgers: bool = False) -> Callable[[Look], Look]:
    """Register a check; those that it needs are registered before it."""

    def register(look: Look) -> Look:
        CHECKS[look] = Check(name, needs, of_ledgers)
        return look

    return register


def examine(situation: Situation) -> list[Told]:
    """What every check found, in the order in which they were registered."""
    told: dict[Look, Told] = {}
    for look, one in CHECKS.items():
        is_kept_back = any(told[needed].standing != "fine" for needed in one.needs)
        if is_kept_back or (one.of_ledgers and situation.settings.mirror_of is not None):
            told[look] = Told(one.name, "not looked at")
        else:
            told[look] = _told(one.name, look, situation)
    return list(told.values())


def _told(name: str, look: Look, situation: Situation) -> Told:
    try:
        trouble = look(situation)
    except LedgerError as error:
        trouble = Trouble(str(error))
    except (SQLAlchemyError, OSError) as error:
        trouble = Trouble(str(storage_error(error) or error))
    return Told(name, "to do", trouble.said, trouble.do) if trouble else Told(name, "fine")
