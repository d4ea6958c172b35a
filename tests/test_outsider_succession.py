"""A log goes on under a new name: an outsider who has the old key follows, or is stopped where no statement leads on.

The outsider is `tests.outsider`, which knows the specifications and nothing of the product; beside it stands what
`lotproof verify` says of the same files. Forgeries are whole: a forger who holds the new key chains the entries anew,
makes the tiles and signs the checkpoints, so that nothing but the one lie can give them away.
"""

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ledger.cli.verify import verify
from ledger.custody.succession import succeed
from ledger.database import connect, migrate
from ledger.journal.carrying import carry_in
from ledger.journal.journal import By
from ledger.journal.key_changes import retire_key, rotate_key
from ledger.journal.opening import open_ledger
from ledger.log.directory import export
from ledger.log.layout import CHECKPOINT, CHECKPOINTS, Directory, FileDiffers, frame_note
from ledger.log.note import Signer, sign_note, split_note
from ledger.settings import Settings
from ledger.state import open_state
from ledger.trace.bill_of_materials import RegisterMaterial
from portal.app import create_app
from portal.live import Live
from portal.proofs import proofs
from tests.outsider import (
    TILE,
    Fetch,
    Log,
    Untrue,
    check_proof,
    leaf_hash,
    open_checkpoint,
    read_entries,
    read_key_list,
    read_log,
    read_proof,
    tile_path,
    tiles_of,
    tree_hash,
)
from tests.world import ADA, World

OLD, NEW, NEWER = "localhost:8000/log", "localhost:8000/log-2", "localhost:8000/log-3"
WHY = "The machine and its last backup burned."
FILM, CELL, FOIL = (RegisterMaterial(code=code, name=code.title()) for code in ("FILM", "CELL", "FOIL"))


# --- what happens to a log


@dataclass
class Company:
    """A seller whose log changes its name and its keys; `signers` are all that it ever had, in order."""

    world: World
    signers: list[Signer]

    @classmethod
    def begin(cls, folder: Path) -> "Company":
        world = World.begin(folder)
        world.ledger.settings.init()
        world.do(FILM)
        return cls(world, [world.ledger.keys.signer])

    @property
    def data(self) -> Path:
        return self.world.ledger.settings.data

    def vkeys(self) -> list[str]:
        return [one.verifier.to_text() for one in self.signers]

    def loses_what_comes_next(self) -> str:
        """Two writes are published and gone for good; gives the last checkpoint that somebody kept."""
        self.world.ledger.close()
        older = shutil.copy(self.data / "lotproof.db", self.data.parent / "older.db")
        self.world.reopen()
        self.world.do(CELL)
        self.world.do(FOIL)
        late = self.world.standing().note
        self.world.ledger.close()
        for suffix in ("-wal", "-shm"):
            Path(f"{self.data}/lotproof.db{suffix}").unlink(missing_ok=True)
        shutil.copy(older, self.data / "lotproof.db")
        return late

    def loses_its_key(self, name: str = "log.pem") -> None:
        self.world.ledger.close()
        (self.data / "keys" / name).unlink()

    def goes_on_as(self, origin: str, *, keys_are_lost: bool = False) -> None:
        """Succeeded, and something recorded under the new name."""
        world = self.world
        world.ledger.close()
        settings = Settings.from_env({"LOTPROOF_DATA": str(self.data)})
        # Whether there is a loss or none.
        how: dict[str, Any] = {"keys_are_lost": keys_are_lost, "nothing_is_lost": True}
        succeed(settings, origin=origin, reason=WHY, clock=world.clock, **how)
        renamed = Settings.from_env({"LOTPROOF_DATA": str(self.data)})
        world.ledger = open_ledger(renamed, clock=world.clock)
        self.signers.append(world.ledger.keys.signer)
        world.do(RegisterMaterial(code=f"M{world.size()}", name="Glue"))

    def rotates(self) -> None:
        rotate_key(self.world.ledger, "A year has passed.", By(ADA))
        newest = {one.verifier: one for one in self.world.ledger.keys.signers()}
        [signer] = [one for verifier, one in newest.items() if verifier.to_text() not in self.vkeys()]
        self.signers.append(signer)

    def retires(self) -> None:
        retire_key(self.world.ledger, "Every auditor has the new one.", By(ADA))

    def exports(self, folder: Path) -> Path:
        newest = self.vkeys()[-1]
        self.world.read(lambda connection: export(connection, folder, newest))
        return folder


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    company = Company.begin(tmp_path / "var")
    yield company
    company.world.close()


