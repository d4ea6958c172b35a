"""The API: orders, entries, who asks; its errors; and every route of it in every role."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from ledger.log.merkle import leaf_hash
from ledger.people.roles import may_do, roles
from ledger.people.token import RevokeToken
from ledger.trace.batch import get_batch
from ledger.trace.unit import sets_of
from portal.api.frame import OPEN_TO_ALL
from portal.listings import LISTINGS
from portal.orders import orders
from portal.permissions import rule_of
from tests.programs import Program
from tests.staff import PASSWORD, Desk
from tests.world import World


@pytest.fixture
def desk(world: World) -> Desk:
    world.product("VS-10")
    world.lot("SF-1", "4000 m")
    world.batch("B1", lots={"SF-1": "1200 m"}, units=3, quantity=10)
    return Desk.of(world)


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """The problem details of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    told: dict[str, Any] = json.loads(answer.text)
    assert told["status"] == status
    assert told["type"].startswith("/problems/")
    assert told["title"]
    assert told["detail"]
    return told


# --- orders


def test_an_order_is_recorded_under_the_tokens_name_and_told_with_its_leaf(desk: Desk) -> None:
    shop = Program.of(desk, "quality")
    inputs = [{"lot": "SF-1", "quantity": {"amount": 3, "unit": "m"}}]
    party = desk.world.read(
        lambda connection: connection.exec_driver_sql("SELECT code FROM parties").scalars().first()
    )
    answer = shop.orders(
        "batch.produce",
        code="B2",
        product="VS-10",
        factory=party,
        made_on="2025-05-01",
        quantity=5,
        inputs=inputs,
    )
    assert answer.status_code == 200, answer.text
    (entry,) = answer.get_json()["entries"]
    made = desk.world.read(lambda connection: get_batch(connection, "B2"))
    assert entry["made"] == [f"batch:{made.id}"]
    assert (entry["kind"], entry["actor"]) == ("batch.produced/1", shop.actor)
    body = desk.world.bodies()[entry["index"]]
    assert entry["leaf_hash"] == hashlib.sha256(b"\0" + body).hexdigest()


def test_the_same_order_under_the_same_key_is_recorded_once(desk: Desk) -> None:
    shop = Program.of(desk, "warehouse")
    first = shop.orders("hold.place", key="k", batch="B1", reason="A sample failed.")
    size = desk.world.size()
    again = shop.orders("hold.place", key="k", batch="B1", reason="A sample failed.")
    assert (again.status_code, again.data, desk.world.size()) == (200, first.data, size)
    other = shop.orders("hold.place", key="k", batch="B1", reason="Another.")
    assert problem(other, 422)["type"] == "/problems/same-key-other-request"
    assert desk.world.size() == size


@pytest.mark.parametrize("key", ["", "two words", "x" * 201, "schlüssel"])
def test_an_order_without_a_key_is_refused(desk: Desk, key: str) -> None:
    shop, size = Program.of(desk, "warehouse"), desk.world.size()
    fields = {"batch": "B1", "reason": "A sample failed."}
    answer = shop.asks("commands/hold.place", "POST", json=fields, headers={"Idempotency-Key": key})
    assert problem(answer, 400)["type"] == "/problems/key-needed"
    assert desk.world.size() == size


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"reason": "x"}, "/batch"),
        ({"batch": 1, "reason": "x"}, "/batch"),
        ({"batch": "B1", "reason": "x", "a/b": 1}, "/a~1b"),
        ({"batch": "", "reason": "x"}, "/batch"),
    ],
)
def test_a_field_that_cannot_be_taken_is_pointed_at(desk: Desk, fields: dict[str, Any], pointer: str) -> None:
    told = problem(Program.of(desk, "warehouse").orders("hold.place", **fields), 422)
    assert [one["pointer"] for one in told["errors"]] == [pointer]


