"""`lotproof log compare`: whether the log still contains a checkpoint that somebody kept."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import Connection

from ledger import nouns
from ledger.cli.support import FINDING, OutputFile, json_option, to_json
from ledger.database import connect, reading
from ledger.errors import LedgerError
from ledger.journal.journal import read_recorded
from ledger.journal.key_events import LogSucceeded, read_keyring
from ledger.journal.whereabouts import demand_ledger, refuse_lost_log
from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.compare import Comparison, Kept, compare, parse_kept
from ledger.log.consistency import ConsistencyProof
from ledger.log.directory import NothingPublished
from ledger.log.keyring import LogKey
from ledger.log.merkle import HASH_BYTES, InvalidProof
from ledger.log.note import Verifier, open_note, split_note
from ledger.log.proof import HEADER, TlogProof
from ledger.settings import Settings

assert nouns  # imported so that the registry is whole


class OtherLog(LedgerError):
    """What was kept speaks of another log."""

    message = "That is a checkpoint of the log {origin}; this one is {ours}."


class NoSuchFile(LedgerError):
    """One word that names no file; a checkpoint in any of its forms has more than one."""

    message = (
        "There is no file {path}. Look at its name and folder, or give the checkpoint itself: the signed text, or its "
        "short form, such as “1234 3f2a 91bc 77d0 0a1b”."
    )
    http_status = 400


class KeyNotGiven(LedgerError):
    """A checkpoint that has to be opened bears no signature by a key that was given."""

    message = (
        "{source} is signed by none of the keys that were given. If the log's key changed between the two "
        "checkpoints, give both keys, each with its own --key: the log serves them at /log/keys."
    )


SAID = {
    "contained": (
        "This log contains it. {signed} The first {kept} of its {size} entries give the very root that was kept, so "
        "nothing recorded up to then was changed, removed or put in. Whether each entry is still what gave these "
        "hashes: lotproof audit."
    ),
    "rewritten": (
        "HISTORY WAS REWRITTEN. {signed} This log's first {kept} entries have another root. Two logs were made under "
        "one name. Keep what you compared and the checkpoint of this log: together they prove it."
    ),
    "succeeded": (
        "ENTRIES WERE LOST, and that is on record. {signed} It speaks of {kept} entries under the name {origin}. The "
        "log went on under a new name, {now}, with {left} of them: entries {left} to {last} are gone. Entry {left} "
        "says why."
    ),
    "unaccounted": (
        "ENTRIES ARE GONE, AND NOTHING ON RECORD SAYS SO. {signed} It speaks of {kept} entries under the name "
        "{origin}; the log went on under a new name, {now}, with {left} of them, and entry {left} names another "
        "checkpoint as the last one known, of {known}. Keep what you compared, and that entry."
    ),
    "behind": (
        "This log is older than it. {signed} It speaks of {kept} entries, and this log holds {size}: entries {size} to "
        "{last} are missing here. An older copy of the database was put back, or they were removed."
    ),
}
SIGNED = "The checkpoint is signed by this log."
UNSIGNED = "The short form carries no signature."
UNSIGNED_DIFFERS = (
    "What was typed is not this log's root at {kept} entries, and the short form carries no signature: look for a slip "
    "of the pen first, then compare the signed text. If that differs too, history was rewritten."
)


@click.command(name="compare")
@click.argument("checkpoint", nargs=-1, required=True, metavar="CHECKPOINT")
@click.option(
    "--proof",
    "proof_file",
    type=OutputFile(),
    metavar="FILE",
    help="Write the consistency proof there.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Check with a proof that --proof wrote, without this database.",
)
@click.option("--key", "vkeys", multiple=True, metavar="VKEY", help="The log's keys, for --against.")
@json_option
def compare_checkpoint(
    checkpoint: tuple[str, ...],
    proof_file: Path | None,
    against: Path | None,
    vkeys: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say whether this log still contains a CHECKPOINT that somebody kept: a file, - for standard input, or its text.

    Also the short form, typed from a paper: 1234 3f2a 91bc 77d0. Exit code 1: history was rewritten, or this
    database is older than the checkpoint.
    """
    kept = parse_kept(given(checkpoint))
    if against is not None:
        said = _check_against(kept, against.read_text(), [Verifier.parse(text) for text in vkeys])
    else:
        said = _compare(kept, proof_file)
    click.echo(to_json(said) if as_json else _as_text(said, proof_file))
    if said["result"] != "contained":
        click.get_current_context().exit(FINDING)


def given(words: Sequence[str]) -> str:
    """The text that was given; of a proof file, the checkpoint in it. Raises NoSuchFile."""
    joined = " ".join(words)
    if joined == "-":
        text = sys.stdin.read()
    elif "\n" not in joined and len(joined) < 1_000 and Path(joined).is_file():
        text = Path(joined).read_text()
    elif len(joined.split()) == 1 or (joined.startswith(("/", "./", "../")) and "\n" not in joined):
        raise NoSuchFile(path=joined)
    else:
        text = joined
    return TlogProof.parse(text).checkpoint_note if text.startswith(HEADER) else text


def _compare(kept: Kept, proof_file: Path | None) -> dict[str, object]:
    """Compare with the log of this installation."""
    with log_snapshot() as connection:
        newest_note = store.newest_note(connection)
        if newest_note is None:
            raise NothingPublished()
        former = _origin_left_behind(connection, kept)
        if former is not None:
            return _said_of_loss(connection, kept, former)
        _refuse_foreign(connection, kept)
        newest = Checkpoint.parse(split_note(newest_note)[0])
        found = compare(connection, kept, newest)
    said = _said(kept, found, newest)
    if found.verdict == "contained":
        proof = ConsistencyProof(kept.size, found.proof, newest_note).format()
        said["proof"] = proof
        if proof_file is not None:
            proof_file.write_text(proof)
    return said


