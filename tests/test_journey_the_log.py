"""An outsider checks the log with software that is not ours: over HTTP, and from an export.

The checks are those of `tests.outsider`, which knows the specifications and nothing of the product.
"""

import base64
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journeys import Lotproof, Shop, demo_copy, served
from tests.outsider import (
    Fetch,
    Log,
    Untrue,
    check_proof,
    check_status,
    open_checkpoint,
    read_hashes,
    read_log,
    read_proof,
    tree_hash,
)
from tests.reader import Reader

pytestmark = pytest.mark.slow

TILE = 256


@dataclass(frozen=True)
class Watched:
    """A shop whose log was read before and after a busy day; `folder` is its export."""

    shop: Shop
    vkey: str
    before: bytes  # the checkpoint that the outsider kept
    export: Path

    @property
    def fetch(self) -> Fetch:
        """What is served under /log/."""
        reader = Reader(self.shop.base)

        def get(path: str) -> bytes:
            page = reader.get(f"/log/{path}")
            assert page.status == 200, f"{path}: {page.status}"
            return page.body

        return get

    def read_scope(self, sha256: str) -> bytes:
        """The scope of a published recall: entries name it by its hash."""
        return self.fetch(f"scope/{sha256}")


def from_folder(folder: Path) -> Fetch:
    """What lies in an export."""

    def get(path: str) -> bytes:
        file = folder / path
        if not file.is_file():
            raise Untrue(f"{path} is not there")
        return file.read_bytes()

    return get


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The demo's log, grown past one full tile by buyers who file claims; and then exported."""
    with served(demo_copy(tmp_path_factory)) as shop:
        before = Reader(shop.base).get("/log/checkpoint").body
        vkey = shop.demo["log"]["vkey"]
        for number in shop.lotproof("unit", "list", "25W22-B")[:80]:
            file_claim(shop, number)
        folder = tmp_path_factory.mktemp("export") / "log"
        shop.lotproof("log", "export", folder)
        yield Watched(shop, vkey, before, folder)


def file_claim(shop: Shop, number: str) -> None:
    """A buyer claims a refund."""
    reader = Reader(shop.base)
    page = reader.get(f"/en/claim/{number}")
    typed = {"remedy": "refund", "country": "US", "email": "buyer@mail.example", "payout": "an account"}
    assert "/claims/" in reader.submit(page, page.form("claim").filled(typed)).path


def test_everything_served_is_what_was_signed(watched: Watched) -> None:
    log = read_log(watched.fetch, watched.vkey)
    assert log.checkpoint.size > TILE  # so that full tiles and an upper level were read too
    assert log.checkpoint.origin == "voltaro.example/log"


def test_the_key_says_who_it_belongs_to(watched: Watched) -> None:
    name, key_id, _ = watched.vkey.split("+", 2)
    assert name == "voltaro.example/log"
    assert re.fullmatch("[0-9a-f]{8}", key_id)
    assert watched.fetch("vkey").decode() == f"{watched.vkey}\n"
    assert watched.shop.lotproof.run("log", "vkey").out == f"{watched.vkey}\n"


def test_the_later_log_continues_the_checkpoint_that_was_kept(watched: Watched) -> None:
    earlier = open_checkpoint(watched.before, watched.vkey)
    later = open_checkpoint(watched.fetch("checkpoint"), watched.vkey)
    assert earlier.size < later.size
    leaves = read_hashes(watched.fetch, later.size)  # for this, nobody has to be let read an entry
    assert tree_hash(leaves[: earlier.size]) == earlier.root
    assert tree_hash(leaves) == later.root


def test_every_statement_of_the_status_map_is_what_the_published_scopes_make_it(watched: Watched) -> None:
    log = read_log(watched.fetch, watched.vkey)
    stated = check_status(log, watched.read_scope)
    assert stated == len(log.events("status.stated/1")) > 100
    assert log.events("recall.widened/1")


