"""What a buyer is shown: four answers, in the reader's language, at the address that was scanned."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from html import unescape
from typing import Any, cast

import pytest
from flask import Flask, render_template
from flask.testing import FlaskClient
from markupsafe import Markup

from ledger.recall.answer import Answer, Match, PublicRecall, SpokenFor, Status
from ledger.recall.hazards import gravest, hazard_of, hazards
from portal.address import raw_path
from portal.app import create_app
from portal.buyer import seal_of
from portal.forms import Problem, problems
from portal.language import speak
from portal.services import House, Notice, NoticeProduct, RecalledModel
from translations import catalogues, words_for

UNKNOWN: Status = "unknown"
TAGS = [language.tag for language in catalogues().offering("buyer")]
SPOKEN = SpokenFor(datetime(2026, 2, 12, 8, 41, tzinfo=UTC), 48_213, "9f3c61a8" * 8, is_old=False)
HOUSE = House("Voltaro", "Voltaro GmbH, Hamburg", "help@voltaro.example", "+49 40 123", "Europe/Berlin", True)
RECALL = PublicRecall(
    "RQ7", "R-2026-01", "battery_fire", datetime(2026, 2, 3, 14, 20, tzinfo=UTC), 41_960, is_closed=False
)
MATCH = Match(
    product_id="P1",
    brand="Voltaro",
    product="Slim 10K power bank",
    model="VS10K",
    picture="ab" * 32,
    batch="25W21-A",
    batch_id="B1",
    status="recalled",
    recalls=(RECALL,),
    retracted=(),
    position=(12, 4),
)
CLEAR = replace(MATCH, batch="25W20-C", status="not_recalled", recalls=(), position=(11, 0))
MODEL = RecalledModel("R-2026-01", "Slim 10K power bank", "VS10K", None, RECALL.published_at)
NOTICE = Notice(
    code="R-2026-01",
    hazard="battery_fire",
    published_at=RECALL.published_at,
    index=41_960,
    is_closed=False,
    is_retracted=False,
    products=(NoticeProduct("Voltaro", "Slim 10K power bank", "VS10K", None, ("25W21-A", "25W21-B")),),
    sold_from=date(2025, 6, 1),
    sold_until=date(2026, 1, 27),
    countries=("DE", "FR"),
    sold_by=("voltaro.example",),
    spoken_for=SPOKEN,
)


def answered(number: str, *matches: Match, **changes: Any) -> Answer:
    """An answer as the recall floor gives it: the gravest match decides."""
    order: list[Status] = ["recalled", "settled", "not_recalled"]
    status = min((match.status for match in matches), key=order.index, default=UNKNOWN)
    answer = Answer(number, number, "-" in number, False, status, matches, SPOKEN, "")
    return replace(answer, **changes)


RECALLED = answered("7KQ4-M9TX-C2WH-E3", MATCH)


@dataclass
class Shop:
    """A shop in memory: the numbers it knows, and what it was asked."""

    known: dict[str, Answer] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=lambda: {"R-2026-01": NOTICE})
    keeper: House = HOUSE
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    is_down: bool = False

    def house(self) -> House:
        return self.keeper

    def spoken_for(self) -> SpokenFor:
        return SPOKEN

    def find_answer(self, number: str, gtin: str | None = None) -> Answer:
        if self.is_down:
            raise OSError("the disk is gone")
        self.asked.append((number, gtin))
        return self.known.get(number) or answered(number)

    def find_notice(self, code: str) -> Notice | None:
        return self.notices.get(code.upper())

    def recalled_models(self) -> tuple[RecalledModel, ...]:
        return (MODEL,)


@pytest.fixture
def shop() -> Shop:
    clear = answered("R3HV-8N6P-FD5Y-NW", CLEAR)
    settled = answered("SETTLED-1", replace(MATCH, status="settled"))
    return Shop({answer.number: answer for answer in (RECALLED, clear, settled)})


@pytest.fixture
def app(shop: Shop) -> Flask:
    return create_app(shop, secret_key="a key for tests alone")


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


def text_of(page: str) -> str:
    """What a reader reads: the body without its tags, white space joined."""
    body = re.sub(r"<svg.*?</svg>", "", page.partition("<body>")[2], flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace(" - ", "-").split())


def read(client: FlaskClient, path: str, status: int = 200, language: str = "en") -> str:
    response = client.get(path, headers={"Accept-Language": language})
    assert response.status_code == status
    return response.text


# The four answers


def test_a_recalled_number_says_stop_what_to_do_and_what_you_get(client: FlaskClient) -> None:
    page = read(client, "/en/s/7KQ4-M9TX-C2WH-E3")
    text = text_of(page)
    order = (
        "Recalled",
        "Stop using it now. The battery can overheat and catch fire.",
        "What to do now",
        "Unplug it. Don’t charge it again.",
        "Don’t throw it away. Don’t send it by post.",
        "What you get",
        "Ask for a refund or a new one",
        "As of 12 February 2026, 09:41 CET",
    )
    places = [text.index(sentence) for sentence in order]
    assert places == sorted(places)
    assert 'class="band is-recalled"' in page
    assert 'href="/en/claim/7KQ4-M9TX-C2WH-E3"' in page


def test_a_settled_number_still_says_stop_and_tells_nothing_of_the_remedy(client: FlaskClient) -> None:
    page = read(client, "/en/s/SETTLED-1")
    text = text_of(page)
    assert "Still stop using it. A claim for this unit was settled." in text
    assert "The battery can overheat and catch fire." in text
    assert 'class="band is-recalled"' in page
    assert "/claim/" not in page
    for secret in ("refund", "replacement", "new one"):
        assert secret not in text.lower()


def test_a_number_in_no_recall_begins_with_its_time_and_never_says_safe(client: FlaskClient) -> None:
    page = read(client, "/en/s/R3HV-8N6P-FD5Y-NW")
    text = text_of(page)
    assert "In no published recall As of 12 February 2026, 09:41 CET. If a recall follows" in text
    assert "safe" not in text.lower()
    assert "<title>In no recall as of 12 February 2026, 09:41 CET: R3HV-8N6P-FD5Y-NW</title>" in page


def test_an_unknown_number_shows_recalled_models_and_a_person(client: FlaskClient) -> None:
    text = text_of(read(client, "/en/s/NOBODY"))
    assert "We don’t know this number" in text
    assert "So we cannot tell whether it is recalled." in text
    assert "These models are recalled" in text
    assert "Slim 10K power bank" in text
    assert "help@voltaro.example" in text


def test_a_closed_recall_still_answers_recalled(client: FlaskClient, shop: Shop) -> None:
    match = replace(MATCH, recalls=(replace(RECALL, is_closed=True),))
    shop.known["OLD"] = answered("OLD", match)
    assert "Stop using it now." in text_of(read(client, "/en/s/OLD"))


def test_a_retracted_recall_is_linked_from_a_number_in_none(client: FlaskClient, shop: Shop) -> None:
    shop.known["FREE"] = answered("FREE", replace(CLEAR, retracted=(RECALL,)))
    page = read(client, "/en/s/FREE")
    assert "Recall R-2026-01 was taken back. Read more." in text_of(page)
    assert 'href="/en/recalls/R-2026-01"' in page


def test_an_answer_from_a_database_that_is_behind_says_that_it_is_old(
    client: FlaskClient, shop: Shop
) -> None:
    old = replace(SPOKEN, is_old=True)
    shop.known["OLD"] = answered("OLD", CLEAR, spoken_for=old)
    text = text_of(read(client, "/en/s/OLD"))
    assert "Old answer, as of 12 February 2026, 09:41 CET" in text
    assert "This answer is old. Ask again later." in text
    assert "If a recall follows" not in text


def test_two_recalls_give_the_steps_of_the_graver_and_link_both(client: FlaskClient, shop: Shop) -> None:
    burn = replace(RECALL, id="RB", code="R-2025-09", hazard="burn")
    shop.known["BOTH"] = answered("BOTH", replace(MATCH, recalls=(burn, RECALL)))
    page = read(client, "/en/s/BOTH")
    assert "Unplug it. Don’t charge it again." in page
    assert "Switch it off. Let it cool down." not in page
    assert 'href="/en/recalls/R-2025-09"' in page
    assert 'href="/en/recalls/R-2026-01"' in page


def test_a_hazard_without_its_own_text_gets_the_careful_default() -> None:
    assert hazard_of("never heard of").key == "other"
    assert hazard_of("never heard of").no_post
    assert gravest(["choking", "never heard of"]).key == "choking"
    assert gravest(["chemical", "battery_fire"]).key == "battery_fire"
    assert gravest([]).key == "other"
    assert len(hazards()) == 6
    assert all(len(hazard.steps) == 3 for hazard in hazards().values())


# Several products with one number


def test_two_products_with_one_number_are_asked_about_the_recalled_one_first(
    client: FlaskClient, shop: Shop
) -> None:
    lamp = replace(CLEAR, product_id="P2", product="Lamp", model="L1", batch="B7")
    shop.known["1234"] = answered("1234", lamp, MATCH)
    page = read(client, "/en/s/1234")
    text = text_of(page)
    assert "2 products carry this number." in text
    assert "At least one of them is recalled. Until you know, use none of them." in text
    assert text.index("Slim 10K") < text.index("Lamp")
    assert f'src="/pictures/{"ab" * 32}/small"' in page
    assert "Stop using it now." in read(client, "/en/s/1234?product=P1")
    assert "In no published recall" in read(client, "/en/s/1234?product=P2")
    assert "Which one is yours?" in read(client, "/en/s/1234?product=P9")


# Hints


@pytest.mark.parametrize(
    ("hint", "number", "said"),
    [
        ("never_occurring", "7KQ0-M9TX", "Our numbers never have 0, O, 1 or I."),
        ("check_pair", "7KQ4-M9TX-C2WH-E4", "The last two characters don’t fit the others."),
        ("length", "7KQ4-M9TX", "You typed 8 characters. Our numbers have 14."),
        ("", "7KQ4", "Compare every character with the number on your product."),
    ],
)
def test_an_unknown_number_gets_the_hint_that_fits(
    client: FlaskClient, shop: Shop, hint: str, number: str, said: str
) -> None:
    shop.known[number] = answered(number, hint=hint)
    assert said in text_of(read(client, f"/en/s/{number}"))


def test_what_never_occurs_is_said_only_where_all_products_carry_own_serials(shop: Shop) -> None:
    shop.keeper = replace(HOUSE, only_own_serials=False)
    shop.known["7KQ0"] = answered("7KQ0", hint="never_occurring")
    client = create_app(shop, secret_key="k").test_client()
    assert "0, O, 1" not in client.get("/en/s/7KQ0").text
    assert "0, O, 1" not in client.get("/en/").text


# One page for a batch, another number on each


def test_two_units_of_a_batch_share_a_page_but_never_a_number(client: FlaskClient, shop: Shop) -> None:
    other = answered("9999-AAAA-BBBB-CC", replace(MATCH, position=(12, 5)))
    shop.known[other.number] = other
    first, second = read(client, "/en/s/7KQ4-M9TX-C2WH-E3"), read(client, "/en/s/9999-AAAA-BBBB-CC")
    assert "7KQ4" not in second
    assert "9999" not in first
    assert first.replace("7KQ4-M9TX-C2WH-E3", "N").replace(*plates("7KQ4-M9TX-C2WH-E3")) == second.replace(
        "9999-AAAA-BBBB-CC", "N"
    ).replace(*plates("9999-AAAA-BBBB-CC"))


def plates(number: str) -> tuple[str, str]:
    cells = "<i>-</i>".join(f"<span>{cell}</span>" for cell in number.split("-"))
    return cells, "PLATE"


def test_a_later_checkpoint_is_shown_at_once(client: FlaskClient, shop: Shop) -> None:
    read(client, "/en/s/7KQ4-M9TX-C2WH-E3")
    later = SpokenFor(datetime(2026, 2, 12, 9, 0, tzinfo=UTC), 48_300, "00ff" * 16, is_old=False)
    shop.known[RECALLED.number] = replace(RECALLED, spoken_for=later)
    text = text_of(read(client, "/en/s/7KQ4-M9TX-C2WH-E3"))
    assert "As of 12 February 2026, 10:00 CET" in text
    assert "48,300" in text
    assert "48,213" not in text


def test_a_number_stands_on_its_plate_in_groups_that_copy_with_hyphens(client: FlaskClient) -> None:
    page = read(client, "/ar/s/7KQ4-M9TX-C2WH-E3")
    assert '<bdi class="plate" dir="ltr"><span>7KQ4</span><i>-</i><span>M9TX</span>' in page


def test_markup_in_a_number_or_a_name_is_text(client: FlaskClient, shop: Shop) -> None:
    shop.known["X"] = answered("X", replace(MATCH, product="<b>Bank</b>", batch='"><i>'))
    page = read(client, "/en/s/X")
    assert "&lt;b&gt;Bank&lt;/b&gt;" in page
    assert "<i>" not in page.replace("<i>-</i>", "")
    asked = read(client, "/en/s/%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script" not in asked


def test_characters_that_cannot_be_seen_are_not_part_of_a_number(client: FlaskClient, shop: Shop) -> None:
    read(client, "/en/s/%E2%80%AE7KQ4%00-M9TX-C2WH-E3%0A")
    assert shop.asked == [("7KQ4-M9TX-C2WH-E3", None)]


# Addresses


def test_a_scanned_number_is_answered_where_it_stands_in_any_case(client: FlaskClient, shop: Shop) -> None:
    for path in ("/s/7KQ4-M9TX-C2WH-E3", "/S/7KQ4-M9TX-C2WH-E3"):
        assert "Stop using it now." in read(client, path)
    assert "Sofort nicht mehr benutzen." in read(client, "/S/7KQ4-M9TX-C2WH-E3", language="de")
    assert {number for number, _ in shop.asked} == {"7KQ4-M9TX-C2WH-E3"}


def test_a_digital_link_gives_its_serial_and_gtin(client: FlaskClient, shop: Shop) -> None:
    read(client, "/01/09506000134352/10/25W21-A/21/7KQ4-M9TX-C2WH-E3")
    read(client, "/01/09506000134352/10/25W21-A")
    assert shop.asked == [("7KQ4-M9TX-C2WH-E3", "09506000134352"), ("25W21-A", "09506000134352")]


@pytest.mark.parametrize(
    "raw",
    [
        "/01/09506000134352/10/A%2FB/21/C%2F21%2FD?x=1",
        "https://shop.example/01/09506000134352/10/A%2FB/21/C%2F21%2FD",
    ],
)
def test_an_encoded_slash_belongs_to_the_value(client: FlaskClient, shop: Shop, raw: str) -> None:
    environ = {"REQUEST_URI": raw, "RAW_URI": raw}
    response = client.get("/01/09506000134352/10/A/B/21/C/21/D", environ_overrides=environ)
    assert response.status_code == 200
    assert shop.asked == [("C/21/D", "09506000134352")]


def test_a_server_without_the_raw_address_still_finds_a_serial_with_a_slash() -> None:
    path = "/01/09506000134352/10/A/B/21/C%D/ü".encode().decode("latin-1")
    assert raw_path({"PATH_INFO": path}) == "/01/09506000134352/10/A%2FB/21/C%25D%2F%C3%BC"
    assert raw_path({"PATH_INFO": "/en/s/A/B"}) == "/en/s/A/B"


def test_a_factory_serial_with_slashes_is_looked_up_whole(client: FlaskClient, shop: Shop) -> None:
    read(client, "/en/s/AB%2F12%2F%2F7")
    read(client, "/s/AB//12")
    assert shop.asked == [("AB/12//7", None), ("AB//12", None)]


@pytest.mark.parametrize("path", ["/01/09506000134353", "/01/12", "/01/09506000134352/21/1/10/2", "/01/x/y"])
def test_only_an_address_that_is_no_digital_link_is_a_bad_request(client: FlaskClient, path: str) -> None:
    assert "This address is not complete" in text_of(read(client, path, status=400))


def test_a_product_s_code_alone_leads_to_the_question(client: FlaskClient) -> None:
    assert "Check your product" in read(client, "/01/09506000134352")


def test_the_start_goes_to_the_reader_s_language(client: FlaskClient) -> None:
    for header, place in (
        ("de-CH", "/de/"),
        ("zh-TW,zh;q=0.9", "/en/"),
        ("zh-CN", "/zh-Hans/"),
        ("fr", "/en/"),
    ):
        response = client.get("/", headers={"Accept-Language": header})
        assert (response.status_code, response.location) == (302, place)
        assert "Accept-Language" in response.headers["Vary"]


# Asking


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        (" 7kq4 m9tx ", "/en/s/7kq4%20m9tx"),
        ("AB/12", "/en/s/AB%2F12"),
        ("HTTPS://SHOP.EXAMPLE/01/09506000134352/10/25W21-A/21/7KQ4M9TXC2WHE3", "/en/s/7KQ4M9TXC2WHE3"),
        ("https://shop.example/s/7KQ4M9TXC2WHE3", "/en/s/7KQ4M9TXC2WHE3"),
        ("https://shop.example/zh-Hans/s/7KQ4M9TXC2WHE3", "/en/s/7KQ4M9TXC2WHE3"),
        ("https://shop.example/01/09506000134352/10/25W21-A", "/en/s/25W21-A"),
    ],
)
def test_a_typed_number_or_a_pasted_address_goes_to_its_answer(
    client: FlaskClient, typed: str, place: str
) -> None:
    response = client.get("/en/check", query_string={"number": typed})
    assert (response.status_code, response.location) == (303, place)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("  ", "Type the number on the product."),
        ("https://elsewhere.example/offers", "This link holds no number of ours."),
    ],
)
def test_nothing_to_look_up_is_said_at_the_field(client: FlaskClient, typed: str, said: str) -> None:
    response = client.get("/en/check", query_string={"number": typed})
    assert response.status_code == 422
    assert said in text_of(response.text)
    assert "<title>Error: Check your product</title>" in response.text
    assert 'aria-describedby="number-hint number-error" aria-invalid="true"' in response.text


# Languages


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("number", ["7KQ4-M9TX-C2WH-E3", "R3HV-8N6P-FD5Y-NW", "SETTLED-1", "NOBODY"])
def test_every_answer_is_whole_in_every_language(client: FlaskClient, tag: str, number: str) -> None:
    page = read(client, f"/{tag}/s/{number}")
    words = words_for(tag, "buyer")
    assert f'<html lang="{tag}" dir="{words.direction}" class="buyer">' in page
    assert "\0" not in page
    if tag != "en":
        english = words_for("en", "buyer")
        for sentence in (
            "What to do now",
            "Read the full notice",
            "I can’t read the number",
            "Stop using it now.",
        ):
            assert sentence not in text_of(page)
        assert english.text("Recalled") not in text_of(page)


def test_the_chooser_keeps_the_page_and_remembers_the_choice(client: FlaskClient) -> None:
    page = read(client, "/en/s/AB%2F12")
    link = re.search(r'href="(/ar/language[^"]*)" hreflang="ar" lang="ar"', page)
    assert link is not None
    response = client.get(unescape(link[1]))
    assert (response.status_code, response.location) == (303, "/ar/s/AB%2F12")
    assert client.get("/").location == "/ar/"
    assert 'lang="ar"' in read(client, "/s/AB%2F12", language="de")


@pytest.mark.parametrize(
    "place", ["/evil.example", "//evil.example", "\\evil.example", "a\r\nSet-Cookie: x=1"]
)
def test_the_chooser_leads_nowhere_else(client: FlaskClient, place: str) -> None:
    assert client.get("/de/language", query_string={"next": place}).status_code == 400


# Notice and help


@pytest.mark.parametrize("tag", TAGS)
def test_the_notice_has_what_the_law_lists(client: FlaskClient, tag: str) -> None:
    text, words = text_of(read(client, f"/{tag}/recalls/r-2026-01")), words_for(tag, "buyer")
    wanted = [
        words.text("Product safety recall"),
        words.text("The battery can overheat and catch fire."),
        *(words.text(step) for step in hazard_of("battery_fire").steps),
        words.text("Your money back in full, or a new one. You choose, and both are free."),
        words.date(date(2025, 6, 1)),
        words.country("FR"),
        words.text("Do you know someone who has one? Please show them this page."),
        "Voltaro GmbH, Hamburg",
        "help@voltaro.example",
        "+49 40 123",
        "VS10K",
        "25W21-B",
    ]
    assert [item for item in wanted if item not in text] == []


def test_a_retracted_notice_says_so_and_promises_nothing(client: FlaskClient, shop: Shop) -> None:
    shop.notices["R-2026-01"] = replace(NOTICE, is_retracted=True)
    text = text_of(read(client, "/en/recalls/R-2026-01"))
    assert "This recall was taken back" in text
    assert "Stop using it now." not in text


def test_a_notice_that_was_never_published_is_not_found(client: FlaskClient) -> None:
    assert "There is no page here" in text_of(read(client, "/en/recalls/R-2099-01", status=404))


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("topic", ["hot", "unreadable", "gone", "message"])
def test_every_help_page_ends_with_a_person(client: FlaskClient, tag: str, topic: str) -> None:
    text = text_of(read(client, f"/{tag}/help/{topic}"))
    assert "help@voltaro.example" in text
    assert words_for(tag, "buyer").text("Ask a person") in text


# Errors and headers


@pytest.mark.parametrize(
    ("path", "language", "title"),
    [
        ("/de/nirgends", "en", "Hier ist keine Seite"),
        ("/nowhere", "ar", "لا توجد صفحة هنا"),
        ("/xx/", "en", "There is no page here"),
    ],
)
def test_what_is_not_there_is_said_in_the_reader_s_language(
    client: FlaskClient, path: str, language: str, title: str
) -> None:
    assert title in text_of(read(client, path, 404, language=language))


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    response = client.post("/en/s/7KQ4")
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]
    assert "This page cannot do that" in response.text


def test_a_fault_of_ours_says_not_to_use_the_product(shop: Shop) -> None:
    shop.is_down = True
    response = create_app(shop, secret_key="k").test_client().get("/en/s/7KQ4")
    assert response.status_code == 500
    assert "Until you have an answer, don’t use the product." in text_of(response.text)
    assert "disk" not in response.text


@pytest.mark.parametrize("path", ["/en/", "/en/s/7KQ4-M9TX-C2WH-E3", "/nowhere", "/static/portal.css"])
def test_every_response_forbids_what_no_page_of_ours_does(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    response.close()
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"


def test_no_cache_may_keep_an_answer_but_any_may_keep_the_style_sheet(client: FlaskClient) -> None:
    assert client.get("/en/s/R3HV-8N6P-FD5Y-NW").headers["Cache-Control"] == "no-cache"
    sheet = re.search(r'href="(/static/[^"]+)"', client.get("/en/").text)
    assert sheet is not None
    response = client.get(sheet[1])
    response.close()
    assert response.headers.getlist("Cache-Control") == ["public, max-age=31536000"]


def test_an_answer_sets_no_cookie(client: FlaskClient) -> None:
    for path in ("/s/7KQ4-M9TX-C2WH-E3", "/de/s/NOBODY", "/01/09506000134352/21/1"):
        assert "Set-Cookie" not in client.get(path).headers


@pytest.mark.parametrize("path", ["/en/", "/en/s/7KQ4-M9TX-C2WH-E3", "/en/recalls/R-2026-01", "/en/help/hot"])
def test_no_page_needs_a_script_or_an_inline_style(client: FlaskClient, path: str) -> None:
    page = read(client, path)
    assert "<script" not in page
    assert "style=" not in page
    assert not re.search(r"\son\w+=", page)
    drawn = set(re.findall(r'<use href="#([\w-]+)"', page))
    assert drawn <= set(re.findall(r' id="([\w-]+)"', page))


# Claims: the pages; what they do is in portal.claims


@dataclass(frozen=True)
class Filled:
    """What was typed into the claim form."""

    remedy: str = ""
    country: str = ""
    name: str = ""
    email: str = ""
    payout: str = ""
    address: str = ""


def claim_page(app: Flask, tag: str, values: Filled, *found: Problem) -> str:
    with app.test_request_context(f"/{tag}/claim/7KQ4-M9TX-C2WH-E3"):
        words = speak(tag)
        return render_template(
            "buyer/claim.html",
            house=HOUSE,
            here="claim/7KQ4-M9TX-C2WH-E3",
            number="7KQ4-M9TX-C2WH-E3",
            shown="7KQ4-M9TX-C2WH-E3",
            form_address=f"/{tag}/claim/7KQ4-M9TX-C2WH-E3",
            csrf_token="csrf-1",
            form_token="form-1",
            countries=[(code, words.country(code)) for code in ("DE", "FR")],
            values=values,
            problems=problems(found),
        )


def test_the_claim_form_chooses_nothing_for_the_reader(app: Flask) -> None:
    page = claim_page(app, "en", Filled())
    assert " checked" not in page
    assert '<input type="hidden" name="csrf_token" value="csrf-1">' in page
    assert '<input type="hidden" name="form_token" value="form-1">' in page
    assert page.index("Your money back") < page.index("A new one")


def test_a_claim_with_problems_lists_them_and_keeps_what_was_typed(app: Flask) -> None:
    filled = Filled(remedy="refund", country="FR", email="a@", name="Zoë <b>")
    page = claim_page(app, "en", filled, Problem("email", "Type an e-mail address with a domain."))
    assert "<title>Error: What would you like?</title>" in page
    assert '<a href="#email">Type an e-mail address with a domain.</a>' in page
    assert 'id="email-error"' in page
    assert 'value="refund" checked' in page
    assert '<option value="FR" selected>France</option>' in page
    assert "Zoë &lt;b&gt;" in page


def test_changing_the_language_of_a_claim_sends_its_fields_along(app: Flask) -> None:
    page = claim_page(app, "de", Filled())
    assert (
        '<button form="claim" formaction="/ar/claim/7KQ4-M9TX-C2WH-E3" formnovalidate name="only_language"'
        in page
    )


def test_a_new_claim_shows_its_reference_and_what_has_happened(app: Flask) -> None:
    with app.test_request_context("/en/claims/x"):
        words = speak("en")
        when = words.moment(SPOKEN.as_of, HOUSE.zone)
        page = render_template(
            "buyer/claim_status.html",
            house=HOUSE,
            next="claims/x",
            reference="C-77",
            shown="7KQ4-M9TX-C2WH-E3",
            is_new=True,
            remedy_text="A refund",
            state="waiting",
            state_text="Being looked at",
            link="https://voltaro.example/en/claims/x",
            events=[(when, None, "done", "We have your claim.", "")],
        )
    text = text_of(page)
    for wanted in ("C-77", "7KQ4-M9TX-C2WH-E3", "A refund", "https://voltaro.example/en/claims/x", when):
        assert wanted in text
    assert 'class="band is-done"' in page


def test_a_seal_s_words_are_markup_once(app: Flask) -> None:
    with app.test_request_context("/en/"):
        seal = seal_of(speak("en"), SPOKEN, HOUSE.zone)
    assert seal.root_start == "9f3c 61a8"
    assert isinstance(seal.as_of, Markup)
    assert cast(str, seal.root).split() == ["9f3c61a8"] * 8
