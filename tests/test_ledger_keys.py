"""ledger.keys.keys: made once, closed to others, never overwritten."""

import shutil
import stat
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ledger.durable import write_new
from ledger.errors import LedgerError
from ledger.keys.keys import KeyDamaged, KeyLocked, KeyMissing, Keys, KeysExist, KeyTooOpen, KeyUnreadable
from ledger.log.note import Signer

ORIGIN = "lots.example/log"
NAMES = ["links.key", "log.pem", "master.key", "units.key"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_keys_are_opened_as_they_were_created(folder: Path) -> None:
    created = Keys.create(folder, ORIGIN)
    opened = Keys.open(folder)
    assert (opened.units, opened.links, opened.master) == (created.units, created.links, created.master)
    assert opened.signer.to_text() == created.signer.to_text()
    assert opened.signer.name == ORIGIN


def test_every_key_is_32_bytes_and_differs_from_every_other(tmp_path: Path) -> None:
    keys = [Keys.create(tmp_path / name, ORIGIN) for name in ("one", "two")]
    secret = [value for key in keys for value in (key.units, key.links, key.master)]
    assert {len(value) for value in secret} == {32}
    assert len(set(secret)) == 6
    assert keys[0].signer.to_text() != keys[1].signer.to_text()


def test_files_have_mode_600_and_the_folder_700(folder: Path) -> None:
    Keys.create(folder, ORIGIN)
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_whoever_copies_the_folder_without_the_master_key_has_no_key(folder: Path, tmp_path: Path) -> None:
    keys = Keys.create(folder, ORIGIN, master_key_file=tmp_path / "master")
    content = b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
    for secret in (keys.signer.seed, keys.units, keys.links):
        for form in (secret, secret.hex().encode(), b64encode(secret)):
            assert form not in content
    (tmp_path / "master").write_text("07" * 32 + "\n")
    with pytest.raises(KeyLocked, match=r"log\.pem"):
        Keys.open(folder, master_key_file=tmp_path / "master")


def test_the_log_key_opens_with_the_master_key_as_passphrase(folder: Path) -> None:
    keys = Keys.create(folder, ORIGIN)
    vkey, _, pem = (folder / "log.pem").read_text().partition("\n")
    opened = load_pem_private_key(pem.encode(), (folder / "master.key").read_bytes().strip())
    assert isinstance(opened, Ed25519PrivateKey)
    assert opened.private_bytes_raw() == keys.signer.seed
    assert vkey == keys.signer.verifier.to_text()


@pytest.mark.parametrize("name", ["units.key", "links.key"])
def test_a_wrapped_key_opens_under_its_own_name_alone(folder: Path, name: str) -> None:
    Keys.create(folder, ORIGIN)
    other = next(one for one in ("units.key", "links.key") if one != name)
    (folder / other).write_bytes((folder / name).read_bytes())
    with pytest.raises(KeyLocked, match=other):
        Keys.open(folder)


def test_a_changed_byte_is_refused_or_changes_no_key(folder: Path) -> None:
    keys, refused = Keys.create(folder, ORIGIN), 0
    for name in ("log.pem", "units.key"):
        whole = (folder / name).read_bytes()
        for place in range(0, len(whole), 3):
            (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            try:
                opened = Keys.open(folder)
            except (KeyDamaged, KeyLocked):
                refused += 1
            else:
                assert (opened.signer.seed, opened.units) == (keys.signer.seed, keys.units)
        (folder / name).write_bytes(whole)
    assert refused > 100


def former(folder: Path) -> tuple[Signer, bytes, bytes]:
    """A folder as it was before keys were encrypted."""
    signer, units, links = Signer.generate(ORIGIN), b"u" * 32, b"l" * 32
    folder.mkdir(mode=0o700)
    for name, text in {
        "log.key": signer.to_text(),
        "units.key": units.hex(),
        "links.key": links.hex(),
        "master.key": "07" * 32,
    }.items():
        write_new(folder / name, f"{text}\n".encode())
    return signer, units, links


def test_keys_of_the_former_form_are_taken_over(folder: Path) -> None:
    signer, units, links = former(folder)
    for _ in range(2):
        keys = Keys.open(folder)
        assert (keys.signer.seed, keys.units, keys.links) == (signer.seed, units, links)
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    assert units.hex().encode() not in content
    assert signer.to_text().encode() not in content


@pytest.mark.parametrize("done", range(4))
def test_a_crash_while_keys_are_taken_over_loses_none(folder: Path, tmp_path: Path, done: int) -> None:
    signer, units, links = former(folder)
    whole = tmp_path / "whole"
    shutil.copytree(folder, whole)
    Keys.open(whole)
    # What a crash leaves: the first of these steps are done, and a file that was begun stands beside.
    steps = ("log.pem", "", "units.key", "links.key")
    for name in steps[:done]:
        if name:
            (folder / name).write_bytes((whole / name).read_bytes())
            (folder / name).chmod(0o600)
        else:
            (folder / "log.key").unlink()
    (folder / "units.key.new").write_bytes(b"torn")
    keys = Keys.open(folder)
    assert (keys.signer.seed, keys.units, keys.links) == (signer.seed, units, links)
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".new") == NAMES


def test_keys_are_never_overwritten(folder: Path) -> None:
    Keys.create(folder, ORIGIN)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(KeysExist, match=str(folder)):
        Keys.create(folder, ORIGIN)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["keys"]


def test_a_folder_with_anything_in_it_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "units.key").touch()
    with pytest.raises(KeysExist):
        Keys.create(folder, ORIGIN)
    assert [path.name for path in folder.iterdir()] == ["units.key"]


