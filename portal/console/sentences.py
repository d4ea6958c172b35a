"""What an entry says, as one sentence: each kind of event its own, names and codes as links.

A kind without a sentence here is shown by its name: a test lists those of the trace, which must have one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup, escape

from ledger.journal.events import ClockCorrected, LogOpened, StatusStated, SubjectsContinued
from ledger.journal.registry import KIND_OF, Event
from ledger.trace.batch import BatchProduced
from ledger.trace.bill_of_materials import BillOfMaterialsRevised, MaterialRegistered
from ledger.trace.material_lot import MaterialLotReceived
from ledger.trace.party import PartyRegistered
from ledger.trace.product import ProductRegistered
from ledger.trace.quality import HoldPlaced, HoldReleased
from ledger.trace.seller import SellerDescribed
from ledger.trace.shipment import ShipmentSent
from ledger.trace.substitution import (
    SubstitutionApproved,
    SubstitutionFound,
    SubstitutionProposed,
    SubstitutionRefused,
)
from ledger.trace.unit import UnitsCommissioned
from portal.console.names import Names, code, isolated
from translations import Words


@dataclass(frozen=True, slots=True)
class Say:
    """One language and the names that sentences of a page may use. What it gives is safe markup."""

    words: Words
    names: Names

    def text(self, msgid: str, **values: object) -> Markup:
        """The sentence in this language; values that are markup stay so, all others are escaped."""
        return escape(self.words.pattern(msgid)).format(**values)

    def plural(self, singular: str, plural: str, count: int, **values: object) -> Markup:
        """The sentence for `count`, which it may name as `{count}`."""
        pattern = self.words.plural_pattern(singular, plural, count)
        return escape(pattern).format(count=self.words.number(count), **values)

    def link(self, noun: str, subject_id: str) -> Markup:
        return self.names.link(noun, subject_id)

    def day(self, day: date) -> str:
        return self.words.date(day)

    def list(self, items: list[Markup]) -> Markup:
        """Links in a row, as the language writes lists."""
        # The joined text holds nothing but the escaped items and the language's own commas.
        return Markup(self.words.list([str(item) for item in items]))  # noqa: S704


Sentence = Callable[[Say, Any], Markup]
SENTENCES: dict[type[Event], Sentence] = {}
# Meaning and shape of what deserves one; all else is plain.
MARKS: dict[type[Event], tuple[str, str]] = {
    SubstitutionFound: ("recalled", "swap"),
    SubstitutionProposed: ("person", "swap"),
    SubstitutionApproved: ("done", "tick"),
    SubstitutionRefused: ("clear", "text-circle"),
    HoldPlaced: ("waiting", "pause"),
    HoldReleased: ("done", "tick"),
    ClockCorrected: ("person", "clock"),
}


def sentence(say: Say, event: Event) -> Markup:
    """What this event says."""
    spoken = SENTENCES.get(type(event))
    return spoken(say, event) if spoken else code(KIND_OF[type(event)])


def says(cls: type[Event]) -> Callable[[Sentence], Sentence]:
    """Register the sentence of a kind of event."""

    def register(spoken: Sentence) -> Sentence:
        SENTENCES[cls] = spoken
        return spoken

    return register


@says(LogOpened)
def _log_opened(say: Say, event: LogOpened) -> Markup:
    if event.demo:
        return say.text("The log {origin} was opened, as a demonstration.", origin=code(event.origin))
    return say.text("The log {origin} was opened.", origin=code(event.origin))


@says(StatusStated)
def _status_stated(say: Say, event: StatusStated) -> Markup:
    return say.text("Sealed, with recall status {root}.", root=code(event.map.root[:8]))


@says(SubjectsContinued)
def _subjects_continued(say: Say, event: SubjectsContinued) -> Markup:
    return say.text("More subjects of entry {entry}.", entry=code(f"#{event.of}"))


@says(ClockCorrected)
def _clock_corrected(say: Say, event: ClockCorrected) -> Markup:
    return say.text("The clock was corrected: {reason}", reason=isolated(event.reason))


@says(SellerDescribed)
def _seller_described(say: Say, event: SellerDescribed) -> Markup:
    return say.text(
        "The company was described: {brand}, {company}.",
        brand=isolated(event.brand),
        company=isolated(event.company),
    )


@says(PartyRegistered)
def _party_registered(say: Say, event: PartyRegistered) -> Markup:
    return say.text("Party {party} registered.", party=say.link("party", event.party))


@says(ProductRegistered)
def _product_registered(say: Say, event: ProductRegistered) -> Markup:
    return say.text("Product {product} registered.", product=say.link("product", event.product))


@says(MaterialRegistered)
def _material_registered(say: Say, event: MaterialRegistered) -> Markup:
    return say.text("Material {material} registered.", material=say.link("material", event.material))


@says(BillOfMaterialsRevised)
def _bill_revised(say: Say, event: BillOfMaterialsRevised) -> Markup:
    return say.plural(
        "Bill of materials {revision} of {product}: {count} material.",
        "Bill of materials {revision} of {product}: {count} materials.",
        len(event.lines),
        revision=code(event.revision),
        product=say.link("product", event.product),
    )


@says(MaterialLotReceived)
def _lot_received(say: Say, event: MaterialLotReceived) -> Markup:
    return say.text(
        "Lot {lot} of {material} arrived from {supplier}: {quantity}.",
        lot=say.link("material_lot", event.lot),
        material=say.link("material", event.material),
        supplier=say.link("party", event.supplier),
        quantity=amount(say.words, event.quantity.amount, event.quantity.unit),
    )


@says(BatchProduced)
def _batch_produced(say: Say, event: BatchProduced) -> Markup:
    return say.plural(
        "Batch {batch} made at {factory} on {day}: {count} unit.",
        "Batch {batch} made at {factory} on {day}: {count} units.",
        event.quantity,
        batch=say.link("batch", event.batch),
        factory=say.link("party", event.factory),
        day=say.day(event.made_on),
    )


@says(UnitsCommissioned)
def _units_commissioned(say: Say, event: UnitsCommissioned) -> Markup:
    batch = say.link("batch", event.batch)
    if event.received_file is None:
        return say.plural(
            "{count} serial made for batch {batch}.",
            "{count} serials made for batch {batch}.",
            event.count,
            batch=batch,
        )
    return say.plural(
        "{count} serial taken from the factory’s file for batch {batch}.",
        "{count} serials taken from the factory’s file for batch {batch}.",
        event.count,
        batch=batch,
    )


@says(HoldPlaced)
def _hold_placed(say: Say, event: HoldPlaced) -> Markup:
    return say.text(
        "Batch {batch} put on hold: {reason}",
        batch=say.link("batch", event.batch),
        reason=isolated(event.reason),
    )


@says(HoldReleased)
def _hold_released(say: Say, event: HoldReleased) -> Markup:
    return say.text(
        "Hold on batch {batch} released: {reason}",
        batch=say.link("batch", event.batch),
        reason=isolated(event.reason),
    )


@says(ShipmentSent)
def _shipment_sent(say: Say, event: ShipmentSent) -> Markup:
    return say.plural(
        "Shipment {shipment} sent to {channel}, {country}: {count} unit of {batches}.",
        "Shipment {shipment} sent to {channel}, {country}: {count} units of {batches}.",
        sum(line.quantity for line in event.lines),
        shipment=say.link("shipment", event.shipment),
        channel=isolated(event.channel),
        country=say.words.country(event.country),
        batches=say.list([say.link("batch", one) for one in dict.fromkeys(x.batch for x in event.lines)]),
    )


@says(SubstitutionProposed)
def _substitution_proposed(say: Say, event: SubstitutionProposed) -> Markup:
    return say.text(
        "Substitution {substitution} proposed for {material}: {wanted} instead of {declared}.",
        substitution=say.link("substitution", event.substitution),
        material=say.link("material", event.material),
        wanted=isolated(event.wanted),
        declared=isolated(event.declared),
    )


@says(SubstitutionApproved)
def _substitution_approved(say: Say, event: SubstitutionApproved) -> Markup:
    return say.text(
        "Substitution {substitution} approved: {statement}",
        substitution=say.link("substitution", event.substitution),
        statement=isolated(event.statement),
    )


@says(SubstitutionRefused)
def _substitution_refused(say: Say, event: SubstitutionRefused) -> Markup:
    return say.text(
        "Substitution {substitution} refused: {statement}",
        substitution=say.link("substitution", event.substitution),
        statement=isolated(event.statement),
    )


@says(SubstitutionFound)
def _substitution_found(say: Say, event: SubstitutionFound) -> Markup:
    return say.text(
        "{material} found swapped in {lots}: {known}. In effect from {day}.",
        material=say.link("material", event.material),
        lots=say.list([say.link("material_lot", lot) for lot in event.lots]),
        known=isolated(event.known),
        day=say.day(event.effective_on),
    )


def amount(words: Words, number: int, unit: str) -> Markup:
    """A quantity as people read it: 4,000 m."""
    return isolated(f"{words.number(number)} {unit}")
