"""The quick way over many entries and the slow one over each refuse the same, and give the same."""

from hashlib import sha256

import pytest

from ledger import nouns
from ledger.audit.quick import read_chunk
from ledger.audit.reading import BadBody, EntryReader, UnknownKind
from ledger.journal.replay import recorded_from
from ledger.log.entry import format_entry, format_request

assert nouns  # imported so that the registry knows the kinds

NAME = '{"code":"P1","country":"CN","name":"%b","party":"AAAAAAAAAAAAAAAA","role":"factory"}'
COMPLETE = (
    b'{"actor":"account:AAAAAAAAAAAAAAAA","at":"2025-05-01T08:00:00.000Z","data":'
    b'{"code":"P1","country":"CN","name":"Maker","party":"AAAAAAAAAAAAAAAA","role":"factory"}'
    b',"kind":"party.registered/1","prev":"%b","request":null,"salt":"000102030405060708090a0b0c0d0e0f",'
    b'"subjects":{"party:AAAAAAAAAAAAAAAA":null},"v":1}' % (b"0" * 64)
)

WRONG: dict[str, tuple[bytes, bytes]] = {
    "white space": (b'"v":1', b'"v": 1'),
    "an escape too many": (b"Maker", b"\\u004daker"),
    "keys out of order": (b'"code":"P1","country":"CN"', b'"country":"CN","code":"P1"'),
    "a key twice": (b'"v":1', b'"v":1,"v":1'),
    "a key too many": (b'"v":1', b'"v":1,"w":1'),
    "a key in data too many": (b'"name"', b'"mail":"x","name"'),
    "another version": (b'"v":1', b'"v":2'),
    "true for one": (b'"v":1', b'"v":true'),
    "one with a point": (b'"v":1', b'"v":1.0'),
    "text that is not normalized": (b"Maker", "Mu\u0308ller".encode()),
    "bytes that are not UTF-8": (b"Maker", b"\xff"),
    "an actor by name": (b"account:AAAAAAAAAAAAAAAA", b"Ada"),
    "a time without milliseconds": (b"08:00:00.000Z", b"08:00:00Z"),
    "a day that is none": (b"2025-05-01", b"2025-02-30"),
    "an hour that is none": (b"T08:", b"T24:"),
    "a line end in a time": (b"08:00:00.000Z", b"08:00:00.000Z\\n"),
    "an unknown kind": (b"party.registered/1", b"party.renamed/1"),
    "a short salt": (b"0e0f", b"0e"),
    "a salt in capitals": (b"0e0f", b"0E0F"),
    "a salt with a gap": (b"0e0f", b"0e  "),
    "a request of another form": (b'"request":null', b'"request":{"body":"x","key":"y"}'),
    "no subject": (b'{"party:AAAAAAAAAAAAAAAA":null}', b"{}"),
    "a subject without an id": (b'"party:AAAAAAAAAAAAAAAA":null', b'"party":null'),
    "two subjects in one": (
        b'"party:AAAAAAAAAAAAAAAA":null',
        b'"party:AAAAAAAAAAAAAAAA\\nparty:BBBBBBBBBBBBBBBB":null',
    ),
    "a subject before the first": (b'AAAAAAAAAAAAAAAA":null', b'AAAAAAAAAAAAAAAA":-1'),
    "a subject that points at true": (b'AAAAAAAAAAAAAAAA":null', b'AAAAAAAAAAAAAAAA":true'),
    "an array": (COMPLETE, b"[]"),
    "nothing": (COMPLETE, b""),
    "an end of a line": (COMPLETE, COMPLETE + b"\n"),
}


def rows_of(*bodies: bytes) -> list[tuple[int, bytes, bytes]]:
    return [(place, sha256(b"\0" + body).digest(), body) for place, body in enumerate(bodies)]


def chained(name: bytes, prev: bytes, *, request: bytes = b"null") -> bytes:
    return format_entry(
        actor="account:" + "A" * 16,
        at="2025-05-01T08:00:00.000Z",
        data=NAME.encode() % name,
        kind="party.registered/1",
        prev=prev,
        request=request,
        salt=bytes(range(16)),
        subjects={"party:" + "A" * 16: None},
    )


def test_the_example_is_right() -> None:
    part = read_chunk(rows_of(COMPLETE), 0)
    assert part is not None
    assert part.events == [EntryReader().read(COMPLETE)[1]] == [recorded_from(0, COMPLETE).event]


@pytest.mark.parametrize("name", WRONG)
def test_what_the_slow_way_refuses_the_quick_way_refuses(name: str) -> None:
    body = COMPLETE.replace(*WRONG[name])
    assert body != COMPLETE
    with pytest.raises((BadBody, UnknownKind)):
        EntryReader().read(body)
    assert read_chunk(rows_of(body), 0) is None
    assert read_chunk(rows_of(COMPLETE, body), 0) is None


def test_two_halves_of_an_entry_are_not_two_entries() -> None:
    first, second = COMPLETE.split(b',"kind"')
    assert read_chunk(rows_of(first + b",", b'"kind"' + second), 0) is None
    assert read_chunk(rows_of(COMPLETE + b"\n" + COMPLETE, b""), 0) is None


@pytest.mark.parametrize("name", ["Müller", "电芯厂", "a\\nb", '\\"', "\\u001f", "\x7f", "مصنع"])
def test_text_of_every_script_goes_the_quick_way(name: str) -> None:
    first = chained(name.encode(), bytes(32), request=format_request("0" * 64, "1" * 64))
    second = chained(name.encode(), sha256(b"\0" + first).digest())
    part = read_chunk(rows_of(first, second), 0)
    assert part is not None
    assert part.events == [EntryReader().read(body)[1] for body in (first, second)]


def test_entries_that_do_not_follow_each_other_go_the_slow_way() -> None:
    first = chained(b"A", bytes(32))
    second = chained(b"B", sha256(b"\0" + first).digest())
    assert read_chunk(rows_of(first, second), 0) is not None
    assert read_chunk(rows_of(second, first), 0) is None
    assert read_chunk(rows_of(first, second), 7) is None
    position, leaf, body = rows_of(first, second)[1]
    for wrong in ((position, bytes(32), body), (position, leaf, "text"), (position, None, body)):
        assert read_chunk([rows_of(first)[0], wrong], 0) is None
