"""`lotproof migrate`: the tables of all three databases, brought up to date by the role that owns them."""

import click

from ledger.cli.support import json_option, to_json
from ledger.installing import make_databases
from ledger.settings import Settings


@click.command()
@json_option
def migrate(as_json: bool) -> None:
    """Bring the databases' tables up to date, after an upgrade or before `lotproof init`.

    On PostgreSQL this makes the schemas and gives the role of LOTPROOF_DATABASE_URL its rights; LOTPROOF_OWNER_URL
    names the role that owns them. Files are also brought up to date whenever they are opened.
    """
    settings = Settings.from_env()
    settings.prepare()
    make_databases(settings)
    place = settings.ledger_db if settings.database_url else settings.data
    click.echo(to_json({"database": str(place)}) if as_json else f"The tables in {place} are up to date.")
