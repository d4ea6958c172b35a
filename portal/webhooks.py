"""Telling others' programs of new entries: what is owed stands in the log, each delivery is a job that is tried again.

A delivery names the entry and holds nothing of it: `{"type", "timestamp", "data": {"index", "subjects", "leaf_hash",
"origin"}}`. Whoever may read it asks the API. Signed as Standard Webhooks has it (standardwebhooks.com, version 1):

    webhook-id         the same at every try: the receiver drops what it has seen
    webhook-timestamp  seconds since 1970, of this try
    webhook-signature  v1,base64(HMAC-SHA256(secret, id.timestamp.body)); two while a secret is being replaced
"""

import base64
import hashlib
import hmac
import http.client
import ipaddress
import secrets
import ssl
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import orjson
from sqlalchemy import Column, Connection, Engine, Integer, String, Table, insert, select, update

from ledger.database import reading, writing
from ledger.errors import LedgerError
from ledger.journal.journal import By
from ledger.journal.opening import Ledger
from ledger.log import store
from ledger.log.canonical import JSON
from ledger.log.entry import parse_entry
from ledger.log.merkle import leaf_hash
from ledger.moments import Moment, format_moment
from ledger.people.webhook import (
    SubscribeWebhook,
    Webhook,
    WebhookSubscribed,
    list_webhooks,
    subscribe_webhook,
)
from ledger.state import STATE
from ledger.work import enqueue

DELIVER = "webhook.deliver"
PREFIX = "whsec_"
SECRET_BYTES = 32
AT_ONCE = 1_000  # entries looked at in one transaction
PATIENCE_SECONDS = 10.0  # of a lease's 60
MOST_READ_BYTES = 4_096

webhook_secrets = Table(
    "webhook_secrets",
    STATE,
    Column("webhook", String(16), primary_key=True),
    Column("secret", String, nullable=False),
    Column("next_index", Integer, nullable=False),  # the first entry that was not looked at
    Column("made_at", Moment, nullable=False),
)


class NotDelivered(LedgerError):
    """The other side did not take it; it is tried again."""

    message = "{address} did not take entry {index}: {reason}"


class AddressInside(LedgerError):
    """The address leads into this network."""

    message = (
        "{address} leads to {host}, which is of this machine or its network. Where that is meant, the operator sets "
        "LOTPROOF_WEBHOOKS_INSIDE=yes."
    )


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is sent: one entry to one address, signed."""

    id: str
    address: str
    index: int
    body: bytes
    headers: dict[str, str]


def subscribe(
    ledger: Ledger, state: Engine, request: SubscribeWebhook, by: By, *, now: datetime
) -> tuple[Webhook, str]:
    """A new webhook and its secret, which is shown this once. Raises InvalidAddress, UnknownKind."""
    entry = ledger.journal.write(subscribe_webhook, request, by).entries[0]
    event = entry.event
    assert isinstance(event, WebhookSubscribed)
    # A crash here: a webhook without a secret, to which nothing is sent; `new_secret` makes one.
    secret = new_secret(state, event.webhook, next_index=entry.index + 1, now=now)
    return Webhook(event.webhook, event.address, event.kinds, entry.index), secret


def new_secret(state: Engine, webhook: str, *, next_index: int, now: datetime) -> str:
    """Another secret for a webhook; it is told of what comes from `next_index` on, where it has no place yet."""
    secret = PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    with writing(state) as connection:
        mine = webhook_secrets.c.webhook == webhook
        values = {"secret": secret, "made_at": now}
        if connection.execute(update(webhook_secrets).where(mine).values(values)).rowcount == 0:
            row = {"webhook": webhook, "next_index": next_index, **values}
            connection.execute(insert(webhook_secrets).values(row))
    return secret


def has_secret(state: Engine, webhook: str) -> bool:
    """Whether deliveries to it can be signed here."""
    with reading(state) as connection:
        return _secret(connection, webhook) is not None


def owe(ledger: Ledger, state: Engine, *, now: datetime) -> int:
    """Make a job for every new entry that some webhook is to be told of; gives how many.

    Jobs and the place reached are one transaction: a crash owes nothing twice and forgets nothing.
    """
    with reading(ledger.engine) as connection:
        subscribed = list_webhooks(connection)
        size = ledger.journal.standing(connection).size if subscribed else 0
    return sum(_owe_one(ledger, state, one, size, now=now) for one in subscribed)


def deliver(ledger: Ledger, state: Engine, payload: dict[str, JSON], *, now: datetime) -> dict[str, JSON]:
    """Send what a job owes. Raises NotDelivered or AddressInside, and then it is tried again."""
    webhook, index = str(payload["webhook"]), int(str(payload["index"]))
    with reading(ledger.engine) as connection:
        standing = {one.id: one for one in list_webhooks(connection)}
        body = store.read_body(connection, index)
    if webhook not in standing or body is None:
        return {"status": None}  # it ended since
    with reading(state) as connection:
        secret = _secret(connection, webhook)
    if secret is None:
        return {"status": None}
    made = make_delivery(standing[webhook], index, body, ledger.settings.origin, secret, now=now)
    return {"status": send(made, may_be_inside=ledger.settings.webhooks_inside)}


def make_delivery(
    webhook: Webhook, index: int, body: bytes, origin: str, secret: str, *, now: datetime
) -> Delivery:
    """One entry (its bytes) for one webhook, signed for this moment."""
    entry = parse_entry(body)
    told = {
        "type": entry.kind,
        "timestamp": format_moment(entry.at),
        "data": {
            "index": index,
            "leaf_hash": leaf_hash(body).hex(),
            "origin": origin,
            "subjects": sorted(entry.subjects),
        },
    }
    content, delivery = orjson.dumps(told), f"{webhook.id}-{index}"
    seconds = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Lotproof",
        "webhook-id": delivery,
        "webhook-timestamp": seconds,
        "webhook-signature": sign(secret, delivery, seconds, content),
    }
    return Delivery(delivery, webhook.address, index, content, headers)


def sign(secret: str, delivery: str, seconds: str, body: bytes) -> str:
    """The signature of a delivery: `v1,` and 44 characters of base64."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    mac = hmac.digest(key, f"{delivery}.{seconds}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"


