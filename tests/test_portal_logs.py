"""What the log says of a request, a job and a command, and what it must never say."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from ledger.settings import InvalidLogForm, Settings
from portal.app import Portal
from portal.cli import main
from portal.logs import kind, make_log
from portal.opening import open_app
from portal.watch import Watch
from tests.staff import PASSWORD, Desk, ToTheEnd
from tests.world import World

pytestmark = pytest.mark.files  # the folder is opened a second time, as by another process

SECRETS = ("Ada", "mia@mail.example", "203.0.113.9", "tell-tale", PASSWORD)


@dataclass
class Shop:
    """The real application over a world, and what its log said."""

    settings: Settings
    said: pytest.CaptureFixture[str]
    serial: str
    account: str

    @cached_property
    def app(self) -> Portal:
        """Opened by the test itself: before it begins, standard error is another."""
        opened = open_app(self.settings, accept_long_silence=True)
        assert isinstance(opened, Portal)
        return opened

    @property
    def watch(self) -> Watch:
        assert self.app.watch is not None
        return self.app.watch

    @property
    def client(self) -> FlaskClient:
        return ToTheEnd(self.app, self.app.response_class)

    def lines(self) -> list[dict[str, Any]]:
        """The lines since the last call."""
        return [json.loads(line) for line in self.said.readouterr().err.splitlines()]


@pytest.fixture
def shop(world: World, capsys: pytest.CaptureFixture[str]) -> Shop:
    serial = world.batch("B1", units=1).serials[0]
    desk = Desk.of(world)
    account = desk.account("Ada").actor
    settings = replace(world.ledger.settings, trusted_proxies=1)
    return Shop(settings, capsys, serial, account)


def broken(_serial: str) -> NoReturn:
    known = {"tell-tale": 1}
    raise KeyError(known["tell-tale"], "tell-tale")


def test_a_line_has_everything_that_finds_a_request_again(shop: Shop) -> None:
    answer = shop.client.get("/en/")
    [line] = shop.lines()
    assert line["id"] == answer.headers["X-Request-Id"]
    assert (line["event"], line["method"], line["route"], line["status"]) == (
        "request",
        "GET",
        "/<language:locale>/",
        200,
    )
    assert line["bytes"] == len(answer.data)
    assert line["ms"] > 0
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line["at"])).total_seconds()) < 60


def test_no_line_holds_a_name_a_number_an_address_or_a_secret(shop: Shop) -> None:
    shop.app.add_url_rule("/broken/<_serial>", view_func=broken)
    client, serial = shop.client, shop.serial
    sent = {"X-Forwarded-For": "203.0.113.9", "User-Agent": "tell-tale", "Accept-Language": "en"}
    for path in (
        f"/en/s/{serial}",
        f"/s/{serial}?tell-tale=1",
        f"/api/v1/units/{serial}",
        f"/01/04012345000016/21/{serial}",
        f"/en/claim/{serial}",
        "/en/claims/tell-tale/tell-tale",
        "/console/welcome/tell-tale",
        "/console/?next=tell-tale",
        "/tell-tale",
        f"/broken/{serial}",
    ):
        client.get(path, headers=sent)
    client.post("/console/sign-in", data={"name": "Ada", "password": "tell-tale"}, headers=sent)
    client.post(f"/en/claim/{serial}", data={"email": "mia@mail.example"}, headers=sent)
    client.open("/en/", method="TELL-TALE", headers=sent)
    shop.watch.count_kept()
    lines = shop.lines()
    assert len(lines) == 14  # one a request, and one for the crash
    text = json.dumps(lines, ensure_ascii=False).lower()
    for secret in (*SECRETS, serial):
        assert secret.lower() not in text, secret


def test_who_is_signed_in_is_told_by_the_accounts_id(shop: Shop) -> None:
    client = shop.client
    client.post("/console/sign-in", data={"name": "Ada", "password": PASSWORD})
    client.get("/console/")
    client.get("/en/")
    assert [line["who"] for line in shop.lines()] == ["", shop.account, ""]


@pytest.mark.parametrize("given", ["a1b2c3d4", "A_-9" * 16])
def test_our_own_proxy_may_name_a_request(shop: Shop, given: str) -> None:
    answer = shop.client.get("/en/", headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] == given == shop.lines()[0]["id"]


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space", "<script>", "é" * 8, ""])
def test_a_name_of_another_form_is_not_taken(shop: Shop, given: str) -> None:
    answer = shop.client.get("/en/", headers={"X-Request-Id": given})
    assert len(answer.headers["X-Request-Id"]) == 16
    assert answer.headers["X-Request-Id"] != given


def test_without_a_proxy_nobody_names_requests(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.batch("B1", units=1)
    app = open_app(world.ledger.settings, accept_long_silence=True)
    client = ToTheEnd(app, app.response_class)
    told = [client.get("/en/", headers={"X-Request-Id": "a1b2c3d4"}).headers["X-Request-Id"] for _ in "ab"]
    assert "a1b2c3d4" not in told
    assert told[0] != told[1]
    assert [json.loads(line)["id"] for line in capsys.readouterr().err.splitlines()] == told


@pytest.mark.parametrize(("language", "said"), [("en", "quote"), ("ar", "فاذكر"), ("zh-CN", "请提供")])
def test_a_crash_is_logged_once_and_its_page_says_what_to_quote(shop: Shop, language: str, said: str) -> None:
    shop.app.add_url_rule("/broken/<_serial>", view_func=broken)
    answer = shop.client.get("/broken/1", headers={"Accept-Language": language})
    request_id = answer.headers["X-Request-Id"]
    assert answer.status_code == 500
    assert said in answer.text
    assert request_id in answer.text
    crash, request = shop.lines()
    assert (crash["event"], crash["level"], crash["id"], crash["error"]) == (
        "crash",
        "error",
        request_id,
        "KeyError",
    )
    assert crash["frames"][-1].endswith(" broken")
    assert (request["id"], request["level"], request["route"]) == (request_id, "error", "/broken/<_serial>")


def test_an_ordinary_error_page_quotes_nothing(shop: Shop) -> None:
    answer = shop.client.get("/nowhere")
    assert answer.headers["X-Request-Id"] not in answer.text
    assert shop.lines()[0]["route"] == "none"


def test_answers_that_are_kept_ready_are_counted(shop: Shop) -> None:
    for _ in range(4):
        shop.client.get(f"/en/s/{shop.serial}")
    shop.watch.count_kept()
    first, counted = shop.lines()
    assert (first["event"], first["route"]) == ("request", "/<language:locale>/s/<number:number>")
    assert (counted["event"], counted["count"], counted["not_recalled"]) == ("answers", 3, 3)


def test_the_routes_that_are_told_of_kept_answers_are_routes(shop: Shop) -> None:
    routes = {rule.rule for rule in shop.app.url_map.iter_rules()}
    for path in (f"/en/s/{shop.serial}", f"/s/{shop.serial}", f"/01/04012345000016/21/{shop.serial}"):
        environ: dict[str, Any] = {}
        for _ in range(2):
            shop.client.get(path, environ_base=environ)
    shop.watch.count_kept()
    assert {line["route"] for line in shop.lines() if "route" in line} <= routes


def app_of(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b""]


def sources(*visits: tuple[str, float]) -> list[str]:
    """What the log calls the source of each visit (address, Unix time)."""
    beneath = BytesIO()
    stream = TextIOWrapper(beneath)
    found = []
    for address, at in visits:
        log = make_log("json", stream)
        watch = Watch(log, address_key=b"key", trusts_ids=False, now=lambda at=at: at)  # type: ignore[misc]
        watch.around(app_of)(
            {"REQUEST_METHOD": "GET", "REMOTE_ADDR": address},
            lambda _status, _headers, *_more: lambda _data: None,
        )
        found.append(json.loads(beneath.getvalue().splitlines()[-1])["from"])
    return found


def test_a_source_is_told_from_others_for_one_day() -> None:
    morning, evening, tomorrow = 1_000_000_000.0, 1_000_040_000.0 - 3_700, 1_000_090_000.0
    one, again, other, next_day = sources(
        ("192.0.2.1", morning), ("192.0.2.1", morning + 60), ("192.0.2.2", evening), ("192.0.2.1", tomorrow)
    )
    assert one == again
    assert len({one, other, next_day}) == 3


def test_people_get_lines_they_can_read_and_off_says_nothing() -> None:
    text, nothing = StringIO(), BytesIO()
    make_log("text", text).info("request", status=200)
    stream = TextIOWrapper(nothing)  # kept: it closes what is beneath when it goes
    make_log("off", stream).error("request", status=500)
    assert "request" in text.getvalue()
    assert not set("{\x1b") & set(text.getvalue())
    assert nothing.getvalue() == b""


def test_a_log_that_nobody_takes_any_more_stops_no_answer(shop: Shop) -> None:
    closed = TextIOWrapper(BytesIO())
    shop.watch.log = make_log("json", closed)
    closed.close()
    assert shop.client.get("/en/").status_code == 200


def test_a_database_error_is_told_by_its_code_and_not_by_its_words() -> None:
    error = RuntimeError("tell-tale")
    error.__cause__ = OSError(28, "No space left on device: tell-tale")
    assert kind(error) == "RuntimeError 28"


def test_a_log_form_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidLogForm, match="json, text, off or auto"):
        Settings.from_env({"LOTPROOF_DATA": str(tmp_path), "LOTPROOF_LOG": "loud"})


def test_a_command_is_logged_where_it_is_asked_for_without_its_arguments(world: World) -> None:
    world.product("VS-10")
    environ = {"LOTPROOF_DATA": str(world.ledger.settings.data)}
    quiet = CliRunner().invoke(main, ["product", "list"], env=environ)
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    loud = CliRunner().invoke(
        main, ["account", "password", "tell-tale"], env={**environ, "LOTPROOF_LOG": "json"}
    )
    line = json.loads(loud.stderr.splitlines()[-1])
    assert (line["event"], line["command"], line["code"]) == ("command", "account password", 3)
    assert "tell-tale" not in json.dumps(line)
