"""The tree and its proofs, against a reference written from the RFC's recursive definitions."""

import doctest
import json
from base64 import b64decode
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log import merkle
from ledger.log.merkle import (
    EMPTY_ROOT,
    InvalidProof,
    Node,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    range_nodes,
    root,
    verify_consistency,
    verify_inclusion,
)

VECTORS = Path(__file__).parents[2] / "shared" / "vectors" / "merkle"
LEAVES = [leaf_hash(str(index).encode()) for index in range(70_000)]
SMALL = 64


def split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


@lru_cache(maxsize=200_000)
def tree(start: int, end: int) -> bytes:
    """MTH(D[start:end]), RFC 6962 section 2.1."""
    if start == end:
        return sha256(b"").digest()
    if end - start == 1:
        return LEAVES[start]
    middle = start + split(end - start)
    return sha256(b"\x01" + tree(start, middle) + tree(middle, end)).digest()


def inclusion_path(index: int, start: int, end: int) -> list[bytes]:
    """PATH(index, D[start:end]), RFC 6962 section 2.1.1; index counts from start."""
    if end - start == 1:
        return []
    middle = start + split(end - start)
    if start + index < middle:
        return [*inclusion_path(index, start, middle), tree(middle, end)]
    return [*inclusion_path(start + index - middle, middle, end), tree(start, middle)]


def consistency_subproof(old: int, start: int, end: int, *, known: bool) -> list[bytes]:
    """SUBPROOF(old, D[start:end], known), RFC 6962 section 2.1.2."""
    if old == end - start:
        return [] if known else [tree(start, end)]
    middle = start + split(end - start)
    if start + old <= middle:
        return [*consistency_subproof(old, start, middle, known=known), tree(middle, end)]
    return [*consistency_subproof(start + old - middle, middle, end, known=False), tree(start, middle)]


def read_hashes(nodes: Sequence[Node]) -> list[bytes]:
    return [tree(index << level, (index + 1) << level) for level, index in nodes]


def flips(proof: list[bytes]) -> list[list[bytes]]:
    """The proof with one bit of one hash turned, for each hash; without one; with one too many."""
    turned = [
        [*proof[:i], bytes([value[0] ^ 1]) + value[1:], *proof[i + 1 :]] for i, value in enumerate(proof)
    ]
    shorter = [proof[:i] + proof[i + 1 :] for i in range(len(proof))]
    return [*turned, *shorter, [*proof, bytes(32)], [bytes(32), *proof], [*proof, b""]]


def test_the_example_in_the_module_holds() -> None:
    assert doctest.testmod(merkle) == (0, 4)


def test_the_root_is_the_one_of_the_rfc() -> None:
    assert root([]) == EMPTY_ROOT
    for size in range(300):
        assert root(LEAVES[:size]) == tree(0, size)


def test_every_inclusion_proof_of_every_small_tree_is_the_one_of_the_rfc_and_verifies() -> None:
    for size in range(1, SMALL + 1):
        for index in range(size):
            proof = prove_inclusion(index, size, read_hashes)
            assert proof == inclusion_path(index, 0, size)
            verify_inclusion(LEAVES[index], index, size, proof, tree(0, size))


def test_every_consistency_proof_of_every_small_tree_is_the_one_of_the_rfc_and_verifies() -> None:
    for new in range(1, SMALL + 1):
        for old in range(1, new + 1):
            proof = prove_consistency(old, new, read_hashes)
            assert proof == consistency_subproof(old, 0, new, known=True)
            verify_consistency(old, tree(0, old), new, tree(0, new), proof)


def test_an_inclusion_proof_with_any_hash_changed_dropped_or_added_is_refused() -> None:
    for size in range(1, SMALL + 1):
        for index in range(size):
            for broken in flips(prove_inclusion(index, size, read_hashes)):
                with pytest.raises(InvalidProof):
                    verify_inclusion(LEAVES[index], index, size, broken, tree(0, size))


def test_a_consistency_proof_with_any_hash_changed_dropped_or_added_is_refused() -> None:
    for new in range(1, SMALL + 1):
        for old in range(1, new + 1):
            for broken in flips(prove_consistency(old, new, read_hashes)):
                with pytest.raises(InvalidProof):
                    verify_consistency(old, tree(0, old), new, tree(0, new), broken)


