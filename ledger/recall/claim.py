"""Claims: a buyer asks for the money back or a new one, and the seller settles it.

    opened → accepted → settled
           ↘ declined      (opened → settled is one step where nothing has to be checked)

What is personal lies in the vault; the entry holds commitments. A unit is named by its position, never by its
serial, and nobody who only knows a number learns more than that a remedy was given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct
from sqlalchemy import Column, Connection, Index, Integer, String, Table, bindparam, select, update

from ledger.database import Prepared, insert_into
from ledger.journal.fields import Code, Country, Prose, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.moments import Moment
from ledger.people.account import name_items
from ledger.quantities import Money
from ledger.recall.errors import AmountNeeded, CannotReplaceWith, ClaimMoved, NotRecalled, UnknownClaim
from ledger.recall.recall import RECALL_TABLES, Remedy, recalls_over
from ledger.trace.batch import find_batches
from ledger.trace.positions import Position
from ledger.trace.unit import find_units, unit_at

Standing = Literal["opened", "accepted", "settled", "declined"]
STEPS: dict[Standing, tuple[Standing, ...]] = {
    "opened": ("accepted", "settled", "declined"),
    "accepted": ("settled", "declined"),
    "declined": ("accepted",),  # after an appeal
    "settled": (),
}
Doubt = Literal["", "claimed_before", "no_serial"]

claims = Table(
    "claims",
    RECALL_TABLES,
    Column("id", String(16), primary_key=True),
    Column("standing", String, nullable=False),
    Column("doubt", String, nullable=False),
    Column("product", String(16), nullable=False),
    Column("batch", String(16), nullable=False),
    Column("c", Integer, nullable=False),
    Column("i", Integer, nullable=False),
    Column("remedy", String, nullable=False),
    Column("country", String(2), nullable=False),
    Column("language", String, nullable=False),
    Column("person", String(16), nullable=False),
    Column("contact", String(16), nullable=False),
    Column("payout", String(16)),
    Column("opened_at", Moment, nullable=False),
    Column("opened", Integer, nullable=False),
    Column("moved_at", Moment, nullable=False),
    Column("moved", Integer, nullable=False),
    Index("claims_by_position", "c", "i"),
    Index("claims_by_entry", "opened"),
    Index("claims_by_standing", "standing", "opened"),
    Index("claims_by_country", "country", "opened"),
    Index("claims_by_product", "product", "opened"),
)
claim_recalls = Table(
    "claim_recalls",
    RECALL_TABLES,
    Column("claim", String(16), primary_key=True),
    Column("recall", String(16), primary_key=True),
    Index("claim_recalls_by_recall", "recall"),
)

CLAIM = Noun("claim", version=1, tables=(claims, claim_recalls))


class Sealed(Struct, frozen=True, forbid_unknown_fields=True):
    """A value in the vault: its item, and the commitment to it."""

    item: str
    commitment: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


@CLAIM.event("claim.opened/1")
class ClaimOpened(Event, frozen=True):
    claim: str
    recalls: tuple[str, ...]
    product: str
    batch: str
    position: Position
    remedy: Remedy
    country: str
    language: str
    doubt: Doubt
    person: str
    contact: Sealed
    payout: Sealed | None


@CLAIM.event("claim.accepted/1")
class ClaimAccepted(Event, frozen=True):
    claim: str
    statement: str


@CLAIM.event("claim.declined/1")
class ClaimDeclined(Event, frozen=True):
    claim: str
    statement: str


@CLAIM.event("claim.settled/1")
class ClaimSettled(Event, frozen=True):
    """The remedy is complete: money sent, or a new unit given."""

    claim: str
    remedy: Remedy
    amount: Money | None
    replacement: Position | None


@CLAIM.applies(ClaimOpened)
def apply_opened(state: State, entries: Sequence[Recorded[ClaimOpened]]) -> None:
    insert_into(state.connection, claims, [_claim_row(one) for one in entries])
    named = [{"claim": one.event.claim, "recall": recall} for one in entries for recall in one.event.recalls]
    insert_into(state.connection, claim_recalls, named)


def _claim_row(one: Recorded[ClaimOpened]) -> dict[str, object]:
    event = one.event
    return {
        "id": event.claim,
        "standing": "opened",
        "doubt": event.doubt,
        "product": event.product,
        "batch": event.batch,
        "c": event.position[0],
        "i": event.position[1],
        "remedy": event.remedy,
        "country": event.country,
        "language": event.language,
        "person": event.person,
        "contact": event.contact.item,
        "payout": event.payout.item if event.payout else None,
        "opened_at": one.at,
        "opened": one.index,
        "moved_at": one.at,
        "moved": one.index,
    }


def _move(state: State, claim: str, standing: Standing, one: Recorded[Event], **more: object) -> None:
    state.connection.execute(
        update(claims)
        .where(claims.c.id == claim)
        .values(standing=standing, moved_at=one.at, moved=one.index, **more)
    )


@CLAIM.applies(ClaimAccepted)
def apply_accepted(state: State, entries: Sequence[Recorded[ClaimAccepted]]) -> None:
    for one in entries:
        _move(state, one.event.claim, "accepted", one)


@CLAIM.applies(ClaimDeclined)
def apply_declined(state: State, entries: Sequence[Recorded[ClaimDeclined]]) -> None:
    for one in entries:
        _move(state, one.event.claim, "declined", one)


@CLAIM.applies(ClaimSettled)
def apply_settled(state: State, entries: Sequence[Recorded[ClaimSettled]]) -> None:
    for one in entries:
        _move(state, one.event.claim, "settled", one, remedy=one.event.remedy)


class OpenClaim(Request, frozen=True):
    """Ask for a refund or a replacement."""

    claim: str
    product: str
    batch: str
    position: Position
    remedy: Remedy
    country: Country
    language: str
    person: str
    contact: Sealed
    payout: Sealed | None


@command("claim.open")
def open_claim(tx: Tx, request: OpenClaim) -> None:
    """Raises NotRecalled. A doubt is noted and left to a person: nobody is turned away by a program."""
    c, i = request.position
    standing = recalls_over(tx.connection, [(c, i, i + 1)])
    if not standing or not _stands_there(tx.connection, request):
        raise NotRecalled()
    event = ClaimOpened(
        claim=request.claim,
        recalls=tuple(recall.id for recall in standing),
        product=request.product,
        batch=request.batch,
        position=request.position,
        remedy=request.remedy,
        country=request.country,
        language=request.language,
        doubt=_doubt(tx.connection, request.position),
        person=request.person,
        contact=request.contact,
        payout=request.payout,
    )
    about = (f"claim:{request.claim}", f"batch:{request.batch}")
    tx.record(event, *about, *(f"recall:{recall.id}" for recall in standing))


def _stands_there(connection: Connection, request: OpenClaim) -> bool:
    """Whether the position is of this batch and product: what an entry says must not come from a form alone."""
    unit = unit_at(connection, request.position)
    if unit is not None:
        return (unit.batch, unit.product) == (request.batch, request.product)
    named = [(one.id, one.product, (one.recorded, 0)) for one in find_batches(connection, request.batch)]
    return (request.batch, request.product, request.position) in named


def _doubt(connection: Connection, position: Position) -> Doubt:
    if unit_at(connection, position) is None:
        return "no_serial"
    earlier = [one for one in claims_on(connection, position) if one.standing != "declined"]
    return "claimed_before" if earlier else ""


class AcceptClaim(Request, frozen=True):
    """Accept a claim: the remedy will be given."""

    claim: Annotated[Code, ask("Claim", ref="claim")]
    statement: Annotated[Prose, ask("Note", "What was checked, if anything.")] = ""


class DeclineClaim(Request, frozen=True):
    """Decline a claim, with the reason. It can be accepted later."""

    claim: Annotated[Code, ask("Claim", ref="claim")]
    statement: Annotated[Prose, Meta(min_length=1), ask("Why")]


class SettleClaim(Request, frozen=True):
    """Record that the remedy was given: the money was sent, or a new unit."""

    claim: Annotated[Code, ask("Claim", ref="claim")]
    amount: Annotated[Money | None, ask("Refund", "What was paid.", example="34.90 EUR")] = None
    replacement: Annotated[str, ask("New unit", "The serial of the unit given instead.")] = ""


@command("claim.accept")
def accept_claim(tx: Tx, request: AcceptClaim) -> None:
    """Raises UnknownClaim, ClaimMoved."""
    claim = _step(tx, request.claim, "accepted")
    tx.record(ClaimAccepted(claim=claim.id, statement=request.statement), *_about(tx, claim))


@command("claim.decline")
def decline_claim(tx: Tx, request: DeclineClaim) -> None:
    """Raises UnknownClaim, ClaimMoved."""
    claim = _step(tx, request.claim, "declined")
    tx.record(ClaimDeclined(claim=claim.id, statement=request.statement), *_about(tx, claim))


@command("claim.settle")
def settle_claim(tx: Tx, request: SettleClaim) -> None:
    """Raises UnknownClaim, ClaimMoved, AmountNeeded, CannotReplaceWith."""
    claim = _step(tx, request.claim, "settled")
    if (request.amount is None) == (not request.replacement):
        raise AmountNeeded()
    if request.amount is not None and request.amount.minor <= 0:
        raise AmountNeeded()
    event = ClaimSettled(
        claim=claim.id,
        remedy="refund" if request.amount else "replacement",
        amount=request.amount,
        replacement=_replacement(tx, request.replacement) if request.replacement else None,
    )
    tx.record(event, *_about(tx, claim))


def _replacement(tx: Tx, serial: str) -> Position:
    found = find_units(tx.connection, serial)
    if len(found) != 1:
        raise CannotReplaceWith(serial=serial, reason="no single unit carries this serial.")
    c, i = found[0].position
    if recalls_over(tx.connection, [(c, i, i + 1)]):
        raise CannotReplaceWith(serial=serial, reason="it is recalled itself.")
    return found[0].position


def _step(tx: Tx, code: str, wanted: Standing) -> "Claim":
    claim = get_claim(tx.connection, code)
    if wanted not in STEPS[claim.standing]:
        raise ClaimMoved(standing=claim.standing)
    return claim


def _about(tx: Tx, claim: "Claim") -> list[str]:
    named = select(claim_recalls.c.recall).where(claim_recalls.c.claim == claim.id)
    recalls = tx.connection.execute(named).scalars().all()
    return [f"claim:{claim.id}", f"batch:{claim.batch}", *(f"recall:{one}" for one in recalls)]


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it stands; `contact` and `payout` are items of the vault, `opened` and `moved` log indexes."""

    id: str
    standing: Standing
    doubt: Doubt
    product: str
    batch: str
    c: int
    i: int
    remedy: Remedy
    country: str
    language: str
    person: str
    contact: str
    payout: str | None
    opened_at: datetime
    opened: int
    moved_at: datetime
    moved: int

    @property
    def position(self) -> Position:
        return self.c, self.i


