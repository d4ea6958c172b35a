"""`lotproof verify`: looking for what was changed, without a database. With one: `ledger.cli.audit`."""

from pathlib import Path

import click

from ledger import nouns
from ledger.cli.support import FINDING, USAGE, json_option, to_json
from ledger.errors import LedgerError
from ledger.journal.carrying import verify_log
from ledger.log.checkpoint import Checkpoint
from ledger.log.key_list import parse_key_list
from ledger.log.keyring import Keyring, short
from ledger.log.merkle import leaf_hash
from ledger.log.note import Verifier, split_note
from ledger.log.proof import TlogProof, open_signed
from ledger.log.proof import verify as verify_proof

assert nouns  # imported so that the registry knows every kind

SIGNATURE_ONLY = USAGE  # not refuted, and not shown either: whoever asked left the entry out


class KeyChanged(LedgerError):
    """The key that was given did not sign the proof's checkpoint."""

    message = (
        "The key {key} did not sign this proof's checkpoint. If the proof is of another log, ask for that log's key. "
        "If the log's key was changed since you got yours, fetch the list of its keys from https://{origin}/keys and "
        "give it with --statements FILE: it leads from your key to the new one. For a proof older than your "
        "key, ask for a newer one."
    )


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path), metavar="FILE")
@click.option("--key", "vkey", required=True, metavar="VKEY", help="The log's key, from somebody you trust.")
@click.option(
    "--entry",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The entry's exact bytes, where the proof does not hold them.",
)
@click.option(
    "--statements",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="For a proof: the list of the log's keys (/log/keys), where its key was changed since you got yours.",
)
@json_option
def verify(source: Path, vkey: str, entry: Path | None, statements: Path | None, as_json: bool) -> None:
    """Check a proof file, or a folder that `log export` wrote. Needs no database and no network.

    Exit code 0: proven. 1: it does not hold. 2: only a signature was checked, because the entry is not at hand.
    """
    verifier = Verifier.parse(vkey)
    try:
        said, code = _verify(source, verifier, entry, statements)
    except (LedgerError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, LedgerError) else f"{source} cannot be read: it is not text."
        said, code = {"result": "refused", "message": reason}, FINDING
    click.echo(to_json(said) if as_json else said["message"])
    click.get_current_context().exit(code)


def _verify(
    source: Path, verifier: Verifier, entry: Path | None, statements: Path | None
) -> tuple[dict[str, object], int]:
    """What to say, and the exit code. Raises LedgerError for what does not hold."""
    if source.is_dir():
        return _verify_folder(source, verifier), 0
    proof = TlogProof.parse(source.read_bytes().decode())
    trusted, way = _trusted(proof, verifier, statements)
    body = proof.extra if entry is None else entry.read_bytes()
    if body is None:
        checkpoint = open_signed(proof.checkpoint_note, trusted)
        message = (
            f"Signature only: {checkpoint.origin} signed for {checkpoint.size} entries{_by_way_of(way)}. Whether one "
            "of them is yours is not shown: give the entry with --entry FILE."
        )
        return _said("signature_only", message, checkpoint, way), SIGNATURE_ONLY
    checkpoint = verify_proof(proof, leaf_hash(body), trusted)
    message = (
        f"Proven: this is entry {proof.index} of the {checkpoint.size} that {checkpoint.origin} signed for"
        f"{_by_way_of(way)}.\n{body.decode(errors='replace')}"
    )
    said = _said("proven", message, checkpoint, way)
    return {**said, "index": proof.index, "entry": body.decode(errors="replace")}, 0


def _verify_folder(source: Path, verifier: Verifier) -> dict[str, object]:
    checkpoint, way = verify_log(source, verifier)
    all_of_them = f"these are all {checkpoint.size} entries of {checkpoint.origin}"
    message = f"Proven: {all_of_them} as it signed them{_by_way_of(way)}."
    return _said("proven", message, checkpoint, way)


def _trusted(
    proof: TlogProof, verifier: Verifier, statements: Path | None
) -> tuple[Verifier | Keyring, tuple[Verifier, ...]]:
    """Who must have signed the proof's checkpoint, and the way there from the key that was given.

    Raises KeyChanged where that key signed nothing in it, UntrustedNote where no statement leads on.
    """
    checkpoint = Checkpoint.parse(split_note(proof.checkpoint_note)[0])
    if statements is not None:
        keyring = parse_key_list(statements.read_bytes().decode())
        return keyring, keyring.way(verifier, checkpoint.size)
    signatures = split_note(proof.checkpoint_note)[1]
    if (verifier.name, verifier.key_id) not in {(one.name, one.key_id) for one in signatures}:
        raise KeyChanged(key=short(verifier), origin=checkpoint.origin)
    return verifier, (verifier,)


def _by_way_of(way: tuple[Verifier, ...]) -> str:
    """How one comes from the key that was given to the one that signed, where these are two."""
    return f", by way of {' → '.join(short(key) for key in way)}" if len(way) > 1 else ""


def _said(result: str, message: str, checkpoint: Checkpoint, way: tuple[Verifier, ...]) -> dict[str, object]:
    return {
        "result": result,
        "message": message,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "way": [key.to_text() for key in way],
    }
