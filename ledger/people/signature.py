"""A passkey's signature over what was approved, kept whole in the entry, so that anybody can verify it for ever.

An authenticator signs its own data and the SHA-256 of the client data; the client data names the challenge:

    challenge = SHA-256(digest of what is approved || nonce)

What it proves: somebody unlocked this passkey, at this site, for exactly this. It does not prove whose passkey it
is; that two approvals name one passkey, and so one person, anybody can see.
Source: W3C, Web Authentication Level 2, section 7.2; the algorithms are ES256, EdDSA and RS256.
"""

import hashlib
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from webauthn import verify_authentication_response
from webauthn.helpers import bytes_to_base64url, decode_credential_public_key, parse_client_data_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    PublicKeyCredentialType,
)

from ledger.errors import LedgerError

Part = Annotated[bytes, msgspec.Meta(min_length=1, max_length=2_048)]
ALGORITHMS = (
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)


class BadSignature(LedgerError):
    """The signature is not one of this passkey over this digest at this site; the fact `reason` is for experts."""

    message = (
        "The passkey's signature does not cover what is approved here. Nothing was recorded. Open the page again "
        "and sign once more."
    )


class PasskeySignature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An assertion and what it takes to verify it. In an entry each part is base64 (RFC 4648, section 4)."""

    authenticator_data: Part
    client_data: Part  # the JSON, as the browser gave it
    credential: Part  # the passkey's id
    nonce: Annotated[bytes, msgspec.Meta(min_length=16, max_length=64)]
    public_key: Part  # COSE
    signature: Part


def challenge_over(digest: str, nonce: bytes) -> bytes:
    """What the authenticator is asked to sign, 32 bytes; `digest` is hex."""
    return hashlib.sha256(bytes.fromhex(digest) + nonce).digest()


def host_of(origin: str) -> str:
    """The relying party's id of a log: the host in its origin, without the port.

    >>> host_of("lots.example:8443/log")
    'lots.example'
    """
    return origin.partition("/")[0].partition(":")[0]


def demand_signature(signed: PasskeySignature, *, digest: str, host: str) -> None:
    """Raise BadSignature unless the passkey signed this digest at `host`, with its user present and verified."""
    try:
        client = parse_client_data_json(signed.client_data)
        if not _is_page_of(client.origin, host):
            raise BadSignature(reason=f"signed at {client.origin}, not at {host}")
        if decode_credential_public_key(signed.public_key).alg not in ALGORITHMS:
            raise BadSignature(reason="an algorithm other than ES256, EdDSA and RS256")
        verify_authentication_response(
            credential=_credential(signed),
            expected_challenge=challenge_over(digest, signed.nonce),
            expected_rp_id=host,
            expected_origin=client.origin,
            credential_public_key=signed.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except BadSignature:
        raise
    # The library lets its decoders' own errors through (KeyError, TypeError, struct.error, …): whatever cannot be
    # verified is not verified, and these bytes come from outside.
    except Exception as error:
        raise BadSignature(reason=str(error) or type(error).__name__) from error


def _credential(signed: PasskeySignature) -> AuthenticationCredential:
    return AuthenticationCredential(
        id=bytes_to_base64url(signed.credential),
        raw_id=signed.credential,
        response=AuthenticatorAssertionResponse(
            client_data_json=signed.client_data,
            authenticator_data=signed.authenticator_data,
            signature=signed.signature,
        ),
        type=PublicKeyCredentialType.PUBLIC_KEY,
    )


def _is_page_of(address: str, host: str) -> bool:
    """Whether a page at this address may use passkeys of `host`: of it or below it, and not in the clear."""
    parts = urlsplit(address)
    name = parts.hostname or ""
    return (name == host or name.endswith(f".{host}")) and (parts.scheme == "https" or name == "localhost")
