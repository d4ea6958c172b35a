"""Substitutions: a material swapped for another, approved before or found after.

Declared and known content stand side by side for ever: nothing here changes a lot; a finding is an event of its
own that names the lots it touches and the day from which it was true.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal

from msgspec import Meta
from sqlalchemy import Column, Connection, Date, Index, Integer, String, Table, select, update

from ledger.database import insert_into
from ledger.errors import LedgerError, NotFound, Refused
from ledger.files import FileRef
from ledger.journal.fields import UNASKED, Code, Name, Prose, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.people.approval import Matter, demand_approval, digest_of, give_approval, refuse_author, takes_two
from ledger.people.signature import PasskeySignature
from ledger.trace.bill_of_materials import get_material
from ledger.trace.material_lot import get_material_lot, refuse_future
from ledger.trace.party import TRACE
from ledger.trace.product import get_product

Standing = Literal["proposed", "approved", "refused", "found"]

substitutions = Table(
    "substitutions",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("standing", String, nullable=False),
    Column("material", String(16), nullable=False),
    Column("product", String(16)),
    Column("declared", String, nullable=False),
    Column("known", String, nullable=False),
    Column("effective_on", Date, nullable=False),
    Column("statement", String, nullable=False),
    Column("proposed_by", String, nullable=False),
    Column("recorded", Integer, nullable=False),
    Column("decided", Integer),
    Index("substitutions_by_entry", "recorded"),
)
substitution_lots = Table(
    "substitution_lots",
    TRACE,
    Column("substitution", String(16), primary_key=True),
    Column("lot", String(16), primary_key=True),
    Index("substitution_lots_by_lot", "lot"),
)

DECIDING = takes_two("substitution.decide")
SUBSTITUTION = Noun("substitution", version=1, tables=(substitutions, substitution_lots))


class UnknownSubstitution(NotFound):
    """No substitution has this code."""

    message = "No substitution has the code “{code}”."


class SubstitutionExists(Refused):
    """The code is taken."""

    message = "A substitution with the code “{code}” exists already."


class AlreadyDecided(Refused):
    """It was decided before."""

    message = "Substitution {code} is {standing} already. A change of mind is a new substitution."


class OtherMaterial(LedgerError):
    """A lot of another material was named."""

    message = "Lot {lot} is not {material}. A finding is about lots of one material."


class NoLots(LedgerError):
    """A finding without a lot."""

    message = "Name at least one lot in which it was found."


@SUBSTITUTION.event("substitution.proposed/1")
class SubstitutionProposed(Event, frozen=True):
    substitution: str
    code: str
    material: str
    product: str
    declared: str
    wanted: str
    effective_on: date
    statement: str


@SUBSTITUTION.event("substitution.approved/1")
class SubstitutionApproved(Event, frozen=True):
    substitution: str
    statement: str


@SUBSTITUTION.event("substitution.refused/1")
class SubstitutionRefused(Event, frozen=True):
    substitution: str
    statement: str


@SUBSTITUTION.event("substitution.found/1")
class SubstitutionFound(Event, frozen=True):
    """Unauthorised, and known only now: `effective_on` lies before the entry's own time."""

    substitution: str
    code: str
    material: str
    lots: tuple[str, ...]
    declared: str
    known: str
    effective_on: date
    statement: str
    evidence: tuple[FileRef, ...]


@SUBSTITUTION.applies(SubstitutionProposed)
def apply_proposed(state: State, entries: Sequence[Recorded[SubstitutionProposed]]) -> None:
    rows = [
        {
            "id": one.event.substitution,
            "code": one.event.code,
            "standing": "proposed",
            "material": one.event.material,
            "product": one.event.product,
            "declared": one.event.declared,
            "known": one.event.wanted,
            "effective_on": one.event.effective_on,
            "statement": one.event.statement,
            "proposed_by": one.actor,
            "recorded": one.index,
            "decided": None,
        }
        for one in entries
    ]
    insert_into(state.connection, substitutions, rows)


