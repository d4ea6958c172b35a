"""Signed notes: every rule of the format, and the published examples."""

import doctest
from base64 import b64encode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.log import note as note_module
from ledger.log.note import (
    MAX_SIGNATURES,
    MalformedKey,
    MalformedNote,
    Signature,
    Signer,
    UntrustedNote,
    Verifier,
    decode_base64,
    open_note,
    sign_note,
    split_note,
)

# The example of C2SP signed-note.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
# The keys and the note that golang.org/x/mod/sumdb/note is tested with.
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
GO_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

LOG = Signer("example.com/log", bytes(32))
WITNESS = Signer("witness.example", bytes([1]) * 32)
STRANGER = Signer("example.com/log", bytes([2]) * 32)
NOTE = sign_note("Ten batches.\n", LOG)

# Unicode's spaces, line and paragraph separators, controls and surrogates cannot stand in a name.
names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters="+"),
    min_size=1,
    max_size=20,
)
signers = st.builds(Signer, names, st.binary(min_size=32, max_size=32))
texts = st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))), min_size=1).map(
    lambda lines: "\n".join(lines) + "\n"
)


def test_the_example_in_the_module_holds() -> None:
    assert doctest.testmod(note_module) == (0, 5)


def test_the_example_of_the_specification_opens() -> None:
    opened = open_note(EXAMPLE_NOTE, [Verifier.parse(EXAMPLE_KEY)])
    assert opened.text == "This is an example message.\n"
    assert [signature.name for signature in opened.verified] == ["example.com/foo"]


def test_we_sign_byte_for_byte_as_go_does() -> None:
    signer = Signer.parse(GO_SIGNER)
    assert signer.verifier.to_text() == GO_VERIFIER
    assert sign_note(GO_TEXT, signer) == f"{GO_TEXT}\n{GO_LINE}"


@given(signers)
def test_keys_read_as_they_are_written(signer: Signer) -> None:
    assert Signer.parse(signer.to_text()) == signer
    assert Verifier.parse(signer.verifier.to_text()) == signer.verifier


@given(texts, st.lists(signers, min_size=1, max_size=4, unique_by=lambda signer: signer.name))
def test_what_was_signed_opens(text: str, chosen: list[Signer]) -> None:
    opened = open_note(sign_note(text, *chosen), [signer.verifier for signer in chosen])
    assert opened.text == text
    assert [signature.name for signature in opened.verified] == [signer.name for signer in chosen]
    assert opened.ignored == ()


@given(texts, signers)
def test_a_note_splits_into_what_it_was_made_of(text: str, signer: Signer) -> None:
    note = sign_note(text, signer)
    found, signatures = split_note(note)
    assert found + "\n" + "".join(signature.to_line() for signature in signatures) == note


@given(st.data())
def test_a_note_with_any_character_changed_does_not_open_as_before(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(NOTE) - 1))
    changed = NOTE[:place] + chr(ord(NOTE[place]) ^ data.draw(st.integers(1, 63))) + NOTE[place + 1 :]
    with pytest.raises((MalformedNote, UntrustedNote)):
        open_note(changed, [LOG.verifier])


def test_signatures_by_unknown_keys_are_ignored_even_under_a_known_name() -> None:
    note = sign_note("Ten batches.\n", STRANGER, LOG, WITNESS)
    opened = open_note(note, [LOG.verifier])
    assert [signature.key_id for signature in opened.verified] == [LOG.verifier.key_id]
    assert [signature.name for signature in opened.ignored] == ["example.com/log", "witness.example"]


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    for verifiers in ([], [WITNESS.verifier], [STRANGER.verifier]):
        with pytest.raises(UntrustedNote):
            open_note(NOTE, verifiers)


def test_a_wrong_signature_of_one_known_key_spoils_the_note() -> None:
    wrong = Signature(WITNESS.name, WITNESS.verifier.key_id, bytes(64)).to_line()
    assert open_note(NOTE + wrong, [LOG.verifier]).verified
    with pytest.raises(UntrustedNote):
        open_note(NOTE + wrong, [LOG.verifier, WITNESS.verifier])


def test_a_wrong_second_signature_of_a_key_spoils_the_note() -> None:
    wrong = Signature(LOG.name, LOG.verifier.key_id, bytes(64)).to_line()
    with pytest.raises(UntrustedNote):
        open_note(NOTE + wrong, [LOG.verifier])


