"""Whose clocks somebody reads: their own time zone, in place of the company's."""

from zoneinfo import available_timezones

from flask import Response, request
from werkzeug import Response as AnyResponse

from ledger.trace.seller import UnknownZone
from portal.accounts import set_zone
from portal.console.desk import desk, house, session, words
from portal.console.forms import said
from portal.console.shell import address, console, go_to, page
from portal.permissions import for_all


@console.get("/account/zone")
@for_all
def own_zone() -> Response:
    """The form: which zone one's pages are in."""
    return _show(session().account.zone)


@console.post("/account/zone")
@for_all
def choose_zone() -> AnyResponse:
    """Shows times in another zone from now on; an empty one is the company's."""
    wanted = request.form.get("zone", "").strip()
    if wanted and wanted not in available_timezones():
        error = UnknownZone(zone=wanted)
        return _show(wanted, problem=said(words(), error), status=error.http_status)
    set_zone(desk().state, session().account.id, wanted)
    return go_to(address("own_account"))


def _show(value: str, *, problem: str = "", status: int = 200) -> Response:
    return page(
        "own_zone.html",
        status=status,
        value=value,
        company_zone=house().zone,
        zones=sorted(available_timezones()),
        problem=problem,
    )
