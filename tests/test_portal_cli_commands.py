"""The command line as people type it: what is recorded, listed, shown, and refused."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ledger import nouns
from ledger.database import reading
from ledger.files import Files
from ledger.journal.asking import is_for_people, questions
from ledger.journal.opening import open_ledger
from ledger.journal.registry import COMMANDS
from ledger.log import store
from ledger.settings import Settings
from portal.cli import GROUPS, main
from portal.cli_commands import parts_of

Lotproof = Callable[..., Result]

REGISTERED = (
    "party register --code F --name Factory --role factory --country CN",
    "party register --code S --name Supplier --role supplier --country CN",
    "product register --code VS --brand Voltaro --name Slim --model VS-10 --gtin 4012345000016",
    "material register --code FILM --name Film",
    "lot receive --code SF-0412 --supplier-code X --supplier S --material FILM --declared coated "
    "--occurred-on 2025-05-01",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company with one account, a product and a lot; tests work on copies."""
    folder = tmp_path_factory.mktemp("company") / "var"
    typed = typing_in(folder)
    assert typed("init", "--account", "Ada").exit_code == 0
    for line in REGISTERED:
        more = ["--quantity", "5000 m"] if line.startswith("lot") else []
        assert typed(*line.split(), *more).exit_code == 0, line
    return folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "var"))


@pytest.fixture
def lotproof(data: Path) -> Lotproof:
    return typing_in(data)


def typing_in(data: Path) -> Lotproof:
    """Types a command; `LOTPROOF_DATA` is the company's folder."""

    def typed(*words: str, env: Mapping[str, str] | None = None) -> Result:
        found = CliRunner().invoke(main, words, env={"LOTPROOF_DATA": str(data), **(env or {})})
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return typed


def size(data: Path) -> int:
    ledger = open_ledger(Settings(data=data, host="localhost:8000"))
    with reading(ledger.engine) as connection:
        count = store.size(connection)
    ledger.close()
    return count


BATCH = (
    *("batch", "produce", "--code", "25W21-A1", "--product", "VS", "--factory", "F"),
    *("--made-on", "2025-05-20", "--quantity", "20000", "--inputs", "SF-0412=1200 m", "--line", "3"),
)


def test_what_is_recorded_is_said_in_one_line(lotproof: Lotproof) -> None:
    found = lotproof(*BATCH)
    assert found.exit_code == 0
    assert found.stdout.endswith(
        " batch.produced: 25W21-A1, line 3, made_on 2025-05-20, quantity 20000, inputs 1\n"
    )


def test_a_receipt_in_json_holds_the_entries_as_recorded(lotproof: Lotproof, data: Path) -> None:
    [entry] = json.loads(lotproof(*BATCH, "--json").stdout)["entries"]
    assert entry["kind"] == "batch.produced/1"
    assert entry["index"] == size(data) - 2  # the last one is the seal's
    assert entry["data"]["inputs"] == [
        {"lot": entry["data"]["inputs"][0]["lot"], "quantity": {"amount": 1200, "unit": "m"}}
    ]
    assert f"batch:{entry['data']['batch']}" in entry["subjects"]
    assert entry["actor"].startswith("account:")


def test_all_that_is_wrong_is_said_at_once_and_nothing_recorded(lotproof: Lotproof, data: Path) -> None:
    before = size(data)
    words = ("--code", "X", "--made-on", "20.5.2025", "--inputs", "A=3 m", "--inputs", "B=3 miles")
    found = lotproof("batch", "produce", *words)
    assert found.exit_code == 2
    said = found.stderr.splitlines()
    assert said[0] == "lotproof: Some answers cannot be taken as they stand."
    assert [line.partition(":")[0] for line in said[1:]] == [
        "--product",
        "--factory",
        "--made-on",
        "--quantity",
        "--inputs number 2 quantity",
    ]
    assert size(data) == before


