"""What the commands of the command line share: opening the ledger, JSON, tables."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar
from unicodedata import east_asian_width

import click
import msgspec

from ledger import nouns
from ledger.cli.border import FINDING as FINDING
from ledger.cli.border import JSON_KEY
from ledger.cli.border import REFUSED as REFUSED
from ledger.cli.border import USAGE as USAGE
from ledger.cli.border import Group as Group
from ledger.journal.mirror import Readable, as_readable, open_mirror
from ledger.journal.opening import open_ledger
from ledger.journal.registry import KIND_OF, Recorded
from ledger.moments import format_moment
from ledger.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

assert nouns  # imported so that the registry knows every kind before a ledger is opened


clock_option = click.option(
    "--accept-clock", is_flag=True, help="Go on although a year has passed since the last entry."
)


def json_option(function: F) -> F:
    """Adds `--json`; the command gets it as `as_json`."""
    return click.option(*JSON_NAMES, **JSON_FLAG)(function)


def json_parameter() -> click.Option:
    """The same `--json`, for a command that is put together by hand."""
    return click.Option(JSON_NAMES, **JSON_FLAG)


def _remember_json(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    ctx.meta[JSON_KEY] = value
    return value


JSON_NAMES = ("--json", "as_json")
JSON_FLAG: dict[str, Any] = {
    "is_flag": True,
    "is_eager": True,
    "callback": _remember_json,
    "help": "Print JSON for programs.",
}


class OutputFile(click.Path):
    """A file to be written: wrong usage (exit 2) where none can be made there, said before any work is done.

    A file that is there already may be read alone (a key), so its folder is tried only where it `is_replaced`.
    """

    def __init__(self, *, is_replaced: bool = False) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self.is_replaced = is_replaced

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self.is_replaced or not path.exists():
            try:
                # Tried, not looked up: who may write somewhere is no matter of modes alone (read-only media, /proc).
                TemporaryFile(dir=path.parent).close()
            except OSError as error:
                self.fail(f"nothing can be written in {path.parent} ({error.strerror}).", param, ctx)
        return path


@contextmanager
def opened_ledger() -> Iterator[Readable]:
    """The ledger or the mirror that the environment points at, to be read, closed at the end.

    Raises what `open_ledger` does.
    """
    settings = Settings.from_env()
    if settings.mirror_of is not None:
        mirror = open_mirror(settings)
        try:
            yield mirror
        finally:
            mirror.engine.dispose()
        return
    with closing(open_ledger(settings)) as ledger:
        yield as_readable(ledger)


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
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(_padded(cell, widths[place], place in right) for place, cell in enumerate(row)).rstrip()
        for row in cells
    )


def _padded(text: str, width: int, is_right: bool) -> str:
    spaces = " " * (width - _width(text))
    return spaces + text if is_right else text + spaces


def _width(text: str) -> int:
    """In a terminal's columns: Chinese characters take two."""
    return sum(1 + (east_asian_width(character) in "WF") for character in text)


def fact_lines(facts: Mapping[str, object]) -> str:
    """Names and values, one a line; a fact that is None or empty is left out."""
    known = {name: value for name, value in facts.items() if value not in (None, "", ())}
    width = max(map(len, known), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in known.items())
