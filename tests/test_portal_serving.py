"""Serving while nothing may be signed: it starts, says why, and answers everybody as of the last checkpoint."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from ledger.state import open_state
from portal.accounts import add_account
from portal.names import Names
from portal.opening import open_app
from portal.serving import seal
from tests.staff import PASSWORD
from tests.world import World

pytestmark = pytest.mark.files  # the folder is looked at from outside, as files


def missing(guard: Path) -> None:
    guard.unlink()


def damaged(guard: Path) -> None:
    guard.write_bytes(b"x" * 8_192)


@pytest.fixture
def recalled(world: World) -> tuple[World, str]:
    """A world with a unit in a recall, its processes stopped; and the unit's serial."""
    batch = world.batch("B1", units=2)
    world.recall("R1", batches=["B1"])
    state = open_state(world.ledger.settings.state_db)
    now = world.clock.now()
    add_account(state, Names.of(world.ledger).keep("Ada", now=now), PASSWORD, now=now)
    state.dispose()
    return world, batch.serials[0]


@pytest.mark.parametrize("lose", [missing, damaged])
def test_without_a_guard_it_starts_says_so_and_answers_as_old(
    recalled: tuple[World, str], lose: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    world, serial = recalled
    settings = world.ledger.settings
    seal(settings, accept_clock=True)
    lose(settings.guard)
    size = world.size()
    seal(settings, accept_clock=True)
    assert "guard" in capsys.readouterr().err
    assert world.size() == size
    reader = open_app(settings, accept_long_silence=True).test_client()
    told = reader.get(f"/api/v1/units/{serial}").json
    assert told is not None
    assert (told["status"], told["is_old"], told["checkpoint"]["size"]) == ("recalled", True, size)
    assert "is-old" in reader.get(f"/s/{serial}").text
    assert reader.get("/log/checkpoint").text == world.standing().note
    assert "is-old" in signed_in(reader).get("/console/log").text


def signed_in(browser: FlaskClient) -> FlaskClient:
    form = browser.get("/console/sign-in").text
    hidden = dict(part.split('" value="', 1) for part in form.split('type="hidden" name="')[1:])
    data = {name: value.partition('"')[0] for name, value in hidden.items()}
    answer = browser.post("/console/sign-in", data={**data, "name": "Ada", "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return browser


def test_with_its_guard_an_answer_is_not_old(recalled: tuple[World, str]) -> None:
    world, serial = recalled
    seal(world.ledger.settings, accept_clock=True)
    reader = open_app(world.ledger.settings, accept_long_silence=True).test_client()
    told = reader.get(f"/api/v1/units/{serial}").json
    assert told is not None
    assert told["is_old"] is False
    assert "is-old" not in reader.get(f"/s/{serial}").text
