"""A buyer asks for the money back: from the label to the settled claim, in English and in Arabic."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.journeys import Shop, demo_copy, served
from tests.outsider import Log, read_log
from tests.reader import Form, Page, Reader

pytestmark = pytest.mark.slow

LANGUAGES = ("en", "ar")
OTHER = {"en": "ar", "ar": "de"}
NAME, EMAIL, PAYOUT = "Zoë Grün-Öztürk", "zoe.gruen@mail.example", "DE02 1203 0000 0000 2020 51"
FILLED = {"remedy": "refund", "country": "DE", "name": NAME, "email": EMAIL, "payout": PAYOUT}


@dataclass
class Counter:
    """The demo's shop with units that nobody has claimed yet, each given out once."""

    shop: Shop
    free: list[str] = field(default_factory=list)

    def unit(self) -> str:
        """The number of another recalled unit."""
        return self.free.pop()

    def status(self, number: str) -> str:
        """What the API says of a number."""
        return str(Reader(self.shop.base).get(f"/api/v1/units/{number}").json["status"])

    def log(self) -> Log:
        """Everything recorded, as an outsider reads it."""
        reader = Reader(self.shop.base)
        return read_log(lambda path: reader.get(f"/log/{path}").body, self.shop.demo["log"]["vkey"])

    def entries_about(self, reference: str) -> list[dict[str, Any]]:
        """The entries about a claim."""
        return [one for one in self.log().entries if f"claim:{reference}" in one["subjects"]]


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    with served(demo_copy(tmp_path_factory)) as shop:
        claimed = "SELECT i FROM claims JOIN unit_sets ON unit_sets.c = claims.c"
        with closing(sqlite3.connect(shop.folder / "lotproof.db")) as connection:
            places = {place for (place,) in connection.execute(claimed)}
        serials = shop.lotproof("unit", "list", "25W21-A")
        yield Counter(shop, [serials[place] for place in range(500) if place not in places])


def form_for(reader: Reader, number: str) -> tuple[Page, Form]:
    """The claim form of a number, reached as a buyer reaches it."""
    page = reader.follow(reader.get(f"/s/{number}"), "/claim/")
    return page, page.form("claim")


def filed(reader: Reader, number: str, **changes: str) -> Page:
    """The page of a claim that was just sent."""
    page, form = form_for(reader, number)
    sent = reader.submit(page, form.filled({**FILLED, **changes}))
    assert sent.status == 200, sent.says
    assert "/claims/" in sent.path
    return sent


def reference_of(page: Page) -> str:
    """The claim's reference, from the address of its page."""
    return page.path.split("/")[3]


def badge_of(page: Page) -> str:
    """What a claim's page shows: the meaning of its badge, or of the band right after sending."""
    classes = " ".join(given.get("class", "") for _, given in page.read.tags)
    found = re.search(r"(?:band|badge) is-(\w+)", classes)
    assert found is not None
    return found[1]


