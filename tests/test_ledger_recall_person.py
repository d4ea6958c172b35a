"""Persons: erased on record and then destroyed, whatever crashes or comes back between; kept as long as a rule says."""

import ast
import functools
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import select

from ledger.database import reading
from ledger.journal.asking import BadAnswers, build
from ledger.journal.journal import By
from ledger.journal.projections import rebuild
from ledger.journal.registry import NOUNS
from ledger.quantities import Money
from ledger.recall.claim import (
    AcceptClaim,
    DeclineClaim,
    OpenClaim,
    Sealed,
    SettleClaim,
    get_claim,
    named_items,
)
from ledger.recall.erasing import (
    carry_out_erasure,
    erase_recorded,
    finish_erasures,
    keep_to_retention,
    vault_problems,
)
from ledger.recall.errors import ErasedPerson, UnknownPersonOrClaim
from ledger.recall.person import (
    PERSONS_AT_ONCE,
    ErasePerson,
    ExpireItems,
    PersonErased,
    PersonExpired,
    SetRetention,
    due_items,
    erased_at,
    expired_of,
    rules,
)
from ledger.recall.retention import Kind, default_rules
from ledger.vault.tables import items
from ledger.vault.vault import UnknownItem, UnknownPerson, Vault, open_vault
from tests.conftest import ROOT
from tests.world import ADA, MadeBatch, World, refusal

REFUND = Money(3_490, "EUR")
KINDS = {"contact", "payout"}


@pytest.fixture
def batch(world: World) -> MadeBatch:
    """A recalled batch of three units."""
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=3)
    world.recall("R1", lots=["SF-1"])
    return batch


def person_of(world: World, claim: str) -> str:
    return world.read(lambda connection: get_claim(connection, claim)).person


def erase(world: World, reference: str, *, key: str | None = None) -> PersonErased:
    request = ErasePerson(person=reference, reason="They asked.")
    return carry_out_erasure(world.ledger, request, By(ADA, key)).first(PersonErased).event


def erase_on_record_only(world: World, reference: str) -> None:
    """What a crash leaves that comes between the entry and the destruction."""
    world.do(ErasePerson(person=reference, reason="They asked."))


def held(vault: Vault, person: str) -> int:
    return len(vault.items_of(person))


def problems(world: World) -> list[tuple[str, str]]:
    with reading(world.ledger.engine) as connection:
        return [(one.table, one.row) for one in vault_problems(world.ledger.vault, connection)]


# --- erasing


@pytest.mark.parametrize("by", ["claim", "person"])
def test_a_person_is_found_by_a_claim_and_by_their_own_id(world: World, batch: MadeBatch, by: str) -> None:
    claim, other = world.claim(batch.serials[0]), world.claim(batch.serials[1])
    person = person_of(world, claim)
    assert held(world.ledger.vault, person) == 2
    event = erase(world, claim if by == "claim" else person)
    assert event.person == person
    assert held(world.ledger.vault, person) == 0
    assert held(world.ledger.vault, person_of(world, other)) == 2
    assert world.read(lambda connection: erased_at(connection, person)) == world.clock.moment
    assert problems(world) == []


def test_the_entry_is_about_the_claims_and_names_the_person_by_an_opaque_id_alone(
    world: World, batch: MadeBatch
) -> None:
    claim = world.claim(batch.serials[0])
    erase(world, claim)
    entry = world.ledger.journal.read(world.size() - 2)
    assert isinstance(entry.event, PersonErased)
    assert entry.subjects == (f"claim:{claim}",)


def test_a_person_nobody_knows_is_not_erased(world: World, batch: MadeBatch) -> None:
    with pytest.raises(UnknownPersonOrClaim, match="2222222222222222"):
        erase(world, "2222222222222222")