@contextmanager
def log_snapshot() -> Iterator[Connection]:
    """The log of this installation in one snapshot, opened by hand: it needs no key and no guard.

    Raises what `demand_ledger` does, and LogMissing.
    """
    settings = Settings.from_env()
    demand_ledger(settings)
    engine = connect(settings.ledger_db)
    try:
        refuse_lost_log(settings, engine)
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def _origin_left_behind(connection: Connection, kept: Kept) -> LogKey | None:
    """The key that began a new origin, where what was kept is of the one before and of entries that did not go on."""
    keyring = read_keyring(connection)
    assert keyring is not None
    names = [one.verifier.name for one in keyring.keys]
    if kept.origin not in names:
        return None
    after = len(names) - names[::-1].index(kept.origin)
    former, next_one = keyring.keys[:after], next(iter(keyring.keys[after:]), None)
    if next_one is None or kept.size < next_one.first_size:
        return None
    if kept.note is not None:
        open_note(kept.note, [one.verifier for one in former])
    return next_one


def _said_of_loss(connection: Connection, kept: Kept, next_one: LogKey) -> dict[str, object]:
    """What to say of a checkpoint whose entries were lost before the log went on: is that loss on record?"""
    left = next_one.first_size - 1
    event = read_recorded(connection, left).event
    assert isinstance(event, LogSucceeded)
    last = event.last
    is_told = kept.size < last.size or (kept.size == last.size and last.root.startswith(kept.root_start))
    result = "succeeded" if is_told else "unaccounted"
    message = SAID[result].format(
        signed=SIGNED if kept.note else UNSIGNED,
        kept=kept.size,
        origin=kept.origin,
        now=next_one.verifier.name,
        left=left,
        last=kept.size - 1,
        known=last.size,
    )
    return {"result": result, "message": message, "size": kept.size, "kept": left}


def _refuse_foreign(connection: Connection, kept: Kept) -> None:
    """Raise what opening the kept note raises: whoever else signed it says nothing about this log."""
    keyring = read_keyring(connection)
    assert keyring is not None
    if kept.note is not None:
        keyring.open(kept.note)
    elif kept.origin is not None and kept.origin not in {one.verifier.name for one in keyring.keys}:
        raise OtherLog(origin=kept.origin, ours=keyring.newest.verifier.name)


def _said(kept: Kept, found: Comparison, newest: Checkpoint) -> dict[str, object]:
    """What to say of a comparison."""
    is_signed = kept.note is not None
    message = SAID[found.verdict] if is_signed or found.verdict != "rewritten" else UNSIGNED_DIFFERS
    return {
        "result": found.verdict,
        "message": message.format(
            signed=SIGNED if is_signed else UNSIGNED, kept=kept.size, size=found.size, last=kept.size - 1
        ),
        "is_signed": is_signed,
        "size": kept.size,
        "root": kept.root_start,
        "root_here": found.root.hex() if found.root else None,
        "was_published": found.was_published,
        "log": {"origin": newest.origin, "size": newest.size, "root": newest.root.hex()},
    }


def _as_text(said: dict[str, object], proof_file: Path | None) -> str:
    lines = [str(said["message"])]
    if said["result"] == "rewritten":
        lines += ["", f"kept here   {said['root']}", f"this log    {said['root_here']}"]
    if "proof" in said and proof_file is None:
        lines += ["", "The proof, to be checked by anybody (old size, hashes, newest checkpoint):", ""]
        lines += [str(said["proof"]).removesuffix("\n")]
    elif "proof" in said:
        lines += [
            f"The proof is in {proof_file}. To check it elsewhere: lotproof log compare … --against FILE --key …"
        ]
    return "\n".join(lines)


def _check_against(kept: Kept, text: str, verifiers: Sequence[Verifier]) -> dict[str, object]:
    """Check a proof that somebody else made, with nothing but the log's keys."""
    if len(kept.root_start) != 2 * HASH_BYTES or not verifiers:
        raise click.UsageError(
            "--against needs --key and the whole checkpoint: the signed text, or all 64 digits."
        )
    proof = ConsistencyProof.parse(text)
    if kept.note is not None:
        _opened(kept.note, verifiers, source="The checkpoint that was kept")
    newer = Checkpoint.parse(_opened(proof.note, verifiers, source="The newer checkpoint in the proof"))
    try:
        if proof.old_size != kept.size:
            raise InvalidProof(reason=f"it is made for the checkpoint of {proof.old_size} entries")
        proof.verify(bytes.fromhex(kept.root_start), newer.size, newer.root)
    except InvalidProof as error:
        message = f"{error} The log with the newer checkpoint does not begin with what you kept."
        return {"result": "refuted", "message": message, "size": kept.size}
    message = (
        f"Proven: the {newer.size} entries that {newer.origin} signed for begin with the {kept.size} entries of the "
        "checkpoint that was kept."
    )
    return {"result": "contained", "message": message, "size": kept.size, "log_size": newer.size}


def _opened(note: str, verifiers: Sequence[Verifier], *, source: str) -> str:
    """The text of a note that one of the keys signed. Raises KeyNotGiven, and UntrustedNote for a wrong signature."""
    given_keys = {(one.name, one.key_id) for one in verifiers}
    if given_keys.isdisjoint((one.name, one.key_id) for one in split_note(note)[1]):
        raise KeyNotGiven(source=source)
    return open_note(note, verifiers).text