# --- who looks


def from_folder(folder: Path) -> Fetch:
    return lambda path: (folder / path).read_bytes()


def product_says(folder: Path, vkey: str) -> tuple[int, str]:
    result = CliRunner().invoke(verify, [str(folder), "--key", vkey])
    return result.exit_code, result.output


def both_accept(folder: Path, *vkeys: str) -> Log:
    """The outsider and the product take an export for true, by whichever of the keys."""
    for vkey in vkeys:
        log = read_log(from_folder(folder), vkey)
        code, said = product_says(folder, vkey)
        assert code == 0, said
    return log


def both_refuse(folder: Path, *vkeys: str, because: str) -> None:
    for vkey in vkeys:
        with pytest.raises(Untrue, match=because):
            read_log(from_folder(folder), vkey)
        code, said = product_says(folder, vkey)
        assert code == 1, said


NO_WAY = "no statement leads from the key that we trust to the new one"


@pytest.mark.parametrize("is_lossy", [False, True])
def test_whoever_trusts_the_first_key_follows_a_succession_that_it_signed(
    company: Company, tmp_path: Path, is_lossy: bool
) -> None:
    late = company.loses_what_comes_next() if is_lossy else company.world.standing().note
    company.goes_on_as(NEW)
    log = both_accept(company.exports(tmp_path / "log"), *company.vkeys())
    assert log.checkpoint.origin == NEW
    [entry] = log.events("log.succeeded/1")
    known = open_checkpoint(late.encode(), company.vkeys()[0])
    assert entry["data"]["last"] == {"origin": OLD, "root": known.root.hex(), "size": known.size}
    assert (entry["data"]["kept"] < known.size) == is_lossy
    stranger = Signer.generate(OLD).verifier.to_text()
    both_refuse(tmp_path / "log", stranger, because="none of this log's")


@pytest.mark.parametrize("is_lossy", [False, True])
def test_where_the_old_key_is_lost_only_the_new_one_is_a_beginning(
    company: Company, tmp_path: Path, is_lossy: bool
) -> None:
    if is_lossy:
        company.loses_what_comes_next()
    company.loses_its_key()
    company.goes_on_as(NEW, keys_are_lost=True)
    first, second = company.vkeys()
    folder = company.exports(tmp_path / "log")
    both_accept(folder, second)
    both_refuse(folder, first, because=NO_WAY)


def test_a_rotation_after_a_succession_is_followed_from_every_key_before_it(
    company: Company, tmp_path: Path
) -> None:
    company.goes_on_as(NEW)
    company.rotates()
    both_accept(company.exports(tmp_path / "overlap"), *company.vkeys())
    company.retires()
    company.world.do(CELL)
    both_accept(company.exports(tmp_path / "later"), *company.vkeys())


def test_a_rotation_after_a_lost_key_is_followed_from_the_new_one_alone(
    company: Company, tmp_path: Path
) -> None:
    company.loses_its_key()
    company.goes_on_as(NEW, keys_are_lost=True)
    company.rotates()
    first, *others = company.vkeys()
    overlap = company.exports(tmp_path / "overlap")
    company.retires()
    for folder in (overlap, company.exports(tmp_path / "later")):
        both_accept(folder, *others)
        both_refuse(folder, first, because=NO_WAY)


