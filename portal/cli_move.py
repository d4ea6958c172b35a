"""`lotproof log move`: from files of SQLite's to PostgreSQL, or back."""

import os
from dataclasses import replace

import click

from ledger.cli.support import json_option, to_json
from ledger.custody.moving import BEGUN, CARRIED, move
from ledger.location import parse_database_url
from ledger.settings import Settings
from portal.cli_backup import STATE_TABLES

FILES = "files"

UNFINISHED = (
    "The move has begun and has not ended. Mend what is in its way, and type the same command again: it goes on. "
    "Change no setting before it has ended; what was copied "
    f"({CARRIED} and {BEGUN} in {{data}}, and the new database) is not used until then."
)


@click.command("move")
@click.argument("address", metavar="URL")
@json_option
def move_command(address: str, as_json: bool) -> None:
    """Move the ledger to the empty PostgreSQL database at URL; or back, with the word "files" for URL.

    Log, vault and state are copied and checked; guard, keys and files stay in the folder of data. Stop serve and
    worker first: afterwards they need other settings. Interrupted, it leaves everything as it was, or is finished by
    calling it again. Where a role of its own owns the tables, its address is LOTPROOF_OWNER_URL.
    """
    settings = Settings.from_env()
    url = None if address == FILES else parse_database_url("URL", address)
    target = replace(settings, database_url=url, owner_url=_owner(url))
    try:
        moved = move(settings, target, state_tables=STATE_TABLES)
    finally:
        # Not cleared away: a connection that is lost in the last commit leaves nobody knowing which place is the log's.
        if (settings.data / BEGUN).exists() and not as_json:
            click.echo(UNFINISHED.format(data=settings.data), err=True)
    advice = _advice(settings, url)
    if as_json:
        checkpoint = moved.checkpoint
        told = {"size": checkpoint.size, "root": checkpoint.root.hex(), "rows": moved.rows, "next": advice}
        click.echo(to_json(told))
    else:
        click.echo(f"{moved.checkpoint.size} entries were moved, every checkpoint with them. {advice}")


def _owner(url: str | None) -> str | None:
    given = os.environ.get("LOTPROOF_OWNER_URL")
    return parse_database_url("LOTPROOF_OWNER_URL", given) if url and given else None


def _advice(settings: Settings, url: str | None) -> str:
    if url is None:
        return (
            "Unset LOTPROOF_DATABASE_URL, and start serve and worker. The old database takes no entry any more: remove "
            "its schemas (ledger, state, vault) once you have seen that all is well, because personal data that is "
            "erased from now on is still in them."
        )
    return (
        "Set LOTPROOF_DATABASE_URL to that address, and start serve and worker. The old files in "
        f"{settings.data} end in .moved: remove them once you have seen that all is well, because personal data "
        "that is erased from now on is still in them."
    )