def test_an_erased_person_is_not_erased_again_nor_written_about(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0])
    erase(world, claim)
    with pytest.raises(ErasedPerson, match="2025-05-01"):
        erase(world, claim)
    found = world.read(lambda connection: get_claim(connection, claim))
    again = OpenClaim(
        claim="C" * 16,
        product=found.product,
        batch=found.batch,
        position=found.position,
        remedy="refund",
        country="DE",
        language="de",
        person=found.person,
        contact=Sealed("D" * 16, "ab" * 32),
        payout=None,
    )
    assert isinstance(refusal(lambda: world.do(again)), ErasedPerson)
    with pytest.raises(UnknownPerson):
        world.ledger.vault.put(found.person, "contact", {}, now=world.clock.moment)


def test_an_erasure_sent_twice_under_one_key_is_one(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0])
    first, size = erase(world, claim, key="k"), world.size()
    assert erase(world, claim, key="k") == first
    assert world.size() == size


def test_what_follows_an_erasure_needs_no_person(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0])
    world.do(AcceptClaim(claim=claim))
    erase(world, claim)
    world.do(SettleClaim(claim=claim, amount=REFUND))
    assert world.read(lambda connection: get_claim(connection, claim)).standing == "settled"
    named = world.read(named_items)
    world.later(days=1)
    assert world.ledger.vault.sweep(named, older_than=world.clock.moment) == 0


def test_everything_derived_is_made_again_from_the_log(world: World, batch: MadeBatch) -> None:
    first, second = world.claim(batch.serials[0]), world.claim(batch.serials[1])
    world.do(SetRetention(kind="payout", days=1, reason="No need."))
    world.do(SettleClaim(claim=second, amount=REFUND))
    world.later(days=2)
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 1
    erase(world, first)
    assert {len(rows) for rows in world.rows([NOUNS["person"]]).values()} == {1}
    before = world.rows()
    rebuild(world.ledger.engine, tuple(NOUNS.values()), world.ledger.files.read)
    assert world.rows() == before


# --- a crash, a backup


def test_what_a_crash_left_is_destroyed_when_the_ledger_is_opened_again(
    world: World, batch: MadeBatch
) -> None:
    claim = world.claim(batch.serials[0])
    person = person_of(world, claim)
    erase_on_record_only(world, claim)
    assert problems(world) == [("persons", person)]
    assert held(world.ledger.vault, person) == 2
    world.reopen()
    assert held(world.ledger.vault, person) == 0
    assert problems(world) == []


def test_what_a_crash_left_is_destroyed_by_the_worker(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0])
    erase_on_record_only(world, claim)
    assert finish_erasures(world.ledger) == 1
    assert finish_erasures(world.ledger) == 0
    assert held(world.ledger.vault, person_of(world, claim)) == 0


def copy_vault(world: World, to: Path) -> None:
    """A copy of the vault as a backup makes one."""
    world.ledger.vault.scrub()
    shutil.copy(str(world.ledger.settings.vault_db), to)


@pytest.mark.files
def test_a_vault_put_back_by_hand_loses_the_erased_again(
    world: World, batch: MadeBatch, tmp_path: Path
) -> None:
    gone, expired, stays = (world.claim(serial) for serial in batch.serials)
    copy_vault(world, tmp_path / "older.db")
    for claim in (expired, stays):
        world.do(SettleClaim(claim=claim, amount=REFUND))
    erase(world, gone)
    world.later(days=default_rules()["payout"].days)
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 2
    world.ledger.close()
    shutil.copy(tmp_path / "older.db", str(world.ledger.settings.vault_db))
    older = open_vault(world.ledger.settings.vault_db, world.ledger.keys.master)
    assert [held(older, person_of(world, one)) for one in (gone, expired, stays)] == [2, 2, 2]
    older.engine.dispose()
    world.reopen()
    vault = world.ledger.vault
    assert [held(vault, person_of(world, one)) for one in (gone, expired, stays)] == [0, 1, 1]
    assert problems(world) == []


