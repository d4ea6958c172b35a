"""Passkeys in a real browser, whose authenticator Chromium plays; and the same pages without a script."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pyotp import TOTP

from tests.browsing import Visit, chromium, visiting
from tests.journeys import Lotproof, Shop, demo_copy, served

pytestmark = pytest.mark.browser

OWN = "/console/account/second-factor"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with served(demo_copy(tmp_path_factory)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(autouse=True)
def bare(shop: Shop) -> None:
    """Every test begins with a password alone."""
    assert Lotproof(shop.folder).run("account", "factors", shop.demo["login"]["name"], "--remove").code == 0


def named(shop: Shop) -> str:
    """The address that passkeys are bound to."""
    return shop.base.replace("127.0.0.1", "localhost")


def give_password(shop: Shop, page: Page, base: str) -> None:
    page.goto(f"{base}/console/")
    page.fill("#name", shop.demo["login"]["name"])
    page.fill("#password", shop.demo["login"]["password"])
    page.click("form[action='/console/sign-in'] button")


def give_device(visit: Visit, **otherwise: object) -> str:
    """The id of an authenticator in this browser."""
    client = visit.page.context.new_cdp_session(visit.page)
    client.send("WebAuthn.enable")
    made = client.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, **otherwise}})
    return str(made["authenticatorId"])


def add_passkey(page: Page, base: str) -> None:
    page.goto(f"{base}{OWN}")
    page.fill("#passkey_name", "Maren’s phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10)


@pytest.mark.parametrize("size", [(360, 740), (1280, 800)], ids=["phone", "desk"])
def test_a_passkey_is_made_and_signs_in_alone(shop: Shop, browser: Browser, size: tuple[int, int]) -> None:
    base = named(shop)
    with visiting(browser, width=size[0], height=size[1]) as visit:
        page = visit.page
        give_device(visit)
        give_password(shop, page, base)
        page.wait_for_url(f"{base}/console/")
        add_passkey(page, base)
        visit.expect_calm()
        page.goto(f"{base}{OWN}")
        expect(page.get_by_text("Maren’s phone")).to_be_visible()
        visit.expect_calm()
        page.context.clear_cookies()
        page.goto(f"{base}/console/log")
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.wait_for_url(f"{base}/console/log")
        visit.expect_calm()


def test_after_the_password_a_passkey_is_the_second_step(shop: Shop, browser: Browser) -> None:
    base = named(shop)
    with visiting(browser, width=1280, height=800) as visit:
        page = visit.page
        give_device(visit)
        give_password(shop, page, base)
        page.wait_for_url(f"{base}/console/")
        add_passkey(page, base)
        page.context.clear_cookies()
        give_password(shop, page, base)
        expect(page.get_by_role("heading", name="One step more")).to_be_visible()
        expect(page.locator("#code")).to_have_count(0)
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url(f"{base}/console/")
        visit.expect_calm()


def test_a_browser_without_a_passkey_says_so_and_the_password_still_works(
    shop: Shop, browser: Browser
) -> None:
    base = named(shop)
    with visiting(browser, width=360, height=740) as visit:
        page = visit.page
        client = page.context.new_cdp_session(page)
        client.send("WebAuthn.enable")
        client.send("WebAuthn.addVirtualAuthenticator", {"options": {**DEVICE, "isUserVerified": False}})
        page.goto(f"{base}/console/sign-in")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_text("The passkey was not used.")).to_be_visible()
        give_password(shop, page, base)
        page.wait_for_url(f"{base}/console/")


def test_without_a_script_codes_are_set_up_and_sign_in(shop: Shop, browser: Browser) -> None:
    with visiting(browser, width=360, height=740, java_script_enabled=False) as visit:
        page, base = visit.page, named(shop)
        give_password(shop, page, base)
        page.goto(f"{base}{OWN}")
        expect(page.get_by_text("Adding a passkey takes a script")).to_be_visible()
        expect(page.locator("#passkey_name")).to_be_hidden()
        page.get_by_role("button", name="Set up codes").click()
        codes = TOTP(page.locator(".secret .code").inner_text().replace(" ", ""))
        page.fill("#code", codes.now())
        page.get_by_role("button", name="Turn the codes on").click()
        [recovery, *_] = page.locator(".recovery-codes .code").all_inner_texts()
        page.context.clear_cookies()
        give_password(shop, page, base)
        page.get_by_text("Use a recovery code").click()
        page.fill("#recovery", recovery)
        page.get_by_role("button", name="Sign in with the recovery code").click()
        page.wait_for_url(f"{base}/console/")


def test_under_a_number_for_an_address_the_page_says_where_passkeys_work(
    shop: Shop, browser: Browser
) -> None:
    with visiting(browser, width=1280, height=800) as visit:
        give_password(shop, visit.page, shop.base)
        visit.page.wait_for_url(f"{shop.base}/console/")
        visit.page.goto(f"{shop.base}{OWN}")
        expect(visit.page.get_by_text(f"bound to the address {named(shop)}")).to_be_visible()
        expect(visit.page.locator("[data-passkey]")).to_have_count(0)
        visit.expect_calm()
