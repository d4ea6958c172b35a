"""Derived tables: made again from the log they are what they were, in whatever batches it is read."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import Connection, MetaData, Table, inspect, text
from sqlalchemy.engine.reflection import Inspector

from ledger.database import connect, migrate, reading, writing
from ledger.journal.events import DERIVED
from ledger.journal.journal import By
from ledger.journal.key_changes import ResumeLog, retire_key, rotate_key, succeed_log
from ledger.journal.master_key import rotate_master_key
from ledger.journal.opening import CorrectClock
from ledger.journal.projections import RebuildNeeded, note_versions, outdated, rebuild
from ledger.journal.registry import KIND_OF, KINDS, NOUN_OF, NOUNS, Event, Noun, Recorded, State, apply_all
from ledger.journal.replay import recorded_from, replay
from ledger.log import store
from ledger.log.entry import KIND
from ledger.people.account import (
    PEOPLE,
    AdmitAccount,
    EndAccount,
    GiveRoles,
    NameAccount,
    SealedName,
)
from ledger.people.approval import SetApprovalRule
from ledger.people.token import IssueToken, RevokeToken
from ledger.people.waiting import StandIn
from ledger.people.webhook import EndWebhook, SubscribeWebhook, list_webhooks
from ledger.quantities import Money, Quantity
from ledger.recall.claim import AcceptClaim, DeclineClaim, SettleClaim
from ledger.recall.person import ErasePerson, ExpireItems, SetRetention
from ledger.recall.recall import RECALL_TABLES
from ledger.recall.requests import PublishRecall
from ledger.trace.bill_of_materials import NeededMaterial, ReviseBillOfMaterials
from ledger.trace.legal_entity import EndLegalEntity, RecordLegalEntity
from ledger.trace.party import TRACE
from ledger.trace.seller import DescribeSeller, StyleSeller
from ledger.trace.shipment import ReceiveShipment, list_shipments
from ledger.trace.site import StaffSite
from ledger.trace.substitution import DecideSubstitution, FindSubstitution, ProposeSubstitution
from tests.whole_log import assert_whole
from tests.world import ADA, BEN, World, rows_of

pytestmark = pytest.mark.slow

ALL = tuple(NOUNS.values())


def tell_everything(world: World) -> None:
    """Every kind of event there is, most of them more than once."""
    tell_of_accounts(world)
    tell_of_sites(world)
    tell_of_webhooks(world)
    for brand in ("Voltaro", "Voltaro Europe"):
        world.do(DescribeSeller(brand=brand, company="Voltaro GmbH", address=("Musterkai 4",)))
    logo = world.ledger.files.put(b"\x89PNG\r\n\x1a\n...")
    for style in (StyleSeller(accent="#123456"), StyleSeller(logo=logo)):
        world.do(style)
    tell_of_legal_entities(world)
    world.product("VS-10", gtin="4012345678901")
    for lot in ("SF-1", "SF-2", "SF-3"):
        world.lot(lot, "4000 m")
    for revision in ("A", "B"):
        lines = tuple(
            NeededMaterial(material, Quantity(3, "pcs"), "as agreed")
            for material in (world.material("CELL"), "FILM")
        )
        world.do(ReviseBillOfMaterials(product="VS-10", revision=revision, lines=lines))
    tell_of_substitutions(world)
    first = world.batch("B1", lots={"SF-1": "1200 m", "SF-2": "5 m"}, units=5, date_codes=["2025-W18", "B1"])
    second = world.batch("B2", lots={"SF-2": "100 cm"}, quantity=30)
    third = world.batch("B3", lots={"SF-3": "1 m"}, units=4, quantity=9)
    second.receives_units([f"0077-{number}" for number in range(12)])
    first.ships(to="DE", count=3)
    third.is_held()
    third.is_released()
    third.ships(to="FR", count=2)
    world.later(days=30)
    recall = world.recall("R1", lots=["SF-1"])
    second.is_held()
    recall.widen(lots=["SF-2"], batches=["B3"])
    third.gets_units(2, not_recalled_because="They were made after the film was changed back.")
    world.recall("R2", batches=["B3"]).retract()
    world.recall("R3", batches=["B3"]).close()
    tell_of_waiting(world)
    tell_of_claims(world, [*first.serials, *third.serials])
    world.do(CorrectClock(reason="It ran ahead."), key="clock")
    tell_of_keys(world)
    world.ledger.journal.seal()


def tell_of_waiting(world: World) -> None:
    """The first account is the only one that may approve by now: its rule comes in time, and stands in."""
    rules: tuple[tuple[StandIn, int], ...] = (("counsel", 0), ("waiting", 24))
    for stand_in, hours in rules:
        world.do(SetApprovalRule(command="recall.approve", stand_in=stand_in, waiting_hours=hours))
    world.later(days=4)
    world.draft("R4", batches=["B1"])
    world.later(days=1)
    world.do(PublishRecall(recall="R4"))


def tell_of_accounts(world: World) -> None:
    for account, roles in (("A" * 16, ("admin", "seller")), ("B" * 16, ("quality",)), ("C" * 16, ())):
        name = SealedName(account[:15] + "N", account[:15] + "M", "ab" * 32)
        world.do(AdmitAccount(account=account, roles=roles, name=name))
    world.do(NameAccount(account="A" * 16, name=SealedName("A" * 15 + "N", "A" * 15 + "P", "cd" * 32)))
    for roles in (("warehouse", "support"), ("auditor",)):
        world.do(GiveRoles(account="B" * 16, roles=roles))
    world.do(EndAccount(account="C" * 16, reason="They work elsewhere now."))
    ends_at = world.clock.now() + timedelta(days=90)
    for token, about in (("D" * 16, None), ("E" * 16, f"account:{'A' * 16}")):
        issued = IssueToken(token=token, scopes=("seller",), ends_at=ends_at, about=about)
        world.do(issued, by=f"account:{'A' * 16}")
    world.do(RevokeToken(token="D" * 16, reason="The program was replaced."))


def tell_of_webhooks(world: World) -> None:
    for address in ("https://erp.example/1", "https://erp.example/2"):
        world.do(SubscribeWebhook(address=address, kinds=("recall.*", "batch.produced")))
    world.do(EndWebhook(webhook=world.read(list_webhooks)[0].id, reason="It was replaced."))


def tell_of_sites(world: World) -> None:
    world.site("HAM-1")
    world.site("NGB-1", zone="Asia/Shanghai")
    for site in ("HAM-1", "NGB-1", ""):
        world.do(StaffSite(account="A" * 16, site=site))
    world.do(StaffSite(account="B" * 16, site="HAM-1"))
    batch = world.batch("B8", units=4)
    for site in ("HAM-1", "NGB-1"):
        batch.ships(to="DE", count=1, site=site)
    shipment = world.read(list_shipments)[0]
    world.do(ReceiveShipment(shipment=shipment.code, received_on=world.today, statement="One is missing."))


def tell_of_legal_entities(world: World) -> None:
    for code, country, name in (
        ("EU", "DE", "Voltaro"),
        ("UK", "GB", "Voltaro UK"),
        ("EU", "FR", "Voltaro SAS"),
    ):
        world.do(
            RecordLegalEntity(
                code=code, name=name, country=country, address=("Musterkai 4",), roles=("importer",)
            )
        )
    world.do(EndLegalEntity(legal_entity="UK", reason="It was sold."))


def tell_of_keys(world: World) -> None:
    ledger = world.ledger
    rotate_key(ledger, "A year has passed.", By(ADA))
    retire_key(ledger, "The overlap is over.", By(ADA))
    rotate_key(ledger, "The disk was stolen.", By(ADA), compromised=True)
    rotate_master_key(ledger, "The disk was stolen.", By(ADA))
    world.do(ResumeLog(guard="missing", known=None, reason="It was on that disk."))
    succeed_log(ledger, origin="lots.example/log/2", reason="The name was sold.", by=By(ADA))


def tell_of_substitutions(world: World) -> None:
    decisions: tuple[tuple[str, Literal["approve", "refuse"] | None], ...]
    decisions = (("S-1", "approve"), ("S-2", "refuse"), ("S-3", None))
    for code, decision in decisions:
        proposed = ProposeSubstitution(
            code=code,
            material="FILM",
            product="VS-10",
            declared="16 µm",
            wanted="14 µm",
            effective_on=world.today,
            statement="Cheaper.",
        )
        world.do(proposed)
        if decision:
            world.do(DecideSubstitution(code=code, decision=decision, statement="Tested."), by=BEN)
    found = FindSubstitution(
        code="S-4",
        lots=("SF-1", "SF-2"),
        known="uncoated, 12 µm",
        effective_on=world.today - timedelta(days=9),
        statement="The laboratory opened cells.",
        evidence=(world.ledger.files.put(b"report"),),
    )
    world.do(found)


def tell_of_claims(world: World, serials: list[str]) -> None:
    opened, accepted, declined, settled, replaced = (world.claim(serial) for serial in serials[:5])
    world.claim(serials[0], remedy="replacement")
    world.do(AcceptClaim(claim=accepted, statement="Seen."), key="accept")
    world.do(DeclineClaim(claim=declined, statement="Another product."))
    world.do(SettleClaim(claim=settled, amount=Money(3_490, "EUR")))
    spare = world.batch("B9", units=1)
    world.do(SettleClaim(claim=replaced, replacement=spare.serials[0]))
    world.do(ErasePerson(person=opened, reason="They asked."))
    world.do(SetRetention(kind="payout", days=1, reason="No longer is needed."))
    world.do(SetRetention(kind="payout", days=2, reason="The bank takes so long."))
    world.later(days=3)
    world.do(ExpireItems())


@pytest.fixture(scope="module")
def folder_of_all(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """A ledger with everything in it, only ever copied; and the time at its end."""
    folder = tmp_path_factory.mktemp("everything") / "var"
    begun = World.begin(folder)
    tell_everything(begun)
    begun.close()
    return folder, begun.clock.moment


@pytest.fixture
def told(folder_of_all: tuple[Path, datetime], tmp_path: Path) -> Iterator[World]:
    """A world in which everything has happened."""
    folder, moment = folder_of_all
    begun = World.begin_as(folder, tmp_path / "var")
    begun.clock.moment = moment
    yield begun
    begun.close()


def test_the_story_has_every_kind_of_event(told: World) -> None:
    kinds = {entry.kind for entry in assert_whole(told.ledger)}
    missing = KINDS.keys() - kinds - NOT_TOLD
    assert not missing, f"tell_everything should tell of {sorted(missing)} too"


NOT_TOLD = {"subjects.continued/1"}  # tests of the journal have more than 64 subjects


def test_every_derived_table_has_rows(told: World) -> None:
    empty = {table for table, rows in told.rows().items() if not rows}
    assert empty <= {"stagings"}


@pytest.mark.parametrize("noun", ALL, ids=lambda noun: str(noun.name))
def test_a_noun_made_again_has_the_rows_it_had(told: World, noun: Noun) -> None:
    live = told.rows()
    rebuild(told.ledger.engine, [noun], told.ledger.files.read)
    assert told.rows() == live


def test_all_made_again_have_the_rows_they_had(told: World) -> None:
    live = told.rows()
    assert rebuild(told.ledger.engine, ALL, told.ledger.files.read) == told.size()
    assert told.rows() == live
    told.do(CorrectClock(reason="The ledger goes on after a rebuild."))
    assert_whole(told.ledger)


def all_recorded(world: World) -> list[Recorded[Any]]:
    return [recorded_from(index, body) for index, body in enumerate(world.bodies())]


@pytest.fixture
def scratch() -> Iterator[Callable[[Noun], Connection]]:
    """A database in memory that holds one noun's tables and nothing else."""
    opened = []

    def make(noun: Noun) -> Connection:
        engine = connect(None)
        connection = engine.connect()
        opened.append((engine, connection))
        for table in noun.tables:
            table.create(connection)
        return connection

    yield make
    for engine, connection in opened:
        connection.close()
        engine.dispose()


