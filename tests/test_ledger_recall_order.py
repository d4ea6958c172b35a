"""Recalls: two people, a scope that only grows, and a retraction that stays visible."""

import pytest

from ledger.errors import LedgerError
from ledger.people.approval import NotApproved, SameAuthor
from ledger.recall.errors import (
    IntoRecalledBatch,
    NothingAffected,
    NothingToApprove,
    NotWider,
    RecallExists,
    ScopeOutgrown,
    UnknownHazard,
    UnknownRecall,
    WrongStanding,
)
from ledger.recall.order import preview
from ledger.recall.recall import (
    Recall,
    RecallDrafted,
    RecallPublished,
    get_recall,
    list_recalls,
    public_scopes,
    recalls_over,
    versions_of,
)
from ledger.recall.requests import DraftWidening, PublishRecall, WidenRecall
from ledger.trace.batch import UnknownBatch
from ledger.trace.material_lot import UnknownMaterialLot
from ledger.trace.positions import covers, joined, parse_scope
from tests.whole_log import assert_whole
from tests.world import ADA, BEN, MadeBatch, MadeRecall, World, refusal


def recall_of(world: World, code: str = "R1") -> Recall:
    return world.read(lambda connection: get_recall(connection, code))


def status(world: World, batch: MadeBatch) -> str:
    return world.answer(batch.serials[0]).status


# --- two people


def test_nobody_approves_what_they_drafted_themselves(world: World) -> None:
    batch = world.batch("B1", units=2)
    draft = world.draft("R1", batches=["B1"])
    with pytest.raises(SameAuthor, match="account add"):
        draft.approve(by=ADA)
    with pytest.raises(NotApproved):
        draft.publish()
    assert status(world, batch) == "not_recalled"
    draft.approve(by=BEN).publish()
    assert status(world, batch) == "recalled"


def test_a_widening_needs_two_people_of_its_own(world: World) -> None:
    world.batch("B1", units=2)
    second = world.batch("B2", units=2)
    recall = world.recall("R1", batches=["B1"])
    widening(world, "B2", by=BEN)
    with pytest.raises(SameAuthor):
        recall.approve(by=BEN)
    with pytest.raises(NotApproved):
        world.do(WidenRecall(recall="R1"))
    assert status(world, second) == "not_recalled"
    recall.approve(by=ADA)
    world.do(WidenRecall(recall="R1"))
    assert status(world, second) == "recalled"


def widening(world: World, *batches: str, by: str = ADA) -> None:
    world.do(DraftWidening(recall="R1", statement="More.", batches=batches), by=by)


def test_a_version_is_approved_once_and_published_once(world: World) -> None:
    world.batch("B1", units=2)
    recall = world.draft("R1", batches=["B1"]).approve()
    with pytest.raises(NothingToApprove):
        recall.approve()
    recall.publish()
    with pytest.raises(WrongStanding):
        recall.publish()
    with pytest.raises(WrongStanding):
        world.do(WidenRecall(recall="R1"))
    with pytest.raises(NothingToApprove):
        recall.approve()


# --- drafting


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ({"lots": ["SF-9"]}, UnknownMaterialLot),
        ({"batches": ["B9"]}, UnknownBatch),
        ({"lots": ["SF-2"]}, NothingAffected),
        ({}, NothingAffected),
        ({"batches": ["B1"], "hazard": "boredom"}, UnknownHazard),
    ],
)
def test_a_draft_of_nothing_or_of_what_is_not_there_is_refused(
    world: World, what: dict[str, list[str]], error: type[LedgerError]
) -> None:
    world.lot("SF-2", "1 m")  # nothing holds it
    world.batch("B1", units=2)
    before = world.bodies()
    assert isinstance(refusal(lambda: world.draft("R1", **what)), error)  # type: ignore[arg-type]  # hazard is a text
    assert world.bodies() == before


def test_a_code_is_taken_once(world: World) -> None:
    world.batch("B1", units=2)
    world.draft("R1", batches=["B1"])
    with pytest.raises(RecallExists):
        world.draft("R1", batches=["B1"])


def test_an_unknown_recall_is_refused(world: World) -> None:
    recall = MadeRecall(world, "R1")
    for step in (recall.approve, recall.publish, recall.close, recall.retract):
        with pytest.raises(UnknownRecall):
            step()


