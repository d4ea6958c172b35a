"""A factory's file of serials: looked at, shown in numbers, confirmed, then recorded whole or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, abort, request
from werkzeug import Response as AnyResponse

from ledger.errors import LedgerError
from ledger.journal.registry import Recorded
from ledger.recall.errors import IntoRecalledBatch
from ledger.trace.factory_check import Problem as RowProblem
from ledger.trace.factory_file import with_reasons
from ledger.trace.intake import Intake, read_intake, record_intake
from portal.console.desk import by, ledger, snapshot, words
from portal.console.files import keeper
from portal.console.forms import said
from portal.console.listing import table
from portal.console.names import code, isolated
from portal.console.options import options_of
from portal.console.shell import address, console, go_to, page
from portal.permissions import does
from portal.uploads import LARGEST_FILE_MEGABYTES, content_of, takes_files
from translations import Words, mark

MOST_SHOWN = 200
KINDS = {
    "serial": mark("serial"),
    "range": mark("range"),
    "batch": mark("batch"),
    "made": mark("made on"),
    "carton": mark("carton"),
    "row": mark("row"),
}
BATCH_HEADS = ((mark("Batch"), False), (mark("Serials"), True))
PROBLEM_HEADS = (
    (mark("Line number"), False),
    (mark("What stands there"), False),
    (mark("Why it cannot be taken"), False),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form said: the batch for files without a column, and the file, stored by its content."""

    batch: str
    sha256: str
    reason: str


@console.get("/import")
@does("unit.commission_sets")
def intake() -> Response:
    """The form: which file, for which batch."""
    return _form(batch=request.args.get("batch", ""))


@console.post("/import")
@does("unit.commission_sets")
@takes_files
def look_at() -> AnyResponse:
    """Reads the file and shows what was found; nothing is recorded."""
    content = content_of(request.files.get("file"))
    batch = request.form.get("batch", "").strip()
    if not content:
        return _form(batch=batch, problem=words().text("Choose the file that the factory sent."), status=422)
    try:
        read = _read(content, batch)
    except LedgerError as error:
        return _form(batch=batch, problem=said(words(), error), status=error.http_status)
    stored = keeper().put(content)
    return _found(read, Asked(batch, stored.sha256, ""), status=200 if read.file.is_clean else 422)


@console.post("/import/record")
@does("unit.commission_sets")
def record_file() -> AnyResponse:
    """Records the file that was looked at, read anew: what was shown is not trusted."""
    asked = _asked()
    content = _content(asked)
    try:
        read = _read(content, asked.batch)
        receipt = record_intake(
            ledger().journal,
            ledger().keys.units,
            read,
            by(f"import:{asked.sha256}:{asked.batch}"),
            not_recalled_because=asked.reason,
        )
    except IntoRecalledBatch as error:
        return _found(
            _read(content, asked.batch), asked, problem=said(words(), error), asks_why=True, status=409
        )
    except LedgerError as error:
        return _form(batch=asked.batch, problem=said(words(), error), status=error.http_status)
    return go_to(_first_batch(receipt.entries), receipt.entries[0].index)


@console.post("/import/reasons")
@does("unit.commission_sets")
def reasons() -> Response:
    """The same file with one more column: why each row cannot be taken, in this language."""
    asked = _asked()
    content = _content(asked)
    read = _read(content, asked.batch)
    spoken = words()
    marked = with_reasons(content, read.file, say=lambda one: row_problem(spoken, one))
    return Response(
        marked,
        content_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="serials-with-reasons.csv"'},
    )


def row_problem(spoken: Words, one: RowProblem) -> str:
    """Why a row cannot be taken."""
    return spoken.pattern(one.reason.value).format(**one.facts)


def _read(content: bytes, batch: str) -> Intake:
    return read_intake(snapshot(), content, default_batch=batch or None)


def _asked() -> Asked:
    return Asked(
        batch=request.form.get("batch", "").strip(),
        sha256=request.form.get("sha256", ""),
        reason=request.form.get("not_recalled_because", "").strip(),
    )


def _content(asked: Asked) -> bytes:
    if not ledger().files.exists(asked.sha256):
        abort(400)
    return ledger().files.read(asked.sha256)


def _form(*, batch: str, problem: str = "", status: int = 200) -> Response:
    return page(
        "import.html",
        status=status,
        here="labels",
        batch=batch,
        batches=options_of(snapshot(), words(), "batch"),
        problem=problem,
        megabytes=LARGEST_FILE_MEGABYTES,
    )


def _found(read: Intake, asked: Asked, *, status: int, problem: str = "", asks_why: bool = False) -> Response:
    spoken, file = words(), read.file
    counts = [(code(batch), spoken.number(len(rows))) for batch, rows in file.by_batch().items()]
    problems = [
        (
            spoken.number(one.line),
            code(one.value),
            f"{spoken.text(KINDS[one.column])}: {row_problem(spoken, one)}",
        )
        for one in file.problems[:MOST_SHOWN]
    ]
    return page(
        "import_found.html",
        status=status,
        here="labels",
        asked=asked,
        intake=read,
        file=file,
        serials=len(file.rows),
        batches=table(BATCH_HEADS, counts),
        batch_count=len(counts),
        used=[(spoken.text(KINDS[name]), isolated(heading)) for name, heading in file.used.items()],
        problems=table(PROBLEM_HEADS, problems),
        problem_rows=len({one.line for one in file.problems}),
        hidden_problems=max(0, len(file.problems) - MOST_SHOWN),
        earlier=sum(one.count for one in read.earlier),
        problem=problem,
        asks_why=asks_why,
    )


def _first_batch(entries: Sequence[Recorded[Any]]) -> str:
    subjects = [subject for one in entries for subject in one.subjects if subject.startswith("batch:")]
    return address("units", subject_id=subjects[0].removeprefix("batch:")) if subjects else address("labels")
