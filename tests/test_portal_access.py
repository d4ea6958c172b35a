"""Access for others in the console: links for auditors and counsel, tokens for programs, and their end."""

import re

import pytest

from ledger.people.roles import OUTSIDE_ALL
from ledger.people.token import list_issued
from portal.console.shell import OPEN_TO_LINKS
from portal.permissions import rule_of
from portal.tokens import token_named
from tests.staff import Browser, Desk, text_of
from tests.test_portal_permissions import addresses, routes
from tests.world import World

APPROVE = "/console/record/recall.approve"
UNTIL = "2025-05-20"  # the world begins on the first of that month


@pytest.fixture
def desk(world: World) -> Desk:
    """A console with a recall that waits for approval, and another."""
    world.product("VS-10")
    world.lot("SF-1", "4000 m")
    world.batch("B1", lots={"SF-1": "1200 m"}, units=3).ships(to="DE", count=1)
    world.draft("R1", lots=["SF-1"])
    world.draft("R2", batches=["B1"])
    return Desk.of(world)


def given(desk: Desk, use: str, name: str, **answers: object) -> str:
    """What issuing shows: a link's path, or a token."""
    ada = desk.signed_in("Ada")
    fields = {**ada.hidden(f"/console/access/new/{use}"), "name": name, "until": UNTIL, **answers}
    answer = ada.post(f"/console/access/new/{use}", fields)
    assert answer.status_code == 200, text_of(answer)
    found = re.search(r"/console/link/[\w-]+|lotproof_[\w-]+", answer.text)
    assert found
    return found[0]


def following(desk: Desk, link: str) -> Browser:
    """A browser that followed the link."""
    browser = desk.browser()
    assert browser.post(link, {}).status_code == 303
    return browser


def page_of(desk: Desk, name: str) -> str:
    return f"/console/access/{token_named(desk.state, name).id}"


def test_an_auditors_link_opens_every_page_but_those_about_buyers_and_changes_nothing(desk: Desk) -> None:
    nora = following(desk, given(desk, "auditor", "Nora"))
    csrf, before = nora.hidden("/console/")["csrf"], desk.world.size()
    for route, method in routes(desk):
        rule = rule_of(desk.app.view_functions[str(route.endpoint)])
        assert rule is not None
        is_own = not (rule.area or rule.command or rule.argument) and route.endpoint not in OPEN_TO_LINKS
        is_closed = is_own or rule.area in OUTSIDE_ALL or rule.command or rule.argument or method == "POST"
        for address in addresses(route):
            if route.endpoint != "console.sign_out":
                answer = nora.get(address) if method == "GET" else nora.post(address, {"csrf": csrf})
                assert (answer.status_code == 403) == bool(is_closed), f"{method} {address}"
    assert desk.world.size() == before


def test_an_auditor_finds_what_a_link_lets_them_see(desk: Desk) -> None:
    desk.world.batch("25W30-A", units=2)
    nora = following(desk, given(desk, "auditor", "Nora"))
    found = nora.get("/console/search?q=25W30-A")
    assert found.status_code == 303
    assert "25W30-A" in nora.page(found.headers["Location"])


def test_whoever_came_by_a_link_is_named_and_has_no_page_of_their_own(desk: Desk) -> None:
    nora = following(desk, given(desk, "auditor", "Nora Beispiel"))
    page = nora.page("/console/")
    assert "Nora Beispiel By a link, until 20 May 2025, 23:59" in text_of(page)
    assert "/console/account" not in page
    assert nora.get("/console/account").status_code == 403
    assert nora.post("/console/sign-out", nora.hidden("/console/")).status_code == 303
    assert nora.get("/console/").headers["Location"].startswith("/console/sign-in")


def test_opening_a_link_does_nothing(desk: Desk) -> None:
    link, before = given(desk, "auditor", "Nora"), desk.world.size()
    scanner = desk.browser()
    page = text_of(scanner.page(link))
    assert "It lets you in as Nora" in page
    assert "Auditor" in page
    assert scanner.get("/console/").status_code == 303
    assert token_named(desk.state, "Nora").last_used_at is None
    assert desk.world.size() == before
    following(desk, link)
    assert token_named(desk.state, "Nora").last_used_at is not None


