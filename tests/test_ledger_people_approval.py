"""Two people, or one who waits: who may approve, what exactly, and what stands in for the second."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.journal.journal import By, NothingRecorded
from ledger.journal.registry import Command
from ledger.journal.transaction import Tx
from ledger.people.account import AdmitAccount, EndAccount, GiveRoles, Held, roles_held
from ledger.people.approval import (
    Approval,
    ApprovalGiven,
    ApprovalRuleSet,
    ApprovalWaited,
    NotApproved,
    OddWaitingTime,
    SameAuthor,
    SetApprovalRule,
    StillWaiting,
    TakesNoApproval,
    approvals_of,
    rules_for,
    waiting_for,
)
from ledger.people.signature import BadSignature
from ledger.people.waiting import MOST_HOURS, NOTICE, Rule, StandIn, Wait, hours_at, wait_for
from ledger.recall.approving import matter_of
from ledger.recall.errors import NothingToApprove
from ledger.recall.recall import RecallApproved, RecallPublished, get_recall, versions_of
from ledger.recall.requests import ApproveRecall, DraftWidening, PublishRecall, WidenRecall
from ledger.trace.substitution import DecideSubstitution, ProposeSubstitution, get_substitution
from tests.software_passkey import Passkey
from tests.tampering import audited
from tests.whole_log import assert_whole
from tests.world import ADA, BEN, World

A, B, C = "A" * 16, "B" * 16, "C" * 16
ALL_ROLES = ("seller", "coordinator", "admin")


def waits(hours: int, *, command: str = "recall.approve") -> SetApprovalRule:
    return SetApprovalRule(command=command, stand_in="waiting", waiting_hours=hours)


def of_one(world: World, *, hours: int | None = 24) -> World:
    """A company in which Ada alone may approve; its rule has been in force for a while."""
    world.do(AdmitAccount(account=A, roles=ALL_ROLES))
    if hours is not None:
        world.do(waits(hours))
        world.later(hours=MOST_HOURS)
    world.batch("B1", units=2)
    return world


def matter(world: World, code: str = "R1") -> Any:
    def find(connection: Any) -> Any:
        recall = get_recall(connection, code)
        return matter_of(connection, recall, versions_of(connection, recall.id)[-1])

    return world.read(find)


def approved(world: World, code: str = "R1") -> list[Approval]:
    return world.read(lambda connection: approvals_of(connection, matter(world, code).subject))


def until(world: World, code: str = "R1") -> datetime | None:
    wait = world.read(lambda connection: waiting_for(connection, matter(world, code), world.clock.moment))
    return None if wait is None else wait.until


# --- two people


def test_an_approval_names_exactly_what_is_approved(world: World) -> None:
    world.batch("B1", units=2)
    world.draft("R1", batches=["B1"]).approve(by=BEN)
    (one,) = approved(world)
    assert (one.command, one.digest, one.how, one.by) == (
        "recall.approve",
        matter(world).digest,
        "given",
        BEN,
    )
    assert one.credential is None
    assert_whole(world.ledger)


def test_an_approval_of_one_version_is_none_of_the_next(world: World) -> None:
    for code in ("B1", "B2", "B3"):
        world.batch(code, units=2)
    recall = world.recall("R1", batches=["B1"])
    for more in ("B2", "B3"):
        world.do(DraftWidening(recall="R1", statement="More.", batches=(more,)))
        with pytest.raises(NotApproved, match="seller, coordinator"):
            world.do(WidenRecall(recall="R1"))
        recall.approve(by=BEN)
        with pytest.raises(NothingToApprove):
            recall.approve(by=BEN)
        world.do(WidenRecall(recall="R1"))
    assert len({one.digest for one in approved(world)}) == 3


def test_the_same_content_of_another_subject_has_another_digest(world: World) -> None:
    world.batch("B1", units=2)
    digests = set()
    for code in ("R1", "R2"):
        world.draft(code, batches=["B1"])
        digests.add(matter(world, code).digest)
    assert len(digests) == 2


def test_whoever_approves_by_a_token_is_a_second_person_too(world: World) -> None:
    world.batch("B1", units=2)
    world.draft("R1", batches=["B1"]).approve(by=f"token:{C}").publish()
    assert [one.by for one in approved(world)] == [f"token:{C}"]


def test_a_recall_approved_before_digests_were_kept_is_approved_anew(world: World) -> None:
    """As logs from before this mechanism have it: `recall.approved/1` and nothing beside it."""
    world.batch("B1", units=2)
    draft = world.draft("R1", batches=["B1"])
    asked = ApproveRecall(recall="R1", statement="Checked.")
    world.ledger.journal.write(
        Command("recall.approve", ApproveRecall, in_the_old_way, None, False), asked, By(BEN)
    )
    with pytest.raises(NotApproved):
        draft.publish()
    draft.approve(by=BEN).publish()
    assert world.answer("B1").status == "recalled"


def in_the_old_way(tx: Tx, request: ApproveRecall) -> None:
    """What the command recorded once: the recall's own event alone."""
    recall = get_recall(tx.connection, request.recall)
    event = RecallApproved(recall=recall.id, version=1, statement=request.statement)
    tx.record(event, f"recall:{recall.id}")


