"""Filing a claim: what is personal goes into the vault first, then the entry names it by commitment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ledger.journal.journal import By
from ledger.journal.opening import Ledger
from ledger.log.canonical import JSON, encode
from ledger.recall import claim as claims
from ledger.recall.claim import ClaimOpened, OpenClaim
from ledger.recall.errors import FormExpired
from ledger.recall.links import claim_id_for, is_form_token
from ledger.recall.recall import Remedy
from ledger.recall.retention import Kind
from ledger.trace.positions import Position
from ledger.vault.vault import Sealed


@dataclass(frozen=True, slots=True)
class Wish:
    """What a buyer asks for, of which unit (or of which batch, at its own position), and where they live."""

    product: str
    batch: str
    position: Position
    remedy: Remedy
    country: str
    language: str


def file_claim(
    ledger: Ledger,
    wish: Wish,
    *,
    form_token: str,
    contact: Mapping[str, JSON],
    payout: Mapping[str, JSON] | None,
) -> str:
    """The id of the claim; the same form sent again gives the same one, and another content under it is refused.

    Raises FormExpired for a token that was not issued here, NotRecalled, SameKeyOtherRequest. After a crash
    between vault and entry the vault holds values that no entry names; the worker sweeps them.
    """
    if not is_form_token(ledger.keys.links, form_token):
        raise FormExpired()
    claim = claim_id_for(ledger.keys.links, form_token)
    person, sealed_contact, sealed_payout = _seal(ledger, contact, payout)
    request = OpenClaim(
        claim=claim,
        product=wish.product,
        batch=wish.batch,
        position=wish.position,
        remedy=wish.remedy,
        country=wish.country,
        language=wish.language,
        person=person,
        contact=sealed_contact,
        payout=sealed_payout,
    )
    by = By(f"claim:{claim}", form_token, _body(wish, contact, payout))
    return ledger.journal.write(claims.open_claim, request, by).first(ClaimOpened).event.claim


def _seal(
    ledger: Ledger, contact: Mapping[str, JSON], payout: Mapping[str, JSON] | None
) -> tuple[str, claims.Sealed, claims.Sealed | None]:
    now = ledger.clock.now()
    first = _put(ledger, None, "contact", contact, now)
    second = _put(ledger, first.person, "payout", payout, now) if payout is not None else None
    return first.person, _named(first), _named(second) if second else None


def _put(ledger: Ledger, person: str | None, kind: Kind, value: Mapping[str, JSON], now: datetime) -> Sealed:
    """Only kinds that have a rule of retention get in."""
    return ledger.vault.put(person, kind, dict(value), now=now)


def _named(sealed: Sealed) -> claims.Sealed:
    return claims.Sealed(sealed.item, sealed.commitment)


def _body(wish: Wish, contact: Mapping[str, JSON], payout: Mapping[str, JSON] | None) -> bytes:
    """What was asked, in clear: only its digest under the form's token is recorded."""
    return encode([list(wish.position), wish.remedy, wish.country, wish.batch, wish.product, contact, payout])