def test_a_draft_takes_in_what_its_preview_shows(world: World) -> None:
    world.lot("SF-1", "100 m")
    world.batch("B1", lots={"SF-1": "1 m"}, units=3)
    world.batch("B2", units=3)
    world.batch("B3", quantity=4)
    shown = world.read(lambda connection: preview(connection, ["SF-1"], ["B3", "B1"]))
    assert [one.batch.code for one in shown.batches] == ["B1", "B3"]
    world.draft("R1", lots=["SF-1"], batches=["B3", "B1"])
    (version,) = world.read(lambda connection: versions_of(connection, get_recall(connection, "R1").id))
    assert parse_scope(world.ledger.files.read(version.scope)) == shown.ranges
    assert version.units == shown.made == 7


def test_drafts_and_approvals_are_nobodys_business(world: World) -> None:
    batch = world.batch("B1", units=2)
    stated = world.bodies()[-1]
    world.draft("R1", batches=["B1"]).approve()
    assert world.answer(batch.serials[0]).matches[0].recalls == ()
    assert stated.split(b'"map":')[1].split(b"}")[0] in world.bodies()[-1]


# --- what was recorded since the draft


def test_units_recorded_since_the_draft_ask_for_a_new_draft(world: World) -> None:
    batch = world.batch("B1", units=2, quantity=5)
    recall = world.draft("R1", batches=["B1"]).approve()
    batch.gets_units(3)
    with pytest.raises(ScopeOutgrown) as refused:
        recall.publish()
    assert refused.value.facts["count"] == 3
    world.recall("R2", batches=["B1"])
    assert {world.answer(serial).status for serial in batch.serials} == {"recalled"}


def test_a_batch_made_of_the_lot_since_the_draft_asks_for_a_new_draft(world: World) -> None:
    world.lot("SF-1", "100 m")
    world.batch("B1", lots={"SF-1": "1 m"}, units=2)
    recall = world.draft("R1", lots=["SF-1"]).approve()
    world.batch("B2", units=2)
    recall_is_fine = world.draft("R2", batches=["B1"]).approve()
    world.batch("B3", lots={"SF-1": "1 m"}, quantity=2)
    with pytest.raises(ScopeOutgrown):
        recall.publish()
    recall_is_fine.publish()  # it names the batch alone


def test_units_do_not_slip_into_a_recalled_batch_unless_somebody_says_why(world: World) -> None:
    batch = world.batch("B1", units=2, quantity=9)
    world.recall("R1", batches=["B1"])
    before = world.rows()
    with pytest.raises(IntoRecalledBatch, match="R1"):
        batch.gets_units(2)
    assert world.rows() == before
    clean = batch.gets_units(2, not_recalled_because="Made after the film was changed back.")
    assert [world.answer(serial).status for serial in clean] == ["not_recalled"] * 2
    assert world.answer("B1").status == "recalled"  # the code alone says nothing about which


# --- widening


def test_a_scope_only_grows(world: World) -> None:
    batches = [world.batch(code, units=2) for code in ("B1", "B2", "B3")]
    recall = world.recall("R1", batches=["B1"])
    scopes = [scope(world)]
    recall.widen(batches=["B2"])
    scopes.append(scope(world))
    recall.widen(batches=["B3"])
    scopes.append(scope(world))
    assert covers(scopes[1], scopes[0])
    assert covers(scopes[2], scopes[1])
    assert scopes[2] == joined(one for batch in batches for one in batch.ranges)
    assert {status(world, batch) for batch in batches} == {"recalled"}
    assert recall_of(world).version == 3


def scope(world: World) -> tuple[tuple[int, int, int], ...]:
    return joined(world.read(public_scopes)[recall_of(world).id])


def test_a_widening_that_adds_nothing_is_refused(world: World) -> None:
    world.lot("SF-1", "100 m")
    world.batch("B1", lots={"SF-1": "1 m"}, units=2)
    recall = world.recall("R1", lots=["SF-1"])
    for more in ({"batches": ["B1"]}, {"lots": ["SF-1"]}):
        with pytest.raises(NotWider):
            recall.widen(**more)
    with pytest.raises(NothingAffected):
        recall.widen()


def test_only_a_published_recall_is_widened_or_closed(world: World) -> None:
    for code in ("B1", "B2"):
        world.batch(code, units=2)
    recall = world.draft("R1", batches=["B1"])
    for step in (recall.close, recall.retract):
        with pytest.raises(WrongStanding):
            step()
    with pytest.raises(WrongStanding):
        recall.widen(batches=["B2"])
    recall.approve().publish().close()
    for step in (recall.close, recall.publish):
        with pytest.raises(WrongStanding):
            step()
    with pytest.raises(WrongStanding):
        recall.widen(batches=["B2"])