# --- a passkey's signature


def test_an_approval_may_carry_a_passkeys_signature(world: World) -> None:
    world.batch("B1", units=2)
    draft = world.draft("R1", batches=["B1"])
    signed = Passkey.made().sign(matter(world).digest)
    receipt = world.do(ApproveRecall(recall="R1", statement="Checked.", signature=signed), by=BEN)
    assert receipt.first(ApprovalGiven).event.signature == signed
    assert [one.credential for one in approved(world)] == [signed.credential.hex()]
    draft.publish()
    assert_whole(world.ledger)


def test_a_signature_over_anything_else_approves_nothing(world: World) -> None:
    world.batch("B1", units=2)
    world.draft("R1", batches=["B1"])
    before = world.bodies()
    for signed in (
        Passkey.made().sign("cd" * 32),
        Passkey.made().sign(matter(world).digest, host="other.example", page="https://other.example"),
    ):
        with pytest.raises(BadSignature):
            world.do(ApproveRecall(recall="R1", statement="Checked.", signature=signed), by=BEN)
    assert world.bodies() == before


def made_up(tx: Tx, request: ApproveRecall) -> None:
    """What somebody who can write to the log might write: an approval whose signature nobody verified."""
    recall = get_recall(tx.connection, request.recall)
    found = matter_of(tx.connection, recall, versions_of(tx.connection, recall.id)[-1])
    event = ApprovalGiven(
        command=found.command,
        subject=found.subject,
        digest=found.digest,
        statement=request.statement,
        signature=request.signature,
    )
    tx.record(event, found.subject)


def test_an_audit_names_signatures_that_do_not_hold_and_passkeys_of_two_people(world: World) -> None:
    world.batch("B1", units=2)
    passkey, indexes = Passkey.made(), []
    for code, by, is_forged in (("R1", BEN, False), ("R2", BEN, True), ("R3", f"account:{C}", False)):
        world.draft(code, batches=["B1"])
        signed = passkey.sign("cd" * 32 if is_forged else matter(world, code).digest)
        asked = ApproveRecall(recall=code, statement="Checked.", signature=signed)
        command = Command("recall.approve", ApproveRecall, made_up, None, False)
        indexes.append(world.ledger.journal.write(command, asked, By(by)).entries[0].index)
    found = audited(world.ledger.settings.data, derived=True).findings
    assert [(one.code, one.row, one.field) for one in found] == [
        ("approval", str(indexes[1]), "data.signature"),
        ("approval", str(indexes[2]), "data.signature.credential"),
    ]


# --- one person who waits


def test_where_one_person_works_a_waiting_time_stands_in_and_the_log_says_so(world: World) -> None:
    draft = of_one(world).draft("R1", batches=["B1"])
    drafted = world.size() - 2  # the seal stands after it
    with pytest.raises(SameAuthor):
        draft.approve(by=ADA)
    world.later(hours=24, seconds=-1)
    with pytest.raises(StillWaiting) as waiting:
        draft.publish()
    assert str(waiting.value.facts["until"]).startswith("2025-05-05T08:00")
    world.later(seconds=1)
    receipt = world.do(PublishRecall(recall="R1"))
    waited = receipt.first(ApprovalWaited)
    assert (waited.event.waiting_hours, waited.event.drafted) == (24, drafted)
    assert waited.index < receipt.first(RecallPublished).index
    assert world.answer("B1").status == "recalled"
    assert [(one.how, one.waiting_hours) for one in approved(world)] == [("waited", 24)]
    assert_whole(world.ledger)


