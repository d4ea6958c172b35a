"""Background work as its page shows it: waiting, under way, done, or given up. The page reloads itself."""

from flask import Response, request
from werkzeug import Response as AnyResponse

from ledger.files import FileMissing
from ledger.work import UnknownWork, WorkStatus, retry, status
from portal.console.desk import desk, ledger, session, words
from portal.console.shell import address, console, go_to, page
from portal.jobs import LABELS_SHEET
from portal.limits import limit
from portal.permissions import does, sees

REFRESH_SECONDS = 2


@console.get("/jobs/<int:job_id>")
@sees("jobs")
def job(job_id: int) -> Response:
    """How far a job has come."""
    found = status(desk().state, job_id)
    back = request.args.get("back", "")
    result = found.result or {}
    return page(
        "job.html",
        here="labels",
        job=found,
        refresh=REFRESH_SECONDS if found.state in ("waiting", "leased") else 0,
        progress=_progress(found),
        labels=words().number(int(str(result.get("labels", 0)))),
        size_kb=words().number(max(1, int(str(result.get("size_bytes", 0))) // 1024)),
        back=address("units", subject_id=back) if back.isalnum() else address("labels"),
        again=address("job_again", job_id=job_id, back=back or None),
        file=address("job_file", job_id=job_id),
    )


def _progress(found: WorkStatus) -> str:
    """How far it is, in numbers; "" where nobody knows."""
    if not found.steps:
        return ""
    return words().text(
        "{done} of {count} are done.",
        done=words().number(found.steps_done),
        count=words().number(found.steps),
    )


@console.post("/jobs/<int:job_id>/again")
@does("label.print")
def job_again(job_id: int) -> AnyResponse:
    """Lets a job that was given up begin anew."""
    limit("labels", session().account.id)
    retry(desk().state, job_id, now=ledger().clock.now())
    return go_to(address("job", job_id=job_id, back=request.args.get("back") or None))


@console.get("/jobs/<int:job_id>.pdf")
@sees("jobs")
def job_file(job_id: int) -> Response:
    """The PDF that a job made."""
    found = status(desk().state, job_id)
    if found.kind != LABELS_SHEET or found.state != "done" or found.result is None:
        raise UnknownWork(id=job_id)
    sha256 = str(found.result.get("sha256"))
    if not ledger().files.exists(sha256):
        raise FileMissing(sha256=sha256)
    return Response(
        ledger().files.read(sha256),
        content_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="labels-{job_id}.pdf"'},
    )
