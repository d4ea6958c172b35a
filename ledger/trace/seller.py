"""The seller: who speaks on labels and pages, how they look, and where buyers reach them.

One row of what they say and one of how it looks, each replaced by the newest event: whoever corrects an address need
not send the logo again.
"""

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
from ledger.errors import LedgerError, Refused
from ledger.files import FileRef
from ledger.journal.fields import Name, ask
from ledger.journal.journal import Journal
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.trace.accent import accent_of
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
seller_styles = Table(
    "seller_styles",
    TRACE,
    Column("only", Integer, CheckConstraint('"only" = 1'), primary_key=True, autoincrement=False),
    Column("logo", String(64)),
    Column("accent", String(7), nullable=False),
    Column("recorded", Integer, nullable=False),
)

# What a picture begins with, and what it is served as. An SVG could hold a script.
PICTURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
LARGEST_LOGO_BYTES = 512 * 1024


class UnknownZone(LedgerError):
    """No time zone has this name."""

    message = "“{zone}” is no time zone. Write one like Europe/Berlin."


class NotDescribed(Refused):
    """Nobody knows yet whose logo it would be."""

    message = "The company is not described yet. Say first who you are."


class NoLogo(LedgerError):
    """The file is no picture that a page can show."""

    message = "This file cannot be a logo: a PNG or JPEG picture of at most {most_kb} KB can."


SELLER = Noun("seller", version=2, tables=(sellers, seller_styles))


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


@SELLER.event("seller.styled/1")
class SellerStyled(Event, frozen=True):
    """From now on pages show this logo, and write in this accent ("" for our own)."""

    seller: str
    logo: FileRef | None
    accent: str


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


@SELLER.applies(SellerStyled)
def apply_styled(state: State, entries: Sequence[Recorded[SellerStyled]]) -> None:
    last = entries[-1]
    state.connection.execute(delete(seller_styles))
    row = {
        "only": 1,
        "logo": last.event.logo.sha256 if last.event.logo else None,
        "accent": last.event.accent,
        "recorded": last.index,
    }
    insert_into(state.connection, seller_styles, row)


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


class StyleSeller(Request, frozen=True):
    """Say how your pages look: the logo and the accent."""

    logo: Annotated[
        FileRef | None, ask("Logo", "PNG or JPEG, at most 512 KB. Best wide, on a see-through ground.")
    ] = None
    accent: Annotated[
        str,
        ask(
            "Accent", "The colour of buttons and links. Leave empty for the one we chose.", example="#0b5d57"
        ),
    ] = ""


def _checked_logo(journal: Journal, request: StyleSeller) -> None:
    """Looks at the file before the lock is taken. Raises NoLogo, FileMissing, FileDamaged."""
    if request.logo is not None:
        content = journal.files.read(request.logo.sha256)
        if len(content) > LARGEST_LOGO_BYTES or picture_type(content) is None:
            raise NoLogo(most_kb=LARGEST_LOGO_BYTES // 1024)


@command("seller.style", prepare=_checked_logo)
def style_seller(tx: Tx, request: StyleSeller) -> None:
    """The newest style holds, as a whole. Raises NotDescribed, NoLogo, NoColour, TooPale."""
    seller = get_seller(tx.connection)
    if seller is None:
        raise NotDescribed()
    accent = accent_of(request.accent).light if request.accent else ""
    tx.record(SellerStyled(seller=seller.id, logo=request.logo, accent=accent), f"seller:{seller.id}")


def picture_type(content: bytes) -> str | None:
    """What the picture is served as, None for what is no picture of ours."""
    return next((kind for magic, kind in PICTURES.items() if content.startswith(magic)), None)


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sells, as last described and styled: `logo` is a file's SHA-256, `accent` #rrggbb or ""."""

    id: str
    brand: str
    company: str
    address: tuple[str, ...]
    support_email: str
    support_phone: str
    only_own_serials: bool
    zone: str
    recorded: int
    logo: str | None
    accent: str


_SELLER = select(
    *(column for column in sellers.c if column.name != "only"), seller_styles.c.logo, seller_styles.c.accent
).outerjoin(seller_styles, seller_styles.c.only == sellers.c.only)


def get_seller(connection: Connection) -> Seller | None:
    """The seller, or None before the first description."""
    row = connection.execute(_SELLER).first()
    if row is None:
        return None
    return Seller(**{**row._mapping, "address": tuple(row.address), "accent": row.accent or ""})
