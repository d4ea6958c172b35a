"""What a buyer sees and does, in a real browser: on a phone and on a desk, in English and in Arabic."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest
from playwright.sync_api import Browser

from tests.browsing import Visit, chromium, contrasts, style_of, visiting
from tests.journeys import Shop, demo_copy, served

pytestmark = pytest.mark.browser

LANGUAGES = ("en", "de", "zh-Hans", "ar")
SIZES = ((360, 740), (1280, 800))
SMALLEST = 320  # CSS pixels.  Source: WCAG 2.2, 1.4.10
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
TARGET_PX = 44
_next_unit = count(15_000)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with served(demo_copy(tmp_path_factory)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def recalled_unit(shop: Shop) -> str:
    """The serial of another unit of batch 25W21-A, all of which are recalled."""
    query = (
        "SELECT serial FROM units JOIN unit_sets ON unit_sets.id = unit_set "
        "JOIN batches ON batches.id = unit_sets.batch WHERE batches.code = '25W21-A' AND i = ?"
    )
    with closing(sqlite3.connect(f"file:{shop.folder / 'lotproof.db'}?mode=ro", uri=True)) as connection:
        return str(connection.execute(query, [next(_next_unit)]).fetchone()[0])


@pytest.mark.parametrize("scripts", [False, True], ids=["without scripts", "with scripts"])
@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("size", SIZES, ids=["phone", "desk"])
def test_a_buyer_gets_from_the_question_to_the_page_of_their_claim(
    shop: Shop, browser: Browser, size: tuple[int, int], language: str, scripts: bool
) -> None:
    width, height = size
    how = {"java_script_enabled": scripts, "locale": language}
    with visiting(browser, width=width, height=height, **how) as visit:
        page = visit.page
        page.goto(f"{shop.base}/")
        assert page.url == f"{shop.base}/{language}/"
        assert visit.style("html", "direction") == ("rtl" if language == "ar" else "ltr")
        visit.expect_calm()
        page.fill("#number", recalled_unit(shop).lower())
        page.click("main form button")
        page.wait_for_selector(".band.is-recalled")
        visit.expect_calm()
        page.click(".action a.button-main")
        page.wait_for_selector("form#claim")
        visit.expect_calm()
        page.click("form#claim .action button")
        page.wait_for_selector("[aria-invalid=true]")
        visit.complaints.clear()  # the console notes the answer's status, 422
        visit.expect_calm()
        fill_the_claim(visit)
        page.wait_for_url("**/claims/**")
        assert page.locator(".band.is-done").is_visible()
        assert page.locator("html").get_attribute("dir") == ("rtl" if language == "ar" else "ltr")
        visit.expect_calm()


def fill_the_claim(visit: Visit) -> None:
    """Ask for a refund as a buyer does: choose, type, send."""
    page = visit.page
    page.check("input[name=remedy][value=refund]")
    page.select_option("#country", "EG")
    page.fill("#email", "buyer@mail.example")
    page.fill("#payout", "buyer@mail.example")
    page.click("form#claim .action button")


def addresses(shop: Shop, language: str) -> list[str]:
    """One page of each kind that a buyer may see."""
    serials = shop.demo["serials"]
    paths = [f"s/{serials[kind][0]}" for kind in serials]
    paths += ["", "s/25W21-A", f"claim/{serials['recalled'][0]}", "recalls/R-2025-01", "nothing/here"]
    paths += ["check?number=", *(f"help/{topic}" for topic in ("hot", "unreadable", "gone", "message"))]
    return [f"{shop.base}/{language}/{path}" for path in paths]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_scrolls_sideways_in_the_smallest_window(shop: Shop, browser: Browser, language: str) -> None:
    with visiting(browser, width=SMALLEST, height=640) as visit:
        for address in addresses(shop, language):
            visit.page.goto(address)
            assert visit.overflow() <= 0, f"{address}: {visit.overflow()} px"
            for opener in visit.page.locator("summary").all():
                opener.click()
                assert visit.overflow() <= 0, f"{address}, opened: {visit.overflow()} px"


def test_all_that_a_recalled_buyer_must_know_stands_above_the_fold(shop: Shop, browser: Browser) -> None:
    with visiting(browser, width=360, height=640) as visit:
        for number in shop.demo["serials"]["recalled"]:
            visit.page.goto(f"{shop.base}/en/s/{number}")
            assert visit.page.locator(".steps li").count() >= 3
            for selector in (".plate", ".band", ".steps li", ".remedy", ".action .button-main"):
                assert visit.bottom(selector) <= 640, f"{selector} ends at {visit.bottom(selector)}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["recalled", "clear", "settled", "unknown"])
def test_every_word_of_an_answer_stands_out_from_its_ground(
    shop: Shop, browser: Browser, kind: str, scheme: str
) -> None:
    with visiting(browser, width=360, height=740, color_scheme=scheme) as visit:
        visit.page.goto(f"{shop.base}/en/s/{shop.demo['serials'][kind][0]}")
        for selector in (
            ".band h1",
            ".band p",
            ".button-main",
            ".steps li",
            ".remedy",
            ".product",
            ".seal b",
        ):
            for found in contrasts(visit.page.locator(selector)):
                assert found >= LEAST_CONTRAST, f"{selector}: {found:.2f}"


@pytest.mark.parametrize("language", ["en", "ar"])
def test_whoever_has_only_a_keyboard_sees_where_they_are(shop: Shop, browser: Browser, language: str) -> None:
    with visiting(browser, width=1280, height=800) as visit:
        page, reached = visit.page, []
        page.goto(f"{shop.base}/{language}/")
        for _ in range(12):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            if focused.count() == 0:
                break
            width = float(style_of(focused, "outlineWidth").removesuffix("px"))
            assert style_of(focused, "outlineStyle") not in ("none", "hidden"), page.evaluate(
                "document.activeElement.outerHTML"
            )
            assert width >= 2
            reached.append(focused.get_attribute("id") or focused.evaluate("one => one.tagName"))
        assert "number" in reached
        assert "BUTTON" in reached
        page.focus("#number")
        page.keyboard.type(shop.demo["serials"]["clear"][0])
        page.keyboard.press("Enter")
        page.wait_for_selector(".band.is-clear")


def test_what_must_be_touched_is_large_enough(shop: Shop, browser: Browser) -> None:
    with visiting(browser, width=360, height=740, has_touch=True) as visit:
        for address in addresses(shop, "en"):
            visit.page.goto(address)
            for element in visit.page.locator(
                ".button:visible, .more a:visible, summary:visible, .field:visible"
            ).all():
                box = element.bounding_box()
                assert box is not None
                assert box["height"] >= TARGET_PX, f"{address}: {element.evaluate('one => one.outerHTML')}"


@pytest.mark.parametrize("kind", ["recalled", "clear", "unknown"])
def test_on_paper_the_band_has_a_frame_and_its_words_are_dark(
    shop: Shop, browser: Browser, kind: str
) -> None:
    with visiting(browser, width=794, height=1123) as visit:
        visit.page.goto(f"{shop.base}/en/s/{shop.demo['serials'][kind][0]}")
        visit.page.emulate_media(media="print")
        for side in ("Top", "Right", "Bottom", "Left"):
            assert visit.style(".band", f"border{side}Style") == "solid"
            assert float(visit.style(".band", f"border{side}Width").removesuffix("px")) >= 1
        assert min(contrasts(visit.page.locator(".band h1, .band p"))) >= LEAST_CONTRAST
        assert visit.page.locator(".band h1").is_visible()
        assert len(visit.page.pdf()) > 1_000


def test_a_number_copied_from_its_plate_has_its_hyphens(shop: Shop, browser: Browser) -> None:
    number = shop.demo["serials"]["recalled"][0]
    with visiting(browser, width=360, height=740) as visit:
        visit.page.goto(f"{shop.base}/ar/s/{number}")
        assert visit.page.locator(".plate").text_content() == number
        assert visit.style(".plate", "direction") == "ltr"
