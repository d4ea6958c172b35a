"""What every history's `env.py` does: run its revisions on the connection that `migrate` hands over."""

from alembic import context, op

REFUSED = "rows of the log are only ever inserted"


def run() -> None:
    """Run the revisions inside the caller's transaction: all of them or none."""
    context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
    context.run_migrations()


def protect(*tables: str) -> None:
    """Have triggers refuse every change of these tables but INSERT."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSED}'; END $$"
        )
        for table in tables:
            _protect_on_postgresql(table)
    else:
        for table in tables:
            _protect_on_sqlite(table)


def _protect_on_sqlite(table: str) -> None:
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        )


def _protect_on_postgresql(table: str) -> None:
    for act in ("UPDATE", "DELETE", "TRUNCATE"):
        trigger = f"{table}_no_{act.lower()}"
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {act} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        # ALWAYS: without it a session that calls itself a replica goes past it.
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
