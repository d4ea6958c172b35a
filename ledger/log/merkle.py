"""The Merkle tree of RFC 6962 and RFC 9162 with SHA-256: its hashes, its proofs and their verification.

Nothing here knows where hashes are kept: what makes a proof is handed a `ReadHashes`, what verifies one sees
bytes alone. The tree of three entries:

    >>> leaves = [leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")]
    >>> root(leaves) == node_hash(node_hash(leaves[0], leaves[1]), leaves[2])
    True
    >>> prove_inclusion(2, 3, lambda nodes: [node_hash(leaves[0], leaves[1])]) == [root(leaves[:2])]
    True
    >>> verify_inclusion(leaves[2], 2, 3, [root(leaves[:2])], root(leaves))

Leaves are hashed behind a zero byte and nodes behind a one, so that no node can be passed off as an entry.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from ledger.errors import LedgerError

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

Node = tuple[int, int]
"""(level, index): the perfect subtree over the entries index * 2**level up to (index + 1) * 2**level."""

ReadHashes = Callable[[Sequence[Node]], list[bytes]]
"""Gives the hash of each node asked for, in that order."""


class InvalidProof(LedgerError):
    """The proof does not show what it claims to; `reason` says at which step it failed."""

    message = "This proof does not hold: {reason}."


def leaf_hash(entry: bytes) -> bytes:
    """The 32 bytes that stand for `entry` in the tree."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32 bytes that stand for two subtrees beside each other."""
    return sha256(b"\x01" + left + right).digest()


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root of the whole tree over `leaf_hashes`; one hash a leaf."""
    if not leaf_hashes:
        return EMPTY_ROOT
    row = list(leaf_hashes)
    while len(row) > 1:
        above = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)]
        # The last of an odd row rises unhashed: splitting at the largest power of two comes to the same.
        row = above + row[len(row) & ~1 :]
    return row[0]


def range_nodes(start: int, end: int) -> list[Node]:
    """The fewest perfect subtrees that cover the entries from `start` up to `end`, left to right."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees, the largest at the left, as `range_nodes` orders them; at least one."""
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


def prove_inclusion(index: int, size: int, read_hashes: ReadHashes) -> list[bytes]:
    """The sibling hashes, leaf to root, that place entry `index` in the tree of `size` entries.

    Each hash is 32 bytes; at most ceil(log2(size)) of them. Reads once.
    Raises IndexError unless 0 <= index < size.  Source: RFC 9162, section 2.1.3.1.
    """
    if not 0 <= index < size:
        raise IndexError(f"entry {index} is not in the tree of {size} entries")
    return _read_folded(_sibling_ranges((0, index), size), read_hashes)


def prove_consistency(old: int, new: int, read_hashes: ReadHashes) -> list[bytes]:
    """The hashes that show the tree of `old` entries to be the beginning of the tree of `new` entries.

    Each hash is 32 bytes; at most ceil(log2(new)) + 1 of them; none if the sizes are equal. Reads once.
    Raises IndexError unless 1 <= old <= new: nothing can be shown of an empty tree, everything begins with
    it.  Source: RFC 9162, section 2.1.4.1.
    """
    if not 1 <= old <= new:
        raise IndexError(f"the tree of {new} entries proves nothing of the tree of {old}")
    if old == new:
        return []
    # The proof climbs from the last perfect subtree of the old tree, which the verifier has only if it is
    # the whole of it.
    last = range_nodes(0, old)[-1]
    own = [] if last[1] == 0 else [[last]]
    return _read_folded([*own, *_sibling_ranges(last, new)], read_hashes)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return if `proof` places the leaf hash `leaf` at `index` in the tree of `size` entries with `root`.

    Raises InvalidProof otherwise.  Source: RFC 9162, section 2.1.3.2.
    """
    _check_lengths([leaf, root, *proof])
    if not 0 <= index < size:
        raise InvalidProof(reason=f"entry {index} is not in the tree of {size} entries")
    here, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise InvalidProof(reason="it has hashes left over at the root")
        if here & 1 or here == last:
            computed = node_hash(sibling, computed)
            here, last = _skip_lone_levels(here, last)
        else:
            computed = node_hash(computed, sibling)
        here, last = here >> 1, last >> 1
    if last:
        raise InvalidProof(reason="it ends before the root")
    if computed != root:
        raise InvalidProof(reason="it leads to another root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return if `proof` shows that the tree (`old_size`, `old_root`) begins (`new_size`, `new_root`).

    Raises InvalidProof otherwise, also for an old size of 0.  Source: RFC 9162, section 2.1.4.2.
    """
    _check_lengths([old_root, new_root, *proof])
    if not 1 <= old_size <= new_size:
        raise InvalidProof(reason=f"size {new_size} proves nothing of size {old_size}")
    if old_size == new_size:
        if proof or old_root != new_root:
            raise InvalidProof(reason="trees of one size need one root and no hashes")
        return
    _climb_both(old_size, old_root, new_size, new_root, proof)


def _climb_both(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Compute both roots from one proof: hashes at the left are in both trees, others in the new one."""
    level = (old_size & -old_size).bit_length() - 1
    here, last = (old_size - 1) >> level, (new_size - 1) >> level
    hashes = proof if here else [old_root, *proof]
    if not hashes:
        raise InvalidProof(reason="it has no hashes")
    old_computed = new_computed = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise InvalidProof(reason="it has hashes left over at the root")
        if here & 1 or here == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            here, last = _skip_lone_levels(here, last)
        else:
            new_computed = node_hash(new_computed, sibling)
        here, last = here >> 1, last >> 1
    if last:
        raise InvalidProof(reason="it ends before the root")
    if old_computed != old_root:
        raise InvalidProof(reason="it leads to another old root")
    if new_computed != new_root:
        raise InvalidProof(reason="it leads to another new root")


def _skip_lone_levels(here: int, last: int) -> tuple[int, int]:
    """Rise past the levels where this node, the last of its row, has no sibling."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last


def _check_lengths(hashes: Iterable[bytes]) -> None:
    # Bytes of another length could move the border between the left and the right half of a node.
    if any(len(value) != HASH_BYTES for value in hashes):
        raise InvalidProof(reason="a hash is not 32 bytes long")


def _sibling_ranges(node: Node, size: int) -> list[list[Node]]:
    """For each step from `node` up to the root of the tree of `size`: the subtrees that make its sibling."""
    level, index = node
    ranges = []
    while index or 1 << level < size:
        sibling = index ^ 1
        start = sibling << level
        if start < size:
            ranges.append(range_nodes(start, min(start + (1 << level), size)))
        level, index = level + 1, index >> 1
    return ranges


def _read_folded(ranges: Sequence[Sequence[Node]], read_hashes: ReadHashes) -> list[bytes]:
    hashes = iter(read_hashes([node for nodes in ranges for node in nodes]))
    return [fold([next(hashes) for _ in nodes]) for nodes in ranges]