def test_without_a_rule_nothing_stands_in(world: World) -> None:
    draft = of_one(world, hours=None).draft("R1", batches=["B1"])
    world.later(days=30)
    with pytest.raises(NotApproved):
        draft.publish()
    assert until(world) is None


def test_a_second_account_that_may_approve_ends_the_waiting(world: World) -> None:
    draft = of_one(world).draft("R1", batches=["B1"])
    world.later(hours=30)
    world.do(AdmitAccount(account=B, roles=("seller",)))
    with pytest.raises(NotApproved):
        draft.publish()
    draft.approve(by=BEN).publish()


def test_an_account_that_may_not_approve_does_not_count(world: World) -> None:
    draft = of_one(world).draft("R1", batches=["B1"])
    world.do(AdmitAccount(account=B, roles=("warehouse", "quality", "auditor")))
    world.later(hours=24)
    draft.publish()


def test_what_somebody_drafted_who_may_not_approve_waits_for_the_one_who_may(world: World) -> None:
    of_one(world)
    world.do(AdmitAccount(account=B, roles=("quality",)))
    world.do(
        ProposeSubstitution(
            code="S-1",
            material=world.material("FILM"),
            product="VS-10",
            declared="16 µm",
            wanted="14 µm",
            effective_on=world.today,
            statement="Cheaper.",
        ),
        by=BEN,
    )
    world.do(waits(1, command="substitution.decide"))
    world.later(days=30)
    with pytest.raises(NotApproved):
        world.do(DecideSubstitution(code="S-1", decision="approve", statement="I like it."), by=BEN)
    world.do(DecideSubstitution(code="S-1", decision="approve", statement="Tested."), by=ADA)


@pytest.mark.parametrize("shut_out", ["ended", "demoted"])
def test_whoever_shuts_out_the_second_person_waits_three_days(world: World, shut_out: str) -> None:
    world.do(AdmitAccount(account=A, roles=ALL_ROLES))
    world.do(AdmitAccount(account=B, roles=("seller",)))
    world.do(waits(1))
    world.later(days=30)
    world.batch("B1", units=2)
    draft = world.draft("R1", batches=["B1"])
    gone = world.clock.moment
    if shut_out == "ended":
        world.do(EndAccount(account=B, reason="They are in the way."))
    else:
        world.do(GiveRoles(account=B, roles=("warehouse",)))
    world.later(hours=71)
    with pytest.raises(StillWaiting):
        draft.publish()
    assert until(world) == gone + NOTICE
    world.later(hours=1)
    draft.publish()


@pytest.mark.parametrize(
    "before", [SetApprovalRule(command="recall.approve", stand_in="counsel"), waits(72), None]
)
def test_whoever_weakens_the_rule_waits_three_days(world: World, before: SetApprovalRule | None) -> None:
    of_one(world, hours=None)
    if before is not None:
        world.do(before)
        world.later(days=30)
    world.do(waits(1))
    weakened = world.clock.moment
    draft = world.draft("R1", batches=["B1"])
    world.later(hours=71)
    with pytest.raises(StillWaiting):
        draft.publish()
    assert until(world) == weakened + NOTICE
    world.later(hours=1)
    draft.publish()


def test_a_rule_that_asks_for_more_holds_at_once(world: World) -> None:
    draft = of_one(world, hours=1).draft("R1", batches=["B1"])
    world.later(hours=2)
    world.do(waits(10))
    with pytest.raises(StillWaiting):
        draft.publish()
    world.do(SetApprovalRule(command="recall.approve", stand_in="none"))
    world.later(days=30)
    with pytest.raises(NotApproved):
        draft.publish()


def test_a_substitution_is_approved_by_the_same_mechanism(world: World) -> None:
    of_one(world)
    world.do(waits(5, command="substitution.decide"))
    world.later(hours=MOST_HOURS)
    for code in ("S-1", "S-2"):
        proposed = ProposeSubstitution(
            code=code,
            material=world.material("FILM"),
            product="VS-10",
            declared="16 µm",
            wanted="14 µm",
            effective_on=world.today,
            statement="Cheaper.",
        )
        world.do(proposed)
    mine = DecideSubstitution(code="S-1", decision="approve", statement="Tested.")
    with pytest.raises(StillWaiting):
        world.do(mine)
    given = world.do(DecideSubstitution(code="S-2", decision="approve", statement="Tested."), by=BEN)
    assert given.first(ApprovalGiven).event.command == "substitution.decide"
    world.later(hours=5)
    assert world.do(mine).first(ApprovalWaited).event.waiting_hours == 5
    assert world.read(lambda connection: get_substitution(connection, "S-1")).standing == "approved"