def test_a_succession_in_the_overlap_is_signed_by_three_and_followed_from_each(
    company: Company, tmp_path: Path
) -> None:
    company.rotates()
    company.goes_on_as(NEW)
    log = both_accept(company.exports(tmp_path / "log"), *company.vkeys())
    [entry] = log.events("log.succeeded/1")
    assert entry["data"]["statement"].count("\n— ") == 3


@pytest.mark.parametrize("lost", ["log.pem", "log.previous.pem"])
def test_of_two_keys_of_an_overlap_one_alone_vouches_for_nothing(
    company: Company, tmp_path: Path, lost: str
) -> None:
    """Both have to sign: whoever stole one of them must not lead those astray who trust the other."""
    company.rotates()
    company.loses_its_key(lost)
    company.goes_on_as(NEW, keys_are_lost=True)
    *old, new = company.vkeys()
    folder = company.exports(tmp_path / "log")
    [entry] = both_accept(folder, new).events("log.succeeded/1")
    assert entry["data"]["statement"].count("\n— ") == 2
    both_refuse(folder, *old, because=NO_WAY)


def test_of_two_successions_each_is_a_step_of_its_own(company: Company, tmp_path: Path) -> None:
    company.goes_on_as(NEW)
    company.loses_its_key()
    company.goes_on_as(NEWER, keys_are_lost=True)
    first, second, third = company.vkeys()
    folder = company.exports(tmp_path / "log")
    both_accept(folder, third)
    both_refuse(folder, first, second, because=NO_WAY)


# --- over HTTP, with the list of keys


def served(company: Company) -> Fetch:
    """What is served under /log/, the entries too."""
    ledger = company.world.ledger
    opened = replace(ledger, settings=replace(ledger.settings, log_entries="open"))
    app = create_app(Live(opened, open_state(None)), secret_key="test")
    app.register_blueprint(proofs)
    client = app.test_client()

    def fetch(path: str) -> bytes:
        answer = client.get(f"/log/{path}")
        assert answer.status_code == 200, (path, answer.status)
        return bytes(answer.data)

    return fetch


def test_what_is_served_leads_an_outsider_from_the_first_key_to_the_newest(company: Company) -> None:
    old_proof = read_proof(served(company)("proof/2"))
    company.rotates()
    company.goes_on_as(NEW)
    company.rotates()
    company.retires()
    fetch = served(company)
    log = read_log(fetch, company.vkeys()[0])
    keys = read_key_list(fetch("keys").decode())
    assert [one.vkey.text for one in keys] == company.vkeys()
    assert [one.is_vouched for one in keys] == [False, True, True, True]
    assert fetch("vkey").decode().strip() == company.vkeys()[-1]
    new_proof = read_proof(fetch("proof/2"))
    for proof, origin in ((old_proof, OLD), (new_proof, NEW)):
        assert check_proof(proof, log.bodies[2], company.vkeys()[0], keys=keys).origin == origin
    with pytest.raises(Untrue):
        check_proof(new_proof, log.bodies[2], company.vkeys()[0])
    assert check_proof(new_proof, log.bodies[2], company.vkeys()[-1]).origin == NEW


def test_the_list_of_keys_says_that_nothing_leads_over_a_lost_key(company: Company) -> None:
    company.loses_its_key()
    company.goes_on_as(NEW, keys_are_lost=True)
    fetch = served(company)
    first, second = company.vkeys()
    read_log(fetch, second)
    keys = read_key_list(fetch("keys").decode())
    assert [one.is_vouched for one in keys] == [False, False]
    proof, body = read_proof(fetch("proof/2")), read_log(fetch, second).bodies[2]
    check_proof(proof, body, second, keys=keys)
    with pytest.raises(Untrue, match=NO_WAY):
        check_proof(proof, body, first, keys=keys)


# --- forgeries


