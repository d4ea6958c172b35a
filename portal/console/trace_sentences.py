"""What the entries of the trace say: parties, products, materials, batches, units, holds, shipments, swaps."""

from markupsafe import Markup

from ledger.trace.batch import BatchProduced
from ledger.trace.bill_of_materials import BillOfMaterialsRevised, MaterialRegistered
from ledger.trace.legal_entity import LegalEntityEnd, LegalEntityRecorded
from ledger.trace.material_lot import MaterialLotReceived
from ledger.trace.party import PartyRegistered
from ledger.trace.product import ProductRegistered
from ledger.trace.quality import HoldPlaced, HoldReleased
from ledger.trace.seller import SellerDescribed, SellerStyled
from ledger.trace.shipment import ShipmentReceived, ShipmentRouted, ShipmentSent
from ledger.trace.site import SiteOpened, SiteStaffed
from ledger.trace.substitution import (
    SubstitutionApproved,
    SubstitutionFound,
    SubstitutionProposed,
    SubstitutionRefused,
)
from ledger.trace.unit import UnitsCommissioned
from portal.console.names import code, isolated
from portal.console.people_sentences import person_said
from portal.console.sentences import MARKS, Say, amount, says

MARKS.update(
    {
        SubstitutionFound: ("recalled", "swap"),
        SubstitutionProposed: ("person", "swap"),
        SubstitutionApproved: ("done", "tick"),
        SubstitutionRefused: ("clear", "text-circle"),
        HoldPlaced: ("waiting", "pause"),
        HoldReleased: ("done", "tick"),
        ShipmentReceived: ("done", "tick"),
    }
)


@says(SellerDescribed)
def _seller_described(say: Say, event: SellerDescribed) -> Markup:
    return say.text(
        "The company was described: {brand}, {company}.",
        brand=isolated(event.brand),
        company=isolated(event.company),
    )


@says(SellerStyled)
def _seller_styled(say: Say, event: SellerStyled) -> Markup:
    if event.accent:
        return say.text("The pages’ accent was set to {accent}, and their logo.", accent=code(event.accent))
    return say.text("The pages’ logo was set, with our own accent.")


@says(LegalEntityRecorded)
def _legal_entity_recorded(say: Say, event: LegalEntityRecorded) -> Markup:
    return say.text(
        "Legal entity {entity} recorded: {name}, {country}.",
        entity=say.link("legal_entity", event.legal_entity),
        name=isolated(event.name),
        country=say.words.country(event.country),
    )


@says(LegalEntityEnd)
def _legal_entity_ended(say: Say, event: LegalEntityEnd) -> Markup:
    return say.text(
        "Legal entity {entity} ended: {reason}",
        entity=say.link("legal_entity", event.legal_entity),
        reason=isolated(event.reason),
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


@says(ShipmentRouted)
def _shipment_routed(say: Say, event: ShipmentRouted) -> Markup:
    return say.text(
        "Shipment {shipment} goes to {site}.",
        shipment=say.link("shipment", event.shipment),
        site=say.link("site", event.site),
    )


@says(ShipmentReceived)
def _shipment_received(say: Say, event: ShipmentReceived) -> Markup:
    if not event.statement:
        return say.text("Shipment {shipment} has arrived.", shipment=say.link("shipment", event.shipment))
    return say.text(
        "Shipment {shipment} has arrived: {statement}",
        shipment=say.link("shipment", event.shipment),
        statement=isolated(event.statement),
    )


@says(SiteOpened)
def _site_opened(say: Say, event: SiteOpened) -> Markup:
    return say.text(
        "Site {site} was recorded; {party} runs it.",
        site=say.link("site", event.site),
        party=say.link("party", event.party),
    )


@says(SiteStaffed)
def _site_staffed(say: Say, event: SiteStaffed) -> Markup:
    if event.site is None:
        return say.text("{account} works at no site in particular.", account=person_said(event.account))
    return say.text(
        "{account} works at {site}.",
        account=person_said(event.account),
        site=say.link("site", event.site),
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