# --- the rules


def test_a_rule_is_recorded_once_and_found_again(world: World) -> None:
    receipt = world.do(waits(24))
    assert receipt.first(ApprovalRuleSet).event.stand_in == "waiting"
    with pytest.raises(NothingRecorded):
        world.do(waits(24))
    (rule,) = world.read(lambda connection: rules_for(connection, "recall.approve"))
    assert (rule.waiting_hours, rule.by, rule.at) == (24, ADA, world.clock.moment)
    assert world.read(lambda connection: rules_for(connection, "substitution.decide")) == []


@pytest.mark.parametrize(("stand_in", "hours"), [("waiting", 0), ("none", 5), ("counsel", 72)])
def test_hours_belong_to_a_waiting_time_alone(world: World, stand_in: StandIn, hours: int) -> None:
    with pytest.raises(OddWaitingTime):
        world.do(SetApprovalRule(command="recall.approve", stand_in=stand_in, waiting_hours=hours))


def test_a_rule_is_only_for_what_takes_two(world: World) -> None:
    with pytest.raises(TakesNoApproval, match=r"substitution\.decide"):
        world.do(waits(24, command="batch.produce"))


def test_who_had_which_roles_when_is_known(world: World) -> None:
    begun = world.clock.moment
    world.do(AdmitAccount(account=A, roles=("admin",)))
    world.do(AdmitAccount(account=B, roles=("seller",)))
    world.later(hours=1)
    world.do(GiveRoles(account=A, roles=("admin", "seller")))
    world.do(EndAccount(account=B, reason="They left."))
    then = world.clock.moment
    assert world.read(roles_held) == [
        Held(A, ("admin",), begun, then),
        Held(A, ("seller", "admin"), then, None),
        Held(B, ("seller",), begun, then),
        Held(B, (), then, None),
    ]


# --- the waiting time as a function

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
HOURS = st.integers(0, 200).map(lambda hours: timedelta(hours=hours))
RULES = st.lists(st.tuples(HOURS, st.integers(0, MOST_HOURS)), max_size=5)
ALONE = [Held(A, ALL_ROLES, NOON - timedelta(days=365), None)]


def made_rules(drawn: list[tuple[timedelta, int]]) -> list[Rule]:
    """Rules from times and hours; no hours is no stand-in."""
    return [
        Rule(place, "recall.approve", "waiting" if hours else "none", hours, ADA, NOON + at)
        for place, (at, hours) in enumerate(sorted(drawn))
    ]


def wait(rules: list[Rule], drafted_at: datetime, now: datetime) -> Wait | None:
    return wait_for(rules, ALONE, command="recall.approve", author=ADA, drafted_at=drafted_at, now=now)


@given(drawn=RULES, drafted=HOURS, later=HOURS)
def test_what_is_said_to_pass_later_passes_then_and_not_before(
    drawn: list[tuple[timedelta, int]], drafted: timedelta, later: timedelta
) -> None:
    rules, drafted_at = made_rules(drawn), NOON + drafted
    now = max([drafted_at, *(rule.at for rule in rules)]) + later
    found = wait(rules, drafted_at, now)
    if found is None:
        assert not rules or rules[-1].stand_in == "none"
        return
    then = wait(rules, drafted_at, found.until)
    assert then is not None
    assert then.until == found.until
    if found.until > now:
        before = wait(rules, drafted_at, found.until - timedelta(seconds=1))
        assert before is not None
        assert before.until > found.until - timedelta(seconds=1)


@given(drawn=RULES, hours=st.integers(1, MOST_HOURS), soon=st.integers(0, MOST_HOURS - 1))
def test_no_new_rule_lets_anything_pass_sooner_within_three_days(
    drawn: list[tuple[timedelta, int]], hours: int, soon: int
) -> None:
    rules = made_rules(drawn)
    added_at = max((rule.at for rule in rules), default=NOON)
    added = Rule(99, "recall.approve", "waiting", hours, ADA, added_at)
    moment = added_at + timedelta(hours=soon)
    was, now_is = hours_at(rules, moment), hours_at([*rules, added], moment)
    assert now_is is None or (was is not None and now_is >= was)