def test_a_field_within_a_list_is_pointed_at(desk: Desk) -> None:
    lines = [{"batch": "B1", "quantity": 1}, {"batch": "B1", "quantity": "two"}]
    fields: dict[str, Any] = {
        "code": "S1",
        "channel": "shop",
        "country": "DE",
        "sent_on": "2025-05-01",
        "lines": lines,
    }
    told = problem(Program.of(desk, "warehouse").orders("shipment.send", **fields), 422)
    assert told["errors"] == [{"pointer": "/lines/1/quantity", "detail": "Expected `int`, got `str`"}]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b'{"batch":"\\ud800"}', 400),
        (b"[]", 422),
        (b"", 400),
        (b"x" * 2**21, 413),
    ],
)
def test_what_is_not_the_request_is_refused(desk: Desk, data: bytes, status: int) -> None:
    shop = Program.of(desk, "warehouse")
    headers = {"Idempotency-Key": "k"}
    answer = shop.asks(
        "commands/hold.place", "POST", data=data, content_type="application/json", headers=headers
    )
    problem(answer, status)
    plain = shop.asks("commands/hold.place", "POST", data=b"{}", content_type="text/plain", headers=headers)
    assert problem(plain, 415)["type"] == "/problems/unsupported-media-type"


def test_what_the_ledger_refuses_is_said_with_its_facts(desk: Desk) -> None:
    told = problem(Program.of(desk, "warehouse").orders("hold.place", batch="B9", reason="x"), 404)
    assert told["type"] == "/problems/unknown-batch"
    assert told["facts"] == {"code": "B9"}
    assert "B9" in told["detail"]


def test_serials_are_made_once_for_a_key_and_never_more_than_the_batch_has(desk: Desk) -> None:
    shop = Program.of(desk, "do:unit.commission")
    first = shop.orders("unit.commission", key="k", batch="B1", count=2)
    again = shop.orders("unit.commission", key="k", batch="B1", count=2)
    assert (first.status_code, again.data) == (200, first.data)
    batch = desk.world.read(lambda connection: get_batch(connection, "B1"))
    sets = desk.world.read(lambda connection: sets_of(connection, batch.id))
    assert [one.count for one in sets] == [3, 2]
    told = problem(shop.orders("unit.commission", batch="B1", count=1_000_000_000), 409)
    assert told["type"] == "/problems/more-than-made"


def test_a_person_is_erased_and_what_was_kept_on_them_is_gone(desk: Desk) -> None:
    batch = desk.world.batch("B3", lots={"SF-1": "1 m"}, units=2)
    desk.world.recall("R1", batches=["B3"])
    claim = desk.world.claim(batch.serials[0])
    place = f"/console/claims/{claim}"
    assert "buyer@mail.example" in desk.signed_in("Ada").page(place)
    answer = Program.of(desk, "do:person.erase").orders("person.erase", person=claim, reason="They asked.")
    assert answer.status_code == 200, answer.text
    assert "buyer@mail.example" not in desk.signed_in("Ada").page(place)


def test_a_file_that_is_not_stored_is_named_in_no_entry(desk: Desk) -> None:
    shop, size = Program.of(desk, "seller"), desk.world.size()
    stored = desk.world.ledger.files.put(b"a picture")
    fields = {"code": "P", "gtin": "4012345678901", "brand": "V", "name": "N", "model": "M"}
    for picture in (
        {"sha256": "ab" * 32, "size_bytes": 9},
        {"sha256": "../../etc", "size_bytes": 9},
        {"sha256": stored.sha256, "size_bytes": 10},
    ):
        told = problem(shop.orders("product.register", **fields, picture=picture), 404)
        assert told["type"] == "/problems/file-missing"
    assert desk.world.size() == size


