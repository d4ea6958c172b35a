"""`lotproof doctor`: what is not as it should be on this machine, and what to do."""

from collections.abc import Sequence

import click

from ledger.cli.support import FINDING, json_option, to_json
from ledger.settings import Settings
from portal.doctor import databases, machine, network
from portal.doctor.registry import Situation, Told, examine

assert all((machine, databases, network))  # imported so that every check is registered

SIGNS = {"fine": "fine", "to do": "TO DO", "not looked at": "-"}


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    default=8000,
    show_default=True,
    help="Where serve listens, or is to listen.",
)
@json_option
def doctor(port: int, as_json: bool) -> None:
    """Look at everything that is easily got wrong, and say what to do. Changes nothing.

    Exit code 0: nothing to do. 1: something is. The name on labels is asked for over https; nobody else is.
    """
    told = examine(Situation(Settings.from_env(), port=port))
    to_do = [one for one in told if one.standing == "to do"]
    if as_json:
        click.echo(to_json({"checks": told, "to_do": len(to_do)}))
    else:
        click.echo(_as_text(told))
    if to_do:
        click.get_current_context().exit(FINDING)


def _as_text(told: Sequence[Told]) -> str:
    width = max(len(one.check) for one in told)
    lines = []
    for one in told:
        lines.append(f"{one.check.ljust(width)}  {SIGNS[one.standing]}")
        lines += [f"{'':{width}}  {text}" for text in (one.said, one.do) if text]
    count = sum(one.standing == "to do" for one in told)
    ending = {0: "Nothing to do.", 1: "One thing to do."}.get(count, f"{count} things to do.")
    return "\n".join([*lines, "", ending])
