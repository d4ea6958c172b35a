"""The seller."""

import pytest

from ledger.files import FileMissing, FileRef
from ledger.trace.accent import NoColour, TooPale
from ledger.trace.seller import (
    LARGEST_LOGO_BYTES,
    DescribeSeller,
    NoLogo,
    NotDescribed,
    StyleSeller,
    UnknownZone,
    get_seller,
)
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


PNG = b"\x89PNG\r\n\x1a\n..."


@pytest.fixture
def voltaro(world: World) -> World:
    world.do(DescribeSeller(brand="Voltaro", company="Voltaro GmbH"))
    return world


def style_of(world: World) -> tuple[str | None, str]:
    seller = world.read(get_seller)
    assert seller
    return seller.logo, seller.accent


def test_the_newest_style_holds_as_a_whole_and_describing_anew_leaves_it(voltaro: World) -> None:
    assert style_of(voltaro) == (None, "")
    logo = voltaro.ledger.files.put(PNG)
    voltaro.do(StyleSeller(logo=logo, accent="#123456"))
    voltaro.do(DescribeSeller(brand="Voltaro Europe", company="Voltaro GmbH"))
    assert style_of(voltaro) == (logo.sha256, "#123456")
    voltaro.do(StyleSeller(accent="#0B5D57"))
    assert style_of(voltaro) == (None, "#0b5d57")


def test_a_company_that_nobody_described_has_no_style(world: World) -> None:
    with pytest.raises(NotDescribed):
        world.do(StyleSeller(accent="#123456"))


@pytest.mark.parametrize(("accent", "error"), [("teal", NoColour), ("#fff", NoColour), ("#ff9900", TooPale)])
def test_an_accent_that_cannot_be_read_is_refused(
    voltaro: World, accent: str, error: type[Exception]
) -> None:
    before = voltaro.size()
    with pytest.raises(error):
        voltaro.do(StyleSeller(accent=accent))
    assert voltaro.size() == before


def test_a_logo_is_a_small_picture_that_is_stored(voltaro: World) -> None:
    put = voltaro.ledger.files.put
    svg = put(b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>")
    for refused in (svg, put(PNG + bytes(LARGEST_LOGO_BYTES))):
        with pytest.raises(NoLogo):
            voltaro.do(StyleSeller(logo=refused))
    with pytest.raises(FileMissing):
        voltaro.do(StyleSeller(logo=FileRef("0" * 64, 12)))
    # What a caller says of the size counts for nothing.
    large = put(PNG + bytes(LARGEST_LOGO_BYTES) + b".")
    with pytest.raises(NoLogo):
        voltaro.do(StyleSeller(logo=FileRef(large.sha256, 12)))