@pytest.mark.parametrize("noun", ALL, ids=lambda noun: str(noun.name))
@pytest.mark.parametrize("batch", [1, 2, 7, 100_000])
def test_batches_of_any_size_give_the_same_rows_from_a_nouns_own_tables_alone(
    told: World, scratch: Callable[[Noun], Connection], noun: Noun, batch: int
) -> None:
    connection = scratch(noun)
    state = State(connection, told.ledger.files.read)
    recorded = all_recorded(told)
    for start in range(0, len(recorded), batch):
        apply_all(state, recorded[start : start + batch], [noun])
    live = told.rows([noun])
    assert {table.name: rows_of(connection, table) for table in noun.tables} == live


def test_the_log_read_again_is_what_was_recorded(told: World) -> None:
    with reading(told.ledger.engine) as connection:
        read = [one for some in replay(connection) for one in some]
    assert read == all_recorded(told)
    assert [one.index for one in read] == list(range(told.size()))


def test_a_table_of_another_version_asks_for_a_rebuild_before_anything_is_opened(told: World) -> None:
    with writing(told.ledger.engine) as connection:
        connection.execute(text("UPDATE projections SET version = 99 WHERE noun = 'batch'"))
        connection.execute(text("DELETE FROM projections WHERE noun = 'claim'"))
        assert {noun.name for noun in outdated(connection)} == {"batch", "claim"}
    with pytest.raises(RebuildNeeded) as needed:
        told.reopen()
    assert {"batch", "claim"} == set(str(needed.value.facts["nouns"]).split(", "))
    live = told.rows()
    rebuild(told.ledger.engine, [NOUNS["batch"], NOUNS["claim"]], told.ledger.files.read)
    told.reopen()
    assert told.rows() == live


