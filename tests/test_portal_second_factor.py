"""The second factor: an app's codes, recovery codes, the step after the password, and what the company demands."""

import re
from datetime import timedelta
from functools import partial

import pytest
from pyotp import TOTP
from werkzeug.routing import Rule as Route

from portal.accounts import account_named
from portal.attempts import TooManyAttempts
from portal.console.confirming import RECENT
from portal.console.shell import OPEN_TO_ALL
from portal.invitations import invite
from portal.passkeys import passkeys_of
from portal.second_factor import (
    RECOVERY_CODES,
    NoFactorYet,
    WrongCode,
    WrongRecoveryCode,
    begin_codes,
    check_code,
    confirm_codes,
    factors_of,
    is_demanded,
    must_set_up,
    renew_recovery_codes,
    turn_codes_off,
    use_recovery_code,
)
from portal.security import WAITING_COOKIE
from portal.waiting_sign_ins import GUESSES, LASTS, SignInOver, finish_waiting, wait_for_factor
from tests.authenticator import Authenticator
from tests.staff import PASSWORD, Browser, Desk, text_of
from tests.world import World

RIGHT = {"name": "Ada", "password": PASSWORD}
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
HOME = "192.0.2.1"
OWN = "/console/account/second-factor"


@pytest.fixture
def desk(world: World) -> Desk:
    made = Desk.of(world)
    made.account("Ada")
    return made


def now_code(desk: Desk, secret: str = SECRET, *, steps: int = 0) -> str:
    return TOTP(secret).at(desk.world.clock.now(), counter_offset=steps)


def with_codes(desk: Desk, name: str = "Ada") -> tuple[str, list[str]]:
    """The id of an account that has an app's codes, and its recovery codes; the code of now is used up."""
    account = desk.account(name).id
    begin_codes(desk.state, account, SECRET)
    made = confirm_codes(desk.state, account, now_code(desk), now=desk.world.clock.now())
    desk.world.later(seconds=30)
    return account, made


def send(browser: Browser, path: str, **fields: str) -> int:
    """The status of a form with the session's token."""
    csrf = browser.hidden("/console/account/confirm")["csrf"]
    return browser.post(path, {"csrf": csrf, **fields}).status_code


def waiting_browser(desk: Desk) -> Browser:
    """Ada after the right password."""
    browser = desk.browser()
    answer = browser.post("/console/sign-in", RIGHT)
    assert answer.headers["Location"].startswith("/console/sign-in/second"), text_of(answer)
    return browser


# --- codes


def test_a_code_is_right_for_its_step_and_the_ones_beside_it_and_once(desk: Desk) -> None:
    account, _ = with_codes(desk)
    desk.world.later(seconds=300)
    check = partial(check_code, desk.state, account)
    now = desk.world.clock.now()
    for steps in (-2, 2):
        with pytest.raises(WrongCode):
            check(now_code(desk, steps=steps), now=now)
    check(now_code(desk, steps=-1), now=now)
    check(now_code(desk), now=now)
    for steps in (-1, 0):
        with pytest.raises(WrongCode):
            check(now_code(desk, steps=steps), now=now)
    check(now_code(desk, steps=1), now=now)


def test_an_older_code_is_refused_once_a_newer_was_accepted(desk: Desk) -> None:
    account, _ = with_codes(desk)
    now = desk.world.clock.now()
    check_code(desk.state, account, now_code(desk, steps=1), now=now)
    with pytest.raises(WrongCode):
        check_code(desk.state, account, now_code(desk), now=now)


@pytest.mark.parametrize("digits", ["٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９"])
def test_a_code_may_be_grouped_and_in_the_digits_of_any_keyboard(desk: Desk, digits: str) -> None:
    account, _ = with_codes(desk)
    code = "".join(digits[int(one)] for one in now_code(desk))
    check_code(desk.state, account, f" {code[:3]} {code[3:]}", now=desk.world.clock.now())


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "½½½½½½", "-12345", "１２３４５x"])
def test_what_is_no_code_is_refused(desk: Desk, code: str) -> None:
    account, _ = with_codes(desk)
    with pytest.raises(WrongCode):
        check_code(desk.state, account, code, now=desk.world.clock.now())


def test_a_secret_without_its_first_code_is_no_factor(desk: Desk) -> None:
    account = desk.account("Ada").id
    begin_codes(desk.state, account, SECRET)
    assert not factors_of(desk.state, account).is_set
    with pytest.raises(WrongCode):
        check_code(desk.state, account, now_code(desk), now=desk.world.clock.now())
    assert desk.browser().post("/console/sign-in", RIGHT).headers["Location"] == "/console/"


# --- recovery codes


