"""Writing: groups, repeated requests, and commands that are refused beside others that are not."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.free_text import PersonalData
from ledger.journal.events import requests, subject_heads
from ledger.journal.journal import By, Journal, NoSuchEntry, NothingRecorded, Receipt, SameKeyOtherRequest
from ledger.journal.registry import Command, Request
from ledger.journal.transaction import StaleMap, TooLong, Tx
from ledger.journal.turnstile import OpenGate
from ledger.log.canonical import NotCanonical
from ledger.log.entry import parse_entry
from ledger.recall.order import publish_recall, widen_recall
from ledger.recall.requests import ApproveRecall, DraftWidening, PublishRecall, WidenRecall
from ledger.trace.bill_of_materials import MaterialRegistered, RegisterMaterial, list_materials
from ledger.trace.party import PartyExists, RegisterParty
from ledger.trace.quality import PlaceHold
from tests.whole_log import assert_whole
from tests.world import ADA, BEN, World, command_for, refusal


def material(code: str) -> RegisterMaterial:
    return RegisterMaterial(code=code, name=f"Material {code}")


class Anything(Request, frozen=True):
    """A request for commands that only these tests know."""

    what: str = ""


def a_command(
    run: Callable[[Tx, Anything], None], prepare: Callable[[Any, Any], Any] | None = None
) -> Command[Any]:
    """A command that is in no registry."""
    return Command("test.do", Anything, run, prepare, False)


def registered(tx: Tx, code: str) -> None:
    """What `material.register` records."""
    one = tx.new_id()
    tx.record(MaterialRegistered(material=one, code=code, name=code), f"material:{one}")


class Gate:
    """Holds the leader of a group inside its command until as many others wait as the test wants."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.is_in = threading.Event()
        self.may_go_on = threading.Event()

    def run(self, tx: Tx, _request: Anything) -> None:
        self.is_in.set()
        assert self.may_go_on.wait(30)
        registered(tx, "GATE")

    def one_group(self, *asks: Callable[[], Receipt]) -> list[Receipt | BaseException]:
        """Carry these out in one group, in this order, behind the gate; gives what came of each."""
        journal = self.world.ledger.journal
        with ThreadPoolExecutor(len(asks) + 1) as pool:
            leader = pool.submit(journal.write, a_command(self.run), Anything(), By(ADA))
            assert self.is_in.wait(30)
            waiting = []
            for ask in asks:
                started = len(journal._queue)
                waiting.append(pool.submit(ask))
                while len(journal._queue) == started and not waiting[-1].done():
                    pass
            self.may_go_on.set()
            leader.result(30)
            return [one.exception(30) or one.result(30) for one in waiting]


@pytest.fixture
def gate(world: World) -> Gate:
    return Gate(world)


def test_a_receipt_is_what_stands_in_the_log(world: World) -> None:
    receipt = world.do(material("FILM"))
    (recorded,) = receipt.entries
    assert world.ledger.journal.read(recorded.index) == recorded
    assert recorded.event == MaterialRegistered(
        material=recorded.event.material, code="FILM", name="Material FILM"
    )
    assert recorded.actor == ADA
    assert recorded.at == world.clock.moment
    assert recorded.index == world.size() - 2  # the stated map closes the checkpoint
    assert_whole(world.ledger)


def test_reading_past_the_end_is_refused(world: World) -> None:
    with pytest.raises(NoSuchEntry) as refused:
        world.ledger.journal.read(2)
    assert refused.value.facts == {"index": 2, "size": 2}


def test_eight_threads_are_answered_with_what_stands_at_their_index(world: World) -> None:
    def go(thread: int) -> list[Receipt]:
        return [world.do(material(f"M-{thread}-{number}")) for number in range(20)]

    with ThreadPoolExecutor(8) as pool:
        receipts = [one for some in pool.map(go, range(8)) for one in some]
    entries = assert_whole(world.ledger)
    indexes = set()
    for receipt in receipts:
        (one,) = receipt.entries
        indexes.add(one.index)
        assert entries[one.index].data["code"] == one.event.code
        assert entries[one.index].at == one.at
    assert len(indexes) == 160
    codes = {one.code for one in world.read(list_materials)}
    assert codes == {f"M-{thread}-{number}" for thread in range(8) for number in range(20)}


