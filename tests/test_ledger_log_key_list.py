"""ledger.log.key_list: what is served is read back, and nobody is taken for a key without a statement."""

import pytest

from ledger.errors import LedgerError
from ledger.log.checkpoint import Checkpoint
from ledger.log.key_list import HEADER, MalformedKeyList, format_key_list, parse_key_list
from ledger.log.keyring import Keyring
from ledger.log.note import Signer, UntrustedNote
from ledger.log.statement import rotate, succeed

A, B, C = (Signer("lots.example/log", bytes([seed]) * 32) for seed in range(3))
D = Signer("lots.example/log/2", b"d" * 32)
LAST = Checkpoint("lots.example/log", 35, b"r" * 32)

ONE = Keyring.begin(A.verifier)
CHAIN = (
    ONE.rotated(7, B.verifier)
    .retired(9, A.verifier)
    .rotated(12, C.verifier, compromised=True)
    .succeeded(30, D.verifier)
)
STATEMENTS = {
    B.verifier.to_text(): rotate(A, B),
    C.verifier.to_text(): rotate(B, C),
    D.verifier.to_text(): succeed(LAST, 30, [C], D),
}
TEXT = format_key_list(CHAIN, STATEMENTS)


def test_a_log_with_one_key_has_a_list_of_two_lines() -> None:
    assert format_key_list(ONE, {}) == f"{HEADER}\n1 - {A.verifier.to_text()}\n"
    assert parse_key_list(format_key_list(ONE, {})) == ONE


def test_the_list_gives_back_the_keyring() -> None:
    assert parse_key_list(TEXT) == CHAIN


def test_a_succession_without_the_old_signature_is_read_as_one_that_nobody_vouches_for() -> None:
    lost = ONE.succeeded(30, D.verifier, is_vouched=False)
    read = parse_key_list(format_key_list(lost, {D.verifier.to_text(): succeed(LAST, 30, [], D)}))
    assert read == lost
    with pytest.raises(UntrustedNote):
        read.way(A.verifier, 31)


def test_a_statement_about_other_keys_or_too_few_of_them_is_refused() -> None:
    texts = STATEMENTS.copy()
    texts[C.verifier.to_text()] = rotate(A, C)
    with pytest.raises(MalformedKeyList, match="about another key"):
        parse_key_list(format_key_list(CHAIN, texts))
    texts[C.verifier.to_text()] = succeed(LAST, 13, [B], D)
    with pytest.raises(MalformedKeyList, match="about another key"):
        parse_key_list(format_key_list(CHAIN, texts))
    with pytest.raises(MalformedKeyList, match="not one statement"):
        parse_key_list(TEXT.rpartition("lotproof/succession/1")[0])


@pytest.mark.parametrize("signing", [[C], []], ids=["vouched for", "the old key lost"])
def test_a_succession_from_another_log_is_refused_whoever_signed_it(signing: list[Signer]) -> None:
    other = Checkpoint("other.example/log", LAST.size, LAST.root)
    texts = {**STATEMENTS, D.verifier.to_text(): succeed(other, 30, signing, D)}
    with pytest.raises(MalformedKeyList, match="goes on from another log"):
        parse_key_list(format_key_list(CHAIN, texts))


def test_no_changed_byte_makes_another_key_trusted() -> None:
    raw = TEXT.encode()
    for place in range(len(raw)):
        text = (raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]).decode(errors="replace")
        try:
            read = parse_key_list(text)
        except LedgerError:
            continue
        # Sizes are nobody's word; keys are.
        assert [one.verifier for one in read.keys] == [one.verifier for one in CHAIN.keys]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{HEADER}\n",
        f"{HEADER}\n1 -\n",
        f"{HEADER}\n01 - {A.verifier.to_text()}\n",
        f"{HEADER}\n1 - x\n",
    ],
)
def test_another_text_is_no_list(text: str) -> None:
    with pytest.raises(MalformedKeyList):
        parse_key_list(text)
