"""The company's settings: logo and accent on every page, legal entities, and whose clocks somebody reads."""

from io import BytesIO

import pytest

from ledger.trace.legal_entity import list_legal_entities
from ledger.trace.seller import DescribeSeller, StyleSeller, get_seller
from portal.pictures import pictures
from tests.pictures import picture
from tests.staff import Desk, text_of
from tests.world import World

PNG = picture("PNG")
STYLE = "/console/company/style"
ENTITY = {
    "code": "EU",
    "name": "Voltaro Europe GmbH",
    "country": "DE",
    "address.0": "Musterkai 4",
    "roles.0": "importer",
    "roles.1": "eu_responsible_person",
    "markets.0": "DE",
    "markets.1": "FR",
}


@pytest.fixture
def desk(world: World) -> Desk:
    world.do(DescribeSeller(brand="Voltaro", company="Voltaro GmbH", zone="Europe/Berlin"))
    made = Desk.of(world)
    made.app.register_blueprint(pictures)
    return made


def test_an_accent_is_looked_at_before_it_is_used(desk: Desk) -> None:
    ada, size = desk.signed_in(), desk.world.size()
    seen = ada.send(STYLE, accent="#8A1C5B", preview="yes")
    assert seen.status_code == 200
    assert '/style/preview-8a1c5b.css"' in seen.text
    assert desk.world.size() == size
    assert ada.send(STYLE, accent="#8A1C5B").status_code == 303
    seller = desk.world.read(get_seller)
    assert seller
    assert seller.accent == "#8a1c5b"


@pytest.mark.parametrize("how", [{}, {"preview": "yes"}])
def test_an_accent_that_nobody_could_read_is_refused_with_one_that_passes(
    desk: Desk, how: dict[str, str]
) -> None:
    ada, size = desk.signed_in(), desk.world.size()
    answer = ada.send(STYLE, accent="#ff9900", **how)
    assert answer.status_code == 422
    said = text_of(answer)
    assert "#ff9900 has a contrast of 2.0 against the page, and text needs 4.5." in said
    assert "The nearest shade that passes is #a66300." in said
    assert 'value="#ff9900"' in answer.text
    assert desk.world.size() == size


def test_logo_and_accent_are_on_buyers_pages_at_the_door_and_in_the_console(desk: Desk) -> None:
    ada, stranger = desk.signed_in(), desk.browser()
    places = ((ada, "/console/"), (stranger, "/en/"), (stranger, "/ar/"), (stranger, "/console/sign-in"))
    for browser, place in places:
        assert "/style/" not in browser.page(place)
    logo = desk.world.ledger.files.put(PNG)
    desk.world.do(StyleSeller(logo=logo, accent="#8a1c5b"))
    desk.app.extensions["lotproof"]._house = None
    for browser, place in places:
        page = browser.page(place)
        assert '<link rel="stylesheet" href="/style/accent-8a1c5b.css">' in page
        assert f'<img class="logo" src="/pictures/{logo.sha256}" alt="Voltaro">' in page
    served = stranger.get(f"/pictures/{logo.sha256}")
    assert (served.status_code, served.content_type) == (200, "image/jpeg")
    desk.world.do(StyleSeller())
    assert stranger.get(f"/pictures/{logo.sha256}").status_code == 404


def test_the_style_sheet_holds_both_schemes_and_may_be_kept(desk: Desk) -> None:
    answer = desk.browser().get("/style/accent-8a1c5b.css")
    assert answer.content_type.startswith("text/css")
    assert "immutable" in answer.headers["Cache-Control"]
    assert ":root { --accent: #8a1c5b;" in answer.text
    assert "prefers-color-scheme: dark" in answer.text
    for nonsense in ("ff9900", "8A1C5", "zzzzzz", "8a1c5b}body{"):
        assert desk.browser().get(f"/style/accent-{nonsense}.css").status_code == 404


