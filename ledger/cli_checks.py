"""`lotproof audit` and `verify`: looking for what was changed, with the database and without it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ledger import nouns
from ledger.audit.derived import audit_derived
from ledger.audit.finding import Progress, no_progress
from ledger.audit.log import Report
from ledger.audit.log import audit as audit_log
from ledger.cli_support import FINDING, USAGE, json_option, to_json
from ledger.database import connect
from ledger.errors import LedgerError
from ledger.files import Files
from ledger.journal.opening import NothingThere
from ledger.keys import Keys
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.directory import verify_directory
from ledger.log.guard import Guard
from ledger.log.merkle import leaf_hash
from ledger.log.note import Verifier
from ledger.log.proof import TlogProof
from ledger.log.proof import verify as verify_proof
from ledger.settings import Settings

assert nouns  # imported so that the registry knows every kind

SIGNATURE_ONLY = USAGE  # not refuted, and not shown either: whoever asked left the entry out


@click.command()
@click.option("--derived", is_flag=True, help="Also make every derived table again and compare every value.")
@click.option(
    "--key", "vkey", metavar="VKEY", help="Check signatures with this key, not with the one kept here."
)
@click.option("--workers", type=click.IntRange(1, 64), help="How many processes; two where there are cores.")
@json_option
def audit(derived: bool, vkey: str | None, workers: int | None, as_json: bool) -> None:
    """Look for anything that was changed, in the log and (--derived) in all that is derived from it.

    Changes nothing, and may run beside everything else. Exit code 1 if something was found.
    """
    count = workers or min(2, os.cpu_count() or 1)
    with _progress(wanted=not as_json) as progress:
        report = _audit(vkey, derived=derived, workers=count, progress=progress)
    click.echo(_as_json(report) if as_json else _as_text(report, derived=derived))
    if report.findings:
        click.get_current_context().exit(FINDING)


def _audit(vkey: str | None, *, derived: bool, workers: int, progress: Progress) -> Report:
    settings = Settings.from_env()
    if not settings.has_ledger:
        raise NothingThere(folder=settings.data)
    # Opened by hand: `open_ledger` migrates, publishes, and refuses what an audit is there to look at.
    keys = None if vkey else Keys.open(settings.keys, master_key_file=settings.master_key_file)
    verifier = Verifier.parse(vkey or "") if keys is None else keys.signer.verifier
    engine = connect(settings.ledger_db)
    files, guard = Files(settings.files), Guard(settings.guard)
    try:
        if not derived:
            return audit_log(engine, files, guard, verifier, workers=workers, progress=progress)
        units_key = None if keys is None else keys.units
        return audit_derived(
            engine, files, guard, verifier, units_key=units_key, workers=workers, progress=progress
        )
    finally:
        engine.dispose()


def _as_json(report: Report) -> str:
    return to_json(
        {
            "entries": report.size,
            "checkpoints": report.checkpoints,
            "staged": report.staged,
            "findings": [
                {
                    "code": one.code,
                    "table": one.table,
                    "row": one.row,
                    "field": one.field,
                    "problem": one.problem,
                    "facts": {name: str(value) for name, value in one.facts.items()},
                }
                for one in report.findings
            ],
        }
    )


def _as_text(report: Report, *, derived: bool) -> str:
    lines = [f"{one.code}: {one}" for one in report.findings]
    lines += [f"{count} rows of {table} wait for their event." for table, count in report.staged.items()]
    looked_at = f"{report.size} entries and {report.checkpoints} checkpoints" + (
        ", and every derived value" if derived else ""
    )
    if report.findings:
        return "\n".join([*lines, f"{len(report.findings)} findings in {looked_at}."])
    return "\n".join([*lines, f"Nothing wrong found in {looked_at}."])


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


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path), metavar="FILE")
@click.option("--key", "vkey", required=True, metavar="VKEY", help="The log's key, from somebody you trust.")
@click.option(
    "--entry",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The entry's exact bytes, where the proof does not hold them.",
)
@json_option
def verify(source: Path, vkey: str, entry: Path | None, as_json: bool) -> None:
    """Check a proof file, or a folder that `log export` wrote. Needs no database and no network.

    Exit code 0: proven. 1: it does not hold. 2: only a signature was checked, because the entry is not at hand.
    """
    verifier = Verifier.parse(vkey)
    try:
        said, code = _verify(source, verifier, entry)
    except (LedgerError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, LedgerError) else "This is no proof file: it is not text."
        said, code = {"result": "refused", "message": reason}, FINDING
    click.echo(to_json(said) if as_json else said["message"])
    click.get_current_context().exit(code)


def _verify(source: Path, verifier: Verifier, entry: Path | None) -> tuple[dict[str, object], int]:
    """What to say, and the exit code. Raises LedgerError for what does not hold."""
    if source.is_dir():
        checkpoint = verify_directory(source, verifier)
        message = f"Proven: these are all {checkpoint.size} entries of {checkpoint.origin} as it signed them."
        return _said("proven", message, checkpoint), 0
    proof = TlogProof.parse(source.read_bytes().decode())
    body = proof.extra if entry is None else entry.read_bytes()
    if body is None:
        checkpoint = open_checkpoint(proof.checkpoint_note, verifier)
        message = (
            f"Signature only: {checkpoint.origin} signed for {checkpoint.size} entries. Whether one of them is "
            "yours is not shown: give the entry with --entry FILE."
        )
        return _said("signature_only", message, checkpoint), SIGNATURE_ONLY
    checkpoint = verify_proof(proof, leaf_hash(body), verifier)
    message = (
        f"Proven: this is entry {proof.index} of the {checkpoint.size} that {checkpoint.origin} signed for.\n"
        f"{body.decode(errors='replace')}"
    )
    return {
        **_said("proven", message, checkpoint),
        "index": proof.index,
        "entry": body.decode(errors="replace"),
    }, 0


def _said(result: str, message: str, checkpoint: Checkpoint) -> dict[str, object]:
    return {
        "result": result,
        "message": message,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
    }