def find_claim(connection: Connection, claim: str) -> Claim | None:
    """The claim with this reference, or None."""
    row = connection.execute(select(claims).where(claims.c.id == claim)).first()
    return None if row is None else Claim(*row)


def get_claim(connection: Connection, claim: str) -> Claim:
    """The claim with this reference. Raises UnknownClaim."""
    found = find_claim(connection, claim)
    if found is None:
        raise UnknownClaim(claim=claim)
    return found


def list_claims(connection: Connection, *, standing: Standing | None = None, limit: int = 200) -> list[Claim]:
    """The newest claims, of one standing or of all."""
    query = select(claims).order_by(claims.c.opened.desc()).limit(limit)
    if standing is not None:
        query = query.where(claims.c.standing == standing)
    return [Claim(*row) for row in connection.execute(query)]


def claims_on(connection: Connection, position: Position) -> list[Claim]:
    """The claims for the unit at a position, oldest first."""
    c, i = position
    rows = connection.execute(
        select(claims).where(claims.c.c == c, claims.c.i == i).order_by(claims.c.opened)
    )
    return [Claim(*row) for row in rows]


_SETTLED = Prepared(
    select(claim_recalls.c.recall)
    .join(claims, claims.c.id == claim_recalls.c.claim)
    .where(claims.c.c == bindparam("c"), claims.c.i == bindparam("i"), claims.c.standing == "settled")
)


def settled_recalls(connection: Connection, position: Position) -> set[str]:
    """The recalls (ids) for which the unit at a position was given a complete remedy."""
    c, i = position
    return {recall for (recall,) in _SETTLED.fetch(connection, c=c, i=i)}


def named_items(connection: Connection) -> set[str]:
    """The items of the vault that an entry names, buyers' and staff's: all others are leftovers."""
    rows = connection.execute(select(claims.c.contact, claims.c.payout))
    return {item for row in rows for item in row if item is not None} | set(name_items(connection).values())