@pytest.mark.files
def test_erasures_are_replayed_onto_a_vault_that_is_not_this_ledgers(
    world: World, batch: MadeBatch, tmp_path: Path
) -> None:
    claims = [world.claim(serial) for serial in batch.serials]
    copy_vault(world, tmp_path / "restored.db")
    erase(world, claims[0])
    restored = open_vault(tmp_path / "restored.db", world.ledger.keys.master)
    with reading(world.ledger.engine) as connection:
        assert erase_recorded(restored, connection) == 1
        assert erase_recorded(restored, connection) == 0
    assert [held(restored, person_of(world, one)) for one in claims] == [0, 2, 2]
    restored.engine.dispose()


@pytest.mark.files
def test_a_vault_that_is_older_than_a_claim_misses_its_values_and_the_check_says_so(
    world: World, batch: MadeBatch, tmp_path: Path
) -> None:
    world.claim(batch.serials[0])
    copy_vault(world, tmp_path / "older.db")
    claim = world.claim(batch.serials[1])
    found = world.read(lambda connection: get_claim(connection, claim))
    world.ledger.close()
    shutil.copy(tmp_path / "older.db", str(world.ledger.settings.vault_db))
    world.reopen()
    assert sorted(problems(world)) == sorted([("items", found.contact), ("items", str(found.payout))])


# --- retention


def end(world: World, claim: str, how: str) -> None:
    if how == "settled":
        world.do(SettleClaim(claim=claim, amount=REFUND))
    elif how == "declined":
        world.do(DeclineClaim(claim=claim, statement="Another product."))
    elif how == "accepted":
        world.do(AcceptClaim(claim=claim))


def live_until(world: World, moment: datetime) -> None:
    """Let time pass as it does beside a worker: a year of silence would be asked about."""
    while world.clock.moment < moment:
        world.clock.moment = min(moment, world.clock.moment + timedelta(days=300))
        world.ledger.journal.seal()


def kinds_of(world: World, claim: str) -> set[str]:
    with reading(world.ledger.vault.engine) as connection:
        return set(connection.scalars(select(items.c.kind).where(items.c.person == person_of(world, claim))))


@pytest.mark.parametrize("how", ["settled", "declined"])
def test_each_kind_is_destroyed_when_its_days_after_the_end_are_over_and_not_before(
    world: World, batch: MadeBatch, how: str
) -> None:
    claim = world.claim(batch.serials[0])
    live_until(world, world.clock.moment + timedelta(days=500))
    end(world, claim, how)
    ended = world.clock.moment
    left = set(KINDS)
    own = [pair for pair in default_rules().items() if pair[0] in left]
    for kind, rule in sorted(own, key=lambda pair: pair[1].days):
        live_until(world, ended + timedelta(days=rule.days) - timedelta(milliseconds=1))
        assert keep_to_retention(world.ledger, now=world.clock.moment) == 0
        assert kinds_of(world, claim) == left
        world.later(seconds=0.001)
        assert keep_to_retention(world.ledger, now=world.clock.moment) == 1
        left -= {kind}
        assert kinds_of(world, claim) == left
        assert problems(world) == []
    assert left == set()


@pytest.mark.parametrize("how", ["opened", "accepted"])
def test_while_a_claim_is_open_nothing_runs_out(world: World, batch: MadeBatch, how: str) -> None:
    claim = world.claim(batch.serials[0])
    end(world, claim, how)
    live_until(world, world.clock.moment + timedelta(days=3_650))
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 0
    assert kinds_of(world, claim) == KINDS


def test_a_claim_accepted_after_all_is_open_again(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0])
    end(world, claim, "declined")
    world.later(days=default_rules()["payout"].days - 1)
    end(world, claim, "accepted")
    world.later(days=2)
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 0


def test_what_runs_out_is_recorded_by_opaque_ids_alone(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0])
    found = world.read(lambda connection: get_claim(connection, claim))
    end(world, claim, "settled")
    world.later(days=default_rules()["payout"].days)
    keep_to_retention(world.ledger, now=world.clock.moment)
    entry = world.ledger.journal.read(world.size() - 2)
    assert isinstance(entry.event, PersonExpired)
    assert (entry.actor, entry.subjects) == ("system:worker", (f"claim:{claim}",))
    assert [(one.item, one.kind) for one in entry.event.items] == [(found.payout, "payout")]
    expired = world.read(lambda connection: expired_of(connection, found.person))
    assert expired == {found.payout: world.clock.moment}
    with pytest.raises(UnknownItem):
        world.ledger.vault.read(str(found.payout))


