"""What a form offers to choose from: codes of a noun, countries, and the words for fixed choices."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, Select, select

from ledger.people.approval import TAKES_TWO
from ledger.recall.hazards import hazard_of, hazards
from ledger.recall.recall import recalls
from ledger.trace.batch import batches
from ledger.trace.bill_of_materials import materials
from ledger.trace.legal_entity import legal_entities
from ledger.trace.material_lot import material_lots
from ledger.trace.party import parties
from ledger.trace.product import products
from ledger.trace.shipment import shipments
from ledger.trace.site import sites
from ledger.trace.substitution import substitutions
from translations import Words, mark, words_for

MOST_OPTIONS = 500  # the newest; whoever means an older one types its code
FEW = 12  # up to here all are shown at once

# What people call the fixed choices. "decision", "role" and others share this list: a value means one thing.
CHOICES = {
    "supplier": mark("Supplier"),
    "factory": mark("Factory"),
    "warehouse": mark("Warehouse"),
    "marketplace": mark("Marketplace"),
    "shop": mark("Shop"),
    "laboratory": mark("Laboratory"),
    "partner": mark("Partner’s warehouse"),
    "manufacturer": mark("Manufacturer"),
    "importer": mark("Importer"),
    "distributor": mark("Distributor"),
    "authorised_representative": mark("Authorised representative"),
    "eu_responsible_person": mark("EU responsible person"),
    "uk_responsible_person": mark("UK responsible person"),
    "quality": mark("Quality"),
    "seller": mark("Seller"),
    "coordinator": mark("Recall coordinator"),
    "support": mark("Support"),
    "auditor": mark("Auditor"),
    "admin": mark("Administrator"),
    "approve": mark("Approve"),
    "refuse": mark("Refuse"),
    "proposed": mark("proposed"),
    "approved": mark("approved"),
    "refused": mark("refused"),
    "found": mark("found"),
    "drafted": mark("drafted"),
    "published": mark("published"),
    "closed": mark("closed"),
    "retracted": mark("retracted"),
    "opened": mark("opened"),
    "accepted": mark("accepted"),
    "declined": mark("declined"),
    "settled": mark("settled"),
    "refund": mark("refund"),
    "replacement": mark("new unit"),
    "contact": mark("Contact and address"),
    "payout": mark("Account for the refund"),
    "staff_name": mark("Colleague’s name"),
    "none": mark("none"),
    "waiting": mark("A waiting time"),
    "counsel": mark("Outside counsel, by a link"),
    "recall.approve": mark("Recalls"),
    "substitution.decide": mark("Substitutions"),
    "recalled": mark("recalled"),
    "on_hold": mark("on hold"),
    "swapped": mark("swapped"),
    "yes": mark("Yes"),
    "no": mark("No"),
}
# Questions whose field has no words of its own: their titles are made from the field's name.
UNTITLED = (mark("Picture"), mark("Evidence"))


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose: what is sent, and what is read."""

    value: str
    label: str


_LISTED: dict[str, Select[tuple[str, str]]] = {
    "party": select(parties.c.code, parties.c.name).order_by(parties.c.recorded.desc()),
    "legal_entity": select(legal_entities.c.code, legal_entities.c.name)
    .where(legal_entities.c.ended_at.is_(None))
    .order_by(legal_entities.c.recorded.desc()),
    "product": select(products.c.code, products.c.name).order_by(products.c.recorded.desc()),
    "material": select(materials.c.code, materials.c.name).order_by(materials.c.recorded.desc()),
    "material_lot": select(material_lots.c.code, materials.c.name)
    .join(materials, materials.c.id == material_lots.c.material)
    .order_by(material_lots.c.recorded.desc()),
    "shipment": select(shipments.c.code, shipments.c.channel.label("name")).order_by(
        shipments.c.recorded.desc()
    ),
    "site": select(sites.c.code, sites.c.name).order_by(sites.c.recorded.desc()),
    "recall": select(recalls.c.code, recalls.c.hazard.label("name")).order_by(recalls.c.recorded.desc()),
    "substitution": select(substitutions.c.code, substitutions.c.known.label("name")).order_by(
        substitutions.c.recorded.desc()
    ),
}
_BATCHES = (
    select(batches.c.code, products.c.name, products.c.code.label("product"))
    .join(products, products.c.id == batches.c.product)
    .order_by(batches.c.recorded.desc())
)


def options_of(connection: Connection, words: Words, noun: str) -> list[Option]:
    """The newest things of a noun by their codes; none for a noun that has no list. One query."""
    if noun == "batch":
        return _batch_options(connection)
    if noun == "approval":
        return [Option(name, choice_label(words, name)) for name in TAKES_TWO]
    if noun == "hazard":
        return [Option(key, hazard_said(words, key)) for key in hazards()]
    if noun not in _LISTED:
        return []
    rows = connection.execute(_LISTED[noun].limit(MOST_OPTIONS)).all()
    if noun == "recall":
        return [Option(row.code, f"{row.code}, {hazard_said(words, row.name)}") for row in rows]
    return sorted((Option(row.code, f"{row.code}, {row.name}") for row in rows), key=lambda one: one.value)


def _batch_options(connection: Connection) -> list[Option]:
    """Batches by code; where two products use the same one, as PRODUCT/BATCH."""
    rows = connection.execute(_BATCHES.limit(MOST_OPTIONS)).all()
    times = Counter(row.code for row in rows)
    return [
        Option(row.code if times[row.code] == 1 else f"{row.product}/{row.code}", f"{row.code}, {row.name}")
        for row in rows
    ]


@lru_cache(maxsize=16)
def countries(lang: str, domain: str = "console") -> Sequence[Option]:
    """All countries by their ISO 3166 codes, in the order of their names."""
    territories = words_for(lang, domain).locale.territories
    named = [(code, name) for code, name in territories.items() if len(code) == 2 and code.isalpha()]
    known = [(code, name) for code, name in named if code not in ("ZZ", "QO", "EU", "EZ", "UN", "XA", "XB")]
    return tuple(Option(code, name) for code, name in sorted(known, key=lambda pair: (pair[1], pair[0])))


def choice_label(words: Words, value: str) -> str:
    """What a fixed choice is called; itself where nobody has named it."""
    return words.text(CHOICES[value]) if value in CHOICES else value


def hazard_said(words: Words, key: str) -> str:
    """What can happen, in the words that buyers read."""
    return words_for(words.lang, "buyer").text(hazard_of(key).danger)
