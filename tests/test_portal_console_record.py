"""Recording in the console: a form for every command, nothing twice, and every mistake said beside its field."""

from datetime import date
from io import BytesIO

import pytest

from ledger.journal.asking import BadAnswers, Question, questions
from ledger.journal.registry import COMMANDS
from ledger.people.roles import may_do, roles
from ledger.trace.batch import get_batch, inputs_of
from ledger.trace.bill_of_materials import list_materials
from ledger.trace.party import list_parties
from ledger.trace.product import list_products
from ledger.trace.seller import get_seller
from ledger.trace.shipment import list_shipments
from portal.console.options import CHOICES
from portal.console.record import NOT_BY_FORM, PARTS, TITLES
from tests.pictures import picture
from tests.staff import Desk, text_of
from tests.world import World
from translations import words_for

pytestmark = pytest.mark.slow

BY_FORM = sorted(COMMANDS.keys() - NOT_BY_FORM)
PNG = picture("PNG")


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk.of(world)


def test_every_command_has_a_form_and_a_name_or_is_left_out_on_purpose() -> None:
    assert {name for _, names in PARTS for name in names} == set(BY_FORM) == set(TITLES)
    assert COMMANDS.keys() >= NOT_BY_FORM


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_every_form_opens(desk: Desk, language: str) -> None:
    browser = desk.signed_in(language=language)
    words = words_for(language, "console")
    listed = browser.page("/console/record")
    for name in BY_FORM:
        assert f"/console/record/{name}" in listed
        page = text_of(browser.page(f"/console/record/{name}"))
        assert words.text(TITLES[name]) in page
        for one in questions(COMMANDS[name].request):
            assert words.text(one.title) in page, f"{name}: {one.title}"


def test_every_fixed_choice_has_a_word() -> None:
    def choices(asked: tuple[Question, ...]) -> set[str]:
        return {c for one in asked for c in (*one.choices, *choices(one.parts))}

    offered = {choice for name in BY_FORM for choice in choices(questions(COMMANDS[name].request))}
    assert offered
    assert offered <= CHOICES.keys()


def test_commands_that_belong_to_the_installation_have_no_form(desk: Desk) -> None:
    browser = desk.signed_in()
    for name in (*NOT_BY_FORM, "party.invent"):
        is_somebodys = may_do(roles(), name) or name not in COMMANDS
        browser.page(f"/console/record/{name}", status=404 if is_somebodys else 403)


@pytest.mark.parametrize(("language", "said"), [("en", "Recorded as entry"), ("zh-Hans", "已记录为条目")])
def test_what_was_recorded_is_shown_with_its_place_in_the_log(desk: Desk, language: str, said: str) -> None:
    browser = desk.signed_in(language=language)
    page = text_of(
        browser.recorded("party.register", code="QL", name="Qingluo Assembly", role="factory", country="CN")
    )
    (party,) = desk.world.read(list_parties)
    assert said in page
    assert f"#{party.recorded}" in page
    assert "Qingluo Assembly" in page
    assert desk.world.ledger.journal.read(party.recorded).actor == desk.account("Ada").actor


