"""Who read what: rows that are only ever inserted, and the wrapped key of their chain. No nonce twice under a key."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

REFUSED = "accesses are only ever inserted"


def upgrade() -> None:
    op.create_table(
        "accesses",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("actor", sa.String, nullable=False),
        sa.Column("person", sa.String(16), nullable=False),
        sa.Column("item", sa.String(16), nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_index("accesses_person", "accesses", ["person"])
    op.create_table(
        "vault_keys",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
    )
    op.create_index("items_nonce", "items", ["person", "nonce"], unique=True)
    if op.get_bind().dialect.name == "postgresql":
        _protect_on_postgresql()
    else:
        _protect_on_sqlite()


def _protect_on_sqlite() -> None:
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER accesses_no_{act.lower()} BEFORE {act} ON accesses "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        )


def _protect_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change_of_accesses() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSED}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER accesses_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON accesses "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_accesses()"
    )
