"""Personal data: encrypted, kept apart from the log, and erasable.

Each value is an item, encrypted under a random key of its person's, which the master key wraps; the tables stand in
`ledger.vault.tables`. Erasing is deleting the key, the items and their salts, and overwriting the place.

An entry of the log never holds the value, at most a *commitment* to it: HMAC-SHA256 of the value's canonical
JSON, keyed with 32 random bytes that lie encrypted beside the value. Who is shown value and salt can check
them against the entry; who has the entry alone can guess nothing, not even after the value is gone.

A command puts the value first and records its entry second. What a crash between the two leaves behind is an
item that no entry names: `sweep` removes it.

Staff and command line read through `read_as`, which writes down who read what before it gives anything away.
"""

import hmac
import os
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Select,
    String,
    bindparam,
    delete,
    insert,
    select,
    type_coerce,
    update,
)

from ledger.database import connect, migrate, reading, writing
from ledger.errors import LedgerError, NotFound
from ledger.identifiers import new_id
from ledger.location import Location
from ledger.log.canonical import JSON, NotCanonical, encode
from ledger.moments import format_moment, parse_moment
from ledger.vault.accesses import Access, Purpose, add_accesses
from ledger.vault.tables import METADATA as METADATA
from ledger.vault.tables import items as items
from ledger.vault.tables import persons as persons
from ledger.vault.tables import vault_keys

KEY_BYTES = 32
SALT_BYTES = 32
ACCESSES = "accesses"  # the name of the key of their chain
AT_ONCE = 500  # ids in one statement
SCRUB_PATIENCE_MS = 200
NONCE_BYTES = 12  # NIST SP 800-38D: random 96-bit nonces are good for 2^32 uses of one key

