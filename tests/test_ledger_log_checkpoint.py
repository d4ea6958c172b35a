"""Checkpoints: one text for each, and no other accepted."""

import doctest
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log import checkpoint as checkpoint_module
from ledger.log.checkpoint import (
    LARGEST_SIZE,
    Checkpoint,
    MalformedCheckpoint,
    open_checkpoint,
    parse_decimal,
)
from ledger.log.note import Signer, UntrustedNote, sign_note

ROOT = b64encode(bytes(range(32))).decode()
GOOD = f"example.com/log\n25\n{ROOT}\n"
LOG = Signer("example.com/log", bytes(32))

origins = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters="+"), min_size=1
)
checkpoints = st.builds(
    Checkpoint, origins, st.integers(0, LARGEST_SIZE), st.binary(min_size=32, max_size=32)
)


def test_the_example_in_the_module_holds() -> None:
    assert doctest.testmod(checkpoint_module) == (0, 3)


@given(checkpoints)
def test_a_checkpoint_reads_as_it_is_written(checkpoint: Checkpoint) -> None:
    assert Checkpoint.parse(checkpoint.format()) == checkpoint


def test_a_checkpoint_is_three_lines() -> None:
    assert Checkpoint.parse(GOOD) == Checkpoint("example.com/log", 25, bytes(range(32)))


@given(st.text("0123456789+-_ .e\n\u0662", max_size=4))
def test_a_size_has_one_spelling(text: str) -> None:
    try:
        number = parse_decimal(text)
    except ValueError:
        return
    assert str(number) == text


@pytest.mark.parametrize(
    "size", ["", "02", "+2", " 2", "2 ", "-2", "2.0", "2_0", "٢", "00", "9" * 19, "1" * 30]
)
def test_every_other_spelling_of_a_size_is_refused(size: str) -> None:
    with pytest.raises(MalformedCheckpoint):
        Checkpoint.parse(GOOD.replace("25", size))


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD.rstrip("\n"),
        GOOD + "\n",
        GOOD + "an extension\n",
        GOOD + "garbage",
        "\n" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("=", ""),
        GOOD.replace("=", "=="),
        GOOD.replace("8=", "9="),
        GOOD.replace(ROOT, ROOT + " "),
        GOOD.replace(ROOT, b64encode(bytes(31)).decode()),
        GOOD.replace(ROOT, b64encode(bytes(33)).decode()),
        GOOD.replace(ROOT, ""),
        GOOD.replace("example.com/log", ""),
        GOOD.replace("example.com/log", "example.com/a log"),
        GOOD.replace("example.com/log", "example.com/a+log"),
        GOOD.replace("example.com/log", "example.com/log\t"),
    ],
)
def test_every_other_form_of_a_checkpoint_is_refused(text: str) -> None:
    assert text != GOOD
    with pytest.raises(MalformedCheckpoint):
        Checkpoint.parse(text)


def test_an_extension_line_is_refused_by_name() -> None:
    with pytest.raises(MalformedCheckpoint, match="extensions are not supported"):
        Checkpoint.parse(GOOD + "an extension\n")


def test_values_that_the_text_cannot_carry_make_no_checkpoint() -> None:
    for origin, size, root in (
        ("a b", 1, bytes(32)),
        ("a", -1, bytes(32)),
        ("a", 1, bytes(31)),
        ("", 1, b""),
    ):
        with pytest.raises(MalformedCheckpoint):
            Checkpoint(origin, size, root)


@given(st.integers(0, LARGEST_SIZE), st.binary(min_size=32, max_size=32))
def test_a_signed_checkpoint_opens(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(LOG.name, size, root)
    assert open_checkpoint(sign_note(checkpoint.format(), LOG), LOG.verifier) == checkpoint


def test_a_checkpoint_of_another_origin_is_refused_although_the_signature_is_right() -> None:
    other = Checkpoint("example.com/other", 25, bytes(32))
    with pytest.raises(MalformedCheckpoint, match=r"example\.com/log"):
        open_checkpoint(sign_note(other.format(), LOG), LOG.verifier)


def test_a_checkpoint_signed_by_another_key_is_refused() -> None:
    stranger = Signer(LOG.name, bytes([1]) * 32)
    with pytest.raises(UntrustedNote):
        open_checkpoint(sign_note(GOOD, stranger), LOG.verifier)
