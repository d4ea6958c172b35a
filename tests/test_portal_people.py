"""Letting people in by a link, their roles and their end, as the console shows and does it."""

import re

import pytest

from ledger.people.account import AdmitAccount, find_staff, roles_of
from portal.accounts import account_named
from portal.invitations import InvitationEnded, invite, invited
from tests.staff import PASSWORD, Browser, Desk, text_of
from tests.world import World

CHOSEN = "seven quiet boxes on a shelf"


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk.of(world)


def let_in(browser: Browser, name: str, *roles: str) -> str:
    """The path of the link that letting somebody in gives."""
    fields = browser.hidden("/console/people/new")
    answer = browser.post("/console/people/new", {**fields, "name": name, "roles": list(roles)})
    assert answer.status_code == 200, text_of(answer)
    found = re.search(r"https?://[^/]+(/console/welcome/[\w-]+)", answer.text)
    assert found
    return found[1]


def choose(desk: Desk, link: str, password: str = CHOSEN) -> tuple[Browser, int]:
    """A browser that opens the link and chooses a password, and the answer's status."""
    browser = desk.browser()
    return browser, browser.post(link, {"password": password}).status_code


def roles(desk: Desk, name: str) -> tuple[str, ...]:
    actor = account_named(desk.state, desk.names, name).actor
    return desk.world.read(lambda connection: roles_of(connection, actor))


def page_of(desk: Desk, name: str) -> str:
    return f"/console/people/{account_named(desk.state, desk.names, name).id}"


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_somebody_is_let_in_chooses_a_password_and_acts_in_their_roles(desk: Desk, language: str) -> None:
    link = let_in(desk.signed_in("Ada", language=language), "Wim", "warehouse", "quality")
    wim, status = choose(desk, link)
    assert status == 303
    assert roles(desk, "Wim") == ("warehouse", "quality")
    assert wim.get("/console/batches").status_code == 200
    assert wim.get("/console/people").status_code == 403
    again = desk.browser()
    assert again.post("/console/sign-in", {"name": "wim", "password": CHOSEN}).status_code == 303


def test_the_log_holds_no_name(desk: Desk) -> None:
    let_in(desk.signed_in(), "Wilhelmina", "warehouse")
    assert not any(b"Wilhelmina" in body for body in desk.world.bodies())
    assert re.search(r"Wilhelmina +was let in as: +Warehouse", text_of(desk.signed_in().page("/console/log")))


def test_a_link_works_once(desk: Desk) -> None:
    link = let_in(desk.signed_in(), "Wim", "warehouse")
    assert desk.browser().get(link).status_code == 200
    assert choose(desk, link)[1] == 303
    assert choose(desk, link, "another long enough password")[1] == 404
    assert "has ended" in text_of(desk.browser().page(link, status=404))
    answer = desk.browser().post("/console/sign-in", {"name": "Wim", "password": CHOSEN})
    assert answer.status_code == 303


def test_a_link_ends_after_a_week_and_when_a_newer_one_is_made(desk: Desk) -> None:
    first = let_in(desk.signed_in(), "Wim", "warehouse")
    account = account_named(desk.state, desk.names, "Wim").id
    newer = invite(desk.state, account, now=desk.world.clock.now())
    assert choose(desk, first)[1] == 404
    assert invited(desk.state, desk.names, newer, now=desk.world.clock.now()).id == account
    desk.world.later(days=7)
    with pytest.raises(InvitationEnded):
        invited(desk.state, desk.names, newer, now=desk.world.clock.now())


def test_before_the_password_is_chosen_nobody_can_sign_in(desk: Desk) -> None:
    let_in(desk.signed_in(), "Wim", "warehouse")
    for password in ("", "not it, but long enough", PASSWORD):
        answer = desk.browser().post("/console/sign-in", {"name": "Wim", "password": password})
        assert answer.status_code == 401


def test_a_password_that_is_too_short_leaves_the_link_as_it_was(desk: Desk) -> None:
    link = let_in(desk.signed_in(), "Wim", "warehouse")
    assert choose(desk, link, "short")[1] == 422
    assert choose(desk, link)[1] == 303


