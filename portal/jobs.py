"""The kinds of background work, and how each is done. A handler may run twice, and does no harm by it."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Literal

import msgspec
from sqlalchemy import Engine

from labels import LabelContent, sheet_pdf
from ledger.database import reading
from ledger.files import CHUNK_BYTES
from ledger.journal.opening import Ledger
from ledger.log.canonical import JSON
from ledger.trace.batch import get_batch
from ledger.trace.product import get_product
from ledger.work import Job, extend
from portal.label_contents import batch_label, serials_of, unit_labels
from portal.webhooks import DELIVER, deliver

TELL_EVERY = timedelta(seconds=1)  # a lease lasts 60; a page that waits asks this often
LABELS_SHEET = "labels.sheet"


@dataclass(slots=True)
class Bench:
    """What a handler works with. `keep` prolongs the job's lease and says how far it is; called as the work goes on."""

    ledger: Ledger
    state: Engine
    job: Job
    kept_at: datetime

    def keep(self, done: int = 0, of: int = 0) -> None:
        """`of` is 0 where nobody knows how much there is. Raises LeaseLost where another worker has the job now."""
        now = self.ledger.clock.now()
        if now - self.kept_at >= TELL_EVERY:
            extend(self.state, self.job, now=now, progress=(done, of))
            self.kept_at = now


class SheetWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload of `labels.sheet`: which labels of a batch (its id or code), counted from 0, end exclusive."""

    batch: str
    start: int = 0
    end: int = 1
    language: str = "en"
    template: Literal["unit", "batch"] = "unit"


def make_sheet(bench: Bench) -> dict[str, JSON]:
    """Write the PDF of a batch's labels to the files; gives its SHA-256, its size, and how many labels it has."""
    wanted = msgspec.convert(bench.job.payload, SheetWanted)
    contents = _contents(bench.ledger, wanted)
    with tempfile.TemporaryFile(dir=bench.ledger.settings.data) as pdf:
        wished = wanted.end - wanted.start
        count = sheet_pdf(contents, pdf, lambda done: bench.keep(done, wished), template=wanted.template)
        pdf.seek(0)
        stored = bench.ledger.files.put(_chunks(pdf))
    return {"labels": count, "sha256": stored.sha256, "size_bytes": stored.size_bytes}


def _contents(ledger: Ledger, wanted: SheetWanted) -> Iterator[LabelContent]:
    host = ledger.settings.host
    with reading(ledger.engine) as connection:
        batch = get_batch(connection, wanted.batch)
        label = batch_label(connection, host, batch, wanted.language)
        if wanted.template == "batch":
            return iter([label] * (wanted.end - wanted.start))
        product = get_product(connection, batch.product)
        serials = serials_of(connection, batch, wanted.start, wanted.end)
    return unit_labels(label, host, product, batch, serials)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def deliver_webhook(bench: Bench) -> dict[str, JSON]:
    """Tell another program of an entry; gives the status with which it was taken."""
    return deliver(bench.ledger, bench.state, bench.job.payload, now=bench.ledger.clock.now())


Handler = Callable[[Bench], dict[str, JSON]]
HANDLERS: dict[str, Handler] = {LABELS_SHEET: make_sheet, DELIVER: deliver_webhook}
