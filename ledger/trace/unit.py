"""Units: serials made here or imported from a factory's file, committed to as a set.

A set's canonical list is UTF-8, one serial a line, in the order of issue or of the file's rows. The entry holds
its count, its SHA-256 and a Merkle root over `HMAC(K_set, serial) ‖ serial`, with `K_set = HMAC(K_units, set id)`:
so a later insertion can be shown, and nobody can test a guessed serial against a leaf.

Rows are staged under the set's id before the lock is taken (`commissioning`); `units.commissioned/1` makes them
live.
"""

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    func,
    select,
)

from ledger.database import insert_into
from ledger.errors import LedgerError, Refused
from ledger.files import FileRef
from ledger.identifiers import in_groups, search_key
from ledger.journal.fields import Code, Positive
from ledger.journal.registry import Difference, Event, Evidence, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.log.merkle import leaf_hash, root
from ledger.moments import Moment
from ledger.trace.batch import Batch, get_batch
from ledger.trace.party import TRACE
from ledger.trace.positions import Position, Range

CHUNK_ROWS = 5_000  # about 20 ms under the lock

unit_sets = Table(
    "unit_sets",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("c", Integer, nullable=False, unique=True),
    Column("batch", String(16), nullable=False),
    Column("product", String(16), nullable=False),
    Column("count", Integer, nullable=False),
    Column("root", String(64), nullable=False),
    Column("list_sha256", String(64), nullable=False),
    Column("received_sha256", String(64)),
    Index("unit_sets_by_batch", "batch"),
    Index("unit_sets_by_received", "received_sha256"),
)
units = Table(
    "units",
    TRACE,
    Column("unit_set", String(16), primary_key=True),
    Column("i", Integer, primary_key=True, autoincrement=False),
    Column("serial", String, nullable=False),
    Column("search_key", String, nullable=False),
    Index("units_by_key", "search_key"),
    sqlite_with_rowid=False,
)

stagings = Table(
    "stagings",
    TRACE,
    Column("unit_set", String(16), primary_key=True),
    Column("begun", Moment, nullable=False),
)

_is_live = select(unit_sets.c.id)
_is_staged = select(stagings.c.unit_set).where(stagings.c.unit_set.not_in(_is_live))
UNIT = Noun(
    "unit",
    version=1,
    tables=(unit_sets, units, stagings),
    staged={"units": units.c.unit_set.in_(_is_staged), "stagings": stagings.c.unit_set.in_(_is_staged)},
)


class SerialsTaken(Refused):
    """A serial of the set stands on this product already."""

    message = (
        "{count} of these serials stand on this product already, such as {serial}. Nothing was recorded."
    )


class SerialsRepeated(LedgerError):
    """One set names a serial twice."""

    message = (
        "{count} of these serials stand there twice, such as {serial}: case and separators make no difference. "
        "Nothing was recorded."
    )


class MoreThanMade(Refused):
    """More units than the batch has."""

    message = (
        "Batch {batch} has {made} units, {commissioned} of them with a serial; {count} more is too many."
    )


class NothingStaged(LedgerError):
    """The rows that the command speaks of are not there."""

    message = "The serials of this set are not there any more. Start again from the file."


@UNIT.event("units.commissioned/1")
class UnitsCommissioned(Event, frozen=True):
    unit_set: str
    batch: str
    product: str
    count: int
    root: str
    list_file: FileRef
    received_file: FileRef | None  # the factory's file as it came
    not_recalled_because: str | None


@UNIT.applies(UnitsCommissioned)
def apply_commissioned(state: State, entries: Sequence[Recorded[UnitsCommissioned]]) -> None:
    """The set's row; its units were staged, or are read from the list when this is a rebuild."""
    for one in entries:
        event = one.event
        state.connection.execute(delete(stagings).where(stagings.c.unit_set == event.unit_set))
        staged = select(func.count()).select_from(units).where(units.c.unit_set == event.unit_set)
        if state.connection.execute(staged).scalar_one() != event.count:
            _fill(state, event)
    insert_into(state.connection, unit_sets, [_set_row(one) for one in entries])


