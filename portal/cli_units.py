"""`lotproof unit …`: serials made here, serials from a factory's file, and the list of them."""

from collections.abc import Mapping
from pathlib import Path

import click
from sqlalchemy import Connection

from ledger.cli.support import (
    FINDING,
    REFUSED,
    OutputFile,
    json_option,
    opened_ledger,
    recorded_json,
    to_json,
)
from ledger.database import reading
from ledger.journal.journal import Receipt
from ledger.recall.intake_check import refuse_intake
from ledger.trace.batch import get_batch, list_batches
from ledger.trace.factory_check import Problem
from ledger.trace.factory_file import FactoryFile, with_reasons
from ledger.trace.intake import Intake, read_intake, record_intake
from ledger.trace.unit import serials_in, sets_of
from portal.cli_acting import acting, acting_options, entry_line
from portal.cli_commands import request_command
from portal.orders import MakeUnits, make_units

MOST_PROBLEMS = 40  # said on the screen; the file with reasons has them all
RECORDED_COLUMNS = ("serial", "range", "batch")


make = request_command("make", "unit.commission", MakeUnits, make_units)


@click.command("list")
@click.argument("batch")
@json_option
def list_serials(batch: str, as_json: bool) -> None:
    """Print the serials of a batch, one a line, in the order of their positions."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        sets = sets_of(connection, get_batch(connection, batch).id)
        serials = [serial for one in sets for serial in serials_in(connection, one.range)]
    click.echo(to_json(serials) if as_json else "\n".join(serials))


# --- import


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--batch", metavar="CODE", help="The batch, where the file has no column for it.")
@click.option("--dry-run", is_flag=True, help="Only check the file; nothing is recorded.")
@click.option(
    "--reasons",
    metavar="OUT",
    type=OutputFile(),
    help="Where a file with problems is written with its reasons; beside FILE if not given.",
)
@click.option(
    "--not-recalled-because",
    default="",
    metavar="TEXT",
    help="Only for batches that stand in a recall these units are not of.",
)
def import_file(
    file: Path,
    *,
    batch: str | None,
    dry_run: bool,
    reasons: Path | None,
    not_recalled_because: str,
    account: str | None,
    key: str | None,
    accept_clock: bool,
    as_json: bool,
) -> None:
    """Import a factory's FILE of serials (CSV), whole or not at all."""
    content = file.read_bytes()
    with acting("unit.commission_sets", account, key, accept_clock=accept_clock) as (ledger, by):
        with reading(ledger.engine) as connection:
            intake = read_intake(connection, content, default_batch=batch)
            products = _earlier(connection, intake)
        if not intake.file.is_clean:
            refuse(intake, file, reasons, dry_run=dry_run, as_json=as_json)
        if dry_run and not intake.is_known:
            with reading(ledger.engine) as connection:
                refuse_intake(connection, intake, not_recalled_because=not_recalled_because)
        receipt = None
        if not (dry_run or intake.is_known):
            receipt = record_intake(
                ledger.journal, ledger.keys.units, intake, by, not_recalled_because=not_recalled_because
            )
    if as_json:
        click.echo(to_json(told(intake, receipt)))
    else:
        click.echo(f"{columns(intake.file)}\n{_outcome(intake, receipt, products)}")


acting_options(import_file)


def refuse(intake: Intake, file: Path, reasons: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Say what is wrong, write the file again with a column of reasons, and exit."""
    out = reasons or file.with_name(f"{file.stem}.reasons{file.suffix}")
    if intake.file.problems:
        if out.exists() and out.samefile(file):
            raise click.UsageError("--reasons names the file itself. Give another name: it stays as it came.")
        out.write_bytes(with_reasons(intake.content, intake.file))
    if as_json:
        click.echo(to_json({**told(intake, None), "reasons_file": str(out)}))
    else:
        click.echo(_problems(intake.file, out), err=True)
    click.get_current_context().exit(FINDING if dry_run else REFUSED)


def told(intake: Intake, receipt: Receipt | None) -> dict[str, object]:
    """An import for `--json`."""
    file = intake.file
    return {
        "batches": {batch: len(rows) for batch, rows in file.by_batch().items()},
        "encoding": file.encoding,
        "entries": [recorded_json(one) for one in receipt.entries] if receipt else [],
        "imported_before": intake.is_known,
        "problems": [_problem(one) for one in file.problems],
        "serials": len(file.rows),
        "unused_columns": file.unused,
        "used_columns": dict(file.used),
    }


def _problem(one: Problem) -> dict[str, object]:
    return {"line": one.line, "column": one.column, "value": one.value, "reason": str(one)}


def _problems(file: FactoryFile, out: Path) -> str:
    if not file.problems:
        return "lotproof: the file holds no serial. Nothing was recorded."
    lines = [f"line {one.line}, {one.column} {one.value!r}: {one}" for one in file.problems[:MOST_PROBLEMS]]
    more = len(file.problems) - MOST_PROBLEMS
    if more > 0:
        lines.append(f"… and {more} more")
    rows = len({one.line for one in file.problems})
    lines.append(f"{len(file.problems)} problems in {rows} rows. Nothing was recorded.")
    return "\n".join([*lines, f"The file with the reasons beside its rows: {out}"])


def columns(file: FactoryFile) -> str:
    """Which columns were taken, which only checked, which not used: nothing of a file vanishes unsaid."""
    taken = [f"{name} from “{heading}”" for name, heading in file.used.items() if name in RECORDED_COLUMNS]
    checked = [f"“{heading}”" for name, heading in file.used.items() if name not in RECORDED_COLUMNS]
    lines = [f"Read as {file.encoding}. Taken: {', '.join(taken)}."]
    if checked:
        lines.append(f"Checked, and kept in the file alone: {', '.join(checked)}.")
    if file.unused:
        lines.append(f"Not used: {', '.join(f'“{heading}”' for heading in file.unused)}.")
    if file.blank_rows or file.sum_rows:
        lines.append(f"Passed over: {len(file.blank_rows)} blank rows, {len(file.sum_rows)} sum rows.")
    return "\n".join(lines)


def _outcome(intake: Intake, receipt: Receipt | None, earlier: Mapping[str, int]) -> str:
    if receipt is not None:
        return "\n".join(map(entry_line, receipt.entries))
    if intake.is_known:
        there = ", ".join(f"{count} in {batch}" for batch, count in earlier.items())
        return f"This file was imported before ({there}): nothing to record."
    counts = ", ".join(f"{len(rows)} in {batch}" for batch, rows in intake.file.by_batch().items())
    return f"The file is clean: {len(intake.file.rows)} serials, {counts}. Nothing was recorded (--dry-run)."


def _earlier(connection: Connection, intake: Intake) -> dict[str, int]:
    codes = {one.id: one.code for one in list_batches(connection)}
    return {codes[one.batch]: one.count for one in intake.earlier}