def test_no_other_file_of_the_seller_is_served_as_a_scope(watched: Watched) -> None:
    log = read_log(watched.fetch, watched.vkey)
    serials = log.events("units.commissioned/1")[0]["data"]["list_file"]["sha256"]
    draft = log.events("recall.drafted/1")[0]["data"]["scope"]["sha256"]
    reader = Reader(watched.shop.base)
    assert reader.get(f"/log/scope/{serials}").status == 404
    assert reader.get("/log/scope/" + "0" * 64).status == 404
    assert reader.get(f"/log/scope/{draft}").status == 200  # it was published as it was drafted


def test_every_checkpoint_that_was_ever_published_ends_with_the_stated_status(watched: Watched) -> None:
    """The sizes at which a checkpoint may stand are those right after a statement."""
    log = read_log(watched.fetch, watched.vkey)
    ends = {index + 1 for index, entry in enumerate(log.entries) if entry["kind"] == "status.stated/1"}
    for note in (watched.before, watched.fetch("checkpoint")):
        assert open_checkpoint(note, watched.vkey).size in ends


def test_a_single_proof_is_for_everyone_and_shows_no_entry(watched: Watched) -> None:
    log = read_log(watched.fetch, watched.vkey)
    for index in (0, 1, 137, 255, 256, log.checkpoint.size - 1):
        proof = read_proof(watched.fetch(f"proof/{index}"))
        assert (proof.index, proof.extra) == (index, None)
        assert check_proof(proof, log.bodies[index], watched.vkey).size >= log.checkpoint.size
        with pytest.raises(Untrue):
            check_proof(proof, log.bodies[index - 1], watched.vkey)


def test_what_was_not_published_is_not_there(watched: Watched) -> None:
    reader = Reader(watched.shop.base)
    size = open_checkpoint(watched.fetch("checkpoint"), watched.vkey).size
    number, width = divmod(size, TILE)
    for path in (
        f"tile/0/{number:03}",
        f"tile/0/{number:03}.p/{width + 1}",
        f"tile/entries/{number:03}.p/{width + 1}",
        f"tile/0/{number + 1:03}.p/1",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/00/000",
        "tile/64/000",
        "tile/entries/0000",
        f"proof/{size}",
        "proof/-1",
        "proof/01",
    ):
        assert reader.get(f"/log/{path}").status == 404, path


def test_responses_say_how_long_they_hold(watched: Watched) -> None:
    reader = Reader(watched.shop.base)
    for path, kind, caching in (
        ("checkpoint", "text/plain; charset=utf-8", "public, max-age=5"),
        ("tile/0/000", "application/octet-stream", "public, max-age=31536000, immutable"),
        ("tile/1/000.p/1", "application/octet-stream", "public, max-age=31536000, immutable"),
        ("tile/entries/000", "application/octet-stream", "public, max-age=31536000, immutable"),
    ):
        page = reader.get(f"/log/{path}")
        assert page.headers["content-type"] == kind
        assert page.headers["cache-control"] == caching
        assert "set-cookie" not in page.headers


# --- the export


def test_the_export_verifies_from_its_files_alone(watched: Watched) -> None:
    log = read_log(from_folder(watched.export), watched.vkey)
    assert log.checkpoint.size > TILE
    assert (watched.export / "vkey").read_text() == f"{watched.vkey}\n"
    said = Lotproof(watched.export).run("verify", watched.export, "--key", watched.vkey)
    assert said.code == 0, said.out + said.error


def test_the_export_is_what_is_served(watched: Watched) -> None:
    served_log = read_log(watched.fetch, watched.vkey)
    exported = read_log(from_folder(watched.export), watched.vkey)
    assert served_log.bodies[: exported.checkpoint.size] == exported.bodies


