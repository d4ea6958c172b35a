"""The box that finds: what a text may be, for whom, and what is said where it is nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from ledger.identifiers import ALPHABET, grouped, is_own_serial
from ledger.log import store
from ledger.people.roles import may_see, roles
from ledger.trace.substitution import FindSubstitution
from portal.scans import TEST_TEXT, typed_by_scanner
from portal.search import Found, one_slip, search
from tests.staff import Desk, text_of
from tests.world import MadeBatch, World

GTIN = "09506000134352"
HOST = "localhost:8000"
FOREIGN = "FAC/001.A"
MOST_QUERIES = 10


@dataclass
class Told:
    """A world with one of everything."""

    world: World
    batch: MadeBatch
    claim: str

    def find(self, text: str, *held: str) -> Found:
        """What somebody in these roles finds; in all of them, where none are named."""
        wanted = held or tuple(roles())
        return self.world.read(
            lambda connection: search(connection, text, lambda area: may_see(wanted, area))
        )

    def nouns(self, text: str, *held: str) -> list[str]:
        return [hit.noun for hit in self.find(text, *held).hits]

    @property
    def serial(self) -> str:
        return self.batch.serials[0]


@pytest.fixture
def told(world: World) -> Told:
    world.product("VS-10", gtin=GTIN)
    world.lot("SF-1", "4000 m")
    batch = world.batch("25W21-A", lots={"SF-1": "1200 m"}, units=5, date_codes=["W2125"])
    batch.ships(to="DE", count=1)
    world.batch("25W22-B", units=2, product="VM-20")
    world.batch("F1", product="VN-5", quantity=3).receives_units([FOREIGN, "FAC/002.A"])
    found = FindSubstitution(
        code="S-1", lots=("SF-1",), known="uncoated", effective_on=world.today, statement="A sample burnt."
    )
    world.do(found)
    world.recall("R-2025-01", lots=["SF-1"])
    return Told(world, batch, world.claim(batch.serials[1]))


@contextmanager
def counted(world: World) -> Iterator[list[str]]:
    """The statements that a block sends."""
    sent: list[str] = []

    def note(*given: object) -> None:
        if str(given[2]).lstrip().upper().startswith(("SELECT", "WITH")):
            sent.append(str(given[2]))

    event.listen(world.ledger.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(world.ledger.engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("text", "noun", "code"),
    [
        ("25W21-A", "batch", "25W21-A"),
        (" 25w21–a ", "batch", "25W21-A"),
        ("VS-10/25W21-A", "batch", "25W21-A"),
        ("W2125", "batch", "25W21-A"),
        ("SF-1", "material_lot", "SF-1"),
        ("sf-1", "material_lot", "SF-1"),
        ("THEIR-SF-1", "material_lot", "SF-1"),
        ("TALLOW", "party", "TALLOW"),
        ("tallow works", "party", "TALLOW"),
        ("VM-20", "product", "VM-20"),
        (GTIN, "product", "VS-10"),
        ("9506000134352", "product", "VS-10"),
        ("FILM", "material", "FILM"),
        ("R-2025-01", "recall", "R-2025-01"),
        ("S-1", "substitution", "S-1"),
        (FOREIGN, "unit", FOREIGN),
        ("fac/001.a", "unit", FOREIGN),
        (f"HTTPS://{HOST}/01/{GTIN}", "product", "VS-10"),
        (f"https://{HOST}/01/{GTIN}/10/25W21-A", "batch", "25W21-A"),
    ],
)
def test_each_thing_is_found_by_what_people_know_it_by(told: Told, text: str, noun: str, code: str) -> None:
    assert [(hit.noun, hit.code) for hit in told.find(text).exact] == [(noun, code)]


def test_a_unit_is_found_however_its_serial_is_written(told: Told) -> None:
    for text in (
        told.serial,
        told.serial.lower(),
        grouped(told.serial),
        grouped(told.serial).replace("-", " "),
        f"HTTPS://{HOST}/01/{GTIN}/10/25W21-A/21/{told.serial}",
        f"Https://{HOST}/01/{GTIN}/21/{told.serial}",
        f"/S/{told.serial}",
        f"https://{HOST}/s/{told.serial.lower()}",
        f"]Q1{told.serial}\r",
        f"(01){GTIN}(10)25W21-A(21){told.serial}",
    ):
        found = told.find(text)
        assert [(hit.noun, hit.code) for hit in found.exact] == [("unit", grouped(told.serial))], text
        assert found.reading.repair.is_plain, text


def test_claims_shipments_and_entries_are_found(told: Told) -> None:
    assert told.nouns(told.claim) == ["claim"]
    assert told.nouns(told.claim.lower()) == ["claim"]
    shipment = next(
        code for code in (f"SH-{size}" for size in range(200)) if told.nouns(code) == ["shipment"]
    )
    assert told.find(shipment).hits[0].code == shipment
    assert [(hit.noun, hit.id) for hit in told.find("#3").hits] == [("entry", "3")]
    assert ("entry", "3") in [(hit.noun, hit.id) for hit in told.find("3").hits]
    assert told.nouns("#99999") == []


def test_an_entry_is_found_by_the_beginning_of_its_hash(told: Told) -> None:
    leaves = told.world.read(lambda connection: store.read_leaves(connection, 0, 1_000))
    hashes = [leaf.hex() for leaf in leaves]
    for digits in (8, 9, 64):
        index, whole = next(
            (index, one) for index, one in enumerate(hashes) if not one[:digits].isdigit()
        )  # digits alone are an index
        assert [hit.id for hit in told.find(whole[:digits].upper()).hits] == [str(index)]
    assert told.nouns("abc") == []


def test_leaves_are_found_in_full_tiles_and_beyond_them(world: World) -> None:
    while world.size() < 300:
        world.product(f"P-{world.size()}")
    leaves = world.read(lambda connection: store.read_leaves(connection, 0, 300))
    for index in (0, 255, 256, 299):
        for digits in (8, 15, 64):
            prefix = leaves[index].hex()[:digits]
            assert world.read(lambda connection: store.find_leaves(connection, prefix, limit=9)) == [index]  # noqa: B023


def test_what_is_recalled_or_on_hold_is_marked(told: Told) -> None:
    told.world.batch("H1", product="VM-20").is_held()
    assert told.find(told.serial).hits[0].is_recalled
    assert told.find("25W21-A").hits[0].is_recalled
    assert not told.find("25W22-B").hits[0].is_recalled
    held = told.find("H1").hits[0]
    assert (held.is_held, held.is_recalled) == (True, False)


def test_a_draft_or_a_retracted_recall_marks_nothing(world: World) -> None:
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=1)
    told = Told(world, batch, "")
    recall = world.draft("R1", lots=["SF-1"])
    assert not any(hit.is_recalled for text in ("B1", batch.serials[0]) for hit in told.find(text).hits)
    recall.approve().publish()
    assert all(hit.is_recalled for text in ("B1", batch.serials[0]) for hit in told.find(text).hits)
    recall.retract()
    assert not any(hit.is_recalled for text in ("B1", batch.serials[0]) for hit in told.find(text).hits)


def test_a_batch_code_of_two_products_gives_both_and_a_gtin_one_unit(told: Told) -> None:
    told.world.batch("25W21-A", product="VM-20")
    assert told.nouns("25W21-A") == ["batch", "batch"]
    assert told.nouns("VM-20/25W21-A") == ["batch"]
    told.world.batch("F2", product="VS-10", quantity=1).receives_units([FOREIGN])
    assert told.nouns(FOREIGN) == ["unit", "unit"]
    [hit] = told.find(f"HTTPS://{HOST}/01/{GTIN}/21/{FOREIGN.replace('/', '%2F')}").hits
    assert hit.name == "Product VS-10"


@pytest.mark.parametrize("role", roles())
def test_nobody_finds_what_is_not_for_them(told: Told, role: str) -> None:
    area_of = {
        "unit": "units",
        "batch": "batches",
        "claim": "claims",
        "recall": "recalls",
        "party": "parties",
    }
    texts = {
        "unit": told.serial,
        "batch": "25W21-A",
        "claim": told.claim,
        "recall": "R-2025-01",
        "party": "TALLOW",
    }
    for noun, text in texts.items():
        is_seen = may_see((role,), area_of[noun])
        assert (noun in told.nouns(text, role)) == is_seen, noun
        assert (area_of[noun] in told.find(text, role).left_out) != is_seen, noun
        assert noun not in [hit.noun for hit in told.find(f"{text}X", role).near] or is_seen, noun


def test_a_slip_of_the_pen_is_asked_about_and_never_put_right_in_silence(told: Told) -> None:
    other = next(one for one in ALPHABET if one != told.serial[5])
    slip = told.serial[:5] + other + told.serial[6:]
    found = told.find(slip)
    assert found.hits == ()
    assert found.hint in (
        "check_pair",
        "",
    )  # by chance a slip may look like another code, and then nothing is hinted
    assert [hit.code for hit in found.near] == [grouped(told.serial)]
    assert next(hit.code for hit in told.find("25W21-C").near) == "25W21-A"
    assert told.find("0" * 14).hint == "never_occurring"


@given(place=st.integers(0, 13), other=st.sampled_from(ALPHABET))
def test_every_serial_is_one_of_the_few_that_a_slip_of_it_may_be(place: int, other: str) -> None:
    serial = "7KQ4M9TXC2WHE3"
    slip = serial[:place] + other + serial[place + 1 :]
    candidates = one_slip(slip)
    assert all(map(is_own_serial, candidates))
    assert len(candidates) < 60
    assert slip == serial or serial in candidates


@pytest.mark.parametrize("computer", ["de", "fr", "es", "it", "tr", "ru", "ar", "he", "el", "ja", "kana"])
def test_a_scan_through_another_layout_is_found_and_said(told: Told, computer: str) -> None:
    got = typed_by_scanner(f"HTTPS://LOTS.EXAMPLE/01/{GTIN}/10/25W21-A/21/{told.serial}", computer=computer)
    found = told.find(got)
    assert [hit.code for hit in found.hits] == [grouped(told.serial)]
    assert not found.reading.repair.is_plain
    assert found.reading.repair.layout == computer


def test_what_is_known_as_it_stands_is_never_read_in_another_way(told: Told) -> None:
    """A factory's numbers may be each other's, typed on another keyboard."""
    told.world.batch("F3", product="VN-5", quantity=2).receives_units(["YYY-111-Z", "ZZZ-111-Y"])
    for serial in ("YYY-111-Z", "ZZZ-111-Y"):
        found = told.find(serial)
        assert [hit.code for hit in found.hits] == [serial]
        assert found.reading.repair.is_plain


def test_a_scanned_number_that_is_not_recorded_is_said_beside_what_is(told: Told) -> None:
    found = told.find(f"HTTPS://{HOST}/01/{GTIN}/10/25W21-A/21/7KQ4M9TXC2WHE3")
    assert [hit.noun for hit in found.hits] == ["batch"]
    assert found.missed == "7KQ4-M9TX-C2WH-E3"
    found = told.find(f"HTTPS://{HOST}/01/{GTIN}/21/7KQ4M9TXC2WHE3")
    assert ([hit.noun for hit in found.hits], found.missed) == (["product"], "7KQ4-M9TX-C2WH-E3")


TEXTS = (
    "25W21-A",
    "Works",
    "%",
    "_",
    "abcdef0123456789",
    "ABCDEF2345678A",
    "QQQ-1",
    "#1",
    "x" * 400,
    TEST_TEXT,
)


@pytest.mark.parametrize("text", [*TEXTS, "", "-", "'", "\x00", "\x1d", "HTTPS://", "/S/", "(01)", "١٢٣"])
def test_a_search_takes_at_most_ten_queries(told: Told, text: str) -> None:
    with counted(told.world) as sent:
        told.find(text)
    assert len(sent) <= MOST_QUERIES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_any_text_has_an_answer(told: Told, text: str) -> None:
    found = told.find(text)
    assert len(found.near) <= 5
    assert found.text.isprintable()


def test_wildcards_are_letters_like_others(told: Told) -> None:
    assert told.nouns("%%") == []
    assert told.nouns("__") == []


# --- the page


@pytest.fixture
def desk(told: Told) -> Desk:
    return Desk.of(told.world)


def test_one_exact_find_leads_straight_to_its_page(told: Told, desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    for text, start in (
        (told.serial, "/console/units/"),
        ("25W21-A", "/console/batches/"),
        ("#3", "/console/log/3"),
        (told.claim, f"/console/claims/{told.claim}"),
        (f"HTTPS%3A//{HOST}/S/{told.serial}", "/console/units/"),
    ):
        answer = ada.get(f"/console/search?q={text.replace('#', '%23')}")
        assert answer.status_code == 303, text
        assert answer.headers["Location"].startswith(start)
        assert ada.page(answer.headers["Location"])


def test_a_unit_s_page_says_what_it_is(told: Told, desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    place = ada.get(f"/console/search?q={told.batch.serials[1]}").headers["Location"]
    page = text_of(ada.page(place))
    for said in (
        grouped(told.batch.serials[1]),
        "25W21-A",
        "Product VS-10",
        "recalled",
        "R-2025-01",
        told.claim,
    ):
        assert said in page
    desk.account("Wim", "warehouse")
    assert told.claim not in desk.signed_in("Wim").page(place)
    assert ada.get("/console/units/1/1").status_code == 404
    assert ada.get(f"/console/units/{2**70}/1").status_code == 404


def test_a_label_of_somebody_else_is_told_and_its_number_looked_up(told: Told, desk: Desk) -> None:
    page = desk.signed_in("Ada").page(f"/console/search?q=https://other.example/S/{told.serial}")
    assert "This is not one of our codes: it leads to other.example" in text_of(page)
    assert "/console/units/" in page


def test_a_wrong_layout_is_explained_with_what_to_set(told: Told, desk: Desk) -> None:
    got = typed_by_scanner(f"HTTPS://{HOST.partition(':')[0]}.EXAMPLE/S/{told.serial}", computer="de")
    said = text_of(desk.signed_in("Ada").page(f"/console/search?q={got}"))
    assert "as if this computer’s keyboard were US English" in said
    assert f"We read it as {grouped(told.serial)}. Set the scanner to German." in said


def test_nothing_found_says_what_was_looked_for_and_what_to_do(told: Told, desk: Desk) -> None:
    said = text_of(desk.signed_in("Ada").page("/console/search?q=QQ-1"))
    for words in ("Nothing found for QQ-1", "We looked for", "What to do", "Try the scanner"):
        assert words in said
    assert "you meant" not in said


def test_the_areas_that_were_left_out_are_named(told: Told, desk: Desk) -> None:
    desk.account("Wim", "warehouse")
    page = text_of(desk.signed_in("Wim").page(f"/console/search?q={told.claim}"))
    assert "Nothing found" in page
    assert "Not searched, because they are for other roles:" in page
    assert "Claims" in page
    assert "Not searched" not in text_of(desk.signed_in("Ada").page("/console/search?q=QQ-1"))


def test_markup_in_a_search_is_text(told: Told, desk: Desk) -> None:
    page = desk.signed_in("Ada").page("/console/search?q=<script>alert(1)</script>")
    assert "<script>alert" not in page


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_the_test_code_leads_to_what_is_to_be_set(told: Told, desk: Desk, language: str) -> None:
    ada = desk.signed_in("Ada", language=language)
    answer = ada.client.get("/console/search", query_string={"q": typed_by_scanner(TEST_TEXT, computer="de")})
    assert answer.status_code == 303
    page = ada.page(answer.headers["Location"])
    assert "notice is-person" in page
    if language == "en":
        assert "Set the scanner to German." in text_of(page)
    right = ada.client.get("/console/scanner", query_string={"scan": TEST_TEXT})
    assert "notice is-done" in right.text
    assert "notice is-person" in ada.page("/console/scanner?scan=hello")


def test_the_box_stands_on_every_page_and_not_at_the_door(told: Told, desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    for place in ("/console/", "/console/log", "/console/search", "/console/nowhere"):
        assert 'id="find"' in ada.get(place).text
    assert 'id="find"' not in desk.browser().page("/console/sign-in")
