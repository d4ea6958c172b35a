"""The console in a real browser: signing in, recording, a batch's history, an entry with its proof."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from playwright.sync_api import Browser, expect

from tests.browsing import Visit, chromium, contrasts, visiting
from tests.journeys import Shop, demo_copy, served
from tests.outsider import check_proof, read_proof
from tests.reader import Reader

pytestmark = pytest.mark.browser

SIZES = {"phone": (360, 740), "desk": (1280, 800)}
LEAST_CONTRAST = 4.5
PLACES = ("", "products", "batches", "lots", "materials", "substitutions", "parties", "shipments", "labels")
MORE_PLACES = (
    *("recalls", "claims", "log", "record", "record/party.register", "record/batch.produce"),
    *("company", "company/style", "company/entities", "company/languages", "account", "account/zone"),
)
_number = count(1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with served(demo_copy(tmp_path_factory)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@contextmanager
def signed_in(
    shop: Shop, browser: Browser, size: str = "desk", *, scripts: bool = True, language: str = "en"
) -> Iterator[Visit]:
    """Ada at her desk, or at her phone."""
    width, height = SIZES[size]
    how = {"java_script_enabled": scripts, "locale": language}
    with visiting(browser, width=width, height=height, **how) as visit:
        visit.page.goto(f"{shop.base}/console/")
        visit.page.fill("#name", shop.demo["login"]["name"])
        visit.page.fill("#password", shop.demo["login"]["password"])
        visit.page.click("form button")
        visit.page.wait_for_url(f"{shop.base}/console/")
        yield visit


def test_nobody_gets_in_without_a_password_and_whoever_has_one_gets_where_they_wanted(
    shop: Shop, browser: Browser
) -> None:
    with visiting(browser, width=1280, height=800) as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/batches")
        page.fill("#name", shop.demo["login"]["name"])
        page.fill("#password", "a wrong one")
        page.click("form button")
        expect(page.locator("[role=alert]")).to_be_visible()
        assert "/console/sign-in" in page.url
        page.fill("#password", shop.demo["login"]["password"])
        page.click("form button")
        page.wait_for_url(f"{shop.base}/console/batches")
        [cookie] = [one for one in page.context.cookies() if one["name"] == "lotproof_session"]
        assert cookie["httpOnly"]
        assert cookie["sameSite"] == "Lax"
        page.locator("form[action='/console/sign-out'] button >> visible=true").click()
        page.goto(f"{shop.base}/console/batches")
        expect(page.locator("#password")).to_be_visible()


@pytest.mark.parametrize("size", SIZES)
def test_a_list_is_narrowed_without_a_script(shop: Shop, browser: Browser, size: str) -> None:
    with signed_in(shop, browser, size, scripts=False) as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/batches")
        filters = page.locator(".more-filters summary")
        expect(filters).to_be_visible(visible=size == "phone")
        if size == "phone":
            filters.click()
        page.select_option("#filter-state", "recalled")
        page.locator(".narrow button").click()
        page.wait_for_url("**state=recalled**")
        expect(page.locator("#filter-state")).to_have_value("recalled")  # in sight, on a phone too
        expect(page.locator("#filter-state")).to_be_visible()
        expect(page.locator("tbody tr")).to_have_count(2)
        visit.expect_calm()
        with page.expect_download() as download:
            page.locator("a", has_text="XLSX").click()
        assert download.value.suggested_filename.startswith("batches-")


@pytest.mark.parametrize("scripts", [False, True], ids=["without scripts", "with scripts"])
@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_a_party_is_recorded_through_its_form(
    shop: Shop, browser: Browser, language: str, scripts: bool
) -> None:
    code = f"PARTY-{next(_number)}-{language}-{scripts}".upper()
    with signed_in(shop, browser, scripts=scripts, language=language) as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/parties")
        assert page.locator("html").get_attribute("lang") == language
        page.click("a[href='/console/record/party.register'] >> visible=true")
        page.fill("[name=code]", code)
        page.fill("[name=name]", "Nimbus Cells & <b>Co</b>")
        page.click("main form button.button-main")
        page.wait_for_selector("[aria-invalid=true]")
        assert page.input_value("[name=code]") == code
        page.select_option("[name=role]", "supplier")
        page.fill("[name=country]", "CN")
        page.click("main form button.button-main")
        expect(page.locator(".notice.is-done")).to_be_visible()
        page.goto(f"{shop.base}/console/parties")
        expect(page.locator("main").get_by_text("Nimbus Cells & <b>Co</b>").first).to_be_visible()
        expect(page.locator("main").get_by_text(code)).to_be_visible()


def test_a_batch_s_history_leads_to_each_entry_and_to_its_proof(shop: Shop, browser: Browser) -> None:
    with signed_in(shop, browser) as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/batches")
        page.click("main a:has-text('25W21-A') >> visible=true")
        expect(page.locator("h1")).to_contain_text("25W21-A")
        expect(page.locator(".swapped").first).to_be_visible()  # declared and known, side by side
        lines = page.locator(".timeline li")
        assert lines.count() > 5
        indexes = [
            int(re.sub(r"\D", "", link.inner_text())) for link in page.locator(".timeline li .when a").all()
        ]
        assert indexes == sorted(indexes, reverse=True)
        visit.expect_calm()
        page.locator(".timeline li .when a").last.click()
        expect(page.locator(".checked.is-done")).to_be_visible()
        entry = page.locator("details.raw pre").text_content()
        assert entry is not None
        with page.expect_download() as download:
            page.click("a[href$='/proof']")
        proof = read_proof(download.value.path().read_bytes())
        assert proof.index == indexes[-1]
        assert check_proof(proof, entry.encode(), shop.demo["log"]["vkey"]).size > proof.index


def test_staff_settle_a_claim_that_a_buyer_filed(shop: Shop, browser: Browser) -> None:
    number = shop.demo["serials"]["recalled"][0]
    reader = Reader(shop.base)
    form_page = reader.get(f"/en/claim/{number}")
    typed = {"remedy": "refund", "country": "DE", "email": "zoe@mail.example", "payout": "DE02 1203"}
    filed = reader.submit(form_page, form_page.form("claim").filled(typed))
    reference = filed.path.split("/")[3]
    with signed_in(shop, browser) as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/claims")
        page.click(f"main a[href$='{reference}'] >> visible=true")
        expect(page.locator("main")).to_contain_text("zoe@mail.example")
        page.click("a[href*='claim.accept']")
        page.click("main form button.button-main")
        expect(page.locator(".notice.is-done")).to_be_visible()
        page.goto(f"{shop.base}/console/claims/{reference}")
        page.click("a[href*='claim.settle']")
        page.fill("[name=amount]", "34.90 EUR")
        page.click("main form button.button-main")
        expect(page.locator(".notice.is-done")).to_be_visible()
        visit.expect_calm()
    assert reader.get(f"/api/v1/units/{number}").json["status"] == "settled"
    assert 'class="badge is-done"' in reader.get(filed.path).text


@pytest.mark.parametrize("size", SIZES)
def test_no_page_of_the_console_is_wider_than_its_window(shop: Shop, browser: Browser, size: str) -> None:
    with signed_in(shop, browser, size) as visit:
        wide = []
        for address in [*PLACES, *MORE_PLACES, *details(shop, visit)]:
            visit.page.goto(f"{shop.base}/console/{address}")
            if visit.overflow() > 0:
                wide.append((address, visit.overflow()))
        assert wide == []
        visit.expect_calm()


def details(shop: Shop, visit: Visit) -> list[str]:
    """One page of each thing that is listed."""
    found = []
    for place in ("products", "batches", "lots", "substitutions", "shipments", "recalls", "claims", "log"):
        visit.page.goto(f"{shop.base}/console/{place}")
        links = visit.page.locator(f"main a[href^='/console/{place}/']")
        address = links.first.get_attribute("href")
        assert address is not None
        found.append(address.removeprefix("/console/"))
    return [*found, f"{next(one for one in found if one.startswith('batches/'))}/units"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_states_and_hints_in_the_console_can_be_read(shop: Shop, browser: Browser, scheme: str) -> None:
    with signed_in(shop, browser) as visit:
        visit.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its two literals
        faint = set()
        for address in ("", "batches", "claims", "log", *details(shop, visit)):
            visit.page.goto(f"{shop.base}/console/{address}")
            for selector in (".badge", ".hint", ".quiet", ".place", "thead th", ".button", ".small"):
                for found in contrasts(visit.page.locator(f"{selector}:visible")):
                    if found < LEAST_CONTRAST:
                        faint.add((address, selector, round(found, 2)))
        assert faint == set()


def test_a_form_of_another_session_records_nothing(shop: Shop) -> None:
    """What a page of somebody else could send: the right fields without the session's own token."""
    staff = Reader(shop.base)
    door = staff.get("/console/")
    staff.submit(door, door.form().filled(shop.demo["login"]))
    page = staff.get("/console/record/party.register")
    [form] = [one for one in page.read.forms if "role" in one.fields]
    typed = {"code": "FORGED", "name": "Forged", "role": "supplier", "country": "CN"}
    size = staff.get("/log/checkpoint").text.split("\n")[1]
    refused = staff.submit(page, form.filled({**typed, "csrf": "A" * 43}))
    assert refused.status == 400
    assert staff.get("/log/checkpoint").text.split("\n")[1] == size
    assert staff.submit(page, form.filled(typed)).status == 200
    assert staff.get("/log/checkpoint").text.split("\n")[1] != size


@pytest.mark.parametrize(("language", "scripts"), [("de", True), ("ar", False)])
def test_whoever_asks_for_labels_waits_on_one_page_until_they_are_ready(
    shop: Shop, browser: Browser, language: str, scripts: bool
) -> None:
    with signed_in(shop, browser, scripts=scripts) as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/batches")
        page.click("main a:has-text('25W20-A') >> visible=true")
        page.click("a[href$='/units'] >> visible=true")
        page.select_option("#language", language)
        page.click("button[value=unit]")
        expect(page.locator("progress")).to_be_visible()
        if scripts:
            page.evaluate("window.isTheSamePage = true")
        expect(page.locator(".notice.is-done")).to_be_visible(timeout=90_000)
        if scripts:
            assert page.evaluate("window.isTheSamePage")
        visit.expect_calm()