def test_an_empty_folder_is_filled_and_closed(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    Keys.create(folder, ORIGIN)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_keys_do_not_show_in_a_repr(folder: Path) -> None:
    keys = Keys.create(folder, ORIGIN)
    for text in (repr(keys), repr(keys.signer)):
        assert keys.units.hex() not in text
        assert keys.signer.to_text() not in text
    assert repr(keys.master) not in repr(keys)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_key_is_named(folder: Path, name: str) -> None:
    Keys.create(folder, ORIGIN)
    (folder / name).unlink()
    with pytest.raises(KeyMissing, match=name):
        Keys.open(folder)


def test_a_missing_folder_is_a_missing_key(folder: Path) -> None:
    with pytest.raises(KeyMissing):
        Keys.open(folder)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_open_to_others_is_refused(folder: Path, name: str, mode: int) -> None:
    Keys.create(folder, ORIGIN)
    (folder / name).chmod(mode)
    with pytest.raises(KeyTooOpen, match="chmod"):
        Keys.open(folder)


def test_a_folder_open_to_others_is_refused(folder: Path) -> None:
    Keys.create(folder, ORIGIN)
    folder.chmod(0o750)
    with pytest.raises(KeyTooOpen):
        Keys.open(folder)


def test_a_link_in_a_keys_place_is_refused(folder: Path) -> None:
    Keys.create(folder, ORIGIN)
    (folder / "units.key").rename(folder / "elsewhere")
    (folder / "units.key").symlink_to(folder / "elsewhere")
    with pytest.raises(KeyUnreadable, match=r"units\.key"):
        Keys.open(folder)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff" * 32, id="not text"),
        pytest.param(b"ab" * 31 + b"\n", id="too short"),
        pytest.param(b"AB" * 32 + b"\n", id="capitals"),
        pytest.param(b"ab" * 33 + b"\n", id="too long"),
        pytest.param(b"ab" * 32 + b"\n\n", id="two lines"),
    ],
)
def test_a_damaged_key_is_named_and_not_quoted(folder: Path, name: str, content: bytes) -> None:
    Keys.create(folder, ORIGIN)
    (folder / name).write_bytes(content)
    with pytest.raises(KeyDamaged, match=name) as refusal:
        Keys.open(folder)
    assert "abab" not in str(refusal.value).lower()


def test_the_master_key_can_be_made_elsewhere(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "master"
    created = Keys.create(folder, ORIGIN, master_key_file=elsewhere)
    assert elsewhere.read_text() == created.master.hex() + "\n"
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600
    assert not (folder / "master.key").exists()
    assert Keys.open(folder, master_key_file=elsewhere).master == created.master


def test_a_master_key_that_stands_elsewhere_already_is_taken_over(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "master"
    elsewhere.write_text("07" * 32 + "\n")
    elsewhere.chmod(0o600)
    assert Keys.create(folder, ORIGIN, master_key_file=elsewhere).master == b"\x07" * 32


def test_a_lost_master_key_is_not_replaced_beside_existing_keys(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "master"
    Keys.create(folder, ORIGIN, master_key_file=elsewhere)
    elsewhere.unlink()
    with pytest.raises(KeysExist):
        Keys.create(folder, ORIGIN, master_key_file=elsewhere)
    assert not elsewhere.exists()
    with pytest.raises(KeyMissing):
        Keys.open(folder, master_key_file=elsewhere)


@pytest.mark.parametrize("origin", ["", "lots example", "lots+example"])
def test_an_origin_that_cannot_name_a_key_leaves_no_keys(folder: Path, origin: str) -> None:
    with pytest.raises((ValueError, LedgerError)):
        Keys.create(folder, origin)
    assert not folder.exists()
