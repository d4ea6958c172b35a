"""`lotproof audit`: looking for anything that was changed, and saying what to do about it."""

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import click
from sqlalchemy import Connection, Engine, Table, func, select
from sqlalchemy.exc import SQLAlchemyError

from ledger import nouns
from ledger.audit.derived import audit_derived
from ledger.audit.finding import Findings, Progress, no_progress
from ledger.audit.log import Plan, Report
from ledger.audit.log import audit as audit_log
from ledger.audit.page import page
from ledger.audit.rows import DRIVER_ERRORS
from ledger.audit.showing import Showing
from ledger.audit.told import Audited, as_text, as_values
from ledger.cli.support import FINDING, OutputFile, json_option, to_json
from ledger.database import connect, reading
from ledger.errors import LedgerError, Refused
from ledger.files import Files
from ledger.journal.whereabouts import demand_ledger
from ledger.keys.keys import Keys
from ledger.log.guard import Guard
from ledger.log.note import Verifier
from ledger.recall.erasing import vault_problems
from ledger.settings import Settings
from ledger.vault.tables import METADATA
from ledger.vault.vault import Vault

assert nouns  # imported so that the registry knows every kind

EVERY_SECONDS = 10.0  # a line of progress, where nobody looks at a terminal
AT_A_TERMINAL_SECONDS = 0.2


class NoKeysToOpen(Refused):
    """The vault cannot be opened with a key from outside."""

    message = "The vault opens with this installation's own keys alone. Leave --key out, or --vault."


class ReportExists(Refused):
    """A report is never written over another file."""

    message = "{path} is there already, and a report does not overwrite anything. Give another name."


class NoCheckpointFile(LedgerError):
    """The file given with --since cannot be read."""

    message = "{path} cannot be read as a checkpoint ({reason}). Give the file of a signed checkpoint."


@dataclass(frozen=True, slots=True)
class _Options:
    """What was asked for on the command line."""

    derived: bool
    vault: bool
    vkey: str | None
    plan: Plan


