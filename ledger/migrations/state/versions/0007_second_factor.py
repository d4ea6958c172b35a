"""Second factors: an app's codes, recovery codes, passkeys, sign-ins that wait for one, the company's rule."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("confirmed_at", sa.String(24)))
    op.create_table(
        "app_codes",
        sa.Column("account", sa.String(16), sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("secret", sa.String, nullable=False),
        sa.Column("confirmed_at", sa.String(24)),
        sa.Column("last_step", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("account", sa.String(16), sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("code_hash", sa.String(64), primary_key=True),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("account", sa.String(16), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("public_key", sa.String, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.String(24), nullable=False),
        sa.Column("last_used_at", sa.String(24)),
    )
    op.create_index("passkeys_account", "passkeys", ["account"])
    op.create_table(
        "passkey_challenges",
        sa.Column("challenge", sa.String(43), primary_key=True),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("account", sa.String(16), nullable=False),
        sa.Column("nonce", sa.String(43), nullable=False),
        sa.Column("ends_at", sa.String(24), nullable=False),
    )
    op.create_index("passkey_challenges_ends_at", "passkey_challenges", ["ends_at"])
    op.create_table(
        "waiting_sign_ins",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(16), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("guesses", sa.Integer, nullable=False),
        sa.Column("ends_at", sa.String(24), nullable=False),
    )
    op.create_index("waiting_sign_ins_ends_at", "waiting_sign_ins", ["ends_at"])
    op.create_table(
        "second_factor_demand",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("since", sa.String(24), nullable=False),
        sa.Column("actor", sa.String, nullable=False),
    )
