"""The public answer to a number."""

import pytest

from ledger.identifiers import check_pair, grouped
from ledger.quantities import Money
from ledger.recall.claim import SettleClaim
from tests.world import World

REFUND = Money(3_490, "EUR")


def settle(world: World, serial: str) -> None:
    world.do(SettleClaim(claim=world.claim(serial), amount=REFUND))


def test_every_answer_says_the_moment_it_speaks_for(world: World) -> None:
    batch = world.batch("B1", units=1)
    for number in (batch.serials[0], "B1", "NOTHING"):
        spoken_for = world.answer(number).spoken_for
        standing = world.standing()
        assert (spoken_for.size, spoken_for.root, spoken_for.as_of) == (
            standing.size,
            standing.root,
            standing.as_of,
        )
        assert not spoken_for.is_old
    world.later(days=1)
    world.ledger.journal.seal()
    assert world.answer("B1").spoken_for.as_of == world.clock.moment


def test_a_unit_is_answered_however_it_was_typed(world: World) -> None:
    (serial,) = world.batch("B1", units=1).serials
    for typed in (serial, serial.lower(), grouped(serial), f" {grouped(serial)} ", serial.replace("-", "–")):
        answer = world.answer(typed)
        assert answer.status == "not_recalled"
        assert answer.shown == grouped(serial)
        assert answer.is_own_serial
        assert not answer.is_batch_code


def test_a_recall_beats_everything_sold_or_not_shipped_or_not(world: World) -> None:
    shipped, in_stock = world.batch("B1", units=2), world.batch("B2", units=2)
    shipped.ships(to="DE", count=2)
    in_stock.is_held()
    world.recall("R1", batches=["B1", "B2"])
    assert world.answer(shipped.serials[0]).status == "recalled"
    assert world.answer(in_stock.serials[0]).status == "recalled"


def test_only_the_unit_that_was_given_a_remedy_is_settled(world: World) -> None:
    batch = world.batch("B1", units=3)
    world.recall("R1", batches=["B1"])
    settle(world, batch.serials[1])
    assert [world.answer(serial).status for serial in batch.serials] == ["recalled", "settled", "recalled"]
    assert world.answer("B1").status == "recalled"


def test_a_unit_is_settled_only_when_a_remedy_is_complete_for_every_recall_it_stands_in(world: World) -> None:
    batch = world.batch("B1", units=1)
    first = world.recall("R1", batches=["B1"])
    settle(world, batch.serials[0])
    second = world.recall("R2", batches=["B1"])
    assert world.answer(batch.serials[0]).status == "recalled"
    settle(world, batch.serials[0])
    assert world.answer(batch.serials[0]).status == "settled"
    second.retract()
    assert world.answer(batch.serials[0]).status == "settled"
    first.retract()
    assert world.answer(batch.serials[0]).status == "not_recalled"


def test_a_claim_that_waits_settles_nothing(world: World) -> None:
    batch = world.batch("B1", units=1)
    world.recall("R1", batches=["B1"])
    world.claim(batch.serials[0])
    assert world.answer(batch.serials[0]).status == "recalled"


# --- codes


@pytest.mark.parametrize("typed", ["25W21-A", "25w21a", " 25W21 A ", "2025-W21", "2025w21"])
def test_a_batch_code_and_a_date_code_are_answered_like_serials(world: World, typed: str) -> None:
    world.batch("25W21-A", quantity=9, date_codes=["2025-W21"])
    answer = world.answer(typed)
    assert answer.status == "not_recalled"
    assert answer.is_batch_code
    assert answer.shown in ("25W21-A", "2025-W21")
    world.recall("R1", batches=["25W21-A"])
    assert world.answer(typed).status == "recalled"


def test_a_date_code_of_several_batches_is_recalled_if_one_of_them_is(world: World) -> None:
    for code in ("B1", "B2"):
        world.batch(code, quantity=9, date_codes=["2025-W21"])
    world.recall("R1", batches=["B2"])
    answer = world.answer("2025-W21")
    assert answer.status == "recalled"
    assert [match.batch for match in answer.matches] == ["B2"]
    assert world.answer("B1").status == "not_recalled"


def test_a_number_on_two_products_asks_which_the_recalled_first(world: World) -> None:
    world.batch("B1", quantity=1).receives_units(["AB-0001"])
    world.batch("B1", product="VS-20", quantity=1).receives_units(["AB-0001"])
    world.recall("R1", batches=["VS-20/B1"])
    for number in ("ab0001", "B1"):
        answer = world.answer(number)
        assert answer.status == "recalled"
        assert [(match.product, match.status) for match in answer.matches] == [
            ("Product VS-20", "recalled"),
            ("Product VS-10", "not_recalled"),
        ]


def test_the_product_in_the_label_narrows_the_answer(world: World) -> None:
    world.product("VS-10", gtin="4012345678901")
    world.product("VS-20", gtin="4012345000016")
    for product in ("VS-10", "VS-20"):
        world.batch("B1", product=product, quantity=1).receives_units(["AB-0001"])
    world.recall("R1", batches=["VS-20/B1"])
    assert world.answer("AB-0001", "04012345678901").status == "not_recalled"
    assert world.answer("AB-0001", "04012345000016").status == "recalled"
    # A product that does not carry the number narrows nothing: better to ask than to say "unknown".
    assert len(world.answer("AB-0001", "04000000000006").matches) == 2


def test_a_number_that_is_a_serial_and_a_batch_code_gives_the_graver_answer(world: World) -> None:
    world.batch("B1", quantity=1).receives_units(["B2"])
    world.batch("B2", quantity=1)
    assert world.answer("B2").status == "not_recalled"
    recall = world.recall("R1", batches=["B2"])
    assert world.answer("B2").status == "recalled"
    recall.retract()
    world.recall("R2", batches=["B1"])
    assert world.answer("B2").status == "recalled"


# --- unknown numbers


@pytest.mark.parametrize(
    "number", ["", " ", "--", "\u200b", "'", "ABC", "x" * 5_000, "\0", "🔋", "%", "a" * 13 + "´"]
)
def test_a_number_that_nobody_recorded_is_unknown(world: World, number: str) -> None:
    world.batch("B1", units=1)
    answer = world.answer(number)
    assert answer.status == "unknown"
    assert answer.matches == ()


def test_a_hint_says_what_may_have_been_mistyped_and_only_where_nothing_is_found(world: World) -> None:
    (serial,) = world.batch("B1", units=1).serials
    never_made = "234567892345" + check_pair("234567892345")
    other = "3" if serial[0] != "3" else "4"
    assert world.answer(serial).hint == ""
    assert world.answer(never_made).hint == ""
    assert world.answer(other + serial[1:]).hint == "check_pair"
    assert world.answer("0" + serial[1:]).hint == "never_occurring"
    assert world.answer(serial[:-1]).hint == "length"
    assert world.answer(serial + "22").hint == "length"
    assert world.answer(serial + "222").hint == ""
    assert world.answer("B2").hint == ""


def test_zero_and_o_are_never_mapped_silently(world: World) -> None:
    world.batch("B1", quantity=2).receives_units(["AB-0001"])
    world.recall("R1", batches=["B1"])
    assert world.answer("AB-0001").status == "recalled"
    assert world.answer("AB-OOO1").status == "unknown"
    assert world.answer("AB-000I").status == "unknown"
