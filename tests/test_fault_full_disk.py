"""A disk with no room left: what was confirmed stays, what is asked is refused in words, and goes on with room.

The limit is the kernel's own on the size of a file (RLIMIT_FSIZE), which works everywhere and for everybody: a write
beyond it comes back short or fails, as on a full disk (setrlimit(2)).
"""

import resource
import signal
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ledger.errors import DiskRefused, LedgerError
from ledger.journal.journal import By
from ledger.journal.opening import Ledger, open_ledger
from ledger.settings import Settings
from ledger.trace.bill_of_materials import RegisterMaterial, register_material
from tests.faults import CHILDREN, Witness, begin
from tests.tampering import audited
from tests.world import ADA

pytestmark = pytest.mark.slow

ROOM_BYTES = (0, 4_096, 40_000, 100_000, 250_000)  # that the largest file may still grow by
WRITES = 100


def _fill(folder: Path, room: int, told: Connection) -> None:
    """Write until the disk is full, then with room again; tell each receipt, each refusal and the end."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as on a full disk: an error, not a signal
    with closing(open_ledger(Settings(data=folder))) as ledger:
        ledger.journal.seal()
        largest = max((folder / name).stat().st_size for name in ("lotproof.db", "lotproof.db-wal"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + room, resource.RLIM_INFINITY))
        for number in range(WRITES):
            _write(ledger, f"FULL-{number}", told)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for number in range(WRITES):  # the same again: what was recorded is answered, the rest is recorded
            _write(ledger, f"FULL-{number}", told)
    told.send(None)


def _write(ledger: Ledger, code: str, told: Connection) -> None:
    request = RegisterMaterial(code=code, name="A material " + "with a long name " * 8)
    try:
        index = ledger.journal.write(register_material, request, By(ADA, code)).entries[0].index
    except LedgerError as error:
        told.send((code, type(error).__name__))
    else:
        told.send((code, index))


@pytest.mark.parametrize("room", ROOM_BYTES)
def test_a_full_disk_refuses_and_loses_nothing(blank: Path, tmp_path: Path, room: int) -> None:
    folder = tmp_path / "var"
    begin(blank, folder)
    ours, theirs = CHILDREN.Pipe()
    process = CHILDREN.Process(target=_fill, args=(folder, room, theirs), daemon=True)
    process.start()
    theirs.close()
    answers: list[tuple[str, int | str]] = []
    while (answer := ours.recv()) is not None:
        answers.append(answer)
    process.join()
    assert process.exitcode == 0

    full, again = dict(answers[:WRITES]), dict(answers[WRITES:])
    refused = [said for said in full.values() if isinstance(said, str)]
    assert refused, "the disk was never full"
    assert set(refused) == {DiskRefused.__name__}
    for code, index in again.items():
        assert isinstance(index, int), f"{code}: {index}, although there is room again"
        assert full[code] in {index, DiskRefused.__name__}
    witness = Witness(folder, tmp_path / "told")
    witness.check()
    assert {witness.codes[index]: index for index in again.values() if isinstance(index, int)} == again
    witness.close()
    assert audited(folder, derived=True).findings == ()
