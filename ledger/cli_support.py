"""What every command of the command line shares: opening the ledger, JSON, and the exit codes.

Exit codes: 0 done, 1 a finding, 2 wrong usage, 3 refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click
import msgspec

from ledger import nouns
from ledger.errors import LedgerError
from ledger.journal.asking import BadAnswers
from ledger.journal.opening import Ledger, open_ledger
from ledger.journal.registry import KIND_OF, Recorded
from ledger.moments import format_moment
from ledger.settings import Settings

FINDING, USAGE, REFUSED = 1, 2, 3
JSON_KEY = "lotproof.json"
F = TypeVar("F", bound=Callable[..., Any])

assert nouns  # imported so that the registry knows every kind before a ledger is opened


class Group(click.Group):
    """A group whose commands may raise LedgerError: said on standard error (as JSON where asked), exit 3.

    BadAnswers is the asker's usage, so it exits with 2.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what it refuses into an exit code."""
        try:
            return super().invoke(ctx)
        except LedgerError as error:
            say_refused(error, as_json=bool(ctx.meta.get(JSON_KEY)))
            ctx.exit(USAGE if isinstance(error, BadAnswers) else REFUSED)


def say_refused(error: LedgerError, *, as_json: bool) -> None:
    """Say on standard error why something was refused."""
    if as_json:
        facts = {name: str(value) for name, value in error.facts.items()}
        click.echo(to_json({"error": type(error).__name__, "facts": facts, "message": str(error)}), err=True)
    else:
        click.echo(f"lotproof: {error}", err=True)


def json_option(function: F) -> F:
    """Adds `--json`; the command gets it as `as_json`."""

    def remember(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
        ctx.meta[JSON_KEY] = value
        return value

    add = click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=remember, help="Print JSON for programs."
    )
    return add(function)


@contextmanager
def opened_ledger(*, accept_long_silence: bool = False) -> Iterator[Ledger]:
    """The ledger that the environment points at, closed at the end. Raises what `open_ledger` does."""
    ledger = open_ledger(Settings.from_env(), accept_long_silence=accept_long_silence)
    try:
        yield ledger
    finally:
        ledger.close()


def to_json(value: object) -> str:
    """`value` (builtins, msgspec structs, dataclasses, dates) as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def recorded_json(one: Recorded[Any]) -> dict[str, object]:
    """An entry for `--json`."""
    return {
        "index": one.index,
        "kind": KIND_OF[type(one.event)],
        "at": format_moment(one.at),
        "actor": one.actor,
        "subjects": list(one.subjects),
        "data": msgspec.to_builtins(one.event),
    }


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """Rows under their headings, in columns; `right` names the columns whose cells end at the right."""
    cells = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    return "\n".join(lines)


def fact_lines(facts: Mapping[str, object]) -> str:
    """Names and values, one a line; a fact that is None or empty is left out."""
    known = {name: value for name, value in facts.items() if value not in (None, "", ())}
    width = max(map(len, known), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in known.items())