def test_whoever_leads_is_answered_however_late_it_gets_to_it(world: World) -> None:
    ledger = world.ledger
    with (
        closing(
            Journal(
                engine=ledger.engine,
                signer=ledger.keys.signer,
                guard=ledger.guard,
                files=ledger.files,
                turnstile=OpenGate(),
                clock=ledger.clock,
                max_held_seconds=0,
            )
        ) as journal,
        ThreadPoolExecutor(4) as pool,
    ):
        command = command_for(material("FILM"))
        asked = [pool.submit(journal.write, command, material(f"M{n}"), By(ADA)) for n in range(12)]
        assert all(one.result(30).entries for one in asked)
    assert_whole(ledger)


def test_who_waits_at_the_same_time_shares_a_checkpoint(world: World, gate: Gate) -> None:
    before = world.size()
    answers = gate.one_group(*(lambda n=n: world.do(material(f"M{n}")) for n in range(10)))
    assert all(isinstance(one, Receipt) for one in answers)
    kinds = [entry.kind for entry in assert_whole(world.ledger)[before:]]
    assert kinds.count("material.registered/1") == 11
    assert kinds.count("status.stated/1") <= 3  # a group ends early where it has held the lock for long


def test_a_refused_command_leaves_nothing_while_others_of_its_group_stand(world: World, gate: Gate) -> None:
    world.material("TAKEN")
    before = world.size()

    def fails(tx: Tx, _request: Anything) -> None:
        registered(tx, "HALF")
        tx.flush()
        assert "HALF" in {one.code for one in list_materials(tx.connection)}
        raise ZeroDivisionError

    answers = gate.one_group(
        lambda: world.do(material("A"), key="a"),
        lambda: world.do(material("TAKEN"), key="b"),
        lambda: world.ledger.journal.write(a_command(fails), Anything(), By(ADA, "c")),
        lambda: world.do(material("B"), key="d"),
    )
    assert [type(one).__name__ for one in answers] == [
        "Receipt",
        "MaterialExists",
        "ZeroDivisionError",
        "Receipt",
    ]
    entries = assert_whole(world.ledger)[before:]
    assert [entry.data["code"] for entry in entries if entry.kind != "status.stated/1"] == ["GATE", "A", "B"]
    assert {one.code for one in world.read(list_materials)} == {"TAKEN", "GATE", "A", "B"}
    with reading(world.ledger.engine) as connection:
        assert connection.execute(select(requests)).all().__len__() == 2
        heads = set(connection.execute(select(subject_heads.c.subject)).scalars())
    assert heads == {subject for body in world.bodies() for subject in parse_entry(body).subjects}


def test_a_group_of_refused_commands_alone_writes_nothing(world: World) -> None:
    world.party("QINGLUO")
    before, rows = world.bodies(), world.rows()
    with pytest.raises(PartyExists):
        world.do(RegisterParty(code="QINGLUO", name="Another", role="factory", country="CN"))
    assert world.bodies() == before
    assert world.rows() == rows


def test_a_command_without_anything_to_record_is_refused(world: World) -> None:
    with pytest.raises(NothingRecorded):
        world.ledger.journal.write(a_command(lambda tx, request: None), Anything(), By(ADA))


def test_more_than_a_group_holds_is_answered_in_several(world: World, gate: Gate) -> None:
    answers = gate.one_group(*(lambda n=n: world.do(material(f"M{n}")) for n in range(100)))
    assert all(isinstance(one, Receipt) for one in answers)
    assert_whole(world.ledger)


# --- repeated requests


def test_the_same_request_under_the_same_key_gives_the_first_receipt(world: World) -> None:
    first = world.do(material("FILM"), key="k1")
    size = world.size()
    world.later(days=1)
    assert world.do(material("FILM"), key="k1") == first
    assert world.size() == size


