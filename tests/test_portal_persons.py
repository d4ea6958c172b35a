"""Personal data for staff: the claim's page and its erasure in the console, and `lotproof person`."""

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from ledger.database import reading, writing
from ledger.quantities import Money
from ledger.recall.claim import Claim, SettleClaim, get_claim
from ledger.recall.claiming import file_claim
from ledger.recall.erasing import keep_to_retention
from ledger.recall.person import ErasePerson
from ledger.recall.retention import default_rules
from ledger.vault.accesses import Access, list_accesses
from portal.cli import main
from portal.worker import Worker
from tests.staff import Desk, text_of
from tests.world import World

pytestmark = pytest.mark.slow

NAME, EMAIL, ADDRESS = "Zoë <b>Grün</b>", "zoe@mail.example", "Sample Street 3\n20000 Hamburg"
ACCOUNT = "DE02 1203 0000 0000 2020 51"
PERSONAL = (NAME, EMAIL, ACCOUNT)
NO_WAY_BACK = {"en": "Nothing brings it back.", "zh-Hans": "无法恢复。"}
Typed = Callable[..., Result]


@pytest.fixture
def claim(world: World) -> str:
    """A buyer's claim for a refund of a recalled unit; gives its reference."""
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=1)
    world.recall("R1", lots=["SF-1"])
    return file_claim(
        world.ledger,
        world.wish(world.answer(batch.serials[0]).matches[0]),
        form_token=world.form(),
        contact={"name": NAME, "email": EMAIL, "address": ""},
        payout={"account": ACCOUNT},
    )


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk.of(world)


def found(world: World, claim: str) -> Claim:
    return world.read(lambda connection: get_claim(connection, claim))


def read_by(world: World, claim: str) -> list[Access]:
    with reading(world.ledger.vault.engine) as connection:
        return list_accesses(connection, found(world, claim).person)


# --- the console


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_a_claims_page_shows_the_buyer_and_writes_down_who_looked(
    world: World, desk: Desk, claim: str, language: str
) -> None:
    page = text_of(desk.signed_in("Ada", language=language).page(f"/console/claims/{claim}"))
    assert all(one in page for one in PERSONAL)
    opened = found(world, claim)
    assert [(one.actor, one.item, one.kind, one.purpose) for one in read_by(world, claim)] == [
        (desk.account("Ada").actor, item, kind, "claim")
        for item, kind in sorted([(opened.contact, "contact"), (opened.payout, "payout")])
    ]
    assert "Ben" not in page
    desk.signed_in("Ben").page(f"/console/claims/{claim}")
    assert "Ben" in text_of(desk.signed_in("Ada", language=language).page(f"/console/claims/{claim}"))
    assert len(read_by(world, claim)) == 6


def test_equal_readings_of_a_day_stand_in_one_line(world: World, desk: Desk, claim: str) -> None:
    ada = desk.signed_in("Ada")
    for _ in range(3):
        ada.page(f"/console/claims/{claim}")
    world.later(hours=24)
    page = desk.signed_in("Ben").page(f"/console/claims/{claim}")
    contact, payout = page.split("Times that day</th>")[1].split("</table>")[0].split("<tr>")[1:]
    assert all(row.count("Ada") == 1 and ">3</td>" in row for row in (contact, payout))


@pytest.mark.parametrize("role", ["auditor", "seller"])
def test_who_has_no_role_for_it_is_not_shown_the_buyer_and_reads_nothing(
    world: World, desk: Desk, claim: str, role: str
) -> None:
    desk.account("Ida", role)
    page = text_of(desk.signed_in("Ida").page(f"/console/claims/{claim}"))
    assert "Who asked is shown to these roles: Recall coordinator, Support and Administrator" in page
    assert not any(one in page for one in PERSONAL)
    assert read_by(world, claim) == []


def test_other_pages_read_nothing_of_the_vault(world: World, desk: Desk, claim: str) -> None:
    browser = desk.signed_in()
    for address in (
        "/console/",
        "/console/claims",
        "/console/log",
        "/console/recalls",
        "/console/record/claim.settle",
    ):
        page = browser.page(address)
        assert not any(one in page for one in PERSONAL)
    assert read_by(world, claim) == []


