"""ledger.state: what the migrations make is what the modules declare."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, inspect

import ledger.work
import portal.accounts
import portal.attempts
import portal.heartbeats
import portal.invitations
import portal.limits
import portal.links
import portal.passkeys
import portal.renditions
import portal.second_factor
import portal.tokens
import portal.waiting_sign_ins
import portal.webhooks
from ledger.database import connect
from ledger.state import STATE, open_state


def schema(engine: Engine) -> dict[str, Any]:
    """Tables with their columns, keys, indexes and constraints, as the database tells them."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": [{**column, "type": str(column["type"])} for column in inspector.get_columns(table)],
            "primary key": inspector.get_pk_constraint(table)["constrained_columns"],
            "indexes": sorted(
                (index["name"], index["column_names"], index["unique"])
                for index in inspector.get_indexes(table)
            ),
            "unique": sorted(unique["column_names"] for unique in inspector.get_unique_constraints(table)),
            "foreign keys": sorted(
                (key["constrained_columns"], key["referred_table"], key["referred_columns"])
                for key in inspector.get_foreign_keys(table)
            ),
        }
        for table in sorted(inspector.get_table_names())
        if table != "alembic_version"
    }


def declared_schema(metadata: MetaData) -> dict[str, Any]:
    """The same for tables made from their declarations."""
    engine = connect(None)
    metadata.create_all(engine)
    return schema(engine)


def test_migrating_gives_the_tables_that_the_modules_declare(tmp_path: Path) -> None:
    assert {
        ledger.work.work,
        portal.accounts.sessions,
        portal.attempts.attempts,
        portal.heartbeats.heartbeats,
        portal.invitations.invitations,
        portal.passkeys.passkeys_table,
        portal.second_factor.app_codes,
        portal.limits.limits_table,
        portal.links.link_sessions,
        portal.renditions.renditions,
        portal.tokens.tokens_table,
        portal.waiting_sign_ins.waiting_sign_ins,
        portal.webhooks.webhook_secrets,
    } <= set(STATE.tables.values())
    engine = open_state(tmp_path / "state.db")
    assert schema(engine) == declared_schema(STATE)
    assert sorted(schema(engine)) == [
        "accounts",
        "app_codes",
        "attempts",
        "heartbeats",
        "invitations",
        "limits",
        "link_sessions",
        "passkey_challenges",
        "passkeys",
        "recovery_codes",
        "renditions",
        "second_factor_demand",
        "sessions",
        "tokens",
        "waiting_sign_ins",
        "webhook_secrets",
        "work",
    ]
    engine.dispose()


def test_a_state_that_is_up_to_date_is_opened_as_it_is(tmp_path: Path) -> None:
    first = open_state(tmp_path / "state.db")
    second = open_state(tmp_path / "state.db")
    assert schema(second) == schema(first)
    first.dispose()
    second.dispose()
