"""Recalls and claims in the console: two people, said in numbers, and a buyer's claim to its end."""

import pytest

from ledger.quantities import Money
from ledger.recall.claim import SettleClaim, get_claim
from ledger.recall.recall import get_recall, list_recalls
from ledger.recall.requests import DraftWidening
from tests.staff import Desk, text_of
from tests.test_portal_console_pages import address_of
from tests.world import MadeBatch, World

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk.of(world)


@pytest.fixture
def batch(desk: Desk) -> MadeBatch:
    desk.world.lot("SF-1", "4000 m")
    made = desk.world.batch("B1", lots={"SF-1": "100 m"}, units=12, quantity=12)
    made.ships(to="DE", count=6)
    made.ships(to="FR", count=2)
    return made


PUBLISH = "/console/record/recall.publish?recall=R-1"
APPROVE = "/console/record/recall.approve?recall=R-1"
DRAFT = {"code": "R-1", "hazard": "battery_fire", "statement": "A sample caught fire.", "lots.0": "SF-1"}


@pytest.mark.parametrize(
    ("language", "waits", "reach"),
    [
        ("en", "Somebody else has to approve it", "From then on 12 units, shipped to 2 countries"),
        ("zh-Hans", "须由另一个人批准", "发往 2 个国家的 12 件产品"),
    ],
)
def test_a_recall_takes_two_people_and_says_whom_it_reaches(
    desk: Desk, batch: MadeBatch, language: str, waits: str, reach: str
) -> None:
    ada, ben = desk.signed_in("Ada", language=language), desk.signed_in("Ben", language=language)
    drafted = ada.recorded("recall.draft", **DRAFT)
    assert waits in text_of(drafted)
    refused = ada.send(APPROVE, recall="R-1", statement="Looks right.")
    assert refused.status_code == 409
    assert ben.send(APPROVE, recall="R-1", statement="Looked at the sample.").status_code == 303
    unseen = ada.record("recall.publish", recall="R-1")
    assert unseen.status_code == 200
    assert reach in text_of(unseen)
    assert desk.world.answer(batch.serials[0]).status == "not_recalled"
    assert ada.send(PUBLISH, recall="R-1", typed="r-1 ").status_code == 303
    recall = desk.world.read(lambda connection: get_recall(connection, "R-1"))
    assert recall.standing == "published"
    assert desk.world.answer(batch.serials[0]).status == "recalled"


def test_numbers_that_have_changed_are_shown_again_before_anything_happens(
    desk: Desk, batch: MadeBatch
) -> None:
    ada = desk.signed_in("Ada")
    desk.world.draft("R-1", lots=["SF-1"]).approve()
    page = ada.hidden(PUBLISH)
    batch.ships(to="JP", count=1)
    answer = ada.post("/console/record/recall.publish", {**page, "recall": "R-1"})
    assert answer.status_code == 200
    assert "shipped to 3 countries" in text_of(answer)
    assert desk.world.read(lambda connection: get_recall(connection, "R-1")).standing == "approved"


@pytest.mark.parametrize(
    ("language", "waits", "passed", "said"),
    [
        (
            "en",
            "From 5 May 2025, 12:00 UTC on the waiting time",
            "the waiting time has passed",
            "4 hours stood in",
        ),
        ("zh-Hans", "起由等待时间代替", "等待时间已过", "由 4 小时的等待时间代替"),
    ],
)
def test_whoever_works_alone_waits_and_the_recall_says_so_for_ever(
    desk: Desk, batch: MadeBatch, language: str, waits: str, passed: str, said: str
) -> None:
    ada, world = desk.signed_in("Ada", language=language), desk.world
    ada.recorded("approval.set_rule", command="recall.approve", stand_in="waiting", waiting_hours="4")
    world.later(days=4)
    ada = desk.signed_in("Ada", language=language)
    drafted = ada.recorded("recall.draft", **DRAFT)
    assert waits in text_of(drafted)
    assert "/console/record/recall.publish" not in drafted
    refused = ada.send(PUBLISH, recall="R-1", typed="R-1")
    assert refused.status_code == 409
    assert "2025-05" not in text_of(refused)  # a moment is said as people say it
    world.later(hours=4)
    ada = desk.signed_in("Ada", language=language)
    place = address_of(ada.page("/console/recalls"), "R-1")
    assert passed in text_of(ada.page(place))
    assert passed in text_of(ada.page("/console/"))
    assert ada.send(PUBLISH, recall="R-1", typed="R-1").status_code == 303
    assert text_of(ada.page(place)).count(said) == 2  # with the approval, and among what happened
    assert world.answer(batch.serials[0]).status == "recalled"


