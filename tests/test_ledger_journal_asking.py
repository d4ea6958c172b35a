"""Questions made from requests, and requests made from answers."""

import doctest
import string
import unicodedata
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from ledger import nouns
from ledger.files import FileRef
from ledger.journal import asking
from ledger.journal.asking import BadAnswers, Question, answers_to, build, is_for_people, nested, questions
from ledger.journal.fields import Code, Country, Name, Positive, Prose, ask
from ledger.journal.registry import COMMANDS, Request
from ledger.quantities import LARGEST, UNITS, Money, Quantity
from ledger.trace.batch import ProduceBatch
from ledger.trace.party import RegisterParty
from ledger.trace.seller import DescribeSeller


class Layer(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a cake."""

    filling: Annotated[Code, ask("Filling", ref="material")]
    weight: Annotated[Quantity, ask("Weight", example="200 g")]
    toppings: Annotated[tuple[Name, ...], Meta(max_length=3), ask("Toppings")] = ()


class BakeCake(Request, frozen=True):
    """One field of every kind."""

    name: Annotated[Name, ask("Name", "As on the card.", example="Sachertorte")]
    story: Annotated[Prose, ask("Story")]
    slices: Annotated[Positive, ask("Slices", example="12")]
    balance: Annotated[int, ask("Balance")]
    baked_on: Annotated[date, ask("Baked on")]
    flour: Annotated[Quantity, ask("Flour")]
    price: Annotated[Money, ask("Price", example="34.90 EUR")]
    size: Annotated[Literal["small", "large"], ask("Size")]
    origin: Annotated[Country, ask("Origin")]
    picture: FileRef
    layers: Annotated[tuple[Layer, ...], Meta(min_length=1, max_length=4), ask("Layers")]
    base: Annotated[Layer, ask("Base")]
    is_vegan: Annotated[bool, ask("Vegan")] = False
    sold_to: Annotated[tuple[Country, ...], ask("Sold to")] = ()
    photos: tuple[FileRef, ...] = ()
    contact: Annotated[Annotated[str, Meta(max_length=40, pattern="^$|@")], ask("Contact", example="a@b")] = (
        ""
    )
    best_before: Annotated[date | None, ask("Best before")] = None


def asked(request: type[Struct], name: str) -> Question:
    return next(one for one in questions(request) if one.name == name)


def problems(request: type[Request], answers: dict[str, object]) -> dict[str, str]:
    with pytest.raises(BadAnswers) as refused:
        build(request, answers)
    return {one.path: one.message.format(**one.facts) for one in refused.value.problems}


PICTURE = FileRef(sha256="ab" * 32, size_bytes=7)
GOOD: dict[str, object] = {
    "name": " Sachertorte ",
    "story": "First line.\r\nSecond line.",
    "slices": "12",
    "balance": "-3",
    "baked_on": "2025-05-20",
    "flour": "350 g",
    "price": "34.90 EUR",
    "size": "Large",
    "origin": "at",
    "picture": PICTURE,
    "layers": [{"filling": "JAM", "weight": "200 g"}],
    "base": {"filling": "CAKE", "weight": "1 kg", "toppings": ["Nuts", " "]},
}


def test_the_example_in_the_module_holds() -> None:
    names = {"Annotated": Annotated, "Quantity": Quantity, "date": date, "Meta": Meta, "ask": ask}
    result = doctest.testmod(asking, extraglobs=names)
    assert result.failed == 0
    assert result.attempted >= 5


def test_texts_become_typed_values() -> None:
    layer = Layer("JAM", Quantity(200, "g"))
    assert build(BakeCake, GOOD) == BakeCake(
        name="Sachertorte",
        story="First line.\nSecond line.",
        slices=12,
        balance=-3,
        baked_on=date(2025, 5, 20),
        flour=Quantity(350, "g"),
        price=Money(3490, "EUR"),
        size="large",
        origin="AT",
        picture=PICTURE,
        layers=(layer,),
        base=Layer("CAKE", Quantity(1, "kg"), ("Nuts",)),
    )


def test_a_question_carries_the_words_and_limits_of_its_field() -> None:
    assert asked(ProduceBatch, "code") == Question(
        name="code",
        title="Batch code",
        description="As printed on it.",
        example="25W21-A",
        kind="text",
        required=True,
        default="",
        least=1,
        most=60,
    )
    assert asked(ProduceBatch, "product").ref == "product"
    assert asked(DescribeSeller, "only_own_serials").default == "no"
    inputs = asked(ProduceBatch, "inputs")
    assert (inputs.kind, inputs.is_many, inputs.required, inputs.highest) == ("group", True, False, 60)
    assert [(part.name, part.kind, part.ref) for part in inputs.parts] == [
        ("lot", "text", "material_lot"),
        ("quantity", "quantity", ""),
    ]


def test_every_kind_is_recognised() -> None:
    kinds = {one.name: (one.kind, one.is_many) for one in questions(BakeCake)}
    assert kinds == {
        "name": ("text", False),
        "story": ("prose", False),
        "slices": ("number", False),
        "balance": ("number", False),
        "baked_on": ("date", False),
        "flour": ("quantity", False),
        "price": ("money", False),
        "size": ("choice", False),
        "origin": ("country", False),
        "picture": ("file", False),
        "layers": ("group", True),
        "base": ("group", False),
        "is_vegan": ("yes_no", False),
        "sold_to": ("country", True),
        "photos": ("file", True),
        "contact": ("text", False),
        "best_before": ("date", False),
    }
    assert asked(BakeCake, "size").choices == ("small", "large")
    assert asked(BakeCake, "picture").title == "Picture"


def test_every_command_that_is_for_people_can_be_asked_for() -> None:
    asked_for = {name for name, command in COMMANDS.items() if is_for_people(command.request)}
    assert {"batch", "seller"} <= set(nouns.__all__)
    assert {"batch.produce", "seller.describe", "hold.place"} <= asked_for <= COMMANDS.keys()
    assert not {"log.open", "unit.commission"} & asked_for
    for name in asked_for:
        assert questions(COMMANDS[name].request), name


@pytest.mark.parametrize("bad", [float, "int | str", dict[str, str]])
def test_a_field_that_nobody_could_be_asked_for_is_a_mistake_of_ours(bad: Any) -> None:
    request: Any = type("Bad", (Request,), {"__annotations__": {"field": bad}})
    with pytest.raises(TypeError, match="question"):
        questions(request)


def test_all_problems_are_told_at_once_each_beside_its_field() -> None:
    answers = GOOD | {
        "name": "x" * 121,
        "slices": "0",
        "balance": "1.5",
        "baked_on": "2025-02-30",
        "flour": "350",
        "price": "34,90 EUR",
        "size": "huge",
        "origin": "Austria",
        "picture": "picture.png",
        "layers": [{"filling": "JAM", "weight": "200 g"}, {"filling": "", "weight": "2 kilos"}],
        "is_vegan": "perhaps",
        "contact": "nobody",
        "colour": "red",
    }
    del answers["story"]
    units = ", ".join(UNITS)
    said = problems(BakeCake, answers)
    assert said == {
        "name": "This has 121 characters; at most 120 fit.",
        "story": "This is needed.",
        "slices": "Write a whole number from 1 to 1000000000.",
        "balance": "Write a whole number, such as 20000.",
        "baked_on": "Write the day as year-month-day, such as 2025-05-20.",
        "flour": f"'350' is not a quantity. Write a whole number and one of {units}, such as 350 m.",
        "price": "'34,90 EUR' is not an amount of money. Write it like 34.90 EUR.",
        "size": "Choose one of: small, large.",
        "origin": "Write the country's two letters, such as DE.",
        "picture": "Attach a file.",
        "layers.1.filling": "This is needed.",
        "layers.1.weight": f"'2 kilos' is not a quantity. Write a whole number and one of {units}, such as 350 m.",
        "is_vegan": "Answer yes or no.",
        "contact": "Write it in this form: a@b",
        "colour": "There is no such field.",
    }
    assert list(said) == [*(one for one in said if one != "colour"), "colour"]


def test_the_error_lists_its_problems_when_it_is_printed() -> None:
    with pytest.raises(BadAnswers) as refused:
        build(RegisterParty, {"code": "F", "name": "Factory", "role": "factory"})
    assert str(refused.value) == "Some answers cannot be taken as they stand.\ncountry: This is needed."


@pytest.mark.parametrize(
    "text", ["20250520", "2025-W21-2", "20.5.2025", "2025-5-20", "2025-05-20T00:00", "0000-01-01"]
)
def test_a_day_has_one_form(text: str) -> None:
    assert list(problems(BakeCake, GOOD | {"baked_on": text})) == ["baked_on"]


@pytest.mark.parametrize(
    "text", ["01", "+1", "1 000", "1,000", "1e3", "-0", "٣", "9" * 5000, str(LARGEST + 1)]
)
def test_a_number_has_one_form(text: str) -> None:
    assert list(problems(BakeCake, GOOD | {"balance": text})) == ["balance"]


@pytest.mark.parametrize("field", ["flour", "price"])
def test_an_endless_amount_is_refused_before_it_is_read(field: str) -> None:
    assert list(problems(BakeCake, GOOD | {field: "9" * 5000 + " EUR"})) == [field]


def test_full_width_digits_are_digits() -> None:
    cake = build(BakeCake, GOOD | {"slices": "１２", "baked_on": "２０２５－０５－２０"})
    assert (cake.slices, cake.baked_on) == (12, date(2025, 5, 20))


@pytest.mark.parametrize("character", ["\x00", "\n", "\x1b", "\u2028", "\ud800"])
def test_what_no_line_of_text_can_hold_is_named(character: str) -> None:
    said = problems(BakeCake, GOOD | {"name": f"Sacher{character}torte"})
    assert said == {"name": f"Take out the invisible character U+{ord(character):04X}."}


def test_text_is_composed_because_entries_hold_nothing_else() -> None:
    assert build(BakeCake, GOOD | {"name": "Gru\u0308n"}).name == "Grün"


@pytest.mark.parametrize("blank", [None, "", "  ", [], {}])
def test_a_blank_answer_is_the_default_or_is_missing(blank: object) -> None:
    assert build(BakeCake, GOOD | {"is_vegan": blank}).is_vegan is False
    assert problems(BakeCake, GOOD | {"base": blank, "layers": blank, "name": blank}) == {
        "name": "This is needed.",
        "layers": "This is needed.",
        "base": "This is needed.",
    }


def test_too_many_answers_are_refused_by_their_limit() -> None:
    layer = {"filling": "JAM", "weight": "200 g"}
    assert problems(BakeCake, GOOD | {"layers": [layer] * 5}) == {"layers": "Give at most 4."}


def test_an_answer_of_the_wrong_shape_is_a_problem_and_no_crash() -> None:
    wrong = {"name": ["a", "b"], "layers": "JAM", "base": [{"filling": "x"}], "slices": {"a": "1"}}
    assert problems(BakeCake, GOOD | wrong) == {
        "name": "Give one answer here.",
        "slices": "Give one answer here.",
        "layers.0": "Several fields are wanted here.",
        "base": "Several fields are wanted here.",
    }


def test_a_form_names_its_fields_by_the_paths_of_problems() -> None:
    form = [
        ("code", "25W21-A"),
        ("product", "VS-10"),
        ("factory", "F"),
        ("made_on", "2025-05-20"),
        ("quantity", "20000"),
        ("inputs.10.lot", "B"),
        ("inputs.10.quantity", "2 m"),
        ("inputs.0.lot", ""),
        ("inputs.0.quantity", " "),
        ("inputs.2.lot", "A"),
        ("inputs.2.quantity", "1 m"),
    ]
    batch = build(ProduceBatch, nested(form))
    assert [one.lot for one in batch.inputs] == ["A", "B"]
    assert list(problems(ProduceBatch, nested([*form[:-1], ("inputs.2.quantity", "1 mile")]))) == [
        "inputs.2.quantity"
    ]


def test_a_name_that_comes_again_in_a_form_is_a_list() -> None:
    assert nested([("a", "1"), ("b.c", "2"), ("a", "3"), ("a", "4")]) == {
        "a": ["1", "3", "4"],
        "b": {"c": "2"},
    }


@given(st.lists(st.tuples(st.text("ab.0", max_size=6), st.text(max_size=3))))
def test_any_form_is_either_taken_or_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(BadAnswers):
        build(BakeCake, nested(fields))


def _is_line(text: str) -> bool:
    hidden = any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in text)
    return text == unicodedata.normalize("NFC", text).strip() and not hidden


# What a line cannot hold is not drawn, rather than filtered out: most drawn texts would hold some of it.
CHARACTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))


def lines(most: int) -> st.SearchStrategy[str]:
    return (
        st.text(CHARACTERS, min_size=1, max_size=most)
        .map(lambda text: unicodedata.normalize("NFC", text).strip())
        .filter(lambda text: 1 <= len(text) <= most and _is_line(text))
    )


NUMBERS = st.integers(-LARGEST, LARGEST)
QUANTITIES = st.builds(Quantity, st.integers(-(10**9), 10**9), st.sampled_from(sorted(UNITS)))
COUNTRIES = st.text(string.ascii_uppercase, min_size=2, max_size=2)
FILES = st.builds(FileRef, st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 2**40))
LAYERS = st.builds(Layer, lines(60), QUANTITIES, st.lists(lines(120), max_size=3).map(tuple))
CAKES = st.builds(
    BakeCake,
    name=lines(120),
    story=lines(4000),
    slices=st.integers(1, 10**9),
    balance=NUMBERS,
    baked_on=st.dates(),
    flour=QUANTITIES,
    price=st.builds(Money, NUMBERS, st.sampled_from(["EUR", "JPY", "KWD", "USD"])),
    size=st.sampled_from(["small", "large"]),
    origin=COUNTRIES,
    picture=FILES,
    layers=st.lists(LAYERS, min_size=1, max_size=4).map(tuple),
    base=LAYERS,
    is_vegan=st.booleans(),
    sold_to=st.lists(COUNTRIES, max_size=3).map(tuple),
    photos=st.lists(FILES, max_size=2).map(tuple),
    contact=st.sampled_from(["", "a@b"]),
    best_before=st.none() | st.dates(),
)


@given(CAKES)
def test_answers_made_from_a_request_make_the_same_request_again(cake: BakeCake) -> None:
    again = build(BakeCake, answers_to(cake))
    assert again == cake
    assert repr(again) == repr(cake)  # 1 kg equals 1000 g, and yet it is another answer
