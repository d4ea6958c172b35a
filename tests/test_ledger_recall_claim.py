"""Claims: by a form that only this seller issues, once; doubts are for people, not for programs."""

import os
from dataclasses import replace

import pytest

from ledger.database import reading
from ledger.journal.journal import SameKeyOtherRequest
from ledger.quantities import Money
from ledger.recall.claim import (
    AcceptClaim,
    Claim,
    DeclineClaim,
    SettleClaim,
    claims_on,
    get_claim,
    list_claims,
    named_items,
    settled_recalls,
)
from ledger.recall.claiming import file_claim
from ledger.recall.errors import (
    AmountNeeded,
    CannotReplaceWith,
    ClaimMoved,
    FormExpired,
    NotRecalled,
    UnknownClaim,
)
from ledger.recall.links import (
    claim_id_for,
    claim_secret,
    is_form_token,
    new_form_token,
    opens_claim,
)
from tests.world import MadeBatch, World

REFUND = Money(3_490, "EUR")


@pytest.fixture
def batch(world: World) -> MadeBatch:
    """A recalled batch."""
    made = world.batch("B1", units=3)
    world.recall("R1", batches=["B1"])
    return made


def claim_of(world: World, claim: str) -> Claim:
    return world.read(lambda connection: get_claim(connection, claim))


def test_a_claim_is_opened_for_the_unit_and_the_recalls_it_stands_in(world: World, batch: MadeBatch) -> None:
    world.recall("R2", batches=["B1"])
    opened = claim_of(world, world.claim(batch.serials[1]))
    match = world.answer(batch.serials[1]).matches[0]
    assert opened.position == match.position
    assert (opened.standing, opened.doubt, opened.remedy) == ("opened", "", "refund")
    event = world.ledger.journal.read(opened.opened).event
    assert set(event.recalls) == {recall.id for recall in match.recalls}
    assert opened.opened_at == world.clock.moment


def test_the_same_form_sent_twice_makes_one_claim(world: World, batch: MadeBatch) -> None:
    form = world.form()
    first = world.claim(batch.serials[0], form=form)
    size = world.size()
    assert world.claim(batch.serials[0], form=form) == first
    assert world.size() == size
    world.reopen()
    assert world.claim(batch.serials[0], form=form) == first


def test_a_form_sent_again_with_something_else_in_it_is_refused(world: World, batch: MadeBatch) -> None:
    form = world.form()
    world.claim(batch.serials[0], form=form)
    for changed in ({"remedy": "replacement"}, {"email": "other@mail.example"}):
        with pytest.raises(SameKeyOtherRequest):
            world.claim(batch.serials[0], form=form, **changed)  # type: ignore[arg-type]  # one of the two
    with pytest.raises(SameKeyOtherRequest):
        world.claim(batch.serials[1], form=form)


def test_a_second_claim_for_a_unit_is_a_doubt_and_not_a_refusal(world: World, batch: MadeBatch) -> None:
    first = world.claim(batch.serials[0])
    second = world.claim(batch.serials[0])
    assert first != second
    assert [claim_of(world, one).doubt for one in (first, second)] == ["", "claimed_before"]
    assert claim_of(world, world.claim(batch.serials[1])).doubt == ""
    position = claim_of(world, first).position
    assert [one.id for one in world.read(lambda connection: claims_on(connection, position))] == [
        first,
        second,
    ]


def test_after_a_declined_claim_the_next_is_no_doubt(world: World, batch: MadeBatch) -> None:
    first = world.claim(batch.serials[0])
    world.do(DeclineClaim(claim=first, statement="Another product."))
    assert claim_of(world, world.claim(batch.serials[0])).doubt == ""


def test_a_claim_by_batch_code_is_taken_with_a_doubt(world: World, batch: MadeBatch) -> None:
    opened = claim_of(world, world.claim("B1"))
    assert opened.doubt == "no_serial"
    assert opened.position == (batch.found.recorded, 0)


