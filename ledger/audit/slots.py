"""The guard's two slots: whether the one that nobody needs at this moment is whole as well.

The newer one counts, and the audit holds it against the database. That the other one is not whole is no finding: a
power cut may tear a write, and the next checkpoint is written over it. But a power cut is known to whoever had one.
"""

import hashlib
import time

from ledger.errors import LedgerError
from ledger.log.guard import FORMAT, SLOT_BYTES, Guard

NOT_WHOLE = (
    "One of the guard's two slots is not whole: a power cut tore a write, or bytes of it were changed. The other slot "
    "is used, and the next checkpoint is written over this one. If there was no power cut, look at the disk, and ask "
    "who can write to the guard."
)
LOOKS = 3
PAUSE_SECONDS = 0.02  # a writer may be at work on the slot: what is still so after a while, stays


def slot_remarks(guard: Guard | None) -> tuple[str, ...]:
    """What is to be said of a guard that can be read; nothing of one that cannot, which is a finding."""
    for look in range(LOOKS):
        if guard is None or _is_whole(guard):
            return ()
        time.sleep(PAUSE_SECONDS * (look + 1 < LOOKS))
    return (NOT_WHOLE,)


def _is_whole(guard: Guard) -> bool:
    """Whether both slots are, or the guard cannot be read at all. The first write leaves one slot empty."""
    try:
        newest = guard.read()
    except LedgerError:
        return True
    data = guard.look() or b""
    slots = (data[:SLOT_BYTES], data[SLOT_BYTES:])
    other = slots[(newest.sequence + 1) % 2]
    return _vouches_for_itself(other) or (newest.sequence < 2 and other == bytes(SLOT_BYTES))


def _vouches_for_itself(slot: bytes) -> bool:
    """Whether the checksum is that of sequence number and note (`ledger.log.guard`)."""
    form, _, rest = slot.rstrip(b"\0").partition(b"\n")
    sequence, _, rest = rest.partition(b"\n")
    checksum, _, note = rest.partition(b"\n")
    right = hashlib.sha256(sequence + b"\n" + note).hexdigest()
    return len(slot) == SLOT_BYTES and (form, checksum) == (FORMAT.encode(), right.encode())