def test_an_inclusion_proof_holds_for_no_other_place_leaf_or_root() -> None:
    for size in range(2, 24):
        for index in range(size):
            proof = prove_inclusion(index, size, read_hashes)
            for other in (*range(index), *range(index + 1, size + 2), -1):
                with pytest.raises(InvalidProof):
                    verify_inclusion(LEAVES[index], other, size, proof, tree(0, size))
            for leaf, top in ((LEAVES[size], tree(0, size)), (LEAVES[index], tree(0, size + 1))):
                with pytest.raises(InvalidProof):
                    verify_inclusion(leaf, index, size, proof, top)


borders = st.sampled_from([255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537])


@given(borders, st.data())
def test_proofs_at_the_borders_of_tiles_verify(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1) | st.sampled_from([0, size - 1, size // 2]))
    inclusion = prove_inclusion(index, size, read_hashes)
    assert inclusion == inclusion_path(index, 0, size)
    verify_inclusion(LEAVES[index], index, size, inclusion, tree(0, size))
    old = data.draw(st.integers(1, size) | borders.filter(lambda border: border <= size))
    consistency = prove_consistency(old, size, read_hashes)
    assert consistency == consistency_subproof(old, 0, size, known=True)
    verify_consistency(old, tree(0, old), size, tree(0, size), consistency)


@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_range_nodes_tile_the_range_without_gap_or_overlap(one: int, other: int) -> None:
    start, end = sorted((one, other))
    position = start
    for level, index in range_nodes(start, end):
        assert index << level == position
        position = (index + 1) << level
    assert position == end
    assert len(range_nodes(start, end)) <= 2 * (end - start).bit_length()


def test_proofs_outside_the_tree_are_not_made() -> None:
    for index, size in ((0, 0), (5, 5), (-1, 5)):
        with pytest.raises(IndexError):
            prove_inclusion(index, size, read_hashes)
    for old, new in ((0, 0), (0, 5), (6, 5), (-1, 5)):
        with pytest.raises(IndexError):
            prove_consistency(old, new, read_hashes)


def test_a_consistency_proof_from_the_empty_tree_is_refused() -> None:
    for new, top in ((0, EMPTY_ROOT), (1, LEAVES[0])):
        with pytest.raises(InvalidProof):
            verify_consistency(0, EMPTY_ROOT, new, top, [])


def test_hashes_that_are_not_32_bytes_long_are_refused_even_where_they_agree() -> None:
    for value in (b"", bytes(31), bytes(33)):
        with pytest.raises(InvalidProof):
            verify_inclusion(value, 0, 1, [], value)
        with pytest.raises(InvalidProof):
            verify_consistency(1, value, 1, value, [])


def cases(name: str) -> list[dict[str, Any]]:
    if not VECTORS.is_dir():
        pytest.skip("../shared/vectors is not beside this checkout")
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())["cases"]
    return found


def decoded(case: dict[str, Any], key: str) -> bytes:
    return b64decode(case[key] or "")


def refused(check: Callable[..., None], *arguments: Any) -> bool:
    try:
        check(*arguments)
    except InvalidProof:
        return True
    return False


def test_the_published_inclusion_vectors_are_accepted_and_refused_as_they_say() -> None:
    found = cases("inclusion.json")
    assert {case["wantErr"] for case in found} == {True, False}
    for case in found:
        proof = [b64decode(value) for value in case["proof"] or []]
        leaf, top = decoded(case, "leafHash"), decoded(case, "root")
        index, size = case["leafIdx"], case["treeSize"]
        assert refused(verify_inclusion, leaf, index, size, proof, top) is case["wantErr"], case["name"]


def test_the_published_consistency_vectors_are_accepted_and_refused_as_they_say() -> None:
    found = cases("consistency.json")
    assert {case["wantErr"] for case in found} == {True, False}
    for case in found:
        proof = [b64decode(value) for value in case["proof"] or []]
        old, new = decoded(case, "root1"), decoded(case, "root2")
        arguments = case["size1"], old, case["size2"], new, proof
        assert refused(verify_consistency, *arguments) is case["wantErr"], case["name"]
