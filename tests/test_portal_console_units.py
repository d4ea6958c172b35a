"""Serials, labels and factories' files in the console."""

import csv
import hashlib
import re
from io import BytesIO
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from ledger.digital_link import parse
from ledger.trace.unit import sets_of
from ledger.work import MAX_TRIES, enqueue, extend, failed, status, take
from portal.worker import Worker
from tests.staff import Browser, Desk, text_of
from tests.world import MadeBatch, World

pytestmark = pytest.mark.slow

CLEAN = "serial,batch,made\nAAA0001,B1,2025-05-01\nAAA0002,B1,2025-05-01\nAAA0003,B2,2025-05-01\n"


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk.of(world)


def units_page(batch: MadeBatch) -> str:
    return f"/console/batches/{batch.found.id}/units"


def count_of(world: World, batch: MadeBatch) -> int:
    return sum(one.count for one in world.read(lambda connection: sets_of(connection, batch.found.id)))


def upload(browser: Browser, content: bytes | str, batch: str = "") -> str:
    """What the console says of a file, before anything is recorded."""
    raw = content if isinstance(content, bytes) else content.encode()
    answer = browser.send("/console/import", file=(BytesIO(raw), "serials.csv"), batch=batch)
    assert answer.status_code in (200, 422), text_of(answer)
    return answer.text


