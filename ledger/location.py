"""Where a database is: a file of SQLite's, a schema of a PostgreSQL database, or nowhere (in memory).

    LOTPROOF_DATABASE_URL=postgresql://lotproof:secret@db.example/lotproof?sslmode=verify-full

An address is taken apart here once and never shown again: it may hold a password.
"""

from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from ledger.errors import LedgerError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
DRIVER = "postgresql+psycopg"


class InvalidDatabaseUrl(LedgerError):
    """The address of a database is none; the value is not shown, because a password may stand in it."""

    message = (
        "{name} is no address of a PostgreSQL database: {reason}. Write it like this: "
        "postgresql://user:password@db.example:5432/lotproof, with % and two digits for special characters in "
        "the password. Leave it empty to keep everything in files."
    )


@dataclass(frozen=True, slots=True)
class Postgres:
    """One schema of a PostgreSQL database. `url` may hold a password, so that no text shows it."""

    url: str = field(repr=False)
    schema: str

    def __str__(self) -> str:
        """The database as a person may see it: without user and password."""
        url = make_url(self.url)
        return f"PostgreSQL {url.database} at {url.host or url.query.get('host', 'this machine')}"


# None is a scratch database in memory.
Location = Path | Postgres | None


def parse_database_url(name: str, value: str) -> str:
    """`value` in the form that SQLAlchemy takes. Raises InvalidDatabaseUrl, which names the variable alone."""
    try:
        url = make_url(value)
        port = url.port or 5432
    except (ArgumentError, ValueError):
        # The cause is not kept: its words repeat the address.
        raise InvalidDatabaseUrl(name=name, reason="it cannot be read") from None
    _check(name, url, port)
    return url.set(drivername=DRIVER).render_as_string(hide_password=False)


def _check(name: str, url: URL, port: int) -> None:
    if url.drivername not in SCHEMES:
        raise InvalidDatabaseUrl(name=name, reason="it does not begin with postgresql://")
    if not url.database:
        raise InvalidDatabaseUrl(name=name, reason="it names no database")
    if not 0 < port < 65_536:
        raise InvalidDatabaseUrl(name=name, reason="its port is out of range")