def wrong_fields(page: Page) -> set[str]:
    """The fields that are marked as wrong."""
    marked = [given for _, given in page.read.tags if given.get("aria-invalid") == "true"]
    return {given.get("name") or given["id"] for given in marked}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_buyer_gets_from_the_label_to_a_claim_and_back_to_it(counter: Counter, language: str) -> None:
    reader, number = Reader(counter.shop.base, language), counter.unit()
    page, form = form_for(reader, number)
    assert page.path.startswith(f"/{language}/claim/")
    assert page.read.root["dir"] == ("rtl" if language == "ar" else "ltr")
    assert "remedy" not in form.values  # nothing is chosen for the buyer
    assert form.options["remedy"] == ["refund", "replacement"]
    sent = reader.submit(page, form.filled(FILLED))
    assert sent.path.startswith(f"/{language}/claims/")
    assert badge_of(sent) == "done"
    assert f"{counter.shop.base}{sent.path}" in sent.says
    later = Reader(counter.shop.base, language).get(sent.path)  # from another machine
    assert later.status == 200
    assert badge_of(later) == "waiting"
    assert reference_of(sent) in later.says
    assert later.headers["cache-control"] == "no-store"
    other = Reader(counter.shop.base).get(sent.path.replace(f"/{language}/", f"/{OTHER[language]}/", 1))
    assert other.read.root["lang"] == OTHER[language]
    assert reference_of(sent) in other.says
    assert counter.status(number) == "recalled"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(counter: Counter, language: str) -> None:
    reader, number = Reader(counter.shop.base, language), counter.unit()
    page, form = form_for(reader, number)
    empty = reader.submit(page, form)
    assert empty.status == 422
    assert wrong_fields(empty) == {"remedy", "country", "email"}
    half = {"remedy": "refund", "name": NAME, "email": "zoe at mail", "country": "FR"}
    again = reader.submit(empty, empty.form("claim").filled(half))
    assert again.status == 422
    assert wrong_fields(again) == {"email", "payout"}
    assert half.items() <= again.form("claim").values.items()
    linked = {link.removeprefix("#") for link in again.read.links if link.startswith("#")}
    assert linked >= {"email", "payout"}
    named = {given.get("id") for _, given in again.read.tags}
    assert linked <= named
    parcel = reader.submit(again, again.form("claim").filled({**FILLED, "remedy": "replacement"}))
    assert wrong_fields(parcel) == {"address"}
    sent = reader.submit(parcel, parcel.form("claim").filled({"address": "Sample Street 1\n20000 Hamburg"}))
    assert "/claims/" in sent.path
    assert counter.entries_about(reference_of(sent))[0]["data"]["remedy"] == "replacement"


@pytest.mark.parametrize("language", LANGUAGES)
def test_changing_the_language_keeps_what_was_typed(counter: Counter, language: str) -> None:
    reader, number = Reader(counter.shop.base, language), counter.unit()
    page, form = form_for(reader, number)
    changed = reader.submit(page, form.filled(FILLED).pressed("only_language", OTHER[language]))
    assert changed.status == 200
    assert changed.path.startswith(f"/{OTHER[language]}/claim/")
    assert changed.read.root["lang"] == OTHER[language]
    assert wrong_fields(changed) == set()
    assert FILLED.items() <= changed.form("claim").values.items()
    sent = reader.submit(changed, changed.form("claim"))
    assert sent.path.startswith(f"/{OTHER[language]}/claims/")
    assert counter.entries_about(reference_of(sent))[0]["data"]["language"] == OTHER[language]


def test_only_its_own_link_opens_a_claim(counter: Counter) -> None:
    reader = Reader(counter.shop.base)
    mine, other = filed(reader, counter.unit()), filed(reader, counter.unit())
    *_, reference, secret = mine.path.split("/")
    missing = reader.get("/en/claims/nothing/here")
    assert missing.status == 404
    for wrong in (
        f"/en/claims/{reference}/{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}",
        f"/en/claims/{reference}/{other.path.split('/')[-1]}",
        f"/en/claims/{reference}/",
        f"/en/claims/{reference}",
        f"/en/claims/{reference}/{secret.lower()}",
        f"/en/claims/{reference_of(other)}/{secret}",
        f"/en/claims/{'2' * 16}/{secret}",
        f"/en/claims/{reference}/%C3%A9",
    ):
        page = reader.get(wrong)
        assert page.status == 404, wrong
        assert page.says == missing.says


def test_the_same_form_sent_twice_makes_one_claim(counter: Counter) -> None:
    reader, number = Reader(counter.shop.base), counter.unit()
    page, form = form_for(reader, number)
    first = reader.submit(page, form.filled(FILLED))
    second = reader.submit(page, form.filled(FILLED))
    assert second.path == first.path
    [entry] = counter.entries_about(reference_of(first))
    assert entry["kind"] == "claim.opened/1"


