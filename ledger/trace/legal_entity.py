"""Legal entities: who answers to authorities for which products, in which countries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta
from sqlalchemy import JSON, Column, Connection, Integer, Row, String, Table, bindparam, select, update

from ledger.database import insert_into
from ledger.errors import NotFound, Refused
from ledger.journal.fields import Code, Country, Name, Prose, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.moments import Moment
from ledger.trace.party import TRACE

# Regulation (EU) 2023/988, Articles 3 and 16; the UK's responsible person is of its own law.
EntityRole = Literal[
    "manufacturer",
    "importer",
    "eu_responsible_person",
    "uk_responsible_person",
    "authorised_representative",
    "distributor",
]

legal_entities = Table(
    "legal_entities",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("address", JSON, nullable=False),
    Column("country", String(2), nullable=False),
    Column("registration", String, nullable=False),
    Column("vat", String, nullable=False),
    Column("email", String, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("markets", JSON, nullable=False),
    Column("ended_at", Moment),
    Column("recorded", Integer, nullable=False),
)

LEGAL_ENTITY = Noun("legal_entity", version=1, tables=(legal_entities,))


class UnknownLegalEntity(NotFound):
    """No legal entity has this code."""

    message = "No legal entity has the code “{code}”. Record it first, or check the code."


class LegalEntityEnded(Refused):
    """It answers for nothing any more."""

    message = "The legal entity “{code}” has ended. Record the one that answers now under another code."


@LEGAL_ENTITY.event("legal_entity.recorded/1")
class LegalEntityRecorded(Event, frozen=True):
    """Who they are from now on, as a whole."""

    legal_entity: str
    code: str
    name: str
    address: tuple[str, ...]
    country: str
    registration: str
    vat: str
    email: str
    roles: tuple[EntityRole, ...]
    markets: tuple[str, ...]


@LEGAL_ENTITY.event("legal_entity.ended/1")
class LegalEntityEnd(Event, frozen=True):
    """From now on they answer for nothing new; what they answered for before stands in the log."""

    legal_entity: str
    reason: str


@LEGAL_ENTITY.applies(LegalEntityRecorded)
def apply_recorded(state: State, entries: Sequence[Recorded[LegalEntityRecorded]]) -> None:
    for one in entries:
        row = _row(one)
        known = legal_entities.c.id == one.event.legal_entity
        if state.connection.execute(update(legal_entities).where(known).values(row)).rowcount == 0:
            insert_into(state.connection, legal_entities, row)


@LEGAL_ENTITY.applies(LegalEntityEnd)
def apply_end(state: State, entries: Sequence[Recorded[LegalEntityEnd]]) -> None:
    for one in entries:
        known = legal_entities.c.id == one.event.legal_entity
        state.connection.execute(update(legal_entities).where(known).values(ended_at=one.at))


def _row(one: Recorded[LegalEntityRecorded]) -> dict[str, object]:
    event = one.event
    return {
        "id": event.legal_entity,
        "code": event.code,
        "name": event.name,
        "address": list(event.address),
        "country": event.country,
        "registration": event.registration,
        "vat": event.vat,
        "email": event.email,
        "roles": list(event.roles),
        "markets": list(event.markets),
        "recorded": one.index,
    }


class RecordLegalEntity(Request, frozen=True):
    """Record a legal entity of yours, or say anew who one is."""

    code: Annotated[
        Code, ask("Code", "Short, your own. The same code again corrects what stands here.", example="EU")
    ]
    name: Annotated[Name, ask("Legal name", example="Voltaro Europe GmbH")]
    country: Annotated[Country, ask("Country", "Two letters.", example="DE")]
    address: Annotated[
        tuple[Name, ...], Meta(min_length=1, max_length=4), ask("Address", example="Musterkai 4")
    ]
    roles: Annotated[
        tuple[EntityRole, ...], Meta(min_length=1, max_length=6), ask("Roles", "What it is to the law.")
    ]
    markets: Annotated[
        tuple[Country, ...],
        Meta(max_length=250),
        ask("Countries it answers for", "Two letters each. None: its own country alone.", example="FR"),
    ] = ()
    registration: Annotated[
        Annotated[str, Meta(max_length=60)], ask("Registration number", example="HRB 00000")
    ] = ""
    vat: Annotated[Annotated[str, Meta(max_length=30)], ask("VAT number", example="DE000000000")] = ""
    email: Annotated[
        Annotated[str, Meta(max_length=120, pattern=r"^$|^[^\s@]+@[^\s@]+\.[^\s@]+$")],
        ask("E-mail for authorities", example="compliance@voltaro.example"),
    ] = ""


class EndLegalEntity(Request, frozen=True):
    """Record that a legal entity answers for you no more."""

    legal_entity: Annotated[Code, ask("Legal entity", ref="legal_entity")]
    reason: Annotated[Prose, Meta(min_length=1), ask("Reason", "It stands in the log for ever. Name nobody.")]


@command("legal_entity.record")
def record_legal_entity(tx: Tx, request: RecordLegalEntity) -> None:
    """The newest record of a code holds. Raises LegalEntityEnded."""
    known = find_legal_entity(tx.connection, request.code)
    if known is not None and known.ended_at is not None:
        raise LegalEntityEnded(code=known.code)
    entity = known.id if known else tx.new_id()
    event = LegalEntityRecorded(
        legal_entity=entity,
        code=request.code,
        name=request.name,
        address=request.address,
        country=request.country,
        registration=request.registration,
        vat=request.vat,
        email=request.email,
        roles=tuple(dict.fromkeys(request.roles)),
        markets=tuple(dict.fromkeys(request.markets)) or (request.country,),
    )
    tx.record(event, f"legal_entity:{entity}")


@command("legal_entity.end")
def end_legal_entity(tx: Tx, request: EndLegalEntity) -> None:
    """Raises UnknownLegalEntity, LegalEntityEnded."""
    known = get_legal_entity(tx.connection, request.legal_entity)
    if known.ended_at is not None:
        raise LegalEntityEnded(code=known.code)
    tx.record(LegalEntityEnd(legal_entity=known.id, reason=request.reason), f"legal_entity:{known.id}")


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """A legal entity as last recorded; `markets` are ISO 3166 codes."""

    id: str
    code: str
    name: str
    address: tuple[str, ...]
    country: str
    registration: str
    vat: str
    email: str
    roles: tuple[str, ...]
    markets: tuple[str, ...]
    ended_at: datetime | None
    recorded: int


def _entity(row: Row[Any]) -> LegalEntity:
    lists = {name: tuple(row._mapping[name]) for name in ("address", "roles", "markets")}
    return LegalEntity(**{**row._mapping, **lists})


_BY_CODE = select(legal_entities).where(
    (legal_entities.c.code == bindparam("code")) | (legal_entities.c.id == bindparam("code"))
)


def find_legal_entity(connection: Connection, code: str) -> LegalEntity | None:
    """The legal entity with this code or id, or None."""
    row = connection.execute(_BY_CODE, {"code": code}).first()
    return None if row is None else _entity(row)


def get_legal_entity(connection: Connection, code: str) -> LegalEntity:
    """The same. Raises UnknownLegalEntity."""
    found = find_legal_entity(connection, code)
    if found is None:
        raise UnknownLegalEntity(code=code)
    return found


def list_legal_entities(connection: Connection) -> list[LegalEntity]:
    """All of them by code, ended ones included."""
    return [
        _entity(row) for row in connection.execute(select(legal_entities).order_by(legal_entities.c.code))
    ]