def test_a_receipt_of_several_entries_comes_back_whole(world: World) -> None:
    def both(tx: Tx, request: Anything) -> None:
        registered(tx, "A")
        registered(tx, "B")

    first = world.ledger.journal.write(a_command(both), Anything(), By(ADA, "k"))
    world.material("BETWEEN")
    again = world.ledger.journal.write(a_command(both), Anything(), By(ADA, "k"))
    assert again == first
    assert [one.event.code for one in again.entries] == ["A", "B"]


def test_the_same_key_in_the_same_group_gives_the_same_receipt(world: World, gate: Gate) -> None:
    first, second, third = gate.one_group(
        lambda: world.do(material("FILM"), key="k1"),
        lambda: world.do(material("FILM"), key="k1"),
        lambda: world.do(material("CELL"), key="k1"),
    )
    assert isinstance(first, Receipt)
    assert first == second
    assert isinstance(third, SameKeyOtherRequest)


def test_a_request_repeated_after_a_restart_gives_the_first_receipt(world: World) -> None:
    first = world.do(material("FILM"), key="k1")
    world.reopen()
    assert world.do(material("FILM"), key="k1") == first


def test_a_key_used_for_another_request_is_refused(world: World) -> None:
    world.do(material("FILM"), key="k1")
    before = world.bodies()
    with pytest.raises(SameKeyOtherRequest):
        world.do(material("CELL"), key="k1")
    with pytest.raises(SameKeyOtherRequest):
        world.do(RegisterMaterial(code="FILM", name="Another name"), key="k1")
    assert world.bodies() == before


def test_keys_of_different_actors_and_commands_do_not_meet(world: World) -> None:
    first = world.do(material("FILM"), by=ADA, key="k1")
    second = world.do(material("CELL"), by=BEN, key="k1")
    party = world.do(RegisterParty(code="X", name="X", role="shop", country="DE"), by=ADA, key="k1")
    assert len({one.entries[0].request for one in (first, second, party)}) == 3


def test_a_refused_request_may_be_sent_again_under_its_key(world: World) -> None:
    hold = PlaceHold(batch="VS-10/B1", reason="A sample failed.")
    assert isinstance(refusal(lambda: world.do(hold, key="k1")), LedgerError)
    world.batch("B1")
    assert world.do(hold, key="k1").entries[0].event.reason == hold.reason


def test_the_body_of_a_request_cannot_be_guessed_from_its_digest_without_the_key(world: World) -> None:
    first = world.do(material("FILM"), key="k1").entries[0].request
    world.do(RegisterParty(code="FILM", name="F", role="shop", country="DE"), key="k2")
    second = world.do(material("FOIL"), key="k3").entries[0].request
    assert first is not None
    assert second is not None
    assert first[1] != second[1]
    assert "k1" not in world.bodies()[-1].decode()


# --- what is recorded can be read again


def test_more_than_64_subjects_go_on_in_further_entries(world: World) -> None:
    subjects: list[str] = []

    def many(tx: Tx, request: Anything) -> None:
        subjects.extend(f"material:{tx.new_id()}" for _ in range(150))
        tx.record(MaterialRegistered(material=subjects[0][9:], code="X", name="X"), *subjects, subjects[3])

    receipt = world.ledger.journal.write(a_command(many), Anything(), By(ADA, "k"))
    first = receipt.entries[0].index
    assert [len(one.subjects) for one in receipt.entries] == [64, 64, 22]
    assert [getattr(one.event, "of", None) for one in receipt.entries] == [None, first, first]
    assert sorted(one for entry in receipt.entries for one in entry.subjects) == sorted(subjects)
    assert_whole(world.ledger)
    assert world.ledger.journal.write(a_command(many), Anything(), By(ADA, "k")) == receipt


@pytest.mark.parametrize("actor", ["", "ada", "account:ada", "account:" + "a" * 16, "system:", "account:\n"])
def test_an_actor_that_no_entry_can_name_is_refused_before_anything_is_written(
    world: World, actor: str
) -> None:
    before = world.bodies()
    with pytest.raises(ValueError, match="actor"):
        world.do(material("FILM"), by=actor)
    assert world.bodies() == before


