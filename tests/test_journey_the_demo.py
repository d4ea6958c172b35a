"""The demo as its visitors meet it, on the real server: every number, however it is written, in four languages."""

import base64
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from ledger.identifiers import grouped
from tests.journeys import Shop, demo_copy, served
from tests.outsider import Log, read_log
from tests.reader import Page, Reader

pytestmark = pytest.mark.slow

STATUS = {
    "recalled": "recalled",
    "clear": "not_recalled",
    "settled": "settled",
    "unknown": "unknown",
}
# What the answer says first, by language: as a speaker of it reads it, not as our catalogue has it today.
BANDS = {
    "en": ("Recalled", "In no published recall", "We don’t know this number"),
    "de": ("Zurückgerufen", "In keinem veröffentlichten Rückruf", "Wir kennen diese Nummer nicht"),
    "zh-Hans": ("已召回", "不在任何已发布的召回中", "我们没有找到这个编号"),
    "ar": ("مشمول بالاستدعاء", "غير وارد في أي استدعاء منشور", "لا نعرف هذا الرقم"),
}
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with served(demo_copy(tmp_path_factory)) as running:
        yield running


@pytest.fixture
def reader(shop: Shop) -> Reader:
    return Reader(shop.base)


@dataclass(frozen=True, slots=True)
class Label:
    """What the label of a unit holds."""

    gtin: str
    batch: str
    serial: str  # without dashes

    @property
    def path(self) -> str:
        return f"/01/{self.gtin}/10/{self.batch}/21/{self.serial}"


def label_of(folder: Path, number: str) -> Label:
    """The label of a unit of the demo."""
    serial = number.replace("-", "")
    query = (
        "SELECT gtin, batches.code FROM units JOIN unit_sets ON unit_sets.id = unit_set "
        "JOIN batches ON batches.id = unit_sets.batch JOIN products ON products.id = batches.product "
        "WHERE serial = ?"
    )
    with closing(sqlite3.connect(f"file:{folder / 'lotproof.db'}?mode=ro", uri=True)) as connection:
        gtin, batch = connection.execute(query, [serial]).fetchone()
    return Label(gtin, batch, serial)


def band_of(page: Page) -> str:
    """The first thing that an answer says: its one heading of the first rank."""
    before, _, after = page.text.partition("<h1>")
    assert 'class="band' in before.rpartition("\n")[0][-400:] or 'class="band' in before
    return after.partition("</h1>")[0].replace("&#39;", "'")


def expect_answer(page: Page, kind: str, language: str) -> None:
    """The page is the answer of this kind, whole, in this language."""
    recalled, clear, unknown = BANDS[language]
    assert page.status == 200
    assert page.read.root["lang"] == language
    assert page.read.root["dir"] == ("rtl" if language == "ar" else "ltr")
    assert band_of(page) == {"clear": clear, "unknown": unknown}.get(kind, recalled)
    asks_for_claim = any("/claim/" in link for link in page.read.links)
    assert asks_for_claim == (kind == "recalled")
    assert page.read.links.count("/log/checkpoint") == 1


@pytest.mark.parametrize("kind", STATUS)
@pytest.mark.parametrize("language", BANDS)
def test_every_number_of_the_demo_shows_what_its_list_says(shop: Shop, kind: str, language: str) -> None:
    reader = Reader(shop.base, language)
    for number in shop.demo["serials"][kind]:
        expect_answer(reader.get(f"/s/{number}"), kind, language)
        expect_answer(reader.get(f"/S/{number.lower()}"), kind, language)
        expect_answer(Reader(shop.base, "fr").get(f"/{language}/s/{number}"), kind, language)
        if kind != "unknown":
            path = label_of(shop.folder, number).path
            expect_answer(reader.get(path), kind, language)
            expect_answer(reader.get(path.lower()), kind, language)


@pytest.mark.parametrize("kind", STATUS)
def test_the_api_answers_every_number_in_one_shape(shop: Shop, reader: Reader, kind: str) -> None:
    for number in shop.demo["serials"][kind]:
        expect_shape(reader, reader.get(f"/api/v1/units/{number}"), STATUS[kind])


