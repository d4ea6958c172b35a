"""A passkey's signature: it covers one digest at one site, or it is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.people.signature import BadSignature, PasskeySignature, demand_signature
from tests.software_passkey import USER_PRESENT, USER_VERIFIED, Algorithm, Passkey

DIGEST, OTHER = "ab" * 32, "cd" * 32
HOST = "lots.example"
PAGE = f"https://{HOST}"
ALGORITHMS: tuple[Algorithm, ...] = ("ES256", "EdDSA", "RS256")


def is_taken(signed: PasskeySignature, digest: str = DIGEST, host: str = HOST) -> bool:
    try:
        demand_signature(signed, digest=digest, host=host)
    except BadSignature:
        return False
    return True


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_covers_its_digest_and_no_other(algorithm: Algorithm) -> None:
    signed = Passkey.made(algorithm).sign(DIGEST, host=HOST, page=PAGE)
    assert is_taken(signed)
    assert not is_taken(signed, digest=OTHER)
    assert not is_taken(msgspec.structs.replace(signed, nonce=b"another sixteen."))


@pytest.mark.parametrize(
    "otherwise",
    [
        {"host": "other.example"},
        {"page": "https://other.example"},
        {"page": "https://lots.example.other.example"},
        {"page": "https://notlots.example"},
        {"page": "http://lots.example"},
        {"flags": USER_PRESENT},
        {"flags": USER_VERIFIED},
        {"kind": "webauthn.create"},
    ],
    ids=str,
)
def test_a_signature_of_another_place_or_without_its_user_is_refused(otherwise: dict[str, object]) -> None:
    made = {"host": HOST, "page": PAGE, **otherwise}
    assert not is_taken(Passkey.made().sign(DIGEST, **made))  # type: ignore[arg-type]  # as the parameters name them


@pytest.mark.parametrize("page", [PAGE, "https://lots.example:8443", "https://console.lots.example"])
def test_pages_of_the_host_and_below_it_may_use_its_passkeys(page: str) -> None:
    assert is_taken(Passkey.made().sign(DIGEST, host=HOST, page=page))


def test_at_ones_own_machine_a_page_needs_no_certificate() -> None:
    signed = Passkey.made().sign(DIGEST, page="http://localhost:8000")
    assert is_taken(signed, host="localhost")


def test_another_passkeys_key_does_not_verify_it() -> None:
    signed, foreign = (Passkey.made().sign(DIGEST, host=HOST, page=PAGE) for _ in range(2))
    assert not is_taken(msgspec.structs.replace(signed, public_key=foreign.public_key))


SIGNED = Passkey.made("EdDSA").sign(DIGEST, host=HOST, page=PAGE)
SIGNED_PARTS = ("authenticator_data", "client_data", "public_key", "signature", "nonce")


@given(part=st.sampled_from(SIGNED_PARTS), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_wherever_it_is(part: str, place: int, bit: int) -> None:
    content = bytearray(getattr(SIGNED, part))
    content[place % len(content)] ^= 1 << bit
    flipped = msgspec.structs.replace(SIGNED, **{part: bytes(content)})
    # A COSE key has a byte or two that say nothing about the key, such as a label that no algorithm reads.
    assert part == "public_key" or not is_taken(flipped)


@given(part=st.sampled_from(SIGNED_PARTS), content=st.binary(min_size=16, max_size=200))
def test_bytes_that_are_no_signature_are_refused_and_nothing_breaks(part: str, content: bytes) -> None:
    assert not is_taken(msgspec.structs.replace(SIGNED, **{part: content}))


def test_a_signature_stands_in_an_entry_and_is_read_again() -> None:
    value = msgspec.to_builtins(SIGNED)
    assert all(isinstance(one, str) for one in value.values())
    assert msgspec.convert(value, PasskeySignature) == SIGNED