@pytest.mark.parametrize("subjects", [(), ("material",), ("material:short",), ("Material:" + "A" * 16,)])
def test_a_subject_that_no_entry_can_name_is_refused(world: World, subjects: tuple[str, ...]) -> None:
    def records(tx: Tx, request: Anything) -> None:
        tx.record(MaterialRegistered(material="A" * 16, code="X", name="X"), *subjects)

    before = world.bodies()
    with pytest.raises(ValueError, match="subject"):
        world.ledger.journal.write(a_command(records), Anything(), By(ADA))
    assert world.bodies() == before


def test_an_event_that_could_not_be_read_again_is_never_recorded(world: World) -> None:
    def records(tx: Tx, request: Anything) -> None:
        bad: Any = 7
        tx.record(MaterialRegistered(material="A" * 16, code=bad, name="X"), f"material:{'A' * 16}")

    before = world.bodies()
    with pytest.raises(msgspec.ValidationError):
        world.ledger.journal.write(a_command(records), Anything(), By(ADA))
    assert world.bodies() == before


def test_text_that_no_entry_can_hold_is_refused(world: World) -> None:
    with pytest.raises(NotCanonical):
        world.do(RegisterMaterial(code="X", name="U\u0308berzug"))
    with pytest.raises(NotCanonical):
        world.do(RegisterMaterial(code="X", name="U\u0308berzug"), key="k")


def test_an_event_too_long_for_an_entry_is_refused_alone(world: World, gate: Gate) -> None:
    long, good = gate.one_group(
        lambda: world.do(RegisterMaterial(code="LONG", name="x" * 61_000)),
        lambda: world.do(material("GOOD")),
    )
    assert isinstance(long, TooLong)
    assert isinstance(good, Receipt)
    assert_whole(world.ledger)


def test_free_text_that_names_somebody_is_refused(world: World) -> None:
    world.batch("B1")
    before = world.bodies()
    with pytest.raises(PersonalData):
        world.do(PlaceHold(batch="B1", reason="Ask ada@mail.example."))
    assert world.bodies() == before


# --- the status map


def test_a_recall_prepared_on_another_map_is_stale(world: World, gate: Gate) -> None:
    world.batch("B1", units=2)
    world.batch("B2", units=2)
    for code, batch in (("R1", "B1"), ("R2", "B2")):
        world.draft(code, batches=[batch]).approve()
    first, second = gate.one_group(
        lambda: world.do(PublishRecall(recall="R1")), lambda: world.do(PublishRecall(recall="R2"))
    )
    assert isinstance(first, Receipt)
    assert isinstance(second, StaleMap)
    assert world.do(PublishRecall(recall="R2"))
    assert_whole(world.ledger)


def test_a_map_prepared_for_another_version_of_the_recall_is_stale(world: World) -> None:
    for code in ("B1", "B2", "B3"):
        world.batch(code, units=2)
    world.recall("R1", batches=["B1"])
    world.do(DraftWidening(recall="R1", statement="More.", batches=("B2",)))
    world.do(ApproveRecall(recall="R1", statement="Checked."), by=BEN)

    def prepare_and_be_overtaken(journal: Any, request: Any) -> Any:
        assert widen_recall.prepare
        prepared = widen_recall.prepare(journal, request)
        world.do(DraftWidening(recall="R1", statement="Still more.", batches=("B2", "B3")))
        world.do(ApproveRecall(recall="R1", statement="Checked."), by=BEN)
        return prepared

    slow = Command("recall.widen", WidenRecall, widen_recall.run, prepare_and_be_overtaken, False)
    with pytest.raises(StaleMap):
        world.ledger.journal.write(slow, WidenRecall(recall="R1"), By(ADA))
    world.do(WidenRecall(recall="R1"))
    assert_whole(world.ledger)


def test_a_command_that_is_found_by_its_request_is_the_registered_one() -> None:
    assert command_for(PublishRecall(recall="R1")) is publish_recall
