"""The console's lists: filters that are kept from page to page, what an empty one says, and files for whom it is."""

import html
import re
from datetime import date
from io import BytesIO

import openpyxl
import pytest

from ledger.trace.party import RegisterParty
from portal.listings import LISTINGS
from portal.listings.listing import PAGE
from tests.staff import Browser, Desk, text_of
from tests.world import World

PLACES = {"material_lots": "lots"}  # the others are called as their listing is


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk.of(world)


def place(name: str) -> str:
    return f"/console/{PLACES.get(name, name)}"


def link_called(page: str, words: str) -> str:
    """The address behind these words."""
    found = re.search(rf'href="([^"]+)"[^>]*>{re.escape(words)}</a>', page)
    assert found, words
    return html.unescape(found[1])


def many_parties(world: World, count: int) -> None:
    for number in range(count):
        country = "DE" if number % 2 else "FR"
        request = RegisterParty(code=f"P-{number}", name=f"Works {number}", role="shop", country=country)
        world.do(request)


def codes_on(page: str) -> list[str]:
    return re.findall(r'class="code">(P-\d+)<', page)


@pytest.mark.parametrize("name", LISTINGS)
@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_an_empty_list_says_what_to_do_first_and_offers_nothing_to_narrow(
    desk: Desk, name: str, language: str
) -> None:
    page = desk.signed_in(language=language).page(place(name))
    assert 'class="empty"' in page
    assert 'class="narrow"' not in page
    assert f"/console/{name}.csv" not in page


@pytest.mark.parametrize("name", LISTINGS)
def test_a_list_that_nothing_matches_says_so_and_leads_back(desk: Desk, name: str) -> None:
    page = desk.signed_in().page(f"{place(name)}?q=zzz")
    assert "No row is like that." in text_of(page)
    assert link_called(page, "Show all") == place(name)
    assert "Record each" not in page


@pytest.mark.slow
def test_a_filter_is_kept_from_page_to_page_and_into_the_files(desk: Desk) -> None:
    many_parties(desk.world, 2 * PAGE + 4)
    browser = desk.signed_in()
    first = browser.page("/console/parties?country=DE")
    assert "Country Germany" in text_of(first)
    second = browser.page(link_called(first, "Older"))
    german = [f"P-{number}" for number in reversed(range(1, 2 * PAGE + 4, 2))]
    assert codes_on(first) + codes_on(second) == german
    assert codes_on(browser.page(link_called(second, "Newer"))) == german[:PAGE]
    sent = browser.get(link_called(second, "CSV")).text
    assert [line.split(",")[2] for line in sent.splitlines()[1:]] == german
    assert codes_on(browser.page(link_called(second, "Show all")))[0] == f"P-{2 * PAGE + 3}"


def test_what_is_chosen_stands_in_its_field_and_in_words(desk: Desk) -> None:
    desk.world.batch("B1", made=date(2025, 4, 30), quantity=5).is_held()
    desk.world.batch("B2", quantity=5)
    page = desk.signed_in().page("/console/batches?state=on_hold&made_from=2025-04-01&product=VS-10")
    assert '<option value="on_hold" selected>' in page
    assert 'name="made_from" type="date" value="2025-04-01"' in page
    assert "State on hold" in text_of(page)
    assert "Made from 1 April 2025" in text_of(page)
    assert 'class="code">B1<' in page
    assert 'class="code">B2<' not in page


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/console/batches?made_from=gestern", "“gestern” is no day."),
        ("/console/claims?standing=%27%20OR%201=1", "cannot be looked for here"),
        ("/console/recalls?hazard=<script>", "cannot be looked for here"),
        (f"/console/parties?q={'x' * 200}", "cannot be looked for here"),
    ],
)
def test_what_no_filter_can_be_set_to_is_said_beside_the_filters(desk: Desk, address: str, said: str) -> None:
    page = desk.signed_in().page(address, status=400)
    assert said in text_of(page)
    assert "<script>" not in page
    assert 'aria-invalid="true"' in page


@pytest.mark.parametrize("address", ["/console/batches?before=x", "/console/lots?after=99999999999999999999"])
def test_a_page_that_is_no_place_in_the_list_is_refused_in_words(desk: Desk, address: str) -> None:
    assert "is no place in this list" in text_of(desk.signed_in().page(address, status=400))


def test_beyond_its_end_a_list_leads_back(desk: Desk) -> None:
    many_parties(desk.world, 2)
    page = desk.signed_in().page("/console/parties?before=0")
    assert "The list ends here." in text_of(page)
    assert link_called(page, "Show the newest") == "/console/parties"


def test_many_codes_are_suggested_and_few_are_chosen_from(desk: Desk) -> None:
    desk.world.batch("B1", quantity=5)
    browser = desk.signed_in()
    assert '<select class="field" id="filter-factory"' in browser.page("/console/batches")
    many_parties(desk.world, 15)
    page = browser.page("/console/batches?factory=P-3")
    assert 'id="filter-factory" name="factory" value="P-3" list="filter-factory-list"' in page
    assert '<option value="P-14">' in page


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_file_is_named_after_its_list_and_the_day_and_is_kept_nowhere(desk: Desk, form: str) -> None:
    desk.world.party("BAISHAN")
    answer = desk.signed_in().get(f"/console/parties.{form}")
    assert answer.status_code == 200
    day = desk.world.today.isoformat()
    assert answer.headers["Content-Disposition"] == f'attachment; filename="parties-{day}.{form}"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_sheet_that_is_sent_is_whole(desk: Desk) -> None:
    many_parties(desk.world, 6)
    answer = desk.signed_in().get("/console/parties.xlsx?country=FR")
    sheet = openpyxl.load_workbook(BytesIO(answer.data)).active
    assert [row[2].value for row in sheet.iter_rows(min_row=2)] == ["P-4", "P-2", "P-0"]


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_file_with_a_filter_that_is_none_is_refused(desk: Desk, form: str) -> None:
    assert "is no day" in text_of(
        desk.signed_in().page(f"/console/batches.{form}?made_from=gestern", status=400)
    )


@pytest.mark.parametrize("form", ["", ".csv", ".xlsx"])
def test_a_file_is_for_whom_its_list_is(desk: Desk, form: str) -> None:
    desk.account("Wim", "warehouse")
    wim = desk.signed_in("Wim")
    assert status(wim, f"/console/batches{form}") == 200
    for closed in ("recalls", "claims", "parties", "materials", "substitutions"):
        assert status(wim, f"/console/{closed}{form}") == 403
    assert status(desk.browser(), f"/console/batches{form}") == 303


def status(browser: Browser, address: str) -> int:
    return browser.get(address).status_code


def test_the_marks_of_a_batch_stand_behind_its_code(desk: Desk) -> None:
    world = desk.world
    world.lot("SF-1", "100 m")
    world.batch("B1", lots={"SF-1": "1 m"}, quantity=5).is_held()
    world.recall("R-1", lots=["SF-1"])
    page = text_of(desk.signed_in().page("/console/batches"))
    assert re.search(r"B1 +recalled +on hold +Product VS-10", page)
