"""What is recorded, as lists and pages of facts: the reading half of `lotproof <noun> <verb>`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from sqlalchemy import Connection

from ledger.cli.support import (
    fact_lines,
    json_option,
    json_parameter,
    opened_ledger,
    recorded_json,
    table,
    to_json,
)
from ledger.database import reading
from ledger.journal.opening import Ledger
from ledger.journal.registry import Recorded
from ledger.moments import format_moment
from ledger.people.account import name_items
from ledger.quantities import UNITS
from ledger.recall.claim import list_claims
from ledger.recall.recall import list_recalls, recalls_over
from ledger.trace.batch import Batch, get_batch, inputs_of, list_batches, unconsumed
from ledger.trace.bill_of_materials import list_materials
from ledger.trace.genealogy import Trace, trace_batches, trace_forward
from ledger.trace.legal_entity import list_legal_entities
from ledger.trace.material_lot import MaterialLot, get_material_lot, list_material_lots
from ledger.trace.party import list_parties
from ledger.trace.product import list_products
from ledger.trace.quality import hold_on
from ledger.trace.shipment import list_shipments
from ledger.trace.substitution import list_substitutions
from ledger.trace.unit import ranges_of, sets_of
from portal.cli_acting import entry_line
from portal.console.history import entries_about
from portal.names import Names

Row = Mapping[str, object]
LONGEST_HISTORY = 1_000


def listing(about: str, rows_of: Callable[[Connection], Sequence[Row]], nothing: str) -> click.Command:
    """The command `list`: `rows_of` gives the rows, whose keys are the headings and the keys of the JSON."""

    def run(as_json: bool) -> None:
        with opened_ledger() as ledger, reading(ledger.engine) as connection:
            rows = rows_of(connection)
        if as_json:
            click.echo(to_json(rows))
        else:
            click.echo(as_table(rows) if rows else nothing)

    return click.Command("list", callback=run, params=[json_parameter()], help=about)


def as_table(rows: Sequence[Row]) -> str:
    """Rows of the same keys, numbers at the right."""
    headings = list(rows[0])
    right = [place for place, name in enumerate(headings) if all(isinstance(row[name], int) for row in rows)]
    cells = [[_cell(row[name]) for name in headings] for row in rows]
    return table([name.replace("_", " ") for name in headings], cells, right=right)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value


# --- lists


def _codes(rows: Sequence[Any]) -> dict[str, str]:
    return {row.id: row.code for row in rows}


def _parties(connection: Connection) -> list[Row]:
    return [
        {"code": one.code, "name": one.name, "role": one.role, "country": one.country}
        for one in list_parties(connection)
    ]


def _legal_entities(connection: Connection) -> list[Row]:
    return [
        {
            "code": one.code,
            "name": one.name,
            "roles": ", ".join(one.roles),
            "markets": ", ".join(one.markets),
            "ended": format_moment(one.ended_at) if one.ended_at else None,
        }
        for one in list_legal_entities(connection)
    ]


def _products(connection: Connection) -> list[Row]:
    return [
        {"code": one.code, "gtin": one.gtin, "brand": one.brand, "name": one.name, "model": one.model}
        for one in list_products(connection)
    ]


def _materials(connection: Connection) -> list[Row]:
    return [{"code": one.code, "name": one.name} for one in list_materials(connection)]


def _lots(connection: Connection) -> list[Row]:
    suppliers, materials = _codes(list_parties(connection)), _codes(list_materials(connection))
    return [
        {
            "code": one.code,
            "supplier_code": one.supplier_code,
            "supplier": suppliers[one.supplier],
            "material": materials[one.material],
            "quantity": str(one.quantity),
            "left": _left(connection, one),
            "declared": one.declared,
            "arrived": one.occurred_on.isoformat(),
        }
        for one in list_material_lots(connection)
    ]


def _left(connection: Connection, lot: MaterialLot) -> str:
    """What nothing has consumed, in the lot's own unit where that is a whole number."""
    left = unconsumed(connection, lot)
    amount, rest = divmod(left.base_amount, UNITS[lot.unit].factor)
    return str(left) if rest else f"{amount} {lot.unit}"


def _batches(connection: Connection) -> list[Row]:
    products = _codes(list_products(connection))
    return [
        {
            "code": one.code,
            "product": products[one.product],
            "made": one.made_on.isoformat(),
            "units": one.quantity,
            "with_serial": sum(each.count for each in sets_of(connection, one.id)),
            "on_hold": hold_on(connection, one.id) is not None,
            "recalled": bool(recalls_over(connection, ranges_of(connection, one))),
            "entry": one.recorded,
        }
        for one in list_batches(connection)
    ]


def _shipments(connection: Connection) -> list[Row]:
    return [
        {"code": one.code, "channel": one.channel, "country": one.country, "sent": one.sent_on.isoformat()}
        for one in list_shipments(connection)
    ]


def _substitutions(connection: Connection) -> list[Row]:
    materials = _codes(list_materials(connection))
    return [
        {
            "code": one.code,
            "standing": one.standing,
            "material": materials[one.material],
            "declared": one.declared,
            "known": one.known,
            "from": one.effective_on.isoformat(),
        }
        for one in list_substitutions(connection)
    ]


def _recalls(connection: Connection) -> list[Row]:
    return [
        {
            "code": one.code,
            "standing": one.standing,
            "hazard": one.hazard,
            "version": one.version,
            "published": format_moment(one.published_at) if one.published_at else None,
        }
        for one in list_recalls(connection)
    ]


