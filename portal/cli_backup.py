"""`lotproof backup` and `restore`: copies made while everything runs, and an installation made of them.

Here and not in the ledger, because accounts, tokens and sessions are declared in the portal.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from ledger import work
from ledger.cli.support import FINDING, json_option, to_json
from ledger.custody.backup import FILES, KEEP_DAYS, LOG, BackedUp, back_up
from ledger.custody.backup_check import CopiedKeys, check_backup
from ledger.custody.restore import Restored, Sources, restore
from ledger.journal.opening import Ledger, open_ledger
from ledger.keys.keys import MASTER_KEY, Keys
from ledger.log.note import Verifier
from ledger.settings import Settings
from ledger.state import STATE, open_state
from portal import (
    accounts,
    attempts,
    heartbeats,
    invitations,
    limits,
    links,
    passkey_challenges,
    renditions,
    second_factor,
    tokens,
    waiting_sign_ins,
    webhooks,
)
from portal.heartbeats import BACKUP, beat

STATE_TABLES = STATE.sorted_tables  # of all modules that keep state: they are imported above
# Whoever signed out since must not be signed in again by a copy, nor a link that was used work again.
# The other machine has seen no worker and no backup yet, and nobody sent it anything.
ENDED = (
    accounts.sessions,
    heartbeats.heartbeats,
    invitations.invitations,
    limits.limits_table,
    links.link_sessions,
    passkey_challenges.challenges,
    waiting_sign_ins.waiting_sign_ins,
)
assert all((accounts, attempts, invitations, renditions, second_factor, tokens, webhooks, work))

FOLDER = click.Path(file_okay=False, path_type=Path)
THERE = click.Path(exists=True, file_okay=False, path_type=Path)

AS_THEY_WERE = (
    "Accounts, passwords and tokens are as they were when the copy was made; everybody signs in anew. What was "
    "disabled or revoked since then works again: lotproof account list, lotproof token list."
)
OLDER_KEY = (
    "If the log's key was replaced since then: take a new backup, or check this one by the key of its time, --key VKEY "
    "(lotproof keys list)."
)
OLDER_MASTER_KEY = (
    "If the master key was replaced since then: that copy needs the one of before. Better, take a new backup."
)


@click.command()
@click.argument("folder", type=FOLDER, metavar="DIR")
@click.option("--vault", type=FOLDER, metavar="DIR", help="Also copy contacts, payouts and accounts, there.")
@click.option(
    "--keys", type=FOLDER, metavar="DIR", help="Also copy the keys, there: on another medium than DIR."
)
@click.option(
    "--keep-days",
    type=click.IntRange(1, 3_650),
    default=KEEP_DAYS,
    show_default=True,
    help="How long copies of the vault are kept.",
)
@click.option(
    "--check", is_flag=True, help="Make nothing; read the whole backup and say whether it is whole."
)
@click.option(
    "--key", "vkey", metavar="VKEY", help="The log's key, for --check on a machine without the keys."
)
@json_option
def backup(
    folder: Path,
    vault: Path | None,
    keys: Path | None,
    keep_days: int,
    check: bool,
    vkey: str | None,
    as_json: bool,
) -> None:
    """Bring the backup in DIR up to date, while everything runs: the log, and the files that it names.

    What DIR holds, everybody may read who may read the log. Contacts lie in --vault, encrypted, and are removed
    after --keep-days, so that what was erased here ends there too.
    """
    if check:
        _check(folder, vault, keys, vkey, as_json=as_json)
        return
    ledger = open_ledger(Settings.from_env(), accept_long_silence=True)
    try:
        made = back_up(
            ledger,
            folder,
            now=ledger.clock.now(),
            state_tables=STATE_TABLES,
            vault=vault,
            keys=keys,
            keep_days=keep_days,
        )
        _note_backup(ledger)
        told = _made_json(made) if as_json else _made_text(made, ledger, folder, keys)
    finally:
        ledger.close()
    click.echo(told)


def _note_backup(ledger: Ledger) -> None:
    """So that `lotproof doctor` knows how old the newest one is."""
    state = open_state(ledger.settings.state_db)
    beat(state, BACKUP, ledger.clock)
    state.dispose()


def _made_json(made: BackedUp) -> str:
    return to_json(
        {
            "size": made.checkpoint.size,
            "root": made.checkpoint.root.hex(),
            "files": made.files,
            "vault_rows": made.vault_rows,
            "pruned": made.pruned,
        }
    )


def _made_text(made: BackedUp, ledger: Ledger, folder: Path, keys: Path | None) -> str:
    lines = [
        f"{made.checkpoint.size} entries are in {folder / LOG}, and {made.files} new files in {folder / FILES}."
    ]
    if made.vault_rows is None:
        lines.append("Contacts, payouts and accounts are not in it: --vault DIR.")
    else:
        lines.append(
            f"A copy of the vault with {made.vault_rows} rows was added; {made.pruned} older ones were removed."
        )
    if keys is None:
        lines.append("The keys are not in it: --keys DIR, on another medium. Without them it is a mirror.")
    elif ledger.keys.master_key_file.parent != ledger.keys.folder:
        lines.append(f"The master key is not in it: it lies in {ledger.keys.master_key_file}.")
    return "\n".join(lines)


def _check(folder: Path, vault: Path | None, copies: Path | None, vkey: str | None, *, as_json: bool) -> None:
    settings = Settings.from_env()
    place = settings.master_key_file or settings.keys / MASTER_KEY
    keys = None if vkey else Keys.open(settings.keys, master_key_file=settings.master_key_file)
    trusted = [Verifier.parse(vkey or "")] if keys is None else keys.verifiers()
    copied = None if copies is None else CopiedKeys(copies, master_key_file=place)
    found = check_backup(folder, trusted, vault=vault, master=keys.master if keys else None, keys=copied)
    size = found.checkpoint.size if found.checkpoint else None
    if as_json:
        click.echo(to_json({"size": size, "files": found.files, "problems": list(found.problems)}))
    elif found.problems:
        click.echo("\n".join([*found.problems, f"{len(found.problems)} problems: this backup is not whole."]))
        if found.is_untrusted:
            click.echo(OLDER_KEY)
        if any("the master key does not open" in problem for problem in found.problems):
            click.echo(OLDER_MASTER_KEY)
    else:
        told = f", and the copy of the vault in {found.vault}" if found.vault else ""
        click.echo(f"The backup is whole: {size} entries, {found.files} files that they name{told}.")
        if found.keys:
            click.echo(f"The copy of the keys in {found.keys} opens, and signs for this log.")
        if found.vault and keys is None:
            click.echo("No value of the vault was opened: that takes the keys, and no --key.")
    if found.problems:
        click.get_current_context().exit(FINDING)


@click.command("restore")
@click.argument("folder", type=THERE, metavar="DIR")
@click.option(
    "--keys", type=THERE, required=True, metavar="DIR", help="The keys, or a folder of copies of them."
)
@click.option(
    "--vault", type=THERE, metavar="DIR", help="The copies of the vault, or a folder with a vault.db."
)
@click.option(
    "--guard",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The guard, where it survived: it knows what was published last.",
)
@click.option("--into", type=FOLDER, metavar="FOLDER", help="Where to, instead of LOTPROOF_DATA.")
@click.option(
    "--key",
    "vkey",
    metavar="VKEY",
    help="The log's key at the time of the backup, where the keys at hand are newer than it.",
)
@json_option
def restore_backup(
    folder: Path,
    keys: Path,
    vault: Path | None,
    guard: Path | None,
    into: Path | None,
    vkey: str | None,
    as_json: bool,
) -> None:
    """Make an installation of a backup: verified, rebuilt and audited beside, then moved into its place whole."""
    settings = Settings.from_env()
    if into is not None:
        settings = replace(settings, data=into.absolute())
    key = Verifier.parse(vkey) if vkey else None
    sources = Sources(folder=folder, keys=keys, vault=vault, guard=guard, key=key)
    done = restore(sources, settings, state_tables=STATE_TABLES, emptied=ENDED)
    click.echo(to_json(_restored_json(done)) if as_json else _restored_text(done, settings.data))


def _restored_json(done: Restored) -> dict[str, object]:
    return {
        "size": done.checkpoint.size,
        "root": done.checkpoint.root.hex(),
        "files": done.files,
        "vault_rows": done.vault_rows,
        "erased": done.erased,
        "missing": done.missing,
        "lost": list(done.lost) if done.lost else None,
        "has_guard": done.has_guard,
    }


def _restored_text(done: Restored, target: Path) -> str:
    lines = [f"{done.checkpoint.size} entries and {done.files} files were verified and are in {target}."]
    if done.vault_rows is None:
        lines.append("The vault begins empty: contacts, payouts and accounts were not restored.")
    else:
        lines.append(AS_THEY_WERE)
    if done.erased:
        lines.append(
            f"{done.erased} persons or values were erased again: the copy of the vault still held them."
        )
    if done.missing:
        lines.append(
            f"{done.missing} values that the log names are not in that copy of the vault: lotproof audit --vault"
        )
    return "\n".join([*lines, *_next_step(done)])


def _next_step(done: Restored) -> Sequence[str]:
    """What the operator does now."""
    if done.lost is not None:
        first, end = done.lost
        return (
            f"LOST: entries {first} to {end - 1} were published and are not in this backup. Nothing is signed.",
            "If there is a newer backup, restore that one. If not: lotproof log succeed --origin NEW --reason …",
        )
    if not done.has_guard:
        return (
            "There is no guard: readers are answered, marked old, and nothing is signed until you go on with",
            "lotproof log resume --reason … --checkpoint FILE    the newest checkpoint that anybody kept",
        )
    return ("The guard agrees: nothing is lost. Start it: lotproof serve, lotproof worker.",)
