"""`lotproof person`: what is held on a person, who read it, how long it is kept, and erasing it.

A PERSON is named by the reference of a claim of theirs, which they know, or by their own id.
"""

from contextlib import closing
from datetime import datetime
from pathlib import Path

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ledger.cli.support import Group, OutputFile, json_option, opened_ledger, table, to_json
from ledger.database import reading
from ledger.durable import write_new
from ledger.errors import LedgerError
from ledger.journal.asking import build
from ledger.journal.opening import open_ledger
from ledger.moments import format_moment
from ledger.recall.erasing import carry_out_erasure
from ledger.recall.holding import Holding, holding_on
from ledger.recall.person import ErasePerson, find_person, rules, set_retention
from ledger.settings import Settings
from ledger.vault.accesses import list_accesses
from portal.cli_acting import acting, acting_options, choose_account, show_receipt
from portal.cli_commands import command_line

TEMPLATES = Path(__file__).parent / "templates"
AS_PAGE = (".html", ".htm")


class FileThere(LedgerError):
    """Nothing is overwritten: it may be another person's."""

    message = "There is a file {path} already. Choose another name with --out."


@click.group(cls=Group)
def person() -> None:
    """Personal data: what is held on a buyer, for how long, who read it; and erasing it."""


@click.argument("reference", metavar="PERSON")
@click.option("--reason", required=True, help="Why, such as 'they asked'. It is recorded: name nobody.")
def _erase(
    reference: str, reason: str, account: str | None, key: str | None, accept_clock: bool, as_json: bool
) -> None:
    """Erase a person: everything that was kept on them is destroyed, for ever. That it was is recorded."""
    request = build(ErasePerson, {"person": reference, "reason": reason})
    with acting("person.erase", account, key, accept_clock=accept_clock) as (ledger, by):
        receipt = carry_out_erasure(ledger, request, by)
    show_receipt(receipt, as_json=as_json)
    if not as_json:
        click.echo(
            "Key and values are destroyed. Older backups: docs/personal-data.md says until when they last."
        )


person.add_command(acting_options(click.command("erase")(_erase)))


@person.command()
@click.argument("reference", metavar="PERSON")
@click.option(
    "--out",
    type=OutputFile(),
    multiple=True,
    metavar="FILE",
    help="Where to: a page if it ends in .html, JSON otherwise. Can be given again. Without it, JSON is printed.",
)
@click.option("--as", "account", metavar="NAME", help="The account that reads; needed once there are two.")
@json_option
def export(reference: str, out: tuple[Path, ...], account: str | None, as_json: bool) -> None:
    """Give everything that is held on PERSON, to hand it to them. This is written down as a reading."""
    for path in out:
        if path.exists():
            raise FileThere(path=path)
    with closing(open_ledger(Settings.from_env())) as ledger:
        actor = choose_account(ledger, account).actor
        held = holding_on(ledger, reference, actor=actor)
    for path in out:
        write_new(path, (as_page(held) if path.suffix.lower() in AS_PAGE else to_json(held)).encode())
    if as_json or not out:
        click.echo(to_json(held))
    else:
        click.echo(f"Everything held on person {held.person} is in {' and '.join(map(str, out))}.")


@person.command()
@click.argument("reference", metavar="PERSON")
@json_option
def accesses(reference: str, as_json: bool) -> None:
    """Show who read what is kept on PERSON, when, and what for; also after it was erased."""
    with closing(open_ledger(Settings.from_env())) as ledger:
        with reading(ledger.engine) as connection:
            found = find_person(connection, reference)
        with reading(ledger.vault.engine) as connection:
            read = list_accesses(connection, found)
    if as_json:
        click.echo(to_json(read))
    elif not read:
        click.echo(f"Nobody has read what is kept on person {found}.")
    else:
        rows = [(format_moment(one.at), one.actor, one.kind, one.item, one.purpose) for one in read]
        click.echo(table(("At", "Actor", "Kind", "Item", "Purpose"), rows))


@person.command()
@json_option
def retention(as_json: bool) -> None:
    """Show how long each kind of personal value is kept once it has served its purpose, and why."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        in_force = rules(connection)
    if as_json:
        click.echo(to_json(list(in_force.values())))
        return
    for rule in in_force.values():
        click.echo(f"{rule.kind}: {rule.days} days. {rule.purpose} {rule.reason}")


person.add_command(command_line("set-retention", set_retention))


def as_page(held: Holding) -> str:
    """The same as a page that anybody can read: one file, nothing loaded from elsewhere."""
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return pages.get_template("person.html").render(held=held, day=_day, moment=format_moment)


def _day(moment: datetime) -> str:
    return moment.strftime("%-d %B %Y")
