"""Who must sign the next checkpoint, held against who signed the last one.

The table of keys lies in the database, where the role that runs the program may change it. Who takes a row out of it
during the overlap of two keys would have us sign with one of them: a checkpoint that everybody who reads the entries
refuses, published and confirmed, and one that nobody could go on from. Whoever signed the last checkpoint signs the
next, unless an entry in between says otherwise; and those entries we have in hand.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import msgspec

from ledger.errors import LedgerError
from ledger.journal.key_events import KEY_KINDS, keyring_after
from ledger.journal.registry import KINDS
from ledger.journal.transaction import Draft
from ledger.log.checkpoint import checkpoint_of
from ledger.log.keyring import Keyring, LogKey
from ledger.log.note import split_note


class KeysDiffer(LedgerError):
    """The derived table of the log's keys does not follow from the log."""

    message = (
        "The table of the log's keys does not follow from the checkpoint of size {size} and the entries after it: "
        "somebody changed it. Nothing will be signed. Run: lotproof audit --derived; then, to make it anew: "
        "lotproof rebuild."
    )
    http_status = 503


def check_keys(keyring: Keyring, last_note: str, drafts: Sequence[Draft]) -> None:
    """Raise KeysDiffer unless `keyring` is what the last checkpoint's keys and the drafts behind it lead to."""
    size, signers = _signed(last_note)
    stood = Keyring(tuple(_as_of(one, size) for one in keyring.keys if one.first_size <= size))
    if {(one.name, one.key_id) for one in stood.current} != signers:
        raise KeysDiffer(size=size)
    followed: Keyring | None = stood
    for index, draft in enumerate(drafts, size):
        if draft.kind in KEY_KINDS:
            event = msgspec.json.decode(draft.data, type=KINDS[draft.kind])
            followed = keyring_after(followed, index, event)
    if followed != keyring:
        raise KeysDiffer(size=size)


def _as_of(key: LogKey, size: int) -> LogKey:
    """The key as it stood under the checkpoint of this size, whose own last entry changes no key."""
    return key if key.last_size is None or key.last_size < size else replace(key, last_size=None)


@lru_cache(maxsize=4)
def _signed(note: str) -> tuple[int, frozenset[tuple[str, bytes]]]:
    """The size of a checkpoint of ours, and who signed it."""
    signatures = split_note(note)[1]
    return checkpoint_of(note).size, frozenset((one.name, one.key_id) for one in signatures)