def test_what_the_ledger_refuses_exits_with_three(lotproof: Lotproof) -> None:
    lotproof(*BATCH)
    found = lotproof(*BATCH)
    assert (found.exit_code, found.stdout) == (3, "")
    assert found.stderr == "lotproof: Slim has a batch “25W21-A1” already.\n"


def test_a_refusal_in_json_names_error_and_facts(lotproof: Lotproof) -> None:
    found = lotproof("trace", "nowhere", "--json")
    assert found.exit_code == 3
    told = json.loads(found.stderr)
    assert (told["error"], told["facts"]) == ("UnknownMaterialLot", {"code": "nowhere"})


def test_the_same_command_under_the_same_key_is_recorded_once(lotproof: Lotproof, data: Path) -> None:
    first = lotproof(*BATCH, "--key", "monday")
    count = size(data)
    assert lotproof(*BATCH, "--key", "monday").stdout == first.stdout
    assert size(data) == count
    other = lotproof(*BATCH[:-1], "4", "--key", "monday")
    assert (other.exit_code, size(data)) == (3, count)


def test_with_two_accounts_one_must_be_named(lotproof: Lotproof) -> None:
    lotproof("account", "add", "Ben", "--role", "quality")
    found = lotproof(*BATCH)
    assert found.exit_code == 2
    assert "--as NAME. There are: Ada, Ben." in found.stderr
    recorded = json.loads(lotproof(*BATCH, "--as", "ben", "--json").stdout)["entries"]
    by_name = {row["name"]: row["actor"] for row in json.loads(lotproof("account", "list", "--json").stdout)}
    assert recorded[0]["actor"] == by_name["Ben"]
    assert lotproof(*BATCH, "--as", "Cleo").exit_code == 3


def test_a_disabled_account_acts_no_more(lotproof: Lotproof) -> None:
    lotproof("account", "add", "Ben", "--role", "quality")
    assert lotproof("account", "disable", "Ben", "--reason", "They left.").exit_code == 0
    found = lotproof(*BATCH, "--as", "Ben")
    assert found.exit_code == 3
    assert "no account Ben" in found.stderr
    assert lotproof(*BATCH).exit_code == 0


def test_a_file_given_as_a_path_is_stored_and_named_by_its_content(
    lotproof: Lotproof, data: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"a report")
    words = ("--code", "S-1", "--lots", "SF-0412", "--known", "uncoated", "--effective-on", "2025-05-01")
    found = lotproof(
        "substitution", "find", *words, "--statement", "Ageing.", "--evidence", str(report), "--json"
    )
    [evidence] = json.loads(found.stdout)["entries"][0]["data"]["evidence"]
    assert evidence["size_bytes"] == 8
    assert Files(data / "files").read(evidence["sha256"]) == b"a report"


def test_a_wrong_answer_stores_no_file(lotproof: Lotproof, data: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"a report")
    before = list(Files(data / "files").names())
    assert lotproof("substitution", "find", "--code", "S-1", "--evidence", str(report)).exit_code == 2
    assert list(Files(data / "files").names()) == before


def test_lists_and_facts_agree_with_what_was_recorded(lotproof: Lotproof) -> None:
    lotproof(*BATCH)
    lotproof("unit", "make", "--batch", "25W21-A1", "--count", "7")
    lotproof(
        *("shipment", "send", "--code", "SH-1", "--channel", "own shop", "--country", "DE"),
        *("--sent-on", "2025-06-02", "--lines", "25W21-A1=400"),
    )
    [row] = json.loads(lotproof("batch", "list", "--json").stdout)
    assert (row["code"], row["product"], row["units"], row["with_serial"]) == ("25W21-A1", "VS", 20000, 7)
    [lot] = json.loads(lotproof("lot", "list", "--json").stdout)
    assert (lot["quantity"], lot["left"]) == ("5000 m", "3800 m")
    shown = json.loads(lotproof("batch", "show", "25w21-a1", "--json").stdout)
    assert shown["inputs"] == ["SF-0412=1200 m"]
    assert shown["in_stock"] == 19_600
    assert [one["kind"] for one in shown["history"]] == [
        "batch.produced/1",
        "units.commissioned/1",
        "shipment.sent/1",
    ]
    plain = lotproof("batch", "show", "25W21-A1").stdout
    for one in shown["history"]:
        assert f"#{one['index']} {one['kind'].removesuffix('/1')}: " in plain
    assert plain.rstrip().endswith("by Ada")
    assert len(lotproof("unit", "list", "25W21-A1").stdout.split()) == 7