def test_an_approval_is_of_the_version_that_was_looked_at(desk: Desk, batch: MadeBatch) -> None:
    world, ben = desk.world, desk.signed_in("Ben")
    for code in ("B2", "B3"):
        world.batch(code, units=2)
    world.recall("R-1", lots=["SF-1"])
    world.do(DraftWidening(recall="R-1", statement="More.", batches=("B2",)))
    looked_at = ben.hidden(APPROVE)
    world.do(DraftWidening(recall="R-1", statement="Yet more.", batches=("B3",)))
    answers = {"recall": "R-1", "statement": "Checked."}
    again = ben.post("/console/record/recall.approve", {**looked_at, **answers})
    assert again.status_code == 200
    assert "version 3" in text_of(again)
    assert ben.send(APPROVE, **answers).status_code == 303


def test_the_rules_page_says_what_stands_in_who_may_approve_and_from_when_on(desk: Desk) -> None:
    desk.account("Sam", "seller", "admin")
    sam = desk.signed_in("Sam")
    assert "Nobody but you may approve" in text_of(sam.page("/console/"))
    page = text_of(
        sam.recorded("approval.set_rule", command="recall.approve", stand_in="waiting", waiting_hours="4")
    )
    assert "a waiting time of 4 hours stands in: Recalls" in page
    rules = text_of(sam.page("/console/approvals"))
    assert "Recalls a waiting time of 4 hours, from 4 May 2025, 08:00 UTC on Sam" in rules
    assert "Substitutions nothing Sam" in rules
    refused = sam.record("approval.set_rule", command="recall.approve", stand_in="none", waiting_hours="4")
    assert refused.status_code == 422


@pytest.mark.parametrize("order", ["recall.publish", "recall.close", "recall.retract"])
def test_what_the_public_sees_is_ordered_by_typing_the_recall_s_code(
    desk: Desk, batch: MadeBatch, order: str
) -> None:
    ada = desk.signed_in("Ada")
    drafted = desk.world.draft("R-1", lots=["SF-1"]).approve()
    if order != "recall.publish":
        drafted.publish()
    place, size = f"/console/record/{order}?recall=R-1", desk.world.size()
    answers = {"recall": "R-1"} | ({"statement": "Checked."} if order != "recall.publish" else {})
    page = ada.page(place)
    assert "units" in text_of(page.partition('class="confirm"')[2])
    for typed in ("", "R-2", "yes"):
        answer = ada.send(place, **answers, typed=typed)
        assert answer.status_code == 422
        assert "Type R-1 here" in text_of(answer)
    assert desk.world.size() == size
    assert ada.send(place, **answers, typed="R-1").status_code == 303
    assert desk.world.size() > size


def test_claims_that_were_settled_are_drawn_day_by_day(desk: Desk, batch: MadeBatch) -> None:
    world = desk.world
    world.recall("R-1", lots=["SF-1"])
    for serial in batch.serials[:2]:
        world.do(SettleClaim(claim=world.claim(serial), amount=Money(3_490, "EUR")))
        world.later(days=3)
    [recall] = world.read(list_recalls)
    page = desk.signed_in("Ada").page(f"/console/recalls/{recall.id}")
    assert 'class="chart-time"' in page
    assert "Claims settled, in all: 1 by" in text_of(page)


