"""Proofs by the second, and units commissioned."""

import random
import tempfile
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

from ledger.database import reading
from ledger.journal.journal import By
from ledger.journal.opening import Ledger, create_ledger
from ledger.log import store
from ledger.log.merkle import prove_inclusion
from ledger.log.tiles import TileCache, TileHashes
from ledger.settings import Settings
from ledger.trace.batch import ProduceBatch, produce_batch
from ledger.trace.commissioning import MakeSerials, commission_made
from ledger.trace.party import RegisterParty, register_party
from ledger.trace.product import RegisterProduct, register_product
from tests.bench.appending import ACTOR, NoteMany, note_many
from tests.bench.table import Row, rate, timed


def rows(scale: float) -> Iterator[Row]:
    """Inclusion proofs over a log of 1,000,000 entries (scaled), and 80,000 serials."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = create_ledger(Settings(data=Path(folder) / "data"))
        for _ in range(max(1, int(10 * scale))):
            ledger.journal.write(note_many, NoteMany(count=100_000 if scale >= 0.1 else 10_000), By(ACTOR))
        yield _proofs(ledger)
        yield _units(ledger)
        ledger.close()


def _proofs(ledger: Ledger, proofs: int = 3_000) -> Row:
    chance = random.Random(1)
    with reading(ledger.engine) as connection:
        size = store.size(connection)
        read_hashes = TileHashes(partial(store.read_tile, connection), size, TileCache())
        wanted = [chance.randrange(size) for _ in range(proofs)]
        seconds = timed(lambda: [prove_inclusion(index, size, read_hashes) for index in wanted])
    return Row(f"inclusion proofs/s, log of {size:,}", rate(proofs, seconds), "-", proofs / seconds, 1_000)


def _units(ledger: Ledger) -> Row:
    by, write = By(ACTOR), ledger.journal.write
    write(register_party, RegisterParty(code="F", name="Factory", role="factory", country="CN"), by)
    write(register_product, RegisterProduct(code="P", brand="Brand", name="Name", model="M"), by)
    for number in range(4):
        code = f"B{number}"
        made = ProduceBatch(code=code, product="P", factory="F", made_on=date(2025, 5, 20), quantity=20_000)
        write(produce_batch, made, by)
    seconds = timed(
        lambda: [
            commission_made(
                ledger.journal, ledger.keys.units, MakeSerials(batch=f"B{number}", count=20_000), by
            )
            for number in range(4)
        ]
    )
    return Row("80,000 units commissioned, seconds", f"{seconds:.2f} s", "-", seconds, 3.0, at_most=True)
