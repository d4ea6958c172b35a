"""What stands in the head of every response: pages, errors, files, programs' answers; over http and https."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from portal.assets import STATIC
from portal.opening import open_app
from tests.staff import PASSWORD, Desk
from tests.world import World

pytestmark = pytest.mark.files  # the folder is opened a second time, as by another process

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
SCHEMES = ("http", "https")
ARGUMENT = re.compile(r"<(?:[^:<>]+:)?(\w+)>")
ON_ITS_OWN = "person.html"  # a file that is handed over, not a page


@pytest.fixture
def app(world: World) -> Flask:
    """The whole application, with something on every page."""
    world.batch("B1", units=2)
    world.recall("R1", batches=["B1"])
    Desk.of(world).account("Ada")
    return open_app(world.ledger.settings, accept_long_silence=True)


def addresses(app: Flask) -> Iterator[tuple[str, str]]:
    """Every route with each of its methods, and one that it does not take."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) | {"POST", "DELETE"}):
            yield method, filled(rule)


def filled(rule: Rule) -> str:
    """An address that matches the rule."""
    values = {"locale": "en", "topic": "hot", "filename": "portal.css", "name": "party.register"}
    return ARGUMENT.sub(lambda found: values.get(found[1], "1"), rule.rule)


def expect_closed(answer: TestResponse, scheme: str, where: str) -> None:
    """The head is one that keeps others out."""
    for name, value in ALWAYS.items():
        assert answer.headers.get(name) == value, f"{where}: {name}"
    policy = answer.headers["Content-Security-Policy"]
    parts = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert parts["default-src"] == "'none'", where
    assert parts["frame-ancestors"] == "'none'", where
    assert parts["base-uri"] == "'none'", where
    assert "unsafe" not in policy, where
    assert not {"*", "https:", "http:"} & set(policy.replace(";", " ").split()), where
    assert answer.headers["Cache-Control"], where
    assert ("Strict-Transport-Security" in answer.headers) == (scheme == "https"), where
    assert "Server" not in answer.headers, where
    assert len(answer.headers.getlist("Content-Security-Policy")) == 1, where


def expect_closed_cookies(answer: TestResponse, scheme: str, where: str) -> None:
    for cookie in answer.headers.getlist("Set-Cookie"):
        marks = {part.strip() for part in cookie.split(";")[1:]}
        assert {"HttpOnly", "SameSite=Lax"} <= marks, f"{where}: {cookie}"
        assert ("Secure" in marks) == (scheme == "https"), f"{where}: {cookie}"


def signed_in(app: Flask, scheme: str) -> FlaskClient:
    client = app.test_client()
    entered = client.post(
        "/console/sign-in", data={"name": "Ada", "password": PASSWORD}, base_url=f"{scheme}://lots.example"
    )
    assert entered.status_code == 303
    expect_closed_cookies(entered, scheme, "sign-in")
    return client


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("who", ["a stranger", "staff"])
def test_every_route_answers_under_closed_headers(app: Flask, scheme: str, who: str) -> None:
    client = signed_in(app, scheme) if who == "staff" else app.test_client()
    statuses = set()
    for method, address in addresses(app):
        if address == "/console/sign-out" and who == "staff":
            continue
        answer = client.open(address, method=method, base_url=f"{scheme}://lots.example", buffered=True)
        expect_closed(answer, scheme, f"{method} {address} ({answer.status_code})")
        expect_closed_cookies(answer, scheme, f"{method} {address}")
        statuses.add(answer.status_code)
    assert {200, 404, 405} <= statuses
    assert 500 not in statuses


@pytest.mark.parametrize("scheme", SCHEMES)
def test_errors_have_the_same_head_as_pages(app: Flask, scheme: str) -> None:
    def broken() -> str:
        return str(1 // 0)

    app.add_url_rule("/broken", view_func=broken)
    client = app.test_client()
    told = []
    for path in ("/broken", "/nowhere", "/01/1", "/console/nowhere", "/static/nowhere", "/log/nowhere"):
        answer = client.get(path, base_url=f"{scheme}://lots.example", buffered=True)
        expect_closed(answer, scheme, path)
        told.append(answer.status_code)
    assert told == [500, 404, 400, 303, 404, 404]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_session_that_ends_is_taken_back_under_the_same_marks(app: Flask, scheme: str) -> None:
    client = signed_in(app, scheme)
    base = f"{scheme}://lots.example"
    page = client.get("/console/", base_url=base).text
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    left = client.post("/console/sign-out", data={"csrf": csrf}, base_url=base)
    assert left.status_code == 303
    assert left.headers.getlist("Set-Cookie")
    expect_closed_cookies(left, scheme, "sign-out")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_form_of_buyers_and_a_chosen_language_set_closed_cookies(
    app: Flask, world: World, scheme: str
) -> None:
    serial = world.batch("B2", units=1).serials[0]
    world.recall("R2", batches=["B2"])
    for path in (f"/en/claim/{serial}", "/de/language?next=", "/console/language?to=zh-Hans"):
        answer = app.test_client().get(path, base_url=f"{scheme}://lots.example", buffered=True)
        assert answer.headers.getlist("Set-Cookie"), path
        expect_closed_cookies(answer, scheme, path)


def test_what_is_personal_or_changes_stays_in_no_cache(app: Flask) -> None:
    client = signed_in(app, "http")
    for path in ("/console/", "/console/people", "/healthz", "/readyz"):
        assert client.get(path, base_url="http://lots.example").headers["Cache-Control"] == "no-store", path
    assert client.get("/en/").headers["Cache-Control"] == "no-cache"
    assert "max-age=31536000" in client.get("/static/portal.css", buffered=True).headers["Cache-Control"]
    assert (STATIC / "portal.css").is_file()


def test_no_template_holds_what_the_policy_forbids() -> None:
    for path in sorted((STATIC.parent / "templates").rglob("*.html")):
        if path.name == ON_ITS_OWN:
            continue
        text = path.read_text(encoding="utf-8")
        assert " style=" not in text, path
        assert "<style" not in text, path
        assert " onclick=" not in text, path
        assert "javascript:" not in text, path
        assert all("src=" in tag.partition(">")[0] for tag in text.split("<script")[1:]), path
