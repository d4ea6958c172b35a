"""The vault on PostgreSQL: the same promises, and what dead rows keep until they are rewritten."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from ledger.database import connect, reading, writing
from ledger.database.migrating import make_schema
from ledger.journal.journal import By
from ledger.location import Postgres
from ledger.recall.claim import get_claim
from ledger.recall.claiming import file_claim
from ledger.recall.erasing import carry_out_erasure, finish_erasures, vault_problems
from ledger.recall.person import ErasePerson
from ledger.vault.accesses import list_accesses
from ledger.vault.checking import check_vault
from ledger.vault.tables import accesses, items, persons
from ledger.vault.vault import UnknownItem, UnknownPerson, Vault, WrongMasterKey, open_vault
from tests.postgres import PORT, Server, programs
from tests.scanning import Scan, hits
from tests.world import ADA, World

pytestmark = pytest.mark.slow

MASTER = bytes(range(32))
NOW = datetime(2025, 11, 3, 10, 15, 30, 123_000, tzinfo=UTC)
WORDS = {
    "name": "Xaver Unverwechselbar-Öztürk",
    "email": "xaver.unverwechselbar@mail.example",
    "account": "DE02120300000000202051",
}


@pytest.fixture
def vault(postgres: Server) -> Iterator[Vault]:
    with postgres.database() as url:
        location = Postgres(url, "vault")
        engine = connect(location)
        make_schema(engine, location, "vault", runner="postgres")
        engine.dispose()
        vault = open_vault(location, MASTER)
        yield vault
        vault.engine.dispose()


def test_values_are_put_read_on_record_erased_and_forgotten(vault: Vault) -> None:
    first = vault.put(None, "contact", {"name": "Zoë"}, now=NOW)
    second = vault.put(first.person, "payout", {"account": "1"}, now=NOW)
    held = vault.read_as([first.item, second.item], actor=ADA, purpose="claim", now=NOW)
    assert [held[one.item].value for one in (first, second)] == [{"name": "Zoë"}, {"account": "1"}]
    with reading(vault.engine) as connection:
        assert len(list_accesses(connection, first.person)) == 2
    assert vault.forget([second.item]) == 1
    assert vault.erase([first.person]) == 1
    with pytest.raises(UnknownItem):
        vault.read(first.item)
    with pytest.raises(UnknownPerson):
        vault.put(first.person, "contact", {}, now=NOW)
    assert list(check_vault(vault)) == []


@pytest.mark.parametrize(
    "change", [update(accesses).values(actor="x"), delete(accesses), text("TRUNCATE accesses")]
)
def test_an_access_is_neither_changed_nor_removed(vault: Vault, change: object) -> None:
    sealed = vault.put(None, "contact", {"name": "Zoë"}, now=NOW)
    vault.read_as([sealed.item], actor=ADA, purpose="claim", now=NOW)
    with pytest.raises(DBAPIError, match="only ever inserted"), writing(vault.engine) as connection:
        connection.execute(change)  # type: ignore[call-overload]  # statements of three kinds
    with reading(vault.engine) as connection:
        assert len(list_accesses(connection, sealed.person)) == 1


def test_another_master_key_opens_everything_and_the_old_one_nothing(vault: Vault) -> None:
    sealed = vault.put(None, "contact", {"name": "Zoë"}, now=NOW)
    vault.rewrap(bytes(32))
    with pytest.raises(WrongMasterKey):
        vault.read(sealed.item)
    assert Vault(vault.engine, bytes(32)).read(sealed.item) == {"name": "Zoë"}


def test_a_changed_row_is_named(vault: Vault) -> None:
    sealed = vault.put(None, "contact", {"name": "Zoë"}, now=NOW)
    with writing(vault.engine) as connection:
        connection.execute(update(items).values(created_at=NOW.replace(year=2024)))
    assert [(one.table, one.row) for one in check_vault(vault)] == [("items", sealed.item)]


@pytest.mark.parametrize(
    "act", ["DROP TRIGGER accesses_no_change ON accesses", "ALTER TABLE accesses DISABLE TRIGGER ALL"]
)
def test_a_trigger_that_was_taken_away_or_switched_off_is_missed(vault: Vault, act: str) -> None:
    with writing(vault.engine) as connection:
        connection.execute(text(act))
    assert [(one.table, one.row) for one in check_vault(vault)] == [("accesses", "")]


# --- nowhere


def dump(server: Server, world: World, to: Path) -> Path:
    """Everything that a backup of this database holds, in all schemas."""
    name = str(world.ledger.settings.database_url).partition("@/")[2].partition("?")[0]
    command = [str(programs() / "pg_dump"), "-h", str(server.folder), "-p", str(PORT), "-U", "postgres", name]
    to.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return to


def secrets_of(world: World, person: str) -> list[bytes]:
    with reading(world.ledger.vault.engine) as connection:
        rows = connection.execute(
            select(items.c.nonce, items.c.ciphertext, persons.c.wrapped_key)
            .join(persons)
            .where(items.c.person == person)
        ).all()
    assert len(rows) == 2
    return [
        part
        for row in rows
        for part in (row.nonce, row.ciphertext[:24], row.ciphertext[-24:], row.wrapped_key)
    ]


def left_in(secrets: list[bytes], *places: Path) -> set[str]:
    return {path for secret in secrets for path in hits(Scan.of_bytes(secret), *places)}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_the_words_are_nowhere_and_the_ciphertext_goes_as_the_page_on_personal_data_says(
    world: World, postgres: Server, tmp_path: Path
) -> None:
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=2)
    world.recall("R1", lots=["SF-1"])
    wish = world.wish(world.answer(batch.serials[0]).matches[0])
    contact = {"name": WORDS["name"], "email": WORDS["email"]}
    claim = file_claim(
        world.ledger,
        wish,
        form_token=world.form(),
        contact=dict(contact),
        payout={"account": WORDS["account"]},
    )
    world.claim(batch.serials[1])
    person = world.read(lambda connection: get_claim(connection, claim)).person
    world.ledger.vault.read_as(
        world.ledger.vault.items_of(person), actor=ADA, purpose="claim", now=world.clock.moment
    )
    secrets, data = secrets_of(world, person), postgres.folder / "data"
    postgres.execute("CHECKPOINT")
    before = dump(postgres, world, tmp_path / "before.sql")
    for word in WORDS.values():
        assert hits(Scan.of(word), tmp_path, postgres.folder, world.ledger.settings.data) == {}
    assert left_in(secrets, before) == {str(before)}

    carry_out_erasure(world.ledger, ErasePerson(person=claim, reason="They asked."), By(ADA))
    after = dump(postgres, world, tmp_path / "after.sql")
    assert left_in(secrets, after, world.ledger.settings.data) == set()
    postgres.execute("CHECKPOINT")
    assert left_in(secrets, data / "base")  # dead rows, which VACUUM frees and does not overwrite

    name = str(world.ledger.settings.database_url).partition("@/")[2].partition("?")[0]
    postgres.execute("VACUUM FULL vault.items", name)
    postgres.execute("VACUUM FULL vault.persons", name)
    postgres.execute("CHECKPOINT")
    assert left_in(secrets, data / "base") == set()
    assert all(
        "/pg_wal/" in path for path in left_in(secrets, postgres.folder)
    )  # until the server recycles it
    with reading(world.ledger.engine) as connection:
        assert list(vault_problems(world.ledger.vault, connection)) == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_what_a_crash_left_is_destroyed_when_the_ledger_is_opened_again(world: World) -> None:
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=1)
    world.recall("R1", lots=["SF-1"])
    claim = world.claim(batch.serials[0])
    person = world.read(lambda connection: get_claim(connection, claim)).person
    world.do(ErasePerson(person=claim, reason="They asked."))
    assert len(world.ledger.vault.items_of(person)) == 2
    world.reopen()
    assert world.ledger.vault.items_of(person) == []
    assert finish_erasures(world.ledger) == 0
