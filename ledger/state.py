"""state.db: what may be lost without losing evidence: secrets of accounts, sessions, limits, leased work.

Each module that keeps state declares its own tables on `STATE`; `migrations/state` makes them.
"""

from sqlalchemy import Engine, MetaData

from ledger.database import connect, migrate
from ledger.location import Location

STATE = MetaData()


def open_state(location: Location) -> Engine:
    """The state's database there, created or brought up to date; in memory for None."""
    engine = connect(location)
    migrate(engine, "state")
    return engine
