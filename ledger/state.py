"""state.db: what may be lost without losing evidence: secrets of accounts, sessions, limits, leased work.

Each module that keeps state declares its own tables on `STATE`; `migrations/state` makes them.
"""

from pathlib import Path

from sqlalchemy import Engine, MetaData

from ledger.database import connect, migrate

STATE = MetaData()


def open_state(path: Path | None) -> Engine:
    """The state's database at `path`, created or brought up to date; in memory for None."""
    engine = connect(path)
    migrate(engine, "state")
    return engine