def test_a_lot_is_traced_to_batches_and_countries(lotproof: Lotproof) -> None:
    lotproof(*BATCH)
    lotproof(
        *("shipment", "send", "--code", "SH-1", "--channel", "own shop", "--country", "DE"),
        *("--sent-on", "2025-06-02", "--lines", "25W21-A1=400"),
    )
    told = json.loads(lotproof("trace", "SF-0412", "--json").stdout)
    assert (told["made"], told["shipped"], told["by_country"]) == (20_000, 400, {"DE": 400})
    assert [row["batch"] for row in told["batches"]] == ["25W21-A1"]
    plain = lotproof("trace", "SF-0412").stdout
    assert plain.endswith("20000 units in 1 batch: 400 shipped (DE 400), 19600 in stock.\n")


def test_a_bill_of_materials_may_hold_commas(lotproof: Lotproof) -> None:
    line = "material=FILM,quantity=2 m,specification=ceramic-coated, 16 µm"
    found = lotproof("bom", "revise", "--product", "VS", "--revision", "C", "--lines", line, "--json")
    [entry] = json.loads(found.stdout)["entries"]
    assert entry["data"]["lines"][0]["specification"] == "ceramic-coated, 16 µm"


def group(command: str, field: str) -> Any:
    return next(one for one in questions(COMMANDS[command].request) if one.name == field)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("SF=1 m", {"lot": "SF", "quantity": "1 m"}),
        ("A=B=1 m", {"lot": "A=B", "quantity": "1 m"}),
        ("lot=1 m", {"lot": "lot", "quantity": "1 m"}),
        ("lot=SF,quantity=1 m", {"lot": "SF", "quantity": "1 m"}),
        ("quantity=1 m, lot=S,F", {"quantity": "1 m", "lot": "S,F"}),
    ],
)
def test_a_group_of_two_is_written_with_an_equals_sign(text: str, parts: dict[str, str]) -> None:
    assert parts_of(group("batch.produce", "inputs"), text) == parts


def test_a_group_that_cannot_be_read_is_wrong_usage(lotproof: Lotproof) -> None:
    found = lotproof(*BATCH[:-2], "--inputs", "SF-0412")
    assert found.exit_code == 2
    assert "--inputs as LOT=QUANTITY" in found.stderr
    found = lotproof("bom", "revise", "--lines", "FILM=2 m")
    assert found.exit_code == 2
    assert "material=…,quantity=…,specification=…" in found.stderr


# Recorded in the middle of a change of files, by a command line of its own.
BY_SEVERAL_STEPS = {
    "approval.set_rule": ("approval", "rule"),
    "account.admit": ("account", "add"),
    "account.end": ("account", "disable"),
    "account.give_roles": ("account", "roles"),
    "log.resume": ("log", "resume"),
    "log.retire_key": ("keys", "retire"),
    "log.rotate_key": ("keys", "rotate"),
    "log.succeed": ("log", "succeed"),
    "master_key.rotate": ("keys", "rotate-master"),
}


