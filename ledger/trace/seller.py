"""The seller: who speaks on labels and pages, and where buyers reach them. One row, changed by events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from zoneinfo import available_timezones

from msgspec import Meta
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Integer,
    String,
    Table,
    delete,
    select,
)

from ledger.database import insert_into
from ledger.errors import LedgerError
from ledger.journal.fields import Name, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.trace.party import TRACE

sellers = Table(
    "sellers",
    TRACE,
    Column("only", Integer, CheckConstraint('"only" = 1'), primary_key=True),
    Column("id", String(16), nullable=False),
    Column("brand", String, nullable=False),
    Column("company", String, nullable=False),
    Column("address", JSON, nullable=False),
    Column("support_email", String, nullable=False),
    Column("support_phone", String, nullable=False),
    Column("only_own_serials", Boolean, nullable=False),
    Column("zone", String, nullable=False),
    Column("recorded", Integer, nullable=False),
)


class UnknownZone(LedgerError):
    """No time zone has this name."""

    message = "“{zone}” is no time zone. Write one like Europe/Berlin."


SELLER = Noun("seller", version=1, tables=(sellers,))


@SELLER.event("seller.described/1")
class SellerDescribed(Event, frozen=True):
    seller: str
    brand: str
    company: str
    address: tuple[str, ...]
    support_email: str
    support_phone: str
    only_own_serials: bool
    zone: str


@SELLER.applies(SellerDescribed)
def apply_described(state: State, entries: Sequence[Recorded[SellerDescribed]]) -> None:
    last = entries[-1]
    state.connection.execute(delete(sellers))
    row = {
        "only": 1,
        "id": last.event.seller,
        "brand": last.event.brand,
        "company": last.event.company,
        "address": list(last.event.address),
        "support_email": last.event.support_email,
        "support_phone": last.event.support_phone,
        "only_own_serials": last.event.only_own_serials,
        "zone": last.event.zone,
        "recorded": last.index,
    }
    insert_into(state.connection, sellers, row)


class DescribeSeller(Request, frozen=True):
    """Say who you are: on labels, on buyers' pages, in notices."""

    brand: Annotated[Name, ask("Brand", "What buyers know you by.", example="Voltaro")]
    company: Annotated[Name, ask("Company", "The legal name.", example="Voltaro Europe GmbH")]
    address: Annotated[
        tuple[Name, ...], Meta(max_length=4), ask("Address", "As it stands on labels.", example="Musterkai 4")
    ] = ()
    support_email: Annotated[
        Annotated[str, Meta(max_length=120, pattern=r"^$|^[^\s@]+@[^\s@]+\.[^\s@]+$")],
        ask("E-mail for buyers", example="help@voltaro.example"),
    ] = ""
    support_phone: Annotated[Annotated[str, Meta(max_length=40)], ask("Telephone for buyers")] = ""
    only_own_serials: Annotated[
        bool,
        ask("Every product carries serials made here", "Then pages may say that 0, O, 1 and I never occur."),
    ] = False
    zone: Annotated[
        str, ask("Time zone", "Times are shown as its clocks show them.", example="Europe/Berlin")
    ] = "UTC"


@command("seller.describe")
def describe_seller(tx: Tx, request: DescribeSeller) -> None:
    """The newest description holds. Raises UnknownZone."""
    if request.zone not in available_timezones():
        raise UnknownZone(zone=request.zone)
    known = get_seller(tx.connection)
    seller = known.id if known else tx.new_id()
    event = SellerDescribed(
        seller=seller,
        brand=request.brand,
        company=request.company,
        address=request.address,
        support_email=request.support_email,
        support_phone=request.support_phone,
        only_own_serials=request.only_own_serials,
        zone=request.zone,
    )
    tx.record(event, f"seller:{seller}")


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sells, as last described."""

    id: str
    brand: str
    company: str
    address: tuple[str, ...]
    support_email: str
    support_phone: str
    only_own_serials: bool
    zone: str
    recorded: int


def get_seller(connection: Connection) -> Seller | None:
    """The seller, or None before the first description."""
    row = connection.execute(select(*(c for c in sellers.c if c.name != "only"))).first()
    return None if row is None else Seller(**{**row._mapping, "address": tuple(row.address)})
