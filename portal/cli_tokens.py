"""`lotproof token`: who may read the log's entries over the web."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from sqlalchemy import Engine

from ledger.cli.support import Group, json_option, table, to_json
from ledger.journal.whereabouts import demand_ledger
from ledger.moments import format_moment
from ledger.settings import Settings
from ledger.state import open_state
from portal.tokens import issue, revoke, tokens


@click.group(cls=Group)
def token() -> None:
    """Tokens for auditors: with one they read the log's entries, and nothing else."""


@token.command()
@click.argument("name")
@json_option
def add(name: str, as_json: bool) -> None:
    """Issue a token for NAME and show it, this once."""
    with _state() as state:
        issued = issue(state, name, now=datetime.now(UTC))
    if as_json:
        click.echo(to_json({"name": name.strip(), "token": issued}))
    else:
        click.echo(f"{issued}\n(shown this once; to be sent as the header “Authorization: Bearer …”)")


@token.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """Show whom tokens were issued to."""
    with _state() as state:
        issued = tokens(state)
    if as_json:
        click.echo(to_json(issued))
    else:
        rows = [
            (one.name, format_moment(one.created_at), format_moment(one.revoked_at) if one.revoked_at else "")
            for one in issued
        ]
        click.echo(table(("Name", "Issued", "Revoked"), rows))


@token.command("revoke")
@click.argument("name")
@json_option
def revoke_token(name: str, as_json: bool) -> None:
    """Make the token of NAME worthless."""
    with _state() as state:
        revoke(state, name, now=datetime.now(UTC))
    click.echo(to_json({"revoked": name}) if as_json else f"The token of {name} opens nothing any more.")


@contextmanager
def _state() -> Iterator[Engine]:
    settings = Settings.from_env()
    demand_ledger(settings)
    state = open_state(settings.state_db)
    try:
        yield state
    finally:
        state.dispose()
