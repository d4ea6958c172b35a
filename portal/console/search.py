"""The answer to what was typed or scanned into the box at the head of every page."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response, request
from markupsafe import Markup
from werkzeug import Response as AnyResponse

from ledger.identifiers import is_own_serial, search_key
from ledger.people.roles import may_see
from portal.console.batches import on_hold, recalled
from portal.console.desk import ledger, roles, snapshot, words
from portal.console.names import code, isolated, page_of
from portal.console.options import choice_label
from portal.console.scanner import KANA, layout_said
from portal.console.shell import address, console, go_to, page
from portal.permissions import for_all
from portal.scans import diagnose
from portal.search import AREAS, Found, search
from portal.search_rows import Hit
from translations import mark

TITLES = {
    "unit": mark("Units"),
    "batch": mark("Batches"),
    "product": mark("Products"),
    "material_lot": mark("Material lots"),
    "material": mark("Materials"),
    "party": mark("Parties"),
    "shipment": mark("Shipments"),
    "recall": mark("Recalls"),
    "substitution": mark("Substitutions"),
    "claim": mark("Claims"),
    "entry": mark("Log"),
}
HINTS = {
    "length": mark("A serial made here has 14 characters; this has {count}."),
    "never_occurring": mark("A serial made here never has 0, O, 1 or I: compare it with the label."),
    "sound": mark("It is put together like a serial made here, yet no unit carries it."),
    "check_pair": mark("The last two characters do not fit those before them: compare it with the label."),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was found, as the page shows it."""

    address: str
    label: Markup
    name: Markup
    marks: Markup


@console.get("/search")
@for_all
def search_page() -> AnyResponse:
    """What was found; straight to its page where that is one thing under this very code."""
    text = request.args.get("q", "")
    found = search(snapshot(), text, lambda area: may_see(roles(), area))
    other_host = found.reading.host if found.reading.host != ledger().settings.host.lower() else ""
    if (only := _only(found)) and not other_host:
        return go_to(_place(only))
    if not found.hits and diagnose(text):
        return go_to(address("scanner", scan=text))
    return _show(found, other_host)


def _only(found: Found) -> Hit | None:
    """The one thing that the text can mean, where it was read as it stands."""
    is_sure = len(found.exact) == 1 and not found.missed and found.reading.repair.is_plain
    return found.exact[0] if is_sure else None


def _show(found: Found, other_host: str) -> Response:
    is_known = bool(found.hits or found.reading.link or found.hint)
    return page(
        "search.html",
        typed=found.text,
        read_as=code(found.reading.shown),
        groups=_groups(found.hits),
        near=[(words().text(_NOUNS[hit.noun]), _line(hit)) for hit in found.near],
        left_out=words().list(
            [words().text(TITLES[noun]) for noun in AREAS if AREAS[noun] in found.left_out]
        ),
        missed=code(found.missed) if found.missed else "",
        other_host=code(other_host) if other_host else "",
        hint=_hint(found),
        is_cut=found.is_cut,
        repair=_repair_said(found) if is_known else "",
    )


def _repair_said(found: Found) -> str:
    """What stood between the scanner and the text, and how it was read; "" where nothing did."""
    repair, number, spoken = found.reading.repair, found.reading.shown, words()
    if repair.is_plain:
        return ""
    if repair.is_input_method or repair.layout == KANA:
        return spoken.text(
            "An input method took what the scanner typed. We read it as {number}. Switch it to plain Latin letters.",
            number=number,
        )
    if repair.layout == repair.scanner:
        return spoken.text("Caps Lock is on. We read it as {number}.", number=number)
    return spoken.text(
        "Your scanner types as if this computer’s keyboard were {scanner}. We read it as {number}. Set the scanner to "
        "{computer}.",
        scanner=layout_said(spoken, repair.scanner),
        computer=layout_said(spoken, repair.layout),
        number=number,
    )


_NOUNS = {
    "unit": mark("Unit"),
    "batch": mark("Batch"),
    "product": mark("Product"),
    "material_lot": mark("Material lot"),
    "material": mark("Material"),
    "party": mark("Party"),
    "shipment": mark("Shipment"),
    "recall": mark("Recall"),
    "substitution": mark("Substitution"),
}


def _groups(hits: Sequence[Hit]) -> list[tuple[str, list[Line]]]:
    """(title, lines) of each noun that was found, in the order of AREAS."""
    named = {noun: [_line(hit) for hit in hits if hit.noun == noun] for noun in AREAS}
    return [(words().text(TITLES[noun]), lines) for noun, lines in named.items() if lines]


def _line(hit: Hit) -> Line:
    marks = recalled(words()) if hit.is_recalled else Markup()
    if hit.is_held:
        marks += on_hold(words())
    name = isolated(hit.name or choice_label(words(), hit.standing))
    return Line(_place(hit), code(hit.code), name, marks)


def _place(hit: Hit) -> str:
    if hit.noun == "unit":
        c, i = hit.id.split("/")
        return address("unit", c=int(c), i=int(i))
    if hit.noun == "entry":
        return address("entry", index=int(hit.id))
    place = page_of(f"{hit.noun}:{hit.id}")
    assert place is not None, f"{hit.noun} has no page"
    return place


def _hint(found: Found) -> str:
    """What is odd about a number that nothing carries: a hint, never a correction."""
    if not found.hint:
        is_sound = not found.hits and is_own_serial(search_key(found.reading.shown))
        return words().text(HINTS["sound"]) if is_sound else ""
    length = sum(character.isalnum() for character in found.reading.shown)
    return words().text(HINTS[found.hint], count=length)
