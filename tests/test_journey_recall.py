"""A company from nothing to a closed recall, by the command line a stranger finds in `--help`, and over HTTP.

Two factories send files of serials; a lot of film turns out to be swapped; a recall opens, is widened and closed; a
buyer scans a label and gets their money; another recall was a mistake and is taken back.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import zxingcpp
from PIL import Image

from tests.company import ADA, BEN, CHINESE, CLEAN, DAMAGED, FILM, GTIN_A, Company, found_company, shipping
from tests.journeys import served
from tests.outsider import check_status, read_log
from tests.reader import Reader

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, vectors: Path) -> Iterator[Company]:
    founded = found_company(tmp_path_factory.mktemp("company") / "var", vectors / "factory")
    with served(founded.folder) as founded.shop:
        yield founded


# --- what was set up


def test_keys_and_folder_are_their_owner_s_alone(company: Company) -> None:
    assert company.folder.stat().st_mode & 0o777 == 0o700
    keys = sorted(company.folder.joinpath("keys").iterdir())
    assert [key.name for key in keys] == ["links.key", "log.pem", "master.key", "units.key"]
    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}


def test_neither_a_second_company_nor_a_demo_goes_into_the_folder(company: Company) -> None:
    again = company.lotproof.run("init", "--account", "Cleo")
    assert again.code == 3
    demo = company.lotproof.run("demo")
    assert demo.code == 3
    assert "not a demo" in demo.error


def test_with_two_accounts_somebody_must_say_who_acts(company: Company) -> None:
    said = company.lotproof.run("material", "register", "--code", "X", "--name", "X")
    assert said.code == 2
    assert ADA in said.error
    assert BEN in said.error


def test_the_file_of_one_factory_is_in_whole(company: Company, vectors: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((vectors / "factory" / CLEAN).read_text())))
    told = company.imported[CLEAN]
    assert told["batches"] == {"25W21-A1": 5_000}
    assert told["problems"] == []
    assert company.lotproof("unit", "list", "25W21-A1") == [row["serial"] for row in rows]
    assert company.status(rows[0]["serial"]) == "not_recalled"


def test_the_file_of_the_other_is_read_in_its_encoding_and_its_unused_columns_are_listed(
    company: Company, vectors: Path
) -> None:
    text = (vectors / "factory" / CHINESE).read_text(encoding="gb18030")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["生产批次"]]  # without the sum row
    told = company.imported[CHINESE]
    assert told["encoding"] == "gb18030"
    assert told["batches"] == {"25W23-B1": 3_000}
    assert {"电芯批次", "备注"} <= set(told["unused_columns"])
    assert company.lotproof("unit", "list", "25W23-B1") == [row["序列号"].strip() for row in rows]


def test_the_files_are_kept_as_they_came_and_named_in_the_log(company: Company, vectors: Path) -> None:
    for name in (CLEAN, CHINESE):
        content = (vectors / "factory" / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        assert (company.folder / "files" / digest[:2] / digest[2:]).read_bytes() == content
        assert digest in json.dumps(company.imported[name]["entries"])


def test_the_same_file_again_is_nothing_new(company: Company, vectors: Path) -> None:
    size = company.size()
    told = company.lotproof("unit", "import", vectors / "factory" / CLEAN, by=ADA)
    assert told["imported_before"] is True
    assert company.size() == size


def test_a_file_that_a_spreadsheet_damaged_is_refused_whole_and_comes_back_with_reasons(
    company: Company, vectors: Path, tmp_path: Path
) -> None:
    file = tmp_path / "from the factory.csv"
    file.write_bytes((vectors / "factory" / DAMAGED).read_bytes())
    size, serials = company.size(), company.lotproof("unit", "list", "25W21-A1")
    said = company.lotproof.run("unit", "import", file, "--as", ADA, "--json")
    assert said.code == 3
    told = said.json
    assert {problem["line"] for problem in told["problems"]} == damaged_lines(file)
    assert all(problem["reason"] for problem in told["problems"])
    assert told["entries"] == []
    assert company.size() == size
    assert company.lotproof("unit", "list", "25W21-A1") == serials
    expect_reasons(file, Path(told["reasons_file"]))


def damaged_lines(file: Path) -> set[int]:
    """The lines in which something is wrong, found by what such a file must be."""
    text, found, seen = file.read_text(encoding="utf-8-sig"), set(), set()
    for line, (serial, batch, made) in enumerate(csv.reader(io.StringIO(text), delimiter=";"), 1):
        is_right = re.fullmatch("[0-9]{12}", serial) and batch == "25W21-A1" and made == "2025-05-20"
        if line > 1 and (not is_right or serial in seen):
            found.add(line)
        seen.add(serial)
    return found


def expect_reasons(file: Path, reasons: Path) -> None:
    """The same rows, untouched, each wrong one with its reason behind it."""
    before = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig")), delimiter=";"))
    after = list(csv.reader(io.StringIO(reasons.read_text(encoding="utf-8-sig")), delimiter=";"))
    assert [row[:3] for row in after] == before
    assert {line for line, row in enumerate(after[1:], 2) if row[3]} == damaged_lines(file)
    assert reasons.parent == file.parent


# --- what is refused


def producing(code: str, made_on: str, lot: str) -> list[str]:
    """The command line of a batch of five."""
    made = ["--product", "VTA", "--factory", "PLANT", "--made-on", made_on, "--quantity", "5"]
    return ["batch", "produce", "--code", code, *made, "--inputs", lot]


BADLY_TYPED = ["--code", "N", "--brand", "T", "--name", "N", "--model", "N", "--gtin", "04099999000013"]
UNHEARD_OF = ["--code", "N", "--hazard", "bad luck", "--statement", "x", "--lots", "F-1"]
WRONG: dict[str, tuple[list[str], str]] = {
    "a mistyped GTIN": (["product", "register", *BADLY_TYPED], "WrongCheckDigit"),
    "an unknown lot": (producing("N-1", "2025-06-01", "F-9=1 m"), "UnknownMaterialLot"),
    "more consumed than received": (producing("N-2", "2025-06-01", "F-3=998 m"), "NotThatMuch"),
    "a batch made before its lot came": (producing("N-3", "2025-05-01", "F-3=1 m"), "LotNotThereYet"),
    "more shipped than made": (shipping("SH-9", "DE", "25W26-A3=31"), "NotThatMany"),
    "an unknown batch": (shipping("SH-9", "DE", "25W99-X=1"), "UnknownBatch"),
    "more units than made": (["unit", "make", "--batch", "25W26-A3", "--count", "1"], "MoreThanMade"),
    "an unknown hazard": (["recall", "draft", *UNHEARD_OF], "UnknownHazard"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_refused_and_leaves_nothing_behind(company: Company, what: str) -> None:
    line, error = WRONG[what]
    size = company.size()
    said = company.lotproof.refused(*line, by=ADA)
    assert said["error"] == error
    assert len(said["message"]) > 20
    assert company.size() == size


def test_held_goods_do_not_ship(company: Company) -> None:
    do = company.lotproof
    produce_held = ["--code", "25W25-H", "--product", "VTB", "--factory", "PLANT", "--made-on", "2025-06-02"]
    do("batch", "produce", *produce_held, "--quantity", 10, by=ADA)
    do("hold", "place", "--batch", "25W25-H", "--reason", "A sample swells.", by=ADA)
    refused = do.refused(*shipping("SH-3", "DE", "25W25-H=1"), by=ADA)
    assert refused["error"] == "BatchHeld"
    do("hold", "release", "--batch", "25W25-H", "--reason", "The sample was of another batch.", by=BEN)
    do(*shipping("SH-3", "DE", "25W25-H=1"), by=ADA)


# --- what was swapped


def test_a_substitution_is_approved_by_somebody_else(company: Company) -> None:
    do = company.lotproof
    do("substitution", "propose", "--code", "S-1", "--material", "FILM", "--product", "VTB", "--declared", FILM,
       "--wanted", "ceramic-coated, 14 µm", "--effective-on", "2025-09-01", "--statement", "Lighter.",
       by=ADA)  # fmt: skip
    decide = ("substitution", "decide", "--code", "S-1", "--decision", "approve", "--statement", "Tested.")
    assert do.refused(*decide, by=ADA)["error"] == "NotApproved"
    do(*decide, by=BEN)
    assert do.refused(*decide, by=BEN)["error"] == "AlreadyDecided"
    [found] = [one for one in do("substitution", "list") if one["code"] == "S-1"]
    assert found["standing"] == "approved"


# --- the story


def test_a_swapped_lot_is_recalled_widened_settled_and_closed(company: Company) -> None:
    find_what_was_swapped(company)
    draft_the_recall(company)
    publish_the_recall(company)
    claim_and_settle(company)
    widen_and_close(company)
    check_as_outsider(company)
    audited = company.lotproof("audit", "--derived")
    assert audited["findings"] == []


def find_what_was_swapped(company: Company) -> None:
    do = company.lotproof
    receipt = do("substitution", "find", "--code", "S-2", "--lots", "F-1", "--known", "uncoated, 12 µm",
                 "--effective-on", "2025-05-02", "--statement", "The laboratory opened cells.", by=ADA)  # fmt: skip
    [entry] = receipt["entries"]
    assert entry["data"]["effective_on"] == "2025-05-02" < entry["at"][:10]
    [found] = [one for one in do("substitution", "list") if one["code"] == "S-2"]
    assert (found["standing"], found["declared"], found["known"]) == ("found", FILM, "uncoated, 12 µm")
    [lot] = [one for one in do("lot", "list") if one["code"] == "F-1"]
    assert lot["declared"] == FILM  # what was declared stands beside it for ever


def draft_the_recall(company: Company) -> None:
    do = company.lotproof
    traced = do("trace", "F-1")
    assert {one["batch"] for one in traced["batches"]} == {"25W21-A1", "25W24-A2"}
    assert (traced["made"], traced["shipped"], traced["by_country"]) == (
        5_040,
        3_510,
        {"DE": 3_000, "FR": 510},
    )
    receipt = do("recall", "draft", "--code", "R-1", "--hazard", "battery_fire", "--statement", "It burns.",
                 "--lots", "F-1", by=ADA)  # fmt: skip
    assert receipt["entries"][0]["data"]["units"] == traced["made"]
    assert company.status("VTA2521000000L") == "not_recalled"
    assert Reader(company.base).get("/en/recalls/R-1").status == 404  # a draft is nobody's business
    assert do.refused("recall", "publish", "--recall", "R-1", by=BEN)["error"] == "NotApproved"
    approve = ("recall", "approve", "--recall", "R-1", "--statement", "Checked.")
    assert do.refused(*approve, by=ADA)["error"] == "SameAuthor"
    do(*approve, by=BEN)
    assert company.status("VTA2521000000L") == "not_recalled"


def publish_the_recall(company: Company) -> None:
    do = company.lotproof
    do("recall", "publish", "--recall", "R-1", by=ADA)
    made, clear = do("unit", "list", "25W24-A2"), do("unit", "list", "25W26-A3")
    for number in ("VTA2521000000L", "vta2521-004999 n", "25W21-A1", "25W24-A2", made[0], made[-1]):
        assert company.status(number) == "recalled", number
    for number in (clear[0], clear[-1], "25W26-A3", "VTB2523000000Q", "25W23-B1"):
        assert company.status(number) == "not_recalled", number
    notice = Reader(company.base).get("/en/recalls/r-1")
    assert notice.status == 200
    for said in ("25W21-A1", "25W24-A2", "Germany", "France", "own shop", "Tallyho GmbH"):
        assert said in notice.says
    assert do.refused(*shipping("SH-4", "DE", "25W21-A1=1"), by=ADA)["error"] == "BatchRecalled"


def claim_and_settle(company: Company) -> None:
    number, do = "VTA2521004999N", company.lotproof
    reader = Reader(company.base, "ar")
    page = reader.follow(reader.get(f"/01/{GTIN_A}/10/25W21-A1/21/{number}"), "/claim/")
    typed = {"remedy": "refund", "country": "FR", "email": "b@mail.example", "payout": "FR76 3000"}
    status = reader.submit(page, page.form("claim").filled(typed))
    assert number in status.says  # as the factory printed it
    reference = status.path.split("/")[3]
    [listed] = do("claim", "list")
    assert (listed["claim"], listed["standing"], listed["country"]) == (reference, "opened", "FR")
    do("claim", "accept", "--claim", reference, by=ADA)
    do("claim", "settle", "--claim", reference, "--amount", "34.90 EUR", by=BEN)
    assert company.status(number) == "settled"
    assert company.status("VTA2521004998V") == "recalled"


def widen_and_close(company: Company) -> None:
    do = company.lotproof
    widening = ("recall", "draft-widening", "--recall", "R-1", "--statement", "The second lot too.", "--lots")
    assert do.refused(*widening, "F-1", by=ADA)["error"] == "NotWider"
    do(*widening, "F-2", by=ADA)
    do("recall", "approve", "--recall", "R-1", "--statement", "Checked again.", by=BEN)
    assert company.status("VTB2523000000Q") == "not_recalled"
    do("recall", "widen", "--recall", "R-1", by=ADA)
    assert company.status("VTB2523000000Q") == "recalled"
    assert company.status("VTB2523002999X") == "recalled"
    do("recall", "close", "--recall", "R-1", "--statement", "All are accounted for.", by=BEN)
    told = Reader(company.base).get("/api/v1/units/VTB2523000000Q").json
    assert (told["status"], told["recalls"][0]["closed"]) == ("recalled", True)
    assert company.status("VTA2521004999N") == "settled"


def check_as_outsider(company: Company) -> None:
    """An auditor with a token reads everything; nobody else does."""
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    issued = company.lotproof.run("token", "issue", "The auditor", "--scope", "see:log", "--until", until)
    assert issued.code == 0, issued.error
    token = next(word for word in issued.out.split() if len(word) > 20)
    reader = Reader(company.base)
    size = int(reader.get("/log/checkpoint").text.split("\n")[1])
    assert size < 256
    assert reader.get(f"/log/tile/0/000.p/{size}").status == 200
    assert reader.get(f"/log/tile/entries/000.p/{size}").status == 401

    def fetch(path: str) -> bytes:
        return reader.get(f"/log/{path}", Authorization=f"Bearer {token}").body

    log = read_log(fetch, company.vkey)
    assert log.entries[0]["data"]["demo"] is False
    files = company.folder / "files"
    assert check_status(log, lambda name: (files / name[:2] / name[2:]).read_bytes()) > 20


def test_a_recall_that_was_a_mistake_is_taken_back_and_says_so(company: Company) -> None:
    do = company.lotproof
    [*_, number] = do("unit", "list", "25W26-A3")
    do("recall", "draft", "--code", "R-2", "--hazard", "battery_fire", "--statement", "Smoke.",
       "--batches", "25W26-A3", by=BEN)  # fmt: skip
    do("recall", "approve", "--recall", "R-2", "--statement", "Checked.", by=ADA)
    do("recall", "publish", "--recall", "R-2", by=BEN)
    assert company.status(number) == "recalled"
    do("recall", "retract", "--recall", "R-2", "--statement", "The smoke came from the oven.", by=ADA)
    assert company.status(number) == "not_recalled"
    reader = Reader(company.base)
    answer = reader.get(f"/s/{number}")
    notice = reader.follow(answer, "/recalls/R-2")
    assert notice.status == 200
    assert "is-recalled" not in " ".join(given.get("class", "") for _, given in notice.read.tags)
    assert do.refused("recall", "retract", "--recall", "R-2", "--statement", "x", by=ADA)["error"]


# --- from the printed label


def test_a_printed_label_leads_to_the_answer_of_its_unit(company: Company) -> None:
    [number, *_] = company.lotproof("unit", "list", "25W24-A2")
    staff = Reader(company.base)
    door = staff.get("/console/")
    inside = staff.submit(door, door.form().filled({"name": ADA, "password": company.password}))
    assert inside.status == 200
    batch = staff.follow(staff.get("/console/batches"), batch_address(company, "25W24-A2"))
    for serial, name in ((number, "25W24-A2"), ("VTA2521000000L", "25W21-A1")):
        address = f"{batch_address(company, name)}/labels/{serial}.png"
        picture = staff.get(address)
        assert picture.headers["content-type"] == "image/png"
        [code] = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture.body)))
        assert code.text == f"HTTPS://LOTS.EXAMPLE/01/{GTIN_A}/10/{name}/21/{serial}"
        answer = Reader(company.base).get(urlsplit(code.text).path)
        assert answer.status == 200
        assert name in answer.says
        assert company.status(serial) in ("recalled", "not_recalled")
        assert Reader(company.base).get(address).headers["content-type"].startswith("text/html")  # the door
    assert batch.status == 200


def batch_address(company: Company, code: str) -> str:
    """The batch's page in the console."""
    [entry, *_] = company.lotproof("batch", "show", code)["history"]
    assert entry["kind"] == "batch.produced/1"
    return f"/console/batches/{entry['data']['batch']}"
