"""What a token may see and do, in words."""

from collections.abc import Iterable

from ledger.journal.registry import COMMANDS
from ledger.people.roles import ALL, DO, SEE, roles
from portal.console.options import choice_label
from portal.console.record import TITLES
from translations import Words, mark

AREAS = {
    "products": mark("Products"),
    "batches": mark("Batches"),
    "lots": mark("Material lots"),
    "materials": mark("Materials and bills"),
    "substitutions": mark("Substitutions"),
    "parties": mark("Parties"),
    "shipments": mark("Shipments"),
    "labels": mark("Labels"),
    "units": mark("Serials"),
    "recalls": mark("Recalls"),
    "claims": mark("Claims"),
    "log": mark("Log"),
    "accounts": mark("People"),
    "files": mark("Files"),
    "jobs": mark("Background work"),
    "persons": mark("What buyers left of themselves"),
    ALL: mark("everything but what buyers left of themselves"),
}


def scopes_said(words: Words, scopes: Iterable[str]) -> str:
    """All of it in one row: roles by their names, orders by their buttons, what is seen at the end."""
    listed = list(scopes)
    does = words.list([_done(words, one) for one in listed if not one.startswith(SEE)])
    seen = [words.text(AREAS.get(area, area)) for one in listed if (area := one.removeprefix(SEE)) != one]
    areas = words.list(sorted(seen))
    if does and areas:
        return words.text("{orders}; sees {areas}", orders=does, areas=areas)
    return does or (words.text("sees {areas}", areas=areas) if areas else words.text("nothing"))


def _done(words: Words, scope: str) -> str:
    if scope in roles():
        return choice_label(words, scope)
    name = scope.removeprefix(DO)
    noun, _, verb = name.partition(".")
    if verb == ALL:
        return words.text("all orders about {noun}", noun=noun.replace("_", " "))
    title = TITLES.get(name) or (COMMANDS[name].summary.rstrip(".") if name in COMMANDS else "")
    return words.text(title) if title else name