def expect_shape(reader: Reader, page: Page, status: str) -> None:
    """The shape that the API promises for every number."""
    told = page.json
    assert page.status == 200
    assert page.headers["content-type"] == "application/json"
    assert told.keys() == {"status", "as_of", "is_old", "checkpoint", "recalls", "matches", "hint"}
    assert told["status"] == status
    assert told["checkpoint"].keys() == {"size", "root"}
    size, root = reader.get("/log/checkpoint").text.split("\n")[1:3]
    assert told["checkpoint"] == {"size": int(size), "root": _hex(root)}
    assert datetime.fromisoformat(told["as_of"]).utcoffset() == timedelta(0)
    assert told["matches"] == []
    recalls = told["recalls"]
    assert [one["code"] for one in recalls] == (["R-2025-01"] if status in ("recalled", "settled") else [])
    assert all(one.keys() == {"code", "hazard", "published_at", "index", "closed"} for one in recalls)


def _hex(encoded: str) -> str:
    return base64.b64decode(encoded).hex()


def full_width(number: str) -> str:
    """As it is typed with a Chinese or Japanese keyboard that was not switched."""
    return "".join(chr(ord(one) + 0xFEE0) if one.isalnum() else one for one in number)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "lower case": str.lower,
    "spaces": lambda number: number.replace("-", " "),
    "no dashes": lambda number: number.replace("-", ""),
    "full width": full_width,
    "long dashes": lambda number: number.replace("-", "–"),
    "dashes that do not break": lambda number: number.replace("-", "‑"),
    "something around it": lambda number: f"  {number}\u200e ",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", ["recalled", "clear", "settled"])
def test_a_number_is_found_however_it_is_written(
    shop: Shop, reader: Reader, kind: str, spelling: str
) -> None:
    number = shop.demo["serials"][kind][0]
    written = quote(SPELLINGS[spelling](number), safe="")
    expect_answer(reader.get(f"/s/{written}"), kind, "en")
    assert reader.get(f"/s/{written}").says == reader.get(f"/s/{number}").says
    assert reader.get(f"/api/v1/units/{written}").json["status"] == STATUS[kind]


@pytest.mark.parametrize("language", BANDS)
def test_the_ask_form_takes_numbers_and_pasted_or_scanned_addresses(shop: Shop, language: str) -> None:
    reader = Reader(shop.base, language)
    start = reader.get("/")
    assert start.path == f"/{language}/"
    for kind in ("recalled", "clear", "settled"):
        number = shop.demo["serials"][kind][-1]
        label = label_of(shop.folder, number)
        for typed in (
            number,
            number.lower().replace("-", " "),
            f"HTTPS://VOLTARO.EXAMPLE{label.path}",
            f"https://voltaro.example{label.path}?utm=1",
            f"https://voltaro.example/s/{number}",
            f"{shop.base}/de/s/{number}",
        ):
            sent = reader.submit(start, start.form().filled({"number": typed}))
            assert sent.path.startswith(f"/{language}/s/")
            expect_answer(sent, kind, language)


@pytest.mark.parametrize("language", BANDS)
def test_an_empty_or_useless_address_is_said_at_the_field(shop: Shop, language: str) -> None:
    reader = Reader(shop.base, language)
    start = reader.get("/")
    for typed in ("", "   ", "https://elsewhere.example/about"):
        again = reader.submit(start, start.form().filled({"number": typed}))
        assert again.status == 422
        assert any(given.get("aria-invalid") == "true" for _, given in again.read.tags)
        assert again.form().values["number"] == typed.strip()


def test_a_batch_code_is_answered_like_a_serial(shop: Shop, reader: Reader) -> None:
    for code, kind in (
        ("25W20-A", "clear"),
        ("25W21-A", "recalled"),
        ("25w22b", "recalled"),
        ("25W24-C", "clear"),
    ):
        page = reader.get(f"/s/{code}")
        expect_answer(page, kind, "en")
        expect_shape(reader, reader.get(f"/api/v1/units/{code}"), STATUS[kind])
        hints = [given for tag, given in page.read.tags if given.get("class") == "hint"]
        assert len(hints) == (kind == "recalled")  # that a number on the unit itself tells more
    expect_answer(reader.get("/01/04012345000016/10/25W21-A"), "recalled", "en")
    expect_answer(reader.get("/01/04012345000016/10/25w20-a"), "clear", "en")


