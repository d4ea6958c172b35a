"""`lotproof webhook`: other programs that are told of new entries."""

import click

from ledger.cli.support import Group, json_option, opened_ledger, table, to_json
from ledger.database import reading
from ledger.people.webhook import EndWebhook, SubscribeWebhook, end_webhook, list_webhooks
from ledger.state import open_state
from portal.cli_acting import acting, acting_options, show_receipt
from portal.webhooks import subscribe


@click.group(cls=Group)
def webhook() -> None:
    """Other programs that are told of new entries, signed as Standard Webhooks has it."""


@acting_options
@webhook.command("subscribe")
@click.argument("address")
@click.option(
    "--kind", "kinds", multiple=True, required=True, help="recall.published, recall.*, or * for all."
)
def add(
    address: str,
    kinds: tuple[str, ...],
    account: str | None,
    key: str | None,
    accept_clock: bool,
    as_json: bool,
) -> None:
    """Tell another program of new entries, at ADDRESS; the secret is shown once."""
    with acting("webhook.subscribe", account, key, accept_clock=accept_clock) as (ledger, by):
        state = open_state(ledger.settings.state_db)
        asked = SubscribeWebhook(address=address, kinds=kinds)
        made, secret = subscribe(ledger, state, asked, by, now=ledger.clock.now())
        state.dispose()
    if as_json:
        click.echo(to_json({"webhook": made.id, "secret": secret}))
    else:
        click.echo(f"Webhook   {made.id}\nSecret    {secret}   (shown this once)")


@webhook.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List the webhooks that stand."""
    with opened_ledger() as ledger, reading(ledger.engine) as connection:
        found = list_webhooks(connection)
    if as_json:
        click.echo(to_json(found))
    else:
        rows = [(one.id, one.address, ", ".join(one.kinds)) for one in found]
        click.echo(table(("Webhook", "Address", "Kinds"), rows))


@acting_options
@webhook.command("end")
@click.argument("webhook")
@click.option("--reason", required=True, help="Why. It stands in the log for ever: name nobody.")
def stop(
    webhook: str, reason: str, account: str | None, key: str | None, accept_clock: bool, as_json: bool
) -> None:
    """Tell another program of nothing any more: WEBHOOK."""
    with acting("webhook.end", account, key, accept_clock=accept_clock) as (ledger, by):
        receipt = ledger.journal.write(end_webhook, EndWebhook(webhook=webhook, reason=reason), by)
    show_receipt(receipt, as_json=as_json)