def test_a_unit_in_no_recall_has_nothing_to_claim(world: World, batch: MadeBatch) -> None:
    other = world.batch("B2", units=1)
    before = world.bodies()
    with pytest.raises(NotRecalled):
        world.claim(other.serials[0])
    assert world.bodies() == before
    world.recall("R2", batches=["B2"]).retract()
    with pytest.raises(NotRecalled):
        world.claim(other.serials[0])


def test_a_closed_recall_can_still_be_claimed_for(world: World) -> None:
    batch = world.batch("B1", units=1)
    world.recall("R1", batches=["B1"]).close()
    assert claim_of(world, world.claim(batch.serials[0])).standing == "opened"


def test_a_claim_names_the_product_and_the_batch_of_its_unit(world: World, batch: MadeBatch) -> None:
    other = world.batch("B2", product="VS-20", units=1)
    wish = world.wish(world.answer(batch.serials[0]).matches[0])
    for wrong in (
        replace(wish, batch=other.found.id),
        replace(wish, product=other.found.product),
        replace(wish, batch="A" * 16, product="A" * 16),
    ):
        with pytest.raises(NotRecalled):
            file_claim(
                world.ledger, wrong, form_token=world.form(), contact={"email": "a@mail.example"}, payout=None
            )


def test_a_position_where_no_unit_is_has_nothing_to_claim(world: World, batch: MadeBatch) -> None:
    wish = world.wish(world.answer(batch.serials[0]).matches[0])
    c, _ = wish.position
    for position in ((c, 3), (c, -1), (0, 0), (10**6, 0)):
        with pytest.raises(NotRecalled):
            file_claim(
                world.ledger,
                replace(wish, position=position),
                form_token=world.form(),
                contact={"email": "a@mail.example"},
                payout=None,
            )


# --- what is personal


def test_nothing_personal_stands_in_an_entry(world: World, batch: MadeBatch) -> None:
    opened = claim_of(world, world.claim(batch.serials[0], email="somebody@mail.example"))
    log = b"".join(world.bodies())
    assert b"somebody" not in log
    assert all(serial.encode() not in log for serial in batch.serials)
    assert world.ledger.vault.read(opened.contact) == {"email": "somebody@mail.example"}
    assert opened.payout
    assert world.ledger.vault.read(opened.payout) == {"account": "somebody@mail.example"}
    with reading(world.ledger.engine) as connection:
        assert named_items(connection) == {opened.contact, opened.payout}


def test_a_replacement_has_no_payout(world: World, batch: MadeBatch) -> None:
    opened = claim_of(world, world.claim(batch.serials[0], remedy="replacement"))
    assert opened.payout is None
    with reading(world.ledger.engine) as connection:
        assert named_items(connection) == {opened.contact}


# --- forms and links


@pytest.mark.parametrize("token", ["", "x", "A" * 64, "ä", "=" * 8, "-_" * 32])
def test_a_form_that_was_not_issued_here_is_refused(world: World, batch: MadeBatch, token: str) -> None:
    with pytest.raises(FormExpired):
        world.claim(batch.serials[0], form=token or "nothing")
    assert not is_form_token(world.ledger.keys.links, token)


def test_a_changed_token_is_not_ours() -> None:
    key, other = os.urandom(32), os.urandom(32)
    token = new_form_token(key, os.urandom)
    assert is_form_token(key, token)
    assert not is_form_token(other, token)
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert not is_form_token(key, changed)
    assert not is_form_token(key, token + "=")
    assert not is_form_token(key, token + "\n")


def test_a_link_opens_its_own_claim_and_no_other() -> None:
    key = os.urandom(32)
    claims = [claim_id_for(key, new_form_token(key, os.urandom)) for _ in range(2)]
    first, second = claims
    assert len(claim_secret(key, first)) == 22
    assert opens_claim(key, first, claim_secret(key, first))
    assert not opens_claim(key, second, claim_secret(key, first))
    assert not opens_claim(os.urandom(32), first, claim_secret(key, first))
    for wrong in ("", claim_secret(key, first)[:-1], "ä" * 22):
        assert not opens_claim(key, first, wrong)


def test_a_claims_id_follows_from_its_form_and_from_the_sellers_key() -> None:
    key = os.urandom(32)
    token = new_form_token(key, os.urandom)
    assert claim_id_for(key, token) == claim_id_for(key, token)
    assert claim_id_for(os.urandom(32), token) != claim_id_for(key, token)