def test_today_shows_a_draft_until_it_is_public(desk: Desk, batch: MadeBatch) -> None:
    ada, ben = desk.signed_in("Ada"), desk.signed_in("Ben")
    ada.recorded("recall.draft", **DRAFT)
    assert "Recall R-1 waits for a second person" in text_of(ada.page("/console/"))
    assert "Recall R-1 waits for your approval" in text_of(ben.page("/console/"))
    assert ben.send(APPROVE, recall="R-1", statement="Checked.").status_code == 303
    assert "Recall R-1 is approved and not published" in text_of(ben.page("/console/"))
    assert ben.send(PUBLISH, recall="R-1", typed="R-1").status_code == 303
    assert "Recall R-1" not in text_of(ben.page("/console/").partition('class="timeline"')[0])


def test_a_recalled_batch_says_so_wherever_it_stands(desk: Desk, batch: MadeBatch) -> None:
    desk.world.recall("R-1", lots=["SF-1"])
    browser = desk.signed_in()
    assert "recalled" in text_of(browser.page("/console/batches"))
    page = text_of(browser.page(f"/console/batches/{batch.found.id}"))
    assert "Recalled since 1 May 2025" in page
    assert "Open recall R-1" in page


def test_how_far_a_recall_has_come_adds_up(desk: Desk, batch: MadeBatch) -> None:
    desk.world.recall("R-1", lots=["SF-1"])
    browser = desk.signed_in()
    paid, asked = desk.world.claim(batch.serials[0]), desk.world.claim(batch.serials[1])
    browser.recorded("claim.settle", claim=paid, amount="34.90 EUR")
    page = text_of(browser.page(address_of(browser.page("/console/recalls"), "R-1")))
    assert "12 affected 1 refunded 1 being handled 4 in stock 6 no answer yet" in page
    assert asked in text_of(browser.page("/console/claims?standing=opened"))
    assert paid not in text_of(browser.page("/console/claims?standing=opened"))


@pytest.mark.parametrize(
    ("language", "opened", "settled"),
    [("en", "opened for a unit of", "settled: €34.90 paid."), ("zh-Hans", "收到索赔", "已补偿：支付 €34.90")],
)
def test_a_claim_is_followed_to_its_end(
    desk: Desk, batch: MadeBatch, language: str, opened: str, settled: str
) -> None:
    desk.world.recall("R-1", lots=["SF-1"])
    claim = desk.world.claim(batch.serials[0], email="jo@mail.example")
    browser = desk.signed_in(language=language)
    place = f"/console/claims/{claim}"
    page = browser.page(place)
    assert opened in text_of(page)
    assert "jo@mail.example" in text_of(page)
    browser.recorded("claim.accept", claim=claim)
    done = browser.recorded("claim.settle", claim=claim, amount="34.90 EUR")
    assert settled in text_of(done)
    assert "/console/record/claim." not in done
    assert desk.world.read(lambda connection: get_claim(connection, claim)).standing == "settled"
    for body in desk.world.bodies():
        assert b"jo@mail.example" not in body


def test_a_second_claim_for_one_unit_is_marked_for_a_person(desk: Desk, batch: MadeBatch) -> None:
    desk.world.recall("R-1", lots=["SF-1"])
    desk.world.claim(batch.serials[0])
    second = desk.world.claim(batch.serials[0], email="other@mail.example")
    assert "This unit was claimed before" in text_of(desk.signed_in().page(f"/console/claims/{second}"))


def test_a_claim_that_has_ended_takes_no_further_step(desk: Desk, batch: MadeBatch) -> None:
    desk.world.recall("R-1", lots=["SF-1"])
    claim = desk.world.claim(batch.serials[0])
    browser = desk.signed_in(language="zh-Hans")
    browser.recorded("claim.settle", claim=claim, amount="34.90 EUR")
    refused = browser.record("claim.decline", claim=claim, statement="Too late.")
    assert refused.status_code == 409
    assert "状态为“已补偿”" in text_of(refused)
