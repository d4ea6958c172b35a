"""Whether this process is alive, and whether it can do its work: for proxies and supervisors, who know no secrets.

The answers name what is wrong in one word each and no more, because anybody may ask: `lotproof doctor` tells the rest.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.journal.opening import Ledger
from ledger.keys.keys import Keys
from ledger.work import work
from portal.services import EXTENSION

ALIVE = {"lotproof": "alive"}  # by which `doctor` tells our server from another's
LEAST_FREE_BYTES = 100 * 1024 * 1024  # below it SQLite may fail in the middle of a day
KEPT_SECONDS = 1.0  # one look a second, however often strangers ask
_KEPT = "lotproof-readiness"

health = Blueprint("health", __name__)


class House(Protocol):
    """What is looked at."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def state(self) -> Engine: ...


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found: `checks` by name, each whether it went well."""

    checks: dict[str, bool]
    until: float  # by the monotonic clock

    @property
    def is_ready(self) -> bool:
        """Whether all went well."""
        return all(self.checks.values())


@health.get("/healthz")
def alive() -> Response:
    """This process answers. Reads nothing."""
    return _private(jsonify(ALIVE))


@health.get("/readyz")
def ready() -> Response:
    """Whether this process can answer and record: 200, or 503 with what fails."""
    kept: Readiness | None = current_app.extensions.get(_KEPT)
    if kept is None or kept.until < time.monotonic():
        house = cast(House, current_app.extensions[EXTENSION])
        kept = current_app.extensions[_KEPT] = look(house)
    told = {name: "ok" if is_fine else "fails" for name, is_fine in kept.checks.items()}
    response = _private(jsonify(ready=kept.is_ready, checks=told))
    response.status_code = 200 if kept.is_ready else 503
    return response


def look(house: House) -> Readiness:
    """Try each of CHECKS."""
    return Readiness(
        {name: _goes_well(check, house) for name, check in CHECKS.items()}, time.monotonic() + KEPT_SECONDS
    )


def _goes_well(check: Callable[[House], bool], house: House) -> bool:
    try:
        return check(house)
    except (LedgerError, SQLAlchemyError, OSError, LookupError):
        return False


def _database(house: House) -> bool:
    with reading(house.ledger.engine) as connection:
        return house.ledger.journal.standing(connection).size > 0


def _state(house: House) -> bool:
    with reading(house.state) as connection:
        connection.execute(select(work.c.id).limit(1)).all()
    return True


def _guard(house: House) -> bool:
    """The guard holds the newest checkpoint, or an earlier one that it can be advanced from."""
    with reading(house.ledger.engine) as connection:
        return not house.ledger.journal.standing(connection).is_old


def _disk(house: House) -> bool:
    return shutil.disk_usage(house.ledger.settings.data).free >= LEAST_FREE_BYTES


def _master_key(house: House) -> bool:
    """Read afresh: the file may be gone, or replaced, since this process began."""
    settings = house.ledger.settings
    Keys.open(settings.keys, master_key_file=settings.master_key_file)
    house.ledger.vault.check_master_key()
    return True


CHECKS: dict[str, Callable[[House], bool]] = {
    "database": _database,
    "state": _state,
    "guard": _guard,
    "disk": _disk,
    "master_key": _master_key,
}


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
