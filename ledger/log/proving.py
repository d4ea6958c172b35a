"""Proof files made from the database: one entry, placed under a published checkpoint."""

from functools import partial

from sqlalchemy import Connection

from ledger.log import store
from ledger.log.checkpoint import Checkpoint
from ledger.log.merkle import prove_inclusion
from ledger.log.note import split_note
from ledger.log.proof import TlogProof
from ledger.log.tiles import TileCache, TileHashes


def prove_entry(
    connection: Connection,
    index: int,
    note: str,
    *,
    with_entry: bool = False,
    cache: TileCache | None = None,
) -> TlogProof:
    """The proof that entry `index` stands in the tree of the published checkpoint `note`.

    `with_entry` puts the entry's exact bytes into `extra`: then the file alone can be checked, and whoever has
    it can read the entry. Raises IndexError unless the checkpoint holds the entry.
    """
    size = Checkpoint.parse(split_note(note)[0]).size
    read_hashes = TileHashes(partial(store.read_tile, connection), size, cache)
    hashes = prove_inclusion(index, size, read_hashes)
    return TlogProof(
        index=index,
        hashes=tuple(hashes),
        checkpoint_note=note,
        extra=store.read_body(connection, index) if with_entry else None,
    )