def test_a_text_with_blank_lines_is_parted_from_its_signatures_at_the_last_one() -> None:
    text = "one\n\n— example.com/log AAAAAAA=\n\ntwo\n"
    assert open_note(sign_note(text, LOG), [LOG.verifier]).text == text


def test_up_to_a_hundred_signatures_are_read_and_no_more() -> None:
    line = Signature("someone", b"abcd", bytes(64)).to_line()
    assert len(open_note(NOTE + line * (MAX_SIGNATURES - 1), [LOG.verifier]).ignored) == MAX_SIGNATURES - 1
    with pytest.raises(MalformedNote):
        split_note(NOTE + line * MAX_SIGNATURES)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "\n",
        "\n\n",
        "Ten batches.\n",
        "Ten batches.\n\n",
        NOTE.rstrip("\n"),
        NOTE + "\n",
        NOTE + " ",
        NOTE + "garbage\n",
        NOTE + "— someone\n",
        NOTE + "— someone  AAAAAAA=\n",
        NOTE + "— some+one AAAAAAA=\n",
        NOTE + "— some\u00a0one AAAAAAA=\n",
        NOTE + "—  AAAAAAA=\n",
        NOTE + "— someone AAAAAA==\n",
        NOTE + "— someone AAAAAAB=\n",
        NOTE + "— someone AAAAAAA\n",
        NOTE + "— someone AAAAAAA= \n",
        NOTE + "— some\ud800one AAAAAAA=\n",
        NOTE + "- someone AAAAAAA=\n",
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("Ten", "T\ten"),
        NOTE.replace("Ten", "T\ud800n"),
        NOTE.replace("— ", "—\u00a0"),
    ],
    ids=ascii,
)
def test_every_other_form_of_a_note_is_refused(broken: str) -> None:
    with pytest.raises(MalformedNote):
        open_note(broken, [LOG.verifier])


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "line\r\n", "\x00\n", "half \ud800\n"])
def test_a_text_that_no_note_can_carry_is_not_signed(text: str) -> None:
    with pytest.raises(MalformedNote):
        sign_note(text, LOG)


def test_a_note_without_signer_is_not_made() -> None:
    with pytest.raises(ValueError, match="at least one signer"):
        sign_note("Ten batches.\n")


def test_no_part_of_a_key_is_a_key() -> None:
    for key, parse in ((GO_VERIFIER, Verifier.parse), (GO_SIGNER, Signer.parse)):
        for start in range(len(key)):
            for end in range(start, len(key) + (start > 0)):
                with pytest.raises(MalformedKey):
                    parse(key[start:end])


def test_a_key_with_any_character_changed_is_refused() -> None:
    for key, parse in ((GO_VERIFIER, Verifier.parse), (GO_SIGNER, Signer.parse)):
        for place in range(len(key)):
            with pytest.raises(MalformedKey):
                parse(key[:place] + chr(ord(key[place]) + 1) + key[place + 1 :])


@pytest.mark.parametrize(
    "key",
    [
        GO_VERIFIER + "\n",
        " " + GO_VERIFIER,
        GO_VERIFIER.replace("c74f20a3", "C74F20A3"),
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_every_other_form_of_a_key_is_refused(key: str) -> None:
    with pytest.raises(MalformedKey):
        Verifier.parse(key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\u0085b", "a\x01b", "a\ud800b"])
def test_a_name_with_a_space_a_plus_or_nothing_in_it_is_refused(name: str) -> None:
    with pytest.raises(MalformedKey):
        Signer(name, bytes(32))


def test_a_private_key_is_never_shown_by_repr() -> None:
    assert "seed" not in repr(LOG)
    assert repr(bytes(32)) not in repr(LOG)


def test_a_generated_key_takes_its_randomness_from_what_it_is_given() -> None:
    assert Signer.generate("a", random_bytes=lambda count: b"7" * count) == Signer("a", b"7" * 32)
    assert Signer.generate("a") != Signer.generate("a")


@given(st.binary())
def test_base64_reads_as_it_is_written(value: bytes) -> None:
    assert decode_base64(b64encode(value).decode()) == value


@given(st.text("AQgw+/=\n -_", max_size=12))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        value = decode_base64(text)
    except ValueError:
        return
    assume(value)
    assert b64encode(value).decode() == text
