"""ledger.files: stored by content, whole or not at all, never repaired in silence."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.files import FileDamaged, FileMissing, FileRef, Files

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4, SHA-256 of "abc"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "files")


def test_a_file_is_named_by_its_sha_256(files: Files) -> None:
    assert files.put(b"abc") == FileRef(sha256=ABC, size_bytes=3)
    assert files.path(ABC) == files.folder / "ba" / ABC[2:]
    assert files.read(ABC) == b"abc"
    assert files.exists(ABC)


def test_chunks_make_the_same_file_as_the_whole(files: Files) -> None:
    assert files.put(iter([b"a", b"", b"bc"])) == files.put(b"abc")


@given(chunks=st.lists(st.binary(max_size=50)))
def test_what_is_put_is_read_again(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]) -> None:
    files = Files(tmp_path_factory.mktemp("data") / "files")
    ref = files.put(chunks)
    content = b"".join(chunks)
    assert ref == FileRef(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
    assert files.read(ref.sha256) == content


def test_putting_twice_changes_nothing(files: Files) -> None:
    files.put(b"abc")
    before = files.path(ABC).stat()
    files.put(b"abc")
    after = files.path(ABC).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert list(files.names()) == [ABC]


def test_files_and_folders_are_closed_to_others(files: Files) -> None:
    files.put(b"abc")
    assert stat.S_IMODE(files.path(ABC).stat().st_mode) == 0o600
    for folder in (files.folder, files.path(ABC).parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_missing_file_is_named(files: Files) -> None:
    with pytest.raises(FileMissing, match=ABC):
        files.read(ABC)
    assert not files.exists(ABC)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", ABC.upper(), ABC + "\n", ABC[:-1], "incoming/x"])
def test_what_is_no_sha_256_is_missing_and_leads_nowhere(files: Files, name: str) -> None:
    files.put(b"abc")
    assert not files.exists(name)
    with pytest.raises(FileMissing):
        files.path(name)


@pytest.mark.parametrize("content", [b"abd", b"ab", b"abcd", b""])
def test_changed_bytes_are_reported_by_read_and_by_put_and_left_as_they_are(
    files: Files, content: bytes
) -> None:
    files.put(b"abc")
    files.path(ABC).write_bytes(content)
    with pytest.raises(FileDamaged, match=ABC):
        files.read(ABC)
    with pytest.raises(FileDamaged):
        files.put(b"abc")
    assert files.path(ABC).read_bytes() == content
    assert list((files.folder / "incoming").iterdir()) == []


def test_names_are_in_order_and_pass_over_what_is_no_file_of_ours(files: Files) -> None:
    expected = sorted(files.put(bytes([number])).sha256 for number in range(50))
    (files.folder / "ba").mkdir(exist_ok=True)
    (files.folder / "ba" / "notes.txt").touch()
    (files.folder / "incoming" / ABC).touch()
    os.mkfifo(files.folder / "ba" / ("0" * 62))  # whoever opened it would wait for ever
    assert list(files.names()) == expected


def test_a_store_without_a_folder_is_empty(files: Files) -> None:
    assert list(files.names()) == []
    assert files.sweep(older_than=datetime.now(UTC)) == 0


def test_a_source_that_fails_half_way_leaves_nothing(files: Files) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half of it"
        raise ConnectionError("the browser went away")

    with pytest.raises(ConnectionError):
        files.put(chunks())
    assert [path for path in files.folder.rglob("*") if path.is_file()] == []


KILLED_HALF_WAY = """
import os, signal, sys
from pathlib import Path
from ledger.files import Files

def chunks():
    yield b"x" * 3_000_000
    os.kill(os.getpid(), signal.SIGKILL)

Files(Path(sys.argv[1])).put(chunks())
"""


def test_what_a_killed_process_left_is_never_listed_and_swept_once_old(files: Files) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED_HALF_WAY, str(files.folder)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (leftover,) = (files.folder / "incoming").iterdir()
    assert leftover.stat().st_size > 0
    assert list(files.names()) == []
    assert files.sweep(older_than=datetime.now(UTC) - timedelta(hours=1)) == 0
    assert files.sweep(older_than=datetime.now(UTC) + timedelta(seconds=1)) == 1
    assert not leftover.exists()


def _put_many(folder: Path) -> None:
    for number in range(30):
        Files(folder).put(str(number).encode() * 1000)


def test_processes_that_put_the_same_files_at_once_agree(files: Files) -> None:
    context = get_context("spawn")
    writers = [context.Process(target=_put_many, args=(files.folder,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len([files.read(name) for name in files.names()]) == 30
    assert list((files.folder / "incoming").iterdir()) == []
