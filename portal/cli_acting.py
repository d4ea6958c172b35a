"""Who acts on the command line, and what is said of what was recorded."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import click
import msgspec

from ledger.cli.support import json_parameter, recorded_json, to_json
from ledger.database import reading
from ledger.files import FileRef
from ledger.journal.journal import By, Receipt
from ledger.journal.opening import Ledger, open_ledger
from ledger.journal.registry import KIND_OF, Recorded
from ledger.people.account import roles_of
from ledger.people.roles import demand
from ledger.settings import Settings
from ledger.state import open_state
from portal.accounts import Account, account_named, accounts
from portal.names import Names

ID = re.compile("[2-9A-HJ-NP-Z]{16}")
LONGEST_FACT = 60


def acting_options(line: click.Command) -> click.Command:
    """Adds `--as`, `--key`, `--accept-clock` and `--json` to a command that records something."""
    line.params += [
        click.Option(
            ["account", "--as"], metavar="NAME", help="The account that acts; needed once there are two."
        ),
        click.Option(
            ["--key"], metavar="TEXT", help="The same command under the same key is recorded only once."
        ),
        click.Option(
            ["--accept-clock"], is_flag=True, help="Record although a year has passed since the last entry."
        ),
        json_parameter(),
    ]
    return line


@contextmanager
def acting(
    command: str, account: str | None, key: str | None, *, accept_clock: bool
) -> Iterator[tuple[Ledger, By]]:
    """The open ledger, and who acts in it: somebody whose roles allow the command of this name.

    Raises NotAllowed, and what `open_ledger` and `choose_account` do.
    """
    settings = Settings.from_env()
    with closing(open_ledger(settings, accept_long_silence=accept_clock)) as ledger:
        actor = choose_account(ledger, account).actor
        with reading(ledger.engine) as connection:
            demand(roles_of(connection, actor), command)
        yield ledger, By(actor, key)


def choose_account(ledger: Ledger, name: str | None) -> Account:
    """The account of this name, or the only one there is.

    Raises UnknownAccount, and UsageError where it is disabled, where there is none, or where there are two.
    """
    state, names = open_state(ledger.settings.state_db), Names.of(ledger)
    try:
        wanted = accounts(state, names) if name is None else [account_named(state, names, name)]
    finally:
        state.dispose()
    able = [one for one in wanted if one.disabled_at is None]
    if len(able) == 1:
        return able[0]
    if name is not None:
        raise click.UsageError(f"The account {name} is disabled.")
    if not able:
        raise click.UsageError(
            "There is no account to act as. Make one: lotproof account add NAME --role ROLE"
        )
    several = ", ".join(one.name for one in able)
    raise click.UsageError(f"Say who acts, with --as NAME. There are: {several}.")


def show_receipt(receipt: Receipt, *, as_json: bool) -> None:
    """Print what was recorded: a line an entry, or all of it as JSON."""
    if as_json:
        click.echo(to_json({"entries": [recorded_json(one) for one in receipt.entries]}))
    else:
        click.echo("\n".join(map(entry_line, receipt.entries)))


def entry_line(one: Recorded[Any]) -> str:
    """One entry in one line: `#12 batch.produced: 25W21-A, made_on 2025-05-20, quantity 20000, inputs 2`."""
    kind = KIND_OF[type(one.event)].partition("/")[0]
    facts = ", ".join(_facts(one))
    return f"#{one.index} {kind}: {facts}" if facts else f"#{one.index} {kind}"


def _facts(one: Recorded[Any]) -> Iterator[str]:
    """What a person can read of an event: its code first; ids only where there is nothing else."""
    fields = {name: getattr(one.event, name) for name in one.event.__struct_fields__}
    code = fields.pop("code", None)
    if code:
        yield str(code)
    for name, value in fields.items():
        text = _fact(value)
        if text and not ID.fullmatch(text):
            yield f"{name} {text}"


def _fact(value: object) -> str:
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, FileRef):
        return f"{value.sha256[:12]}… ({value.size_bytes} bytes)"
    if isinstance(value, tuple):
        return "; ".join(map(str, value)) if _is_short(value) else str(len(value))
    if isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _shortened(str(value))


def _is_short(value: tuple[object, ...]) -> bool:
    texts = [one for one in value if isinstance(one, str) and not ID.fullmatch(one)]
    return len(texts) == len(value) and len(", ".join(texts)) <= LONGEST_FACT


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_FACT else f"{line[: LONGEST_FACT - 1]}…"