def test_a_crash_before_the_destruction_is_made_good_and_recorded_only_once(
    world: World, batch: MadeBatch
) -> None:
    claim = world.claim(batch.serials[0])
    end(world, claim, "settled")
    world.later(days=default_rules()["payout"].days)
    world.do(ExpireItems(), by="system:worker")  # and then it crashed
    size = world.size()
    assert kinds_of(world, claim) == KINDS
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 0
    assert world.size() == size
    world.reopen()
    assert kinds_of(world, claim) == {"contact"}


def test_the_sellers_own_rule_holds_from_when_it_was_recorded(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0])
    end(world, claim, "settled")
    world.later(days=10)
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 0
    world.do(SetRetention(kind="contact", days=20, reason="Our law asks for less."))
    world.do(SetRetention(kind="contact", days=9, reason="Even less."))
    in_force = world.read(rules)
    assert (in_force["contact"].days, in_force["contact"].reason) == (9, "Even less.")
    assert in_force["contact"].purpose == default_rules()["contact"].purpose
    assert in_force["payout"] == default_rules()["payout"]
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 1
    assert kinds_of(world, claim) == {"payout"}


@pytest.mark.slow
def test_more_persons_than_one_command_takes_run_out_in_several(world: World) -> None:
    world.lot("SF-1", "4000 m")
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=PERSONS_AT_ONCE + 5)
    world.recall("R1", lots=["SF-1"])
    claims = [world.claim(serial) for serial in batch.serials]
    for claim in claims:
        end(world, claim, "settled")
    world.later(days=default_rules()["payout"].days)
    world.do(SetRetention(kind="contact", days=1, reason="No need."))
    assert len(world.read(lambda connection: due_items(connection, at=world.clock.moment))) == PERSONS_AT_ONCE
    assert keep_to_retention(world.ledger, now=world.clock.moment) == 2 * len(claims)
    assert problems(world) == []


# --- no kind without a rule


def test_every_kind_of_value_has_a_rule_with_its_reason() -> None:
    found = default_rules()
    assert found.keys() == set(get_args(Kind))
    assert all(rule.days >= 0 and rule.purpose and rule.reason for rule in found.values())


@functools.cache
def calls_of_the_vault() -> list[tuple[str, str]]:
    """(path: function, method) of every `….vault.<method>(…)` in the program."""
    return [
        (f"{path.relative_to(ROOT)}: {function.name}", call.func.attr)
        for path in sorted((*ROOT.glob("ledger/**/*.py"), *ROOT.glob("portal/**/*.py")))
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if "vault" in ast.unparse(call.func.value)
    ]


def calls_of(method: str) -> list[str]:
    return [place for place, called in calls_of_the_vault() if called == method]


def test_values_get_into_the_vault_by_one_door_which_takes_kinds_with_a_rule_alone() -> None:
    assert calls_of("put") == ["ledger/recall/claiming.py: _put", "portal/names.py: keep"]


@pytest.mark.parametrize("method", ["read", "opening"])
def test_nobody_reads_the_vault_without_its_being_written_down(method: str) -> None:
    # Colleagues' names alone, which stand on every page: of every other kind that reading gives nothing.
    assert set(calls_of(method)) <= {"portal/names.py: read"}
    assert calls_of("read_as")


@pytest.mark.parametrize(
    ("kind", "days"),
    [("shoe size", "1"), ("contact", "-1"), ("contact", "1.5"), ("contact", "40000"), ("", "1")],
)
def test_a_rule_for_no_kind_or_of_no_days_is_refused(kind: str, days: str) -> None:
    with pytest.raises(BadAnswers):
        build(SetRetention, {"kind": kind, "days": days, "reason": "No need."})
