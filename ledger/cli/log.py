"""`lotproof log` and `rebuild`: what stands in the log, handed to whoever wants to check it."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import click
import orjson
from sqlalchemy import Connection, select

from ledger import nouns
from ledger.cli.support import Group, OutputFile, json_option, opened_ledger, table, to_json
from ledger.database import connect, migrate, reading
from ledger.files import Files
from ledger.journal.carrying import copy_files
from ledger.journal.events import is_subject, subject_heads
from ledger.journal.journal import NoSuchEntry
from ledger.journal.projections import rebuild as rebuild_tables
from ledger.journal.registry import NOUNS
from ledger.journal.turnstile import Turnstile
from ledger.journal.whereabouts import demand_ledger, refuse_lost_log
from ledger.log import store
from ledger.log.directory import export as export_log
from ledger.log.layout import FILES
from ledger.log.proving import prove_entry
from ledger.settings import Settings

assert nouns  # imported so that the registry is whole

LAST_ENTRIES = 20


@click.group(cls=Group)
def log() -> None:
    """The log: what was recorded, and proofs of it for others."""


@log.command()
@click.argument("index", type=click.IntRange(min=0), required=False)
@click.option("--subject", metavar="NOUN:ID", help="Only entries about this, newest first.")
@click.option("--last", type=click.IntRange(min=1), default=LAST_ENTRIES, show_default=True, help="How many.")
@json_option
def show(index: int | None, subject: str | None, last: int, as_json: bool) -> None:
    """Show entry INDEX as it was recorded, or the last entries, one a line."""
    if subject is not None and (index is not None or not is_subject(subject)):
        raise click.UsageError("Give an INDEX, or a --subject such as batch:K7Q2M9TXC2WHE3AB.")
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        if index is not None:
            click.echo(_whole(_body(connection, index), as_json=as_json))
            return
        found = _about(connection, subject) if subject else _newest(connection)
        entries = [(at, orjson.loads(body)) for at, body in islice(found, last)]
    if as_json:
        click.echo(to_json([{"index": at, **entry} for at, entry in entries]))
    else:
        rows = [
            (f"#{at}", one["at"], one["kind"], one["actor"], " ".join(one["subjects"])) for at, one in entries
        ]
        click.echo(table(("Index", "At", "Kind", "Actor", "Subjects"), rows, right=(0,)))


@log.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option("--out", type=OutputFile(), metavar="FILE", help="Write it there.")
@json_option
def prove(index: int, out: Path | None, as_json: bool) -> None:
    """Make the proof that entry INDEX stands in the published log. It holds the entry: whoever gets it can read it."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        standing = ledger.standing(connection)
        if index >= standing.size:
            raise NoSuchEntry(index=index, size=standing.size)
        text = prove_entry(connection, index, standing.note, with_entry=True).format()
    if out is not None:
        out.write_text(text)
    if as_json:
        click.echo(to_json({"index": index, "size": standing.size, "proof": text}))
    elif out is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"The proof of entry {index}, with the entry itself, is in {out}.")


@log.command()
@json_option
def vkey(as_json: bool) -> None:
    """Show the key that others check the log's signatures with."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        text = ledger.vkey(connection)
    click.echo(to_json({"origin": ledger.settings.origin, "vkey": text}) if as_json else text)


@log.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--files", "with_files", is_flag=True, help="Also copy the files that entries name.")
@click.option("--check", is_flag=True, help="Compare what an older export left, and write what differs.")
@json_option
def export(folder: Path, with_files: bool, check: bool, as_json: bool) -> None:
    """Write the published log as files into DIR, with every entry: whoever gets them can read and check all of it.

    An older export in DIR is brought up to date.
    """
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        ledger.standing(connection)
        key = ledger.vkey(connection)
        files = partial(copy_files, connection, ledger.files, Files(folder / FILES))
        checkpoint = export_log(
            connection, folder, key, check=check, write_more=files if with_files else lambda: None
        )
    if as_json:
        click.echo(to_json({"folder": str(folder), "size": checkpoint.size, "root": checkpoint.root.hex()}))
    else:
        click.echo(
            f"{checkpoint.size} entries are in {folder}. To check them: lotproof verify {folder} --key '{key}'"
        )


@click.command()
@click.argument("names", metavar="[NOUN]...", nargs=-1)
@json_option
def rebuild(names: tuple[str, ...], as_json: bool) -> None:
    """Make the derived tables anew from the log: those of each NOUN, or all. Changes nothing in the log."""
    unknown = [name for name in names if name not in NOUNS]
    if unknown:
        raise click.UsageError(f"There is no noun {unknown[0]}. There are: {', '.join(sorted(NOUNS))}.")
    settings = _settings()
    chosen = [noun for noun in NOUNS.values() if not names or noun.name in names]
    engine = connect(settings.ledger_db)
    with closing(Turnstile(settings.data)) as turnstile, turnstile.turn():
        refuse_lost_log(settings, engine)
        migrate(engine, "lotproof")
        count = rebuild_tables(engine, chosen, Files(settings.files).read)
    engine.dispose()
    made = [noun.name for noun in chosen]
    if as_json:
        click.echo(to_json({"nouns": made, "entries": count}))
    else:
        click.echo(f"Made anew from {count} entries: {', '.join(made)}.")


def _settings() -> Settings:
    """The settings, where there is a ledger. Raises what `demand_ledger` does."""
    settings = Settings.from_env()
    demand_ledger(settings)
    return settings


def _body(connection: Connection, index: int) -> bytes:
    body = store.read_body(connection, index)
    if body is None:
        raise NoSuchEntry(index=index, size=store.size(connection))
    return body


def _whole(body: bytes, *, as_json: bool) -> str:
    """An entry as its exact bytes, or as JSON that is easier to read."""
    return body.decode() if as_json else orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()


def _newest(connection: Connection) -> Iterator[tuple[int, bytes]]:
    """The entries from the newest back."""
    for index in range(store.size(connection) - 1, -1, -1):
        yield index, _body(connection, index)


def _about(connection: Connection, subject: str) -> Iterator[tuple[int, bytes]]:
    """The entries about a subject from the newest back, each found through the one after it."""
    head = select(subject_heads.c.last).where(subject_heads.c.subject == subject)
    index: Any = connection.execute(head).scalar()
    while index is not None:
        body = _body(connection, index)
        yield index, body
        index = orjson.loads(body)["subjects"][subject]