def test_a_logo_stays_while_the_accent_changes_and_can_be_taken_away(desk: Desk) -> None:
    ada = desk.signed_in()
    token = ada.hidden(STYLE)
    answer = ada.client.post(
        STYLE,
        data={**token, "accent": "", "logo": (BytesIO(PNG), "logo.png")},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 303
    logo = the_logo(desk)
    assert logo
    assert ada.send(STYLE, accent="#8a1c5b").status_code == 303
    assert the_logo(desk) == logo
    assert ada.send(STYLE, accent="#8a1c5b", without_logo="yes").status_code == 303
    assert the_logo(desk) is None
    assert "The pages’ accent was set to #8a1c5b" in text_of(ada.page("/console/log"))


def the_logo(desk: Desk) -> str | None:
    seller = desk.world.read(get_seller)
    assert seller
    return seller.logo


def test_a_file_that_is_no_picture_is_no_logo(desk: Desk) -> None:
    ada = desk.signed_in()
    data = {**ada.hidden(STYLE), "accent": "", "logo": (BytesIO(b"<svg/>"), "logo.svg")}
    answer = ada.client.post(STYLE, data=data, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "PNG" in text_of(answer)
    assert the_logo(desk) is None


@pytest.mark.parametrize(
    ("language", "said"), [("en", "Importer and EU responsible person"), ("zh-Hans", "进口商和欧盟责任人")]
)
def test_a_legal_entity_is_recorded_corrected_and_ended(desk: Desk, language: str, said: str) -> None:
    ada = desk.signed_in(language=language)
    assert said in text_of(ada.recorded("legal_entity.record", **ENTITY))
    [entity] = desk.world.read(list_legal_entities)
    assert said in text_of(ada.page("/console/company/entities"))
    page = ada.page(f"/console/company/entities/{entity.id}")
    [correct] = [
        part.partition('"')[0] for part in page.split('href="') if "legal_entity.record" in part[:60]
    ]
    form = ada.page(correct.replace("&amp;", "&"))
    assert 'value="Voltaro Europe GmbH"' in form
    assert 'value="Musterkai 4"' in form
    ada.recorded("legal_entity.end", legal_entity="EU", reason="It was sold.")
    assert "legal_entity.end?" not in ada.page(f"/console/company/entities/{entity.id}")
    ada.page("/console/company/entities/EU", status=404)


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_the_pages_of_the_company_open_before_anything_is_said(world: World, language: str) -> None:
    ada = Desk.of(world).signed_in(language=language)
    for place in ("", "/style", "/entities", "/languages"):
        assert "&lt;" not in ada.page(f"/console/company{place}")


# --- whose clocks


def test_somebody_reads_times_by_their_own_clocks_and_others_by_the_company_s(desk: Desk) -> None:
    ada, ben = desk.signed_in("Ada"), desk.signed_in("Ben")
    assert "Times of Europe/Berlin" in text_of(ada.page("/console/"))
    assert ada.send("/console/account/zone", zone="Asia/Shanghai").status_code == 303
    assert "Times of Asia/Shanghai" in text_of(ada.page("/console/"))
    assert "Times of Europe/Berlin" in text_of(ben.page("/console/"))
    sealed = [text_of(one.page("/console/log/1")) for one in (ada, ben)]
    assert "GMT+8" in sealed[0] or "UTC+8" in sealed[0]
    assert "UTC+8" not in sealed[1]
    assert ada.send("/console/account/zone", zone="").status_code == 303
    assert "Times of Europe/Berlin" in text_of(ada.page("/console/"))


def test_a_zone_that_is_none_is_refused_and_stays_to_be_put_right(desk: Desk) -> None:
    ada = desk.signed_in()
    answer = ada.send("/console/account/zone", zone="Berlin")
    assert answer.status_code == 422
    assert "“Berlin” is no time zone" in text_of(answer)
    assert 'value="Berlin"' in answer.text
    assert "Times of Europe/Berlin" in text_of(ada.page("/console/"))