def test_versions_are_noted_for_the_nouns_given_alone(told: World) -> None:
    with writing(told.ledger.engine) as connection:
        connection.execute(text("UPDATE projections SET version = 99"))
        note_versions(connection, [NOUNS["batch"]])
        assert NOUNS["batch"] not in outdated(connection)
        assert len(outdated(connection)) == len(NOUNS) - 1


# --- the registry


def test_every_kind_has_the_form_that_entries_have() -> None:
    assert all(KIND.fullmatch(kind) for kind in KINDS)
    assert {KIND_OF[cls]: cls for cls in KINDS.values()} == KINDS


def test_every_event_that_a_noun_has_tables_for_is_applied() -> None:
    applied = {cls for noun in ALL for cls in noun.appliers}
    observed: set[type[Event]] = {cls for cls, noun in NOUN_OF.items() if noun.observers}
    assert set(KINDS.values()) == applied | observed | WITHOUT_ROWS
    assert all(NOUN_OF[cls] is noun for noun in ALL for cls in noun.appliers)


WITHOUT_ROWS: set[type[Event]] = set()


def test_no_table_belongs_to_two_nouns() -> None:
    tables = [table.name for noun in ALL for table in noun.tables]
    assert len(tables) == len(set(tables))


# --- the schema


def indexes(inspector: Inspector, table: str) -> list[str]:
    """As they were made: an inspector says nothing of those over an expression."""
    made = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL"
    with inspector.engine.connect() as connection:
        return sorted(connection.scalars(text(made), {"table": table}))


