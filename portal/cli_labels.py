"""`lotproof label …`: the label of one unit as a picture, the labels of a batch as a PDF."""

from pathlib import Path

import click
from sqlalchemy import Connection

from labels import LabelContent, sheet_pdf, unit_png
from ledger.cli.support import Group, OutputFile, json_option, opened_ledger, to_json
from ledger.database import reading
from ledger.errors import NotFound
from ledger.trace.batch import get_batch
from ledger.trace.product import get_product
from ledger.trace.unit import find_units, sets_of
from portal.label_contents import batch_label, serials_of, unit_labels
from translations import catalogues

LANGUAGES = [language.tag for language in catalogues().offering("labels")]


class UnknownSerial(NotFound):
    """No unit carries this serial."""

    message = "No unit carries the serial “{serial}”. Check it, or make or import the serials first."


@click.group(cls=Group)
def label() -> None:
    """Labels: every code is read back from the picture before it is written."""


@label.command()
@click.argument("serial")
@click.option("--out", type=OutputFile(), help="SERIAL.png if not given.")
@click.option("--dpi", type=click.Choice(["203", "300", "600"]), default="300", show_default=True)
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
@json_option
def unit(serial: str, out: Path | None, dpi: str, language: str, as_json: bool) -> None:
    """Write the label of the unit with this SERIAL as a PNG."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        content = _unit_label(connection, ledger.settings.host, serial, language)
    target = out or Path(f"{content.serial}.png")
    target.write_bytes(unit_png(content, int(dpi)))
    said = {"file": str(target), "uri": content.uri}
    click.echo(to_json(said) if as_json else f"{target}: {content.uri}")


@label.command()
@click.argument("batch")
@click.option("--out", type=OutputFile(is_replaced=True), help="BATCH.pdf if not given.")
@click.option("--from", "start", type=click.IntRange(1), default=1, show_default=True, help="The first unit.")
@click.option("--count", type=click.IntRange(1), help="How many units; all of them if not given.")
@click.option("--language", type=click.Choice(LANGUAGES), default="en", show_default=True)
@json_option
def sheet(batch: str, out: Path | None, start: int, count: int | None, language: str, as_json: bool) -> None:
    """Write the labels of a BATCH's units as a PDF of A4 sheets; of a batch without serials, its own label."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        contents, template = _batch_labels(connection, ledger.settings.host, batch, language, start, count)
    target = out or Path(f"{contents[0].batch}.pdf")
    beside = target.with_name(f"{target.name}.new")
    try:
        with beside.open("wb") as pdf:
            made = sheet_pdf(contents, pdf, template=template)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    click.echo(to_json({"file": str(target), "labels": made}) if as_json else f"{target}: {made} labels")


def _unit_label(connection: Connection, host: str, serial: str, language: str) -> LabelContent:
    found = find_units(connection, serial)
    if not found:
        raise UnknownSerial(serial=serial)
    batch = get_batch(connection, found[0].batch)
    content = batch_label(connection, host, batch, language)
    product = get_product(connection, batch.product)
    return next(unit_labels(content, host, product, batch, [found[0].serial]))


def _batch_labels(
    connection: Connection, host: str, code: str, language: str, start: int, count: int | None
) -> tuple[list[LabelContent], str]:
    batch = get_batch(connection, code)
    content = batch_label(connection, host, batch, language)
    made = sum(one.count for one in sets_of(connection, batch.id))
    if made == 0:
        return [content], "batch"
    end = made if count is None else min(made, start - 1 + count)
    serials = serials_of(connection, batch, start - 1, end)
    if not serials:
        raise click.UsageError(f"Batch {batch.code} has {made} units with a serial.")
    return list(unit_labels(content, host, get_product(connection, batch.product), batch, serials)), "unit"
