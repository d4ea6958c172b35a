"""`lotproof migrate`: the tables of all three databases, brought up to date by the role that owns them."""

import click

from ledger.cli.support import json_option, to_json
from ledger.database import connect
from ledger.installing import make_databases, make_ledger_database
from ledger.journal.whereabouts import demand_ledger, is_lost, refuse_lost_log
from ledger.settings import Settings


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Bring the databases' tables up to date, after an upgrade or, on PostgreSQL, before `lotproof init`.

    On PostgreSQL this makes the schemas and gives the role of LOTPROOF_DATABASE_URL its rights; LOTPROOF_OWNER_URL
    names the role that owns them. Files are also brought up to date whenever they are opened, and a vault that is
    gone for good begins here with an empty one.
    """
    settings = Settings.from_env()
    if settings.database_url is None:
        _refuse_what_migrating_would_hide(settings)
    begins_empty = settings.mirror_of is None and is_lost(settings.vault_db)
    make = make_ledger_database if settings.mirror_of else make_databases
    make(settings)
    if begins_empty:
        click.echo(
            f"lotproof: {settings.vault_db} was missing or empty. An empty one is there now.", err=True
        )
    place = settings.ledger_db if settings.database_url else settings.data
    click.echo(to_json({"database": str(place)}) if as_json else f"The tables in {place} are up to date.")


def _refuse_what_migrating_would_hide(settings: Settings) -> None:
    """Raises NothingThere, DatabaseMissing, LogMissing, DataFolderTooOpen: only `init` and `restore` begin in files."""
    demand_ledger(settings)
    settings.prepare()
    engine = connect(settings.ledger_db)
    try:
        refuse_lost_log(settings, engine)
    finally:
        engine.dispose()
