"""`lotproof log resume` and `succeed`: the ways on after a loss."""

import click

from ledger import nouns
from ledger.cli.compare import given
from ledger.cli.support import clock_option, json_option, recorded_json, to_json
from ledger.custody.resume import resume as resume_log
from ledger.custody.succession import succeed as succeed_log
from ledger.journal.key_events import LogResumed, LogSucceeded
from ledger.log.compare import parse_kept
from ledger.settings import Settings

assert nouns  # imported so that the registry is whole


@click.command()
@click.option("--reason", required=True, help="Why the guard is not there any more. Goes on record.")
@click.option(
    "--checkpoint",
    "checkpoint",
    metavar="FILE",
    help="The newest checkpoint that anybody kept: a file, - for standard input, or its text or short form.",
)
@clock_option
@json_option
def resume(reason: str, checkpoint: str | None, accept_clock: bool, as_json: bool) -> None:
    """Go on with a fresh guard, where the former one was lost, damaged or another log's.

    Checks the whole log first, and that it contains the checkpoint. What is missing is said, and then nothing is
    changed.
    """
    kept = None if checkpoint is None else parse_kept(given([checkpoint]))
    receipt = resume_log(Settings.from_env(), reason=reason, kept=kept, accept_long_silence=accept_clock)
    entry = receipt.first(LogResumed)
    if as_json:
        click.echo(to_json({"entries": [recorded_json(entry)]}))
        return
    shown = (
        "no checkpoint was shown" if kept is None else f"it contains the checkpoint of {kept.size} entries"
    )
    click.echo(f"The log is whole, and {shown}. It goes on with entry {entry.index}, which says why.")
    if kept is None:
        click.echo(
            "Compare it with any checkpoint that turns up, from a packing list or an auditor: lotproof log compare"
        )


@click.command()
@click.option(
    "--origin", required=True, metavar="NAME", help="The log's new name, such as lots.example/log2."
)
@click.option("--reason", required=True, help="What was lost, and how. Goes on record.")
@click.option(
    "--last-known",
    metavar="FILE",
    help="The last checkpoint known of the log so far: a file, - for standard input, or its text.",
)
@click.option(
    "--lost-keys", is_flag=True, help="Make the keys that are missing anew; the master key must be there."
)
@click.option(
    "--nothing-is-lost",
    is_flag=True,
    help="Go on under the new name although nothing shows a loss: the name itself is to change.",
)
@clock_option
@json_option
def succeed(
    origin: str,
    reason: str,
    last_known: str | None,
    lost_keys: bool,
    nothing_is_lost: bool,
    accept_clock: bool,
    as_json: bool,
) -> None:
    """Go on under a new name and a new key, because published entries, or the log's key, are gone for good.

    Entries that are left keep their numbers, so labels and recalls stay true. What was lost stands in the log for
    ever. Stop serve and worker first.
    """
    kept = None if last_known is None else parse_kept(given([last_known]))
    if kept is not None and kept.note is None:
        raise click.UsageError("--last-known takes the signed text: the short form proves nothing to others.")
    receipt = succeed_log(
        Settings.from_env(),
        origin=origin,
        reason=reason,
        last_known=kept.note if kept else None,
        accept_long_silence=accept_clock,
        keys_are_lost=lost_keys,
        nothing_is_lost=nothing_is_lost,
    )
    if as_json:
        click.echo(to_json({"entries": [recorded_json(one) for one in receipt.entries] if receipt else []}))
        return
    lines = ["It was recorded before; what a crash had left is done now."]
    if receipt is not None:
        event = receipt.first(LogSucceeded).event
        lost = event.last.size - event.kept
        lines = [
            f"The log goes on as {event.origin} with {event.kept} entries; {max(lost, 0)} published ones are lost.",
            "Whoever checks it needs its new key: lotproof log vkey",
        ]
    click.echo("\n".join([*lines, "If LOTPROOF_ORIGIN is set where it runs, set it to the new name."]))