def test_units_taken_in_by_a_widening_keep_the_day_of_the_recall(world: World) -> None:
    world.batch("B1", units=2)
    second = world.batch("B2", units=2)
    recall = world.recall("R1", batches=["B1"])
    published = recall_of(world).published_at
    world.later(days=7)
    recall.widen(batches=["B2"])
    (told,) = world.answer(second.serials[0]).matches[0].recalls
    assert told.published_at == published


# --- closing and retracting


def test_a_closed_recall_still_answers_recalled(world: World) -> None:
    batch = world.batch("B1", units=2)
    world.recall("R1", batches=["B1"]).close()
    answer = world.answer(batch.serials[0])
    assert answer.status == "recalled"
    assert answer.matches[0].recalls[0].is_closed
    assert world.answer("B1").status == "recalled"


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_retraction_frees_the_units_and_stays_visible(world: World, is_closed: bool) -> None:
    batch = world.batch("B1", units=2)
    recall = world.recall("R1", batches=["B1"])
    if is_closed:
        recall.close()
    recall.retract()
    for number in (batch.serials[0], "B1"):
        answer = world.answer(number)
        assert answer.status == "not_recalled"
        assert answer.matches[0].recalls == ()
        assert [one.code for one in answer.matches[0].retracted] == ["R1"]
    with pytest.raises(WrongStanding):
        recall.retract()
    with pytest.raises(NothingToApprove):
        recall.approve()
    assert_whole(world.ledger)


def test_what_was_retracted_may_be_recalled_anew(world: World) -> None:
    batch = world.batch("B1", units=2)
    world.recall("R1", batches=["B1"]).retract()
    world.recall("R2", batches=["B1"])
    match = world.answer(batch.serials[0]).matches[0]
    assert match.status == "recalled"
    assert ([one.code for one in match.recalls], [one.code for one in match.retracted]) == (["R2"], ["R1"])


def test_retracting_one_of_two_overlapping_recalls_leaves_the_other(world: World) -> None:
    first, second = world.batch("B1", units=2), world.batch("B2", units=2)
    world.recall("R1", batches=["B1", "B2"])
    wider = world.recall("R2", batches=["B2"])
    assert [one.code for one in world.answer(second.serials[0]).matches[0].recalls] == ["R1", "R2"]
    wider.retract()
    assert [one.code for one in world.answer(second.serials[0]).matches[0].recalls] == ["R1"]
    assert status(world, first) == "recalled"
    ranges = second.ranges
    assert [one.code for one in world.read(lambda connection: recalls_over(connection, ranges))] == ["R1"]


def test_a_recall_repeated_under_its_key_is_published_once(world: World) -> None:
    world.batch("B1", units=2)
    world.draft("R1", batches=["B1"]).approve()
    first = world.do(PublishRecall(recall="R1"), key="k")
    assert world.do(PublishRecall(recall="R1"), key="k") == first
    assert first.first(RecallPublished).event.map.previous == 0


def test_a_recalls_events_are_found_by_its_batches_and_lots(world: World) -> None:
    world.lot("SF-1", "100 m")
    batch = world.batch("B1", lots={"SF-1": "1 m"}, units=2).found
    world.recall("R1", lots=["SF-1"])
    drafted = [
        one
        for one in (world.ledger.journal.read(index) for index in range(world.size()))
        if isinstance(one.event, RecallDrafted)
    ]
    (one,) = drafted
    nouns = {subject.partition(":")[0] for subject in one.subjects}
    assert nouns == {"recall", "batch", "material_lot"}
    assert f"batch:{batch.id}" in one.subjects


def test_recalls_are_listed_newest_first(world: World) -> None:
    world.batch("B1", units=2)
    for code in ("R1", "R2"):
        world.draft(code, batches=["B1"])
    assert [one.code for one in world.read(list_recalls)] == ["R2", "R1"]


def test_a_recall_of_more_batches_than_an_entry_has_subjects_is_whole(world: World) -> None:
    world.lot("SF-1", "1000 m")
    for number in range(70):
        world.batch(f"B{number}", lots={"SF-1": "1 m"})
    world.recall("R1", lots=["SF-1"])
    assert {world.answer(f"B{number}").status for number in range(70)} == {"recalled"}
    assert_whole(world.ledger)
