"""Proof files: one text for each, and a plain reason for every way of not holding."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log.checkpoint import LARGEST_SIZE, Checkpoint
from ledger.log.merkle import InvalidProof, leaf_hash, prove_inclusion, root
from ledger.log.note import Signer, sign_note
from ledger.log.proof import MAX_HASHES, MalformedProof, TlogProof, verify
from ledger.log.tiles import Edge, TileHashes

LOG = Signer("example.com/log", bytes(32))
LEAVES = [leaf_hash(str(index).encode()) for index in range(7)]
READ = TileHashes(lambda tile: b"".join(LEAVES[: tile.width]), 7)


def signed(size: int, top: bytes) -> str:
    return sign_note(Checkpoint(LOG.name, size, top).format(), LOG)


NOTE = signed(7, root(LEAVES))
PROOF = TlogProof(5, tuple(prove_inclusion(5, 7, READ)), NOTE, b"salt")
TEXT = PROOF.format()
HASH = b64encode(PROOF.hashes[0]).decode()

proofs = st.builds(
    TlogProof,
    st.integers(0, LARGEST_SIZE - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_HASHES).map(tuple),
    st.integers(0, LARGEST_SIZE).map(lambda size: signed(size, bytes(32))),
    st.none() | st.binary(min_size=1),
)


@given(proofs)
def test_a_proof_reads_as_it_is_written(proof: TlogProof) -> None:
    assert TlogProof.parse(proof.format()) == proof


def test_a_proof_file_looks_as_the_specification_shows_it() -> None:
    hashes = [b64encode(value).decode() for value in PROOF.hashes]
    lines = ["c2sp.org/tlog-proof@v1", "extra c2FsdA==", "index 5", *hashes, "", *NOTE.split("\n")]
    assert "\n".join(lines) == TEXT


def test_every_entry_of_every_small_log_is_proven_to_be_in_it() -> None:
    for size in range(1, 8):
        edge, _ = Edge.empty().extend(LEAVES[:size])
        note = signed(size, edge.root())
        for index in range(size):
            hashes = prove_inclusion(
                index, size, TileHashes(lambda tile: b"".join(LEAVES[: tile.width]), size)
            )
            proof = TlogProof.parse(TlogProof(index, tuple(hashes), note).format())
            assert verify(proof, LEAVES[index], LOG.verifier) == Checkpoint(LOG.name, size, edge.root())


def test_a_proof_for_another_entry_place_or_hash_does_not_hold() -> None:
    with pytest.raises(InvalidProof, match="another root"):
        verify(PROOF, LEAVES[4], LOG.verifier)
    for index in (0, 4, 6, 7):
        with pytest.raises(InvalidProof):
            verify(TlogProof(index, PROOF.hashes, NOTE), LEAVES[5], LOG.verifier)
    for place in range(len(PROOF.hashes)):
        hashes = (*PROOF.hashes[:place], bytes(32), *PROOF.hashes[place + 1 :])
        with pytest.raises(InvalidProof, match="another root"):
            verify(TlogProof(5, hashes, NOTE), LEAVES[5], LOG.verifier)


def test_a_proof_under_a_checkpoint_that_the_log_did_not_sign_does_not_hold() -> None:
    stranger = Signer(LOG.name, bytes([1]) * 32)
    with pytest.raises(InvalidProof, match="no known key signed it"):
        verify(PROOF, LEAVES[5], stranger.verifier)
    forged = NOTE.replace("\n7\n", "\n8\n")
    with pytest.raises(InvalidProof, match="does not match the text"):
        verify(TlogProof(5, PROOF.hashes, forged), LEAVES[5], LOG.verifier)


def test_a_signed_note_that_is_no_checkpoint_of_this_log_proves_nothing() -> None:
    other = sign_note(Checkpoint("example.com/other", 7, root(LEAVES)).format(), LOG)
    for note in (sign_note("Good morning.\n", LOG), other):
        with pytest.raises(InvalidProof):
            verify(TlogProof(5, PROOF.hashes, note), LEAVES[5], LOG.verifier)


@pytest.mark.parametrize("index", ["", "02", "+2", " 2", "2 ", "-2", "٢", "9" * 19])
def test_every_other_spelling_of_an_index_is_refused(index: str) -> None:
    with pytest.raises(MalformedProof):
        TlogProof.parse(TEXT.replace("index 5", f"index {index}"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.rstrip("\n"),
        TEXT + "\n",
        TEXT + "garbage\n",
        "\n" + TEXT,
        " " + TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("index 5\n", ""),
        TEXT.replace("index 5", "Index 5"),
        TEXT.replace("index 5", "index 5\nindex 5"),
        TEXT.replace("extra c2FsdA==\n", "").replace("index 5", "index 5\nextra c2FsdA=="),
        TEXT.replace("extra c2FsdA==", "extra c2FsdA==\nextra c2FsdA=="),
        TEXT.replace("extra c2FsdA==", "extra "),
        TEXT.replace("extra c2FsdA==", "extra"),
        TEXT.replace("extra c2FsdA==", "extra c2FsdB=="),
        TEXT.replace(HASH, HASH + " "),
        TEXT.replace(HASH, HASH[:-1]),
        TEXT.replace(HASH, b64encode(bytes(31)).decode()),
        TEXT.replace(HASH, "\n".join([HASH] * MAX_HASHES)),
        TEXT.replace("\n\n", "\n", 1),
        TEXT.replace("\n\n", "\n\n\n", 1).replace("\n\n— ", "\n— "),
        TEXT[: TEXT.index("\n\n") + 2],
    ],
)
def test_every_other_form_of_a_proof_file_is_refused(text: str) -> None:
    assert text != TEXT
    with pytest.raises(MalformedProof):
        TlogProof.parse(text)


def test_values_that_the_file_cannot_carry_make_no_proof() -> None:
    for index, hashes, note, extra in (
        (-1, (), NOTE, None),
        (0, (bytes(31),), NOTE, None),
        (0, (bytes(32),) * (MAX_HASHES + 1), NOTE, None),
        (0, (), "no note\n", None),
        (0, (), NOTE, b""),
    ):
        with pytest.raises(MalformedProof):
            TlogProof(index, hashes, note, extra)
