"""Roles: who sees and does what, as data. A command's name is its permission's name; an area is what a page shows.

>>> may_do(("warehouse",), "shipment.send"), may_do(("warehouse",), "recall.publish")
(True, False)
>>> may_see(("auditor",), "recalls"), may_see(("auditor",), "persons")
(True, False)
"""

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LedgerError

DATA = Path(__file__).parent / "data" / "roles.toml"
ALL = "*"
PERSONS = "persons"  # what buyers left of themselves
OWN_SITE = "own_site"  # what is of the site at which somebody works
OUTSIDE_ALL = frozenset({PERSONS, OWN_SITE})
MANAGING = "account.give_roles"  # whoever may do this lets others in


class UnknownRole(LedgerError):
    """A role that stands nowhere in the data."""

    message = "There is no role {role}. There are: {roles}."


class NotAllowed(LedgerError):
    """None of the account's roles allows it."""

    message = (
        "Your account may not do this; these roles may: {roles}. Nothing was recorded. Ask whoever keeps the "
        "accounts."
    )
    http_status = 403


@dataclass(frozen=True, slots=True)
class Role:
    """One row of the data."""

    name: str
    sees: frozenset[str]
    does: frozenset[str]
    is_confined: bool  # to the site at which the account works

    def may_see(self, area: str) -> bool:
        """Whether pages of this area are for the role."""
        return area in self.sees or (ALL in self.sees and area not in OUTSIDE_ALL)

    def may_do(self, command: str) -> bool:
        """Whether the command of this name is for the role."""
        return command in self.does or f"{command.partition('.')[0]}.{ALL}" in self.does


@functools.cache
def roles() -> Mapping[str, Role]:
    """All roles by name, in the order of the data."""
    table = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return {
        name: Role(name, frozenset(row["sees"]), frozenset(row["does"]), row.get("is_confined", False))
        for name, row in table.items()
    }


def check_roles(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once, in the order of the data. Raises UnknownRole."""
    wanted = set(names)
    for name in sorted(wanted - roles().keys()):
        raise UnknownRole(role=name, roles=", ".join(roles()))
    return tuple(name for name in roles() if name in wanted)


def may_see(held: Iterable[str], area: str) -> bool:
    """Whether somebody with these roles sees the area. A role that is no more in the data allows nothing."""
    return any(roles()[name].may_see(area) for name in held if name in roles())


def may_do(held: Iterable[str], command: str) -> bool:
    """Whether somebody with these roles may carry out the command."""
    return any(roles()[name].may_do(command) for name in held if name in roles())


def is_confined(held: Iterable[str], command: str) -> bool:
    """Whether somebody with these roles may carry out the command at their own site alone."""
    able = [roles()[name] for name in held if name in roles() and roles()[name].may_do(command)]
    return bool(able) and all(role.is_confined for role in able)


def roles_that_may(command: str) -> list[str]:
    """The roles that allow the command of this name."""
    return [name for name, role in roles().items() if role.may_do(command)]


def demand(held: Iterable[str], command: str) -> None:
    """Raises NotAllowed, which names the roles that may."""
    if not may_do(held, command):
        raise NotAllowed(permission=command, roles=", ".join(roles_that_may(command)) or "none")
