"""What is PostgreSQL's alone: connections, and whether our tables are there. Used by `ledger.database` only."""

from sqlalchemy import Connection, Engine, create_engine, make_url, text

from ledger.location import Postgres

CONNECT_SECONDS = 10
LOCK_TIMEOUT_MS = 30_000

_HISTORY = text("SELECT to_regclass(:name) IS NOT NULL")


def connect_postgresql(location: Postgres) -> Engine:
    """An engine whose connections see this schema alone. Transactions begin when `reading` or `writing` says so."""
    url = make_url(location.url)
    given = url.query.get("options", "")
    options = f"{given} -csearch_path={location.schema} -clock_timeout={LOCK_TIMEOUT_MS}"
    return create_engine(
        url.update_query_dict({"options": options.strip()}),
        isolation_level="AUTOCOMMIT",  # BEGIN and COMMIT are said by `ledger.database`, as on SQLite
        connect_args={"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8"},
        pool_reset_on_return=None,
    )


def has_history(connection: Connection, schema: str) -> bool:
    """Whether migrations ever ran in this schema."""
    return bool(connection.execute(_HISTORY, {"name": f"{schema}.alembic_version"}).scalar_one())
