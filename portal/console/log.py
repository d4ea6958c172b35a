"""The log's pages: every entry, newest first; one entry with its bytes, and its proof checked on the spot."""

import hashlib
from dataclasses import dataclass

import orjson
from flask import Response, abort, request
from markupsafe import Markup
from sqlalchemy import Connection

from ledger.journal.events import is_subject
from ledger.journal.journal import NoSuchEntry
from ledger.journal.publish import Standing
from ledger.journal.replay import recorded_from
from ledger.log import store
from ledger.log.entry import Entry, parse_entry
from ledger.log.merkle import InvalidProof, leaf_hash, prove_inclusion
from ledger.log.proof import TlogProof, verify
from ledger.log.tiles import Tile, TileHashes
from portal.console.desk import ledger, snapshot, words
from portal.console.history import Stretch, entries_about, newest_entries
from portal.console.names import Names, code, names_of, page_of, subjects_named
from portal.console.shell import address, console, entry_link, moment, page
from portal.console.timeline import actor, happenings
from portal.permissions import sees

PAGE = 50


@dataclass(frozen=True, slots=True)
class SubjectLine:
    """One subject of an entry: what it is, and the entry about it before this one."""

    subject: Markup
    place: str | None
    previous: Markup | None


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking an entry's proof here and now has shown; `failed` says at which step it did not hold."""

    size: str
    as_of: str
    hashes: int
    key: str
    failed: str


@console.get("/log")
@sees("log")
def log() -> Response:
    """The entries, newest first; `about` narrows them to one subject, `from` goes on further down."""
    about = request.args.get("about", "").strip()
    subjects = _subjects(about) if about else []
    stretch = _stretch(subjects[0] if subjects else None) if subjects or not about else Stretch((), None)
    names = names_of(snapshot(), [s for one in stretch.entries for s in one.subjects] + subjects)
    older = (
        address("log", about=about or None, **{"from": stretch.older}) if stretch.older is not None else ""
    )
    return page(
        "log.html",
        here="log",
        about=about,
        subjects=[names.link(*subject.split(":")) for subject in subjects],
        others=[(address("log", about=one), names.link(*one.split(":"))) for one in subjects[1:]],
        entries=happenings(stretch.entries, names),
        older=older,
    )


@console.get("/log/<int:index>")
@sees("log")
def entry(index: int) -> Response:
    """One entry: what it says, its exact bytes, its neighbours, its proof."""
    connection = snapshot()
    body = _body(connection, index)
    standing = ledger().journal.standing(connection)
    parsed = parse_entry(body)
    names = names_of(connection, parsed.subjects)
    return page(
        "entry.html",
        here="log",
        index=index,
        happening=happenings([recorded_from(index, body)], names)[0],
        kind=parsed.kind,
        actor=actor(words(), parsed.actor),
        when=moment(parsed.at),
        subjects=_subject_lines(parsed, names),
        pretty=_pretty(body),
        raw=body.decode(),
        size_bytes=words().number(len(body)),
        leaf=leaf_hash(body).hex(),
        salt=parsed.salt.hex(),
        prev=parsed.prev.hex(),
        previous=entry_link(index - 1) if index else None,
        following=entry_link(index + 1) if index + 1 < standing.size else None,
        checked=check(connection, standing, index, body),
    )


@console.get("/log/<int:index>/proof")
@sees("log")
def entry_proof(index: int) -> Response:
    """The proof as a file, the entry's exact bytes in `extra`: staff may hand them on."""
    connection = snapshot()
    body = _body(connection, index)
    proof = prove(connection, ledger().journal.standing(connection), index, extra=body)
    name = f"lotproof-{hashlib.sha256(body).hexdigest()[:8]}-{index}.tlog-proof"
    return Response(
        proof.format(),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def prove(connection: Connection, standing: Standing, index: int, *, extra: bytes | None = None) -> TlogProof:
    """The proof of an entry against the newest checkpoint."""

    def read_tile(tile: Tile) -> bytes:
        return store.read_tile(connection, tile)

    hashes = prove_inclusion(index, standing.size, TileHashes(read_tile, standing.size))
    return TlogProof(index, tuple(hashes), standing.note, extra)


def check(connection: Connection, standing: Standing, index: int, body: bytes) -> Checked:
    """Makes the proof and verifies it against the bytes, as a stranger would who knows only the keys."""
    proof = prove(connection, standing, index)
    keyring = ledger().journal.publisher.keyring(connection)
    failed = ""
    try:
        verify(proof, leaf_hash(body), keyring)
    except InvalidProof as error:
        failed = str(error.facts["reason"])
    return Checked(
        size=words().number(standing.size),
        as_of=moment(standing.as_of),
        hashes=len(proof.hashes),
        key=keyring.newest.verifier.name,
        failed=failed,
    )


def _body(connection: Connection, index: int) -> bytes:
    body = store.read_body(connection, index)
    if body is None:
        raise NoSuchEntry(index=index, size=store.size(connection))
    return body


def _subjects(about: str) -> list[str]:
    """What the reader means: a subject itself, or whatever has this code."""
    return [about] if is_subject(about) else subjects_named(snapshot(), about)


def _stretch(subject: str | None) -> Stretch:
    start = request.args.get("from", type=int)
    if start is not None and not 0 <= start < 2**53:
        abort(404)
    if subject is not None:
        return entries_about(snapshot(), subject, limit=PAGE, start=start)
    end = store.size(snapshot()) if start is None else start
    return newest_entries(snapshot(), end=end, limit=PAGE)


def _subject_lines(parsed: Entry, names: Names) -> list[SubjectLine]:
    return [
        SubjectLine(
            subject=_shown(subject, names),
            place=page_of(subject),
            previous=None if previous is None else entry_link(previous),
        )
        for subject, previous in parsed.subjects.items()
    ]


def _shown(subject: str, names: Names) -> Markup:
    noun, _, subject_id = subject.partition(":")
    return names.link(noun, subject_id) if subject in names.labels else code(subject)


def _pretty(body: bytes) -> str:
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
