"""What outsiders read under /log/, checked with nothing but hashlib and the specification."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from ledger.database import reading, writing
from ledger.journal.journal import By
from ledger.journal.key_changes import retire_key, rotate_key
from ledger.log import store
from ledger.log.key_list import parse_key_list
from ledger.people.token import EndsTooLate
from ledger.settings import LogEntries, Settings
from ledger.state import open_state
from portal.app import create_app
from portal.live import Live
from portal.proofs import proofs
from portal.tokens import (
    InvalidTokenName,
    TokenExists,
    UnknownToken,
    Wanted,
    hash_of,
    issue,
    revoke,
    token_named,
    tokens,
    tokens_table,
)
from tests.world import ADA, World

NOW = datetime(2025, 5, 1, 8, tzinfo=UTC)
Fetch = Callable[[str], bytes]


# --- a verifier of our own, written from C2SP tlog-tiles and RFC 6962; it uses nothing of the product


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1: split at the largest power of two smaller than the count."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node(tree_root(leaves[:split]), tree_root(leaves[split:]))


def tile_path(level: str, number: int, width: int) -> str:
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return f"tile/{level}/{'/'.join(groups)}" + (f".p/{width}" if width < 256 else "")


def unbundle(data: bytes) -> list[bytes]:
    entries = []
    while data:
        length = int.from_bytes(data[:2], "big")
        entries.append(data[2 : 2 + length])
        assert len(entries[-1]) == length
        data = data[2 + length :]
    return entries


def read_checkpoint(text: str) -> tuple[str, int, bytes]:
    origin, size, root = text.split("\n")[:3]
    return origin, int(size), base64.b64decode(root)


def verify_served(fetch: Fetch) -> tuple[int, list[bytes]]:
    """Fetch every bundle and every tile, and compute all of it again from the entries."""
    _origin, size, root = read_checkpoint(fetch("checkpoint").decode())
    entries: list[bytes] = []
    for start in range(0, size, 256):
        entries += unbundle(fetch(tile_path("entries", start // 256, min(256, size - start))))
    hashes = [hashlib.sha256(b"\x00" + entry).digest() for entry in entries]
    assert len(hashes) == size
    assert tree_root(hashes) == root
    level = 0
    while hashes:
        for start in range(0, len(hashes), 256):
            own = hashes[start : start + 256]
            assert fetch(tile_path(str(level), start // 256, len(own))) == b"".join(own)
        hashes = [tree_root(hashes[start : start + 256]) for start in range(0, len(hashes) - 255, 256)]
        level += 1
    return size, entries


def verify_proof(text: str, leaf: bytes, root: bytes) -> None:
    """RFC 9162, section 2.1.3.2, over the lines of a .tlog-proof."""
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    index = int(lines[1].removeprefix("index "))
    _origin, size, stated = read_checkpoint(note)
    assert stated == root
    here, last, computed = index, size - 1, leaf
    for line in lines[2:]:
        sibling = base64.b64decode(line)
        assert last
        if here & 1 or here == last:
            computed = node(sibling, computed)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            computed = node(computed, sibling)
        here, last = here >> 1, last >> 1
    assert last == 0
    assert computed == root


# --- the pages


def app_of(world: World, settings: Settings) -> Flask:
    """The portal over a world, under other settings where a test asks for them."""
    other = replace(world.ledger, settings=settings)
    app = create_app(Live(other, open_state(None)), secret_key="test")
    app.register_blueprint(proofs)
    return app


@pytest.fixture(scope="module")
def long_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A log of some 300 entries: full tiles, partial ones, two levels."""
    world = World.begin(tmp_path_factory.mktemp("world") / "var")
    for number in range(140):
        world.material(f"M{number}")
    yield world
    world.close()


def settings_of(world: World, log_entries: LogEntries) -> Settings:
    return replace(world.ledger.settings, log_entries=log_entries)


@pytest.fixture
def opened(long_world: World) -> FlaskClient:
    return app_of(long_world, settings_of(long_world, "open")).test_client()


def fetching(client: FlaskClient) -> Fetch:
    def fetch(where: str) -> bytes:
        answer = client.get(f"/log/{where}")
        assert answer.status_code == 200, (where, answer.status)
        return bytes(answer.data)

    return fetch