def test_a_form_that_another_site_sends_chooses_no_password(desk: Desk) -> None:
    link = let_in(desk.signed_in(), "Wim", "warehouse")
    answer = desk.browser().post(link, {"password": CHOSEN}, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400
    assert choose(desk, link)[1] == 303


def test_a_name_that_is_taken_is_refused_and_lets_nobody_in(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    before = desk.world.size()
    fields = ada.hidden("/console/people/new")
    answer = ada.post("/console/people/new", {**fields, "name": "ADA", "roles": ["auditor"]})
    assert answer.status_code == 409
    assert "account named ADA already" in text_of(answer)
    assert desk.world.size() == before


def test_roles_are_given_and_taken(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    let_in(ada, "Wim", "warehouse")
    place = page_of(desk, "Wim")
    csrf = {"csrf": ada.hidden("/console/record")["csrf"]}
    assert ada.post(f"{place}/roles", {**csrf, "roles": ["auditor", "support"]}).status_code == 303
    assert roles(desk, "Wim") == ("support", "auditor")
    assert ada.post(f"{place}/roles", {**csrf, "roles": ["janitor"]}).status_code == 422
    assert "no role janitor" in text_of(ada.post(f"{place}/roles", {**csrf, "roles": ["janitor"]}))


def test_an_account_that_is_ended_is_out_at_once(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    wim, _ = choose(desk, let_in(ada, "Wim", "warehouse"))
    place, csrf = page_of(desk, "Wim"), {"csrf": ada.hidden("/console/record")["csrf"]}
    assert ada.post(f"{place}/end", {**csrf, "reason": "Works elsewhere.", "typed": "wim"}).status_code == 303
    assert wim.get("/console/batches").status_code == 303
    assert "This account ended" in text_of(ada.page(place))
    assert ada.post(f"{place}/link", csrf).status_code == 404
    found = desk.world.read(lambda connection: find_staff(connection, place.rpartition("/")[2]))
    assert found is not None
    assert found.ended_at is not None


def test_an_account_is_ended_by_typing_its_name(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    wim, _ = choose(desk, let_in(ada, "Wim", "warehouse"))
    place, csrf = page_of(desk, "Wim"), {"csrf": ada.hidden("/console/record")["csrf"]}
    for typed in ("", "Ada"):
        answer = ada.post(f"{place}/end", {**csrf, "reason": "Works elsewhere.", "typed": typed})
        assert answer.status_code == 422
        assert "Type Wim here" in text_of(answer)
        assert "Works elsewhere." in answer.text
    assert wim.get("/console/batches").status_code == 200


def test_the_last_who_keeps_the_accounts_can_neither_end_nor_step_down(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    place, csrf = page_of(desk, "Ada"), {"csrf": ada.hidden("/console/record")["csrf"]}
    for act, more in (("roles", {"roles": ["auditor"]}), ("end", {"reason": "Enough.", "typed": "Ada"})):
        answer = ada.post(f"{place}/{act}", {**csrf, **more})
        assert answer.status_code == 409
        assert "only account that may manage accounts" in text_of(answer)
    assert "admin" in roles(desk, "Ada")


def test_an_account_whose_name_was_lost_can_still_be_ended(desk: Desk, world: World) -> None:
    """As after a loss of state.db: the log knows the account, and nothing else does."""
    world.do(AdmitAccount(account="D" * 16, roles=("warehouse",)))
    ada = desk.signed_in("Ada")
    assert "name and password are gone" in text_of(ada.page(f"/console/people/{'D' * 16}"))
    csrf = {"csrf": ada.hidden("/console/record")["csrf"]}
    assert (
        ada.post(
            f"/console/people/{'D' * 16}/end", {**csrf, "reason": "Lost.", "typed": "D" * 16}
        ).status_code
        == 303
    )
    assert world.read(lambda connection: roles_of(connection, f"account:{'D' * 16}")) == ()


# --- one's own account


def test_where_one_is_signed_in_is_listed_and_the_others_are_ended(desk: Desk) -> None:
    first, second = desk.signed_in("Ada"), desk.signed_in("Ada")
    page = text_of(second.page("/console/account"))
    assert (page.count(" here"), page.count(" elsewhere")) == (1, 1)
    csrf = {"csrf": second.hidden("/console/account")["csrf"]}
    assert second.post("/console/account/sessions", csrf).status_code == 303
    assert first.get("/console/").headers["Location"].startswith("/console/sign-in")
    assert " elsewhere" not in text_of(second.page("/console/account"))


def test_another_password_takes_the_one_of_now_and_signs_out_everywhere_else(desk: Desk) -> None:
    first, second = desk.signed_in("Ada"), desk.signed_in("Ada")
    csrf = {"csrf": second.hidden("/console/account")["csrf"]}
    wrong = second.post("/console/account/password", {**csrf, "password": CHOSEN, "new_password": CHOSEN})
    assert wrong.status_code == 401
    short = second.post("/console/account/password", {**csrf, "password": PASSWORD, "new_password": "short"})
    assert short.status_code == 422
    assert first.get("/console/").status_code == 200
    done = second.post("/console/account/password", {**csrf, "password": PASSWORD, "new_password": CHOSEN})
    assert done.status_code == 303
    assert second.get("/console/").status_code == 200
    assert first.get("/console/").status_code == 303
    for password, status in ((PASSWORD, 401), (CHOSEN, 303)):
        answer = desk.browser().post("/console/sign-in", {"name": "Ada", "password": password})
        assert answer.status_code == status


def test_an_account_without_roles_still_sees_itself(desk: Desk) -> None:
    wim, _ = choose(desk, let_in(desk.signed_in(), "Wim"))
    assert roles(desk, "Wim") == ()
    assert "Roles nothing" in text_of(wim.page("/console/account"))
