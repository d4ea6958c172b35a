"""Files that entries name as evidence, handed out by their content's SHA-256."""

from flask import Response

from portal.console.desk import ledger
from portal.console.shell import console
from portal.permissions import sees


@console.get("/files/<sha256>")
@sees("files")
def file(sha256: str) -> Response:
    """A stored file, always as a download: what a supplier sent must not run as a page of ours.

    Raises FileMissing or FileDamaged.
    """
    return Response(
        ledger().files.read(sha256),
        content_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{sha256[:16]}"'},
    )
