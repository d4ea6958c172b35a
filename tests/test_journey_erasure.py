"""A buyer's words are nowhere but in the vault, and there only encrypted; once erased, not even so.

The real server runs throughout: claims are filed over HTTP, read by staff in the console, settled, exported, copied.
Then every file is searched byte for byte, for the words in every form they may have taken.
"""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journeys import Lotproof, Shop, demo_copy, served
from tests.reader import Reader
from tests.scanning import Scan, hits
from tests.tampering import audited
from tests.test_journey_refund import filed, reference_of

pytestmark = pytest.mark.slow

REFUND = {
    "name": "Xaver Unverwechselbar-Öztürk",
    "email": "xaver.unverwechselbar@mail.example",
    "payout": "DE02120300000000202051",
}
REPLACEMENT = {
    "name": "Ottilie Nirgendwo-Ñandú",
    "email": "ottilie.nirgendwo@mail.example",
    "address": "Unmistakable Lane 77b, 20000 Hamburg-Nirgends",
    "remedy": "replacement",
}
WORDS = (*REFUND.values(), *(word for name, word in REPLACEMENT.items() if name != "remedy"))
SCRUBBED_WITHIN_SECONDS = 70.0  # the worker comes by every minute


@pytest.mark.parametrize("text", ["Grün-Öztürk", "DE02120300000000202051"])
def test_the_search_finds_every_form_that_it_looks_for(text: str, tmp_path: Path) -> None:
    scan = Scan.of(text)
    assert hits(scan, tmp_path) == {}
    for number, (name, form) in enumerate(scan.forms.items()):
        (tmp_path / str(number)).write_bytes(b"\0noise" + form + b"noise\xff")
        assert name in hits(scan, tmp_path)[str(tmp_path / str(number))]


@dataclass(frozen=True)
class Story:
    """What two buyers left behind: their claims, and every place that could hold their words."""

    shop: Shop
    claims: tuple[str, str]
    page: str  # the path of the first claim's own page
    outside: Path  # an export of the log, proofs, a copy of the folder, what the server said

    @property
    def places(self) -> tuple[Path, ...]:
        return self.shop.folder, self.outside, self.shop.folder.parent / "run.log"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    outside = tmp_path_factory.mktemp("outside")
    with served(demo_copy(tmp_path_factory)) as shop:
        pages = [
            filed(Reader(shop.base), number, **typed)
            for number, typed in zip(free(shop), (REFUND, REPLACEMENT), strict=False)
        ]
        first, second = map(reference_of, pages)
        story = Story(shop, (first, second), pages[0].path, outside)
        for claim, typed in ((first, REFUND), (second, REPLACEMENT)):
            assert typed["email"] in looked_at_by_staff(shop, claim)
        shop.lotproof("claim", "settle", "--claim", first, "--amount", "34.90 EUR", by="Ada Muster")
        index = shop.lotproof("log", "show", "--subject", f"claim:{first}")[-1]["index"]
        shop.lotproof("log", "prove", index, "--out", outside / "claim.proof")
        shop.lotproof("log", "export", outside / "export")
        shop.lotproof("backup", outside / "backup", "--vault", outside / "vaults")  # both while it runs
        shutil.copytree(shop.folder, outside / "copy")
        yield story


def free(shop: Shop) -> list[str]:
    """Recalled units that nobody has claimed yet."""
    claimed = "SELECT i FROM claims JOIN unit_sets ON unit_sets.c = claims.c"
    with closing(sqlite3.connect(shop.folder / "lotproof.db")) as connection:
        places = {place for (place,) in connection.execute(claimed)}
    serials = shop.lotproof("unit", "list", "25W21-A")
    return [serials[place] for place in range(50) if place not in places]


def looked_at_by_staff(shop: Shop, claim: str) -> str:
    """The claim's page in the console, as Ada reads it."""
    reader = Reader(shop.base)
    door = reader.get("/console/sign-in")
    reader.submit(door, door.form().filled(shop.demo["login"]))
    shown = reader.get(f"/console/claims/{claim}")
    assert shown.status == 200
    return shown.text


