"""The three databases of an installation, made or brought up to date by whoever owns them.

On PostgreSQL that is the role of LOTPROOF_OWNER_URL, and the role of LOTPROOF_DATABASE_URL is given what it needs to
run: of the log's tables SELECT and INSERT, of the others UPDATE and DELETE besides. With one address, one role does
both.
"""

from sqlalchemy import make_url

from ledger.database import connect, make_schema, migrate
from ledger.location import Location, Postgres
from ledger.settings import Settings


def make_databases(settings: Settings) -> None:
    """Make all three, or bring them to the newest revision; what is there already stays.

    Raises DatabaseUnreachable, DatabaseNewer, WrongCollation.
    """
    owner = settings.as_owner()
    make_ledger_database(settings)
    for location, history in ((owner.state_db, "state"), (owner.vault_db, "vault")):
        _make(location, history, settings.database_url)


def make_ledger_database(settings: Settings) -> None:
    """The same for the log and what is derived from it alone: all that a mirror has."""
    _make(settings.as_owner().ledger_db, "lotproof", settings.database_url)


def _make(location: Location, history: str, runner_url: str | None) -> None:
    engine = connect(location)
    try:
        if isinstance(location, Postgres):
            runner = make_url(runner_url or location.url).username or ""
            make_schema(engine, location, history, runner=runner)
        else:
            migrate(engine, history)
    finally:
        engine.dispose()
