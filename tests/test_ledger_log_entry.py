"""Entries: what is composed parses, what is no entry is refused."""

import json
import unicodedata
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.identifiers import ALPHABET
from ledger.log.canonical import NotCanonical, encode, parse
from ledger.log.entry import (
    MAX_ENTRY_BYTES,
    BadEntry,
    Entry,
    EntryTooLong,
    format_entry,
    format_request,
    parse_entry,
)
from ledger.moments import format_moment

GOOD: dict[str, Any] = {
    "actor": "account:AAAAAAAAAAAAAAAA",
    "at": "2025-11-03T10:15:30.123Z",
    "data": {"code": "25W21-A"},
    "kind": "batch.produced/1",
    "prev": "00" * 32,
    "request": None,
    "salt": "11" * 16,
    "subjects": {"batch:K7Q2M9TXC2WHE3AB": 812, "product:K7Q2M9TXC2WHE3AC": None},
    "v": 1,
}

ids = st.text(ALPHABET, min_size=16, max_size=16)
nouns = st.sampled_from(["batch", "material_lot", "log", "recall"])
subjects = st.dictionaries(
    st.builds("{}:{}".format, nouns, ids),
    st.none() | st.integers(0, 2**53 - 1),
    min_size=1,
    max_size=64,
)
actors = st.builds("{}:{}".format, st.sampled_from(["account", "token", "claim"]), ids)
moments = st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
texts = st.text(max_size=40).map(lambda text: unicodedata.normalize("NFC", text))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefgh_", min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)
datas = st.dictionaries(st.text("abcdefgh_", min_size=1), values, max_size=6)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
kinds = st.sampled_from(["batch.produced/1", "recall.widening_drafted/12", "a.b.c/3"])


def entry_bytes(**changes: object) -> bytes:
    """A good entry, its parts replaced; as canonical as its parts are."""
    return orjson.dumps({**GOOD, **changes}, option=orjson.OPT_SORT_KEYS)


@given(
    actor=actors | st.just("system:worker"),
    at=moments,
    data=datas,
    kind=kinds,
    prev=st.binary(min_size=32, max_size=32),
    request=st.none() | st.tuples(digests, digests),
    salt=st.binary(min_size=16, max_size=16),
    about=subjects,
)
def test_what_is_composed_is_canonical_and_parses_to_its_parts(
    *,
    actor: str,
    at: datetime,
    data: dict[str, Any],
    kind: str,
    prev: bytes,
    request: tuple[str, str] | None,
    salt: bytes,
    about: dict[str, int | None],
) -> None:
    body = format_entry(
        actor=actor,
        at=format_moment(at),
        data=encode(data),
        kind=kind,
        prev=prev,
        request=b"null" if request is None else format_request(*request),
        salt=salt,
        subjects=about,
    )
    assert encode(parse(body)) == body
    assert parse_entry(body) == Entry(actor, at, data, kind, prev, request, salt, about)
    assert list(parse_entry(body).subjects) == sorted(about)


def test_the_example_parses() -> None:
    entry = parse_entry(entry_bytes())
    assert entry.at == datetime(2025, 11, 3, 10, 15, 30, 123_000, tzinfo=UTC)
    assert entry.prev == bytes(32)
    assert entry.request is None


@pytest.mark.parametrize("key", sorted(GOOD))
def test_an_entry_without_one_of_its_keys_is_refused(key: str) -> None:
    without = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(BadEntry, match="keys"):
        parse_entry(encode(without))


def test_an_entry_with_a_further_key_is_refused() -> None:
    with pytest.raises(BadEntry, match="keys"):
        parse_entry(entry_bytes(zone="UTC"))