def test_a_link_that_another_site_sends_is_not_followed(desk: Desk) -> None:
    browser = desk.browser()
    answer = browser.post(given(desk, "auditor", "Nora"), {}, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400
    assert browser.get("/console/").status_code == 303


def test_a_link_ends_at_once_when_it_is_revoked_and_by_itself_on_its_last_day(desk: Desk) -> None:
    first, second = given(desk, "auditor", "Nora"), given(desk, "auditor", "Olaf")
    nora, olaf = following(desk, first), following(desk, second)
    ada, place = desk.signed_in("Ada"), page_of(desk, "Nora")
    assert ada.post(f"{place}/revoke", {**ada.hidden(place), "reason": "Done."}).status_code == 303
    assert nora.get("/console/batches").status_code == 303
    assert desk.browser().get(first).status_code == 404
    assert "opens nothing any more" in text_of(ada.page(place))
    assert olaf.get("/console/batches").status_code == 200
    desk.world.later(days=20)
    assert olaf.get("/console/batches").status_code == 303
    assert desk.browser().post(second, {}).status_code == 404


def test_counsels_link_approves_the_one_recall_it_names_and_no_other(desk: Desk) -> None:
    counsel = following(desk, given(desk, "counsel", "Kanzlei Muster", recall="R1"))
    before = desk.world.size()
    refused = counsel.send(f"{APPROVE}?recall=R2", recall="R2", statement="Read.")
    assert refused.status_code == 403
    assert "let in for one thing alone" in text_of(refused)
    assert desk.world.size() == before
    assert counsel.get("/console/record/recall.draft").status_code == 403
    assert counsel.get("/console/claims").status_code == 403
    given_page = counsel.send(f"{APPROVE}?recall=R1", recall="R1", statement="Read and agreed.")
    page = counsel.page(given_page.headers["Location"])
    assert re.search(r"counsel \(link +Kanzlei Muster +\)", text_of(page))
    again = counsel.send(f"{APPROVE}?recall=R1", recall="R1", statement="Once more.")
    assert again.status_code == 409


def test_who_is_let_in_about_one_thing_orders_nothing_that_names_another_way(desk: Desk) -> None:
    """As where a page of its own carries out a command: its address must name the very subject."""
    ada = desk.signed_in("Ada")
    fields = {**ada.hidden("/console/access/new/counsel"), "name": "Kanzlei", "until": UNTIL, "recall": "R1"}
    page = ada.post("/console/access/new/counsel", {**fields, "recall": "R9"})
    assert page.status_code == 404
    assert "R9" in text_of(page)
    assert desk.world.read(list_issued) == []


def test_a_programs_token_is_no_link_and_shows_nothing_twice(desk: Desk) -> None:
    secret = given(desk, "program", "The shop", roles=["warehouse"], further="see:recalls do:batch.produce")
    assert desk.browser().get(f"/console/link/{secret}").status_code == 404
    issued = desk.world.read(list_issued)[0]
    assert issued.scopes == ("warehouse", "do:batch.produce", "see:recalls")
    ada = desk.signed_in("Ada")
    pages = [ada.page(place) for place in ("/console/access", page_of(desk, "The shop"))]
    assert not any(secret in page for page in pages)
    for page in pages:
        assert re.search("Warehouse and Record a batch; sees Recalls", text_of(page)), text_of(page)


def test_the_log_holds_no_name_of_a_token_and_the_timeline_says_it(desk: Desk) -> None:
    given(desk, "auditor", "Nora Beispiel")
    assert not any(b"Nora" in body for body in desk.world.bodies())
    page = text_of(desk.signed_in("Ada").page("/console/log"))
    assert re.search("Nora Beispiel was let in until 20 May 2025, 23:59 \\S+ : Auditor", page)


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ({"until": ""}, 400, "Choose the last day"),
        ({"until": "2025-02-30"}, 400, "Choose the last day"),
        ({"until": "2029-01-01"}, 422, "within 366 days"),
        ({"until": "9999-12-31"}, 422, "within 366 days"),
        ({"until": "2025-04-01"}, 422, "within 366 days"),
        ({"name": " "}, 422, "1 to 80 visible characters"),
        ({"roles": [], "further": ""}, 422, "Say what the token is for"),
        ({"further": "do:cake.bake"}, 422, "There is no scope do:cake.bake"),
    ],
)
def test_what_cannot_be_issued_is_said_and_leaves_nothing(
    desk: Desk, answers: dict[str, object], status: int, said: str
) -> None:
    ada, before = desk.signed_in("Ada"), desk.world.size()
    fields = {**ada.hidden("/console/access/new/program"), "name": "The shop", "until": UNTIL}
    answer = ada.post("/console/access/new/program", {**fields, "roles": ["warehouse"], **answers})
    assert (answer.status_code, desk.world.size()) == (status, before)
    assert said in text_of(answer)
    given(desk, "program", "The shop", roles=["warehouse"])


def test_nobody_gives_others_what_they_do_not_have_themselves(desk: Desk) -> None:
    desk.account("Ida", "admin")
    ida = desk.signed_in("Ida")
    fields = {**ida.hidden("/console/access/new/auditor"), "name": "Nora", "until": UNTIL}
    answer = ida.post("/console/access/new/auditor", fields)
    assert answer.status_code == 403
    assert "You cannot give auditor to others" in text_of(answer)
    choices = ida.page("/console/access/new/program")
    assert 'value="admin"' in choices
    assert 'value="seller"' not in choices


def test_a_token_whose_name_was_lost_is_shown_as_gone(desk: Desk) -> None:
    given(desk, "auditor", "Nora")
    token = token_named(desk.state, "Nora").id
    with desk.state.begin() as connection:
        connection.exec_driver_sql("DELETE FROM tokens")
    ada = desk.signed_in("Ada")
    assert "its name and secret are gone" in text_of(ada.page(f"/console/access/{token}"))
    assert token in ada.page("/console/access")


def test_in_chinese_too(desk: Desk) -> None:
    given(desk, "counsel", "Kanzlei", recall="R1")
    page = desk.signed_in("Ada", language="zh-Hans").page("/console/access")
    assert "批准召回" in text_of(page)
