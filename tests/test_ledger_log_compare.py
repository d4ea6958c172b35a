"""Comparing a log with a checkpoint that was kept, in each form that somebody may hold it in."""

from base64 import b64encode
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log.checkpoint import Checkpoint
from ledger.log.compare import NotKept, compare, parse_kept, short_form
from ledger.log.consistency import ConsistencyProof, MalformedConsistency
from ledger.log.merkle import InvalidProof
from ledger.log.note import Signer, sign_note
from ledger.log.store import note_at
from ledger.trace.bill_of_materials import RegisterMaterial
from tests.world import World

SIGNER = Signer("lots.example/log", b"7" * 32)
POINT = Checkpoint(SIGNER.name, 1_234, bytes(range(32)))
NOTE = sign_note(POINT.format(), SIGNER)


# --- the forms


def test_a_signed_note_is_read_as_it_was_signed() -> None:
    kept = parse_kept(NOTE)
    assert (kept.size, kept.root_start, kept.origin, kept.note) == (
        1_234,
        POINT.root.hex(),
        SIGNER.name,
        NOTE,
    )


@pytest.mark.parametrize(
    "spoiled",
    [
        NOTE.replace("\n", "\r\n"),
        NOTE.rstrip(),
        "\ufeff\n  " + NOTE.replace("\n", " \n   "),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("— ", "- "),
        NOTE.replace("/log ", "/log\n"),
        NOTE[:-9] + "\n" + NOTE[-9:],
        NOTE.replace("— ", "--"),
        NOTE.replace("— ", "– "),
        NOTE.encode().decode("cp1252"),
    ],
)
def test_a_note_that_mail_or_a_phone_has_spoiled_is_mended_to_the_very_bytes(spoiled: str) -> None:
    assert parse_kept(spoiled).note == NOTE


def test_the_short_form_is_read_with_and_without_its_origin_and_in_any_grouping() -> None:
    short = short_form(POINT)
    assert short == "lots.example/log 1234 0001 0203 0405 0607 0809 0a0b 0c0d 0e0f"
    for typed in (
        short,
        "1234 00010203-04050607",
        " 1234\n0001.0203 0405 0607 ",
        "1234 0001020304050607".upper(),
    ):
        kept = parse_kept(typed)
        assert kept.size == 1_234
        assert kept.note is None
        assert POINT.root.hex().startswith(kept.root_start)
    assert parse_kept(short).origin == SIGNER.name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1234",
        "1234 0001",
        "0 00010203",
        "01234 00010203",
        "1234 zzzz zzzz",
        "x" * 3_000,
        "1234 " + "0" * 65,
        sign_note(Checkpoint(SIGNER.name, 0, bytes(32)).format(), SIGNER),
    ],
)
def test_what_is_no_checkpoint_in_any_form_is_refused(text: str) -> None:
    with pytest.raises(NotKept):
        parse_kept(text)


@given(st.integers(1, 2**62), st.binary(min_size=32, max_size=32), st.integers(8, 64))
def test_what_is_printed_short_is_read_back(size: int, root: bytes, digits: int) -> None:
    kept = parse_kept(short_form(Checkpoint("lots.example/log", size, root), digits))
    assert (kept.size, kept.root_start) == (size, root.hex()[:digits])


# --- comparing


def grow(world: World, count: int) -> None:
    for number in range(count):
        world.do(RegisterMaterial(code=f"M{number}", name="Film"))


def newest(world: World) -> Checkpoint:
    standing = world.standing()
    return Checkpoint(world.ledger.settings.origin, standing.size, bytes.fromhex(standing.root))


def test_every_checkpoint_ever_published_is_contained_with_a_proof_that_holds(world: World) -> None:
    grow(world, 8)
    now = newest(world)
    for size in range(2, now.size + 1, 2):
        note = world.read(partial(note_at, at_size=size))
        found = world.read(partial(compare, kept=parse_kept(str(note)), newest=now))
        assert (found.verdict, found.was_published, found.size) == ("contained", True, now.size)
        assert found.root is not None
        proof = ConsistencyProof(size, found.proof, world.standing().note)
        assert ConsistencyProof.parse(proof.format()) == proof
        proof.verify(found.root, now.size, now.root)


def test_another_root_is_rewritten_history_and_a_larger_size_an_older_log(world: World) -> None:
    grow(world, 3)
    now = newest(world)
    other = Checkpoint(now.origin, 4, b"x" * 32)
    assert world.read(lambda c: compare(c, parse_kept(short_form(other)), now)).verdict == "rewritten"
    later = Checkpoint(now.origin, now.size + 1, b"x" * 32)
    found = world.read(lambda c: compare(c, parse_kept(short_form(later)), now))
    assert (found.verdict, found.root) == ("behind", None)


# --- the proof's form


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("old ", "old 0"),
        lambda text: text.replace("old ", "new "),
        lambda text: text.replace("\n\n", "\n", 1),
        lambda text: text.replace(b64encode(b"h" * 32).decode(), b64encode(b"h" * 31).decode()),
        lambda text: text.replace(b64encode(b"h" * 32).decode(), "no base64"),
    ],
)
def test_a_spoiled_proof_is_refused(spoil: object) -> None:
    text = ConsistencyProof(12, (b"h" * 32,), NOTE).format()
    assert ConsistencyProof.parse(text).hashes == (b"h" * 32,)
    assert callable(spoil)
    with pytest.raises(MalformedConsistency):
        ConsistencyProof.parse(spoil(text))


def test_a_proof_leads_from_no_other_root(world: World) -> None:
    grow(world, 4)
    now = newest(world)
    first = world.read(lambda c: compare(c, parse_kept(str(note_at(c, 2))), now))
    proof = ConsistencyProof(2, first.proof, world.standing().note)
    with pytest.raises(InvalidProof):
        proof.verify(b"y" * 32, now.size, now.root)
