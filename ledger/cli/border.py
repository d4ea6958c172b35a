"""The border of the command line: what is refused becomes a sentence on standard error and an exit code.

Exit codes: 0 done, 1 a finding, 2 wrong usage, 3 refused. Imports little, so that `--help` is quick.
"""

import errno
import json
from typing import Any, NoReturn

import click

from ledger.errors import LedgerError, storage_error

FINDING, USAGE, REFUSED = 1, 2, 3
LONGEST_SENTENCE = 1_000  # characters of a command's first sentence
JSON_KEY = "lotproof.json"
WORDS = "lotproof.words"  # the commands that were typed, without their arguments
BAD_REQUEST = 400  # what was asked makes no request: the same as wrong usage


# What a path that somebody gave may answer; what a full or broken disk answers is told by `storage_error`.
_OF_A_PATH = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
)


class PathRefused(LedgerError):
    """A file or folder cannot be read or made where it was named."""

    message = (
        "{path} cannot be used ({reason}). Look whether its folder is there and whether the name is right, then type "
        "the command again."
    )


class Group(click.Group):
    """A group whose commands may raise LedgerError: said on standard error (as JSON where asked), exit 3.

    So is what the disk refuses, and a path that leads nowhere; a mistake of ours goes on as it is.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was typed; its name is remembered for the log."""
        name, command, rest = super().resolve_command(ctx, args)
        ctx.meta.setdefault(WORDS, []).append(name)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what it refuses into an exit code."""
        try:
            return super().invoke(ctx)
        except LedgerError as error:
            _refuse(ctx, error)
        except Exception as error:
            refused = storage_error(error) or path_error(error)
            if refused is None:
                raise
            _refuse(ctx, refused)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with the whole first sentence of its help: click cuts it off at the end of the line."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, one.get_short_help_str(LONGEST_SENTENCE)) for name, one in found if one and not one.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def path_error(error: BaseException) -> LedgerError | None:
    """What the path of a file answered, where `error` comes from that; None for anything else."""
    if isinstance(error, OSError) and error.errno in _OF_A_PATH and error.filename is not None:
        return PathRefused(path=error.filename, reason=error.strerror)
    return path_error(error.__cause__) if error.__cause__ else None


def _refuse(ctx: click.Context, error: LedgerError) -> NoReturn:
    say_refused(error, as_json=bool(ctx.meta.get(JSON_KEY)))
    ctx.exit(USAGE if error.http_status == BAD_REQUEST else REFUSED)


def say_refused(error: LedgerError, *, as_json: bool) -> None:
    """Say on standard error why something was refused."""
    if as_json:
        facts = {name: str(value) for name, value in error.facts.items()}
        told = {"error": type(error).__name__, "facts": facts, "message": str(error)}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2), err=True)
    else:
        click.echo(f"lotproof: {error}", err=True)
