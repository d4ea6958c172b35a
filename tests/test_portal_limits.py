"""portal.limits: how often one source may do one thing, and what whoever comes too often is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from ledger.database import reading
from ledger.state import open_state
from portal.claims import claims as claims_pages
from portal.limits import LimitReached, limits, limits_table, network, spend
from tests.staff import PASSWORD, Desk, hidden_in, text_of
from tests.world import World

NOON = datetime(2026, 2, 12, 12, tzinfo=UTC)
CLAIM = limits()["claim"]
HOME = "203.0.113.9"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Engine]:
    engine = open_state(tmp_path / "state.db")
    yield engine
    engine.dispose()


def spent(engine: Engine, times: int, *, now: datetime = NOON, source: str = HOME) -> int:
    """How many of these uses were allowed."""
    return sum(is_allowed(engine, now=now, source=source) for _ in range(times))


def is_allowed(engine: Engine, *, now: datetime, source: str = HOME, purpose: str = "claim") -> bool:
    try:
        spend(engine, purpose, source, now=now)
    except LimitReached:
        return False
    return True


def rows(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(limits_table)).scalar_one()


def test_every_limit_is_data_that_makes_sense() -> None:
    assert {"sign_in", "claim", "upload", "form", "labels", "api.read", "api.write"} <= limits().keys()
    assert all(one.many > 0 and one.seconds > 0 for one in limits().values())


def test_as_many_as_are_allowed_at_once_and_the_next_is_told_how_long_to_wait(state: Engine) -> None:
    assert spent(state, CLAIM.many) == CLAIM.many
    with pytest.raises(LimitReached) as refused:
        spend(state, "claim", HOME, now=NOON)
    assert refused.value.facts == {"wait_seconds": CLAIM.seconds // CLAIM.many}
    assert refused.value.http_status == 429


def test_who_waited_as_told_goes_on_and_what_was_refused_cost_nothing(state: Engine) -> None:
    spent(state, CLAIM.many)
    assert spent(state, 100) == 0
    later = NOON + CLAIM.share
    assert spent(state, 5, now=later) == 1
    assert spent(state, 500, now=later + CLAIM.whole) == CLAIM.many


def test_sources_and_purposes_are_counted_apart(state: Engine) -> None:
    spent(state, CLAIM.many)
    assert is_allowed(state, now=NOON, source="203.0.113.10")
    assert is_allowed(state, now=NOON, purpose="form")
    assert not is_allowed(state, now=NOON)


def test_a_customers_whole_ipv6_network_counts_as_one(state: Engine) -> None:
    assert spent(state, CLAIM.many, source="2001:db8:1:2::1") == CLAIM.many
    assert not is_allowed(state, now=NOON, source="2001:db8:1:2:ffff::9")
    assert is_allowed(state, now=NOON, source="2001:db8:1:3::1")
    assert network("::ffff:203.0.113.9") == network("203.0.113.9") == "203.0.113.9"


def test_a_clock_that_is_set_back_locks_nobody_out(state: Engine) -> None:
    spent(state, CLAIM.many)
    for back in (timedelta(minutes=5), timedelta(days=400)):
        assert is_allowed(state, now=NOON - back + CLAIM.share)


def test_one_row_a_source_and_none_when_it_has_its_full_allowance_again(state: Engine) -> None:
    spent(state, 20)
    spend(state, "claim", "203.0.113.10", now=NOON)
    assert rows(state) == 2
    spend(state, "form", "203.0.113.11", now=NOON + CLAIM.whole)
    assert rows(state) == 1


def test_neither_address_nor_purpose_is_kept(state: Engine, tmp_path: Path) -> None:
    spend(state, "claim", HOME, now=NOON)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert HOME.encode() not in kept


def test_processes_share_the_count(state: Engine, tmp_path: Path) -> None:
    allowed: list[int] = []

    def act() -> None:
        other = open_state(tmp_path / "state.db")
        allowed.append(spent(other, CLAIM.many))
        other.dispose()

    threads = [Thread(target=act) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(allowed) == CLAIM.many


@pytest.mark.slow
@given(st.lists(st.integers(0, 2 * CLAIM.seconds), min_size=1, max_size=8))
def test_whatever_the_rhythm_no_window_sees_more_than_twice_the_allowance(steps: list[int]) -> None:
    engine = open_state(None)
    now, taken = NOON, []
    for step in steps:
        now += timedelta(seconds=step)
        taken += [now] * spent(engine, 70, now=now)
    engine.dispose()
    for begin in taken:
        within = sum(begin <= one < begin + CLAIM.whole for one in taken)
        assert within <= 2 * CLAIM.many


# --- at the door


@pytest.mark.slow
def test_who_signs_in_too_often_under_whatever_names_waits_and_another_address_does_not(world: World) -> None:
    desk = Desk.of(world)
    desk.account("Ada")
    stranger = desk.browser("zh-Hans")
    for number in range(limits()["sign_in"].many):
        stranger.post("/console/sign-in", {"name": f"Nobody {number}", "password": "wrong"})
    right = {"name": "Ada", "password": PASSWORD}
    refused = stranger.post("/console/sign-in", right)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "20")
    assert "请等 20 秒" in text_of(refused)
    home = desk.app.test_client()
    assert home.post("/console/sign-in", data=right, environ_base={"REMOTE_ADDR": HOME}).status_code == 303
    world.later(seconds=20)
    assert stranger.post("/console/sign-in", right).status_code == 303


@pytest.mark.slow
def test_label_jobs_are_counted_per_account(world: World) -> None:
    world.batch("B1", units=2)
    desk = Desk.of(world)
    ada, ben = desk.signed_in("Ada"), desk.signed_in("Ben")
    batch = ada.page("/console/batches").split('href="/console/batches/')[1].split('"')[0]
    sheet = f"/console/batches/{batch}/labels"
    asked = {"csrf": ada.hidden("/console/record")["csrf"]}
    statuses = [ada.post(sheet, asked).status_code for _ in range(limits()["labels"].many + 1)]
    assert statuses == [303] * limits()["labels"].many + [429]
    refused = ada.post(sheet, asked)
    assert refused.headers["Retry-After"] == "60"
    assert "Too much was sent from here" in text_of(refused)
    assert ben.post(sheet, {"csrf": ben.hidden("/console/record")["csrf"]}).status_code == 303


@pytest.mark.slow
def test_uploads_and_forms_are_counted_per_address(world: World) -> None:
    ada = Desk.of(world).signed_in()
    fields = ada.hidden("/console/record/material.register")
    wrong = {**fields, "code": ""}
    many = limits()["upload"].many
    told = [
        ada.client.post("/console/record/material.register", data=wrong, content_type="multipart/form-data")
        for _ in range(many + 1)
    ]
    assert [one.status_code for one in told] == [400] * many + [429]
    assert ada.post("/console/record/material.register", wrong).status_code == 400  # no file: a form
    left = limits()["form"].many - many - 3  # the sign-in and the two above are forms too
    statuses = {ada.post("/console/record/material.register", wrong).status_code for _ in range(left)}
    assert statuses == {400}
    assert ada.post("/console/record/material.register", wrong).status_code == 429
    assert ada.get("/console/").status_code == 200


@pytest.mark.parametrize(
    ("language", "said"), [("de", "Aus Ihrem Netz"), ("ar", "من شبكتك"), ("zh-Hans", "您的网络")]
)
def test_a_claim_too_many_keeps_what_was_typed_and_says_how_long_to_wait(
    world: World, language: str, said: str
) -> None:
    serial = world.batch("B1", units=1).serials[0]
    world.recall("R1", batches=["B1"])
    desk = Desk.of(world)
    desk.app.register_blueprint(claims_pages)
    for _ in range(CLAIM.many):
        spend(desk.state, "claim", "127.0.0.1", now=world.clock.now())
    buyer = desk.app.test_client()
    address = f"/{language}/claim/{serial}"
    filled = {
        **hidden_in(buyer.get(address).text),
        "remedy": "refund",
        "country": "DE",
        "email": "mia@mail.example",
        "payout": "DE02 1203 0000 0000 2020 51",
    }
    refused = buyer.post(address, data=filled)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(CLAIM.seconds // CLAIM.many))
    assert said in text_of(refused)
    assert "mia@mail.example" in refused.text
    world.later(seconds=10)
    assert buyer.post(address, data=filled).status_code == 303


@pytest.mark.slow
@pytest.mark.parametrize(("language", "said"), [("en", "Please wait a little"), ("ar", "انتظر قليلًا")])
def test_a_buyer_who_sends_too_many_forms_gets_a_page_of_their_language(
    world: World, language: str, said: str
) -> None:
    serial = world.batch("B1", units=1).serials[0]
    desk = Desk.of(world)
    desk.app.register_blueprint(claims_pages)
    for _ in range(limits()["form"].many):
        spend(desk.state, "form", "127.0.0.1", now=world.clock.now())
    refused = desk.app.test_client().post(f"/{language}/claim/{serial}", data={})
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert said in text_of(refused)
    assert desk.app.test_client().get(f"/{language}/s/{serial}").status_code == 200


@pytest.mark.files
def test_a_claim_is_taken_where_nobody_can_count(world: World) -> None:
    serial = world.batch("B1", units=1).serials[0]
    world.recall("R1", batches=["B1"])
    desk = Desk.of(world)
    desk.app.register_blueprint(claims_pages)
    buyer = desk.app.test_client()
    filled = {
        **hidden_in(buyer.get(f"/en/claim/{serial}").text),
        "remedy": "refund",
        "country": "DE",
        "email": "mia@mail.example",
        "payout": "DE02 1203 0000 0000 2020 51",
    }
    desk.state.dispose()
    for file in world.ledger.settings.data.glob("state.db*"):
        file.write_bytes(b"no database" * 1_000)
    size = world.size()
    assert buyer.post(f"/en/claim/{serial}", data=filled).status_code == 303
    assert world.size() > size