def test_a_form_that_was_sent_and_changed_can_be_sent_as_a_further_claim(counter: Counter) -> None:
    reader, number = Reader(counter.shop.base), counter.unit()
    page, form = form_for(reader, number)
    first = reader.submit(page, form.filled(FILLED))
    changed = {**FILLED, "email": "another@mail.example"}
    again = reader.submit(page, form.filled(changed))
    assert again.status == 422  # it would not be the same claim any more
    assert changed.items() <= again.form("claim").values.items()
    second = reader.submit(again, again.form("claim"))
    assert "/claims/" in second.path
    assert reference_of(second) != reference_of(first)
    assert badge_of(reader.get(second.path)) == "person"


def test_a_second_claim_for_a_unit_waits_for_a_person_and_is_told_nothing_of_the_first(
    counter: Counter,
) -> None:
    number = counter.unit()
    before = Reader(counter.shop.base).get(f"/s/{number}")
    first = filed(Reader(counter.shop.base), number)
    stranger = Reader(counter.shop.base)
    assert stranger.get(f"/s/{number}").read.links == before.read.links  # a claim changes nothing there
    second = filed(stranger, number, name="Another Buyer", email="second@mail.example", payout="AT61")
    assert reference_of(second) != reference_of(first)
    later = stranger.get(second.path)
    assert badge_of(later) == "person"
    for page in (second, later):
        for secret in (reference_of(first), NAME, EMAIL, PAYOUT, first.path.split("/")[-1]):
            assert secret not in page.text
    [opened] = counter.entries_about(reference_of(second))
    assert opened["data"]["doubt"] == "claimed_before"
    assert badge_of(Reader(counter.shop.base).get(first.path)) == "waiting"


@pytest.mark.parametrize("language", LANGUAGES)
def test_staff_accept_and_settle_and_the_answer_changes_only_then(counter: Counter, language: str) -> None:
    reader, number = Reader(counter.shop.base, language), counter.unit()
    claim = filed(reader, number)
    reference, lotproof = reference_of(claim), counter.shop.lotproof
    lotproof("claim", "accept", "--claim", reference, by="Ada Muster")
    assert badge_of(reader.get(claim.path)) == "waiting"
    assert counter.status(number) == "recalled"
    lotproof("claim", "settle", "--claim", reference, "--amount", "34.90 EUR", by="Ben Beispiel")
    assert badge_of(reader.get(claim.path)) == "done"
    assert counter.status(number) == "settled"
    answer = reader.get(f"/s/{number}")
    assert 'class="band is-recalled"' in answer.text
    assert not any("/claim/" in link for link in answer.read.links)
    for personal in (NAME, EMAIL, PAYOUT, reference, "34.90", "34,90"):
        assert personal not in answer.text
    turned_away = reader.get(f"/{language}/claim/{number}", follow=False)
    assert (turned_away.status, turned_away.headers["location"]) == (303, f"/{language}/s/{number}")
    refused = lotproof.refused(
        "claim", "settle", "--claim", reference, "--amount", "34.90 EUR", "--as", "Ada Muster"
    )
    assert refused["error"] == "ClaimMoved"
    assert [one["kind"] for one in counter.entries_about(reference)] == [
        "claim.opened/1",
        "claim.accepted/1",
        "claim.settled/1",
    ]


def test_a_replacement_must_not_be_recalled_itself(counter: Counter) -> None:
    reader, number = Reader(counter.shop.base), counter.unit()
    claim = filed(reader, number, remedy="replacement", address="Sample Street 3, 20000 Hamburg")
    lotproof = counter.shop.lotproof
    settle = ("claim", "settle", "--claim", reference_of(claim), "--as", "Ada Muster", "--replacement")
    assert lotproof.refused(*settle, counter.unit())["error"] == "CannotReplaceWith"
    assert counter.status(number) == "recalled"
    lotproof(*settle, counter.shop.demo["serials"]["clear"][0])
    assert counter.status(number) == "settled"
    assert counter.status(counter.shop.demo["serials"]["clear"][0]) == "not_recalled"