@pytest.mark.parametrize(
    ("language", "warned", "gone"),
    [("en", "destroyed for ever", "Erased on"), ("zh-Hans", "永久销毁", "删除")],
)
def test_erasing_is_confirmed_recorded_and_shown(
    world: World, desk: Desk, claim: str, language: str, warned: str, gone: str
) -> None:
    browser = desk.signed_in(language=language)
    page = browser.page(f"/console/claims/{claim}")
    address = f"/console/record/person.erase?person={claim}"
    assert address in page
    form = browser.page(address)
    assert warned in text_of(form)
    assert NO_WAY_BACK[language] in text_of(form)
    assert claim in form
    for typed in ("", claim[:-1]):
        assert browser.send(address, person=claim, reason="They asked.", typed=typed).status_code == 422
    assert any(one in text_of(browser.page(f"/console/claims/{claim}")) for one in PERSONAL)
    answer = browser.send(address, person=claim, reason="They asked.", typed=claim)
    assert answer.status_code == 303, text_of(answer)
    assert answer.headers["Location"].startswith(f"/console/claims/{claim}")
    after = text_of(browser.page(f"/console/claims/{claim}"))
    assert gone in after
    assert not any(one in after for one in PERSONAL)
    assert "person.erase" not in browser.page(f"/console/claims/{claim}")
    assert world.ledger.vault.items_of(found(world, claim).person) == []


def test_erasing_without_having_seen_what_it_does_only_shows_it(world: World, desk: Desk, claim: str) -> None:
    browser, size = desk.signed_in(), world.size()
    answer = browser.record("person.erase", person=claim, reason="They asked.")
    assert answer.status_code == 200
    assert "still open" in text_of(answer)
    assert world.size() == size
    assert len(world.ledger.vault.items_of(found(world, claim).person)) == 2


def test_a_value_whose_time_ran_out_is_said_on_its_claim(world: World, desk: Desk, claim: str) -> None:
    world.do(SettleClaim(claim=claim, amount=Money(3_490, "EUR")))
    world.later(days=default_rules()["payout"].days)
    keep_to_retention(world.ledger, now=world.clock.moment)
    page = text_of(desk.signed_in().page(f"/console/claims/{claim}"))
    assert "Account for the refund: removed on" in page
    assert EMAIL in page
    assert ACCOUNT not in page


def test_a_value_that_is_lost_is_said_on_its_claim(world: World, desk: Desk, claim: str) -> None:
    world.ledger.vault.forget([found(world, claim).contact])
    page = text_of(desk.signed_in().page(f"/console/claims/{claim}"))
    assert "the vault does not hold it" in page
    assert ACCOUNT in page


def test_a_damaged_value_is_an_error_that_says_what_to_do(world: World, desk: Desk, claim: str) -> None:
    with writing(world.ledger.vault.engine) as connection:
        connection.execute(text("UPDATE items SET ciphertext = zeroblob(100)"))
    page = text_of(desk.signed_in().page(f"/console/claims/{claim}", status=500))
    assert "Put the vault back from its backup" in page


# --- the worker


def test_a_worker_destroys_once_a_day_what_has_run_out_or_was_left(
    world: World, desk: Desk, claim: str
) -> None:
    worker = Worker(world.ledger, desk.state)
    world.do(SettleClaim(claim=claim, amount=Money(3_490, "EUR")))
    person = found(world, claim).person
    world.later(days=default_rules()["payout"].days, hours=-1)
    worker.do_chores()
    world.later(hours=2)
    worker.do_chores()  # an hour late, and its day is not over
    assert len(world.ledger.vault.items_of(person)) == 2
    world.later(hours=22)
    worker.do_chores()
    assert world.ledger.vault.items_of(person) == [found(world, claim).contact]
    world.do(ErasePerson(person=claim, reason="They asked."))  # and then it crashed
    world.later(days=1)
    worker.do_chores()
    assert world.ledger.vault.items_of(person) == []


# --- the command line


@pytest.fixture
def typed(world: World) -> Typed:
    """Types a command; the ledger is closed meanwhile, as for another process."""
    desk = Desk.of(world)
    for name in ("Ada", "Ben"):
        desk.account(name)
    data = world.ledger.settings.data

    def run(*words: object, code: int = 0) -> Result:
        done = CliRunner().invoke(main, [*map(str, words)], env={"LOTPROOF_DATA": str(data)})
        assert done.exit_code == code, f"{words}: {done.output}{done.stderr}"
        return done

    return run


def said(done: Result) -> Any:
    return json.loads(done.stdout)


OLD = ("--accept-clock",)  # the world's clock stands in 2025


