"""Serials and codes: made right, shown in groups, found however they are typed."""

import doctest
import json
import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import identifiers
from ledger.identifiers import (
    ALPHABET,
    InvalidBatchCode,
    InvalidForeignCode,
    InvalidGtin,
    WrongCheckDigit,
    as_printed,
    check_batch_code,
    check_foreign_code,
    check_pair,
    grouped,
    groups,
    gtin14,
    has_valid_pair,
    never_occurring,
    new_id,
    new_serial,
    new_serials,
    search_key,
)

VECTORS = Path(__file__).parents[2] / "shared" / "vectors" / "gs1"


def constant(number: int) -> identifiers.RandomBytes:
    """A source of "randomness" that always gives `number`."""
    return lambda count: number.to_bytes(count, "little")


serials = st.integers(0, 2**64 - 1).map(constant).map(new_serial)


def vectors(name: str) -> list[dict[str, object]]:
    if not VECTORS.exists():
        pytest.skip("../shared/vectors is not beside this checkout")
    cases: list[dict[str, object]] = json.loads((VECTORS / name).read_text())["cases"]
    return cases


def test_the_example_in_the_module_holds() -> None:
    assert doctest.testmod(identifiers).failed == 0
    assert doctest.testmod(identifiers).attempted > 0


def test_the_check_pair_agrees_with_gs1() -> None:
    for case in vectors("check_pair_csumalpha.json"):
        assert has_valid_pair(str(case["value"])) is case["valid"], case


def test_the_check_digit_agrees_with_gs1() -> None:
    for case in vectors("check_digit_mod10_csum.json"):
        value = str(case["value"])
        assert (value.isdigit() and identifiers.check_digit(value[:-1]) == value[-1]) is case["valid"], case


@given(serials)
def test_a_new_serial_is_canonical_and_checked(serial: str) -> None:
    assert len(serial) == 14
    assert set(serial) <= set(ALPHABET)
    assert has_valid_pair(serial)
    assert check_pair(serial[:12]) == serial[12:]


@given(serials, st.integers(0, 13), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_found(serial: str, place: int, wrong: str) -> None:
    changed = serial[:place] + wrong + serial[place + 1 :]
    assert changed == serial or not has_valid_pair(changed)


@given(serials, st.integers(0, 12))
def test_two_neighbours_swapped_are_always_found(serial: str, place: int) -> None:
    swapped = serial[:place] + serial[place + 1] + serial[place] + serial[place + 2 :]
    assert swapped == serial or not has_valid_pair(swapped)


def test_all_sixty_bits_choose_a_character() -> None:
    zero = new_serial(bytes)
    ones = [new_serial(constant(1 << bit)) for bit in range(60)]
    assert len({zero, *ones}) == 61


def test_serials_drawn_together_differ_even_when_the_randomness_repeats() -> None:
    source = random.Random(7)

    def repeating(count: int) -> bytes:
        return b"".join(source.randrange(40).to_bytes(8, "little") for _ in range(count // 8))

    made = new_serials(40, repeating)
    assert len(made) == len(set(made)) == 40


def test_eighty_thousand_serials_take_no_noticeable_time() -> None:
    started = time.process_time()
    made = new_serials(80_000, os.urandom)
    assert time.process_time() - started < 1.0, "0.15 s on the reference machine; 1 s allows for a busy one"
    assert len(set(made)) == 80_000


def test_an_id_has_sixteen_characters_of_eighty_random_bits() -> None:
    assert new_id(bytes) == "2" * 16
    assert new_id(lambda count: b"\xff" * count) == "Z" * 16
    assert len({new_id(constant(1 << bit)) for bit in range(80)}) == 80


def test_only_our_own_serials_are_shown_in_groups() -> None:
    assert groups("7KQ4M9TXC2WHE3") == ("7KQ4", "M9TX", "C2WH", "E3")
    assert grouped("7KQ4M9TXC2WHE3") == "7KQ4-M9TX-C2WH-E3"
    for foreign in ("7KQ4M9TXC2WHE4", "ab-0012 /x", "SN000123456789", ""):
        assert grouped(foreign) == foreign
        assert groups(foreign) == (foreign,)


@pytest.mark.parametrize(
    "typed",
    [
        "7kq4-m9tx-c2wh-e3",
        "  7KQ4 M9TX C2WH E3\n",
        "'7KQ4M9TXC2WHE3",
        "７ＫＱ４－Ｍ９ＴＸ－Ｃ２ＷＨ－Ｅ３",
        "7KQ4–M9TX—C2WH−E3",
        "\u202d7KQ4\u2011M9TX\u00a0C2WH\u200bE3\u202c",
        "7KQ4ーM9TXーC2WHーE3",
        "7kq4\tm9tx\u3000c2wh\u00ade3\ufeff",
    ],
)
def test_however_people_type_it_the_key_is_the_serial(typed: str) -> None:
    assert search_key(typed) == "7KQ4M9TXC2WHE3"


@given(st.text(max_size=30))
def test_a_key_is_its_own_key(text: str) -> None:
    assert search_key(search_key(text)) == search_key(text)


@given(serials)
def test_the_grouped_form_leads_back_to_the_serial(serial: str) -> None:
    assert search_key(grouped(serial)) == serial


def test_look_alikes_are_named_and_never_changed() -> None:
    assert search_key("70q4-1o") == "70Q41O"
    assert never_occurring("70q4-1o") == ("0", "O", "1")
    assert never_occurring("7KQ4M9TXC2WHE3") == ()


def test_what_belongs_to_the_file_is_taken_off_a_factory_serial_and_nothing_else() -> None:
    assert as_printed(" '00-12 ab'\r\n") == "00-12 ab'"
    assert check_foreign_code("'lot/7.b_Ä") == "lot/7.b_Ä"


@pytest.mark.parametrize("code", ["25W21-A", "A", "0" * 20, "7-1"])
def test_a_batch_code_without_look_alikes_is_taken(code: str) -> None:
    assert check_batch_code(code) == code


@pytest.mark.parametrize("code", ["", "25W21-O", "LIST", "25w21", "25W21 A", "A" * 21, "A\n", "-", "Ä"])
def test_a_batch_code_that_could_be_misread_is_refused(code: str) -> None:
    with pytest.raises(InvalidBatchCode):
        check_batch_code(code)


@pytest.mark.parametrize("code", ["", "  ", "x" * 61, "a\x00b", "a\u202eb", "a\u200bb", "a\tb", "A\u0308"])
def test_a_foreign_code_that_cannot_be_seen_or_recorded_is_refused(code: str) -> None:
    with pytest.raises(InvalidForeignCode):
        check_foreign_code(code)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("02345673", "00000002345673"),
        ("416000336108", "00416000336108"),
        ("4006381333931", "04006381333931"),
        ("4 006381 333931", "04006381333931"),
        ("12312312312333", "12312312312333"),
    ],
)
def test_every_length_of_gtin_becomes_fourteen_digits(text: str, expected: str) -> None:
    assert gtin14(text) == expected


def test_a_wrong_check_digit_names_the_right_one() -> None:
    with pytest.raises(WrongCheckDigit, match="should be 1") as caught:
        gtin14("4006381333939")
    assert caught.value.facts["expected"] == "1"


@pytest.mark.parametrize("text", ["", "123", "123456789", "12345678901", "400638133393A", "٤٠٠٦٣٨١٣٣٣٩٣١٠"])
def test_what_is_no_gtin_is_refused(text: str) -> None:
    with pytest.raises(InvalidGtin):
        gtin14(text)
