"""portal.webhooks: other programs are told of new entries, signed, until they have taken them."""

import base64
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import Engine

from ledger.database import reading
from ledger.journal.journal import By
from ledger.log import store
from ledger.log.merkle import leaf_hash
from ledger.people.webhook import (
    EndWebhook,
    InvalidAddress,
    SubscribeWebhook,
    UnknownKind,
    end_webhook,
)
from ledger.state import open_state
from ledger.work import MAX_TRIES, newest
from portal.webhooks import DELIVER, AddressInside, deliver, has_secret, is_public, new_secret, owe, subscribe
from portal.worker import Worker
from tests.staff import Desk, text_of
from tests.world import ADA, World


@dataclass
class Receiver:
    """A program that is told: what came, and the statuses it answers with, the last one from then on."""

    address: str = ""
    statuses: list[int] = field(default_factory=lambda: [204])
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def listening(*statuses: int) -> Iterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver(statuses=list(statuses) or [204])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = receiver.statuses[0] if len(receiver.statuses) == 1 else receiver.statuses.pop(0)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", receiver.address)
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        receiver.address = f"http://127.0.0.1:{server.server_port}/lotproof?from=us"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose webhooks may lead to this machine."""
    begun = World.begin(tmp_path_factory.mktemp("world") / "var", webhooks_inside=True)
    yield begun
    begun.close()


@pytest.fixture
def state(world: World) -> Iterator[Engine]:
    engine = open_state(world.ledger.settings.state_db)
    yield engine
    engine.dispose()


def subscribed(world: World, state: Engine, address: str, *kinds: str) -> tuple[str, str]:
    asked = SubscribeWebhook(address=address, kinds=kinds)
    made, secret = subscribe(world.ledger, state, asked, By(ADA), now=world.clock.now())
    return made.id, secret


def work_off(world: World, state: Engine) -> None:
    owe(world.ledger, state, now=world.clock.now())
    worker = Worker(world.ledger, state)
    while worker.do_job():
        pass


def test_a_new_entry_of_a_wanted_kind_is_told_once_signed_and_without_its_content(
    world: World, state: Engine
) -> None:
    with listening() as erp:
        _, secret = subscribed(world, state, erp.address, "party.registered")
        world.party("TALLOW")
        world.product("VS-10")
        work_off(world, state)
        work_off(world, state)
    [(headers, body)] = erp.came
    told = json.loads(body)
    with reading(world.ledger.engine) as connection:
        stored = store.read_body(connection, told["data"]["index"])
    assert stored is not None
    assert told["type"] == "party.registered/1"
    assert told["data"]["leaf_hash"] == leaf_hash(stored).hex()
    assert b"Tallow" not in body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - world.clock.now().timestamp()) < 2


@pytest.mark.parametrize("refusal", [500, 404, 302, 429])
def test_what_was_not_taken_is_tried_again_under_the_same_id(
    world: World, state: Engine, refusal: int
) -> None:
    with listening(refusal, 200) as erp:
        webhook, _ = subscribed(world, state, erp.address, "party.*")
        world.party("TALLOW")
        work_off(world, state)
        assert [one.state for one in newest(state, DELIVER, webhook, 5)] == ["waiting"]
        world.later(seconds=31)
        work_off(world, state)
    assert len({headers["webhook-id"] for headers, _ in erp.came}) == 1
    assert len(erp.came) == 2
    assert [one.state for one in newest(state, DELIVER, webhook, 5)] == ["done"]


def test_a_receiver_that_is_gone_is_given_up_and_can_be_tried_again_by_hand(
    world: World, state: Engine
) -> None:
    with listening() as erp:
        webhook, _ = subscribed(world, state, erp.address, "party.*")
    world.party("TALLOW")
    for _ in range(MAX_TRIES):
        work_off(world, state)
        world.later(seconds=timedelta(hours=6).total_seconds())
    [given_up] = newest(state, DELIVER, webhook, 5)
    assert given_up.state == "dead"
    assert "did not take entry" in (given_up.error or "")
    desk = Desk.of(world)
    ada = desk.signed_in("Ada")
    assert "given up" in text_of(ada.page(f"/console/webhooks/{webhook}"))
    csrf = {"csrf": ada.hidden(f"/console/webhooks/{webhook}")["csrf"]}
    answer = ada.post(f"/console/webhooks/{webhook}/again/{given_up.id}", csrf)
    assert answer.status_code == 303
    assert newest(state, DELIVER, webhook, 5)[0].state == "waiting"


def test_nothing_goes_to_a_webhook_that_has_ended(world: World, state: Engine) -> None:
    with listening() as erp:
        webhook, _ = subscribed(world, state, erp.address, "*")
        world.party("TALLOW")
        owe(world.ledger, state, now=world.clock.now())
        world.ledger.journal.write(end_webhook, EndWebhook(webhook=webhook, reason="Enough."), By(ADA))
        work_off(world, state)
    assert erp.came == []


def test_a_new_secret_signs_what_is_still_owed_and_a_lost_one_loses_no_place(
    world: World, state: Engine
) -> None:
    with listening() as erp:
        webhook, first = subscribed(world, state, erp.address, "party.*")
        world.party("TALLOW")
        second = new_secret(state, webhook, next_index=world.size(), now=world.clock.now())
        work_off(world, state)
    assert len(erp.came) == 1
    assert first != second
    key = base64.b64decode(second.removeprefix("whsec_"))
    headers, body = erp.came[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert (
        headers["webhook-signature"] == f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
    )
    assert not has_secret(state, "A" * 16)


def test_no_webhook_leads_into_our_own_network_unless_the_operator_says_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    world = World.begin(tmp_path_factory.mktemp("world") / "var")
    state = open_state(world.ledger.settings.state_db)
    with listening() as erp:
        webhook, _ = subscribed(world, state, erp.address, "*")
        index = world.size() - 1
        with pytest.raises(AddressInside):
            deliver(world.ledger, state, {"webhook": webhook, "index": index}, now=world.clock.now())
    assert erp.came == []
    state.dispose()
    world.close()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.169.254", "::1", "fe80::1%eth0", "fc00::1",
     "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_addresses_of_this_network_are_not_public(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize("host", ["1.1.1.1", "2606:4700::1111"])
def test_addresses_out_there_are_public(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize(
    "address",
    ["", "erp.example", "http://erp.example/", "ftp://erp.example/", "https://ann@erp.example/", "https://",
     "https://erp.example:99999/", "https://erp.example/a b", "https://erp.example/#x", "https://ünï.example/"],
)  # fmt: skip
def test_an_address_that_nothing_can_be_sent_to_is_refused(world: World, state: Engine, address: str) -> None:
    with pytest.raises(InvalidAddress):
        subscribed(world, state, address, "*")


@pytest.mark.parametrize("kind", ["recall", "recall.shouted", "*.*", "nothing.*", ""])
def test_a_kind_that_no_entry_has_is_refused(world: World, state: Engine, kind: str) -> None:
    with pytest.raises(UnknownKind):
        subscribed(world, state, "https://erp.example/", kind)


@pytest.mark.parametrize(("language", "said"), [("en", "shown once"), ("zh-Hans", "只显示这一次")])
def test_the_secret_is_shown_once_in_the_console(world: World, language: str, said: str) -> None:
    desk = Desk.of(world)
    ada = desk.signed_in("Ada", language=language)
    page = ada.send("/console/webhooks/new", address="https://erp.example/x", kinds="recall.* claim.*").text
    assert said in page
    assert "whsec_" in page
    assert "erp.example" in ada.page("/console/webhooks")
    assert ada.send("/console/webhooks/new", address="nowhere", kinds="*").status_code == 422