def test_no_program_orders_what_belongs_to_the_machine_or_to_our_own_programs() -> None:
    names = orders().keys()
    assert {"batch.produce", "recall.publish", "unit.commission", "person.erase", "token.revoke"} <= names
    assert not [one for one in names if one.startswith(("log.", "master_key."))]
    assert names.isdisjoint(
        {"account.admit", "token.issue", "claim.open", "person.expire", "unit.commission_sets"}
    )


# --- about


def test_a_token_about_one_subject_orders_nothing_about_another(desk: Desk) -> None:
    world = desk.world
    world.batch("B2", lots={"SF-1": "1 m"}, quantity=5)
    about = f"batch:{world.read(lambda connection: get_batch(connection, 'B1')).id}"
    shop, size = Program.of(desk, "warehouse", "quality", about=about), world.size()
    for name, fields in (
        ("hold.place", {"batch": "B2", "reason": "x"}),
        ("recall.draft", {"code": "R", "hazard": "battery_fire", "statement": "x", "batches": ["B1", "B2"]}),
        ("recall.draft", {"code": "R", "hazard": "battery_fire", "statement": "x", "lots": ["SF-1"]}),
        ("material.register", {"code": "M", "name": "M"}),
    ):
        assert problem(shop.orders(name, **fields), 403)["type"] == "/problems/about-another"
    assert world.size() == size
    assert shop.orders("hold.place", batch="B1", reason="x").status_code == 200
    assert shop.asks("me").get_json()["about"] == about


# --- who asks


def test_who_asks_is_told_who_they_are_and_until_when(desk: Desk) -> None:
    shop = Program.of(desk, "warehouse", "do:recall.draft")
    told = shop.asks("me").get_json()
    assert told == {
        "actor": shop.actor,
        "name": told["name"],
        "scopes": ["warehouse", "do:recall.draft"],
        "about": None,
        "until": "2025-05-31T08:00:00.000Z",
    }


def test_without_a_token_that_works_nothing_is_answered(desk: Desk) -> None:
    shop = Program.of(desk, "warehouse", days=10)
    client = desk.app.test_client()
    for headers in (
        {},
        {"Authorization": "Bearer lotproof_nobodys"},
        {"Authorization": f"Basic {shop.secret}"},
    ):
        answer = client.get("/api/v1/me", headers=headers)
        assert problem(answer, 401)["type"] == "/problems/no-token"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    desk.world.later(days=10)
    problem(shop.asks("me"), 401)
    other = Program.of(desk, "warehouse")
    desk.world.do(RevokeToken(token=other.actor.partition(":")[2], reason="Lost."))
    assert problem(other.asks("entries/0"), 403)["type"] == "/problems/area-closed"
    assert other.asks("me").get_json()["scopes"] == []


def test_a_session_of_the_console_opens_nothing_here(desk: Desk) -> None:
    ada = desk.signed_in("Ada")
    size = desk.world.size()
    assert ada.get("/api/v1/me").status_code == 401
    fields = {"batch": "B1", "reason": "x"}
    answer = ada.client.post("/api/v1/commands/hold.place", json=fields, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, desk.world.size()) == (401, size)
    assert PASSWORD not in answer.text


def test_no_page_of_another_site_may_read_an_answer(desk: Desk) -> None:
    shop = Program.of(desk, "auditor")
    for method in ("GET", "OPTIONS"):
        answer = shop.asks("me", method, headers={"Origin": "https://elsewhere.example"})
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
        assert "Set-Cookie" not in answer.headers
    assert shop.asks("me").headers["Cache-Control"] == "no-store"


# --- reading


def test_an_entry_is_given_with_the_bytes_that_its_leaf_is_over(desk: Desk) -> None:
    auditor = Program.of(desk, "see:log")
    told = auditor.asks("entries/3").get_json()
    body = desk.world.bodies()[3]
    assert told["text"].encode() == body
    assert told["leaf_hash"] == leaf_hash(body).hex()
    assert told["data"] == json.loads(body)["data"]
    for index in (desk.world.size(), 2**70):
        assert problem(auditor.asks(f"entries/{index}"), 404)["type"] == "/problems/no-such-entry"


