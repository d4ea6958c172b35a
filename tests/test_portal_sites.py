"""Sites, and a third-party warehouse's people, who see and do what is of their own site and nothing else."""

import pytest

from ledger.errors import NotFound
from ledger.journal.journal import By
from ledger.trace.batch import UnknownBatch
from ledger.trace.quality import PlaceHold
from ledger.trace.shipment import (
    NotSentYet,
    ReceivedAlready,
    ReceiveShipment,
    Shipment,
    UnknownShipment,
    list_shipments,
)
from ledger.trace.site import SiteExists, StaffSite, UnknownSite
from tests.staff import Desk, text_of
from tests.world import MadeBatch, World


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk.of(world)


@pytest.fixture
def batch(world: World) -> MadeBatch:
    world.site("HAM-1")
    world.site("ROT-1", zone="Europe/Amsterdam")
    batch = world.batch("B1", quantity=100, units=1)
    batch.ships(to="DE", count=10, site="HAM-1")
    batch.ships(to="NL", count=20, site="ROT-1")
    world.batch("B2", quantity=9, units=1).ships(to="NL", count=2, site="ROT-1")
    return batch


def sent_to(world: World, site: str) -> Shipment:
    """The one shipment of B1 to a site."""
    rotterdam, hamburg = world.read(list_shipments)[1:3]
    return {"HAM-1": hamburg, "ROT-1": rotterdam}[site]


def placed(desk: Desk, name: str = "Piet", site: str = "HAM-1") -> By:
    account = desk.account(name, "partner")
    desk.world.do(StaffSite(account=account.id, site=site))
    return By(account.actor)


def test_a_partner_sees_what_was_sent_to_their_site_and_nothing_of_another(
    desk: Desk, batch: MadeBatch
) -> None:
    placed(desk)
    piet = desk.signed_in("Piet")
    own, other = sent_to(desk.world, "HAM-1"), sent_to(desk.world, "ROT-1")
    page = piet.page("/console/site")
    assert own.code in page
    assert other.code not in page
    assert "B1" in piet.page(f"/console/site/{own.id}")
    piet.page(f"/console/site/{other.id}", status=404)
    for place in ("/console/shipments", f"/console/shipments/{own.id}", "/console/batches", "/console/sites"):
        piet.page(place, status=403)


def test_forms_offer_a_partner_no_codes_of_others(desk: Desk, batch: MadeBatch) -> None:
    placed(desk)
    piet = desk.signed_in("Piet")
    for command in ("shipment.receive", "hold.place"):
        page = piet.page(f"/console/record/{command}")
        assert sent_to(desk.world, "ROT-1").code not in page
        assert 'value="B2"' not in page


def test_a_partner_receives_at_their_own_site_and_learns_of_no_other(desk: Desk, batch: MadeBatch) -> None:
    world, piet = desk.world, placed(desk)
    own, other = sent_to(world, "HAM-1"), sent_to(world, "ROT-1")
    refused = []
    for code in (other.code, "SH-NONE"):
        with pytest.raises(UnknownShipment) as found:
            world.do(ReceiveShipment(shipment=code, received_on=world.today), by=piet.actor)
        refused.append(str(found.value).replace(code, "…"))
    assert len(set(refused)) == 1
    world.do(ReceiveShipment(shipment=own.code, received_on=world.today), by=piet.actor)
    assert sent_to(world, "HAM-1").received_on == world.today


def test_a_partner_holds_what_lies_at_their_site_alone(desk: Desk, batch: MadeBatch) -> None:
    world, piet = desk.world, placed(desk)
    with pytest.raises(UnknownBatch):
        world.do(PlaceHold(batch="B2", reason="Wet."), by=piet.actor)
    world.do(PlaceHold(batch="B1", reason="Wet."), by=piet.actor)
    assert "on hold" in text_of(desk.signed_in("Piet").page(f"/console/site/{sent_to(world, 'HAM-1').id}"))


def test_a_partner_who_was_placed_nowhere_does_nothing(desk: Desk, batch: MadeBatch) -> None:
    world, piet = desk.world, By(desk.account("Piet", "partner").actor)
    for request in (
        ReceiveShipment(shipment=sent_to(world, "HAM-1").code, received_on=world.today),
        PlaceHold(batch="B1", reason="Wet."),
    ):
        with pytest.raises(NotFound):
            world.do(request, by=piet.actor)
    assert "was not placed at a site" in desk.signed_in("Piet").page("/console/site")


def test_somebody_with_a_role_of_the_house_is_confined_to_no_site(desk: Desk, batch: MadeBatch) -> None:
    world, wim = desk.world, desk.account("Wim", "partner", "warehouse")
    world.do(StaffSite(account=wim.id, site="HAM-1"))
    world.do(ReceiveShipment(shipment=sent_to(world, "ROT-1").code, received_on=world.today), by=wim.actor)


def test_goods_arrive_once_and_not_before_they_left(world: World, batch: MadeBatch) -> None:
    shipment = sent_to(world, "HAM-1")
    before = shipment.sent_on.replace(year=shipment.sent_on.year - 1)
    with pytest.raises(NotSentYet):
        world.do(ReceiveShipment(shipment=shipment.code, received_on=before))
    world.do(ReceiveShipment(shipment=shipment.code, received_on=world.today))
    with pytest.raises(ReceivedAlready):
        world.do(ReceiveShipment(shipment=shipment.code, received_on=world.today))


def test_a_site_has_a_code_of_its_own_and_nothing_goes_to_one_that_is_not_recorded(
    world: World, batch: MadeBatch
) -> None:
    with pytest.raises(SiteExists):
        world.site("HAM-1")
    with pytest.raises(UnknownSite):
        batch.ships(to="DE", count=1, site="HAM-2")


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_sites_are_recorded_shown_and_staffed_in_the_console(desk: Desk, language: str) -> None:
    ada = desk.signed_in("Ada", language=language)
    desk.world.party("HAFEN", role="warehouse")
    page = ada.recorded(
        "site.open", code="HAM-1", name="Musterlager", party="HAFEN", country="DE", zone="Europe/Berlin"
    )
    assert "Musterlager" in page
    assert "Musterlager" in ada.page("/console/sites")
    account = desk.account("Piet", "partner").id
    ada.recorded("site.staff", account=account, site="HAM-1")
    assert "Musterlager" in ada.page(f"/console/people/{account}")


def test_a_partner_reads_times_by_the_clocks_of_their_site(desk: Desk, batch: MadeBatch) -> None:
    placed(desk, site="ROT-1")
    assert "Times of Europe/Amsterdam" in text_of(desk.signed_in("Piet").page("/console/site"))
