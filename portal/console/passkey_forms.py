"""What a page needs to ask the browser for a passkey: where its options come from, and where the answer goes."""

from dataclasses import dataclass
from typing import Literal

from flask import Response, request

from ledger.errors import LedgerError
from portal.console.desk import ledger
from portal.relying_party import RelyingParty, relying_party


@dataclass(frozen=True, slots=True)
class PasskeyForm:
    """A form that static/passkeys.js completes: it makes a passkey ("create"), or asks for one ("get")."""

    ceremony: Literal["create", "get"]
    options: str
    action: str


def passkey_form(ceremony: Literal["create", "get"], options: str, action: str) -> PasskeyForm | None:
    """The form, None where passkeys cannot work: under another address, or without a name."""
    try:
        party()
    except LedgerError:
        return None
    return PasskeyForm(ceremony, options, action)


def party() -> RelyingParty:
    """To whom passkeys are bound on the page of this request. Raises PasskeysNeedAName or PasskeysElsewhere."""
    return relying_party(ledger().settings.host, request.host)


def json_response(text: str) -> Response:
    """A ceremony's options, for the script alone."""
    return Response(text, content_type="application/json")
