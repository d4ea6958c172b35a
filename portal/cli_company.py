"""`lotproof init`, `account` and `demo`: a company, and who acts in it."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import click
from sqlalchemy import Engine

from ledger import nouns
from ledger.cli.support import Group, clock_option, json_option, table, to_json
from ledger.database import reading
from ledger.journal.opening import Ledger, create_ledger, open_ledger
from ledger.journal.whereabouts import demand_ledger
from ledger.moments import format_moment
from ledger.people.account import roles_of
from ledger.people.roles import roles
from ledger.settings import Settings
from ledger.state import open_state
from portal.accounts import account_named, accounts, set_password
from portal.cli_lists import names_of_accounts
from portal.demo import load, save
from portal.founding import founding
from portal.names import Names, shown
from portal.passwords import new_password
from portal.second_factor import factors_of, remove_factors
from portal.staff import all_but_auditing, end, give_name, let_in, move_names, set_roles

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
    # First: a name that is refused must not leave half a company.
    shown(name)
    with founding(settings) as new:
        ledger, state = create_ledger(new), open_state(new.state_db)
        vkey = ledger.keys.signer.verifier.to_text()
        _, password = let_in(ledger, state, name, all_but_auditing(), now=datetime.now(UTC))
        state.dispose()
        ledger.close()
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


role_option = click.option(
    "--role",
    "held",
    multiple=True,
    required=True,
    type=click.Choice(list(roles())),
    help="What the account is to do here; may be given more than once.",
)


@click.group(cls=Group)
def account() -> None:
    """Who may sign in and act. Names stay out of the log; there an account is a random id."""


@account.command()
@click.argument("name")
@role_option
@clock_option
def add(name: str, held: tuple[str, ...], accept_clock: bool) -> None:
    """Add an account in some roles; its password is shown once."""
    with _house(accept_clock=accept_clock) as (ledger, state):
        made, password = let_in(ledger, state, name, held, now=datetime.now(UTC))
    click.echo(
        f"Account   {made.name}\nPassword  {password}   (shown this once)\nRoles     {', '.join(held)}"
    )


@account.command("roles")
@click.argument("name")
@role_option
@clock_option
def give_roles(name: str, held: tuple[str, ...], accept_clock: bool) -> None:
    """Have an account act in these roles and no others."""
    with _house(accept_clock=accept_clock) as (ledger, state):
        found = account_named(state, Names.of(ledger), name)
        is_new = set_roles(ledger, found.id, held)
        if not found.name:  # a crash while it was let in: what the vault held of it was swept
            give_name(ledger, state, found.id, name)
    click.echo(f"{found.name or name} {'now acts' if is_new else 'acts already'} as: {', '.join(held)}.")


@account.command("list")
@json_option
def list_accounts(as_json: bool) -> None:
    """List the accounts with their roles, disabled ones included."""
    with _house(accept_clock=True) as (ledger, state), reading(ledger.engine) as connection:
        known = names_of_accounts(ledger, connection)
        rows = [
            {
                "name": one.name or known.get(one.actor, one.id),
                "actor": one.actor,
                "roles": list(roles_of(connection, one.actor)),
                "created": format_moment(one.created_at),
                "disabled": format_moment(one.disabled_at) if one.disabled_at else None,
            }
            for one in accounts(state, Names.of(ledger))
        ]
    if as_json:
        click.echo(to_json(rows))
    else:
        headings = ("name", "actor", "roles", "created", "disabled")
        click.echo(table(headings, [[_cell(row[key]) for key in headings] for row in rows]))


def _cell(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "")


@account.command()
@click.argument("name")
def password(name: str) -> None:
    """Give an account a new password, shown once; its sessions end."""
    fresh = new_password(os.urandom)
    with _house(accept_clock=True) as (ledger, state):
        found = account_named(state, Names.of(ledger), name)
        set_password(state, found.id, fresh)
    click.echo(f"Account   {found.name}\nPassword  {fresh}   (shown this once)")


@account.command()
@click.argument("name")
@click.argument("other")
@clock_option
def rename(name: str, other: str, accept_clock: bool) -> None:
    """Have the account NAME be called OTHER; what the log holds of it stays as it is."""
    with _house(accept_clock=accept_clock) as (ledger, state):
        give_name(ledger, state, account_named(state, Names.of(ledger), name).id, other)
    click.echo(f"{name} is called {other} now.")


@account.command()
@click.argument("name")
@click.option("--remove", is_flag=True, help="Take them all away, where they were lost; the sessions end.")
def factors(name: str, remove: bool) -> None:
    """Say which second factors an account has, or remove them."""
    with _house(accept_clock=True) as (ledger, state):
        found = account_named(state, Names.of(ledger), name)
        had = factors_of(state, found.id)
        if remove:
            remove_factors(state, found.id)
    click.echo(
        f"Account         {found.name}\n"
        f"Codes from app  {'yes' if had.codes_since else 'no'}\n"
        f"Passkeys        {', '.join(one.name for one in had.passkeys) or 'none'}\n"
        f"Recovery codes  {had.recovery_left} left"
    )
    if remove:
        click.echo(
            "All of it was removed: from now on the password is enough."
            if had.is_set
            else "Nothing to remove."
        )


@account.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why. It stands in the log for ever: name nobody.")
@clock_option
def disable(name: str, reason: str, accept_clock: bool) -> None:
    """Let an account sign in and act no more; its sessions end. There is no way back."""
    with _house(accept_clock=accept_clock) as (ledger, state):
        found = account_named(state, Names.of(ledger), name)
        end(ledger, state, found.id, reason, now=datetime.now(UTC))
    click.echo(f"{found.name} can sign in no more.")


@contextmanager
def _house(*, accept_clock: bool) -> Iterator[tuple[Ledger, Engine]]:
    """The ledger, and the accounts' database. Raises what `demand_ledger` and opening raise."""
    with (
        _state() as state,
        closing(open_ledger(Settings.from_env(), accept_long_silence=accept_clock)) as ledger,
    ):
        move_names(ledger, state)
        yield ledger, state


@contextmanager
def _state() -> Iterator[Engine]:
    """The accounts' database of a company that is there. Raises what `demand_ledger` does."""
    settings = Settings.from_env()
    demand_ledger(settings)
    state = open_state(settings.state_db)
    try:
        yield state
    finally:
        state.dispose()
