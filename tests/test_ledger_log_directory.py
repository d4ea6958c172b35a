"""The exported log: whole from its files alone, and worthless after any change."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.journal.clock import SetClock
from ledger.journal.journal import By
from ledger.journal.opening import Ledger, create_ledger
from ledger.log.checkpoint import open_checkpoint
from ledger.log.directory import Directory, FileDiffers, FolderTaken, export, verify_directory
from ledger.log.merkle import leaf_hash
from ledger.log.note import Signer, UntrustedNote, Verifier
from ledger.log.proof import verify
from ledger.log.proving import prove_entry
from ledger.log.tiles import entries_path, path, tiles_of
from ledger.settings import Settings
from ledger.trace.party import RegisterParty, register_party

START = datetime(2025, 5, 1, 8, tzinfo=UTC)
WRITER = By("account:" + "A" * 16)


def record(ledger: Ledger, count: int, prefix: str = "P") -> None:
    """`count` commands, each of which leaves two entries and a checkpoint."""
    for number in range(count):
        request = RegisterParty(
            code=f"{prefix}{number}", name=f"Maker {number}", role="factory", country="CN"
        )
        ledger.journal.write(register_party, request, WRITER)


def export_to(ledger: Ledger, folder: Path) -> None:
    with reading(ledger.engine) as connection:
        export(connection, folder, ledger.keys.signer.verifier.to_text())


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A log of 300 entries: a full tile of level 0, a partial one, and a partial one above."""
    made = create_ledger(Settings(data=tmp_path_factory.mktemp("made") / "var"), clock=SetClock(START))
    record(made, 149)
    return made


@pytest.fixture
def exported(ledger: Ledger, tmp_path: Path) -> Path:
    export_to(ledger, tmp_path / "log")
    return tmp_path / "log"


def key(ledger: Ledger) -> Verifier:
    return ledger.keys.signer.verifier


def test_an_export_verifies_from_its_files_alone(ledger: Ledger, exported: Path) -> None:
    checkpoint = verify_directory(exported, Verifier.parse((exported / "vkey").read_text().strip()))
    with reading(ledger.engine) as connection:
        standing = ledger.journal.standing(connection)
    assert (checkpoint.size, checkpoint.root.hex()) == (300, standing.root)


def test_an_export_holds_the_files_of_the_specification_and_no_others(exported: Path) -> None:
    found = {str(file.relative_to(exported)) for file in exported.rglob("*") if file.is_file()}
    hashes = {f"tile/{path(tile)}" for tile in tiles_of(300)}
    assert hashes == {"tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"}
    bundles = {"tile/entries/000", "tile/entries/001.p/44"}
    assert found == hashes | bundles | {"checkpoint", "checkpoints", "vkey"}


def test_every_changed_byte_of_an_export_is_refused(ledger: Ledger, exported: Path) -> None:
    for file in sorted(exported.rglob("*")):
        if not file.is_file() or file.name == "vkey":
            continue
        whole = file.read_bytes()
        for place in {0, 1, len(whole) // 2, len(whole) - 2}:
            changed = bytearray(whole)
            changed[place] ^= 1
            file.write_bytes(changed)
            with pytest.raises(LedgerError):
                verify_directory(exported, key(ledger))
        file.write_bytes(whole)
    verify_directory(exported, key(ledger))


def test_a_missing_or_lengthened_file_is_named(ledger: Ledger, exported: Path) -> None:
    for name in ("tile/entries/001.p/44", "tile/0/000", "tile/1/000.p/1"):
        file = exported / name
        whole = file.read_bytes()
        file.write_bytes(whole + b"\0")
        with pytest.raises(FileDiffers, match=name):
            verify_directory(exported, key(ledger))
        file.unlink()
        with pytest.raises(FileDiffers, match=name.partition(".p")[0]):
            verify_directory(exported, key(ledger))
        file.write_bytes(whole)


@pytest.mark.parametrize("name", ["checkpoint", "checkpoints", "tile/0/000", "tile/entries/000"])
def test_a_pipe_a_device_or_a_file_without_end_in_a_file_s_place_is_refused(
    ledger: Ledger, exported: Path, name: str
) -> None:
    file = exported / name
    content = file.read_bytes()
    if name != "checkpoints":  # of which only the part up to the last checkpoint is read
        with file.open("r+b") as opened:
            opened.truncate(2**40)
        with pytest.raises(FileDiffers, match=f"{name} has more than"):
            verify_directory(exported, key(ledger))
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(FileDiffers, match=f"{name} is no file"):
        verify_directory(exported, key(ledger))
    file.unlink()
    file.symlink_to("/dev/zero")
    with pytest.raises(FileDiffers, match=f"{name} is no file"):
        verify_directory(exported, key(ledger))
    file.unlink()
    file.write_bytes(content)
    assert verify_directory(exported, key(ledger)).size == 300


def test_an_export_under_another_key_is_refused(ledger: Ledger, exported: Path) -> None:
    other = Signer(key(ledger).name, b"k" * 32).verifier
    with pytest.raises(UntrustedNote):
        verify_directory(exported, other)


def test_an_older_export_is_brought_up_to_date(tmp_path: Path) -> None:
    ledger = create_ledger(Settings(data=tmp_path / "var"), clock=SetClock(START))
    record(ledger, 120, "A")
    export_to(ledger, tmp_path / "log")
    record(ledger, 20, "B")
    export_to(ledger, tmp_path / "log")
    assert verify_directory(tmp_path / "log", key(ledger)).size == 282
    # The partial bundle of the first export has given way to the full one, which says the same.
    directory = Directory(tmp_path / "log")
    assert not list(directory.folder.glob("tile/entries/*.p/242"))
    assert directory.read_entries(0, 242) == directory.read_entries(0, 256)[:242]


def test_nothing_is_exported_over_files_of_others(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").write_text("dear")
    with pytest.raises(FolderTaken):
        export_to(ledger, tmp_path / "taken")
    other = create_ledger(Settings(data=tmp_path / "other"), clock=SetClock(START))
    export_to(other, tmp_path / "log")
    with pytest.raises(FolderTaken):
        export_to(ledger, tmp_path / "log")


def test_every_entry_has_a_proof_under_every_checkpoint_that_holds_it(ledger: Ledger) -> None:
    with reading(ledger.engine) as connection:
        note = ledger.journal.standing(connection).note
        for index in (0, 1, 255, 256, 299):
            proof = prove_entry(connection, index, note, with_entry=True)
            assert proof.extra is not None
            assert verify(proof, leaf_hash(proof.extra), key(ledger)) == open_checkpoint(note, key(ledger))
            assert prove_entry(connection, index, note).extra is None
        with pytest.raises(IndexError):
            prove_entry(connection, 300, note)


def test_paths_of_bundles_are_those_of_the_tiles() -> None:
    assert [entries_path(tile.number, tile.width) for tile in tiles_of(300) if tile.level == 0] == [
        "000",
        "001.p/44",
    ]
