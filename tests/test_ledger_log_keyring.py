"""ledger.log.keyring: who must sign a checkpoint, and that nobody else may."""

import doctest
import pickle
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log import keyring as keyring_module
from ledger.log.checkpoint import Checkpoint, MalformedCheckpoint
from ledger.log.keyring import KeyChangeRefused, Keyring
from ledger.log.note import MalformedNote, Signer, UntrustedNote, Verifier, sign_note

ORIGIN, NEXT = "lots.example/log", "lots.example/log/2"
A, B, C = (Signer(ORIGIN, bytes([seed]) * 32) for seed in range(3))
D = Signer(NEXT, b"d" * 32)
WITNESS = Signer("witness.example", b"w" * 32)
EVERYBODY = (A, B, C, D)
ROOT = b"r" * 32

OVERLAP = Keyring.begin(A.verifier).rotated(7, B.verifier)
RETIRED = OVERLAP.retired(9, A.verifier)
COMPROMISED = Keyring.begin(A.verifier).rotated(7, B.verifier, compromised=True)
SUCCEEDED = RETIRED.succeeded(20, D.verifier)
LOST = RETIRED.succeeded(20, D.verifier, is_vouched=False)


def note(size: int, *signers: Signer, origin: str = ORIGIN) -> str:
    return sign_note(Checkpoint(origin, size, ROOT).format(), *signers)


def test_the_example_holds() -> None:
    result = doctest.testmod(keyring_module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("keyring", "size", "signers"),
    [
        (OVERLAP, 1, (A,)),
        (OVERLAP, 7, (A,)),
        (OVERLAP, 8, (A, B)),
        (OVERLAP, 1_000_000, (A, B)),
        (RETIRED, 7, (A,)),
        (RETIRED, 9, (A, B)),
        (RETIRED, 10, (B,)),
        (COMPROMISED, 7, (A,)),
        (COMPROMISED, 8, (B,)),
        (SUCCEEDED, 20, (B,)),
        (SUCCEEDED, 21, (D,)),
    ],
)
def test_a_checkpoint_counts_if_exactly_the_keys_of_its_size_signed_it(
    keyring: Keyring, size: int, signers: tuple[Signer, ...]
) -> None:
    origin = signers[0].name
    assert keyring.at(size) == tuple(one.verifier for one in signers)
    assert keyring.origin(size) == origin
    for chosen in product([False, True], repeat=len(EVERYBODY)):
        given_by = [one for one, is_in in zip(EVERYBODY, chosen, strict=True) if is_in]
        if not given_by:
            continue
        made = note(size, *given_by, origin=origin)
        known = {one.verifier for one in keyring.keys}
        # A key that this log never had is a stranger's, whose signature is ignored.
        if {one.verifier for one in given_by} & known == {one.verifier for one in signers}:
            assert keyring.open(made).size == size
        else:
            with pytest.raises(UntrustedNote):
                keyring.open(made)


def test_a_witness_may_sign_beside_the_log() -> None:
    assert OVERLAP.open(note(8, A, WITNESS, B)) == Checkpoint(ORIGIN, 8, ROOT)


def test_a_wrong_signature_of_a_key_that_need_not_sign_is_refused_too() -> None:
    forged = note(10, B) + note(11, A).rpartition("\n\n")[2]
    with pytest.raises(UntrustedNote):
        RETIRED.open(forged)


@pytest.mark.parametrize(("size", "origin", "signer"), [(21, ORIGIN, D), (20, NEXT, B), (0, ORIGIN, A)])
def test_a_checkpoint_under_another_origin_than_that_of_its_size_is_refused(
    size: int, origin: str, signer: Signer
) -> None:
    with pytest.raises(MalformedCheckpoint):
        SUCCEEDED.open(note(size, signer, origin=origin))


def test_what_is_no_note_is_refused() -> None:
    with pytest.raises(MalformedNote):
        OVERLAP.open("no note\n")


def test_statements_lead_from_an_old_key_to_the_newest() -> None:
    assert OVERLAP.way(A.verifier, 7) == (A.verifier,)
    assert OVERLAP.way(A.verifier, 8) == (A.verifier,)
    assert RETIRED.way(A.verifier, 10) == (A.verifier, B.verifier)
    assert SUCCEEDED.way(A.verifier, 21) == (A.verifier, B.verifier, D.verifier)
    assert SUCCEEDED.way(D.verifier, 21) == (D.verifier,)


def test_no_way_leads_over_a_lost_key_nor_from_a_stranger_nor_back() -> None:
    with pytest.raises(UntrustedNote, match="somebody you trust"):
        LOST.way(A.verifier, 21)
    assert LOST.way(D.verifier, 21) == (D.verifier,)
    with pytest.raises(UntrustedNote, match="none of this log"):
        SUCCEEDED.way(C.verifier, 21)
    with pytest.raises(UntrustedNote, match="newer proof"):
        SUCCEEDED.way(D.verifier, 20)


def test_changes_that_cannot_follow_are_refused() -> None:
    first = Keyring.begin(A.verifier)
    changes: tuple[Callable[[], Keyring], ...] = (
        lambda: first.rotated(7, A.verifier),
        lambda: first.rotated(0, B.verifier),
        lambda: first.rotated(7, D.verifier),
        lambda: first.retired(7, A.verifier),
        lambda: first.retired(7, B.verifier),
        lambda: OVERLAP.rotated(8, C.verifier),
        lambda: OVERLAP.retired(9, B.verifier),
        lambda: OVERLAP.retired(7, A.verifier),
        lambda: RETIRED.retired(12, A.verifier),
        lambda: RETIRED.rotated(12, A.verifier),
        lambda: RETIRED.succeeded(12, C.verifier),
        lambda: SUCCEEDED.rotated(30, A.verifier),
    )
    for change in changes:
        with pytest.raises(KeyChangeRefused):
            change()


def test_after_a_compromise_in_an_overlap_the_newest_key_signs_alone() -> None:
    assert OVERLAP.rotated(9, C.verifier, compromised=True).current == (C.verifier,)


def test_a_keyring_goes_to_another_process_and_works_there() -> None:
    again = pickle.loads(pickle.dumps(SUCCEEDED))
    assert again == SUCCEEDED
    assert again.open(note(9, A, B)).size == 9


steps = st.lists(st.tuples(st.sampled_from(["rotate", "compromise", "retire", "succeed"]), st.integers(1, 5)))


@given(steps)
def test_whatever_happened_every_size_has_one_or_two_keys_of_one_origin(made: list[tuple[str, int]]) -> None:
    keyring, index = Keyring.begin(A.verifier), 0
    earlier: dict[int, tuple[Verifier, ...]] = {}
    for number, (what, further) in enumerate(made):
        earlier |= {size: keyring.at(size) for size in range(index + 1, index + further + 1)}
        index += further
        name = keyring.newest.verifier.name
        fresh = Signer(name if what != "succeed" else f"{name}x", number.to_bytes(32, "big")[::-1]).verifier
        try:
            if what == "retire":
                keyring = keyring.retired(index, keyring.current[0])
            elif what == "succeed":
                keyring = keyring.succeeded(index, fresh)
            else:
                keyring = keyring.rotated(index, fresh, compromised=what == "compromise")
        except KeyChangeRefused:
            continue
    for size in range(1, index + 3):
        keys = keyring.at(size)
        assert 1 <= len(keys) <= 2
        assert len({key.name for key in keys}) == 1
    assert keyring.at(index + 1) == keyring.current
    assert keyring.newest.verifier in keyring.current
    # Nothing that came later changed who had to sign before.
    assert {size: keyring.at(size) for size in earlier} == earlier