KINDS: dict[str, Callable[[Log], str]] = {
    "checkpoint": lambda _log: "checkpoint",
    "full tile": lambda _log: "tile/0/000",
    "partial tile": lambda log: f"tile/0/001.p/{log.checkpoint.size % TILE}",
    "upper tile": lambda _log: "tile/1/000.p/1",
    "full bundle": lambda _log: "tile/entries/000",
    "partial bundle": lambda log: f"tile/entries/001.p/{log.checkpoint.size % TILE}",
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_bit_in_any_file_is_noticed(watched: Watched, kind: str, tmp_path: Path) -> None:
    """At the beginning, in the middle, at the end; the outsider notices, and so does `lotproof verify`."""
    log = read_log(from_folder(watched.export), watched.vkey)
    copy = shutil.copytree(watched.export, tmp_path / "log")
    file = copy / KINDS[kind](log)
    whole = file.read_bytes()
    for place in (0, len(whole) // 3, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Untrue):
            read_log(from_folder(copy), watched.vkey)
    said = Lotproof(copy).run("verify", copy, "--key", watched.vkey)
    assert said.code == 1
    file.write_bytes(whole)
    assert read_log(from_folder(copy), watched.vkey).checkpoint == log.checkpoint


def test_another_key_verifies_nothing(watched: Watched) -> None:
    strange = "voltaro.example/log+530d903a+ATGgB6xy2Np9FuCHMNDxyZvgsWSHFPxv7ik8JWrPMmNU"
    raw = b"\x01" + hashlib.sha256(b"another").digest()
    key_id = hashlib.sha256(b"voltaro.example/log\n" + raw).hexdigest()[:8]
    another = f"voltaro.example/log+{key_id}+{base64.b64encode(raw).decode()}"
    for key in (strange, another):
        with pytest.raises(Untrue):
            read_log(from_folder(watched.export), key)
        assert Lotproof(watched.export).run("verify", watched.export, "--key", key).code != 0


# --- proof files


def test_a_proof_file_with_its_entry_is_verified_offline(watched: Watched, tmp_path: Path) -> None:
    log = read_log(from_folder(watched.export), watched.vkey)
    file = tmp_path / "seven.tlog-proof"
    watched.shop.lotproof("log", "prove", 7, "--out", file)
    proof = read_proof(file.read_bytes())
    assert proof.extra == log.bodies[7]
    assert check_proof(proof, log.bodies[7], watched.vkey).size >= log.checkpoint.size
    nowhere = Lotproof(tmp_path / "nothing")  # no database, no key of the seller's
    assert nowhere.run("verify", file, "--key", watched.vkey).code == 0
    assert not nowhere.folder.exists()


def test_a_proof_without_its_entry_is_a_signature_only(watched: Watched, tmp_path: Path) -> None:
    log = read_log(from_folder(watched.export), watched.vkey)
    file, entry, other = tmp_path / "a.tlog-proof", tmp_path / "entry", tmp_path / "other"
    file.write_bytes(watched.fetch("proof/7"))
    entry.write_bytes(log.bodies[7])
    other.write_bytes(log.bodies[8])
    nowhere = Lotproof(tmp_path / "nothing")
    alone = nowhere.run("verify", file, "--key", watched.vkey)
    assert alone.code == 2
    assert "signature only" in alone.out.lower()
    assert nowhere.run("verify", file, "--key", watched.vkey, "--entry", entry).code == 0
    assert nowhere.run("verify", file, "--key", watched.vkey, "--entry", other).code == 1


def test_a_proof_under_another_key_or_changed_is_refused(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "a.tlog-proof"
    watched.shop.lotproof("log", "prove", 9, "--out", file)
    nowhere = Lotproof(tmp_path / "nothing")
    stranger = Lotproof(tmp_path / "stranger")
    assert stranger.run("init", "--account", "Cleo", "--host", "voltaro.example").code == 0
    key = stranger.run("log", "vkey").out.strip()
    assert key.startswith("voltaro.example/log+")
    assert nowhere.run("verify", file, "--key", key).code == 1
    whole = file.read_bytes()
    for changed in (whole.replace(b"index 9", b"index 8"), whole[:-9] + b"A" + whole[-8:], whole[:-20]):
        file.write_bytes(changed)
        assert nowhere.run("verify", file, "--key", watched.vkey).code == 1


def test_a_batch_s_history_can_be_followed_from_its_last_entry_to_its_first(watched: Watched) -> None:
    log = read_log(from_folder(watched.export), watched.vkey)
    produced = log.events("batch.produced/1")[1]
    [subject] = [one for one in produced["subjects"] if one.startswith("batch:")]
    told = watched.shop.lotproof("log", "show", "--subject", subject, "--last", 500)
    there = [index for index, entry in enumerate(log.entries) if subject in entry["subjects"]]
    assert [one["index"] for one in told] == sorted(there, reverse=True)
    assert log.entries[min(there)] == produced