# The time as text: a row that was changed may hold none, and must still be named.
WITH_KEY: Select[Any] = select(
    *(one for one in items.columns if one is not items.c.created_at),
    type_coerce(items.c.created_at, String).label("created_at"),
    persons.c.wrapped_key,
).join(persons)
_ACCESSES_KEY = select(vault_keys.c.wrapped_key).where(vault_keys.c.name == ACCESSES)
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
        "The master key does not open the key of person {person}. If it was replaced while this was running: restart. "
        "If not, it is the key of another vault, or the vault was changed: put master key and vault back from backups "
        "of the same installation."
    )
    http_status = 500


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an entry may keep of a value: two ids and the commitment."""

    person: str
    item: str
    commitment: str  # hex, 32 bytes


@dataclass(frozen=True, slots=True)
class Held:
    """A value as it lies in the vault, opened."""

    item: str
    person: str
    kind: str
    created_at: datetime
    salt: bytes = field(repr=False)
    value: dict[str, JSON] = field(repr=False)


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
            bound = _bound(item, person, kind, now)
            ciphertext = AESGCM(key).encrypt(nonce, salt + body, bound)
            row = {"id": item, "person": person, "kind": kind, "nonce": nonce, "ciphertext": ciphertext}
            connection.execute(insert(items).values(**row, created_at=now))
        return Sealed(person=person, item=item, commitment=_commitment(salt, body))

    def read(self, item: str, *, kind: str | None = None) -> dict[str, JSON]:
        """The value, of this kind and no other where one is given. Raises UnknownItem, ItemDamaged, WrongMasterKey."""
        return self.opening(item, kind=kind).value

    def opening(self, item: str, *, kind: str | None = None) -> Opening:
        """The value and the salt of its commitment. Raises as `read`."""
        with reading(self.engine) as connection:
            row = connection.execute(WITH_KEY.where(items.c.id == item)).one_or_none()
        if row is None or (kind is not None and row.kind != kind):
            raise UnknownItem(item=item)
        held = self.open_row(row)
        return Opening(salt=held.salt, value=held.value)

    def read_as(
        self, wanted: Sequence[str], *, actor: str, purpose: Purpose, now: datetime
    ) -> dict[str, Held]:
        """Those of these items that are there, opened; that `actor` read them is written down first, durably.

        Raises ItemDamaged or WrongMasterKey. What is not there was erased, or ran out, or was lost: the log knows.
        """
        with writing(self.engine) as connection:
            rows = connection.execute(WITH_KEY.where(items.c.id.in_(wanted)).order_by(items.c.id)).all()
            read = [Access(now, actor, row.person, row.id, row.kind, purpose) for row in rows]
            add_accesses(connection, self.accesses_key(connection), read)
        # A crash here: an access is written down that showed nothing. The other way round one could go unseen.
        return {row.id: self.open_row(row) for row in rows}

    def items_of(self, person: str) -> list[str]:
        """The items held about a person, oldest first; none for a person who was erased or never was."""
        about = select(items.c.id).where(items.c.person == person).order_by(items.c.created_at, items.c.id)
        with reading(self.engine) as connection:
            return list(connection.scalars(about))

    def erase(self, erased: Sequence[str]) -> int:
        """Destroy the keys, values and salts of these persons; gives how many of them were there."""
        gone = 0
        with writing(self.engine) as connection:
            for some in _chunks(erased):
                connection.execute(delete(items).where(items.c.person.in_(some)))
                gone += connection.execute(delete(persons).where(persons.c.id.in_(some))).rowcount
        if gone:
            self.scrub()
        return gone

    def forget(self, forgotten: Sequence[str]) -> int:
        """Destroy these items, and the key of a person whose last one goes; gives how many were there."""
        gone = 0
        with writing(self.engine) as connection:
            for some in _chunks(forgotten):
                owners = connection.scalars(select(items.c.person).where(items.c.id.in_(some)).distinct())
                emptied = [{"owner": owner} for owner in owners]
                if emptied:
                    gone += connection.execute(delete(items).where(items.c.id.in_(some))).rowcount
                    connection.execute(_DELETE_EMPTY_PERSON, emptied)
        if gone:
            self.scrub()
        return gone

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
        if orphans:
            self.scrub()
        return len(orphans)

    def scrub(self) -> bool:
        """Empty SQLite's write-ahead log, where pages stand as they were before; whether nobody was in the way.

        Whoever still reads keeps it in place: the worker comes by every minute. PostgreSQL's dead rows are its
        own to remove (docs/personal-data.md).
        """
        if self.engine.dialect.name != "sqlite":
            return True
        with self.engine.connect() as connection:
            patience = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {SCRUB_PATIENCE_MS}")
            try:
                busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {patience}")
        return not busy

    def rewrap(self, new_master: bytes) -> int:
        """Wrap every key anew under another master key, all or none; gives how many. This vault opens no more.

        The old wrappings are overwritten. Raises WrongMasterKey, and then nothing was changed.
        """
        new, count = replace(self, master=new_master), 0
        with writing(self.engine) as connection:
            for table, name in ((persons, persons.c.id), (vault_keys, vault_keys.c.name)):
                for owner, wrapped in connection.execute(select(name, table.c.wrapped_key)).all():
                    again = new._wrap(owner, self.unwrap(owner, wrapped))
                    connection.execute(update(table).where(name == owner).values(wrapped_key=again))
                    count += 1
        # A crash here: the vault wants the new master key. Whoever rotates it keeps both until this has returned.
        self.scrub()
        return count

    def check_master_key(self) -> None:
        """Raise WrongMasterKey unless the master key opens the vault (judged by its own key and its first person)."""
        with reading(self.engine) as connection:
            row = connection.execute(select(persons).order_by(persons.c.id).limit(1)).one_or_none()
            stored = connection.scalar(_ACCESSES_KEY)
        if stored is not None:
            self.unwrap(ACCESSES, stored)
        if row is not None:
            self.unwrap(row.id, row.wrapped_key)

    def accesses_key(self, connection: Connection) -> bytes:
        """The key that the chain of accesses is made with, itself made when it is first needed."""
        stored = connection.scalar(_ACCESSES_KEY)
        if stored is not None:
            return self.unwrap(ACCESSES, stored)
        key = self.random_bytes(KEY_BYTES)
        connection.execute(insert(vault_keys).values(name=ACCESSES, wrapped_key=self._wrap(ACCESSES, key)))
        return key

    def open_row(self, row: Row[Any]) -> Held:
        """A row of `WITH_KEY`, decrypted. Raises ItemDamaged or WrongMasterKey."""
        key = self.unwrap(row.person, row.wrapped_key)
        try:
            plain = _decrypt(key, row)
            created_at = parse_moment(row.created_at)
        except (InvalidTag, NotCanonical, ValueError, TypeError) as error:
            raise ItemDamaged(item=row.id) from error
        value = orjson.loads(plain[SALT_BYTES:])
        return Held(row.id, row.person, row.kind, created_at, plain[:SALT_BYTES], value)

    def _person(self, connection: Connection, person: str | None) -> tuple[str, bytes]:
        """The person's id and key, both new for None."""
        if person is None:
            # A process that still has a master key which was replaced must wrap nothing with it: nobody could read it.
            self.accesses_key(connection)
            person, key = new_id(self.random_bytes), self.random_bytes(KEY_BYTES)
            wrapped = self._wrap(person, key)
            connection.execute(insert(persons).values(id=person, wrapped_key=wrapped))
            return person, key
        stored = connection.scalar(select(persons.c.wrapped_key).where(persons.c.id == person))
        if stored is None:
            raise UnknownPerson(person=person)
        return person, self.unwrap(person, stored)

    def _wrap(self, person: str, key: bytes) -> bytes:
        nonce = self.random_bytes(NONCE_BYTES)
        return nonce + AESGCM(self.master).encrypt(nonce, key, person.encode())

    def unwrap(self, person: str, wrapped: bytes) -> bytes:
        """The key of a person (or of the accesses). Raises WrongMasterKey."""
        try:
            return AESGCM(self.master).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], person.encode())
        except (InvalidTag, ValueError, TypeError) as error:
            raise WrongMasterKey(person=person) from error


