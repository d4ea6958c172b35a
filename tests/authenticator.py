"""A device that holds passkeys, in software: what tests answer a page's ceremonies with, as a browser would.

    phone = Authenticator("localhost", "http://localhost")
    answer = phone.create(options)              # JSON in, JSON out
    answer = phone.get(options)
    answer = phone.get(options, verified=False) # a device that did not ask who holds it

One key at a time: a new one replaces the old.  Source: W3C, Web Authentication Level 3, sections 5, 6.1 and 6.5.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40  # flags of authenticatorData


@dataclass
class Authenticator:
    """One device in the hand of one person, at one address."""

    rp_id: str
    origin: str
    counter: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    user_handle: bytes = b""

    def create(self, options: str, *, verified: bool = True) -> str:
        """The answer of navigator.credentials.create()."""
        asked = json.loads(options)
        self.user_handle = unpacked(asked["user"]["id"])
        known = len(self.credential_id).to_bytes(2) + self.credential_id
        flags = PRESENT | ATTESTED | (VERIFIED if verified else 0)
        data = self._data(flags) + bytes(16) + known + self.public_key()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            clientDataJSON=self._client_data("webauthn.create", asked["challenge"]),
            attestationObject=attestation,
        )

    def get(self, options: str, *, verified: bool = True, handle: bytes | None = None) -> str:
        """The answer of navigator.credentials.get(); `handle` claims to be somebody else."""
        self.counter += 1
        data = self._data(PRESENT | (VERIFIED if verified else 0))
        client_data = self._client_data("webauthn.get", json.loads(options)["challenge"])
        signed = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            clientDataJSON=client_data,
            authenticatorData=data,
            signature=signed,
            userHandle=handle or self.user_handle,
        )

    def public_key(self) -> bytes:
        """COSE_Key of ES256 (RFC 9053, section 7.1.1)."""
        point = self.key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)})

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _answer(self, **response: bytes) -> str:
        name = packed(self.credential_id)
        answer: dict[str, Any] = {"id": name, "rawId": name, "type": "public-key"}
        answer["response"] = {key: packed(value) for key, value in response.items()}
        return json.dumps({**answer, "clientExtensionResults": {}})


def packed(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