def send(delivery: Delivery, *, may_be_inside: bool) -> int:
    """The status with which the other side took it, 200 to 299. Follows no redirect.

    Raises NotDelivered, and AddressInside where the address leads into this network and may not.
    """
    parts = urlsplit(delivery.address)
    assert parts.hostname is not None
    make = _Https if parts.scheme == "https" else _Http
    connection = make(parts.hostname, parts.port, timeout=PATIENCE_SECONDS)
    connection.may_be_inside = may_be_inside
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", path, delivery.body, delivery.headers)
        response = connection.getresponse()
        response.read(MOST_READ_BYTES)
    except _Inside as inside:
        raise AddressInside(address=delivery.address, host=inside.host) from inside
    except (OSError, http.client.HTTPException) as error:
        raise _not_delivered(delivery, type(error).__name__) from error
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        raise _not_delivered(delivery, f"status {response.status}")
    return response.status


class _Inside(Exception):
    """The name leads to an address of this machine or its network."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host


class _Http(http.client.HTTPConnection):
    """Looks at the address it has reached before a byte is sent: a name may lead elsewhere at each look-up."""

    may_be_inside = False

    def connect(self) -> None:
        super().connect()
        _refuse_inside(self)


class _Https(http.client.HTTPSConnection):
    """The same; the other side's certificate is checked."""

    may_be_inside = False

    def __init__(self, host: str, port: int | None, *, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=ssl.create_default_context())

    def connect(self) -> None:
        super().connect()
        _refuse_inside(self)


def _refuse_inside(connection: _Http | _Https) -> None:
    host = connection.sock.getpeername()[0]
    if not connection.may_be_inside and not is_public(host):
        connection.close()
        raise _Inside(host)


def is_public(host: str) -> bool:
    """Whether an IP address (as text) is somebody else's, out there."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast


def _not_delivered(delivery: Delivery, reason: str) -> NotDelivered:
    return NotDelivered(address=delivery.address, index=delivery.index, reason=reason)


def _owe_one(ledger: Ledger, state: Engine, webhook: Webhook, size: int, *, now: datetime) -> int:
    owed, is_at_end = 0, False
    while not is_at_end:
        with writing(state) as connection:
            mine = webhook_secrets.c.webhook == webhook.id
            start = connection.scalar(select(webhook_secrets.c.next_index).where(mine))
            is_at_end = start is None or size - start <= AT_ONCE
            if start is None or start >= size:
                break
            end = min(size, start + AT_ONCE)
            for index in _wanted(ledger, webhook, start, end):
                payload: dict[str, JSON] = {"webhook": webhook.id, "index": index}
                enqueue(connection, DELIVER, payload, dedupe=f"{webhook.id}-{index}", now=now)
                owed += 1
            connection.execute(update(webhook_secrets).where(mine).values(next_index=end))
    return owed


def _wanted(ledger: Ledger, webhook: Webhook, start: int, end: int) -> list[int]:
    with reading(ledger.engine) as connection:
        bodies = store.read_bodies(connection, start, end)
    return [start + offset for offset, body in enumerate(bodies) if webhook.wants(parse_entry(body).kind)]


def _secret(connection: Connection, webhook: str) -> str | None:
    return connection.scalar(select(webhook_secrets.c.secret).where(webhook_secrets.c.webhook == webhook))
