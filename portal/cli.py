"""`lotproof`: the one command. Its groups are loaded by name when they are called, so that `--help` is quick."""

import importlib
import os
import time
from typing import Any

import click

from ledger.cli.border import WORDS, Group

# name: (where it stands, what it is for). tests/test_imports.py reads the places as imports.
GROUPS: dict[str, tuple[str, str]] = {
    "init": ("portal.cli_company:init", "Make an empty company."),
    "account": ("portal.cli_company:account", "Who may sign in and act."),
    "token": ("portal.cli_tokens:token", "Access for programs, auditors and counsel."),
    "webhook": ("portal.cli_webhooks:webhook", "Other programs that are told of new entries."),
    "run": ("portal.running:run", "Start everything; with the demo, where there is nothing yet."),
    "serve": ("portal.serving:serve", "Serve portal and console."),
    "worker": ("portal.worker:worker", "Do what is owed in the background."),
    "demo": ("portal.cli_company:demo", "Tell the demo's story into an empty folder."),
    "seller": ("portal.cli_nouns:seller", "Who you are, on labels and on buyers' pages."),
    "entity": ("portal.cli_nouns:entity", "Legal entities that answer for your products."),
    "party": ("portal.cli_nouns:party", "Suppliers, factories, warehouses, laboratories."),
    "product": ("portal.cli_nouns:product", "What you sell."),
    "material": ("portal.cli_nouns:material", "What goes into your products."),
    "bom": ("portal.cli_nouns:bom", "Bills of materials, revision by revision."),
    "lot": ("portal.cli_nouns:lot", "Lots of material as they arrived."),
    "batch": ("portal.cli_nouns:batch", "What was made, and from which lots."),
    "unit": ("portal.cli_nouns:unit", "Serials: made here, or from a factory's file."),
    "label": ("portal.cli_labels:label", "Labels of units and batches, as PNG and PDF."),
    "hold": ("portal.cli_nouns:hold", "Keep a batch from being shipped."),
    "substitution": ("portal.cli_nouns:substitution", "A material swapped for another."),
    "site": ("portal.cli_nouns:site", "Where goods lie, and who works there."),
    "shipment": ("portal.cli_nouns:shipment", "What went where."),
    "trace": ("portal.cli_lists:trace", "From a lot forward to batches and countries."),
    "recall": ("portal.cli_nouns:recall", "Draft, approve, publish, widen, close, retract."),
    "approval": ("portal.cli_nouns:approval", "What stands in where one person works alone."),
    "claim": ("portal.cli_nouns:claim", "What buyers ask for, and what they were given."),
    "person": ("portal.cli_persons:person", "Personal data: export, erase, how long it is kept."),
    "log": ("portal.cli_log:log", "What was recorded, and proofs of it for others."),
    "keys": ("ledger.cli.keys:keys", "The log's keys and the master key: list, replace."),
    "backup": ("portal.cli_backup:backup", "Copies of everything, made while it runs."),
    "restore": ("portal.cli_backup:restore_backup", "An installation made of a backup."),
    "doctor": ("portal.cli_doctor:doctor", "What is not as it should be on this machine, and what to do."),
    "audit": ("ledger.cli.audit:audit", "Look for anything that was changed."),
    "verify": ("ledger.cli.verify:verify", "Check a proof or an export, without a database."),
    "migrate": ("ledger.cli.migrate:migrate", "Bring the databases' tables up to date."),
    "rebuild": ("ledger.cli.log:rebuild", "Make the derived tables anew from the log."),
}


class Lotproof(Group):
    """The commands of GROUPS, in that order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, none of them loaded."""
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one; None for a name that is not there."""
        if cmd_name not in GROUPS:
            return None
        module, _, attribute = GROUPS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; where LOTPROOF_LOG is set, as for cron, say afterwards in one line how it ended."""
        form = os.environ.get("LOTPROOF_LOG", "")
        begun, code = time.perf_counter(), 0
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit as ended:
            code = ended.exit_code
            raise
        except click.ClickException as wrong:
            code = wrong.exit_code
            raise
        except BaseException:
            code = 1
            raise
        finally:
            if form in ("json", "text"):
                # Loaded where it is asked for: it takes longer than `--help`.
                log = importlib.import_module("portal.logs").make_log(form)
                seconds = time.perf_counter() - begun
                log.info(
                    "command", command=" ".join(ctx.meta.get(WORDS, ())), code=code, ms=round(seconds * 1000)
                )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_place, about) in GROUPS.items()])


@click.group(cls=Lotproof, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lotproof")
def main() -> None:
    """A tamper-evident record of every batch, and the recall that follows from it.

    Everything lives in the folder LOTPROOF_DATA (`var`, if it is not set).
    """


if __name__ == "__main__":
    main()
