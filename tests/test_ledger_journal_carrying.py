"""A log carried to another database: all of it, nothing else, and nothing believed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ledger.database import connect, migrate, reading
from ledger.errors import LedgerError
from ledger.files import FileMissing, Files
from ledger.journal.carrying import AnotherLog, HistoryRewritten, OlderThanHere, carry_in, verify_log
from ledger.journal.journal import By
from ledger.journal.key_changes import rotate_key
from ledger.journal.projections import RebuildNeeded, rebuild, refuse_outdated
from ledger.journal.registry import NOUNS
from ledger.log import store
from ledger.log.checkpoint import open_checkpoint
from ledger.log.directory import export
from ledger.log.layout import CHECKPOINTS, Directory, FileDiffers, frame_note
from ledger.log.note import Signer, UntrustedNote, Verifier
from tests.world import ADA, Rows, World, rows_of


def tell(world: World, count: int, prefix: str = "P") -> None:
    """`count` commands, each of which leaves two entries and a checkpoint."""
    for number in range(count):
        world.party(f"{prefix}{number}")


def export_to(world: World, folder: Path) -> Path:
    with reading(world.ledger.engine) as connection:
        world.ledger.journal.standing(connection)
        export(connection, folder, key(world).to_text())
    return folder


def key(world: World) -> Verifier:
    return world.ledger.keys.signer.verifier


@contextmanager
def database(folder: Path) -> Iterator[Engine]:
    """An empty database of our own."""
    engine = connect(folder / "carried.db")
    migrate(engine, "lotproof")
    yield engine
    engine.dispose()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Engine]:
    with database(tmp_path) as engine:
        yield engine


def log_rows(engine: Engine) -> Rows:
    with reading(engine) as connection:
        return {name: rows_of(connection, table) for name, table in store.LOG.tables.items()}


def derived_rows(engine: Engine) -> Rows:
    with reading(engine) as connection:
        tables = [table for noun in NOUNS.values() for table in noun.tables]
        return {table.name: rows_of(connection, table) for table in tables}


def carry(world: World, folder: Path, engine: Engine) -> object:
    return carry_in(folder, engine, key(world), world.ledger.files.read)


def test_a_carried_log_is_the_same_in_every_row_derived_ones_too(
    world: World, tmp_path: Path, empty: Engine
) -> None:
    world.lot("SF-1", "4000 m")
    world.batch("B1", lots={"SF-1": "1200 m"}, units=5).ships(to="DE", count=3)
    world.recall("R1", lots=["SF-1"])
    tell(world, 130)
    carried = carry_in(export_to(world, tmp_path / "log"), empty, key(world), world.ledger.files.read)
    assert (carried.checkpoint.size, carried.kept, carried.missing) == (world.size(), 0, None)
    assert log_rows(empty) == log_rows(world.ledger.engine)
    assert derived_rows(empty) == derived_rows(world.ledger.engine)


def test_a_newer_export_adds_what_is_new(world: World, tmp_path: Path, empty: Engine) -> None:
    for part, count in enumerate((3, 0, 1, 150, 7, 127)):
        tell(world, count, f"P{part}-")
        before = store_size(empty)
        carried = carry_in(export_to(world, tmp_path / "log"), empty, key(world), world.ledger.files.read)
        assert (carried.kept, carried.checkpoint.size) == (before, world.size())
    assert log_rows(empty) == log_rows(world.ledger.engine)
    assert derived_rows(empty) == derived_rows(world.ledger.engine)


def store_size(engine: Engine) -> int:
    with reading(engine) as connection:
        return store.size(connection)


def test_where_a_file_is_missing_the_log_stands_and_waits_for_a_rebuild(
    world: World, tmp_path: Path, empty: Engine
) -> None:
    world.batch("B1", units=5)
    nothing = Files(tmp_path / "nothing")
    carried = carry_in(export_to(world, tmp_path / "log"), empty, key(world), nothing.read)
    assert isinstance(carried.missing, FileMissing)
    assert log_rows(empty) == log_rows(world.ledger.engine)
    with reading(empty) as connection, pytest.raises(RebuildNeeded):
        refuse_outdated(connection)
    tell(world, 2)
    assert carry_in(export_to(world, tmp_path / "log"), empty, key(world), nothing.read).missing
    rebuild(empty, tuple(NOUNS.values()), world.ledger.files.read)
    assert derived_rows(empty) == derived_rows(world.ledger.engine)


def test_every_changed_byte_is_refused_and_leaves_the_database_empty(
    world: World, tmp_path: Path, empty: Engine
) -> None:
    tell(world, 130)
    folder = export_to(world, tmp_path / "log")
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.name == "vkey":
            continue
        whole = file.read_bytes()
        for place in {0, 1, len(whole) // 2, len(whole) - 2}:
            changed = bytearray(whole)
            changed[place] ^= 1
            file.write_bytes(changed)
            with pytest.raises(LedgerError):
                carry(world, folder, empty)
            assert store_size(empty) == 0
        file.write_bytes(whole)
    carry(world, folder, empty)


def rewritten_notes(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    notes = change([stored.note for stored in Directory(folder).notes()])
    (folder / CHECKPOINTS).write_bytes(b"".join(map(frame_note, notes)))


@pytest.mark.parametrize("place", [0, 3, 129])
def test_a_checkpoint_that_was_left_out_is_missed(
    world: World, tmp_path: Path, empty: Engine, place: int
) -> None:
    tell(world, 130)
    folder = export_to(world, tmp_path / "log")
    size = [stored.size for stored in Directory(folder).notes()][place]
    rewritten_notes(folder, lambda notes: notes[:place] + notes[place + 1 :])
    with pytest.raises(FileDiffers, match=f"size {size}"):
        carry(world, folder, empty)


def test_checkpoints_out_of_order_are_refused(world: World, tmp_path: Path, empty: Engine) -> None:
    tell(world, 3)
    folder = export_to(world, tmp_path / "log")
    rewritten_notes(folder, lambda notes: [notes[1], notes[0], *notes[2:]])
    with pytest.raises(FileDiffers, match="out of order"):
        carry(world, folder, empty)


def test_a_checkpoint_of_another_key_is_refused_where_it_stands(
    world: World, tmp_path: Path, empty: Engine
) -> None:
    tell(world, 3)
    folder = export_to(world, tmp_path / "log")
    other = Signer(key(world).name, b"k" * 32)

    def signed_anew(notes: list[str]) -> list[str]:
        text = notes[1].partition("\n\n")[0] + "\n"
        return [notes[0], f"{text}\n{other.sign(text)}", *notes[2:]]

    rewritten_notes(folder, signed_anew)
    with pytest.raises(FileDiffers, match="no good checkpoint of size 4"):
        carry(world, folder, empty)


@pytest.mark.slow
def test_signatures_checked_by_other_processes_are_checked_as_well(world: World, tmp_path: Path) -> None:
    tell(world, 130)
    folder = export_to(world, tmp_path / "log")
    checkpoint, way = verify_log(folder, key(world), processes=2)
    assert (checkpoint.size, way) == (world.size(), (key(world),))

    def spoiled(notes: list[str]) -> list[str]:
        text, blank, signature = notes[70].partition("\n\n")
        other = notes[71].partition("\n\n")[2]
        assert signature != other
        return [*notes[:70], text + blank + other, *notes[71:]]

    rewritten_notes(folder, spoiled)
    for processes in (0, 2):
        with pytest.raises(FileDiffers, match="no good checkpoint of size 142"):
            verify_log(folder, key(world), processes=processes)


def test_a_key_that_is_none_of_the_logs_is_refused(world: World, tmp_path: Path, empty: Engine) -> None:
    tell(world, 3)
    folder = export_to(world, tmp_path / "log")
    with pytest.raises(UntrustedNote):
        carry_in(folder, empty, Signer(key(world).name, b"k" * 32).verifier, world.ledger.files.read)
    assert store_size(empty) == 0


def branch(world: World, folder: Path) -> World:
    """The same log once more, at this moment, as somebody with a copy of everything could go on with it."""
    shutil.copytree(world.ledger.settings.data, folder)
    return World.begin_as(folder, folder.with_name(f"{folder.name}-open"))


def test_a_second_history_is_refused_and_both_checkpoints_are_told(
    world: World, tmp_path: Path, empty: Engine
) -> None:
    tell(world, 140)
    fork = world.size()
    with closing(branch(world, tmp_path / "branch")) as other:
        tell(world, 3, "A")
        tell(other, 5, "B")
        carry(world, export_to(world, tmp_path / "log"), empty)
        before = log_rows(empty)
        with pytest.raises(HistoryRewritten, match=f"entry {fork} ") as caught:
            carry(world, export_to(other, tmp_path / "other"), empty)
        ours, theirs = (
            open_checkpoint(str(caught.value.facts[one]), key(world)) for one in ("ours", "theirs")
        )
        assert ours.size == theirs.size  # which needs no further proof
        assert ours.root != theirs.root
    assert log_rows(empty) == before


@pytest.mark.files
def test_a_second_history_that_begins_with_another_key_is_one_too(
    world: World, tmp_path: Path, empty: Engine
) -> None:
    tell(world, 2)
    fork = world.size()
    with closing(branch(world, tmp_path / "branch")) as other:
        tell(world, 3, "A")
        carry(world, export_to(world, tmp_path / "log"), empty)
        rotate_key(other.ledger, "It was stolen.", By(ADA), compromised=True)
        tell(other, 3, "B")
        folder = export_to(other, tmp_path / "other")
        with pytest.raises(HistoryRewritten, match=f"entry {fork} "):
            carry(world, folder, empty)
        # One that does not hold together shows nothing, whatever it claims of its keys.
        file = next((folder / "tile/entries").rglob("000.p/*"))
        file.write_bytes(file.read_bytes().replace(b"B1", b"C1", 1))
        with pytest.raises(FileDiffers):
            carry(world, folder, empty)


def test_a_second_history_is_told_from_a_bad_copy(world: World, tmp_path: Path, empty: Engine) -> None:
    tell(world, 140)
    folder = export_to(world, tmp_path / "log")
    carry(world, folder, empty)
    tell(world, 1, "A")
    export_to(world, folder)
    file = folder / "tile/entries/000"
    content = file.read_bytes()
    file.write_bytes(content.replace(b"P1", b"Q1", 1))
    (folder / "checkpoint").write_text((folder / "checkpoint").read_text().replace("\n— ", "\n— x", 1))
    with pytest.raises(FileDiffers):
        carry(world, folder, empty)


def test_another_log_is_refused(world: World, tmp_path: Path, empty: Engine) -> None:
    tell(world, 2)
    carry(world, export_to(world, tmp_path / "log"), empty)
    with closing(World.begin(tmp_path / "other")) as other:
        tell(other, 4)
        folder = export_to(other, tmp_path / "other-log")
        with pytest.raises(AnotherLog):
            carry(other, folder, empty)


def test_an_older_export_adds_nothing_and_says_so(world: World, tmp_path: Path, empty: Engine) -> None:
    tell(world, 2)
    older = export_to(world, tmp_path / "older")
    tell(world, 2, "Q")
    carry(world, export_to(world, tmp_path / "newer"), empty)
    before = log_rows(empty)
    with pytest.raises(OlderThanHere):
        carry(world, older, empty)
    assert log_rows(empty) == before