def test_the_export_holds_everything_on_the_person_in_json_and_as_a_page(
    world: World, typed: Typed, claim: str, tmp_path: Path
) -> None:
    for_people, for_programs = tmp_path / "person.html", tmp_path / "person.json"
    typed("person", "export", claim, "--as", "Ada", "--out", for_people, "--out", for_programs)
    held, opened = json.loads(for_programs.read_text()), found(world, claim)
    assert held["person"] == opened.person
    assert {one["kind"]: one["value"] for one in held["values"]} == {
        "contact": {"name": NAME, "email": EMAIL, "address": ""},
        "payout": {"account": ACCOUNT},
    }
    for value in held["values"]:
        rule = default_rules()[value["kind"]]
        assert (value["purpose"], value["kept_days"], value["kept_because"]) == (
            rule.purpose,
            rule.days,
            rule.reason,
        )
        assert (value["claim"], value["removed_on"]) == (claim, None)
        assert value["stored_at"].startswith("2025-05-01")
    [stood] = held["claims"]
    assert (stood["id"], stood["standing"], stood["batch"], stood["recalls"]) == (
        claim,
        "opened",
        "B1",
        ["R1"],
    )
    assert [one["kind"] for one in stood["entries"]] == ["claim.opened/1"]
    assert [one["purpose"] for one in held["accesses"]] == ["export", "export"]
    page = for_people.read_text()
    assert "<b>Grün</b>" not in page  # what a buyer typed is text
    assert NAME in text_of(page)
    assert not re.search(r"(?:src|href)=", page)
    for path in (for_people, for_programs):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_export_overwrites_nothing_and_then_reads_nothing(
    world: World, typed: Typed, claim: str, tmp_path: Path
) -> None:
    there = tmp_path / "person.json"
    there.write_text("another person's")
    refused = typed("person", "export", claim, "--as", "Ada", "--out", there, code=3)
    assert "Choose another name" in refused.stderr
    assert there.read_text() == "another person's"
    assert read_by(world, claim) == []


def test_the_export_says_until_when_each_value_is_kept(world: World, typed: Typed, claim: str) -> None:
    world.do(SettleClaim(claim=claim, amount=Money(3_490, "EUR")))
    held = said(typed("person", "export", claim, "--as", "Ada", "--json"))
    removed = {one["kind"]: one["removed_on"][:10] for one in held["values"]}
    assert removed == {"payout": "2025-10-28", "contact": "2028-05-01"}


def test_a_person_is_erased_by_a_claim_and_the_export_then_says_so(
    world: World, typed: Typed, claim: str
) -> None:
    erased = said(typed("person", "erase", claim, "--reason", "They asked.", "--as", "Ada", *OLD, "--json"))
    assert [one["kind"] for one in erased["entries"]] == ["person.erased/1"]
    held = said(typed("person", "export", claim, "--as", "Ada", "--json"))
    assert held["erased_at"] is not None
    assert {(one["kind"], one["value"], one["is_removed"]) for one in held["values"]} == {
        ("contact", None, True),
        ("payout", None, True),
    }
    assert [one["kind"] for one in held["claims"][0]["entries"]] == ["claim.opened/1", "person.erased/1"]
    refused = typed("person", "erase", claim, "--reason", "Again.", "--as", "Ada", code=3)
    assert "was erased on" in refused.stderr


def test_a_reason_that_names_somebody_is_refused(world: World, typed: Typed, claim: str) -> None:
    line = ("person", "erase", claim, "--reason", f"{EMAIL} asked", "--as", "Ada", *OLD)
    assert "looks like a person's address" in typed(*line, code=3).stderr
    assert len(world.ledger.vault.items_of(found(world, claim).person)) == 2


def test_who_read_a_persons_values_is_listed_also_after_the_erasure(
    world: World, typed: Typed, claim: str
) -> None:
    assert "Nobody has read" in typed("person", "accesses", claim).stdout
    typed("person", "export", claim, "--as", "Ben")
    typed("person", "erase", claim, "--reason", "They asked.", "--as", "Ada", *OLD)
    listed = said(typed("person", "accesses", claim, "--json"))
    assert [(one["kind"], one["purpose"]) for one in listed] in (
        [("contact", "export"), ("payout", "export")],
        [("payout", "export"), ("contact", "export")],
    )
    assert EMAIL not in typed("person", "accesses", claim).stdout


def test_the_rules_of_retention_are_listed_and_set_on_record(world: World, typed: Typed) -> None:
    listed = {one["kind"]: one["days"] for one in said(typed("person", "retention", "--json"))}
    assert listed == {kind: rule.days for kind, rule in default_rules().items()}
    line = (
        "person",
        "set-retention",
        "--kind",
        "payout",
        "--days",
        "30",
        "--reason",
        "It serves.",
        "--as",
        "Ada",
        *OLD,
    )
    assert said(typed(*line, "--json"))["entries"][0]["kind"] == "retention.set/1"
    assert "payout: 30 days. To pay the refund. It serves." in typed("person", "retention").stdout
    assert "--days: This is needed." in typed("person", "set-retention", "--kind", "payout", code=2).stderr


@pytest.mark.parametrize("verb", ["erase", "export", "accesses"])
def test_an_unknown_person_is_named(world: World, typed: Typed, verb: str) -> None:
    more = {"erase": ("--reason", "x", "--as", "Ada", *OLD), "export": ("--as", "Ada"), "accesses": ()}[verb]
    assert (
        "No claim has the reference “2222222222222222”"
        in typed("person", verb, "2" * 16, *more, code=3).stderr
    )
