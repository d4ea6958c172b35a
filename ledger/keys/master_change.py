"""Changing the master key: while it lasts, either of the two opens everything.

    master.change    two lines: the new master key wrapped by the old one, the old one wrapped by the new

It is written before anything is wrapped anew and removed after everything was. So no crash between leaves keys that
nobody can open, whichever of the two master keys the process is given.
"""

from contextlib import suppress
from pathlib import Path

from ledger.keys.key_files import (
    KeyDamaged,
    KeyLocked,
    KeyMissing,
    read_private,
    remove_file,
    replace_file,
    unwrap,
    wrapped,
)

MASTER_CHANGE = "master.change"


def begin_change(folder: Path, old: bytes, new: bytes) -> None:
    """From now on, have either master key open the other."""
    lines = wrapped(MASTER_CHANGE, new, old) + wrapped(MASTER_CHANGE, old, new)
    replace_file(folder / MASTER_CHANGE, lines)


def change_under_way(folder: Path, master: bytes) -> tuple[bytes, bytes] | None:
    """(old, new) while the master key is being changed, given either of them; None else.

    Raises KeyDamaged, and KeyLocked for a third one.
    """
    path = folder / MASTER_CHANGE
    try:
        lines = read_private(path).split("\n")
    except KeyMissing:
        return None
    if len(lines) != 2:
        raise KeyDamaged(path=path)
    with suppress(KeyLocked):
        return master, unwrap(path, lines[0], [master])
    return unwrap(path, lines[1], [master]), master


def other_master(folder: Path, master: bytes) -> tuple[bytes, ...]:
    """The other master key while it is being changed; none else."""
    change = change_under_way(folder, master)
    return () if change is None else tuple(one for one in change if one != master)


def end_change(folder: Path) -> None:
    """Destroy what opens the old master key."""
    remove_file(folder / MASTER_CHANGE)