# --- steps

STEPS = {"accept": AcceptClaim, "decline": DeclineClaim, "settle": SettleClaim}


def step(world: World, claim: str, name: str) -> None:
    if name == "accept":
        world.do(AcceptClaim(claim=claim))
    elif name == "decline":
        world.do(DeclineClaim(claim=claim, statement="Another product."))
    else:
        world.do(SettleClaim(claim=claim, amount=REFUND))


@pytest.mark.parametrize(
    ("steps", "standing"),
    [
        (["accept"], "accepted"),
        (["accept", "settle"], "settled"),
        (["accept", "decline"], "declined"),
        (["decline"], "declined"),
        (["decline", "accept", "settle"], "settled"),
        (["settle"], "settled"),
    ],
)
def test_a_claim_moves_along_its_steps(
    world: World, batch: MadeBatch, steps: list[str], standing: str
) -> None:
    claim = world.claim(batch.serials[0])
    for number, name in enumerate(steps, start=1):
        world.later(days=1)
        step(world, claim, name)
        assert claim_of(world, claim).moved_at == world.clock.moment, number
    assert claim_of(world, claim).standing == standing
    assert [one.id for one in world.read(list_claims)] == [claim]


@pytest.mark.parametrize(
    "steps",
    [
        ["accept", "accept"],
        ["settle", "accept"],
        ["settle", "decline"],
        ["settle", "settle"],
        ["decline", "decline"],
        ["decline", "settle"],
    ],
)
def test_a_step_that_the_standing_forbids_is_refused(
    world: World, batch: MadeBatch, steps: list[str]
) -> None:
    claim = world.claim(batch.serials[0])
    *before, last = steps
    for name in before:
        step(world, claim, name)
    bodies = world.bodies()
    with pytest.raises(ClaimMoved):
        step(world, claim, last)
    assert world.bodies() == bodies


@pytest.mark.parametrize("name", STEPS)
def test_an_unknown_claim_is_refused(world: World, name: str) -> None:
    with pytest.raises(UnknownClaim):
        step(world, "A" * 16, name)


def test_a_settlement_says_what_was_given_and_only_one_thing(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0])
    spare = world.batch("B2", units=1).serials[0]
    for given in (
        SettleClaim(claim=claim),
        SettleClaim(claim=claim, amount=REFUND, replacement=spare),
        SettleClaim(claim=claim, amount=Money(0, "EUR")),
        SettleClaim(claim=claim, amount=Money(-3_490, "EUR")),
    ):
        with pytest.raises(AmountNeeded):
            world.do(given)
    assert claim_of(world, claim).standing == "opened"


def test_a_recalled_or_unknown_unit_is_no_replacement(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0], remedy="replacement")
    for serial in (batch.serials[1], "7KQ4M9TXC2WHE3", "B1"):
        with pytest.raises(CannotReplaceWith):
            world.do(SettleClaim(claim=claim, replacement=serial))
    spare = world.batch("B2", units=1).serials[0]
    world.do(SettleClaim(claim=claim, replacement=spare))
    settled = claim_of(world, claim)
    assert (settled.standing, settled.remedy) == ("settled", "replacement")
    position = settled.position
    recall = world.answer(batch.serials[0]).matches[0].recalls[0].id
    assert world.read(lambda connection: settled_recalls(connection, position)) == {recall}


def test_what_was_given_may_differ_from_what_was_asked_for(world: World, batch: MadeBatch) -> None:
    claim = world.claim(batch.serials[0], remedy="replacement")
    world.do(SettleClaim(claim=claim, amount=REFUND))
    assert claim_of(world, claim).remedy == "refund"


def test_claims_are_listed_by_standing_newest_first(world: World, batch: MadeBatch) -> None:
    first, second, third = (world.claim(serial) for serial in batch.serials)
    world.do(AcceptClaim(claim=second))
    opened = world.read(lambda connection: list_claims(connection, standing="opened"))
    assert [one.id for one in opened] == [third, first]
    assert len(world.read(lambda connection: list_claims(connection, limit=2))) == 2
