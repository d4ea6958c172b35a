"""The log as outsiders read it (C2SP tlog-tiles): hashes and proofs for everyone, entries for auditors.

Nothing is served that no published checkpoint covers: everything is cut off at the size of the newest one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from flask import Blueprint, Response, current_app, request
from sqlalchemy import Connection, Engine

from ledger.database import reading
from ledger.journal.key_events import read_statements
from ledger.journal.opening import Ledger
from ledger.journal.publish import Standing
from ledger.log.checkpoint import parse_decimal
from ledger.log.directory import read_bundle
from ledger.log.key_list import format_key_list
from ledger.log.proving import prove_entry
from ledger.log.store import read_tile
from ledger.log.tiles import TILE_WIDTH, MalformedPath, Tile, TileCache, parse_entries_path, parse_path
from ledger.people.roles import may_see
from ledger.recall.recall import is_published_scope
from portal.bearer import caller_of
from portal.services import EXTENSION

proofs = Blueprint("proofs", __name__, url_prefix="/log")

TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
SHORTLY = "public, max-age=5"  # a new checkpoint may come with every group of writes
WHILE = "public, max-age=300"  # keys change once a year, and after a break-in that is soon enough
FOR_EVER = "public, max-age=31536000, immutable"
FOR_ONE_READER = "private, max-age=31536000, immutable"
NOT_HERE = "The log has nothing here, or has not published it yet.\n"
FOR_AUDITORS = (
    "Entries are for auditors. Ask the seller for a token and send it as the header "
    "“Authorization: Bearer TOKEN”. Checkpoint, key, hashes and proofs are open to everyone.\n"
)

TILE_CACHE = "lotproof-tile-cache"


class Published(Protocol):
    """What these pages need of the running application."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def state(self) -> Engine: ...


class _NotHere(Exception):
    """The path names nothing that was published."""


@proofs.errorhandler(_NotHere)
def not_here(_error: _NotHere) -> Response:
    """404, in one line of plain text: programs read this."""
    return _answer(NOT_HERE.encode(), TEXT, SHORTLY, status=404)


@proofs.get("/checkpoint")
def checkpoint() -> Response:
    """The newest published checkpoint."""
    with _published() as (_connection, standing):
        return _answer(standing.note.encode(), TEXT, SHORTLY)


@proofs.get("/vkey")
def vkey() -> Response:
    """The newest key that checkpoints are signed with. Whoever wants to be sure gets it by another way."""
    with _published() as (connection, _standing):
        key = _house().ledger.journal.publisher.keyring(connection).newest.verifier
    return _answer(f"{key.to_text()}\n".encode(), TEXT, WHILE)


@proofs.get("/keys")
def keys() -> Response:
    """All keys that the log ever had, with the signed statements that lead from each to the next."""
    with _published() as (connection, _standing):
        keyring = _house().ledger.journal.publisher.keyring(connection)
        text = format_key_list(keyring, read_statements(connection))
    return _answer(text.encode(), TEXT, WHILE)


@proofs.get("/tile/<path:where>")
def tile(where: str) -> Response:
    """A tile of hashes, full or partial."""
    try:
        wanted = parse_path(where)
    except MalformedPath:
        raise _NotHere from None
    with _published() as (connection, standing):
        _refuse_unpublished(wanted, standing)
        return _answer(read_tile(connection, wanted), BYTES, FOR_EVER)


@proofs.get("/tile/entries/<path:where>")
def entries(where: str) -> Response:
    """A bundle of entries: for auditors, or for everyone where the seller has opened them."""
    house = _house()
    is_open = house.ledger.settings.log_entries == "open"
    if not (is_open or _may_read(house)):
        refused = _answer(FOR_AUDITORS.encode(), TEXT, "no-store", status=401)
        refused.headers["WWW-Authenticate"] = 'Bearer realm="entries of the log"'
        return refused
    try:
        number, width = parse_entries_path(where)
    except MalformedPath:
        raise _NotHere from None
    with _published() as (connection, standing):
        wanted = Tile(0, number, width)
        _refuse_unpublished(wanted, standing)
        answer = _answer(read_bundle(connection, wanted), BYTES, FOR_EVER if is_open else FOR_ONE_READER)
    answer.vary.add("Authorization")
    return answer


@proofs.get("/proof/<index>")
def proof(index: str) -> Response:
    """The proof that an entry stands under the newest checkpoint. It does not say what the entry says."""
    try:
        wanted = parse_decimal(index)
    except ValueError:
        raise _NotHere from None
    with _published() as (connection, standing):
        if wanted >= standing.size:
            raise _NotHere
        made = prove_entry(connection, wanted, standing.note, cache=_tile_cache())
    return _answer(made.format().encode(), TEXT, SHORTLY)


@proofs.get("/scope/<sha256>")
def scope(sha256: str) -> Response:
    """The scope of a published recall, by the SHA-256 that its entry names: what the status map follows from."""
    with _published() as (connection, _standing):
        if not is_published_scope(connection, sha256):
            raise _NotHere
    return _answer(_house().ledger.files.read(sha256), "application/json", FOR_EVER)


@contextmanager
def _published() -> Iterator[tuple[Connection, Standing]]:
    """A snapshot and the newest checkpoint in it, which the guard holds too."""
    ledger = _house().ledger
    with reading(ledger.engine) as connection:
        yield connection, ledger.journal.standing(connection)


def _refuse_unpublished(wanted: Tile, standing: Standing) -> None:
    """Raise _NotHere unless the published tree holds every hash of the tile."""
    if wanted.number * TILE_WIDTH + wanted.width > standing.size >> 8 * wanted.level:
        raise _NotHere


def _may_read(house: Published) -> bool:
    """Whether the request's token sees the log. One of the time before tokens ended is for nothing else."""
    with reading(house.ledger.engine) as connection:
        caller = caller_of(request, connection, house.state, now=house.ledger.clock.now())
    return caller is not None and (caller.token.ends_at is None or may_see(caller.holding.scopes, "log"))


def _answer(content: bytes, content_type: str, caching: str, *, status: int = 200) -> Response:
    response = Response(content, status=status, content_type=content_type)
    response.headers["Cache-Control"] = caching
    response.headers["Access-Control-Allow-Origin"] = "*"  # a verifier may run in anybody's page
    return response


def _tile_cache() -> TileCache:
    """Of this application: full tiles never change, but two applications may have two logs."""
    return cast(TileCache, current_app.extensions.setdefault(TILE_CACHE, TileCache()))


def _house() -> Published:
    return cast(Published, current_app.extensions[EXTENSION])
