"""A passkey in software: makes keys and signs assertions as an authenticator and its browser do.

Source: W3C, Web Authentication Level 2, sections 5.8.1 (client data) and 6.1 (authenticator data); COSE keys as
RFC 9053 has them.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from webauthn.helpers import bytes_to_base64url, encode_cbor

from ledger.people.signature import PasskeySignature, challenge_over

Algorithm = Literal["ES256", "EdDSA", "RS256"]
USER_PRESENT, USER_VERIFIED = 0x01, 0x04
NONCE = b"sixteen bytes up"
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey: its id and its private key."""

    credential: bytes
    key: Key

    @classmethod
    def made(cls, algorithm: Algorithm = "ES256", credential: bytes = b"passkey of a test") -> Self:
        """A new one."""
        match algorithm:
            case "ES256":
                return cls(credential, ec.generate_private_key(ec.SECP256R1()))
            case "EdDSA":
                return cls(credential, ed25519.Ed25519PrivateKey.generate())
            case "RS256":
                return cls(credential, rsa.generate_private_key(public_exponent=65_537, key_size=2_048))

    def sign(
        self,
        digest: str,
        *,
        host: str = "localhost",
        page: str = "https://localhost",
        flags: int = USER_PRESENT | USER_VERIFIED,
        kind: str = "webauthn.get",
        nonce: bytes = NONCE,
    ) -> PasskeySignature:
        """The signature over a digest (hex), as a browser at `page` brings it."""
        challenge = bytes_to_base64url(challenge_over(digest, nonce))
        client_data = json.dumps({"type": kind, "challenge": challenge, "origin": page}).encode()
        authenticator_data = hashlib.sha256(host.encode()).digest() + bytes([flags]) + (7).to_bytes(4)
        return PasskeySignature(
            authenticator_data=authenticator_data,
            client_data=client_data,
            credential=self.credential,
            nonce=nonce,
            public_key=encode_cbor(self._cose()),
            signature=self._signed(authenticator_data + hashlib.sha256(client_data).digest()),
        )

    def _signed(self, data: bytes) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(data, ec.ECDSA(hashes.SHA256()))
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self.key.sign(data)

    def _cose(self) -> dict[int, int | bytes]:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            point = self.key.public_key().public_numbers()
            return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        if isinstance(self.key, rsa.RSAPrivateKey):
            numbers = self.key.public_key().public_numbers()
            return {1: 3, 3: -257, -1: numbers.n.to_bytes(256), -2: numbers.e.to_bytes(3)}
        return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}