def open_vault(location: Location, master: bytes, *other_masters: bytes) -> Vault:
    """The vault there, created or brought up to date; in memory for None. Raises WrongMasterKey.

    While the master key is being replaced there are two, and the vault opens with one of them.
    """
    engine = connect(location, overwrites_deleted=True)
    migrate(engine, "vault")
    for other in other_masters:
        with suppress(WrongMasterKey):
            return _checked(Vault(engine, master))
        master = other
    return _checked(Vault(engine, master))


def _checked(vault: Vault) -> Vault:
    vault.check_master_key()
    return vault


def verify_commitment(salt: bytes, value: dict[str, JSON], commitment: str) -> bool:
    """Whether `commitment` (hex) was made to `value` with `salt`."""
    return hmac.compare_digest(_commitment(salt, encode(value)).encode(), commitment.encode())


def _commitment(salt: bytes, body: bytes) -> str:
    return hmac.digest(salt, body, "sha256").hex()


def _decrypt(key: bytes, row: Row[Any]) -> bytes:
    """Salt and value. Raises InvalidTag, also where only what stands beside the ciphertext was changed."""
    place: dict[str, JSON] = {"item": row.id, "kind": row.kind, "person": row.person}
    bound = encode({**place, "created_at": row.created_at})
    try:
        return AESGCM(key).decrypt(row.nonce, row.ciphertext, bound)
    except InvalidTag:
        # Items of before revision 0003 vouch for all but their time; what vouches for it never opens so.
        return AESGCM(key).decrypt(row.nonce, row.ciphertext, encode(place))


def _bound(item: str, person: str, kind: str, created_at: datetime) -> bytes:
    """What the encryption of an item vouches for besides its value: a row moved elsewhere does not open."""
    return encode({"created_at": format_moment(created_at), "item": item, "kind": kind, "person": person})


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