def test_a_number_with_an_encoded_slash_is_one_number(reader: Reader) -> None:
    page = reader.get("/s/AB%2FCD")
    expect_answer(page, "unknown", "en")
    assert "AB/CD" in page.says
    expect_shape(reader, reader.get("/api/v1/units/AB%2FCD"), "unknown")
    linked = reader.get("/01/04012345000016/10/25W21-A/21/AB%2FCD")
    expect_answer(linked, "unknown", "en")
    assert "AB/CD" in linked.says


@pytest.mark.parametrize(
    "number", ["%00", "%F0%9F%98%80", "%FF%FE", "'%20OR%201=1", "<b>x", "A" * 500, "%25"]
)
def test_the_strangest_number_is_answered_not_refused(reader: Reader, number: str) -> None:
    address = quote(number, safe="%'=")
    page = reader.get(f"/en/s/X{address}")
    expect_answer(page, "unknown", "en")
    expect_shape(reader, reader.get(f"/api/v1/units/X{address}"), "unknown")
    assert "<b>x" not in page.text


@pytest.mark.parametrize("path", ["/01/123", "/01/04012345000017/10/25W21-A", "/01/04012345000016/99/X"])
def test_only_what_is_no_digital_link_is_refused(reader: Reader, path: str) -> None:
    assert reader.get(path).status == 400


def test_answers_carry_the_headers_that_keep_readers_safe_and_no_cookie(shop: Shop) -> None:
    number = shop.demo["serials"]["recalled"][0]
    for path in (f"/s/{number}", label_of(shop.folder, number).path, f"/de/s/{number}", "/s/nothing"):
        page = Reader(shop.base).get(path)
        assert HEADERS.items() <= page.headers.items()
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert "set-cookie" not in page.headers
        assert page.headers["cache-control"] == "no-cache"
        if not path.startswith("/de/"):
            assert page.headers["vary"] == "Accept-Language, Cookie"
    answer = Reader(shop.base).get(f"/api/v1/units/{number}")
    assert HEADERS.items() <= answer.headers.items()
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_head_says_what_get_says_without_the_body(shop: Shop, reader: Reader) -> None:
    number = shop.demo["serials"]["recalled"][0]
    for path in (f"/s/{number}", f"/api/v1/units/{number}", "/en/", "/log/checkpoint", "/log/vkey"):
        got, headed = reader.get(path), reader.get(path, method="HEAD")
        assert (headed.status, headed.body) == (got.status, b"")
        assert _lasting(headed.headers) == _lasting(got.headers)


def _lasting(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ("date", "x-request-id")}


@pytest.mark.parametrize("language", BANDS)
def test_no_page_leads_nowhere_or_to_somebody_else(shop: Shop, language: str) -> None:
    """From the start and from one answer of each kind, over every link that a reader can follow."""
    reader = Reader(shop.base, language)
    serials = shop.demo["serials"]
    waiting = [f"/{language}/", *(f"/{language}/s/{serials[kind][0]}" for kind in serials)]
    seen: set[str] = set(waiting)
    while waiting:
        page = reader.get(waiting.pop())
        assert page.status == 200, page.url
        if not page.headers["content-type"].startswith("text/html"):
            continue
        if page.path.startswith(f"/{language}/"):
            assert page.read.root["lang"] == language, page.url
        for address in page.read.addresses:
            if address.startswith(("mailto:", "data:", "#", "tel:")):
                continue
            assert not urlsplit(address).netloc, f"{page.url} goes to {address}"
            if "/language?" not in address and "/check" not in address and address not in seen:
                seen.add(address)
                waiting.append(address)
    assert any("/recalls/R-2025-01" in path for path in seen)
    assert any("/help/" in path for path in seen)
    assert any("/claim/" in path for path in seen)


@pytest.mark.parametrize("language", BANDS)
def test_the_chooser_shows_the_same_page_in_the_language_chosen(shop: Shop, language: str) -> None:
    number = shop.demo["serials"]["recalled"][0]
    reader = Reader(shop.base, "en")
    page = reader.follow(reader.get(f"/s/{number}"), f"/{language}/language?")
    assert page.path.casefold() == f"/{language}/s/{number}".casefold()
    expect_answer(page, "recalled", language)
    expect_answer(reader.get(f"/s/{number}"), "recalled", language)  # remembered at the label's address


