"""Personal data: encrypted, kept apart from the log, and erasable.

    persons   id, and the person's own random key, wrapped by the master key (AES-256-GCM; the id is bound in)
    items     one value each: encrypted under its person's key (item, kind and person are bound in)

An entry of the log never holds the value, at most a *commitment* to it: HMAC-SHA256 of the value's canonical
JSON, keyed with 32 random bytes that lie encrypted beside the value. Who is shown value and salt can check
them against the entry; who has the entry alone can guess nothing, not even after the value is gone.

A command puts the value first and records its entry second. What a crash between the two leaves behind is an
item that no entry names: `sweep` removes it.
"""

import hmac
import os
from collections.abc import Callable, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    event,
    insert,
    select,
)

from ledger.database import connect, migrate, reading, writing
from ledger.errors import LedgerError, NotFound
from ledger.identifiers import new_id
from ledger.log.canonical import JSON, encode
from ledger.moments import Moment

KEY_BYTES = 32
SALT_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D: random 96-bit nonces are good for 2^32 uses of one key

METADATA = MetaData()
persons = Table(
    "persons",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("wrapped_key", LargeBinary, nullable=False),  # nonce ‖ ciphertext ‖ tag
)
items = Table(
    "items",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("person", String(16), ForeignKey("persons.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),  # of salt ‖ canonical JSON
    Column("created_at", Moment, nullable=False),
    Index("items_person", "person"),
    Index("items_created_at", "created_at"),
)

_DELETE_ITEM = delete(items).where(items.c.id == bindparam("item"))
_DELETE_EMPTY_PERSON = delete(persons).where(
    persons.c.id == bindparam("owner"), ~select(items.c.id).where(items.c.person == persons.c.id).exists()
)


class UnknownPerson(NotFound):
    """No such person; perhaps erased."""

    message = "The vault holds no person {person}."


class UnknownItem(NotFound):
    """No such item; perhaps erased."""

    message = "The vault holds no item {item}."


class ItemDamaged(LedgerError):
    """The row is not what was written."""

    message = "The vault's item {item} was changed or damaged. Put the vault back from its backup."
    http_status = 500


class WrongMasterKey(LedgerError):
    """A person's key cannot be unwrapped."""

    message = (
        "The master key does not open the key of person {person}: it is the key of another vault, or the "
        "vault was changed. Put master key and vault back from backups of the same installation."
    )
    http_status = 500


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an entry may keep of a value: two ids and the commitment."""

    person: str
    item: str
    commitment: str  # hex, 32 bytes


class Opening(NamedTuple):
    """What proves that a commitment was made to this value."""

    salt: bytes
    value: dict[str, JSON]


@dataclass(frozen=True, slots=True)
class Vault:
    """The vault in `engine`, opened with `master` (32 bytes)."""

    engine: Engine
    master: bytes = field(repr=False)
    random_bytes: Callable[[int], bytes] = os.urandom

    def put(self, person: str | None, kind: str, value: dict[str, JSON], *, now: datetime) -> Sealed:
        """Store `value` about `person`, or about a new person for None; durable when this returns.

        Raises UnknownPerson, and NotCanonical for a value that canonical JSON cannot hold.
        """
        salt, body = self.random_bytes(SALT_BYTES), encode(value)
        item, nonce = new_id(self.random_bytes), self.random_bytes(NONCE_BYTES)
        with writing(self.engine) as connection:
            person, key = self._person(connection, person)
            ciphertext = AESGCM(key).encrypt(nonce, salt + body, _bound(item, person, kind))
            row = {"id": item, "person": person, "kind": kind, "nonce": nonce, "ciphertext": ciphertext}
            connection.execute(insert(items).values(**row, created_at=now))
        return Sealed(person=person, item=item, commitment=_commitment(salt, body))

    def read(self, item: str) -> dict[str, JSON]:
        """The value. Raises UnknownItem, ItemDamaged or WrongMasterKey."""
        return self.opening(item).value

    def opening(self, item: str) -> Opening:
        """The value and the salt of its commitment. Raises as `read`."""
        with reading(self.engine) as connection:
            rows = select(items, persons.c.wrapped_key).join(persons).where(items.c.id == item)
            row = connection.execute(rows).one_or_none()
        if row is None:
            raise UnknownItem(item=item)
        key = self._unwrap(row.person, row.wrapped_key)
        try:
            plain = AESGCM(key).decrypt(row.nonce, row.ciphertext, _bound(item, row.person, row.kind))
        except (InvalidTag, ValueError) as error:
            raise ItemDamaged(item=item) from error
        return Opening(salt=plain[:SALT_BYTES], value=orjson.loads(plain[SALT_BYTES:]))

    def sweep(self, named: Set[str], *, older_than: datetime) -> int:
        """Delete the items made before `older_than` that are not in `named`, and say how many.

        `named` is every item that an entry names. Leave commands in flight an hour: an item that `older_than`
        admits must have its entry by the time `named` is read. A person whose last item goes, goes too.
        """
        with writing(self.engine) as connection:
            old = connection.execute(
                select(items.c.id, items.c.person).where(items.c.created_at < older_than)
            )
            orphans = [{"item": row.id, "owner": row.person} for row in old if row.id not in named]
            if orphans:
                connection.execute(_DELETE_ITEM, orphans)
                connection.execute(_DELETE_EMPTY_PERSON, orphans)
        return len(orphans)

    def check_master_key(self) -> None:
        """Raise WrongMasterKey unless the master key opens the vault (judged by its first person)."""
        with reading(self.engine) as connection:
            row = connection.execute(select(persons).order_by(persons.c.id).limit(1)).one_or_none()
        if row is not None:
            self._unwrap(row.id, row.wrapped_key)

    def _person(self, connection: Connection, person: str | None) -> tuple[str, bytes]:
        """The person's id and key, both new for None."""
        if person is None:
            person, key = new_id(self.random_bytes), self.random_bytes(KEY_BYTES)
            wrapped = self._wrap(person, key)
            connection.execute(insert(persons).values(id=person, wrapped_key=wrapped))
            return person, key
        stored = connection.scalar(select(persons.c.wrapped_key).where(persons.c.id == person))
        if stored is None:
            raise UnknownPerson(person=person)
        return person, self._unwrap(person, stored)

    def _wrap(self, person: str, key: bytes) -> bytes:
        nonce = self.random_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.master).encrypt(nonce, key, person.encode())

    def _unwrap(self, person: str, wrapped: bytes) -> bytes:
        try:
            return AESGCM(self.master).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], person.encode())
        except (InvalidTag, ValueError) as error:
            raise WrongMasterKey(person=person) from error


def open_vault(path: Path | None, master: bytes) -> Vault:
    """The vault at `path`, created or brought up to date; in memory for None. Raises WrongMasterKey.

    With secure_delete, so that what is deleted is overwritten in the file and not merely unlinked from it.
    """
    engine = connect(path)

    @event.listens_for(engine, "connect")
    def overwrite_deleted(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA secure_delete = ON")

    migrate(engine, "vault")
    vault = Vault(engine, master)
    vault.check_master_key()
    return vault


def verify_commitment(salt: bytes, value: dict[str, JSON], commitment: str) -> bool:
    """Whether `commitment` (hex) was made to `value` with `salt`."""
    return hmac.compare_digest(_commitment(salt, encode(value)).encode(), commitment.encode())


def _commitment(salt: bytes, body: bytes) -> str:
    return hmac.digest(salt, body, "sha256").hex()


def _bound(item: str, person: str, kind: str) -> bytes:
    """What the encryption of an item vouches for besides its value: a row moved elsewhere does not open."""
    return encode({"item": item, "kind": kind, "person": person})