def test_a_verifier_written_from_the_specification_accepts_all_that_is_served(
    opened: FlaskClient, long_world: World
) -> None:
    size, entries = verify_served(fetching(opened))
    assert size == long_world.size() > 256
    with reading(long_world.ledger.engine) as connection:
        assert entries == store.read_bodies(connection, 0, size)


def test_every_entry_has_a_proof_that_the_verifier_accepts(opened: FlaskClient) -> None:
    fetch = fetching(opened)
    _origin, size, root = read_checkpoint(fetch("checkpoint").decode())
    leaves = b"".join(
        fetch(tile_path("0", start // 256, min(256, size - start))) for start in range(0, size, 256)
    )
    for index in (0, 1, 255, 256, size - 1):
        text = fetch(f"proof/{index}").decode()
        verify_proof(text, leaves[index * 32 : index * 32 + 32], root)
        assert "\nextra " not in text
    assert opened.get(f"/log/proof/{size}").status_code == 404


def test_content_types_and_caching_are_those_of_the_specification(opened: FlaskClient) -> None:
    text, data = "text/plain; charset=utf-8", "application/octet-stream"
    for where, kind, caching in (
        ("checkpoint", text, "max-age=5"),
        ("vkey", text, "max-age=300"),
        ("keys", text, "max-age=300"),
        ("proof/0", text, "max-age=5"),
        ("tile/0/000", data, "immutable"),
        ("tile/1/000.p/1", data, "immutable"),
        ("tile/entries/000", data, "immutable"),
    ):
        answer = opened.get(f"/log/{where}")
        assert (where, answer.content_type) == (where, kind)
        assert caching in answer.headers["Cache-Control"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_the_key_that_is_served_opens_the_checkpoint(opened: FlaskClient, long_world: World) -> None:
    assert opened.get("/log/vkey").text == long_world.ledger.keys.signer.verifier.to_text() + "\n"


def test_the_key_and_the_list_of_keys_follow_a_rotation_without_a_restart(world: World) -> None:
    client, first = app_of(world, world.ledger.settings).test_client(), world.ledger.keys.signer.verifier
    assert client.get("/log/keys").text == f"lotproof/keys/1\n1 - {first.to_text()}\n"
    rotate_key(world.ledger, "A year has passed.", By(ADA))
    retire_key(world.ledger, "The overlap is over.", By(ADA))
    newest = client.get("/log/vkey").text.strip()
    assert newest != first.to_text()
    listed = parse_key_list(client.get("/log/keys").text)
    assert listed.newest.verifier.to_text() == newest
    assert listed.way(first, world.size()) == (first, listed.newest.verifier)
    assert listed.open(client.get("/log/checkpoint").text).size == world.size()


def test_partial_tiles_are_served_at_every_width_that_was_ever_published(opened: FlaskClient) -> None:
    full = opened.get("/log/tile/0/000").data
    bundle = unbundle(opened.get("/log/tile/entries/000").data)
    for width in (1, 2, 77, 255):
        assert opened.get(f"/log/tile/0/000.p/{width}").data == full[: width * 32]
        assert unbundle(opened.get(f"/log/tile/entries/000.p/{width}").data) == bundle[:width]


@pytest.mark.parametrize(
    "where",
    [
        "tile/0/001",  # not full yet
        "tile/0/001.p/255",
        "tile/0/002.p/1",
        "tile/1/000.p/2",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/64/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/00/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/-01",
        "tile/0/000/",
        "tile/0/000.p",
        "tile/entries/001",
        "tile/entries/0",
        "tile/entries/000.p/0",
        "tile/entries/+00",
        "proof/00",
        "proof/-1",
        "proof/1.0",
        "proof/99999999999999999999",
    ],
)
def test_what_is_not_published_or_not_spelled_right_is_not_there(opened: FlaskClient, where: str) -> None:
    answer = opened.get(f"/log/{where}")
    assert answer.status_code == 404
    assert answer.content_type == "text/plain; charset=utf-8"


@pytest.mark.files
def test_entries_under_no_checkpoint_are_not_served(tmp_path: Path) -> None:
    world = World.begin(tmp_path / "var")
    client = app_of(world, settings_of(world, "open")).test_client()
    size = world.size()
    with writing(world.ledger.engine) as connection:
        store.append_entries(connection, size, [(hashlib.sha256(b"\0secret").digest(), b"secret")])
    for where in (f"tile/0/000.p/{size + 1}", f"tile/entries/000.p/{size + 1}", f"proof/{size}"):
        assert client.get(f"/log/{where}").status_code == 404
    assert client.get(f"/log/tile/entries/000.p/{size}").status_code == 200


def test_entries_are_for_those_with_a_token_and_everything_else_is_for_everyone(long_world: World) -> None:
    app = app_of(long_world, settings_of(long_world, "token"))
    client, state = app.test_client(), app.extensions["lotproof"].state
    refused = client.get("/log/tile/entries/000")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Ask the seller for a token" in refused.text
    for where in ("checkpoint", "vkey", "tile/0/000", "proof/3"):
        assert client.get(f"/log/{where}").status_code == 200

    ledger, now = long_world.ledger, long_world.clock.now()
    wanted = Wanted("Nora, auditor", "auditor", ("see:log",), now + timedelta(days=30))
    token = issue(ledger, state, wanted, now=now).secret
    allowed = client.get("/log/tile/entries/000", headers={"Authorization": f"Bearer {token}"})
    assert allowed.status_code == 200
    assert "private" in allowed.headers["Cache-Control"]
    for wrong in (f"Bearer {token}x", f"Basic {token}", "Bearer", token, "Bearer "):
        assert client.get("/log/tile/entries/000", headers={"Authorization": wrong}).status_code == 401

    revoke(ledger, state, token_named(state, "Nora, auditor"), "The audit is over.", now=now)
    assert entries_by(client, token) == 401


def entries_by(client: FlaskClient, token: str) -> int:
    """The status with which a bundle of entries answers this token."""
    return client.get("/log/tile/entries/000", headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_token_that_does_not_see_the_log_reads_no_entries(long_world: World) -> None:
    app = app_of(long_world, settings_of(long_world, "token"))
    state, now = app.extensions["lotproof"].state, long_world.clock.now()
    wanted = Wanted("The shop", "program", ("do:shipment.send",), now + timedelta(days=30))
    secret = issue(long_world.ledger, state, wanted, now=now).secret
    assert entries_by(app.test_client(), secret) == 401


def test_a_token_of_the_time_before_reads_entries_until_it_is_revoked(long_world: World) -> None:
    app = app_of(long_world, settings_of(long_world, "token"))
    state, now = app.extensions["lotproof"].state, long_world.clock.now()
    row = {"id": "D" * 16, "name": "Nora", "token_hash": hash_of("lotproof_old"), "created_at": NOW}
    with writing(state) as connection:
        connection.execute(tokens_table.insert().values(row))
    assert entries_by(app.test_client(), "lotproof_old") == 200
    before = long_world.size()
    revoke(long_world.ledger, state, token_named(state, "Nora"), "", now=now)
    assert entries_by(app.test_client(), "lotproof_old") == 401
    assert long_world.size() == before


def test_a_token_is_kept_as_a_hash_and_its_name_is_used_once(world: World) -> None:
    state, now = open_state(None), world.clock.now()

    def give(name: str) -> str:
        wanted = Wanted(name, "program", ("auditor",), now + timedelta(days=30))
        return issue(world.ledger, state, wanted, now=now).secret

    token = give(" Nora ")
    with reading(state) as connection:
        stored = connection.exec_driver_sql("SELECT * FROM tokens").one()
    assert not any(token in str(value) or token.removeprefix("lotproof_") in str(value) for value in stored)
    assert [one.name for one in tokens(state)] == ["Nora"]
    with pytest.raises(TokenExists):
        give("Nora")
    for name in ("", "  ", "a\nb", "x" * 81):
        with pytest.raises(InvalidTokenName):
            give(name)
    with pytest.raises(UnknownToken):
        token_named(state, "Ben")


def test_a_token_that_is_refused_leaves_its_name_free(world: World) -> None:
    state, now = open_state(None), world.clock.now()
    with pytest.raises(EndsTooLate):
        issue(
            world.ledger, state, Wanted("Nora", "auditor", ("auditor",), now + timedelta(days=999)), now=now
        )
    assert tokens(state) == []