def _decide(state: State, substitution: str, standing: Standing, index: int) -> None:
    state.connection.execute(
        update(substitutions)
        .where(substitutions.c.id == substitution)
        .values(standing=standing, decided=index)
    )


@SUBSTITUTION.applies(SubstitutionApproved)
def apply_approved(state: State, entries: Sequence[Recorded[SubstitutionApproved]]) -> None:
    for one in entries:
        _decide(state, one.event.substitution, "approved", one.index)


@SUBSTITUTION.applies(SubstitutionRefused)
def apply_refused(state: State, entries: Sequence[Recorded[SubstitutionRefused]]) -> None:
    for one in entries:
        _decide(state, one.event.substitution, "refused", one.index)


@SUBSTITUTION.applies(SubstitutionFound)
def apply_found(state: State, entries: Sequence[Recorded[SubstitutionFound]]) -> None:
    rows = [
        {
            "id": one.event.substitution,
            "code": one.event.code,
            "standing": "found",
            "material": one.event.material,
            "product": None,
            "declared": one.event.declared,
            "known": one.event.known,
            "effective_on": one.event.effective_on,
            "statement": one.event.statement,
            "proposed_by": one.actor,
            "recorded": one.index,
            "decided": None,
        }
        for one in entries
    ]
    insert_into(state.connection, substitutions, rows)
    lots = [{"substitution": one.event.substitution, "lot": lot} for one in entries for lot in one.event.lots]
    insert_into(state.connection, substitution_lots, lots)


class ProposeSubstitution(Request, frozen=True):
    """Propose to use another material for a product."""

    code: Annotated[Code, ask("Code", example="S-2025-01")]
    material: Annotated[Code, ask("Material", ref="material")]
    product: Annotated[Code, ask("Product", ref="product")]
    declared: Annotated[Name, ask("Today", "The specification in force.", example="ceramic-coated, 16 µm")]
    wanted: Annotated[Name, ask("Instead", example="ceramic-coated, 14 µm")]
    effective_on: Annotated[date, ask("From")]
    statement: Annotated[Prose, Meta(min_length=1), ask("Why")]


class DecideSubstitution(Request, frozen=True):
    """Approve or refuse a proposed substitution. Somebody other than the proposer decides."""

    code: Annotated[Code, ask("Substitution", ref="substitution")]
    decision: Annotated[Literal["approve", "refuse"], ask("Decision")]
    statement: Annotated[Prose, Meta(min_length=1), ask("Why")]
    signature: Annotated[PasskeySignature | None, UNASKED] = None


class FindSubstitution(Request, frozen=True):
    """Record a substitution that nobody had approved, dated back to when it took effect."""

    code: Annotated[Code, ask("Code", example="S-2025-02")]
    lots: Annotated[
        tuple[Code, ...], Meta(max_length=60), ask("Lots", "Every lot that it touches.", ref="material_lot")
    ]
    known: Annotated[Name, ask("Known now", "What the material really is.", example="uncoated, 12 µm")]
    effective_on: Annotated[date, ask("In effect from")]
    statement: Annotated[Prose, Meta(min_length=1), ask("How it was found")]
    evidence: tuple[FileRef, ...] = ()


@command("substitution.propose")
def propose_substitution(tx: Tx, request: ProposeSubstitution) -> None:
    """Raises SubstitutionExists, UnknownMaterial, UnknownProduct."""
    _refuse_taken(tx, request.code)
    material = get_material(tx.connection, request.material)
    product = get_product(tx.connection, request.product)
    substitution = tx.new_id()
    event = SubstitutionProposed(
        substitution=substitution,
        code=request.code,
        material=material.id,
        product=product.id,
        declared=request.declared,
        wanted=request.wanted,
        effective_on=request.effective_on,
        statement=request.statement,
    )
    tx.record(event, f"substitution:{substitution}", f"material:{material.id}", f"product:{product.id}")


