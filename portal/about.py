"""What a token about one subject may be used for: the border where `about` is kept.

A request names things by their codes, and says of each field which noun's code it holds (`ask(…, ref="recall")`).
"""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import fields
from sqlalchemy import Connection

from ledger.errors import LedgerError
from ledger.journal.fields import extras
from ledger.recall.claim import get_claim
from ledger.recall.recall import get_recall
from ledger.trace.batch import get_batch
from ledger.trace.bill_of_materials import get_material
from ledger.trace.material_lot import get_material_lot
from ledger.trace.party import get_party
from ledger.trace.product import get_product
from ledger.trace.substitution import get_substitution

FIND: dict[str, Callable[[Connection, str], Any]] = {
    "batch": get_batch,
    "claim": get_claim,
    "material": get_material,
    "material_lot": get_material_lot,
    "party": get_party,
    "product": get_product,
    "recall": get_recall,
    "substitution": get_substitution,
}


class AboutAnother(LedgerError):
    """A token that is about one thing was used for something else."""

    message = "You were let in for one thing alone, and this is another. Nothing was recorded."
    http_status = 403


def demand_about(connection: Connection, about: str | None, request: Struct) -> None:
    """Raise AboutAnother unless the request names the subject `about` and no other of its noun.

    Without `about` everything goes. Raises what looking a code up does.
    """
    if about is None:
        return
    noun, _, wanted = about.partition(":")
    named = {FIND[noun](connection, code).id for code in _codes(request, noun)} if noun in FIND else set()
    if named != {wanted}:
        raise AboutAnother()


def subject_named(connection: Connection, text: str) -> str:
    """The subject that `NOUN:CODE` names, such as `recall:R-2025-01`; any other text as it is.

    Raises what looking a code up does.
    """
    noun, _, code = text.partition(":")
    return f"{noun}:{FIND[noun](connection, code).id}" if noun in FIND else text


def _codes(request: Struct, noun: str) -> Iterator[str]:
    """The codes of this noun in a request, and in the groups within it."""
    for one in fields(request):
        value = getattr(request, one.name)
        for each in value if isinstance(value, tuple | list) else (value,):
            if isinstance(each, Struct):
                yield from _codes(each, noun)
            elif isinstance(each, str) and each and extras(one.type).get("ref") == noun:
                yield each