def described(inspector: Inspector, table: str) -> dict[str, object]:
    """Columns, keys, indexes and checks of a table, as the database has them."""
    columns = [
        (column["name"], str(column["type"]), column["nullable"], column["default"])
        for column in inspector.get_columns(table)
    ]
    return {
        "columns": columns,
        "primary key": inspector.get_pk_constraint(table)["constrained_columns"],
        "indexes": indexes(inspector, table),
        "unique": sorted(tuple(one["column_names"]) for one in inspector.get_unique_constraints(table)),
        "checks": sorted(one["sqltext"] for one in inspector.get_check_constraints(table)),
    }


METADATA = (store.LOG, DERIVED, PEOPLE, TRACE, RECALL_TABLES)
TABLES = [table for metadata in METADATA for table in metadata.sorted_tables]


@pytest.fixture(scope="module")
def inspectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Inspector, Inspector]]:
    """The schema that migrations made, and the one that the nouns describe."""
    folder: Path = tmp_path_factory.mktemp("schemas")
    migrated, described_by_nouns = connect(folder / "migrated.db"), connect(folder / "nouns.db")
    migrate(migrated, "lotproof")
    for metadata in METADATA:
        metadata.create_all(described_by_nouns)
    yield inspect(migrated), inspect(described_by_nouns)
    migrated.dispose()
    described_by_nouns.dispose()


# Asked for what is unique, SQLAlchemy warns of indexes over expressions; they are compared as text.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_a_migrated_table_is_what_its_noun_says(
    inspectors: tuple[Inspector, Inspector], table: Table
) -> None:
    migrated, described_by_nouns = inspectors
    assert described(migrated, table.name) == described(described_by_nouns, table.name)


def test_there_is_no_migrated_table_that_nobody_describes(inspectors: tuple[Inspector, Inspector]) -> None:
    migrated, described_by_nouns = inspectors
    assert set(migrated.get_table_names()) == {*described_by_nouns.get_table_names(), "alembic_version"}


def test_every_nouns_table_is_described_once() -> None:
    assert {table for noun in ALL for table in noun.tables} <= set(TABLES)
    assert all(isinstance(metadata, MetaData) for metadata in METADATA)


def test_units_have_no_row_of_their_own_beside_their_key(inspectors: tuple[Inspector, Inspector]) -> None:
    # WITHOUT ROWID, in both: 20,000 units a batch would otherwise be stored twice.
    for inspector in inspectors:
        with inspector.engine.connect() as connection:
            made = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = 'units'")).scalar_one()
        assert "WITHOUT ROWID" in str(made)