def test_a_form_from_elsewhere_files_nothing_and_keeps_what_was_typed(counter: Counter) -> None:
    reader, number = Reader(counter.shop.base), counter.unit()
    page, form = form_for(reader, number)
    size = counter.log().checkpoint.size
    stranger = Reader(counter.shop.base)  # without the cookie that belongs to the form
    refused = stranger.submit(page, form.filled(FILLED))
    assert refused.status == 422
    assert FILLED.items() <= refused.form("claim").values.items()
    forged = form.filled({**FILLED, "form_token": "A" * 64})
    assert reader.submit(page, forged).status == 422
    assert counter.log().checkpoint.size == size
    sent = stranger.submit(refused, refused.form("claim"))  # once more, as the page asks
    assert "/claims/" in sent.path


def test_a_number_that_is_not_recalled_has_no_claim_form(counter: Counter) -> None:
    reader, serials = Reader(counter.shop.base), counter.shop.demo["serials"]
    page, form = form_for(reader, counter.unit())
    for number in (serials["clear"][0], serials["settled"][0], serials["unknown"][0]):
        turned_away = reader.get(f"/en/claim/{number}", follow=False)
        assert turned_away.status == 303
        form.action = f"/en/claim/{number}"
        assert reader.submit(page, form.filled(FILLED)).path == f"/en/s/{number}"


def test_goods_known_by_their_batch_code_alone_are_claimed_with_a_person_s_help(counter: Counter) -> None:
    reader = Reader(counter.shop.base)
    claim = filed(reader, "25W21-A")
    assert badge_of(reader.get(claim.path)) == "person"
    assert "25W21-A" in reader.get(claim.path).says
    [opened] = counter.entries_about(reference_of(claim))
    assert opened["data"]["doubt"] == "no_serial"


@pytest.mark.parametrize(
    ("name", "typed"), [("email", f"{'a' * 250}@mail.example"), ("name", "Z" * 201), ("payout", "9" * 201)]
)
def test_what_is_too_long_is_refused(counter: Counter, name: str, typed: str) -> None:
    reader = Reader(counter.shop.base)
    page, form = form_for(reader, counter.unit())
    assert wrong_fields(reader.submit(page, form.filled({**FILLED, name: typed}))) == {name}


@pytest.mark.parametrize("name", ["name", "payout"])
def test_whatever_a_buyer_types_is_shown_again_as_text(counter: Counter, name: str) -> None:
    reader = Reader(counter.shop.base)
    page, form = form_for(reader, counter.unit())
    typed = "\"><script>alert(1)</script>&amp;'\u202e"
    again = reader.submit(page, form.filled({**FILLED, name: typed, "email": ""}))
    assert again.form("claim").values[name] == typed
    assert not any(tag == "script" for tag, _ in again.read.tags)


def test_nothing_of_a_buyer_leaves_the_vault(counter: Counter) -> None:
    number = counter.unit()
    personal = {
        "name": "Xaver Unmistakable",
        "email": "xaver.unmistakable@mail.example",
        "payout": "unmistakable-payout-account",
        "address": "Unmistakable Lane 7, 20000 Hamburg",
        "remedy": "replacement",
    }
    claim = filed(Reader(counter.shop.base), number, **personal)
    settle = ("claim", "decline", "--claim", reference_of(claim), "--statement", "A test sample.")
    counter.shop.lotproof(*settle, by="Ada Muster")
    told = b"\n".join(counter.log().bodies)
    secrets = [*personal.values(), number, number.replace("-", ""), "Unmistakable", "unmistakable"]
    for secret in set(secrets) - {"replacement"}:
        assert secret.encode() not in told
    kept = sorted(path for path in counter.shop.folder.rglob("*") if path.is_file())
    assert any(path.name.startswith("vault.db") for path in kept)
    for path in kept:
        assert b"unmistakable" not in path.read_bytes().lower(), path.name