def test_ten_recovery_codes_come_with_the_first_factor_and_each_works_once(desk: Desk) -> None:
    account, codes = with_codes(desk)
    assert len(set(codes)) == RECOVERY_CODES
    use_recovery_code(desk.state, account, codes[3].upper().replace("-", "  "))
    with pytest.raises(WrongRecoveryCode):
        use_recovery_code(desk.state, account, codes[3])
    assert factors_of(desk.state, account).recovery_left == RECOVERY_CODES - 1


def test_new_recovery_codes_end_the_old_and_none_are_kept_in_clear(desk: Desk) -> None:
    account, codes = with_codes(desk)
    fresh = renew_recovery_codes(desk.state, account)
    with pytest.raises(WrongRecoveryCode):
        use_recovery_code(desk.state, account, codes[0])
    desk.state.dispose()
    location = desk.world.ledger.settings.data / "state.db"
    kept = b"".join(path.read_bytes() for path in location.parent.glob("state.db*"))
    assert not any(code.encode() in kept for code in fresh)
    use_recovery_code(desk.state, account, fresh[0])


def test_somebody_elses_recovery_code_is_refused(desk: Desk) -> None:
    _, codes = with_codes(desk)
    other = desk.account("Ben").id
    with pytest.raises(WrongRecoveryCode):
        use_recovery_code(desk.state, other, codes[0])


def test_recovery_codes_go_with_the_last_factor(desk: Desk) -> None:
    account, _ = with_codes(desk)
    turn_codes_off(desk.state, account)
    assert factors_of(desk.state, account).recovery_left == 0
    with pytest.raises(NoFactorYet):
        renew_recovery_codes(desk.state, account)


# --- the step after the password


def test_the_password_alone_opens_nothing_where_there_is_a_second_factor(desk: Desk) -> None:
    with_codes(desk)
    browser = waiting_browser(desk)
    assert browser.get("/console/").headers["Location"].startswith("/console/sign-in")
    answer = browser.post("/console/sign-in/second", {"code": now_code(desk), "next": "/console/log"})
    assert answer.headers["Location"] == "/console/log"
    assert browser.get("/console/").status_code == 200


def test_a_sign_in_that_waits_travels_in_a_cookie_for_the_door_alone(desk: Desk) -> None:
    with_codes(desk)
    answer = desk.browser().post("/console/sign-in", RIGHT)
    [cookie] = [one for one in answer.headers.getlist("Set-Cookie") if one.startswith(f"{WAITING_COOKIE}=")]
    parts = {part.strip() for part in cookie.split(";")}
    assert {"HttpOnly", "SameSite=Lax", "Path=/console/sign-in", "Max-Age=300"} <= parts


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_a_recovery_code_signs_in_once(desk: Desk, language: str) -> None:
    _, codes = with_codes(desk)
    for expected in (303, 401):
        browser = desk.browser(language)
        browser.post("/console/sign-in", RIGHT)
        answer = browser.post("/console/sign-in/second", {"recovery": codes[0]})
        assert answer.status_code == expected


@pytest.mark.slow
def test_five_wrong_codes_end_the_sign_in_and_not_the_account(desk: Desk) -> None:
    with_codes(desk)
    browser = waiting_browser(desk)
    for _ in range(GUESSES - 1):
        answer = browser.post("/console/sign-in/second", {"code": "000000"})
        assert "not the code of now" in text_of(answer)
    last = browser.post("/console/sign-in/second", {"code": "000000"})
    assert "This sign-in has ended" in text_of(last)
    assert browser.post("/console/sign-in/second", {"code": now_code(desk)}).status_code == 401
    desk.world.later(seconds=900)
    again = waiting_browser(desk)
    assert again.post("/console/sign-in/second", {"code": now_code(desk)}).status_code == 303


def test_guesses_are_slowed_across_sign_ins_for_one_address_and_for_no_other(desk: Desk) -> None:
    account, codes = with_codes(desk)
    now = desk.world.clock.now()
    finish = partial(finish_waiting, desk.state, desk.names, code="000000", recovery="", now=now)

    def begun() -> str:
        token = wait_for_factor(desk.state, account, now=now)
        assert token is not None
        return token

    token = begun()
    for _ in range(GUESSES):
        with pytest.raises(WrongCode):
            finish(token, address=HOME)
    with pytest.raises(SignInOver):
        finish(token, address=HOME)
    with pytest.raises(TooManyAttempts):
        finish(begun(), address=HOME)
    answer = finish_waiting(
        desk.state, desk.names, begun(), code="", recovery=codes[0], address="198.51.100.7", now=now
    )
    assert answer.id == account


def test_a_sign_in_waits_for_five_minutes(desk: Desk) -> None:
    with_codes(desk)
    browser = waiting_browser(desk)
    desk.world.later(seconds=LASTS / timedelta(seconds=1))
    answer = browser.post("/console/sign-in/second", {"code": now_code(desk)})
    assert answer.status_code == 401
    assert browser.get("/console/sign-in/second").status_code == 303


