"""What every history's `env.py` does: run its revisions on the connection that `migrate` hands over."""

from alembic import context


def run() -> None:
    """Run the revisions inside the caller's transaction: all of them or none."""
    context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
    context.run_migrations()