# --- addresses, and every route in every role


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nowhere", 404),
        ("POST", "nowhere", 404),
        ("GET", "entries/x", 404),
        ("POST", "me", 405),
        ("DELETE", "entries/1", 405),
        ("GET", "commands/batch.produce", 405),
        ("POST", "commands/cake.bake", 404),
        ("POST", "commands/log.rotate_key", 403),
    ],
)
def test_a_wrong_address_is_answered_as_a_problem(desk: Desk, method: str, path: str, status: int) -> None:
    answer = Program.of(desk, "auditor").asks(path, method)
    problem(answer, status)
    if status == 405:
        assert answer.headers["Allow"]


def routes(desk: Desk) -> Iterator[tuple[str, str, str]]:
    """(endpoint, method, address) of every route that asks for a token, each command's own included."""
    for route in desk.app.url_map.iter_rules():
        if route.endpoint.startswith("api.") and route.endpoint not in OPEN_TO_ALL:
            for method in sorted((route.methods or set()) & {"GET", "POST"}):
                for name in orders() if "name" in route.arguments else [""]:
                    address = route.rule.replace("<name>", name).replace("<int:index>", "0")
                    yield route.endpoint, method, address.removeprefix("/api/v1/")


def test_every_route_says_for_whom_it_is(desk: Desk) -> None:
    assert [one for one in routes(desk) if rule_of(desk.app.view_functions[one[0]]) is None] == []


@pytest.mark.parametrize("role", roles())
def test_a_route_answers_whom_it_is_for_and_no_other(desk: Desk, role: str) -> None:
    program = Program.of(desk, role)
    for endpoint, method, address in routes(desk):
        rule = rule_of(desk.app.view_functions[endpoint])
        assert rule is not None
        command = address.rpartition("/")[2] if rule.argument else ""
        is_allowed = roles()[role].may_see(rule.area) or not rule.area
        is_allowed &= not command or may_do([role], command)
        status = program.asks(address, method).status_code
        assert (status != 403) == is_allowed, f"{role}: {method} {address} gave {status}"


def test_an_auditor_orders_nothing(desk: Desk) -> None:
    auditor, size = Program.of(desk, "auditor"), desk.world.size()
    assert {auditor.orders(name).status_code for name in orders()} == {403}
    assert desk.world.size() == size


def test_no_list_is_offered_that_is_not_described(desk: Desk) -> None:
    described = desk.app.test_client().get("/api/v1/openapi.json").get_json()["paths"]
    assert {f"/api/v1/{name}" for name in LISTINGS} <= described.keys()
    assert {f"/api/v1/commands/{name}" for name in orders()} <= described.keys()


# --- lists


def test_a_list_is_read_page_by_page_by_whom_its_area_is_for(desk: Desk) -> None:
    codes = [f"P-{number}" for number in range(8)]
    for code in codes:
        desk.world.party(code, role="laboratory", country="NL")
    shop = Program.of(desk, "see:parties")
    found, address = [], "parties?limit=3&role=laboratory"
    while address:
        told = shop.asks(address).get_json()
        found += [one["code"] for one in told["items"]]
        address = (told["next"] or "").removeprefix("/api/v1/")
    assert found == codes[::-1]
    assert told["items"][-1] == {**told["items"][-1], "name": "P-0 Works", "country": "NL"}
    assert problem(Program.of(desk, "see:recalls").asks("parties"), 403)["type"] == "/problems/area-closed"
    for wrong in ("limit=0", "limit=501", "limit=x", "before=-1", "before=1.5", "before=" + "9" * 20):
        assert problem(shop.asks(f"parties?{wrong}"), 400)["type"] == "/problems/not-a-number"
    assert problem(shop.asks("parties?role=wizard"), 400)["type"] == "/problems/filter-not-understood"
