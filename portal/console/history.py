"""Entries as pages list them: about one subject, newest first, or the newest of all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, Integer, bindparam, text

from ledger.journal.events import StatusStated
from ledger.journal.registry import Recorded
from ledger.journal.replay import recorded_from
from ledger.log import store

# Each entry names the one before it about the same subject: the chain is walked inside the database, in one
# query. A value out of JSON that lies there as bytes is the one thing that each database says in its own way.
_CHAIN = """
    WITH RECURSIVE chain(position, step) AS (
        SELECT coalesce(:start, (SELECT last FROM subject_heads WHERE subject = :subject)), 1
        UNION ALL
        SELECT {before}, step + 1
        FROM chain JOIN log_entries USING (position) WHERE step < :limit
    )
    SELECT position, body, 1 AS is_about FROM chain JOIN log_entries USING (position)
    UNION ALL
    SELECT position, body, 0 FROM log_entries WHERE position IN :also
    ORDER BY position DESC
"""
_BEFORE = {
    "sqlite": "json_extract(CAST(body AS TEXT), :path)",
    "postgresql": "CAST(CAST(convert_from(body, 'UTF8') AS json) -> 'subjects' ->> :subject AS bigint)",
}
_CHAINS = {
    name: text(_CHAIN.format(before=before)).bindparams(
        bindparam("start", type_=Integer), bindparam("also", expanding=True)
    )
    for name, before in _BEFORE.items()
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some entries, newest first, and the index at which the older ones go on."""

    entries: tuple[Recorded[Any], ...]
    older: int | None


def entries_about(
    connection: Connection,
    subject: str,
    *,
    limit: int,
    start: int | None = None,
    also: Iterable[int] = (),
) -> Stretch:
    """The entries about a subject (`noun:ID`), from index `start` on, or from the newest; one query.

    `also` are further entries that belong into the list. Nothing for a subject that no entry names, and for a
    `start` that is not about it.
    """
    values = {
        "start": start,
        "subject": subject,
        "path": f'$.subjects."{subject}"',
        "limit": limit + 1,
        "also": sorted(set(also)),
    }
    rows = connection.execute(_CHAINS[connection.dialect.name], values).all()
    about = [row for row in rows if row.is_about]
    if about and subject not in orjson.loads(about[0].body)["subjects"]:
        return Stretch((), None)
    older = about[limit].position if len(about) > limit else None
    shown = {row.position: row.body for row in rows if row.position != older}
    return Stretch(tuple(recorded_from(index, body) for index, body in shown.items()), older)


def newest_entries(connection: Connection, *, end: int, limit: int) -> Stretch:
    """The `limit` entries before index `end`, seals among them."""
    start = max(0, end - limit)
    bodies = store.read_bodies(connection, start, end)
    found = tuple(recorded_from(start + offset, body) for offset, body in enumerate(bodies))
    return Stretch(found[::-1], start if start else None)


def without_seals(entries: Sequence[Recorded[Any]]) -> tuple[Recorded[Any], ...]:
    """The entries that somebody recorded: every seal ends with one that the log writes itself."""
    return tuple(one for one in entries if not isinstance(one.event, StatusStated))