NO_ZERO_OR_ONE = str.maketrans("01", "YZ")
BAD = [
    ("v", 2, "version"),
    ("v", True, "version"),
    ("v", "1", "version"),
    ("actor", "account:SHORT", "actor"),
    ("actor", "account:OOOOOOOOOOOOOOOO", "actor"),  # no letter O in the alphabet
    ("actor", "somebody", "actor"),
    ("actor", "system:", "actor"),
    ("actor", None, "actor"),
    ("at", "2025-11-03T10:15:30Z", "not a time"),
    ("at", "2025-11-03T10:15:30.123+00:00", "not a time"),
    ("at", "2025-11-03T11:15:30.123+01:00", "not a time"),
    ("at", "2025-11-03 10:15:30.123Z", "not a time"),
    ("at", "2025-02-30T10:15:30.123Z", "month|day|isoformat"),
    ("at", "0001-01-01T00:00:00.000+01:00", "range"),
    ("at", "9999-12-31T23:59:59.999-01:00", "range"),
    ("at", 1_762_164_930, "month|day|isoformat"),
    ("at", None, "month|day|isoformat"),
    ("data", [], "data"),
    ("data", "text", "data"),
    ("data", None, "data"),
    ("kind", "batch.produced", "kind"),
    ("kind", "batch.produced/0", "kind"),
    ("kind", "batch.produced/01", "kind"),
    ("kind", "Batch.produced/1", "kind"),
    ("kind", "batch/1", "kind"),
    ("kind", "batch.produced/1\n", "kind"),
    ("prev", "00" * 31, "prev"),
    ("prev", "AB" * 32, "prev"),
    ("prev", None, "prev"),
    ("salt", "11" * 15, "salt"),
    ("salt", "zz" * 16, "salt"),
    ("request", {}, "request"),
    ("request", [], "request"),
    ("request", {"body": "00" * 32}, "request"),
    ("request", {"body": "00" * 32, "key": "00" * 31}, "request key"),
    ("request", {"body": "x", "key": "00" * 32}, "request body"),
    ("request", {"body": "00" * 32, "key": "00" * 32, "more": 1}, "request"),
    ("subjects", {}, "0 subjects"),
    ("subjects", [], "subjects"),
    ("subjects", {"batch:K7Q2M9TXC2WHE3AB": -1}, "points at"),
    ("subjects", {"batch:K7Q2M9TXC2WHE3AB": True}, "points at"),
    ("subjects", {"batch:K7Q2M9TXC2WHE3AB": "1"}, "points at"),
    ("subjects", {"batch:K7Q2M9TXC2WHE3A": 1}, "subject"),
    ("subjects", {"K7Q2M9TXC2WHE3AB": 1}, "subject"),
    ("subjects", {f"batch:{number:016}".translate(NO_ZERO_OR_ONE): 1 for number in range(65)}, "65 subjects"),
]


@pytest.mark.parametrize(("key", "value", "reason"), BAD)
def test_an_entry_with_a_part_that_is_not_of_its_form_is_refused(key: str, value: Any, reason: str) -> None:
    with pytest.raises(BadEntry, match=reason):
        parse_entry(entry_bytes(**{key: value}))


def test_bytes_that_are_not_canonical_are_no_entry() -> None:
    spaced = json.dumps(GOOD, sort_keys=True).encode()
    unsorted = json.dumps(dict(sorted(GOOD.items(), reverse=True)), separators=(",", ":")).encode()
    for body in (b"", b"{}"[:1], b"[]", b"1", b"null", b"\xff", spaced, unsorted, entry_bytes() + b"\n"):
        with pytest.raises(NotCanonical):
            parse_entry(body)


def test_text_that_is_not_composed_is_no_entry() -> None:
    with pytest.raises(NotCanonical, match="form C"):
        parse_entry(entry_bytes(data={"code": "u\u0308"}))


def composed_with(data: dict[str, Any]) -> bytes:
    return format_entry(
        actor="system:log",
        at=GOOD["at"],
        data=encode(data),
        kind="batch.produced/1",
        prev=bytes(32),
        request=b"null",
        salt=bytes(16),
        subjects={"batch:K7Q2M9TXC2WHE3AB": None},
    )


def test_an_entry_holds_65_535_bytes_and_not_one_more() -> None:
    room = MAX_ENTRY_BYTES - len(composed_with({"text": ""}))
    longest = composed_with({"text": "x" * room})
    assert len(longest) == MAX_ENTRY_BYTES
    assert parse_entry(longest).data == {"text": "x" * room}
    with pytest.raises(EntryTooLong) as refused:
        composed_with({"text": "x" * (room + 1)})
    assert refused.value.facts == {"size": 65_536, "limit": 65_535}
    with pytest.raises(BadEntry, match="longer"):
        parse_entry(longest.replace(b'"text":"x', b'"text":"xx'))


@given(st.integers(0, len(entry_bytes()) - 1), st.integers(1, 255))
def test_a_changed_byte_of_an_entry_makes_another_entry_or_none(place: int, change: int) -> None:
    body = entry_bytes()
    changed = body[:place] + bytes([body[place] ^ change]) + body[place + 1 :]
    assert parsed(changed) != parsed(body)


def parsed(body: bytes) -> Entry | None:
    try:
        return parse_entry(body)
    except (BadEntry, NotCanonical):
        return None
