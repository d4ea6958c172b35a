"""`lotproof log import` and `move`: a log from one place to another, checked on the way."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from ledger import nouns
from ledger.cli.support import FINDING, json_option, to_json
from ledger.custody.mirroring import import_log, keep_evidence
from ledger.journal.carrying import Carried, HistoryRewritten
from ledger.log.layout import Progress, no_progress
from ledger.log.note import Verifier
from ledger.settings import Settings

assert nouns  # imported so that the registry is whole


@click.command("import")
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
@click.option(
    "--key", "vkey", metavar="VKEY", help="The log's key, from somebody you trust. Needed the first time."
)
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="The mirror's folder of data; LOTPROOF_DATA, if not given.",
)
@json_option
def import_command(source: Path, vkey: str | None, into: Path | None, as_json: bool) -> None:
    """Make a mirror of the log that was exported to DIR, or bring it up to date. Everything is checked on the way.

    A mirror is read like any ledger, and nobody can write to it. Exit code 1: the export does not continue what stands
    here, and both are signed: history was rewritten. Both checkpoints are kept.
    """
    environment = {**os.environ, "LOTPROOF_DATA": str(into)} if into else os.environ
    settings = Settings.from_env(environment)
    known = vkey or settings.mirror_of
    if known is None:
        raise click.UsageError("Give the log's key with --key, from somebody other than who gave you DIR.")
    try:
        with _progress(wanted=not as_json) as progress:
            carried = import_log(source, settings, Verifier.parse(known), progress)
    except HistoryRewritten as error:
        _say_rewritten(settings, error, as_json=as_json)
        click.get_current_context().exit(FINDING)
    _say_carried(settings, carried, as_json=as_json)


def _say_rewritten(settings: Settings, error: HistoryRewritten, *, as_json: bool) -> None:
    here, there = keep_evidence(settings.data, error, datetime.now(UTC))
    told = {
        "result": "rewritten",
        "message": f"HISTORY WAS REWRITTEN. {error}",
        "index": error.facts["index"],
        "here": str(here),
        "there": str(there),
    }
    click.echo(to_json(told) if as_json else f"{told['message']}\nThey are kept in:\n  {here}\n  {there}")


def _say_carried(settings: Settings, carried: Carried, *, as_json: bool) -> None:
    checkpoint = carried.checkpoint
    told = {
        "result": "imported",
        "folder": str(settings.data),
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "new": checkpoint.size - carried.kept,
        "missing": str(carried.missing) if carried.missing else None,
    }
    if as_json:
        click.echo(to_json(told))
        return
    click.echo(
        f"{settings.data} is a mirror of {checkpoint.origin} with {checkpoint.size} entries, {told['new']} of them "
        "new; all were checked."
    )
    if carried.missing:
        click.echo(
            f"Lists and traces are not made yet: {carried.missing} Export with --files, or put it into "
            f"{settings.files}; then: lotproof rebuild."
        )


@contextmanager
def _progress(*, wanted: bool) -> Iterator[Progress]:
    """Shows how far it is, where somebody is looking."""
    if not wanted or not sys.stderr.isatty():
        yield no_progress
        return

    def show(done: int, count: int) -> None:
        click.echo(f"\r{done} of {count} entries", nl=False, err=True)

    yield show
    click.echo("\r\033[K", nl=False, err=True)
