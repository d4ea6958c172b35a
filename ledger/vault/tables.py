"""The tables of the vault.

persons      id, and the person's own random key, wrapped by the master key (AES-256-GCM; the id is bound in)
items        one value each: encrypted under its person's key (item, kind, person and time are bound in)
accesses     who read which value when, and what for; rows are only ever inserted, by trigger
vault_keys   other keys wrapped by the master key: `accesses`, which the chain of accesses is made with
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table

from ledger.moments import Moment

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
    # A nonce used twice under one key gives both values away: a broken source of chance stops here.
    Index("items_nonce", "person", "nonce", unique=True),
)
accesses = Table(
    "accesses",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", String, nullable=False),
    Column("person", String(16), nullable=False),
    Column("item", String(16), nullable=False),
    Column("kind", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
    Index("accesses_person", "person"),
)
vault_keys = Table(
    "vault_keys",
    METADATA,
    Column("name", String, primary_key=True),
    Column("wrapped_key", LargeBinary, nullable=False),
)