def test_every_command_that_is_for_people_stands_on_the_command_line(lotproof: Lotproof) -> None:
    assert nouns.__all__
    words = {"bill_of_materials": "bom", "material_lot": "lot", "legal_entity": "entity"}
    for name, command in list(COMMANDS.items()):
        if name in BY_SEVERAL_STEPS:
            assert lotproof(*BY_SEVERAL_STEPS[name], "--help").exit_code == 0, name
        elif is_for_people(command.request):
            noun, _, verb = name.partition(".")
            found = lotproof(words.get(noun, noun), verb.replace("_", "-"), "--help")
            assert found.exit_code == 0, name
            assert command.summary.partition(".")[0] in " ".join(found.stdout.split())


def test_every_group_is_there_and_says_what_it_is_for(lotproof: Lotproof) -> None:
    helped = lotproof("--help").stdout
    for name in GROUPS:
        assert f"  {name} " in helped
        listed = lotproof(name, "--help")
        assert listed.exit_code == 0
        # No sentence about a command is cut off.
        assert "..." not in listed.stdout.partition("Commands:")[2]
    assert lotproof("nothing").exit_code == 2


def test_columns_stand_under_their_headings_in_chinese_too(lotproof: Lotproof) -> None:
    lotproof("material", "register", "--code", "隔膜", "--name", "隔膜 16 µm")
    lotproof("material", "register", "--code", "C", "--name", "Cells")
    assert lotproof("material", "list").stdout.splitlines() == [
        "code  name",
        "C     Cells",
        "FILM  Film",
        "隔膜  隔膜 16 µm",
    ]


# --- files of serials


def imported(lotproof: Lotproof, *words: str) -> Result:
    return lotproof("unit", "import", *words)


@pytest.fixture
def two_batches(lotproof: Lotproof) -> Lotproof:
    lotproof(*BATCH)
    lotproof(
        *("batch", "produce", "--code", "25W21-A2", "--product", "VS", "--factory", "F"),
        *("--made-on", "2025-05-21", "--quantity", "20000"),
    )
    return lotproof


def written(folder: Path, *rows: str) -> Path:
    path = folder / "serials.csv"
    path.write_text("\n".join(["serial,batch,colour", *rows, ""]))
    return path


def test_a_file_of_two_batches_goes_live_in_one_write(
    two_batches: Lotproof, data: Path, tmp_path: Path
) -> None:
    file = written(tmp_path, *(f"VTA{n:07},25W21-A{1 + n % 2},red" for n in range(10)))
    before = size(data)
    told = json.loads(imported(two_batches, str(file), "--json").stdout)
    assert told["batches"] == {"25W21-A1": 5, "25W21-A2": 5}
    assert told["unused_columns"] == ["colour"]
    assert [one["index"] for one in told["entries"]] == [before, before + 1]
    assert size(data) == before + 3  # two sets and one seal: one write
    assert two_batches("unit", "list", "25W21-A2").stdout.split()[:2] == ["VTA0000001", "VTA0000003"]


def test_the_same_file_again_records_nothing_and_says_so(
    two_batches: Lotproof, data: Path, tmp_path: Path
) -> None:
    file = written(tmp_path, *(f"VTA{n:07},25W21-A1,red" for n in range(10)))
    first = imported(two_batches, str(file))
    assert "Not used: “colour”." in first.stdout
    before = size(data)
    again = imported(two_batches, str(file))
    assert (again.exit_code, size(data)) == (0, before)
    assert again.stdout.endswith("This file was imported before (10 in 25W21-A1): nothing to record.\n")


def test_a_dry_run_says_what_would_be_recorded_and_records_nothing(
    two_batches: Lotproof, data: Path, tmp_path: Path
) -> None:
    file = written(tmp_path, *(f"VTA{n:07},25W21-A1,red" for n in range(10)))
    before = size(data)
    found = imported(two_batches, str(file), "--dry-run")
    assert (found.exit_code, size(data)) == (0, before)
    assert "10 serials, 10 in 25W21-A1" in found.stdout
    assert list(Files(data / "files").names()) == []