def tokens(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form that goes to `action`."""
    form = page.partition(f'action="{action}"')[2].partition("</form>")[0]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))


# --- serials


def test_serials_are_made_once_however_often_the_form_is_sent(desk: Desk) -> None:
    batch = desk.world.batch("B1", quantity=30)
    browser, place = desk.signed_in(), units_page(batch)
    fields = tokens(browser.page(place), place)
    for _ in range(2):
        assert browser.post(place, {**fields, "count": "20"}).status_code == 303
    assert count_of(desk.world, batch) == 20
    assert "30 units made, 20 of them with a serial" in text_of(browser.page(place))


@pytest.mark.parametrize(
    ("language", "said"), [("en", "40 more is too many"), ("zh-Hans", "再加 40 件就太多了")]
)
def test_more_serials_than_units_are_refused(desk: Desk, language: str, said: str) -> None:
    batch = desk.world.batch("B1", quantity=30)
    browser, place = desk.signed_in(language=language), units_page(batch)
    answer = browser.post(place, {**tokens(browser.page(place), place), "count": "40"})
    assert answer.status_code == 409
    assert said in text_of(answer)
    assert count_of(desk.world, batch) == 0


def test_units_of_a_recalled_batch_need_a_reason(desk: Desk) -> None:
    batch = desk.world.batch("B1", quantity=30)
    desk.world.recall("R-1", batches=["B1"])
    browser, place = desk.signed_in(), units_page(batch)
    refused = browser.post(place, {**tokens(browser.page(place), place), "count": "5"})
    assert refused.status_code == 409
    assert "Why these units are not recalled" in text_of(refused)
    fields = tokens(refused.text, place)
    answer = browser.post(place, {**fields, "count": "5", "not_recalled_because": "Made after the fix."})
    assert answer.status_code == 303
    assert count_of(desk.world, batch) == 5


# --- labels


def test_a_label_reads_as_the_unit_it_is_for(desk: Desk) -> None:
    batch = desk.world.batch("B1", units=2)
    answer = desk.signed_in().get(f"{units_page(batch).removesuffix('units')}labels/{batch.serials[1]}.png")
    assert answer.content_type == "image/png"
    (code,) = zxingcpp.read_barcodes(Image.open(BytesIO(answer.data)).convert("L"))
    assert parse(code.text).serial == batch.serials[1]


def test_a_serial_of_another_batch_has_no_label_here(desk: Desk) -> None:
    batch, other = desk.world.batch("B1", units=1), desk.world.batch("B2", units=1)
    place = f"{units_page(batch).removesuffix('units')}labels/{other.serials[0]}.png"
    desk.signed_in().page(place, status=404)


@pytest.mark.parametrize(
    ("language", "waits", "ready"),
    [("en", "wait for their turn", "Ready: 3 labels"), ("zh-Hans", "正在排队", "已完成：3 张标签")],
)
def test_a_sheet_of_labels_is_made_in_the_background(
    desk: Desk, language: str, waits: str, ready: str
) -> None:
    batch = desk.world.batch("B1", units=3)
    browser, place = desk.signed_in(language=language), units_page(batch)
    action = place.removesuffix("units") + "labels"
    fields = tokens(browser.page(place), action)
    first, second = (browser.post(action, {**fields, "template": "unit"}) for _ in range(2))
    progress = first.headers["Location"]
    assert second.headers["Location"] == progress
    waiting = browser.page(progress)
    assert waits in text_of(waiting)
    assert '<meta http-equiv="refresh"' in waiting
    assert Worker(desk.world.ledger, desk.state).do_job()
    page = browser.page(progress)
    assert ready in text_of(page)
    assert '<meta http-equiv="refresh"' not in page
    pdf = browser.get(progress.partition("?")[0] + ".pdf")
    assert pdf.data.startswith(b"%PDF-")


def test_a_job_under_way_shows_its_count_and_asks_again_with_and_without_scripts(desk: Desk) -> None:
    now = desk.world.clock.now()
    job_id = enqueue(desk.state, "labels.sheet", {}, dedupe="x", now=now)
    job = take(desk.state, "one", now=now)
    assert job is not None
    extend(desk.state, job, now=now, progress=(1_500, 20_000))
    page = desk.signed_in().page(f"/console/jobs/{job_id}")
    assert 'value="1500" max="20000"' in page
    assert "1,500 of 20,000 are done." in text_of(page)
    assert 'data-under-way="2"' in page
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page
    assert re.search(r'<script src="/static/progress.js\?v=\w+" defer></script>', page)


def test_a_job_that_was_given_up_can_be_tried_again(desk: Desk) -> None:
    batch = desk.world.batch("B1", units=1)
    browser, place = desk.signed_in(), units_page(batch)
    action = place.removesuffix("units") + "labels"
    progress = browser.post(action, {**tokens(browser.page(place), action), "template": "unit"}).headers[
        "Location"
    ]
    job = None
    for _ in range(MAX_TRIES):
        desk.world.later(hours=7)
        job = take(desk.state, "one", now=desk.world.clock.now())
        assert job is not None
        failed(desk.state, job, "No paper.", now=desk.world.clock.now())
    browser = desk.signed_in()
    page = browser.page(progress)
    assert "given up after 12 tries: No paper." in text_of(page)
    again = re.search(r'<form action="([^"]*/again[^"]*)"', page)
    assert again
    assert browser.post(again[1], {"csrf": browser.hidden(progress)["csrf"]}).status_code == 303
    assert job is not None
    assert status(desk.state, job.id).state == "waiting"


# --- factories' files


@pytest.mark.parametrize(
    ("language", "clean", "button"),
    [
        ("en", "The file is clean: 3 serials.", "Record 3 serials in 2 batches"),
        ("zh-Hans", "文件没有问题：3 个序列号。", "记录 2 个批次的 3 个序列号"),
    ],
)
def test_a_file_is_looked_at_confirmed_and_recorded_once(
    desk: Desk, language: str, clean: str, button: str
) -> None:
    batches = [desk.world.batch(code, quantity=5) for code in ("B1", "B2")]
    browser = desk.signed_in(language=language)
    before = desk.world.size()
    found = upload(browser, CLEAN)
    assert clean in text_of(found)
    assert button in text_of(found)
    assert desk.world.size() == before
    fields = tokens(found, "/console/import/record")
    for _ in range(2):
        assert browser.post("/console/import/record", fields).status_code == 303
    assert [count_of(desk.world, batch) for batch in batches] == [2, 1]
    assert button not in text_of(upload(browser, CLEAN))


def test_a_file_whose_batch_stands_beside_it(desk: Desk) -> None:
    batch = desk.world.batch("B1", quantity=5)
    browser = desk.signed_in()
    found = upload(browser, "serial\nAAA0001\nAAA0002\n", batch="B1")
    assert browser.post("/console/import/record", tokens(found, "/console/import/record")).status_code == 303
    assert count_of(desk.world, batch) == 2


@pytest.mark.parametrize(
    ("language", "count", "reason"),
    [
        ("en", "2 rows cannot be taken", "There is no serial in this row."),
        ("zh-Hans", "有 2 行需要改正", "这一行没有序列号。"),
    ],
)
def test_bad_rows_are_named_and_come_back_with_their_reasons(
    desk: Desk, language: str, count: str, reason: str
) -> None:
    desk.world.batch("B1", quantity=5)
    browser = desk.signed_in(language=language)
    before = desk.world.size()
    content = "serial,batch\nAAA0001,B1\n,B1\nAAA0003,B9\n"
    found = upload(browser, content)
    assert count in text_of(found)
    assert reason in text_of(found)
    assert "/console/import/record" not in found
    fields = tokens(found, "/console/import/reasons")
    marked = list(csv.reader(browser.post("/console/import/reasons", fields).text.splitlines()))
    assert [row[:-1] for row in marked] == list(csv.reader(content.splitlines()))
    assert marked[2][-1] == reason
    assert desk.world.size() == before


def test_what_was_shown_is_not_trusted_when_it_is_confirmed(desk: Desk) -> None:
    desk.world.batch("B1", quantity=1)
    desk.world.batch("B2", quantity=1)
    browser = desk.signed_in()
    fields = tokens(upload(browser, CLEAN), "/console/import/record")
    refused = browser.post("/console/import/record", fields)
    assert refused.status_code == 409
    assert "is too many" in text_of(refused)
    unknown = {**fields, "sha256": hashlib.sha256(b"other").hexdigest()}
    assert browser.post("/console/import/record", unknown).status_code == 400


def test_a_spreadsheets_own_file_is_refused_with_advice(desk: Desk) -> None:
    browser = desk.signed_in()
    answer = browser.send("/console/import", file=(BytesIO(b"PK\x03\x04" + bytes(40)), "a.xlsx"), batch="")
    assert answer.status_code == 422
    assert "Save the sheet as CSV" in text_of(answer)
    assert "Choose the file" in text_of(browser.send("/console/import", batch=""))


@pytest.mark.parametrize(("name", "serials"), [("serials_clean.csv", 5000), ("serials_gb18030.csv", 3000)])
def test_the_factories_real_files_are_taken_whole(desk: Desk, vectors: Path, name: str, serials: int) -> None:
    content = (vectors / "factory" / name).read_bytes()
    batches = [desk.world.batch(code, quantity=10_000) for code in ("25W21-A1", "25W23-B1")]
    browser = desk.signed_in()
    found = upload(browser, content)
    assert f"The file is clean: {serials:,} serials." in text_of(found)
    assert browser.post("/console/import/record", tokens(found, "/console/import/record")).status_code == 303
    assert sum(count_of(desk.world, batch) for batch in batches) == serials


def test_the_factorys_damaged_file_names_its_rows(desk: Desk, vectors: Path) -> None:
    desk.world.batch("25W21-A1", quantity=10_000)
    found = upload(desk.signed_in(), (vectors / "factory" / "serials_damaged.csv").read_bytes())
    page = text_of(found)
    assert "Nothing was recorded." in page
    assert "Did you mean 25W21-A1?" in page
    assert "A spreadsheet has rounded this serial" in page
    assert "/console/import/record" not in found
