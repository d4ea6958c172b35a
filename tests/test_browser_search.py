"""Hand scanners in a real browser: a scan lands in the search field wherever one is, and takes nothing from a form."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from portal.scans import TEST_TEXT, typed_by_scanner
from tests.browsing import Visit, chromium, visiting
from tests.journeys import Shop, demo_copy, served

pytestmark = pytest.mark.browser

BY_HAND_MS = 90


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with served(demo_copy(tmp_path_factory)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@contextmanager
def signed_in(shop: Shop, browser: Browser, *, width: int = 1280, scripts: bool = True) -> Iterator[Visit]:
    with visiting(browser, width=width, height=800, java_script_enabled=scripts, locale="en") as visit:
        visit.page.goto(f"{shop.base}/console/")
        visit.page.fill("#name", shop.demo["login"]["name"])
        visit.page.fill("#password", shop.demo["login"]["password"])
        visit.page.click("form button")
        visit.page.wait_for_url(f"{shop.base}/console/")
        yield visit


# As fast as a scanner whatever this machine does meanwhile: one script sends all keys, the times are their own.
SCAN = """text => {
    const press = key => document.activeElement.dispatchEvent(
        new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    [...text].forEach(press);
    press("Enter");
}"""


def scan(page: Page, text: str) -> None:
    """A scan while no field has the cursor, or one that a scan must leave alone."""
    page.evaluate(SCAN, text)


@pytest.fixture
def serial(shop: Shop) -> str:
    return str(shop.demo["serials"]["recalled"][0])


def test_a_scan_on_any_page_leads_to_the_unit(shop: Shop, browser: Browser, serial: str) -> None:
    with signed_in(shop, browser) as visit:
        for place in ("/console/", "/console/batches", "/console/log", "/console/scanner"):
            visit.page.goto(f"{shop.base}{place}")
            scan(visit.page, f"]Q1/S/{serial}")
            visit.page.wait_for_url("**/console/units/**")
            expect(visit.page.locator("h1")).to_contain_text(serial)


def test_a_scan_replaces_what_stood_in_the_field(shop: Shop, browser: Browser, serial: str) -> None:
    with signed_in(shop, browser) as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/search?q=QQ-1")
        page.focus("#find")
        scan(page, serial)
        page.wait_for_url("**/console/units/**")
        expect(page.locator("h1")).to_contain_text(serial)
        visit.expect_calm()


def test_keys_typed_by_hand_go_nowhere_and_a_form_keeps_what_is_scanned_into_it(
    shop: Shop, browser: Browser, serial: str
) -> None:
    with signed_in(shop, browser) as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/batches")
        page.keyboard.type(serial[:8], delay=BY_HAND_MS)
        assert page.input_value("#find") == ""
        page.goto(f"{shop.base}/console/record/party.register")
        page.focus("[name=name]")
        page.keyboard.type("Nimbus Cells", delay=0)
        assert page.input_value("[name=name]") == "Nimbus Cells"
        scan(page, serial)
        page.wait_for_timeout(200)
        assert page.input_value("#find") == ""
        assert page.url.endswith("/console/record/party.register")


def test_a_few_quick_keys_and_enter_are_no_scan(shop: Shop, browser: Browser) -> None:
    with signed_in(shop, browser) as visit:
        scan(visit.page, "12345")
        visit.page.wait_for_timeout(200)
        assert visit.page.url == f"{shop.base}/console/"
        assert visit.page.input_value("#find") == ""


def test_a_slash_puts_the_cursor_into_the_field_and_in_a_form_it_is_a_slash(
    shop: Shop, browser: Browser
) -> None:
    with signed_in(shop, browser) as visit:
        page = visit.page
        page.keyboard.press("/")
        expect(page.locator("#find")).to_be_focused()
        page.keyboard.type("25W21-A", delay=BY_HAND_MS)
        assert page.input_value("#find") == "25W21-A"
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/batches/**")
        page.goto(f"{shop.base}/console/record/party.register")
        page.focus("[name=code]")
        page.keyboard.type("A/B", delay=BY_HAND_MS)
        assert page.input_value("[name=code]") == "A/B"


@pytest.mark.parametrize("width", [360, 1280])
def test_the_box_finds_without_a_script_too(shop: Shop, browser: Browser, serial: str, width: int) -> None:
    with signed_in(shop, browser, width=width, scripts=False) as visit:
        page = visit.page
        page.fill("#find", serial.lower())
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/units/**")
        visit.expect_calm()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_pages_fit_their_window(shop: Shop, browser: Browser, serial: str, width: int) -> None:
    with signed_in(shop, browser, width=width) as visit:
        for place in (
            f"/console/search?q={serial[:-1]}7",
            f"/console/search?q=https://other.example/01/09506000134352/10/B1/21/{serial}",
            f"/console/search?q={'X' * 300}",
            "/console/scanner?scan=" + "X" * 300,
        ):
            visit.page.goto(f"{shop.base}{place}")
            visit.expect_calm()


def test_the_test_code_scanned_on_any_page_tells_what_to_set(shop: Shop, browser: Browser) -> None:
    with signed_in(shop, browser) as visit:
        scan(visit.page, typed_by_scanner(TEST_TEXT, computer="fr"))
        visit.page.wait_for_url("**/console/scanner**")
        expect(visit.page.locator(".scan-findings")).to_contain_text("Set the scanner to French.")
        visit.expect_calm()