def test_a_file_with_problems_comes_back_with_its_reasons_and_nothing_is_recorded(
    two_batches: Lotproof, data: Path, tmp_path: Path
) -> None:
    rows = [f"VTA{n:07},25W21-A1,red" for n in range(30)]
    file = written(tmp_path, *rows, "VTA0000003,25W21-A1,red", "VTA0000099,25W99-Z,red")
    content, before = file.read_bytes(), size(data)
    found = imported(two_batches, str(file))
    assert (found.exit_code, found.stdout, size(data)) == (3, "", before)
    assert "line 32, serial 'VTA0000003': This serial stands in line 5 already." in found.stderr
    assert "line 33, batch '25W99-Z'" in found.stderr
    reasons = (tmp_path / "serials.reasons.csv").read_text().splitlines()
    assert reasons[31].startswith("VTA0000003,25W21-A1,red,")
    assert "line 5" in reasons[31]
    assert file.read_bytes() == content
    assert imported(two_batches, str(file), "--dry-run").exit_code == 1
    same = imported(two_batches, str(file), "--reasons", str(file))
    assert (same.exit_code, file.read_bytes()) == (2, content)


def test_a_set_that_is_refused_leaves_none_of_the_file_behind(
    two_batches: Lotproof, data: Path, tmp_path: Path
) -> None:
    two_batches("unit", "make", "--batch", "25W21-A2", "--count", "19998")
    file = written(tmp_path, *(f"VTA{n:07},25W21-A{1 + n % 2},red" for n in range(10)))
    before = size(data)
    found = imported(two_batches, str(file))
    assert (found.exit_code, size(data)) == (3, before)
    assert "19998 of them with a serial; 5 more is too many" in found.stderr
    assert two_batches("unit", "list", "25W21-A1").stdout.strip() == ""
    ledger = open_ledger(Settings(data=data, host="localhost:8000"))
    with reading(ledger.engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM units").scalar_one() == 19_998
        assert connection.exec_driver_sql("SELECT count(*) FROM stagings").scalar_one() == 0
    ledger.close()


def test_a_dry_run_refuses_what_the_import_would_refuse(two_batches: Lotproof, tmp_path: Path) -> None:
    assert imported(two_batches, str(written(tmp_path, "VTA0000001,25W21-A1,red"))).exit_code == 0
    two_batches("unit", "make", "--batch", "25W21-A2", "--count", "19999")
    for rows in (["VTA0000001,25W21-A2,red"], [f"VTB{n:07},25W21-A2,red" for n in range(2)]):
        file = str(written(tmp_path, *rows))
        dry, real = imported(two_batches, file, "--dry-run"), imported(two_batches, file)
        assert (dry.exit_code, dry.stderr) == (real.exit_code, real.stderr) == (3, dry.stderr)


def test_the_same_serial_in_two_batches_of_one_product_is_refused_by_the_ledger_too(
    two_batches: Lotproof, tmp_path: Path
) -> None:
    assert imported(two_batches, str(written(tmp_path, "VTA0000001,25W21-A1,red"))).exit_code == 0
    found = imported(two_batches, str(written(tmp_path, "VTA0000001,25W21-A2,red")))
    assert found.exit_code == 3
    assert "stand on this product already" in found.stderr


@pytest.mark.parametrize("name", ["serials_clean.csv", "serials_gb18030.csv"])
def test_a_factory_file_as_it_came_is_imported_whole(lotproof: Lotproof, vectors: Path, name: str) -> None:
    lotproof(*BATCH)
    for code in ("25W21-A2", "25W23-B1", "25W23-B2"):
        lotproof(
            *("batch", "produce", "--code", code, "--product", "VS", "--factory", "F"),
            *("--made-on", "2025-05-21", "--quantity", "20000"),
        )
    found = imported(lotproof, str(vectors / "factory" / name), "--json")
    told = json.loads(found.stdout)
    assert told["problems"] == []
    assert told["serials"] == sum(one["data"]["count"] for one in told["entries"]) >= 3_000
