"""Roles: who sees and does what, as data. A command's name is its permission's name; an area is what a page shows.

>>> may_do(("warehouse",), "shipment.send"), may_do(("warehouse",), "recall.publish")
(True, False)
>>> may_see(("auditor",), "recalls"), may_see(("auditor",), "persons")
(True, False)

What somebody holds is a list of words: a role's name, or one right alone (a token's scopes): `see:AREA`, `see:*` for
all areas but `persons`, `do:COMMAND`, `do:NOUN.*`.

>>> may_do(("see:recalls", "do:recall.approve"), "recall.approve"), may_see(("see:recalls",), "claims")
(True, False)
>>> covers(("seller",), "auditor"), covers(("warehouse",), "do:hold.*")
(True, False)
"""

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LedgerError
from ledger.journal.registry import COMMANDS

DATA = Path(__file__).parent / "data" / "roles.toml"
ALL = "*"
PERSONS = "persons"  # what buyers left of themselves
OWN_SITE = "own_site"  # what is of the site at which somebody works
OUTSIDE_ALL = frozenset({PERSONS, OWN_SITE})
MANAGING = "account.give_roles"  # whoever may do this lets others in
SEE, DO = "see:", "do:"


class UnknownRole(LedgerError):
    """A role that stands nowhere in the data."""

    message = "There is no role {role}. There are: {roles}."


class UnknownScope(LedgerError):
    """A word that is no role and no right."""

    message = (
        "There is no scope {scope}. Name a role ({roles}), see:AREA, do:COMMAND or do:NOUN.*, such as "
        "do:batch.produce."
    )


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
    is_confined: bool = False  # to the site at which the account works

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


def check_scopes(words: Iterable[str]) -> tuple[str, ...]:
    """The words, each once, roles first in the order of the data. Raises UnknownScope for one that grants nothing."""
    wanted = set(words)
    for word in sorted(wanted):
        if not _is_scope(word):
            raise UnknownScope(scope=word, roles=", ".join(roles()))
    return (*(name for name in roles() if name in wanted), *sorted(wanted - roles().keys()))


def covers(held: Iterable[str], word: str) -> bool:
    """Whether who holds these has everything that `word` (a role or one right) grants: nobody hands out more."""
    having, wanted = [role for one in held if (role := _role_of(one))], _role_of(word)
    if wanted is None:
        return False
    sees = all(any(one.may_see(area) for one in having) for area in wanted.sees)
    return sees and all(any(one.may_do(command) for one in having) for command in wanted.does)


def areas() -> frozenset[str]:
    """The areas that roles name."""
    return frozenset(area for role in roles().values() for area in role.sees) - {ALL}


def may_see(held: Iterable[str], area: str) -> bool:
    """Whether somebody who holds these sees the area. A role that is no more in the data allows nothing."""
    return any(role.may_see(area) for word in held if (role := _role_of(word)))


def may_do(held: Iterable[str], command: str) -> bool:
    """Whether somebody who holds these may carry out the command."""
    return any(role.may_do(command) for word in held if (role := _role_of(word)))


def is_confined(held: Iterable[str], command: str) -> bool:
    """Whether somebody with these roles may carry out the command at their own site alone."""
    able = [role for word in held if (role := _role_of(word)) and role.may_do(command)]
    return bool(able) and all(role.is_confined for role in able)


def roles_that_may(command: str) -> list[str]:
    """The roles that allow the command of this name."""
    return [name for name, role in roles().items() if role.may_do(command)]


def demand(held: Iterable[str], command: str) -> None:
    """Raises NotAllowed, which names the roles that may."""
    if not may_do(held, command):
        raise NotAllowed(permission=command, roles=", ".join(roles_that_may(command)) or "none")


def _role_of(word: str) -> Role | None:
    """What a word grants; one right alone is a role of its own. None for a word that grants nothing."""
    if word.startswith(SEE):
        return Role(word, frozenset({word.removeprefix(SEE)}), frozenset())
    if word.startswith(DO):
        return Role(word, frozenset(), frozenset({word.removeprefix(DO)}))
    return roles().get(word)


def _is_scope(word: str) -> bool:
    """Whether it names a role, an area or a command that there is."""
    kind, name = word[: word.find(":") + 1], word.partition(":")[2]
    known = {one for role in roles().values() for one in role.does} | COMMANDS.keys()
    nouns = {f"{one.partition('.')[0]}.{ALL}" for one in known}
    return {SEE: name in areas() | {ALL}, DO: name in known | nouns}.get(kind, word in roles())
