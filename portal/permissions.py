"""Which route of the console is for whom: each says so itself, and one that says nothing is for nobody.

@console.get("/lots")
@sees("lots")
def lots() -> Response: ...

The roles that answer are data: `ledger.people.roles`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ledger.errors import LedgerError
from ledger.journal.registry import COMMANDS
from ledger.people.roles import demand, may_do, may_see, roles

View = TypeVar("View", bound=Callable[..., Any])
RULE = "rule"  # the attribute of a view that says for whom it is


class AreaClosed(LedgerError):
    """None of the account's roles sees this area."""

    message = "This part of the console is for other roles: {roles}. Ask whoever keeps the accounts."
    http_status = 403


@dataclass(frozen=True, slots=True)
class Rule:
    """For whom a route is: who sees an area, or may carry out a command; for both empty, who is signed in.

    `argument` names the part of the address that holds the command's name.
    """

    area: str = ""
    command: str = ""
    argument: str = ""

    def demand(self, held: Sequence[str], arguments: Mapping[str, Any]) -> None:
        """Raise AreaClosed or NotAllowed unless somebody with these roles may."""
        command = arguments.get(self.argument, self.command)
        is_nothing = (
            bool(self.argument) and command not in COMMANDS
        )  # the page says that there is no such address
        if command and not is_nothing:
            demand(held, command)
        if self.area and not may_see(held, self.area):
            able = [name for name, role in roles().items() if role.may_see(self.area)]
            raise AreaClosed(roles=", ".join(able))

    def is_open_to(self, held: Sequence[str]) -> bool:
        """Whether a link to it is of use to somebody with these roles."""
        return (not self.area or may_see(held, self.area)) and (
            not self.command or may_do(held, self.command)
        )


def sees(area: str) -> Callable[[View], View]:
    """The route shows this area."""
    return _ruled(Rule(area=area))


def does(command: str) -> Callable[[View], View]:
    """The route carries out this command, or shows its form."""
    return _ruled(Rule(command=command))


def does_named(argument: str) -> Callable[[View], View]:
    """The route carries out the command that this part of its address names."""
    return _ruled(Rule(argument=argument))


def for_all(view: View) -> View:
    """The route is for everybody who is signed in."""
    return _ruled(Rule())(view)


def rule_of(view: Callable[..., Any]) -> Rule | None:
    """For whom the view is, None where nobody has said so."""
    return getattr(view, RULE, None)


def _ruled(rule: Rule) -> Callable[[View], View]:
    def register(view: View) -> View:
        setattr(view, RULE, rule)
        return view

    return register
