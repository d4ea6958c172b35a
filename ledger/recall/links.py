"""Links and form tokens: what lets a stranger act on one claim and on nothing else.

Both are made from a key and stored nowhere. A form token is issued with the form and makes a repeated sending
recognisable; the claim's id follows from it. A claim's link ends in an HMAC of its id.
"""

import base64
import hmac
from collections.abc import Callable

from ledger.identifiers import new_id

TOKEN_BYTES = 16


def new_form_token(links_key: bytes, random_bytes: Callable[[int], bytes]) -> str:
    """A token that only this seller's server can issue: 16 random bytes and their HMAC."""
    chance = random_bytes(TOKEN_BYTES)
    return _text(chance + _mac(links_key, b"form", chance))


def is_form_token(links_key: bytes, token: str) -> bool:
    """Whether a token was issued here."""
    try:
        decoded = base64.urlsafe_b64decode(token)
    except (ValueError, UnicodeEncodeError):
        return False
    chance, mac = decoded[:TOKEN_BYTES], decoded[TOKEN_BYTES:]
    return _text(decoded) == token and hmac.compare_digest(mac, _mac(links_key, b"form", chance))


def claim_id_for(links_key: bytes, form_token: str) -> str:
    """The id of the claim that a form makes: the same form sent twice makes one claim."""
    return new_id(lambda size: _mac(links_key, b"claim", form_token.encode())[:size])


def claim_secret(links_key: bytes, claim: str) -> str:
    """The unguessable end of a claim's link, 22 characters for 128 bits."""
    return _text(_mac(links_key, b"link", claim.encode())[:TOKEN_BYTES])


def opens_claim(links_key: bytes, claim: str, secret: str) -> bool:
    """Whether a link is the claim's own."""
    return hmac.compare_digest(claim_secret(links_key, claim).encode(), secret.encode())


def _mac(key: bytes, purpose: bytes, message: bytes) -> bytes:
    return hmac.digest(key, purpose + b"\0" + message, "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
