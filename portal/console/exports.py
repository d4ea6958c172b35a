"""Every list as a file, narrowed as its page is: /console/batches.csv and /console/batches.xlsx, for the same area."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from tempfile import TemporaryFile
from typing import IO, cast
from zoneinfo import ZoneInfo

from flask import Response, request

from portal.console.desk import house, ledger
from portal.console.shell import console
from portal.listings import LISTINGS, Listing
from portal.listings.files import csv_of, write_xlsx
from portal.permissions import sees

PIECE_BYTES = 64 * 1024
CSV = "text/csv; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def as_csv(listing: Listing) -> Response:
    """The list as CSV, sent while it is read: rows on their way hold no snapshot. Raises FilterNotUnderstood."""
    asked = listing.read(request.args, house().zone)
    lines = csv_of(listing, listing.all_rows(ledger().engine, asked))
    return _download(listing, "csv", CSV, lines)


def as_xlsx(listing: Listing) -> Response:
    """The list as XLSX, sent when it is whole. Raises FilterNotUnderstood, TooManyForASheet."""
    asked = listing.read(request.args, house().zone)
    file = cast(IO[bytes], TemporaryFile())  # noqa: SIM115
    try:
        write_xlsx(listing, listing.all_rows(ledger().engine, asked), file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    response = _download(listing, "xlsx", XLSX, _pieces(file))
    response.call_on_close(file.close)  # also where nobody reads it: HEAD, or a client that has gone
    return response


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _download(listing: Listing, form: str, kind: str, content: Iterable[bytes]) -> Response:
    """A download called batches-2026-11-22.csv, by the seller's calendar."""
    today = ledger().clock.now().astimezone(ZoneInfo(house().zone)).date()
    name = f"{listing.name}-{today.isoformat()}.{form}"
    return Response(
        content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _offer(listing: Listing, form: str, make: Callable[[Listing], Response]) -> None:
    view = sees(listing.area)(partial(make, listing))
    console.add_url_rule(f"/{listing.name}.{form}", f"{listing.name}_{form}", view)


for one in LISTINGS.values():
    _offer(one, "csv", as_csv)
    _offer(one, "xlsx", as_xlsx)