@UNIT.checked(UnitsCommissioned)
def check_sets(evidence: Evidence, recorded: Sequence[Recorded[UnitsCommissioned]]) -> Iterator[Difference]:
    """Each set's list must hold as many serials as the entry says, under the root that it says."""
    for one in recorded:
        serials = parse_list(evidence.read_file(one.event.list_file.sha256))
        if len(serials) != one.event.count:
            problem = f"is {one.event.count}, and the list holds {len(serials)}"
            yield Difference(one.index, "data.count", problem)
        if evidence.units_key is not None:
            root_hex = set_root(evidence.units_key, one.event.unit_set, serials).hex()
            if root_hex != one.event.root:
                yield Difference(one.index, "data.root", f"the list's root is {root_hex}")


def _set_row(one: Recorded[UnitsCommissioned]) -> dict[str, object]:
    return {
        "id": one.event.unit_set,
        "c": one.index,
        "batch": one.event.batch,
        "product": one.event.product,
        "count": one.event.count,
        "root": one.event.root,
        "list_sha256": one.event.list_file.sha256,
        "received_sha256": one.event.received_file.sha256 if one.event.received_file else None,
    }


def _fill(state: State, event: UnitsCommissioned) -> None:
    """The rows from the list that the entry names: what a rebuild does instead of staging."""
    state.connection.execute(delete(units).where(units.c.unit_set == event.unit_set))
    serials = parse_list(state.read_file(event.list_file.sha256))
    for start in range(0, len(serials), CHUNK_ROWS):
        rows = unit_rows(event.unit_set, start, serials[start : start + CHUNK_ROWS])
        insert_into(state.connection, units, rows)


def unit_rows(unit_set: str, start: int, serials: Sequence[str]) -> list[dict[str, object]]:
    """The rows of a part of a set, the first at place `start`."""
    return [
        {"unit_set": unit_set, "i": start + offset, "serial": serial, "search_key": search_key(serial)}
        for offset, serial in enumerate(serials)
    ]


class CommissionUnits(Request, frozen=True):
    """Make a staged set of serials live."""

    unit_set: str
    batch: Code
    count: Positive
    root: str
    list_file: FileRef
    received_file: FileRef | None = None
    not_recalled_because: Annotated[str, Meta(extra={"free_text": True}, max_length=1000)] = ""


@command("unit.commission")
def commission_units(tx: Tx, request: CommissionUnits) -> None:
    """Raises UnknownBatch, MoreThanMade, SerialsTaken, NothingStaged."""
    batch = get_batch(tx.connection, request.batch)
    commissioned = sum(one.count for one in sets_of(tx.connection, batch.id))
    if commissioned + request.count > batch.quantity:
        raise MoreThanMade(
            batch=batch.code, made=batch.quantity, commissioned=commissioned, count=request.count
        )
    _refuse_taken(tx.connection, batch, request)
    event = UnitsCommissioned(
        unit_set=request.unit_set,
        batch=batch.id,
        product=batch.product,
        count=request.count,
        root=request.root,
        list_file=request.list_file,
        received_file=request.received_file,
        not_recalled_because=request.not_recalled_because or None,
    )
    tx.record(event, f"batch:{batch.id}", f"unit_set:{request.unit_set}", f"product:{batch.product}")


def _refuse_taken(connection: Connection, batch: Batch, request: CommissionUnits) -> None:
    staged = units.alias("staged")
    staging = select(stagings.c.unit_set).where(stagings.c.unit_set == request.unit_set)
    counted = connection.execute(
        select(func.count()).select_from(staged).where(staged.c.unit_set == request.unit_set)
    ).scalar_one()
    # A set that is live already has its rows too, but is not staged any more.
    if counted != request.count or connection.execute(staging).first() is None:
        raise NothingStaged()
    taken = connection.execute(
        select(func.count(), func.min(staged.c.serial))
        .select_from(staged)
        .join(units, (units.c.search_key == staged.c.search_key) & (units.c.unit_set != staged.c.unit_set))
        .join(unit_sets, unit_sets.c.id == units.c.unit_set)
        .where(staged.c.unit_set == request.unit_set, unit_sets.c.product == batch.product)
    ).one()
    if taken[0]:
        raise SerialsTaken(count=taken[0], serial=taken[1])


