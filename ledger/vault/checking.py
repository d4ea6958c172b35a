"""Is every row of the vault what was written? Each is opened; what does not open is named, and the check goes on.

    persons      the key unwraps under the master key
    items        the value decrypts under its person's key, in its own place
    accesses     the row carries the HMAC of itself and of the row before it; the triggers that protect it stand
    vault_keys   the key unwraps under the master key
    and the tables are of the revision that this program makes

What is missing altogether shows in the log, which names every item: `ledger.recall.erasing.vault_problems`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select, text

from ledger.database import reading
from ledger.database.migrating import newest_revision
from ledger.vault.accesses import broken_accesses
from ledger.vault.tables import accesses, items, persons, vault_keys
from ledger.vault.vault import ACCESSES, WITH_KEY, ItemDamaged, Vault, WrongMasterKey

TRIGGERS = {"sqlite": {"accesses_no_update", "accesses_no_delete"}, "postgresql": {"accesses_no_change"}}
_STANDING = {
    "sqlite": text("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'accesses'"),
    "postgresql": text(
        "SELECT tgname FROM pg_trigger WHERE tgrelid = to_regclass('accesses') AND tgenabled IN ('O', 'A')"
    ),
}
_REVISIONS = text("SELECT version_num FROM alembic_version")


@dataclass(frozen=True, slots=True)
class VaultProblem:
    """A row that is not what was written: its table, its key there ("" for the table), and what is wrong with it."""

    table: Literal["persons", "items", "accesses", "vault_keys", "alembic_version"]
    row: str
    problem: str


def check_vault(vault: Vault) -> Iterator[VaultProblem]:
    """Every problem, in one snapshot, a row at a time: about 10 µs a row."""
    with reading(vault.engine) as connection, _any_text(connection):
        yield from _revision(
            connection
        )  # first: in tables of another version the others may not find their way
        yield from _keys(vault, connection)
        yield from _items(vault, connection)
        yield from _accesses(vault, connection)
        yield from _triggers(connection)


@contextmanager
def _any_text(connection: Connection) -> Iterator[None]:
    """Let SQLite give a text that is no UTF-8 any more, so that its row can be named."""
    driver: Any = connection.connection.driver_connection
    before = getattr(driver, "text_factory", None)
    if before is None:
        yield  # PostgreSQL holds no such text
        return
    driver.text_factory = _decoded
    try:
        yield
    finally:
        driver.text_factory = before


def _decoded(stored: bytes) -> str:
    return stored.decode(errors="backslashreplace")


def _revision(connection: Connection) -> Iterator[VaultProblem]:
    stands, should = list(connection.scalars(_REVISIONS)), newest_revision("vault")
    if stands != [should]:
        problem = f"this program makes {should}: another version of it made the tables, or this was changed"
        yield VaultProblem("alembic_version", ", ".join(map(str, stands)), problem)


def _keys(vault: Vault, connection: Connection) -> Iterator[VaultProblem]:
    for owner, wrapped in connection.execute(select(persons.c.id, persons.c.wrapped_key)):
        if not _unwraps(vault, owner, wrapped):
            yield VaultProblem("persons", owner, "the master key does not open this person's key")
    for name, wrapped in connection.execute(select(vault_keys.c.name, vault_keys.c.wrapped_key)):
        if not _unwraps(vault, name, wrapped):
            yield VaultProblem("vault_keys", name, "the master key does not open this key")


def _items(vault: Vault, connection: Connection) -> Iterator[VaultProblem]:
    for row in connection.execute(WITH_KEY.order_by(items.c.id)):
        try:
            vault.open_row(row)
        except ItemDamaged:
            yield VaultProblem("items", row.id, "the value does not open: the row was changed or moved")
        except WrongMasterKey:
            continue  # said of its person
    lost = select(items.c.id, items.c.person).where(
        ~select(persons.c.id).where(persons.c.id == items.c.person).exists()
    )
    for item, person in connection.execute(lost):
        yield VaultProblem("items", item, f"there is no person {person} whose key would open it")


def _accesses(vault: Vault, connection: Connection) -> Iterator[VaultProblem]:
    stored = connection.scalar(select(vault_keys.c.wrapped_key).where(vault_keys.c.name == ACCESSES))
    if stored is None:
        if connection.scalar(select(accesses.c.number).limit(1)) is not None:
            yield VaultProblem("vault_keys", ACCESSES, "it is missing, and the accesses cannot be checked")
        return
    if _unwraps(vault, ACCESSES, stored):
        for number, problem in broken_accesses(connection, vault.unwrap(ACCESSES, stored)):
            yield VaultProblem("accesses", str(number), problem)


def _triggers(connection: Connection) -> Iterator[VaultProblem]:
    """The triggers that are not there, or switched off."""
    kind = connection.dialect.name
    standing = set(connection.scalars(_STANDING[kind]))
    for missing in sorted(TRIGGERS[kind] - standing):
        yield VaultProblem("accesses", "", f"the trigger {missing} is gone: rows could be changed or removed")


def _unwraps(vault: Vault, owner: str, wrapped: bytes) -> bool:
    try:
        vault.unwrap(owner, wrapped)
    except WrongMasterKey:
        return False
    return True
