"""The log read again as events, in order and in chunks: what a rebuild and an audit start from."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from ledger.journal.registry import Event, Recorded, decode
from ledger.log import store
from ledger.log.entry import parse_entry


def recorded_from(index: int, body: bytes) -> Recorded[Event]:
    """The event that an entry's bytes hold. Raises BadEntry, NotCanonical, KeyError, ValidationError."""
    entry = parse_entry(body)
    return Recorded(
        index, entry.at, entry.actor, tuple(entry.subjects), entry.request, decode(entry.kind, entry.data)
    )


def replay(connection: Connection) -> Iterator[list[Recorded[Any]]]:
    """All events in order, some thousands at a time."""
    for first, bodies in store.walk(connection):
        yield [recorded_from(first + offset, body) for offset, body in enumerate(bodies)]
