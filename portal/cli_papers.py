"""`lotproof shipment show` and `paper`: a shipment, and the packing list that carries a checkpoint out of the house."""

from pathlib import Path

import click
from sqlalchemy import Connection

from ledger.cli.support import (
    OutputFile,
    fact_lines,
    json_option,
    opened_ledger,
    recorded_json,
    table,
    to_json,
)
from ledger.database import reading
from ledger.trace.seller import get_seller
from ledger.trace.shipment import Shipment, ShipmentLine, find_shipment, lines_of
from portal.cli_lists import LONGEST_HISTORY, history_line, names_of_accounts
from portal.console.history import entries_about
from portal.papers import Paper, code_png, code_text, paper_of

KEEP_IT = (
    "Keep this paper. It holds what the seller's record was when it was printed, signed. Should the record ever be\n"
    "changed up to there, this paper proves it: lotproof log compare, with the text below or its short form."
)
OLD = "THIS CHECKPOINT IS OLD: the newest one cannot be shown at the moment. Print the list again later."


@click.command("show")
@click.argument("code")
@json_option
def show_shipment(code: str, as_json: bool) -> None:
    """Show a shipment: where it went, its goods, and its history with the index of every entry."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        shipment = find_shipment(connection, code)
        lines = lines_of(connection, shipment.id)
        history = entries_about(connection, f"shipment:{shipment.id}", limit=LONGEST_HISTORY).entries[::-1]
        names = names_of_accounts(ledger.own, connection)
    if as_json:
        entries = [recorded_json(one) for one in history]
        click.echo(to_json({**_facts(shipment), "lines": _rows(lines), "history": entries}))
        return
    told = "\n".join(history_line(one, names) for one in history)
    click.echo(f"{fact_lines(_facts(shipment))}\n\n{_goods(lines)}\n\n{told}")


@click.command("paper")
@click.argument("code")
@click.option(
    "--out",
    type=OutputFile(),
    metavar="FILE.png",
    help="Write the code as a picture there, instead of drawing it.",
)
@json_option
def paper(code: str, out: Path | None, as_json: bool) -> None:
    """Print a shipment's packing list with the newest checkpoint, as text and as a QR code."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        shipment = find_shipment(connection, code)
        lines = lines_of(connection, shipment.id)
        made = paper_of(ledger.standing(connection))
        sender = _sender(connection)
    if out is not None:
        out.write_bytes(code_png(made.code))
    if as_json:
        checkpoint = {"note": made.note, "short": made.short, "is_old": made.is_old}
        click.echo(to_json({**_facts(shipment), "lines": _rows(lines), "checkpoint": checkpoint}))
        return
    facts = fact_lines({"from": sender, **_facts(shipment)})
    drawn = f"\nThe code is in {out}." if out else f"\n{code_text(made.code)}"
    click.echo(f"PACKING LIST\n\n{facts}\n\n{_goods(lines)}\n\n{_seal(made)}{drawn}")


def _seal(made: Paper) -> str:
    said = f"{OLD}\n\n{KEEP_IT}" if made.is_old else KEEP_IT
    return f"{said}\n\n{made.note}\nShort form: {made.short}\n"


def _sender(connection: Connection) -> str:
    seller = get_seller(connection)
    return ", ".join((seller.company, *seller.address)) if seller else ""


def _facts(shipment: Shipment) -> dict[str, object]:
    return {
        "shipment": shipment.code,
        "channel": shipment.channel,
        "country": shipment.country,
        "sent": shipment.sent_on.isoformat(),
    }


def _rows(lines: list[ShipmentLine]) -> list[dict[str, object]]:
    return [{"batch": one.batch_code, "product": one.product_name, "units": one.quantity} for one in lines]


def _goods(lines: list[ShipmentLine]) -> str:
    rows = [(one.batch_code, one.product_name, one.quantity) for one in lines]
    return table(("batch", "product", "units"), rows, right=(2,))