@click.command()
@click.option("--derived", is_flag=True, help="Also make every derived table again and compare every value.")
@click.option("--vault", is_flag=True, help="Also open every row of the vault of personal data.")
@click.option(
    "--key", "vkey", metavar="VKEY", help="Check signatures with this key, not with the one kept here."
)
@click.option(
    "--since",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A signed checkpoint that you have checked already: what lies before is taken from the tiles.",
)
@click.option(
    "--resume",
    type=OutputFile(),
    metavar="FILE",
    help="Write down here what is done, and go on from there after an interruption.",
)
@click.option(
    "--keep",
    type=OutputFile(is_replaced=True),
    metavar="FILE",
    help="Where nothing was found, keep the newest checkpoint here, for the next --since.",
)
@click.option("--report", type=OutputFile(), metavar="FILE", help="Write a page that prints, HTML.")
@click.option(
    "--progress", is_flag=True, help="Say how far it is, a line now and then, also without a terminal."
)
@click.option("--workers", type=click.IntRange(1, 64), help="How many processes; two where there are cores.")
@json_option
def audit(
    derived: bool,
    vault: bool,
    vkey: str | None,
    since: Path | None,
    resume: Path | None,
    keep: Path | None,
    report: Path | None,
    progress: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Look for anything that was changed, in the log and (--derived, --vault) in all that belongs to it.

    Changes nothing, and may run beside everything else. Exit code 1 if something was found.
    """
    if report is not None and report.exists():
        raise ReportExists(path=report)
    count = workers or min(2, os.cpu_count() or 1)
    options = _Options(derived, vault, vkey, Plan(count, _note(since), resume))
    with _showing(wanted=progress, as_json=as_json) as shown:
        audited = _audited(options, shown)
    if report is not None:
        report.write_text(page(audited), encoding="utf-8")
    click.echo(to_json(as_values(audited)) if as_json else as_text(audited))
    if keep is not None and not audited.report.findings:
        _keep(keep, audited.report.note)
    if audited.report.findings:
        click.get_current_context().exit(FINDING)


def _keep(path: Path, note: str | None) -> None:
    """Put the checkpoint there whole, or leave what was there."""
    if note is not None:
        beside = path.with_name(f"{path.name}.new")
        beside.write_bytes(note.encode())
        beside.replace(path)  # a crash before it: the former one stands, and the next audit begins earlier


def _note(since: Path | None) -> str | None:
    try:
        return None if since is None else since.read_bytes().decode()
    except OSError as error:
        raise NoCheckpointFile(path=since, reason=error.strerror) from error
    except UnicodeDecodeError as error:
        raise NoCheckpointFile(path=since, reason="it is no text") from error


def _audited(options: _Options, progress: Progress) -> Audited:
    settings = Settings.from_env()
    demand_ledger(settings)
    begun, started = datetime.now(UTC), monotonic()
    vkey = options.vkey or settings.mirror_of
    # Opened by hand: `open_ledger` migrates, publishes, and refuses what an audit is there to look at.
    keys = None if vkey else Keys.open(settings.keys, master_key_file=settings.master_key_file)
    verifier = Verifier.parse(vkey or "") if keys is None else keys.signer.verifier
    report = _report(settings, verifier, keys, options, progress)
    return Audited(
        report=report,
        origin=settings.origin,
        key=verifier.to_text(),
        begun=begun,
        seconds=monotonic() - started,
        version=importlib.metadata.version("lotproof"),
        is_derived=options.derived,
        has_guard=settings.mirror_of is None,
    )


def _report(
    settings: Settings, verifier: Verifier, keys: Keys | None, options: _Options, progress: Progress
) -> Report:
    if options.vault and keys is None:
        raise NoKeysToOpen()
    engine = connect(settings.ledger_db)
    files = Files(settings.files)
    guard = None if settings.mirror_of else Guard(settings.guard)  # a mirror publishes nothing
    try:
        if options.derived:
            units_key = None if keys is None else keys.units
            report = audit_derived(
                engine, files, guard, verifier, units_key=units_key, plan=options.plan, progress=progress
            )
        else:
            report = audit_log(engine, files, guard, verifier, plan=options.plan, progress=progress)
        return report if keys is None or not options.vault else _with_vault(report, settings, keys, engine)
    finally:
        engine.dispose()


def _with_vault(report: Report, settings: Settings, keys: Keys, engine: Engine) -> Report:
    """The report, and what is wrong with the vault."""
    findings = Findings()
    # Not by `open_vault`, which brings it up to date and refuses another master key: an audit is there to look at both.
    vault = Vault(connect(settings.vault_db), keys.master)
    count = 0
    try:
        with reading(engine) as connection:
            for one in vault_problems(vault, connection):
                findings.add("vault", f"vault.{one.table}", one.row, "", one.problem)
        with reading(vault.engine) as connection:
            count = sum(_count(connection, table) for table in METADATA.sorted_tables)
    except (SQLAlchemyError, *DRIVER_ERRORS) as error:
        findings.add("vault", "vault", "", "", f"cannot be read: {error}")
    finally:
        vault.engine.dispose()
    return replace(report, findings=(*report.findings, *findings.all()), vault_rows=count)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


@contextmanager
def _showing(*, wanted: bool, as_json: bool) -> Iterator[Progress]:
    """Shows how far it is: in place where somebody looks at a terminal, by lines where it was asked for."""
    if wanted and not sys.stderr.isatty():
        yield Showing(lambda line: click.echo(line, err=True), EVERY_SECONDS)
    elif sys.stderr.isatty() and (wanted or not as_json):
        yield Showing(lambda line: click.echo(f"\r\033[K{line}", nl=False, err=True), AT_A_TERMINAL_SECONDS)
        click.echo("\r\033[K", nl=False, err=True)
    else:
        yield no_progress
