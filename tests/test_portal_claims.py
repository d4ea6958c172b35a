"""Claims where one number stands on two products: each is claimed for what it is."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from ledger.recall.claim import list_claims
from ledger.state import open_state
from portal.app import create_app
from portal.claims import claims
from portal.live import Live
from tests.world import World

NUMBER = "SN-000017"
TYPED = {"remedy": "refund", "country": "DE", "email": "b@mail.example", "payout": "DE02 1203"}


@pytest.fixture
def shop(world: World) -> Iterator[FlaskClient]:
    """A shop in which two recalled products carry the same factory's number."""
    for product in ("VS-10", "VM-20"):
        world.batch(f"B-{product}", product=product, quantity=5).receives_units([NUMBER])
    world.recall("R1", batches=["B-VS-10"])
    world.recall("R2", batches=["B-VM-20"])
    state = open_state(None)
    app = create_app(Live(world.ledger, state), secret_key="only for tests")
    app.register_blueprint(claims)
    with app.test_client() as client:
        yield client
    state.dispose()


def links(page: str, part: str) -> list[str]:
    """The addresses in a page that have this part, as a browser reads them."""
    return [
        one.partition('"')[0].replace("&amp;", "&")
        for one in page.split('="')[1:]
        if part in one.partition('"')[0]
    ]


def hidden(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


@pytest.mark.parametrize("place", [0, 1])
def test_the_claim_is_for_the_product_that_the_reader_chose(
    world: World, shop: FlaskClient, place: int
) -> None:
    product = world.answer(NUMBER).matches[place].product_id
    question = shop.get(f"/en/s/{NUMBER}").text
    [chosen] = links(question, f"product={product}")
    [claim] = links(shop.get(chosen).text, "/claim/")
    page = shop.get(claim).text
    [action] = links(page, "/en/claim/")[:1]
    tokens = {name: hidden(page, name) for name in ("csrf_token", "form_token")}
    wrong = shop.post(action, data={**tokens, "remedy": "refund"}).text
    [again] = links(wrong, "/en/claim/")[:1]
    sent = shop.post(again, data={**TYPED, **tokens})
    assert sent.status_code == 303
    [filed] = world.read(list_claims)
    assert filed.product == product


def test_a_name_typed_with_its_accent_apart_is_claimed_under(world: World, shop: FlaskClient) -> None:
    page = shop.get(f"/en/claim/{NUMBER}").text
    [action] = links(page, "/en/claim/")[:1]
    tokens = {name: hidden(page, name) for name in ("csrf_token", "form_token")}
    sent = shop.post(action, data={**TYPED, **tokens, "name": "Zoe\u0308 "})
    assert sent.status_code == 303
    [filed] = world.read(list_claims)
    assert world.ledger.vault.read(filed.contact)["name"] == "Zo\u00eb"


def test_a_number_on_one_product_has_an_address_without_it(world: World) -> None:
    world.batch("B1", quantity=5).receives_units([NUMBER])
    world.recall("R1", batches=["B1"])
    state = open_state(None)
    app = create_app(Live(world.ledger, state), secret_key="only for tests")
    with app.test_client() as client:
        assert links(client.get(f"/en/s/{NUMBER}").text, "/claim/") == [f"/en/claim/{NUMBER}"]
    state.dispose()
