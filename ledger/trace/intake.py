"""Intake: a factory's file of serials, taken whole or not at all.

A file may name several batches: each becomes a set of its own, and all of them go live in one write.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.errors import LedgerError
from ledger.files import FileRef
from ledger.journal.journal import By, Journal, Receipt
from ledger.journal.registry import Request, command
from ledger.journal.transaction import Tx
from ledger.trace.batch import get_batch, list_batches
from ledger.trace.commissioning import Staged, stage, unstage
from ledger.trace.factory_file import FactoryFile, read_factory_file
from ledger.trace.unit import CommissionUnits, UnitsCommissioned, UnitSet, commission_units, was_received


class FileNotClean(LedgerError):
    """A file with problems, or without a serial."""

    message = "The file has {problems} problems and {rows} serials. Put it right first; nothing was recorded."


class CommissionSets(Request, frozen=True):
    """Make several staged sets of serials live at once."""

    sets: tuple[CommissionUnits, ...]


@command("unit.commission_sets")
def commission_sets(tx: Tx, request: CommissionSets) -> None:
    """Raises what `unit.commission` does for the first set that it refuses; then none is live."""
    for one in request.sets:
        commission_units.carry_out(tx, one)
        tx.flush()  # so that the next set is compared with this one


@dataclass(frozen=True, slots=True)
class Intake:
    """A file as read against what is recorded: take it only where it `file.is_clean`."""

    content: bytes
    file: FactoryFile
    default_batch: str | None
    earlier: tuple[UnitSet, ...]  # the live sets that came from this very file

    @property
    def is_known(self) -> bool:
        """Whether it was taken before."""
        return bool(self.earlier)


def read_intake(connection: Connection, content: bytes, *, default_batch: str | None = None) -> Intake:
    """The file, each batch it names looked up. `default_batch` stands in for a column that is not there.

    Raises UnknownBatch or AmbiguousBatch for `default_batch`, and what `read_factory_file` does.
    """
    known = {one.code for one in list_batches(connection)}
    wanted = None
    if default_batch is not None:
        wanted = get_batch(connection, default_batch).id
        known.add(default_batch)
    file = read_factory_file(content, default_batch=default_batch, known_batches=known)
    earlier = was_received(connection, hashlib.sha256(content).hexdigest())
    if wanted is not None and "batch" not in file.used:
        earlier = [one for one in earlier if one.batch == wanted]
    return Intake(content, file, default_batch, tuple(earlier))


def record_intake(
    journal: Journal, units_key: bytes, intake: Intake, by: By, *, not_recalled_because: str = ""
) -> Receipt:
    """Stage the file's serials and make all of its sets live in one write.

    Raises FileNotClean, and what `unit.commission` raises; then nothing of it is left.
    """
    if not intake.file.is_clean:
        raise FileNotClean(problems=len(intake.file.problems), rows=len(intake.file.rows))
    received = journal.files.put(intake.content)
    staged: list[Staged] = []
    try:
        sets = []
        for batch, rows in intake.file.by_batch().items():
            staged.append(stage(journal, units_key, [row.serial for row in rows]))
            sets.append(_set(staged[-1], batch, received, not_recalled_because))
        # Sets have new ids at every try: the request's digest is over what was asked for.
        body = by.body or f"{intake.default_batch or ''}\n{received.sha256}\n{not_recalled_because}".encode()
        receipt = journal.write(commission_sets, CommissionSets(sets=tuple(sets)), By(by.actor, by.key, body))
    except LedgerError:
        unstage(journal, *(one.unit_set for one in staged))
        raise
    _drop_repeated(journal, staged, receipt)
    return receipt


def _set(staged: Staged, batch: str, received: FileRef, not_recalled_because: str) -> CommissionUnits:
    return CommissionUnits(
        unit_set=staged.unit_set,
        batch=batch,
        count=staged.count,
        root=staged.root,
        list_file=staged.list_file,
        received_file=received,
        not_recalled_because=not_recalled_because,
    )


def _drop_repeated(journal: Journal, staged: Sequence[Staged], receipt: Receipt) -> None:
    """A repeated request is answered from its first entries: then the sets staged now stay unused."""
    live = {one.event.unit_set for one in receipt.entries if isinstance(one.event, UnitsCommissioned)}
    unused = [one.unit_set for one in staged if one.unit_set not in live]
    if unused:
        unstage(journal, *unused)