def secrets_of(shop: Shop, claim: str) -> list[bytes]:
    """What the vault holds on the buyer of a claim: the wrapped key, every nonce, pieces of every ciphertext."""
    with closing(sqlite3.connect(shop.folder / "lotproof.db")) as connection:
        [person] = connection.execute("SELECT person FROM claims WHERE id = ?", [claim]).fetchone()
    with closing(sqlite3.connect(shop.folder / "vault.db")) as connection:
        rows = connection.execute("SELECT nonce, ciphertext FROM items WHERE person = ?", [person]).fetchall()
        [wrapped] = connection.execute("SELECT wrapped_key FROM persons WHERE id = ?", [person]).fetchone()
    assert rows
    return [wrapped, *(part for nonce, body in rows for part in (nonce, body[:24], body[24:48], body[-24:]))]


def test_before_any_erasure_the_words_are_nowhere_in_clear(story: Story) -> None:
    for word in WORDS:
        assert hits(Scan.of(word), *story.places) == {}, word
    [wrapped, *_] = secrets_of(story.shop, story.claims[0])
    found = hits(Scan.of_bytes(wrapped), *story.places)  # it is there, and the search does find it
    assert {"var", "copy"} < {Path(path).parent.name for path in found}
    assert any("vaults" in path for path in found)


def test_the_words_come_out_for_the_person_alone(story: Story, tmp_path: Path) -> None:
    out = tmp_path / "person.json"
    story.shop.lotproof("person", "export", story.claims[0], "--out", out, by="Ada Muster")
    for word in REFUND.values():
        assert hits(Scan.of(word), tmp_path)
    out.unlink()


def test_after_the_erasure_key_and_ciphertext_are_gone_from_every_file_and_all_proofs_stand(
    story: Story,
) -> None:
    shop, claim = story.shop, story.claims[0]
    secrets, others = secrets_of(shop, claim), secrets_of(shop, story.claims[1])
    erased = shop.lotproof("person", "erase", claim, "--reason", "They asked.", by="Ada Muster")
    assert [one["kind"] for one in erased["entries"]] == ["person.erased/1"]
    wait_until_gone(shop.folder, secrets)
    assert all(hits(Scan.of_bytes(one), shop.folder) for one in others)
    # The copy made before holds the ciphertext still, and the wrapped key: docs/personal-data.md says until when.
    assert all(hits(Scan.of_bytes(one), story.outside / "copy") for one in secrets)
    assert_pages_go_on(story, claim)
    assert_proofs_stand(story)


def wait_until_gone(folder: Path, secrets: list[bytes]) -> None:
    """A page that was being read in that moment can keep the log of writes, until the worker comes by."""
    end = time.monotonic() + SCRUBBED_WITHIN_SECONDS
    while left := [found for one in secrets if (found := hits(Scan.of_bytes(one), folder))]:
        assert time.monotonic() < end, left
        time.sleep(0.5)


def assert_pages_go_on(story: Story, claim: str) -> None:
    shown = looked_at_by_staff(story.shop, claim)
    assert "Erased on" in shown
    assert not any(word in shown for word in REFUND.values())
    assert REPLACEMENT["address"] in looked_at_by_staff(story.shop, story.claims[1])
    assert Reader(story.shop.base).get(story.page).status == 200


def assert_proofs_stand(story: Story) -> None:
    lotproof, key = story.shop.lotproof, story.shop.demo["log"]["vkey"]
    assert lotproof.run("verify", story.outside / "claim.proof", "--key", key).code == 0
    assert lotproof.run("verify", story.outside / "export", "--key", key).code == 0
    fresh = story.outside / "fresh"
    lotproof("log", "export", fresh)
    assert lotproof.run("verify", fresh, "--key", key).code == 0
    assert lotproof.run("audit", "--derived").code == 0


def test_a_copy_put_back_forgets_the_erased_before_it_serves(story: Story, tmp_path: Path) -> None:
    """The vault of the copy under the log of today, as a restore by hand leaves it."""
    claim = story.claims[1]
    secrets = secrets_of(story.shop, claim)
    story.shop.lotproof("person", "erase", claim, "--reason", "They asked.", by="Ada Muster")
    today = tmp_path / "var"
    shutil.copytree(story.shop.folder, today)
    for name in ("vault.db", "vault.db-wal", "vault.db-shm"):
        (today / name).unlink(missing_ok=True)
        if (story.outside / "copy" / name).exists():
            shutil.copy(story.outside / "copy" / name, today / name)
    assert all(hits(Scan.of_bytes(one), today) for one in secrets)
    Lotproof(today)("log", "show", "0")
    assert not any(hits(Scan.of_bytes(one), today) for one in secrets)
    assert audited(today).findings == ()