@command("substitution.decide")
def decide_substitution(tx: Tx, request: DecideSubstitution) -> None:
    """Raises UnknownSubstitution, AlreadyDecided, SameAuthor, BadSignature, and what `demand_approval` does."""
    found = get_substitution(tx.connection, request.code)
    if found.standing != "proposed":
        raise AlreadyDecided(code=found.code, standing=found.standing)
    matter = matter_of(found)
    if request.decision == "refuse":
        refuse_author(tx, matter)
    elif tx.actor == matter.author:
        demand_approval(tx, matter)  # nobody approves their own: only a waiting time can stand in
    else:
        give_approval(tx, matter, request.statement, request.signature)
    decided = SubstitutionApproved if request.decision == "approve" else SubstitutionRefused
    tx.record(
        decided(substitution=found.id, statement=request.statement),
        f"substitution:{found.id}",
        f"material:{found.material}",
        f"product:{found.product}",
    )


@command("substitution.find")
def find_substitution(tx: Tx, request: FindSubstitution) -> None:
    """Raises SubstitutionExists, NoLots, UnknownMaterialLot, OtherMaterial, InTheFuture."""
    _refuse_taken(tx, request.code)
    refuse_future(tx, request.effective_on)
    lots = [get_material_lot(tx.connection, code) for code in dict.fromkeys(request.lots)]
    if not lots:
        raise NoLots()
    material = get_material(tx.connection, lots[0].material)
    for lot in lots:
        if lot.material != material.id:
            raise OtherMaterial(lot=lot.code, material=material.name)
    substitution = tx.new_id()
    event = SubstitutionFound(
        substitution=substitution,
        code=request.code,
        material=material.id,
        lots=tuple(lot.id for lot in lots),
        declared=lots[0].declared,
        known=request.known,
        effective_on=request.effective_on,
        statement=request.statement,
        evidence=request.evidence,
    )
    about = (f"substitution:{substitution}", f"material:{material.id}")
    tx.record(event, *about, *(f"material_lot:{lot.id}" for lot in lots))


def _refuse_taken(tx: Tx, code: str) -> None:
    if tx.connection.execute(select(substitutions.c.id).where(substitutions.c.code == code)).first():
        raise SubstitutionExists(code=code)


@dataclass(frozen=True, slots=True)
class Substitution:
    """A substitution as it stands; names are ids, `recorded` and `decided` log indexes."""

    id: str
    code: str
    standing: Standing
    material: str
    product: str | None
    declared: str
    known: str
    effective_on: date
    statement: str
    proposed_by: str
    recorded: int
    decided: int | None


def get_substitution(connection: Connection, code: str) -> Substitution:
    """The substitution with this code. Raises UnknownSubstitution."""
    row = connection.execute(select(substitutions).where(substitutions.c.code == code)).first()
    if row is None:
        raise UnknownSubstitution(code=code)
    return Substitution(*row)


def matter_of(found: Substitution) -> Matter:
    """What is approved of a proposal: all that it says."""
    subject = f"substitution:{found.id}"
    content = {
        "code": found.code,
        "declared": found.declared,
        "effective_on": found.effective_on.isoformat(),
        "material": found.material,
        "product": found.product,
        "statement": found.statement,
        "wanted": found.known,
    }
    return Matter(DECIDING, subject, digest_of(DECIDING, subject, content), found.proposed_by, found.recorded)


def list_substitutions(connection: Connection) -> list[Substitution]:
    """All of them, newest first."""
    rows = connection.execute(select(substitutions).order_by(substitutions.c.recorded.desc()))
    return [Substitution(*row) for row in rows]


def found_in(connection: Connection, lots: Sequence[str]) -> dict[str, list[Substitution]]:
    """What was found in each of these lots (ids), by lot."""
    rows = connection.execute(
        select(substitution_lots.c.lot, substitutions)
        .join(substitutions, substitutions.c.id == substitution_lots.c.substitution)
        .where(substitution_lots.c.lot.in_(lots))
        .order_by(substitutions.c.recorded)
    )
    found: dict[str, list[Substitution]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(Substitution(*row[1:]))
    return found