def test_another_site_sends_no_code(desk: Desk) -> None:
    with_codes(desk)
    browser, foreign = waiting_browser(desk), {"Sec-Fetch-Site": "cross-site"}
    for path in ("second", "passkey", "passkey-options"):
        answer = browser.post(f"/console/sign-in/{path}", {"code": now_code(desk)}, **foreign)
        assert answer.status_code == 400


def test_a_link_to_choose_a_password_does_not_pass_by_the_second_factor(desk: Desk) -> None:
    account, _ = with_codes(desk)
    token, browser = invite(desk.state, account, now=desk.world.clock.now()), desk.browser()
    answer = browser.post(f"/console/welcome/{token}", {"password": "another quite long sentence"})
    assert answer.headers["Location"].startswith("/console/sign-in/second")
    assert browser.get("/console/").status_code == 303


# --- setting it up on one's own page


def test_codes_are_set_up_with_a_picture_and_a_first_code(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    assert send(ada, f"{OWN}/codes") == 303
    page = ada.page(OWN)
    assert 'src="data:image/png;base64,' in page
    found = re.search(r'class="secret"><bdi dir="ltr" class="code">([A-Z2-7 ]+)</bdi>', page)
    assert found
    secret = found[1].replace(" ", "")
    assert all(len(part) == 4 for part in found[1].split())
    assert send(ada, f"{OWN}/codes/confirm", code="000000") == 401
    csrf = ada.hidden("/console/account/confirm")["csrf"]
    shown = ada.post(f"{OWN}/codes/confirm", {"csrf": csrf, "code": now_code(desk, secret)})
    codes = re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", shown.text)
    assert len(codes) == RECOVERY_CODES
    assert secret not in ada.page(OWN).replace(" ", "")
    assert "10 codes are left" in text_of(ada.page(OWN))
    assert send(ada, f"{OWN}/codes") == 409
    assert send(ada, f"{OWN}/codes/off") == 303
    assert not factors_of(desk.state, desk.account("Ada").id).is_set


def test_a_first_code_without_a_set_up_is_refused(desk: Desk) -> None:
    assert send(desk.signed_in("Ada"), f"{OWN}/codes/confirm", code="123456") == 409


def test_recovery_codes_without_a_factor_are_refused(desk: Desk) -> None:
    assert send(desk.signed_in("Ada"), f"{OWN}/recovery") == 409


SENSITIVE = ("codes", "codes/off", "recovery", "passkeys", "passkeys/options", "passkeys/remove")


@pytest.mark.parametrize("act", SENSITIVE)
def test_after_ten_minutes_it_is_asked_once_more_who_it_is(desk: Desk, act: str) -> None:
    ada = desk.signed_in("Ada")
    account, codes = with_codes(desk)
    desk.world.later(seconds=RECENT.total_seconds())
    csrf = {"csrf": ada.hidden("/console/account/confirm")["csrf"]}
    answer = ada.post(f"{OWN}/{act}", csrf)
    assert answer.headers["Location"] == "/console/account/confirm?next=/console/account/second-factor"
    found = factors_of(desk.state, account)
    assert (found.is_set, found.recovery_left) == (True, len(codes))
    assert send(ada, "/console/account/confirm", password="not it") == 401
    confirmed = ada.post("/console/account/confirm", {**csrf, "password": PASSWORD, "next": OWN})
    assert confirmed.headers["Location"] == OWN
    assert "account/confirm" not in ada.post(f"{OWN}/{act}", csrf).headers.get("Location", "")


# --- passkeys over the web


def add_passkey(browser: Browser) -> Authenticator:
    """A device with a passkey of whoever is signed in; `localhost` is where tests are, and what the world is called."""
    device = Authenticator("localhost", "http://localhost")
    csrf = {"csrf": browser.hidden("/console/account/confirm")["csrf"]}
    options = browser.post(f"{OWN}/passkeys/options", csrf)
    assert options.content_type == "application/json", text_of(options)
    answer = {**csrf, "passkey_name": "Ada’s phone", "credential": device.create(options.text)}
    assert "Recovery codes" in text_of(browser.post(f"{OWN}/passkeys", answer))
    return device


def test_a_passkey_is_added_listed_used_and_removed(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    device = add_passkey(ada)
    assert "Ada’s phone" in text_of(ada.page(OWN))
    stranger = desk.browser()
    options = stranger.post("/console/sign-in/passkey-options", {}).text
    answer = {"credential": device.get(options), "next": "/console/log"}
    assert stranger.post("/console/sign-in/passkey", answer).headers["Location"] == "/console/log"
    assert stranger.get("/console/").status_code == 200
    assert desk.browser().post("/console/sign-in/passkey", answer).status_code == 401
    [kept] = passkeys_of(desk.state, desk.account("Ada").id)
    assert send(ada, f"{OWN}/passkeys/remove", passkey="none") == 404
    assert send(ada, f"{OWN}/passkeys/remove", passkey=kept.id) == 303
    assert not factors_of(desk.state, desk.account("Ada").id).is_set


def test_a_passkey_confirms_who_it_is(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    device = add_passkey(ada)
    desk.world.later(seconds=RECENT.total_seconds())
    csrf = {"csrf": ada.hidden("/console/account/confirm")["csrf"]}
    wrong = {**csrf, "credential": "{}", "next": OWN}
    assert ada.post("/console/account/confirm/passkey", wrong).status_code == 401
    options = ada.post("/console/account/confirm/passkey-options", csrf).text
    answer = {**csrf, "credential": device.get(options), "next": OWN}
    assert ada.post("/console/account/confirm/passkey", answer).headers["Location"] == OWN
    assert send(ada, f"{OWN}/recovery") == 200


def test_at_an_address_without_a_name_the_page_says_where_passkeys_work(desk: Desk) -> None:
    desk.account("Ada")
    client = desk.app.test_client()
    at = "http://127.0.0.1:8123"
    client.post("/console/sign-in", data=RIGHT, base_url=at)
    page = client.get(OWN, base_url=at, headers={"Accept-Language": "en"}).text
    assert "Passkeys are bound to the address http://localhost:8123." in text_of(page)
    assert "data-passkey" not in page
    assert "data-passkey" not in client.get("/console/sign-in", base_url=at).text
    assert client.post("/console/sign-in/passkey-options", base_url=at).status_code == 422


# --- what the company demands, and what an admin may do


@pytest.mark.slow
def test_whoever_lacks_a_demanded_factor_is_led_to_set_it_up_and_to_nothing_else(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    with_codes(desk)
    assert send(ada, "/console/people/second-factor", demanded="yes") == 303
    assert is_demanded(desk.state)
    assert ada.get("/console/").status_code == 200
    ben = desk.signed_in("Ben")
    assert must_set_up(desk.state, desk.account("Ben").id)
    for route, method in closed_routes(desk):
        path = re.sub("<[^>]+>", "1", route.rule)
        csrf = {"csrf": ben.hidden(OWN)["csrf"]}
        answer = ben.get(path) if method == "GET" else ben.post(path, csrf)
        assert (answer.status_code, answer.headers.get("Location")) == (303, OWN), path
    assert 'href="/console/batches"' not in ben.page(OWN)
    add_passkey(ben)
    assert ben.get("/console/batches").status_code == 200
    assert send(ada, "/console/people/second-factor", demanded="no") == 303
    assert not is_demanded(desk.state)


def closed_routes(desk: Desk) -> list[tuple[Route, str]]:
    """What is closed to those who lack a second factor, each with its methods."""
    is_open = ("/console/account/second-factor", "/console/account/confirm", "/console/sign-out")
    return [
        (route, method)
        for route in desk.app.url_map.iter_rules()
        if str(route.endpoint).startswith("console.") and route.endpoint not in OPEN_TO_ALL
        if not route.rule.startswith(is_open)
        for method in sorted((route.methods or set()) & {"GET", "POST"})
    ]


def test_people_says_who_has_a_second_factor(desk: Desk) -> None:
    with_codes(desk)
    desk.account("Ben", "admin")
    page = text_of(desk.signed_in("Ben").page("/console/people"))
    assert re.search(r"Ada .{0,150}set up", page)
    assert re.search(r"Ben Administrator none", page)


def test_an_admin_removes_what_somebody_lost_and_their_sessions_end(desk: Desk) -> None:
    ben = desk.signed_in("Ben")
    wim = desk.signed_in("Wim")
    account, _ = with_codes(desk, "Wim")
    place = f"/console/people/{account_named(desk.state, desk.names, 'Wim').id}"
    assert "codes from an app and 10 recovery codes left" in text_of(ben.page(place))
    assert send(ben, f"{place}/factors") == 303
    assert not factors_of(desk.state, account).is_set
    assert wim.get("/console/").status_code == 303
    assert ben.get("/console/").status_code == 200


def test_what_gives_power_over_others_is_asked_for_once_more_too(desk: Desk) -> None:
    ben, (account, _) = desk.signed_in("Ben"), with_codes(desk)
    desk.world.later(seconds=RECENT.total_seconds())
    csrf = {"csrf": ben.hidden("/console/account/confirm")["csrf"]}
    for path in (f"/console/people/{account}/factors", "/console/people/second-factor"):
        answer = ben.post(path, {**csrf, "demanded": "yes"})
        assert answer.headers["Location"].startswith("/console/account/confirm?next=/console/people")
    assert factors_of(desk.state, account).is_set
    assert not is_demanded(desk.state)
