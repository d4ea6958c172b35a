"""`lotproof token`: issued, listed, revoked, by whoever has the machine."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ledger.database import reading, writing
from ledger.journal.journal import By
from ledger.journal.opening import Ledger, open_ledger
from ledger.people.token import held_by
from ledger.settings import Settings
from ledger.state import open_state
from ledger.trace.bill_of_materials import RegisterMaterial, register_material
from portal.cli import main
from portal.tokens import find_token, hash_of, tokens_table

SOON = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()


def typed(data: Path, *words: str) -> Result:
    return CliRunner().invoke(main, words, env={"LOTPROOF_DATA": str(data)})


@pytest.fixture
def company(tmp_path: Path) -> Path:
    data = tmp_path / "var"
    assert typed(data, "init", "--account", "Ada").exit_code == 0
    return data


@contextmanager
def opened(data: Path) -> Iterator[Ledger]:
    with closing(open_ledger(Settings.from_env({"LOTPROOF_DATA": str(data)}))) as ledger:
        yield ledger


def issued(data: Path, *words: str) -> dict[str, str]:
    done = typed(data, "token", "issue", *words, "--until", SOON, "--json")
    assert done.exit_code == 0, done.output
    told: dict[str, str] = json.loads(done.output)
    return told


def test_a_token_is_issued_shown_once_listed_and_revoked(company: Path) -> None:
    told = issued(company, "The shop", "--scope", "warehouse", "--scope", "do:batch.produce")
    state, now = open_state(company / "state.db"), datetime.now(UTC)
    assert find_token(state, told["token"], now=now) is not None
    with opened(company) as ledger, reading(ledger.engine) as connection:
        assert held_by(connection, told["actor"], now=now).scopes == ("warehouse", "do:batch.produce")
    listed = typed(company, "token", "list").output
    assert "warehouse, do:batch.produce" in listed
    assert told["token"] not in listed
    assert typed(company, "token", "revoke", "The shop", "--reason", "Replaced.").exit_code == 0
    assert find_token(state, told["token"], now=now) is None
    assert typed(company, "token", "revoke", "The shop", "--reason", "Again.").exit_code == 3
    state.dispose()


def test_a_link_for_counsel_is_about_what_its_code_names(company: Path) -> None:
    with opened(company) as ledger:
        ledger.journal.write(
            register_material, RegisterMaterial(code="FILM", name="Film"), By("system:operator")
        )
    words = ("Kanzlei", "--for", "counsel", "--scope", "do:material.register", "--about", "material:FILM")
    done = typed(company, "token", "issue", *words, "--until", SOON)
    assert "/console/link/lotproof_" in done.output
    (row,) = json.loads(typed(company, "token", "list", "--json").output)
    assert row["about"].startswith("material:")
    assert row["about"] != "material:FILM"


@pytest.mark.parametrize(
    "words",
    [
        ("Nora", "--scope", "janitor", "--until", SOON),
        ("Nora", "--scope", "auditor", "--until", "2000-01-01"),
        ("Nora", "--scope", "auditor", "--until", "9999-12-31"),
        ("Nora", "--scope", "auditor", "--until", SOON, "--about", "material:GONE"),
        (" ", "--scope", "auditor", "--until", SOON),
    ],
)
def test_what_cannot_be_issued_is_refused_and_leaves_no_name(company: Path, words: tuple[str, ...]) -> None:
    assert typed(company, "token", "issue", *words).exit_code == 3
    assert json.loads(typed(company, "token", "list", "--json").output) == []


def test_a_token_of_the_time_before_is_shown_as_what_it_is_and_can_be_revoked(company: Path) -> None:
    state = open_state(company / "state.db")
    row = {"id": "D" * 16, "name": "Nora", "token_hash": hash_of("old"), "created_at": datetime.now(UTC)}
    with writing(state) as connection:
        connection.execute(tokens_table.insert().values(row))
    assert "reads the log's entries" in typed(company, "token", "list").output
    assert typed(company, "token", "revoke", "Nora", "--reason", "Over.").exit_code == 0
    assert find_token(state, "old", now=datetime.now(UTC)) is None
    state.dispose()
