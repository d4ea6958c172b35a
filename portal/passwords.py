"""Passwords: what is accepted, how they are stored, how a new one is made."""

import base64
import unicodedata
from collections.abc import Callable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from ledger.errors import LedgerError

MIN_CHARACTERS = 12
MAX_CHARACTERS = 256  # a limit only so that nobody has us hash a megabyte
NEW_PASSWORD_BYTES = 15  # 120 random bits: 24 characters of base32

# OWASP Password Storage Cheat Sheet, the least it recommends for argon2id: 19 MiB, 2 passes, 1 lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)


class PasswordTooShort(LedgerError):
    """Too easily guessed."""

    message = "A password needs at least {least} characters; this one has {count}. A sentence is a good one."


class PasswordTooLong(LedgerError):
    """Longer than any person types."""

    message = "A password has at most {most} characters; this one has {count}."


def new_password(random_bytes: Callable[[int], bytes]) -> str:
    """A password to hand to a person: 120 random bits in groups of four. `random_bytes` is `os.urandom`."""
    text = base64.b32encode(random_bytes(NEW_PASSWORD_BYTES)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, len(text), 4))


def hash_password(password: str) -> str:
    """What to store; about 20 ms and 19 MiB. Raises PasswordTooShort or PasswordTooLong."""
    count = len(_normal(password))
    if count < MIN_CHARACTERS:
        raise PasswordTooShort(least=MIN_CHARACTERS, count=count)
    if count > MAX_CHARACTERS:
        raise PasswordTooLong(most=MAX_CHARACTERS, count=count)
    return rehash_password(password)


def rehash_password(password: str) -> str:
    """What to store with today's parameters for a password that was accepted under yesterday's rules."""
    return _HASHER.hash(_normal(password))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the one stored. With None, nobody's: as much work, and False."""
    try:
        matches = _HASHER.verify(stored or _decoy(), _normal(password)[: MAX_CHARACTERS + 1])
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


def _normal(password: str) -> str:
    """The same text from every keyboard (NIST SP 800-63B: NFKC before hashing)."""
    return unicodedata.normalize("NFKC", password)


@cache
def _decoy() -> str:
    """A hash of what nobody can type: one character more than a password may have."""
    return _HASHER.hash("\0" * (MAX_CHARACTERS + 1))
