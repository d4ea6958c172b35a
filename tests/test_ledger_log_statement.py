"""ledger.log.statement: one form, and no way around a signature."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.log import statement
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import Signer, UntrustedNote, sign_note
from ledger.log.statement import (
    MalformedStatement,
    Rotation,
    Succession,
    UnsignedStatement,
    open_rotation,
    open_succession,
    rotate,
    succeed,
)

OLD, NEW, OTHER = (Signer("lots.example/log", bytes([seed]) * 32) for seed in range(3))
NEXT = Signer("lots.example/log/2", b"n" * 32)
LAST = Checkpoint("lots.example/log", 912, b"r" * 32)
seeds = st.binary(min_size=32, max_size=32)


def test_the_example_holds() -> None:
    result = doctest.testmod(statement)
    assert result.attempted > 0
    assert result.failed == 0


def test_a_rotation_is_written_just_so() -> None:
    assert Rotation(OLD.verifier, NEW.verifier).format() == (
        f"lotproof/key-rotation/1\nlots.example/log\n{OLD.verifier.to_text()}\n{NEW.verifier.to_text()}\n"
    )


def test_a_succession_is_written_just_so() -> None:
    assert Succession(LAST, 812, NEXT.verifier).format() == (
        "lotproof/succession/1\n"
        "lots.example/log\n"
        "912 cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n"
        "812\n"
        "lots.example/log/2\n"
        f"{NEXT.verifier.to_text()}\n"
    )


@given(seeds, seeds)
def test_a_rotation_is_read_as_it_was_signed(old: bytes, new: bytes) -> None:
    signers = Signer("lots.example/log", old), Signer("lots.example/log", new)
    if old == new:
        with pytest.raises(MalformedStatement):
            rotate(*signers)
    else:
        assert open_rotation(rotate(*signers)) == Rotation(signers[0].verifier, signers[1].verifier)


@given(
    st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32), st.booleans()
)
def test_a_succession_is_read_as_it_was_signed(size: int, kept: int, root: bytes, is_lost: bool) -> None:
    last = Checkpoint("lots.example/log", size, root)
    note = succeed(last, kept, [] if is_lost else [OLD, NEW], NEXT)
    said, is_vouched = open_succession(note, [OLD.verifier, NEW.verifier])
    assert said == Succession(last, kept, NEXT.verifier)
    assert is_vouched is not is_lost


def test_a_rotation_needs_both_signatures() -> None:
    text = Rotation(OLD.verifier, NEW.verifier).format()
    for signers in ((OLD,), (NEW,), (OLD, OTHER), (OTHER,)):
        with pytest.raises((UnsignedStatement, UntrustedNote)):
            open_rotation(sign_note(text, *signers))


def test_a_succession_needs_the_new_signature_and_says_whether_all_old_ones_are_there() -> None:
    text = Succession(LAST, 812, NEXT.verifier).format()
    with pytest.raises(UnsignedStatement):
        open_succession(sign_note(text, OLD), [OLD.verifier])
    assert not open_succession(sign_note(text, OLD, NEXT), [OLD.verifier, NEW.verifier])[1]
    assert not open_succession(sign_note(text, OTHER, NEXT), [OLD.verifier])[1]
    assert not open_succession(sign_note(text, NEXT), [])[1]
    assert open_succession(sign_note(text, OLD, NEXT), [OLD.verifier])[1]


@pytest.mark.parametrize(
    "made", [rotate(OLD, NEW), succeed(LAST, 812, [OLD], NEXT)], ids=["rotation", "succession"]
)
def test_no_changed_byte_is_read_as_a_statement(made: str) -> None:
    raw = made.encode()
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        text = changed.decode(errors="replace")
        with pytest.raises(LedgerError):
            open_rotation(text)
        if made.startswith("lotproof/succession"):
            try:
                said, is_vouched = open_succession(text, [OLD.verifier])
            except LedgerError:
                continue
            # The line of the old signature was changed into a stranger's: then nobody old vouches.
            assert said == Succession(LAST, 812, NEXT.verifier)
            assert not is_vouched


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "lotproof/key-rotation/1\n",
        Rotation(OLD.verifier, NEW.verifier).format() + "\n",
        Rotation(OLD.verifier, NEW.verifier).format().replace("/1", "/2", 1),
        Rotation(OLD.verifier, NEW.verifier).format().replace("lots.example/log\n", "other.example/log\n", 1),
        Succession(LAST, 812, NEXT.verifier).format(),
    ],
)
def test_another_text_is_no_rotation(text: str) -> None:
    with pytest.raises(MalformedStatement):
        Rotation.parse(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [("812\n", "0812\n"), ("812\n", "0\n"), ("912 ", "912  "), ("912 ", "-1 "), ("log/2\n", "log/3\n")],
)
def test_another_form_of_the_same_succession_is_refused(old: str, new: str) -> None:
    text = Succession(LAST, 812, NEXT.verifier).format()
    assert old in text
    with pytest.raises(MalformedStatement):
        Succession.parse(text.replace(old, new, 1))


def test_statements_between_keys_that_cannot_follow_are_refused() -> None:
    with pytest.raises(MalformedStatement):
        rotate(OLD, NEXT)
    with pytest.raises(MalformedStatement):
        succeed(LAST, 812, [OLD], NEW)
