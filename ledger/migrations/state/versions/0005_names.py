"""Names of staff move into the vault: here stay the vault's item and a keyed digest."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("accounts") as accounts:
        # Accounts of before keep their name here until the portal opens and moves it.
        accounts.alter_column("name", nullable=True, existing_type=sa.String)
        accounts.drop_column("name_key")
        accounts.add_column(sa.Column("name_item", sa.String(16)))
        accounts.add_column(sa.Column("name_digest", sa.String(64)))
    op.create_index("accounts_name_digest", "accounts", ["name_digest"], unique=True)
