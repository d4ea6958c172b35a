"""Parties: suppliers and their suppliers, factories, warehouses, marketplaces, laboratories."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from sqlalchemy import Column, Connection, Index, Integer, MetaData, String, Table, bindparam, select

from ledger.database import insert_into
from ledger.errors import NotFound, Refused
from ledger.journal.fields import Code, Country, Name, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx

TRACE = MetaData()

Role = Literal["supplier", "factory", "warehouse", "marketplace", "shop", "laboratory"]

parties = Table(
    "parties",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("country", String(2), nullable=False),
    Column("recorded", Integer, nullable=False),
    Index("parties_by_entry", "recorded"),
)

PARTY = Noun("party", version=1, tables=(parties,))


class UnknownParty(NotFound):
    """No party has this code."""

    message = "No party has the code “{code}”. Register it first, or check the code."


class PartyExists(Refused):
    """The code is taken."""

    message = "A party with the code “{code}” exists already. Choose another code."


@PARTY.event("party.registered/1")
class PartyRegistered(Event, frozen=True):
    party: str
    code: str
    name: str
    role: Role
    country: str


@PARTY.applies(PartyRegistered)
def apply_registered(state: State, entries: Sequence[Recorded[PartyRegistered]]) -> None:
    rows = [
        {
            "id": one.event.party,
            "code": one.event.code,
            "name": one.event.name,
            "role": one.event.role,
            "country": one.event.country,
            "recorded": one.index,
        }
        for one in entries
    ]
    insert_into(state.connection, parties, rows)


class RegisterParty(Request, frozen=True):
    """Register a supplier, factory, warehouse or other party."""

    code: Annotated[Code, ask("Code", "Short, your own.", example="BAISHAN")]
    name: Annotated[Name, ask("Name", example="Baishan Cell Works")]
    role: Annotated[Role, ask("Role")]
    country: Annotated[Country, ask("Country", "Two letters.", example="CN")]


@command("party.register")
def register_party(tx: Tx, request: RegisterParty) -> None:
    """Raises PartyExists."""
    if find_party(tx.connection, request.code) is not None:
        raise PartyExists(code=request.code)
    party = tx.new_id()
    event = PartyRegistered(
        party=party, code=request.code, name=request.name, role=request.role, country=request.country
    )
    tx.record(event, f"party:{party}")


@dataclass(frozen=True, slots=True)
class Party:
    """A party as registered."""

    id: str
    code: str
    name: str
    role: str
    country: str
    recorded: int


_BY_CODE = select(parties).where(parties.c.code == bindparam("code"))


def find_party(connection: Connection, code: str) -> Party | None:
    """The party with this code, or None."""
    row = connection.execute(_BY_CODE, {"code": code}).first()
    return None if row is None else Party(*row)


def get_party(connection: Connection, code: str) -> Party:
    """The party with this code. Raises UnknownParty."""
    party = find_party(connection, code)
    if party is None:
        raise UnknownParty(code=code)
    return party


def list_parties(connection: Connection) -> list[Party]:
    """All parties by code."""
    return [Party(*row) for row in connection.execute(select(parties).order_by(parties.c.code))]
