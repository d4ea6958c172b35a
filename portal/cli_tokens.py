"""`lotproof token`: access for programs, and for auditors and counsel who follow a link."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import get_args

import click
from sqlalchemy import Engine

from ledger import nouns
from ledger.cli.support import Group, clock_option, json_option, table, to_json
from ledger.database import reading
from ledger.journal.opening import Ledger, open_ledger
from ledger.journal.whereabouts import demand_ledger
from ledger.moments import format_moment
from ledger.people.token import Issued, list_issued
from ledger.settings import Settings
from ledger.state import open_state
from ledger.trace.seller import get_seller
from portal.about import subject_named
from portal.tokens import NewToken, Token, Use, Wanted, end_of, issue, revoke, token_named, tokens

assert nouns  # imported so that every command is registered

ONLY_ENTRIES = "reads the log's entries"  # all that a token of the time before may
HEADINGS = ("Name", "For", "May", "About", "Until", "Last used", "Revoked")


@click.group(cls=Group)
def token() -> None:
    """Access for others: programs by a token, auditors and counsel by a link. Each ends; none is kept for ever."""


@token.command("issue")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="A role, see:AREA, do:COMMAND or do:NOUN.*; may be given more than once.",
)
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The last day on which it works."
)
@click.option(
    "--for",
    "use",
    type=click.Choice(get_args(Use)),
    default="program",
    show_default=True,
    help="All but programs get a link.",
)
@click.option(
    "--about", metavar="NOUN:CODE", help="Do nothing about anything else, such as recall:R-2025-01."
)
@clock_option
@json_option
def issue_one(
    name: str,
    scopes: tuple[str, ...],
    until: datetime,
    use: Use,
    about: str | None,
    accept_clock: bool,
    as_json: bool,
) -> None:
    """Issue a token for NAME and show it, this once."""
    with _house(accept_clock=accept_clock) as (ledger, state):
        with reading(ledger.engine) as connection:
            seller = get_seller(connection)
            subject = subject_named(connection, about) if about else None
        ends_at = end_of(until.date(), seller.zone if seller else "UTC")
        wanted = Wanted(name, use, scopes, ends_at, subject)
        made = issue(ledger, state, wanted, now=ledger.clock.now())
        link = f"https://{ledger.settings.host}/console/link/{made.secret}"
    if as_json:
        click.echo(to_json({"name": made.token.name, "actor": made.token.actor, "token": made.secret}))
    else:
        click.echo(_shown(made, link))


def _shown(made: NewToken, link: str) -> str:
    if made.token.use == "program":
        return f"{made.secret}\n(shown this once; to be sent as the header “Authorization: Bearer …”)"
    return f"{link}\n(shown this once; whoever has it acts as {made.token.name})"


@token.command("list")
@json_option
def list_tokens(as_json: bool) -> None:
    """Show whom tokens were issued to, what they may do, and until when."""
    with _house(accept_clock=True) as (ledger, state), reading(ledger.engine) as connection:
        known = {one.id: one for one in list_issued(connection)}
        rows = [_row(one, known.get(one.id)) for one in tokens(state)]
    click.echo(to_json(rows) if as_json else table(HEADINGS, [list(row.values()) for row in rows]))


def _row(one: Token, issued: Issued | None) -> dict[str, str]:
    scopes = ", ".join(issued.scopes) if issued else "nothing"
    return {
        "name": one.name,
        "for": one.use or "",
        "may": ONLY_ENTRIES if one.ends_at is None else scopes,
        "about": (issued.about if issued else None) or "",
        "until": _moment(one.ends_at),
        "last_used": _moment(one.last_used_at),
        "revoked": _moment(one.revoked_at),
    }


def _moment(moment: datetime | None) -> str:
    return format_moment(moment) if moment else ""


@token.command("revoke")
@click.argument("name")
@click.option("--reason", required=True, help="Why. It stands in the log for ever: name nobody.")
@clock_option
@json_option
def revoke_one(name: str, reason: str, accept_clock: bool, as_json: bool) -> None:
    """Revoke a token: it may do nothing any more. Whoever came by it as a link is out."""
    with _house(accept_clock=accept_clock) as (ledger, state):
        found = token_named(state, name)
        revoke(ledger, state, found, reason, now=datetime.now(UTC))
    click.echo(to_json({"revoked": found.name}) if as_json else f"{found.name} opens nothing any more.")


@contextmanager
def _house(*, accept_clock: bool) -> Iterator[tuple[Ledger, Engine]]:
    """The ledger, and the database of names and secrets. Raises what `demand_ledger` and opening raise."""
    settings = Settings.from_env()
    demand_ledger(settings)
    state = open_state(settings.state_db)
    try:
        with closing(open_ledger(settings, accept_long_silence=accept_clock)) as ledger:
            yield ledger, state
    finally:
        state.dispose()