@dataclass(frozen=True)
class Case:
    """A true export of a log that was succeeded, and the keys of both names."""

    folder: Path
    old: Signer
    new: Signer

    def data(self) -> dict[str, Any]:
        """What the entry of the succession says."""
        return dict(self._entries()[self.place()]["data"])

    def place(self) -> int:
        return [one["kind"] for one in self._entries()].index("log.succeeded/1")

    def bodies(self) -> list[bytes]:
        size = int(split_note((self.folder / CHECKPOINT).read_text())[0].split("\n")[1])
        return read_entries(from_folder(self.folder), size)

    def _entries(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies()]

    def forged(self, to: Path, data: dict[str, Any], *, signer: Signer | None = None) -> Path:
        """The export with another succession in it, whole again: chained, hashed, and signed by the forger."""
        entries, bodies = self._entries(), self.bodies()
        place = self.place()
        entries[place]["data"] = data
        for index in range(place, len(bodies)):
            entries[index]["prev"] = leaf_hash(bodies[index - 1]).hex()
            written = json.dumps(entries[index], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            bodies[index] = written.encode()
        shutil.copytree(self.folder, to)
        _write_tiles(to, bodies)
        _sign_anew(to, bodies, place, data["origin"], signer or self.new)
        return to


def _write_tiles(folder: Path, bodies: list[bytes]) -> None:
    assert len(bodies) < TILE  # one bundle, and one tile beside it
    [(number, width)] = tiles_of(len(bodies), 0)
    bundle = b"".join(len(body).to_bytes(2, "big") + body for body in bodies)
    (folder / tile_path("entries", number, width)).write_bytes(bundle)
    (folder / tile_path(0, number, width)).write_bytes(b"".join(map(leaf_hash, bodies)))


def _sign_anew(folder: Path, bodies: list[bytes], place: int, origin: str, signer: Signer) -> None:
    """Every checkpoint that covers the forged entry."""
    notes = []
    for one in Directory(folder).notes():
        root = tree_hash([leaf_hash(body) for body in bodies[: one.size]])
        text = f"{origin}\n{one.size}\n{base64.b64encode(root).decode()}\n"
        notes.append(sign_note(text, signer) if one.size > place else one.note)
    (folder / CHECKPOINTS).write_bytes(b"".join(map(frame_note, notes)))
    (folder / CHECKPOINT).write_text(notes[-1])


def text_of(data: dict[str, Any]) -> str:
    """The statement that belongs to what an entry says."""
    last = data["last"]
    root = base64.b64encode(bytes.fromhex(last["root"])).decode()
    lines = [last["origin"], f"{last['size']} {root}", str(data["kept"]), data["origin"], data["vkey"]]
    return "".join(f"{line}\n" for line in ["lotproof/succession/1", *lines])


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("succeeded")
    company = Company.begin(folder / "var")
    company.world.do(CELL)
    company.goes_on_as(NEW)
    yield Case(company.exports(folder / "log"), *company.signers)
    company.world.close()


Forgery = Callable[[Case, dict[str, Any]], dict[str, Any]]


def signed_again(case: Case, data: dict[str, Any], *also: Signer) -> dict[str, Any]:
    """What an entry says, with the statement that says the same, signed by both keys."""
    return {**data, "statement": sign_note(text_of(data), case.old, case.new, *also)}


def nothing(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    return signed_again(case, data)


def the_old_signature_left_out(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "statement": sign_note(text_of(data), case.new)}


def the_new_signature_left_out(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "statement": sign_note(text_of(data), case.old)}


def a_signature_of_another_text(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    other = sign_note(text_of({**data, "kept": data["kept"] + 1}), case.old)
    return {**data, "statement": sign_note(text_of(data), case.new) + other.rpartition("\n\n")[2]}


def another_number_kept_in_the_statement(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "statement": signed_again(case, {**data, "kept": data["kept"] - 1})["statement"]}


def another_number_kept_in_both(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    return signed_again(case, {**data, "kept": data["kept"] - 1})


def another_old_origin_in_the_statement(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    other = {**data, "last": {**data["last"], "origin": "other.example/log"}}
    return {**data, "statement": signed_again(case, other)["statement"]}


def another_old_origin_in_both(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    return signed_again(case, {**data, "last": {**data["last"], "origin": "other.example/log"}})


def another_new_origin_in_the_statement(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "statement": signed_again(case, {**data, "origin": NEWER})["statement"]}


def another_new_origin_in_both(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    return signed_again(case, {**data, "origin": NEWER})


def another_new_key_in_the_statement(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    other = Signer.generate(NEW)
    return {
        **data,
        "statement": signed_again(case, {**data, "vkey": other.verifier.to_text()}, other)["statement"],
    }


def another_size_of_the_last_checkpoint_in_the_statement(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    other = {**data, "last": {**data["last"], "size": data["last"]["size"] + 1}}
    return {**data, "statement": signed_again(case, other)["statement"]}


def another_root_of_the_last_checkpoint_in_the_statement(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    other = {**data, "last": {**data["last"], "root": "ab" * 32}}
    return {**data, "statement": signed_again(case, other)["statement"]}


def a_rotation_s_statement(case: Case, data: dict[str, Any]) -> dict[str, Any]:
    text = f"lotproof/key-rotation/1\n{OLD}\n{case.old.verifier.to_text()}\n{data['vkey']}\n"
    return {**data, "statement": sign_note(text, case.old, case.new)}


FORGERIES: dict[Forgery, str] = {
    the_new_signature_left_out: "without the new signature",
    a_signature_of_another_text: "the signature is wrong",
    another_number_kept_in_the_statement: "about another succession",
    another_number_kept_in_both: "of another log",
    another_old_origin_in_the_statement: "about another succession",
    another_old_origin_in_both: "of another log",
    another_new_origin_in_the_statement: "about another succession",
    another_new_origin_in_both: "without the new signature",
    another_new_key_in_the_statement: "about another succession",
    another_size_of_the_last_checkpoint_in_the_statement: "about another succession",
    another_root_of_the_last_checkpoint_in_the_statement: "about another succession",
    a_rotation_s_statement: "about another succession",
}


def test_what_is_written_again_with_nothing_changed_is_true(case: Case, tmp_path: Path) -> None:
    """The forger's tools add no fault of their own."""
    folder = case.forged(tmp_path / "log", nothing(case, case.data()))
    assert from_folder(folder)(CHECKPOINT) == from_folder(case.folder)(CHECKPOINT)
    both_accept(folder, case.old.verifier.to_text(), case.new.verifier.to_text())


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_succession_that_is_not_what_its_statement_says_is_refused_whoever_is_trusted(
    case: Case, tmp_path: Path, forgery: Forgery
) -> None:
    folder = case.forged(tmp_path / "log", forgery(case, case.data()))
    both_refuse(folder, case.old.verifier.to_text(), case.new.verifier.to_text(), because=FORGERIES[forgery])


def test_without_the_old_signature_nobody_comes_from_the_old_key(case: Case, tmp_path: Path) -> None:
    """Whoever has the database, and not the old key, can begin a succession; but nobody is led there."""
    folder = case.forged(tmp_path / "log", the_old_signature_left_out(case, case.data()))
    both_accept(folder, case.new.verifier.to_text())
    both_refuse(folder, case.old.verifier.to_text(), because=NO_WAY)


def test_a_name_that_the_log_had_is_not_taken_again(case: Case, tmp_path: Path) -> None:
    again = Signer.generate(OLD)
    data = {**case.data(), "origin": OLD, "vkey": again.verifier.to_text()}
    data["statement"] = sign_note(text_of(data), case.old, again)
    folder = case.forged(tmp_path / "log", data, signer=again)
    both_refuse(folder, case.old.verifier.to_text(), again.verifier.to_text(), because="had before")


def test_a_checkpoint_that_the_succession_says_was_known_is_of_the_same_tree(
    case: Case, tmp_path: Path
) -> None:
    """Of entries that all were kept the root can be computed: another one says that history was rewritten."""
    data = case.data()
    assert data["last"]["size"] <= data["kept"]
    lie = signed_again(case, {**data, "last": {**data["last"], "root": "ab" * 32}})
    folder = case.forged(tmp_path / "log", lie)
    both_refuse(folder, case.old.verifier.to_text(), case.new.verifier.to_text(), because="another root")


def test_of_a_later_part_too_nothing_is_taken_over_that_names_another_last_checkpoint(
    company: Company, tmp_path: Path
) -> None:
    """A mirror that holds the entries up to the succession reads none of them again: their root is asked for."""
    early = company.exports(tmp_path / "early")
    company.goes_on_as(NEW)
    case = Case(company.exports(tmp_path / "log"), *company.signers)
    data = case.data()
    lie = signed_again(case, {**data, "last": {**data["last"], "root": "ab" * 32}})
    forged = case.forged(tmp_path / "forged", lie)
    engine = connect(None)
    migrate(engine, "lotproof")
    how = (engine, case.old.verifier, company.world.ledger.files.read)
    kept = carry_in(early, *how).checkpoint.size
    with pytest.raises(FileDiffers, match=f"entry {data['kept']} names another root"):
        carry_in(forged, *how)
    assert carry_in(case.folder, *how).kept == kept == data["kept"]
    engine.dispose()


def old_alone(case: Case) -> tuple[str, tuple[Signer, ...]]:
    return OLD, (case.old,)


def old_under_the_new_name(case: Case) -> tuple[str, tuple[Signer, ...]]:
    return NEW, (case.old,)


def both(case: Case) -> tuple[str, tuple[Signer, ...]]:
    return NEW, (case.old, case.new)


def new_under_the_old_name(case: Case) -> tuple[str, tuple[Signer, ...]]:
    return OLD, (case.new,)


@pytest.mark.parametrize("how", [old_alone, old_under_the_new_name, both, new_under_the_old_name])
def test_after_a_succession_the_new_key_signs_alone_and_under_the_new_name(
    case: Case, tmp_path: Path, how: Callable[[Case], tuple[str, tuple[Signer, ...]]]
) -> None:
    folder = shutil.copytree(case.folder, tmp_path / "log")
    origin, signers = how(case)
    notes = [one.note for one in Directory(folder).notes()]
    forged = sign_note(f"{origin}\n" + split_note(notes[-1])[0].partition("\n")[2], *signers)
    (folder / CHECKPOINTS).write_bytes(b"".join(map(frame_note, [*notes[:-1], forged])))
    (folder / CHECKPOINT).write_text(forged)
    because = "another log" if how is new_under_the_old_name else "other keys signed than had to"
    both_refuse(folder, case.old.verifier.to_text(), case.new.verifier.to_text(), because=because)


# --- forged lists of keys


def list_of(case: Case, data: dict[str, Any]) -> str:
    """The list of keys with the statement of an entry."""
    kept, old, new = case.data()["kept"], case.old.verifier.to_text(), case.new.verifier.to_text()
    return f"lotproof/keys/1\n1 {kept} {old}\n{kept + 1} - {new}\n\n{data['statement']}"


def test_a_list_with_the_true_statement_leads_to_the_new_key(case: Case) -> None:
    data = case.data()
    assert [one.is_vouched for one in read_key_list(list_of(case, data))] == [False, True]
    alone = the_old_signature_left_out(case, data)
    assert [one.is_vouched for one in read_key_list(list_of(case, alone))] == [False, False]


LISTED = (
    the_new_signature_left_out,
    a_signature_of_another_text,
    another_number_kept_in_the_statement,
    another_old_origin_in_the_statement,
    another_new_origin_in_the_statement,
    another_new_key_in_the_statement,
)


@pytest.mark.parametrize("forgery", LISTED)
def test_a_list_whose_statement_says_something_else_is_refused(case: Case, forgery: Forgery) -> None:
    with pytest.raises(Untrue):
        read_key_list(list_of(case, forgery(case, case.data())))
