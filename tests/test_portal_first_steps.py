"""From nothing to the first label, and a navigation that grows with what is used."""

import re

import pytest

from tests.staff import Browser, Desk, text_of
from tests.world import World


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk.of(world)


def main_of(page: str) -> str:
    return page.partition("<main")[2]


def test_each_step_leads_on_to_the_next_with_what_was_recorded_filled_in(desk: Desk) -> None:
    ada = desk.signed_in()
    forms = [
        ("/console/record/seller.describe", {"brand": "Lumora", "company": "Lumora Ltd"}, "Step 1 of 5"),
        ("/console/record/product.register", {"code": "L1", "name": "Lamp", "model": "L1"}, "Step 2 of 5"),
        ("/console/record/party.register", {"country": "GB"}, "Step 3 of 5"),
        (
            "/console/record/batch.produce",
            {"code": "B1", "made_on": "2025-04-30", "quantity": "40"},
            "Step 4 of 5",
        ),
    ]
    place = re.findall(r'href="([^"]+)">Record<', ada.page("/console/"))[0]
    for form, answers, step in forms:
        assert place.partition("?")[0] == form
        page = ada.page(place)
        assert step in text_of(page)
        answer = ada.post(form, {**filled_in(page), **answers})
        assert answer.status_code == 303, text_of(answer)
        place = answer.headers["Location"]
        assert "recorded=" in place
    page = ada.page(place)
    assert "Step 5 of 5" in text_of(page)
    answer = ada.post(place.partition("?")[0], filled_in(page))
    last = ada.page(answer.headers["Location"])
    assert "Your first label is ready" in text_of(last)
    assert "Step" not in text_of(main_of(last))
    assert 'class="label-picture"' in last
    assert "First steps" not in text_of(ada.page("/console/"))


def filled_in(page: str) -> dict[str, str]:
    """What stands in the fields of the last form on a page, as a browser would send it."""
    form = (
        page.rpartition("<form")[2]
        if "label-buttons" not in page
        else page.partition('action="/console/batches')[2]
    )
    form = form.partition("</form>")[0]
    fields = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', form))
    for name, options in re.findall(r'<select[^>]* name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.findall(r'value="([^"]*)" selected', options)
        fields[name] = chosen[0] if chosen else ""
    return fields


def test_the_steps_are_put_away_and_brought_back_by_each_for_themselves(desk: Desk) -> None:
    ada, ben = desk.signed_in("Ada"), desk.signed_in("Ben")
    put(ada, to="away")
    page = text_of(ada.page("/console/"))
    assert "First steps" not in page.replace("Show the first steps", "")
    assert "Show the first steps" in page
    assert "Step 1 of 5" not in text_of(ada.page("/console/record/seller.describe"))
    assert "First steps" in text_of(ben.page("/console/"))
    put(ada, to="")
    assert "First steps" in text_of(ada.page("/console/"))


def put(browser: Browser, *, to: str) -> None:
    csrf = browser.hidden("/console/record")["csrf"]
    assert browser.post("/console/first-steps", {"csrf": csrf, "to": to}).status_code == 303


def test_whoever_steps_aside_is_led_nowhere(desk: Desk) -> None:
    ada = desk.signed_in()
    put(ada, to="away")
    answer = ada.record("seller.describe", brand="Lumora", company="Lumora Ltd")
    assert "/console/record/" not in answer.headers["Location"]


def test_a_step_out_of_turn_is_no_step(desk: Desk) -> None:
    ada = desk.signed_in()
    assert "Step" not in text_of(main_of(ada.page("/console/record/product.register")))
    answer = ada.record("product.register", code="L1", brand="Lumora", name="Lamp", model="L1")
    assert "/console/products/" in answer.headers["Location"]


def test_what_else_can_be_recorded_stays_until_it_is_there_or_put_away(desk: Desk) -> None:
    world, ada = desk.world, desk.signed_in()
    world.lot("SF-1", "10 m")
    world.batch("B1", lots={"SF-1": "1 m"}, units=5)
    ada.recorded("seller.describe", brand="Voltaro", company="Voltaro GmbH")
    page = ada.page("/console/")
    assert "First steps" not in text_of(page)
    assert "What else can be recorded" in text_of(page)
    assert page.count('class="is-done"') == 2  # the material and its lot
    ada.recorded(
        "bill_of_materials.revise",
        product="VS-10",
        revision="A",
        **{"lines.0.material": "FILM", "lines.0.quantity": "1 m", "lines.0.specification": "coated"},
    )
    ada.recorded(
        "shipment.send",
        code="S1",
        channel="shop",
        country="DE",
        sent_on="2025-05-01",
        **{"lines.0.batch": "B1", "lines.0.quantity": "1"},
    )
    assert "What else can be recorded" not in text_of(ada.page("/console/"))


def test_places_that_nobody_has_used_stand_under_more_until_they_are_used(desk: Desk) -> None:
    ada = desk.signed_in()
    page = ada.page("/console/")
    assert under_more(page) == {"/console/substitutions", "/console/recalls", "/console/claims"}
    assert '/console/batches">' in page
    # Asked for, it stands among the others.
    assert "/console/recalls" not in under_more(ada.page("/console/recalls"))
    desk.world.lot("SF-1", "10 m")
    desk.world.batch("B1", lots={"SF-1": "1 m"}, units=5)
    desk.world.draft("R-1", lots=["SF-1"])
    assert under_more(ada.page("/console/")) == {"/console/substitutions", "/console/claims"}


def test_nobody_s_own_work_is_put_away(desk: Desk) -> None:
    desk.account("Sol", "support")
    desk.account("Kim", "quality")
    assert under_more(desk.signed_in("Sol").page("/console/")) == set()
    assert under_more(desk.signed_in("Kim").page("/console/")) == {"/console/recalls"}


def under_more(page: str) -> set[str]:
    """The addresses under "More" in the navigation at the side."""
    found = re.search(r'<details class="more-places">(.*?)</details>', page, re.DOTALL)
    return set(re.findall(r'href="([^"]+)"', found[1])) if found else set()
