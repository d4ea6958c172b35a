"""The console's door: who gets in, how a session travels, what a form must carry, where a sign-in may lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.security import SESSION_COOKIE, local_path
from tests.staff import PASSWORD, Desk, hidden_in, text_of
from tests.world import World

WRONG = {"name": "Ada", "password": "not the password"}
RIGHT = {"name": "Ada", "password": PASSWORD}


@pytest.fixture
def desk(world: World) -> Desk:
    made = Desk.of(world)
    made.account("Ada")
    return made


def test_a_session_travels_in_a_cookie_that_neither_scripts_nor_other_sites_can_use(desk: Desk) -> None:
    answer = desk.browser().post("/console/sign-in", RIGHT)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/console"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie


def test_over_https_the_cookie_is_for_https_alone(desk: Desk) -> None:
    answer = desk.app.test_client().post("/console/sign-in", data=RIGHT, base_url="https://lots.example")
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "don't match an account"), ("zh-Hans", "没有与此姓名和密码相符的账户")]
)
def test_a_wrong_password_is_refused_in_the_readers_language(desk: Desk, language: str, said: str) -> None:
    answer = desk.browser(language).post("/console/sign-in", WRONG)
    assert answer.status_code == 401
    assert said in text_of(answer)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(("language", "said"), [("en", "Wait 2 seconds"), ("zh-Hans", "请等 2 秒")])
def test_who_guesses_is_told_how_long_to_wait(desk: Desk, language: str, said: str) -> None:
    browser = desk.browser(language)
    statuses = [browser.post("/console/sign-in", WRONG).status_code for _ in range(5)]
    answer = browser.post("/console/sign-in", RIGHT)
    assert statuses == [401] * 5
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert said in text_of(answer)


def test_a_long_wait_is_said_in_minutes(desk: Desk) -> None:
    browser = desk.browser()
    for _ in range(13):
        browser.post("/console/sign-in", WRONG)
        desk.world.later(seconds=512)
    browser.post("/console/sign-in", WRONG)
    assert "Wait 15 minutes" in text_of(browser.post("/console/sign-in", RIGHT))


def test_every_page_of_the_console_is_closed_to_strangers(desk: Desk) -> None:
    browser = desk.browser()
    rules = [rule for rule in desk.app.url_map.iter_rules() if rule.rule.startswith("/console")]
    is_open = ("sign-in", "language", "welcome", "/link/")
    closed = [rule for rule in rules if not any(one in rule.rule for one in is_open)]
    assert len(closed) > 30
    for rule in closed:
        address = rule.rule
        for name in rule.arguments:
            for kind in ("int:", "path:", ""):
                address = address.replace(f"<{kind}{name}>", "1")
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        answer = browser.client.open(address, method=method)
        assert answer.status_code == 303, f"{method} {address}"
        assert answer.headers["Location"].startswith("/console/sign-in?next="), address


def test_who_signs_in_goes_on_to_the_page_that_was_asked_for(desk: Desk) -> None:
    browser = desk.browser()
    door = browser.get("/console/log?about=B1").headers["Location"]
    fields = hidden_in(browser.page(door))
    assert fields["next"] == "/console/log?about=B1"
    answer = browser.post("/console/sign-in", {**RIGHT, **fields})
    assert answer.headers["Location"] == "/console/log?about=B1"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/console/",
        "//evil.example/console/",
        "/\\evil.example",
        "/console\\@evil.example",
        "/console/\r\nSet-Cookie: a=b",
        "/console.evil.example",
        "/console@evil.example",
        "javascript:alert(1)",
        "/de/",
        "",
    ],
)
def test_a_sign_in_leads_to_no_other_site(desk: Desk, elsewhere: str) -> None:
    answer = desk.browser().post("/console/sign-in", {**RIGHT, "next": elsewhere})
    assert answer.headers["Location"] == "/console/"


@given(st.text(max_size=60).map(lambda tail: f"/console{tail}") | st.text(max_size=60))
def test_whatever_is_asked_for_the_way_on_stays_within_the_console(wanted: str) -> None:
    found = local_path(wanted)
    assert found == "/console" or found.startswith(("/console/", "/console?"))
    assert not set(found) & set("\\\r\n\t ")


def test_a_form_without_the_sessions_token_records_nothing(desk: Desk) -> None:
    browser = desk.signed_in()
    fields = browser.hidden("/console/record/party.register")
    answers = {
        "code": "X",
        "name": "X",
        "role": "factory",
        "country": "CN",
        "form_token": fields["form_token"],
    }
    before = desk.world.size()
    for forged in ({}, {"csrf": ""}, {"csrf": "x" * 43}, {"csrf": "é"}):
        answer = browser.post("/console/record/party.register", {**answers, **forged})
        assert answer.status_code == 400
        assert "does not belong to your session" in text_of(answer)
    assert desk.world.size() == before


def test_the_token_of_another_session_is_worth_nothing(desk: Desk) -> None:
    stolen = desk.signed_in("Ben").hidden("/console/record/material.register")
    answer = desk.signed_in().post("/console/record/material.register", {**stolen, "code": "X", "name": "X"})
    assert answer.status_code == 400


@pytest.mark.parametrize("address", ["/console/sign-in", "/console/record/material.register"])
def test_a_form_that_another_site_sends_is_refused(desk: Desk, address: str) -> None:
    browser = desk.signed_in()
    fields = browser.hidden("/console/record/material.register")
    answer = browser.post(address, {**fields, **RIGHT}, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400


def test_who_signed_out_is_out_even_with_the_old_cookie(desk: Desk) -> None:
    browser = desk.signed_in()
    cookie = browser.client.get_cookie(SESSION_COOKIE, path="/console")
    assert cookie is not None
    csrf = browser.hidden("/console/record/material.register")["csrf"]
    assert browser.post("/console/sign-out", {"csrf": csrf}).headers["Location"] == "/console/sign-in"
    again = desk.browser()
    again.client.set_cookie(SESSION_COOKIE, cookie.value, path="/console")
    assert again.get("/console/").status_code == 303


def test_a_session_ends_after_a_day_without_a_click(desk: Desk) -> None:
    browser = desk.signed_in()
    desk.world.later(hours=11)
    assert browser.get("/console/").status_code == 200
    desk.world.later(hours=13)
    assert browser.get("/console/").status_code == 303


def test_a_new_sign_in_ends_the_browsers_old_session(desk: Desk) -> None:
    browser = desk.signed_in()
    old = browser.client.get_cookie(SESSION_COOKIE, path="/console")
    assert old is not None
    browser.post("/console/sign-in", RIGHT)
    stranger = desk.browser()
    stranger.client.set_cookie(SESSION_COOKIE, old.value, path="/console")
    assert stranger.get("/console/").status_code == 303


def test_pages_of_staff_stay_in_no_cache_and_no_frame(desk: Desk) -> None:
    headers = desk.signed_in().get("/console/").headers
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(("to", "said"), [("zh-Hans", "登录"), ("en", "Sign in")])
def test_the_chosen_language_is_kept(desk: Desk, to: str, said: str) -> None:
    browser = desk.browser("en" if to == "zh-Hans" else "zh-Hans")
    answer = browser.get(f"/console/language?to={to}&next=/console/sign-in")
    assert answer.headers["Location"] == "/console/sign-in"
    assert said in text_of(browser.page("/console/sign-in"))


def test_a_language_that_the_console_lacks_is_not_kept(desk: Desk) -> None:
    answer = desk.browser().get("/console/language?to=fr&next=//evil.example")
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Location"] == "/console/"
