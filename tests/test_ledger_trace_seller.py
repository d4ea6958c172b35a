"""The seller."""

import pytest

from ledger.trace.seller import DescribeSeller, UnknownZone, get_seller
from tests.world import World


def test_before_anything_is_said_there_is_no_seller(world: World) -> None:
    assert world.read(get_seller) is None


def test_the_newest_description_holds_and_the_seller_stays_one(world: World) -> None:
    world.do(DescribeSeller(brand="Voltaro", company="Voltaro GmbH", zone="Europe/Berlin"))
    first = world.read(get_seller)
    receipt = world.do(
        DescribeSeller(brand="Voltaro Europe", company="Voltaro GmbH", address=("Musterkai 4",))
    )
    second = world.read(get_seller)
    assert first
    assert second
    assert (first.brand, second.brand) == ("Voltaro", "Voltaro Europe")
    assert second.id == first.id
    assert second.address == ("Musterkai 4",)
    assert second.zone == "UTC"
    assert second.recorded == receipt.entries[0].index
    assert len(world.rows()["sellers"]) == 1


@pytest.mark.parametrize("zone", ["", "Berlin", "Europe/Nowhere", "../../etc/passwd", "utc+2"])
def test_a_zone_that_nobody_knows_is_refused(world: World, zone: str) -> None:
    with pytest.raises(UnknownZone):
        world.do(DescribeSeller(brand="Voltaro", company="Voltaro GmbH", zone=zone))
