"""`lotproof init`, `account` and `demo`: a company, and who acts in it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from sqlalchemy import Engine

from ledger import nouns
from ledger.cli.support import Group, json_option, table, to_json
from ledger.journal.opening import NothingThere, create_ledger
from ledger.moments import format_moment
from ledger.settings import Settings
from ledger.state import open_state
from portal.accounts import account_named, accounts, add_account, disable_account, set_password
from portal.demo import load, save
from portal.founding import founding
from portal.passwords import new_password

assert nouns  # imported so that the new database is made for every noun

NEXT = """\
What comes next:
  lotproof seller describe --brand … --company …    who you are, on labels and pages
  lotproof product register --code … --name …       what you sell
  lotproof batch produce --help                     what was made, and from which lots
  lotproof serve                                    portal and console on http://127.0.0.1:8000"""


@click.command()
@click.option("--host", metavar="NAME", help="The name that labels point at, such as lots.example.")
@click.option("--origin", metavar="NAME", help="The log's name; HOST/log if not given.")
@click.option("--log-entries", type=click.Choice(["token", "open"]), help="Who may read the log's entries.")
@click.option("--account", "name", prompt="Your name", metavar="NAME", help="The first account.")
def init(host: str | None, origin: str | None, log_entries: str | None, name: str) -> None:
    """Make an empty company: keys, databases, a log with its first entry, and a first account."""
    given = {"LOTPROOF_HOST": host, "LOTPROOF_ORIGIN": origin, "LOTPROOF_LOG_ENTRIES": log_entries}
    settings = Settings.from_env({**os.environ, **{key: value for key, value in given.items() if value}})
    # Tried in memory first: a name that is refused must not leave half a company.
    add_account(open_state(None), name, new_password(os.urandom), now=datetime.now(UTC))
    with founding(settings) as new:
        ledger = create_ledger(new)
        vkey = ledger.keys.signer.verifier.to_text()
        ledger.close()
        state = open_state(new.state_db)
        password = _add(state, name)
        state.dispose()
    click.echo(f"An empty company is in {settings.data}.\n")
    click.echo(f"Host      {settings.host}\nLog       {settings.origin}\nLog key   {vkey}\n")
    click.echo(f"Account   {name.strip()}\nPassword  {password}   (shown this once)\n\n{NEXT}")


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="Where it will be served, for demo.json.")
def demo(port: int | None) -> None:
    """Tell the demo's story into an empty LOTPROOF_DATA, and end."""
    settings = Settings.from_env()
    is_new = not settings.has_ledger
    facts = load(settings, progress=click.echo)
    if port is not None:
        save(settings, facts.at(port))
    if is_new:
        click.echo(f"The demo is in {settings.data}. Start it with: lotproof run")


@click.group(cls=Group)
def account() -> None:
    """Who may sign in and act. Names stay out of the log; there an account is a random id."""


@account.command()
@click.argument("name")
def add(name: str) -> None:
    """Add an account; its password is shown once."""
    with _state() as state:
        password = _add(state, name)
    click.echo(f"Account   {name.strip()}\nPassword  {password}   (shown this once)")


@account.command("list")
@json_option
def list_accounts(as_json: bool) -> None:
    """List the accounts, disabled ones included."""
    with _state() as state:
        rows = [
            {
                "name": one.name,
                "actor": one.actor,
                "created": format_moment(one.created_at),
                "disabled": format_moment(one.disabled_at) if one.disabled_at else None,
            }
            for one in accounts(state)
        ]
    if as_json:
        click.echo(to_json(rows))
    else:
        headings = ("name", "actor", "created", "disabled")
        click.echo(table(headings, [[row[key] or "" for key in headings] for row in rows]))


@account.command()
@click.argument("name")
def password(name: str) -> None:
    """Give an account a new password, shown once; its sessions end."""
    fresh = new_password(os.urandom)
    with _state() as state:
        found = account_named(state, name)
        set_password(state, found.id, fresh)
    click.echo(f"Account   {found.name}\nPassword  {fresh}   (shown this once)")


@account.command()
@click.argument("name")
def disable(name: str) -> None:
    """Let an account sign in and act no more; its sessions end."""
    with _state() as state:
        found = account_named(state, name)
        disable_account(state, found.id, now=datetime.now(UTC))
    click.echo(f"{found.name} can sign in no more.")


def _add(state: Engine, name: str) -> str:
    fresh = new_password(os.urandom)
    add_account(state, name, fresh, now=datetime.now(UTC))
    return fresh


@contextmanager
def _state() -> Iterator[Engine]:
    """The accounts' database of a company that is there. Raises NothingThere."""
    settings = Settings.from_env()
    if not settings.has_ledger:
        raise NothingThere(folder=settings.data)
    state = open_state(settings.state_db)
    try:
        yield state
    finally:
        state.dispose()