def test_a_double_click_records_once(desk: Desk) -> None:
    browser = desk.signed_in()
    fields = browser.hidden("/console/record/material.register")
    answers = {**fields, "code": "CELL", "name": "Cells"}
    first, second = (browser.post("/console/record/material.register", answers) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert len(desk.world.read(list_materials)) == 1


def test_a_form_changed_after_it_was_recorded_asks_again(desk: Desk) -> None:
    browser = desk.signed_in()
    address = "/console/record/material.register"
    fields = browser.hidden(address)
    browser.post(address, {**fields, "code": "CELL", "name": "Cells"})
    answer = browser.post(address, {**fields, "code": "FILM", "name": "Film"})
    assert answer.status_code == 409
    assert "was recorded before, with other answers" in text_of(answer)
    assert 'value="FILM"' in answer.text
    again = browser.post(address, {**fields, "form_token": "another", "code": "FILM", "name": "Film"})
    assert again.status_code == 303
    assert {one.code for one in desk.world.read(list_materials)} == {"CELL", "FILM"}


@pytest.mark.parametrize(
    ("language", "needed", "whole"),
    [("en", "This is needed.", "Write a whole number from 1"), ("zh-Hans", "此项必填。", "请填写 1 到")],
)
def test_all_mistakes_are_said_at_once_beside_their_fields(
    desk: Desk, language: str, needed: str, whole: str
) -> None:
    desk.world.product("VS-10")
    browser = desk.signed_in(language=language)
    before = desk.world.size()
    answer = browser.record(
        "batch.produce", code="B1", product="VS-10", quantity="many", made_on="2025-05-01"
    )
    assert answer.status_code == BadAnswers.http_status
    assert desk.world.size() == before
    assert 'id="factory-error"' in answer.text
    assert f'href="#factory">{needed}' in answer.text
    assert 'id="quantity-error"' in answer.text
    assert whole in text_of(answer)
    assert 'value="B1"' in answer.text
    assert '<option value="VS-10" selected>' in answer.text
    assert 'value="many"' in answer.text


@pytest.mark.parametrize(
    ("language", "said"), [("en", "is on hold: A sample failed."), ("zh-Hans", "已被冻结：A sample failed.")]
)
def test_what_the_ledger_refuses_is_said_in_its_own_words(desk: Desk, language: str, said: str) -> None:
    batch = desk.world.batch("B1", units=3)
    batch.is_held()
    browser = desk.signed_in(language=language)
    before = desk.world.size()
    answer = browser.record(
        "shipment.send",
        code="SH-1",
        channel="own shop",
        country="DE",
        sent_on="2025-05-01",
        **{"lines.0.batch": "B1", "lines.0.quantity": "2"},
    )
    assert answer.status_code == 409
    assert desk.world.size() == before
    assert said in text_of(answer)
    assert 'href="#lines.0.batch"' in answer.text  # the field that holds the code which the error names
    assert 'value="SH-1"' in answer.text


def test_an_unknown_code_is_said_beside_the_field_that_holds_it(desk: Desk) -> None:
    desk.world.party("QINGLUO")
    answer = desk.signed_in().record(
        "batch.produce", code="B1", product="NONE", factory="QINGLUO", made_on="2025-05-01", quantity="5"
    )
    assert answer.status_code == 404
    assert 'id="product-error"' in answer.text


def test_more_rows_come_without_a_script_and_record_nothing(desk: Desk) -> None:
    browser = desk.signed_in()
    before = desk.world.size()
    address = "/console/record/shipment.send"
    assert browser.page(address).count('id="lines.') == 2 * 2
    answer = browser.send(address, **{"more": "lines", "lines.1.quantity": "7", "code": "SH-1"})
    assert answer.status_code == 200
    assert 'id="lines.8.quantity"' in answer.text
    assert 'name="lines.1.quantity" type="text" value="7"' in answer.text
    assert 'value="SH-1"' in answer.text
    assert desk.world.size() == before


def test_rows_left_blank_are_no_rows(desk: Desk) -> None:
    desk.world.lot("SF-1", "4000 m")
    desk.world.product("VS-10")
    desk.world.party("QINGLUO")
    page = desk.signed_in().recorded(
        "batch.produce",
        code="25W21-A",
        product="VS-10",
        factory="QINGLUO",
        made_on="2025-05-01",
        quantity="20000",
        **{
            "inputs.0.lot": "",
            "inputs.0.quantity": "",
            "inputs.1.lot": "SF-1",
            "inputs.1.quantity": "1200 m",
            "date_codes.1": "2521",
        },
    )
    batch = desk.world.read(lambda connection: get_batch(connection, "25W21-A"))
    (consumed,) = desk.world.read(lambda connection: inputs_of(connection, batch.id))
    assert str(consumed.quantity) == "1200 m"
    assert (batch.quantity, batch.made_on) == (20_000, date(2025, 5, 1))
    assert "20,000 units" in text_of(page)


def test_a_file_is_kept_while_the_answers_are_put_right(desk: Desk) -> None:
    browser = desk.signed_in()
    address = "/console/record/product.register"
    answers = {"brand": "Voltaro", "name": "Slim", "model": "VS"}
    refused = browser.send(address, **answers, picture=(BytesIO(PNG), "front.png"))
    assert refused.status_code == BadAnswers.http_status
    kept = refused.text.partition('name="picture.kept" value="')[2].partition('"')[0]
    assert kept
    answer = browser.send(address, **answers, code="VS-10", picture__kept=kept)
    assert answer.status_code == 303
    (product,) = desk.world.read(list_products)
    assert product.picture == kept.partition(".")[0]
    assert desk.world.ledger.files.read(product.picture) == PNG


@pytest.mark.parametrize("kept", ["", "0" * 64 + ".20", "../../keys.1", "x"])
def test_a_file_that_was_never_sent_cannot_be_named(desk: Desk, kept: str) -> None:
    answers = {"brand": "Voltaro", "name": "Slim", "model": "VS", "code": "VS-10"}
    answer = desk.signed_in().send("/console/record/product.register", **answers, picture__kept=kept)
    assert answer.status_code == 303
    (product,) = desk.world.read(list_products)
    assert product.picture is None


def test_the_companys_form_begins_with_what_is_recorded(desk: Desk) -> None:
    browser = desk.signed_in()
    browser.recorded(
        "seller.describe",
        brand="Voltaro",
        company="Voltaro Europe GmbH",
        only_own_serials="yes",
        zone="Europe/Berlin",
        **{"address.0": "Musterkai 4", "address.1": "20457 Hamburg"},
    )
    page = browser.page("/console/record/seller.describe")
    for value in ("Voltaro Europe GmbH", "Musterkai 4", "20457 Hamburg", "Europe/Berlin"):
        assert f'value="{value}"' in page
    assert '<option value="yes" selected>' in page
    seller = desk.world.read(get_seller)
    assert seller is not None
    assert seller.only_own_serials


def test_a_link_fills_in_what_it_knows(desk: Desk) -> None:
    desk.world.batch("B1", units=2)
    page = desk.signed_in().page("/console/record/shipment.send?lines.0.batch=B1")
    assert '<option value="B1" selected>' in page


def test_two_batches_of_one_code_are_told_apart_by_their_products(desk: Desk) -> None:
    desk.world.batch("B1", quantity=10, product="VS-10")
    desk.world.batch("B1", quantity=10, product="VS-20")
    browser = desk.signed_in()
    page = browser.page("/console/record/shipment.send")
    assert '<option value="VS-10/B1"' in page
    assert '<option value="VS-20/B1"' in page
    browser.recorded(
        "shipment.send",
        code="SH-1",
        channel="own shop",
        country="DE",
        sent_on="2025-05-01",
        **{"lines.0.batch": "VS-20/B1", "lines.0.quantity": "4"},
    )
    assert len(desk.world.read(list_shipments)) == 1


def test_what_people_write_is_text_and_never_markup(desk: Desk) -> None:
    browser = desk.signed_in()
    name = "<script>alert(1)</script>{count}"
    page = browser.recorded("party.register", code="X", name=name, role="supplier", country="CN")
    for html in (
        page,
        browser.page("/console/"),
        browser.page("/console/parties"),
        browser.page("/console/log"),
    ):
        assert "<script>" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{count}" in html


def test_free_text_with_an_address_of_a_person_is_refused(desk: Desk) -> None:
    desk.world.batch("B1", units=2)
    answer = desk.signed_in().record("hold.place", batch="B1", reason="Ask jo@mail.example first.")
    assert answer.status_code == 422
    assert "jo@mail.example" in text_of(answer)


def test_a_request_that_is_too_large_is_said_so(desk: Desk) -> None:
    browser = desk.signed_in()
    fields = browser.hidden("/console/record/product.register")
    desk.app.config["MAX_CONTENT_LENGTH"] = 50_000
    large = (BytesIO(bytes(60_000)), "large.png")
    answer = browser.post("/console/record/product.register", {**fields, "picture": large})
    assert answer.status_code == 413
    assert "too large" in text_of(answer)