def _claims(connection: Connection) -> list[Row]:
    return [
        {
            "claim": one.id,
            "standing": one.standing,
            "remedy": one.remedy,
            "country": one.country,
            "doubt": one.doubt,
            "opened": format_moment(one.opened_at),
        }
        for one in list_claims(connection)
    ]


legal_entities = listing(
    "List the legal entities, ended ones included.",
    _legal_entities,
    "There are no legal entities yet: lotproof entity record",
)
parties = listing("List the parties.", _parties, "There are no parties yet: lotproof party register")
products = listing("List the products.", _products, "There are no products yet: lotproof product register")
materials = listing(
    "List the materials.", _materials, "There are no materials yet: lotproof material register"
)
lots = listing("List the lots of material.", _lots, "There are no lots yet: lotproof lot receive")
batches = listing(
    "List the batches, newest first.", _batches, "There are no batches yet: lotproof batch produce"
)
shipments = listing(
    "List the shipments, newest first.", _shipments, "Nothing was shipped yet: lotproof shipment send"
)
substitutions = listing(
    "List the substitutions, newest first.", _substitutions, "There are no substitutions."
)
recalls = listing("List the recalls, newest first.", _recalls, "There are no recalls.")
claims = listing("List the newest claims.", _claims, "There are no claims.")


# --- one batch


@click.command("show")
@click.argument("code")
@json_option
def show_batch(code: str, as_json: bool) -> None:
    """Show a batch: its facts, and its history with the index of every entry."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        batch = get_batch(connection, code)
        facts = batch_facts(connection, batch)
        history = entries_about(connection, f"batch:{batch.id}", limit=LONGEST_HISTORY).entries[::-1]
        names = names_of_accounts(ledger.own, connection)
    if as_json:
        click.echo(to_json({**facts, "history": [recorded_json(one) for one in history]}))
    else:
        told = {name.replace("_", " "): _several(value) for name, value in facts.items()}
        click.echo(f"{fact_lines(told)}\n\n" + "\n".join(history_line(one, names) for one in history))


def batch_facts(connection: Connection, batch: Batch) -> dict[str, object]:
    """All that is known of a batch by now, names in place of ids."""
    [affected] = trace_batches(connection, [batch]).batches
    hold = hold_on(connection, batch.id)
    return {
        "code": batch.code,
        "product": _codes(list_products(connection))[batch.product],
        "revision": batch.revision,
        "factory": _codes(list_parties(connection))[batch.factory],
        "line": batch.line,
        "made": batch.made_on.isoformat(),
        "units": batch.quantity,
        "with_serial": affected.with_serial,
        "inputs": [
            f"{get_material_lot(connection, one.lot).code}={one.quantity}"
            for one in inputs_of(connection, batch.id)
        ],
        "shipped": [f"{one.channel}, {one.country}: {one.quantity}" for one in affected.shipped],
        "in_stock": affected.in_stock,
        "on_hold": hold.reason if hold else None,
        "recalls": [one.code for one in recalls_over(connection, ranges_of(connection, batch))],
    }


def _several(value: object) -> object:
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def history_line(one: Recorded[Any], names: Mapping[str, str]) -> str:
    return f"{format_moment(one.at)}  {entry_line(one)}  by {names.get(one.actor, one.actor)}"


def names_of_accounts(ledger: Ledger | None, connection: Connection) -> dict[str, str]:
    """Accounts' names by actor, out of the vault; a mirror (None) has none."""
    if ledger is None:
        return {}
    names = Names.of(ledger)
    return {actor: names.read(item) or actor for actor, item in name_items(connection).items()}


# --- trace


@click.command()
@click.argument("lot", nargs=-1, required=True)
@json_option
def trace(lot: tuple[str, ...], as_json: bool) -> None:
    """Trace lots forward: every batch that holds one, its units, and the countries they went to."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        found = trace_forward(connection, lot)
        rows = trace_rows(found, _codes(list_products(connection)))
    if as_json:
        click.echo(to_json(_trace_json(found, rows)))
        return
    if not rows:
        click.echo("No batch holds it.")
        return
    countries = ", ".join(f"{country} {count}" for country, count in found.by_country.items())
    where = f"{found.shipped} shipped ({countries})" if countries else "none shipped"
    click.echo(as_table(rows))
    what = f"{found.made} units in {len(rows)} {'batch' if len(rows) == 1 else 'batches'}"
    click.echo(f"\n{what}: {where}, {found.made - found.shipped} in stock.")


def trace_rows(found: Trace, product_codes: Mapping[str, str]) -> list[dict[str, object]]:
    """A row for each affected batch."""
    return [
        {
            "batch": one.batch.code,
            "product": product_codes[one.batch.product],
            "made": one.batch.made_on.isoformat(),
            "units": one.batch.quantity,
            "with_serial": one.with_serial,
            "shipped": one.shipped_count,
            "in_stock": one.in_stock,
            "holds_it": "may" if one.is_partly else "yes",
        }
        for one in found.batches
    ]


def _trace_json(found: Trace, rows: Sequence[Row]) -> dict[str, object]:
    return {
        "lots": [one.code for one in found.lots],
        "batches": rows,
        "made": found.made,
        "shipped": found.shipped,
        "by_country": found.by_country,
        "ranges": [list(one) for one in found.ranges],
    }