def test_demo_json_says_where_everything_is_and_only_to_its_owner(shop: Shop) -> None:
    demo = shop.demo
    assert demo["portal"] == f"{shop.base}/"
    assert demo["console"] == f"{shop.base}/console/"
    assert demo["login"].keys() == {"name", "password"}
    assert demo["log"]["url"] == f"{shop.base}/log/"
    assert demo["log"]["vkey"] == Reader(shop.base).get("/log/vkey").text.strip()
    assert demo["serials"].keys() == STATUS.keys()
    assert all(demo["serials"].values())
    assert (shop.folder / "demo.json").stat().st_mode & 0o777 == 0o600
    assert all(key.stat().st_mode & 0o777 == 0o600 for key in (shop.folder / "keys").iterdir())


# --- the story, as the log tells it


@pytest.fixture(scope="module")
def log(shop: Shop) -> Log:
    reader = Reader(shop.base)
    return read_log(lambda path: reader.get(f"/log/{path}").body, shop.demo["log"]["vkey"])


def moment(entry: Mapping[str, Any]) -> datetime:
    """When an entry was recorded."""
    return datetime.fromisoformat(entry["at"])


def test_the_first_entry_says_that_this_is_a_demo(log: Log) -> None:
    opened = log.entries[0]
    assert opened["kind"] == "log.opened/1"
    assert opened["data"]["demo"] is True
    assert opened["data"]["origin"] == "voltaro.example/log"
    assert moment(opened).year == 2025


def test_three_products_and_four_batches_of_twenty_thousand_were_made(log: Log) -> None:
    assert len(log.events("product.registered/1")) == 3
    produced = log.events("batch.produced/1")
    assert [entry["data"]["quantity"] for entry in produced] == [20_000] * 4
    assert [entry["data"]["count"] for entry in log.events("units.commissioned/1")] == [20_000] * 4
    assert {entry["at"][:4] for entry in produced} == {"2025"}


def test_the_swapped_film_is_found_in_autumn_and_dated_back_before_the_batches_that_hold_it(
    log: Log,
) -> None:
    [found] = log.events("substitution.found/1")
    assert found["data"]["effective_on"] == "2025-05-12"
    assert moment(found).month == 10
    [lot] = found["data"]["lots"]
    holding = [
        [one["lot"] for one in entry["data"]["inputs"]]
        for entry in log.events("batch.produced/1")
        if lot in [one["lot"] for one in entry["data"]["inputs"]]
    ]
    films = {entry["data"]["material"] for entry in log.events("material_lot.received/1")}
    assert len(films) == 3
    assert len(holding) == 2
    assert sorted(map(len, holding)) == [3, 4]  # one of them holds another lot of film besides


def test_the_recall_opens_is_agreed_by_a_second_person_and_widened_a_week_later(log: Log) -> None:
    [drafted] = log.events("recall.drafted/1")
    [published] = log.events("recall.published/1")
    [widened] = log.events("recall.widened/1")
    first, second = log.events("recall.approved/1")
    assert first["actor"] == second["actor"] != drafted["actor"]
    assert drafted["at"] < first["at"] < published["at"] < second["at"] < widened["at"]
    assert timedelta(days=6) < moment(widened) - moment(published) < timedelta(days=8)


def test_claims_arrive_from_six_countries_and_some_are_settled(log: Log) -> None:
    opened = log.events("claim.opened/1")
    assert {entry["data"]["country"] for entry in opened} == {"DE", "FR", "GB", "JP", "US", "ES"}
    assert {entry["data"]["remedy"] for entry in opened} == {"refund", "replacement"}
    settled = {entry["data"]["claim"] for entry in log.events("claim.settled/1")}
    assert settled < {entry["data"]["claim"] for entry in opened}


def test_every_settled_number_of_the_list_stands_for_a_settled_claim(shop: Shop, log: Log) -> None:
    assert len(log.events("claim.settled/1")) == len(shop.demo["serials"]["settled"])


def test_no_entry_holds_a_serial_or_a_person(shop: Shop, log: Log) -> None:
    told = b"\n".join(log.bodies)
    for numbers in shop.demo["serials"].values():
        for number in numbers:
            assert number.encode() not in told
            assert number.replace("-", "").encode() not in told
            assert grouped(number.replace("-", "")).encode() not in told
    for secret in (b"buyer0@", b"mail.example", b"Sample Street", b"Ada Muster", b"Ben Beispiel"):
        assert secret not in told
