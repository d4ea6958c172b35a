"""`lotproof keys`: which keys sign the log, and replacing them and the master key."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from ledger.cli.support import Group, OutputFile, clock_option, json_option, recorded_json, table, to_json
from ledger.custody.resume import OPERATOR
from ledger.database import reading
from ledger.journal.journal import By, Receipt
from ledger.journal.key_changes import retire_key, rotate_key
from ledger.journal.key_events import MasterKeyRotated, read_keyring
from ledger.journal.master_key import DEADLINE_DAYS, MasterKeyAge, master_key_age, rotate_master_key
from ledger.journal.opening import Ledger, open_ledger
from ledger.journal.registry import KIND_OF
from ledger.log.keyring import Keyring, LogKey
from ledger.moments import format_moment
from ledger.settings import Settings

NOT_HERE = "not here"
_DONE = {
    "log.key_rotated/1": ("The log's key", "rotated"),
    "log.key_retired/1": ("The older key", "retired"),
    "master_key.rotated/1": ("The master key", "replaced"),
}

reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why. It stands in the log for ever."
)


@click.group(cls=Group)
def keys() -> None:
    """The log's keys and the master key: what there is, and replacing it."""


@keys.command(name="list")
@json_option
def list_keys(as_json: bool) -> None:
    """List the log's keys: which checkpoints each signs, and where its private half is."""
    with closing(open_ledger(Settings.from_env())) as ledger:
        keyring = _keyring(ledger)
        places = {signer.verifier: name for name, signer in ledger.keys.log_keys().items()}
        found = [_as_row(one, places.get(one.verifier, NOT_HERE)) for one in keyring.keys]
        unrecorded = [
            name for key, name in places.items() if key not in {one.verifier for one in keyring.keys}
        ]
        age = master_key_age(ledger)
        is_overdue = age.is_overdue(ledger.clock.now())
    if as_json:
        master = {"since": format_moment(age.since), "due": format_moment(age.due), "is_overdue": is_overdue}
        click.echo(to_json({"keys": found, "not_recorded": unrecorded, "master_key": master}))
    else:
        click.echo(_as_text(found, unrecorded, age))
    if is_overdue:
        click.echo(
            f"lotproof: The master key is older than {DEADLINE_DAYS} days: people who were erased can still be read "
            'from copies made before. Replace it: lotproof keys rotate-master --reason "Its time has run out."',
            err=True,
        )


@keys.command()
@reason_option
@click.option(
    "--compromised", is_flag=True, help="Somebody else may have the key: it signs no more from this entry on."
)
@clock_option
@json_option
def rotate(reason: str, compromised: bool, accept_clock: bool, as_json: bool) -> None:
    """Give the log a new key. The old one signs beside it until it is retired.

    If a crash ended the last attempt, this finishes it.
    """
    with closing(open_ledger(Settings.from_env(), accept_long_silence=accept_clock)) as ledger:
        receipt = rotate_key(ledger, reason, By(OPERATOR), compromised=compromised)
        new = _keyring(ledger).newest
    if as_json:
        click.echo(to_json({"vkey": new.verifier.to_text(), "entries": _entries(receipt)}))
        return
    first = "A rotation that was interrupted is finished." if receipt is None else _said(receipt)
    click.echo(f"{first} The log's new key:\n{new.verifier.to_text()}")
    if compromised:
        click.echo(
            "Hand it to auditors yourself, and say that the old key must not be trusted: whoever has that one can "
            "sign statements too."
        )
    else:
        click.echo(
            "Whoever knows the old key comes to it through the statement at /log/keys. When everybody has it: "
            "lotproof keys retire"
        )


@keys.command()
@reason_option
@clock_option
@json_option
def retire(reason: str, accept_clock: bool, as_json: bool) -> None:
    """End the overlap of two keys: the older one signs no more, and its private half is destroyed."""
    with closing(open_ledger(Settings.from_env(), accept_long_silence=accept_clock)) as ledger:
        receipt = retire_key(ledger, reason, By(OPERATOR))
    click.echo(to_json({"entries": _entries(receipt)}) if as_json else _said(receipt))


@keys.command(name="rotate-master")
@reason_option
@click.option(
    "--new-file",
    type=OutputFile(),
    metavar="FILE",
    help="The new master key: taken from there, or made there. The old file is left as it is.",
)
@clock_option
@json_option
def rotate_master(reason: str, new_file: Path | None, accept_clock: bool, as_json: bool) -> None:
    """Replace the master key, and wrap anew what the old one opened. If a crash ended the last attempt, finish it."""
    with closing(open_ledger(Settings.from_env(), accept_long_silence=accept_clock)) as ledger:
        receipt = rotate_master_key(ledger, reason, By(OPERATOR), new_file=new_file)
        old_file = ledger.keys.master_key_file
    if as_json:
        click.echo(to_json({"entries": _entries(receipt)}))
        return
    persons = receipt.first(MasterKeyRotated).event.persons
    click.echo(f"{_said(receipt)} Keys of the vault wrapped anew: {persons}.")
    if new_file is not None:
        click.echo(f"Now set LOTPROOF_MASTER_KEY_FILE={new_file.absolute()} and destroy {old_file}.")
    click.echo(
        "Restart what runs: until then it reads and writes no personal data. Destroy copies of the old key."
    )


def _keyring(ledger: Ledger) -> Keyring:
    with reading(ledger.engine) as connection:
        keyring = read_keyring(connection)
    assert keyring is not None  # a ledger is made with its first entry
    return keyring


def _as_row(key: LogKey, place: str) -> dict[str, object]:
    return {
        "vkey": key.verifier.to_text(),
        "first_size": key.first_size,
        "last_size": key.last_size,
        "private_half": place,
    }


def _as_text(found: Sequence[dict[str, object]], unrecorded: Sequence[str], age: MasterKeyAge) -> str:
    rows = [
        (
            one["first_size"],
            "…" if one["last_size"] is None else one["last_size"],
            one["private_half"],
            one["vkey"],
        )
        for one in found
    ]
    lines = [table(("From size", "To size", "Private half", "Key"), rows, right=(0, 1))]
    lines += [
        f"{name} is made and not recorded: lotproof keys rotate goes on with it." for name in unrecorded
    ]
    lines += [f"The master key is in use since {age.since:%Y-%m-%d}; replace it by {age.due:%Y-%m-%d}."]
    return "\n".join(lines)


def _entries(receipt: Receipt | None) -> list[dict[str, object]]:
    return [recorded_json(one) for one in receipt.entries] if receipt else []


def _said(receipt: Receipt) -> str:
    one = receipt.entries[0]
    what, done = _DONE[KIND_OF[type(one.event)]]
    return f"{what} is {done}; entry {one.index} says so."
