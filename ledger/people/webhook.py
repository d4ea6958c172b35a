"""Webhooks: where others' programs are told of new entries. The log says where to; the secret is not in here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta
from sqlalchemy import Column, Connection, Integer, String, Table, select, update

from ledger.database import insert_into
from ledger.errors import LedgerError, NotFound
from ledger.journal.fields import Prose, ask
from ledger.journal.registry import KINDS, Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.people.account import PEOPLE

ALL = "*"
SEPARATOR = " "  # no kind holds one
LONGEST_ADDRESS = 400
LOOPBACK = ("localhost", "127.0.0.1", "::1")  # nobody listens on the way

webhooks = Table(
    "webhooks",
    PEOPLE,
    Column("id", String(16), primary_key=True),
    Column("address", String, nullable=False),
    Column("kinds", String, nullable=False),  # with a space between two
    Column("recorded", Integer, nullable=False),
    Column("ended", Integer),
)

WEBHOOK = Noun("webhook", version=1, tables=(webhooks,))


class UnknownWebhook(NotFound):
    """No webhook has this id, or it has ended."""

    message = "There is no webhook {webhook}, or it has ended."


class InvalidAddress(LedgerError):
    """Nothing can be sent there."""

    message = (
        "“{address}” is no address for a webhook. Give one that begins with https:// and holds no name and no "
        "password."
    )


class UnknownKind(LedgerError):
    """No entry has this kind."""

    message = "No entry is of the kind “{kind}”. Give a kind such as recall.published, a noun such as recall.*, or *."


@WEBHOOK.event("webhook.subscribed/1")
class WebhookSubscribed(Event, frozen=True):
    """From now on new entries of these kinds are told to this address."""

    webhook: str
    address: str
    kinds: tuple[str, ...]


@WEBHOOK.event("webhook.ended/1")
class WebhookEnded(Event, frozen=True):
    """Nothing more is told there."""

    webhook: str
    reason: str


@WEBHOOK.applies(WebhookSubscribed)
def apply_subscribed(state: State, entries: Sequence[Recorded[WebhookSubscribed]]) -> None:
    rows = [
        {
            "id": one.event.webhook,
            "address": one.event.address,
            "kinds": SEPARATOR.join(one.event.kinds),
            "recorded": one.index,
        }
        for one in entries
    ]
    insert_into(state.connection, webhooks, rows)


@WEBHOOK.applies(WebhookEnded)
def apply_ended(state: State, entries: Sequence[Recorded[WebhookEnded]]) -> None:
    for one in entries:
        change = update(webhooks).where(webhooks.c.id == one.event.webhook)
        state.connection.execute(change.values(ended=one.index))


class SubscribeWebhook(Request, frozen=True):
    """Tell another program of new entries."""

    address: Annotated[
        str,
        Meta(min_length=1, max_length=LONGEST_ADDRESS),
        ask(
            "Address",
            "It stands in the log for ever: no secret in it.",
            example="https://erp.example/lotproof",
        ),
    ]
    kinds: Annotated[
        tuple[str, ...],
        Meta(min_length=1, max_length=40),
        ask("Of which entries", "Kinds such as recall.published, a noun such as recall.*, or * for all."),
    ]


class EndWebhook(Request, frozen=True):
    """Tell another program of nothing any more."""

    webhook: str
    reason: Annotated[Prose, Meta(min_length=1), ask("Reason", "It stands in the log for ever. Name nobody.")]


@command("webhook.subscribe")
def subscribe_webhook(tx: Tx, request: SubscribeWebhook) -> None:
    """Raises InvalidAddress, UnknownKind."""
    _check_address(request.address)
    for kind in request.kinds:
        if not any(_covers(kind, known) for known in KINDS):
            raise UnknownKind(kind=kind)
    webhook = tx.new_id()
    kinds = tuple(dict.fromkeys(request.kinds))
    tx.record(WebhookSubscribed(webhook=webhook, address=request.address, kinds=kinds), f"webhook:{webhook}")


@command("webhook.end")
def end_webhook(tx: Tx, request: EndWebhook) -> None:
    """Raises UnknownWebhook."""
    found = get_webhook(tx.connection, request.webhook)
    tx.record(WebhookEnded(webhook=found.id, reason=request.reason), f"webhook:{found.id}")


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where entries are told, and of which kinds."""

    id: str
    address: str
    kinds: tuple[str, ...]
    recorded: int

    def wants(self, kind: str) -> bool:
        """Whether it is told of entries of this kind (`recall.published/1`)."""
        return any(_covers(wanted, kind) for wanted in self.kinds)


def list_webhooks(connection: Connection) -> list[Webhook]:
    """Those that have not ended, oldest first."""
    standing = select(webhooks).where(webhooks.c.ended.is_(None)).order_by(webhooks.c.recorded)
    return [
        Webhook(row.id, row.address, tuple(row.kinds.split()), row.recorded)
        for row in connection.execute(standing)
    ]


def get_webhook(connection: Connection, webhook: str) -> Webhook:
    """The one with this id. Raises UnknownWebhook, also for one that has ended."""
    found = [one for one in list_webhooks(connection) if one.id == webhook]
    if not found:
        raise UnknownWebhook(webhook=webhook)
    return found[0]


def _covers(wanted: str, kind: str) -> bool:
    name, noun = kind.partition("/")[0], kind.partition(".")[0]
    return wanted in (ALL, name, f"{noun}.{ALL}")


def _check_address(address: str) -> None:
    try:
        parts = urlsplit(address)
        schemes = ("https", "http") if parts.hostname in LOOPBACK else ("https",)
        is_right = parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_right = False
    if not is_right or "@" in parts.netloc or parts.fragment or not address.isascii() or " " in address:
        raise InvalidAddress(address=address)
