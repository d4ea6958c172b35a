"""Who may do what in the console: every route of it, in every role."""

from collections.abc import Iterator

import pytest
from werkzeug.routing import Rule as Route

from ledger.journal.registry import COMMANDS
from ledger.people.roles import NotAllowed, roles
from portal.accounts import add_account
from portal.console.shell import OPEN_TO_ALL
from portal.permissions import Rule, rule_of
from portal.staff import set_roles
from tests.staff import PASSWORD, Browser, Desk, text_of
from tests.world import World

SELLERS_ACTS = ("seller.describe", "recall.publish", "recall.draft", "substitution.decide", "claim.settle")
# What everybody may do with their own account and session.
OF_ONES_OWN = {
    f"console.{name}"
    for name in (
        "sign_out",
        "end_others",
        "change_password",
        "confirm_by_password",
        "confirm_options",
        "confirm_by_passkey",
        "set_up_codes",
        "confirm_own_codes",
        "turn_own_codes_off",
        "renew_own_recovery",
        "new_passkey_options",
        "add_passkey",
        "remove_own_passkey",
        "choose_zone",
        "put_steps",
    )
}


@pytest.fixture
def desk(world: World) -> Desk:
    """A console with something on every page."""
    world.product("VS-10")
    world.lot("SF-1", "4000 m")
    world.batch("B1", lots={"SF-1": "1200 m"}, units=3).ships(to="DE", count=1)
    return Desk.of(world)


def routes(desk: Desk) -> Iterator[tuple[Route, str]]:
    """Every route of the console with each of its methods."""
    for route in desk.app.url_map.iter_rules():
        if str(route.endpoint).startswith("console.") and route.endpoint not in OPEN_TO_ALL:
            for method in sorted((route.methods or set()) & {"GET", "POST"}):
                yield route, method


def addresses(route: Route) -> list[str]:
    """The route's address; once for each command where it names one, and otherwise with a thing that is not there."""
    values = list(COMMANDS) if "name" in route.arguments else ["1"]
    found = []
    for value in values:
        address = route.rule
        for argument in route.arguments:
            for kind in ("int:", "path:", ""):
                address = address.replace(f"<{kind}{argument}>", value)
        found.append(address)
    return found


def _named(address: str) -> str:
    """The command that an address names."""
    return next(part for part in address.split("/") if part in COMMANDS)


def answered(browser: Browser, method: str, address: str) -> int:
    """The status of an address; a form is sent with the session's token."""
    if method == "GET":
        with browser.get(address) as answer:
            return answer.status_code
    return browser.post(address, {"csrf": browser.hidden("/console/record")["csrf"]}).status_code


def test_every_route_says_for_whom_it_is(desk: Desk) -> None:
    views = desk.app.view_functions
    silent = [route.rule for route, _ in routes(desk) if rule_of(views[str(route.endpoint)]) is None]
    assert silent == []


def test_every_area_and_every_order_of_a_role_is_one_that_there_is(desk: Desk) -> None:
    areas = {
        rule.area
        for route, _ in routes(desk)
        if (rule := rule_of(desk.app.view_functions[str(route.endpoint)]))
    }
    nouns = {name.partition(".")[0] for name in COMMANDS}
    for role in roles().values():
        assert role.sees <= areas | {"*", "persons", "accounts"}, role.name
        for order in role.does - {"label.print"}:  # it records nothing, so it is no command
            noun, _, verb = order.partition(".")
            assert order in COMMANDS or (verb == "*" and noun in nouns), f"{role.name}: {order}"


@pytest.mark.parametrize("role", roles())
def test_a_route_answers_whom_it_is_for_and_no_other(desk: Desk, role: str) -> None:
    desk.account(role, role)
    browser = desk.signed_in(role)
    for route, method in routes(desk):
        rule = rule_of(desk.app.view_functions[str(route.endpoint)])
        assert rule is not None
        for address in addresses(route):
            command = _named(address) if rule.argument else rule.command
            is_allowed = roles()[role].may_see(rule.area) or not rule.area
            is_allowed &= not command or roles()[role].may_do(command)
            if route.endpoint in OF_ONES_OWN:
                continue  # they are for all, and tried elsewhere
            status = answered(browser, method, address)
            assert (status != 403) == is_allowed, f"{role}: {method} {address} gave {status}"


