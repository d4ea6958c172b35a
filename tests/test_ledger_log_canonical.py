"""Canonical JSON: one value, one sequence of bytes."""

import doctest
import enum
import unicodedata
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.log import canonical
from ledger.log.canonical import JSON, LARGEST_INTEGER, QUICK_DEPTH, NotCanonical, encode, parse

integers = st.integers(min_value=-LARGEST_INTEGER, max_value=LARGEST_INTEGER)
texts = st.text().map(lambda text: unicodedata.normalize("NFC", text))
keys = st.text(st.characters(max_codepoint=127))
values: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=25,
)
objects = st.dictionaries(keys, values, max_size=6)


@dataclass(frozen=True)
class Point:
    x: int


class Colour(enum.Enum):
    RED = "red"


def test_the_example_in_the_module_holds() -> None:
    assert doctest.testmod(canonical) == (0, 3)


@given(values)
def test_encoding_agrees_with_another_implementation_of_rfc_8785(value: JSON) -> None:
    assert encode(value) == rfc8785.dumps(value)


@given(objects)
def test_parsing_gives_back_what_was_encoded(value: dict[str, JSON]) -> None:
    assert parse(encode(value)) == value


@given(st.binary(max_size=40) | objects.map(encode).flatmap(lambda body: st.just(body + b" ")))
def test_bytes_are_refused_or_encode_to_themselves(body: bytes) -> None:
    try:
        value = parse(body)
    except NotCanonical:
        return
    assert encode(value) == body


@given(objects, st.data())
def test_a_changed_byte_is_refused_or_is_another_value(value: dict[str, JSON], data: st.DataObject) -> None:
    body = encode(value)
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([body[place] ^ data.draw(st.integers(1, 255))]) + body[place + 1 :]
    try:
        parsed = parse(changed)
    except NotCanonical:
        return
    assert encode(parsed) == changed != body


@given(st.floats())
def test_no_float_is_encoded_however_whole(number: float) -> None:
    for value in (number, [number], {"a": {"b": [1, number]}}):
        with pytest.raises(NotCanonical):
            encode(value)


@given(st.text(), st.sampled_from(["e\u0301", "\u212b", "q\u0307\u0323", "\u1100\u1161"]), st.text())
def test_text_that_is_not_nfc_is_refused_wherever_it_stands(before: str, wrong: str, after: str) -> None:
    text = before + wrong + after
    assume(not unicodedata.is_normalized("NFC", text))
    for value in ({"a": text}, {"a": [text]}, {"a": {"b": text}}):
        with pytest.raises(NotCanonical):
            encode(value)
        with pytest.raises(NotCanonical):
            parse(rfc8785.dumps(value))


def test_a_combining_mark_after_an_escape_is_no_reason_to_refuse() -> None:
    value: dict[str, JSON] = {"a": "\n\u0303"}
    assert parse(encode(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        {"a": 2**53},
        {"a": -(2**53)},
        {"a": 2**70},
        {"ä": 1},
        {"a": {"ä": 1}},
        {1: 2},
        {"a": b"bytes"},
        {"a": {1, 2}},
        {"a": uuid.UUID(int=1)},
        {"a": datetime(2025, 1, 1, tzinfo=UTC)},
        {"a": Point(1)},
        {"a": Colour.RED},
        {"a": "\ud800"},
    ],
    ids=repr,
)
def test_what_an_entry_cannot_hold_is_not_encoded(value: object) -> None:
    with pytest.raises(NotCanonical):
        encode(value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b'{"a":1} ',
        b' {"a":1}',
        b'{"a": 1}',
        b'{"a":1}\r\n',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":-0}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":123456789012345678901234567890}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u001F"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        '{"ä":1}'.encode(),
        b"\xef\xbb\xbf{}",
        b'{"a":1}{"a":1}',
    ],
)
def test_every_other_spelling_is_refused(body: bytes) -> None:
    with pytest.raises(NotCanonical):
        parse(body)


def test_the_largest_integers_and_a_deeper_value_than_the_quick_way_knows_pass() -> None:
    deep: JSON = [LARGEST_INTEGER, -LARGEST_INTEGER]
    for _ in range(QUICK_DEPTH + 3):
        deep = [deep]
    value: dict[str, JSON] = {"deep": deep}
    assert parse(encode(value)) == value
    with pytest.raises(NotCanonical):
        parse(encode(value).replace(b"[[9", b"[[1.5,9"))


def test_a_value_nested_without_end_is_refused_and_crashes_nothing() -> None:
    with pytest.raises(NotCanonical):
        parse(b'{"a":' * 5000 + b"1" + b"}" * 5000)


def test_a_tuple_is_an_array() -> None:
    assert encode({"range": (0, 5)}) == b'{"range":[0,5]}'


def test_the_error_says_where() -> None:
    with pytest.raises(NotCanonical, match=r"the value\.lots\[1\]"):
        encode({"lots": ["A", 1.5]})
