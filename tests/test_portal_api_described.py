"""What openapi.json promises holds for whatever a program sends, and its page shows it in a real browser."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks
from werkzeug.serving import make_server

from ledger.people.roles import roles
from portal.orders import orders
from tests.browsing import chromium, visiting
from tests.programs import Program
from tests.staff import Desk
from tests.world import World

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder: Path = tmp_path_factory.mktemp("world")
    world = World.begin(folder / "var")
    world.product("VS-10")
    world.lot("SF-1", "4000 m")
    world.batch("B1", lots={"SF-1": "1200 m"}, units=3).ships(to="DE", count=1)
    yield Desk.of(world)
    world.close()


@pytest.mark.slow
@pytest.mark.parametrize("operation", [*orders(), "me", "entry", "unit"])
def test_whatever_is_sent_is_answered_as_it_is_described(desk: Desk, operation: str) -> None:
    """Requests as they are described and others, from a program that may do everything."""
    described = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app=desk.app)
    found = described.find_operation_by_id(operation)
    headers = {"Authorization": f"Bearer {Program.of(desk, *roles()).secret}"}
    cases = st.one_of([found.as_strategy(generation_mode=mode) for mode in GenerationMode])

    @given(case=cases)
    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def answers(case: Case[Any]) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    answers()


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_of_the_description_is_drawn_without_breaking_a_rule(desk: Desk, width: int) -> None:
    server = make_server("127.0.0.1", 0, desk.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with chromium() as browser, visiting(browser, width=width, height=900) as visit:
            visit.page.goto(f"http://127.0.0.1:{server.server_port}/api/docs")
            expect(visit.page.get_by_text("Record a batch that was made")).to_be_visible()
            visit.page.get_by_text("Record a batch that was made").click()
            expect(visit.page.get_by_text("Idempotency-Key").first).to_be_visible()
            visit.expect_calm()
    finally:
        server.shutdown()
        thread.join()