def test_a_route_whose_command_nobody_knows_is_for_nobody() -> None:
    with pytest.raises(NotAllowed):
        Rule(command="label.prnit").demand(tuple(roles()), {})


@pytest.mark.parametrize("command", SELLERS_ACTS)
def test_a_warehouse_account_reaches_no_act_of_the_sellers(desk: Desk, command: str) -> None:
    desk.account("Wim", "warehouse")
    wim, before = desk.signed_in("Wim"), desk.world.size()
    assert wim.get(f"/console/record/{command}").status_code == 403
    token = wim.hidden("/console/record")["csrf"]
    assert wim.post(f"/console/record/{command}", {"csrf": token}).status_code == 403
    assert desk.world.size() == before
    assert command not in wim.page("/console/record")


def test_an_auditor_sees_all_but_buyers_and_changes_nothing(desk: Desk) -> None:
    desk.account("Ida", "auditor")
    ida = desk.signed_in("Ida")
    before = desk.world.size()
    for route, method in routes(desk):
        if method == "POST" and route.endpoint not in OF_ONES_OWN:
            assert {answered(ida, method, one) for one in addresses(route)} == {403}, route.rule
    assert ida.page("/console/recalls")
    assert desk.world.size() == before


def test_who_lacks_a_role_is_told_which_it_takes(desk: Desk) -> None:
    desk.account("Wim", "warehouse")
    wim = desk.signed_in("Wim")
    assert "these roles may: Recall coordinator." in text_of(
        wim.page("/console/record/recall.publish", status=403)
    )
    assert "Seller" in text_of(wim.page("/console/recalls", status=403))


def test_links_and_buttons_are_there_for_whom_they_lead_on(desk: Desk) -> None:
    desk.account("Wim", "warehouse")
    wim, ada = desk.signed_in("Wim"), desk.signed_in("Ada")
    assert 'href="/console/recalls"' in ada.page("/console/")
    assert 'href="/console/recalls"' not in wim.page("/console/")
    assert 'href="/console/shipments"' in wim.page("/console/")
    batch = ada.page("/console/batches").split('href="/console/batches/')[1].split('"')[0]
    assert "hold.place" in wim.page(f"/console/batches/{batch}")
    assert "/console/record/batch.produce" not in wim.page("/console/batches")
    assert "/console/record/batch.produce" in ada.page("/console/batches")


def test_an_account_that_the_log_does_not_know_does_and_sees_nothing(desk: Desk) -> None:
    """As a crash leaves it that comes between the account and the entry about it."""
    now = desk.world.clock.now()
    made = add_account(desk.state, desk.names.keep("Nobody", now=now), PASSWORD, now=now)
    nobody = desk.browser()
    assert nobody.post("/console/sign-in", {"name": "Nobody", "password": PASSWORD}).status_code == 303
    assert nobody.get("/console/").status_code == 200
    for route, method in routes(desk):
        rule = rule_of(desk.app.view_functions[str(route.endpoint)])
        if rule is not None and (rule.area or rule.command or rule.argument):
            assert {answered(nobody, method, one) for one in addresses(route)} == {403}
    assert set_roles(desk.world.ledger, made.id, ("auditor",))
    assert nobody.get("/console/batches").status_code == 200


def test_other_roles_hold_from_the_next_click_on(desk: Desk) -> None:
    account = desk.account("Wim", "warehouse")
    wim = desk.signed_in("Wim")
    assert wim.get("/console/recalls").status_code == 403
    assert set_roles(desk.world.ledger, account.id, ("auditor",))
    assert not set_roles(desk.world.ledger, account.id, ("auditor",))
    assert wim.get("/console/recalls").status_code == 200
    assert wim.get("/console/record/shipment.send").status_code == 403
