"""axe-core finds nothing on the console's pages: left to right and right to left, light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browsing import chromium, visiting
from tests.journeys import Shop, demo_copy, served

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor" / "axe.js").read_text(encoding="utf-8")
PLACES = (
    *(
        "",
        "products",
        "batches",
        "lots",
        "materials",
        "substitutions",
        "parties",
        "shipments",
        "sites",
        "labels",
    ),
    *("recalls", "claims", "log", "record", "record/batch.produce", "search?q=25W", "scanner", "access"),
    *("company", "company/style", "company/entities", "people", "people/new", "webhooks", "webhooks/new"),
    *("approvals", "account", "account/second-factor", "account/zone"),
)
LISTS = ("batches", "lots", "substitutions", "parties", "shipments", "recalls", "claims", "people")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with served(demo_copy(tmp_path_factory)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def found_on(page: Page) -> list[str]:
    """What axe finds: its rule, and the element."""
    page.evaluate(AXE)
    report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{page.url}: {one['id']}: {node['html'][:120]}"
        for one in report["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_axe_finds_nothing(shop: Shop, browser: Browser, language: str, scheme: str) -> None:
    how = {"locale": language, "color_scheme": scheme}
    with visiting(browser, width=1280, height=900, **how) as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/")
        found = found_on(page)
        page.fill("#name", shop.demo["login"]["name"])
        page.fill("#password", shop.demo["login"]["password"])
        page.click("form button")
        page.wait_for_url(f"{shop.base}/console/")
        details = []
        for place in PLACES:
            page.goto(f"{shop.base}/console/{place}")
            found += found_on(page)
            if place in LISTS:
                details.append(page.locator("tbody a").first.get_attribute("href"))
        for detail in details:
            page.goto(f"{shop.base}{detail}")
            found += found_on(page)
    assert found == []
