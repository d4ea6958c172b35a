"""`python -m tests.catalogue`: how our migrations build a schema on PostgreSQL, written down for the audit."""

from ledger.audit.catalogue import KEPT, format_catalogue, read_catalogue
from ledger.database import connect, reading
from ledger.database.migrating import make_schema
from ledger.location import Postgres
from tests.postgres import Server


def made_by_migrations(url: str) -> str:
    """The text of `catalogue.json` for a schema that is made this moment in the empty database at `url`."""
    location = Postgres(url, "ledger")
    engine = connect(location)
    try:
        make_schema(engine, location, "lotproof", runner="postgres")
        with reading(engine) as connection:
            return format_catalogue(read_catalogue(connection))
    finally:
        engine.dispose()


if __name__ == "__main__":
    server = Server.start()
    try:
        with server.database() as url:
            KEPT.write_text(made_by_migrations(url), encoding="utf-8")
    finally:
        server.close()
