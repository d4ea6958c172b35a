"""Sites: the places where goods lie, each with its zone; who runs it, and who works there.

A colleague of another company's, a third-party warehouse's, is placed at a site, and sees and does only what is of that
site: their role is confined (`ledger.people.roles`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from zoneinfo import available_timezones

from sqlalchemy import Column, Connection, Index, Integer, String, Table, delete, select

from ledger.database import insert_into
from ledger.errors import NotFound, Refused
from ledger.journal.fields import Code, Country, Name, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.people.account import UnknownStaff, find_staff, roles_of
from ledger.people.roles import is_confined
from ledger.trace.party import TRACE, get_party
from ledger.trace.seller import UnknownZone

sites = Table(
    "sites",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("party", String(16), nullable=False),
    Column("country", String(2), nullable=False),
    Column("zone", String, nullable=False),
    Column("recorded", Integer, nullable=False),
    Index("sites_by_entry", "recorded"),
)
site_staff = Table(
    "site_staff",
    TRACE,
    Column("account", String(16), primary_key=True),
    Column("site", String(16), nullable=False),
    Column("recorded", Integer, nullable=False),
)

ANYWHERE = "*"  # no id of a site

SITE = Noun("site", version=1, tables=(sites, site_staff))


class UnknownSite(NotFound):
    """No site has this code."""

    message = "No site has the code “{code}”. Record it first, or check the code."


class SiteExists(Refused):
    """The code is taken."""

    message = "A site with the code “{code}” exists already. Choose another code."


@SITE.event("site.opened/1")
class SiteOpened(Event, frozen=True):
    """A place where goods lie; `party` runs it."""

    site: str
    code: str
    name: str
    party: str
    country: str
    zone: str


@SITE.event("site.staffed/1")
class SiteStaffed(Event, frozen=True):
    """The account works at this site from now on, and at no other; at none for null."""

    account: str
    site: str | None


@SITE.applies(SiteOpened)
def apply_opened(state: State, entries: Sequence[Recorded[SiteOpened]]) -> None:
    rows = [
        {
            "id": one.event.site,
            "code": one.event.code,
            "name": one.event.name,
            "party": one.event.party,
            "country": one.event.country,
            "zone": one.event.zone,
            "recorded": one.index,
        }
        for one in entries
    ]
    insert_into(state.connection, sites, rows)


@SITE.applies(SiteStaffed)
def apply_staffed(state: State, entries: Sequence[Recorded[SiteStaffed]]) -> None:
    newest = {one.event.account: one for one in entries}
    state.connection.execute(delete(site_staff).where(site_staff.c.account.in_(newest)))
    rows = [
        {"account": account, "site": one.event.site, "recorded": one.index}
        for account, one in newest.items()
        if one.event.site is not None
    ]
    insert_into(state.connection, site_staff, rows)


class OpenSite(Request, frozen=True):
    """Record a place where goods lie, your own or a partner's."""

    code: Annotated[Code, ask("Code", "Short, your own.", example="HAM-1")]
    name: Annotated[Name, ask("Name", example="Musterlager Hamburg")]
    party: Annotated[Code, ask("Who runs it", ref="party")]
    country: Annotated[Country, ask("Country", "Two letters.", example="DE")]
    zone: Annotated[
        str, ask("Time zone", "Times are shown as its clocks show them.", example="Europe/Berlin")
    ]


class StaffSite(Request, frozen=True):
    """Say at which site somebody works. A partner's people see that site alone."""

    account: Annotated[Code, ask("Account", "As the log names it.")]
    site: Annotated[str, ask("Site", "Nothing where they work at no site in particular.", ref="site")] = ""


@command("site.open")
def open_site(tx: Tx, request: OpenSite) -> None:
    """Raises SiteExists, UnknownParty, UnknownZone."""
    if find_site(tx.connection, request.code) is not None:
        raise SiteExists(code=request.code)
    if request.zone not in available_timezones():
        raise UnknownZone(zone=request.zone)
    site, party = tx.new_id(), get_party(tx.connection, request.party).id
    event = SiteOpened(
        site=site,
        code=request.code,
        name=request.name,
        party=party,
        country=request.country,
        zone=request.zone,
    )
    tx.record(event, f"site:{site}", f"party:{party}")


@command("site.staff")
def staff_site(tx: Tx, request: StaffSite) -> None:
    """Raises UnknownStaff, UnknownSite. Nothing is recorded for somebody who works there already."""
    if find_staff(tx.connection, request.account) is None:
        raise UnknownStaff(account=request.account)
    site = get_site(tx.connection, request.site).id if request.site else None
    if site == site_of(tx.connection, f"account:{request.account}"):
        return
    subjects = [f"account:{request.account}"] + ([f"site:{site}"] if site else [])
    tx.record(SiteStaffed(account=request.account, site=site), *subjects)


@dataclass(frozen=True, slots=True)
class Site:
    """A site as recorded."""

    id: str
    code: str
    name: str
    party: str
    country: str
    zone: str
    recorded: int


def find_site(connection: Connection, code: str) -> Site | None:
    """The site with this code, or None."""
    row = connection.execute(select(sites).where(sites.c.code == code)).first()
    return None if row is None else Site(*row)


def get_site(connection: Connection, code: str) -> Site:
    """The site with this code. Raises UnknownSite."""
    found = find_site(connection, code)
    if found is None:
        raise UnknownSite(code=code)
    return found


def site_of(connection: Connection, actor: str) -> str | None:
    """The id of the site at which `account:ID` works, or None."""
    account = actor.partition(":")[2]
    return connection.scalar(select(site_staff.c.site).where(site_staff.c.account == account))


def zone_of_site(connection: Connection, actor: str) -> str | None:
    """The zone of the site at which `account:ID` works, or None."""
    found: str | None = connection.scalar(
        select(sites.c.zone).where(sites.c.id == site_of(connection, actor))
    )
    return found


def confined_to(connection: Connection, actor: str, command: str) -> str | None:
    """The site (its id) to which an account is confined in this command; ANYWHERE for whoever is not.

    None for somebody whose role is confined and who works at no site: they may do it nowhere.
    """
    if not is_confined(roles_of(connection, actor), command):
        return ANYWHERE
    return site_of(connection, actor)


def list_sites(connection: Connection) -> list[Site]:
    """All sites by code."""
    return [Site(*row) for row in connection.execute(select(sites).order_by(sites.c.code))]