def format_list(serials: Iterable[str]) -> bytes:
    """The canonical list: UTF-8, one serial a line."""
    return "".join(f"{serial}\n" for serial in serials).encode()


def parse_list(content: bytes) -> list[str]:
    """The serials of a canonical list."""
    return content.decode().split("\n")[:-1]


def unit_leaves(units_key: bytes, unit_set: str, serials: Iterable[str]) -> Iterator[bytes]:
    """The leaves that a set's root is over: `HMAC(K_set, serial) ‖ serial`."""
    set_key = hmac.digest(units_key, unit_set.encode(), "sha256")
    for serial in serials:
        encoded = serial.encode()
        yield hmac.digest(set_key, encoded, "sha256") + encoded


def set_root(units_key: bytes, unit_set: str, serials: Iterable[str]) -> bytes:
    """The Merkle root (RFC 6962) that commits to a set, 32 bytes."""
    return root([leaf_hash(leaf) for leaf in unit_leaves(units_key, unit_set, serials)])


@dataclass(frozen=True, slots=True)
class UnitSet:
    """A live set: its batch and product by id, `c` its place in the log."""

    id: str
    c: int
    batch: str
    product: str
    count: int
    root: str
    list_sha256: str
    received_sha256: str | None

    @property
    def range(self) -> Range:
        return self.c, 0, self.count


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit that carries a serial; batch and product by id."""

    serial: str
    position: Position
    batch: str
    product: str
    is_own: bool  # its serial was made here

    @property
    def shown(self) -> str:
        """As it stands on the label: in groups, or as the factory printed it."""
        return in_groups(self.serial) if self.is_own else self.serial


def sets_of(connection: Connection, batch: str) -> list[UnitSet]:
    """The live sets of a batch (its id), oldest first."""
    rows = connection.execute(select(unit_sets).where(unit_sets.c.batch == batch).order_by(unit_sets.c.c))
    return [UnitSet(*row) for row in rows]


def ranges_of(connection: Connection, batch: Batch) -> tuple[Range, ...]:
    """All positions of a batch: its own and those of its units."""
    return ((batch.recorded, 0, 1), *(one.range for one in sets_of(connection, batch.id)))


def was_received(connection: Connection, sha256: str) -> list[UnitSet]:
    """The live sets that came from a factory's file with this content."""
    rows = connection.execute(select(unit_sets).where(unit_sets.c.received_sha256 == sha256))
    return [UnitSet(*row) for row in rows]


_BY_KEY = (
    select(
        units.c.serial,
        unit_sets.c.c,
        units.c.i,
        unit_sets.c.batch,
        unit_sets.c.product,
        unit_sets.c.received_sha256,
    )
    .join(unit_sets, unit_sets.c.id == units.c.unit_set)
    .where(units.c.search_key == bindparam("key"))
    .order_by(unit_sets.c.c)
)


def find_units(connection: Connection, text: str) -> list[Unit]:
    """The live units that carry a number, however it was typed; several products may use the same."""
    rows = connection.execute(_BY_KEY, {"key": search_key(text)})
    return [_unit(row, (row.c, row.i)) for row in rows]


def _unit(row: Any, position: Position) -> Unit:
    return Unit(row.serial, position, row.batch, row.product, row.received_sha256 is None)


def unit_at(connection: Connection, position: Position) -> Unit | None:
    """The unit at a position, or None (a batch's own position has no serial)."""
    row = connection.execute(
        select(units.c.serial, unit_sets.c.batch, unit_sets.c.product, unit_sets.c.received_sha256)
        .join(unit_sets, unit_sets.c.id == units.c.unit_set)
        .where(unit_sets.c.c == position[0], units.c.i == position[1])
    ).first()
    return None if row is None else _unit(row, position)


def serials_in(connection: Connection, one: Range) -> list[str]:
    """The serials of a range of positions, in order."""
    c, start, end = one
    rows = connection.execute(
        select(units.c.serial)
        .join(unit_sets, unit_sets.c.id == units.c.unit_set)
        .where(unit_sets.c.c == c, units.c.i >= start, units.c.i < end)
        .order_by(units.c.i)
    )
    return [row.serial for row in rows]
