"""Whether it is alive and ready, and the figures: what each says, to whom, and that processes add up."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from ledger.settings import InvalidMetricsToken, Settings
from ledger.work import enqueue
from portal.opening import open_app
from tests.journeys import LOTPROOF, STOPS_WITHIN_SECONDS, environment, free_port
from tests.staff import Desk, ToTheEnd
from tests.world import World

pytestmark = pytest.mark.files  # the folder is looked at from outside, as files

TOKEN = "a-token-of-sixteen-and-more"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def settings(world: World) -> Settings:
    """Of a company with a recalled batch of two units."""
    world.batch("B1", units=2)
    world.recall("R1", batches=["B1"])
    return replace(world.ledger.settings, metrics_token=TOKEN)


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    app = open_app(settings, accept_long_silence=True)
    return ToTheEnd(app, app.response_class)


def figure(text: str, name: str) -> float:
    """The value of one sample, 0 where there is none yet."""
    found = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


# --- alive and ready


def test_a_process_that_answers_is_alive_and_one_that_can_work_is_ready(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"lotproof": "alive"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json == {
        "ready": True,
        "checks": dict.fromkeys(("database", "state", "guard", "disk", "master_key"), "ok"),
    }
    assert ready.headers["Cache-Control"] == "no-store"


def lose_guard(settings: Settings) -> None:
    settings.guard.unlink()


def damage_guard(settings: Settings) -> None:
    settings.guard.write_bytes(b"x" * 8_192)


def lose_master_key(settings: Settings) -> None:
    (settings.keys / "master.key").unlink()


def another_master_key(settings: Settings) -> None:
    file = settings.keys / "master.key"
    content = file.read_bytes()
    file.write_bytes(bytes([*content[:-9], content[-9] ^ 1, *content[-8:]]))


def damage_state(settings: Settings) -> None:
    assert isinstance(settings.state_db, Path)
    for file in settings.data.glob("state.db*"):
        file.write_bytes(b"no database" * 1_000)


def damage_database(settings: Settings) -> None:
    for file in settings.data.glob("lotproof.db*"):
        file.write_bytes(b"no database" * 1_000)


@pytest.mark.parametrize(
    ("lose", "failing"),
    [
        (lose_guard, {"guard"}),
        (damage_guard, {"guard"}),
        (lose_master_key, {"master_key"}),
        (another_master_key, {"master_key"}),
        (damage_state, {"state"}),
        (damage_database, {"database", "guard"}),
    ],
)
def test_what_is_lost_is_named_and_nothing_else_is_said(
    client: FlaskClient, settings: Settings, lose: Callable[[Settings], None], failing: set[str]
) -> None:
    lose(settings)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json is not None
    assert {name for name, how in answer.json["checks"].items() if how == "fails"} == failing
    assert str(settings.data) not in answer.text
    assert client.get("/healthz").status_code == 200


# --- figures


def test_without_the_setting_there_is_no_such_page(world: World) -> None:
    world.batch("B1", units=1)
    client = open_app(world.ledger.settings, accept_long_silence=True).test_client()
    assert client.get("/metrics", headers=BEARER).status_code == 404


@pytest.mark.parametrize(
    "shown", ["", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"]
)
def test_figures_are_for_whoever_shows_the_token_even_on_this_machine(
    client: FlaskClient, shown: str
) -> None:
    refused = client.get("/metrics", headers={"Authorization": shown} if shown else {})
    assert refused.status_code == 401
    assert "lotproof_" not in refused.text.replace("LOTPROOF_", "")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")


def test_requests_and_answers_are_counted_by_kind_and_by_no_number(
    client: FlaskClient, settings: Settings, world: World
) -> None:
    serial = world.batch("B2", units=1).serials[0]
    before = client.get("/metrics", headers=BEARER).text
    client.get(f"/en/s/{serial}?product=1")
    client.get(f"/api/v1/units/{serial}")
    client.get("/api/v1/units/NOBODY-KNOWS")
    client.get("/en/nowhere")
    after = client.get("/metrics", headers=BEARER).text

    def more(name: str) -> float:
        return figure(after, name) - figure(before, name)

    assert more('lotproof_answers_total{status="not_recalled"}') == 2
    assert more('lotproof_answers_total{status="unknown"}') == 1
    assert (
        more(
            'lotproof_request_seconds_count{method="GET",route="/api/v1/units/<number:number>",status="200"}'
        )
        == 2
    )
    assert more('lotproof_request_seconds_count{method="GET",route="none",status="404"}') == 1
    assert serial not in after
    assert figure(after, "lotproof_log_entries") == world.size()
    assert figure(after, "lotproof_log_is_old") == 0
    assert figure(after, "lotproof_checkpoint_age_seconds") > 0


def test_jobs_and_refused_sign_ins_are_counted(client: FlaskClient, world: World) -> None:
    desk = Desk.of(world)
    enqueue(desk.state, "labels.sheet", {}, dedupe="1", now=world.clock.now())
    before = client.get("/metrics", headers=BEARER).text
    client.post("/console/sign-in", data={"name": "Nobody", "password": "wrong"})
    after = client.get("/metrics", headers=BEARER).text
    name = "lotproof_sign_ins_refused_total"
    assert figure(after, name) - figure(before, name) == 1
    assert figure(after, 'lotproof_jobs{state="waiting"}') == 1
    assert figure(after, 'lotproof_jobs{state="dead"}') == 0


@pytest.mark.parametrize("token", ["tiny", "with a space in it all", "x" * 201])
def test_a_token_that_is_easily_guessed_is_refused_and_not_repeated(tmp_path: Path, token: str) -> None:
    environ = {"LOTPROOF_DATA": str(tmp_path), "LOTPROOF_METRICS_TOKEN": token}
    with pytest.raises(InvalidMetricsToken) as refused:
        Settings.from_env(environ)
    assert token not in str(refused.value)


@pytest.mark.slow
def test_processes_of_one_server_add_up_their_figures(settings: Settings) -> None:
    port = free_port()
    environ = environment(settings.data, {"LOTPROOF_METRICS_TOKEN": TOKEN, "LOTPROOF_LOG": "off"})
    command = [str(LOTPROOF), "serve", "--port", str(port), "--workers", "2", "--accept-clock"]
    before = set(Path(os.environ.get("TMPDIR", "/tmp")).glob("lotproof-metrics-*"))
    with subprocess.Popen(command, env=environ) as server:
        try:
            base = f"http://127.0.0.1:{port}"
            wait_for(f"{base}/healthz")
            for _ in range(40):
                told = json.loads(urllib.request.urlopen(f"{base}/api/v1/units/NOBODY-KNOWS").read())
                assert told["status"] == "unknown"
            asked = urllib.request.Request(f"{base}/metrics", headers=BEARER)
            counts = {
                figure(
                    urllib.request.urlopen(asked).read().decode(), 'lotproof_answers_total{status="unknown"}'
                )
                for _ in range(10)
            }
        finally:
            server.terminate()
            server.wait(STOPS_WITHIN_SECONDS)
    assert counts == {40.0}
    assert set(Path(os.environ.get("TMPDIR", "/tmp")).glob("lotproof-metrics-*")) <= before


def wait_for(address: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    raise TimeoutError(address)
