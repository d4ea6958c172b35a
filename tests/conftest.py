"""What every test may lean on, and the rule that nothing is skipped unseen."""

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.postgres import Server
from tests.world import World

ROOT = Path(__file__).parent.parent
VECTORS = ROOT.parent / "shared" / "vectors"
# What `world` stands on; `LOTPROOF_TEST_DATABASE=postgresql pytest` tries all that uses it on a server.
DATABASE = os.environ.get("LOTPROOF_TEST_DATABASE", "sqlite")
ON_BOTH = frozenset(
    {
        "test_ledger_journal_clock",
        "test_ledger_journal_journal",
        "test_ledger_journal_key_changes",
        "test_ledger_journal_processes",
        "test_ledger_recall_answer",
        "test_ledger_recall_claim",
        "test_ledger_recall_order",
        "test_ledger_recall_status_map",
        "test_ledger_trace_batch",
        "test_ledger_trace_genealogy",
        "test_ledger_trace_shipment",
        "test_ledger_trace_substitution",
        "test_ledger_trace_unit",
        "test_portal_console_pages",
        "test_portal_console_recalls",
        "test_portal_listings",
    }
)
NO_VECTORS = "../shared/vectors is not beside this checkout"

# No deadline: on a machine that others use too, a slow example is not a wrong one.
# Where CI is set the examples are the same every time; HYPOTHESIS_PROFILE=thorough goes looking.
settings.register_profile("fast", max_examples=50, deadline=None, derandomize="CI" in os.environ)
settings.register_profile("quick", max_examples=10, deadline=None, derandomize=False)  # the inner loop
settings.register_profile("thorough", max_examples=2_000, deadline=None, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of test vectors written by others (merkle/, gs1/, epcis/, factory/)."""
    if not VECTORS.is_dir():
        pytest.skip(NO_VECTORS)
    return VECTORS


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty ledger that is only ever copied."""
    folder = tmp_path_factory.mktemp("blank") / "var"
    World.begin(folder).close()
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server for this run; one a process where the run has several."""
    server = Server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def blank_on_postgres(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty ledger in the database `blank`; both are only ever copied."""
    folder = tmp_path_factory.mktemp("blank_on_postgres") / "var"
    postgres.make("blank")
    World.begin(folder, postgres.url("blank")).close()
    return folder


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database that `world` stands on; a test marked `files` needs SQLite's files whatever was asked."""
    kind = str(getattr(request, "param", DATABASE))
    return "sqlite" if request.node.get_closest_marker("files") else kind


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The heart of the tests runs on both databases."""
    is_on_both = Path(str(metafunc.module.__file__)).stem in ON_BOTH
    is_of_files = next(metafunc.definition.iter_markers("files"), None) is not None
    if "database" in metafunc.fixturenames and is_on_both and not is_of_files:
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def world(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty world (`tests.world`), closed at the end."""
    with ExitStack() as stack:
        if database == "postgresql":
            blank, server = request.getfixturevalue("blank_on_postgres"), request.getfixturevalue("postgres")
            url = stack.enter_context(server.database(template="blank"))
        else:
            blank, url = request.getfixturevalue("blank"), None
        begun = World.begin_as(blank, tmp_path / "var", url)
        yield begun
        begun.close()


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where CI is set: there everything must run, or say that it did not.

    The one skip allowed is that of vectors which are not part of this project. An expected failure
    (`wasxfail`) also counts as skipped in pytest, and stays as it is.
    """
    if "CI" not in os.environ or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if reason.removeprefix("Skipped: ") != NO_VECTORS:
        report.outcome = "failed"
        report.longrepr = f"skipped, and where CI is set nothing may be: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that skips itself."""
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips all of its tests."""
    report = yield
    refuse_skip(report)
    return report
