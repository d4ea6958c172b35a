"""Entries of the log, and who asks."""

from flask import Response

from ledger.journal.journal import NoSuchEntry
from ledger.log import store
from ledger.log.entry import parse_entry
from ledger.log.merkle import leaf_hash
from portal.api.frame import api, caller, snapshot
from portal.api.shapes import Caller, Entry, WholeEntry, answered, time_of
from portal.permissions import for_all, sees


@api.get("/v1/me")
@for_all
def me() -> Response:
    """Who the token says you are, what you may do, and until when."""
    asking = caller()
    return answered(
        Caller(
            actor=asking.actor,
            name=asking.token.name,
            scopes=asking.holding.scopes,
            about=asking.holding.about,
            until=time_of(asking.token.ends_at) if asking.token.ends_at else None,
        )
    )


@api.get("/v1/entries/<int:index>")
@sees("log")
def entry(index: int) -> Response:
    """One entry, with its exact bytes."""
    body = store.read_body(snapshot(), index) if index < 2**53 else None
    if body is None:
        raise NoSuchEntry(index=index, size=store.size(snapshot()))
    parsed, told = parse_entry(body), entry_told(index, body)
    named = {name: getattr(told, name) for name in Entry.__struct_fields__}
    return answered(WholeEntry(**named, data=dict(parsed.data), text=body.decode()))


def entry_told(index: int, body: bytes) -> Entry:
    """An entry as the API speaks of it."""
    parsed = parse_entry(body)
    return Entry(
        index=index,
        kind=parsed.kind,
        at=time_of(parsed.at),
        actor=parsed.actor,
        subjects=tuple(parsed.subjects),
        made=tuple(subject for subject, previous in parsed.subjects.items() if previous is None),
        leaf_hash=leaf_hash(body).hex(),
    )
