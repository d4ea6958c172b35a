"""Whether a log is whole: every rule of its format, checked from the stored bytes alone and by the definitions."""

from ledger.database import reading
from ledger.journal.events import LogOpened, StatusStated
from ledger.journal.key_events import fold_keys, read_keyring
from ledger.journal.opening import Ledger
from ledger.journal.registry import MapChange, decode
from ledger.log import store
from ledger.log.entry import NO_PREVIOUS, Entry, parse_entry
from ledger.log.merkle import leaf_hash, root


def assert_whole(ledger: Ledger) -> list[Entry]:
    """Check chain, links, tree, checkpoints, last-leaf rule and guard; gives the entries."""
    with reading(ledger.engine) as connection:
        size = store.size(connection)
        bodies = store.read_bodies(connection, 0, size)
        leaves = store.read_leaves(connection, 0, size)
        rows = connection.exec_driver_sql("SELECT size, note FROM log_checkpoints ORDER BY size").all()
        edge = store.read_edge(connection)
    entries = [parse_entry(body) for body in bodies]
    assert leaves == [leaf_hash(body) for body in bodies]
    assert [entry.prev for entry in entries] == [NO_PREVIOUS, *leaves][: len(entries)]
    assert edge.root() == root(leaves)
    assert_linked(entries)
    assert_published(ledger, entries, leaves, [(row[0], row[1]) for row in rows])
    return entries


def assert_linked(entries: list[Entry]) -> None:
    """Each subject points at the entry before about the same subject."""
    last: dict[str, int] = {}
    for index, entry in enumerate(entries):
        for subject, previous in entry.subjects.items():
            assert previous == last.get(subject), (index, subject)
            last[subject] = index


def assert_published(
    ledger: Ledger, entries: list[Entry], leaves: list[bytes], checkpoints: list[tuple[int, str]]
) -> None:
    """Every checkpoint has one root, ends with the stated map of that moment, and the guard holds the last."""
    stated = maps_after(entries)
    keyring = fold_keys((index, decode(one.kind, one.data)) for index, one in enumerate(entries))
    assert keyring is not None
    with reading(ledger.engine) as connection:
        assert read_keyring(connection) == keyring
    for size, note in checkpoints:
        point = keyring.open(note)
        assert (point.size, point.root) == (size, root(leaves[:size]))
        last = decode(entries[size - 1].kind, entries[size - 1].data)
        assert isinstance(last, StatusStated), f"entry {size - 1} closes a checkpoint"
        assert (last.map.version, last.map.root, last.map.leaves) == stated[size - 1]
    sizes = [size for size, _ in checkpoints]
    assert sizes == [index + 1 for index, one in enumerate(entries) if one.kind == "status.stated/1"]
    assert sizes[-1] == len(entries)
    assert ledger.guard.read().note == checkpoints[-1][1]


def maps_after(entries: list[Entry]) -> list[tuple[int, str, int]]:
    """(version, root, leaves) of the status map after each entry."""
    maps: list[tuple[int, str, int]] = []
    for entry in entries:
        event = decode(entry.kind, entry.data)
        changed = getattr(event, "map", None)
        if isinstance(changed, MapChange):
            assert changed.previous == maps[-1][0]
            maps.append((changed.previous + 1, changed.root, changed.leaves))
        elif isinstance(event, LogOpened):
            maps.append((event.map.version, event.map.root, event.map.leaves))
        else:
            maps.append(maps[-1])
    return maps
