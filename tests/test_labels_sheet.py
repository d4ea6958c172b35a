"""Sheets of labels: every label on it once, readable, in its place, and nothing if one is wrong."""

import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from labels import LabelContent, sheet_pdf
from labels.check import LabelContradictsItself
from labels.layout import TextDoesNotFit, templates
from labels.sheet import grid
from ledger.digital_link import build
from ledger.identifiers import new_serials
from tests.test_labels_layout import LABEL

INLINE = re.compile(rb"q 0 g ([\d.]+) 0 0 [\d.]+ ([\d.]+) ([\d.]+) cm BI /W (\d+) .*? ID ([0-9a-f]+)> EI Q")
POINTS_PER_MM = 72 / 25.4


def label(serial: str) -> LabelContent:
    return replace(
        LABEL, serial=serial, uri=build("vltr.example", gtin="09506000134352", batch="25W21-A", serial=serial)
    )


def serials(count: int) -> list[str]:
    return new_serials(count, random.Random(3).randbytes)


def pages(pdf: bytes) -> list[bytes]:
    """The drawing commands of each page, unpacked with nothing of ours."""
    streams = re.findall(rb"/FlateDecode[^>]*>>\s*stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    unpacked = [zlib.decompressobj().decompress(stream) for stream in streams]
    return [stream for stream in unpacked if b" BI /W" in stream]


def codes(page: bytes) -> Iterator[tuple[float, float, str]]:
    """Left and bottom in mm, and the text of each code on a page, read from the image data."""
    for _side, left, bottom, width, data in INLINE.findall(page):
        size, packed = int(width), bytes.fromhex(data.decode())
        picture = Image.new("L", (size + 8, size + 8), 255)
        picture.paste(0, (4, 4), Image.frombytes("1", (size, size), packed))
        (found,) = zxingcpp.read_barcodes(
            picture.resize((4 * size + 32, 4 * size + 32), Image.Resampling.NEAREST)
        )
        yield float(left) / POINTS_PER_MM, float(bottom) / POINTS_PER_MM, found.text


def test_every_label_stands_on_the_sheets_once_and_in_order() -> None:
    made, stream = serials(50), BytesIO()
    assert sheet_pdf(map(label, made), stream) == 50
    sheets = pages(stream.getvalue())
    assert len(sheets) == 3
    read = [text for page in sheets for _, _, text in codes(page)]
    assert read == [label(serial).uri for serial in made]


def test_labels_stand_three_by_seven_and_do_not_touch_the_margins() -> None:
    stream = BytesIO()
    sheet_pdf(map(label, serials(21)), stream)
    (page,) = pages(stream.getvalue())
    places = [(round(left, 1), round(297 - bottom, 1)) for left, bottom, _ in codes(page)]
    assert [left for left, _ in places[:4]] == [17.5, 77.5, 137.5, 17.5]
    assert places[3][1] - places[0][1] == pytest.approx(40, abs=0.11)
    assert places[-1][1] < 297 - 5


def test_words_repeated_on_a_page_are_moved_with_their_label() -> None:
    stream = BytesIO()
    sheet_pdf(map(label, serials(4)), stream)
    (page,) = pages(stream.getvalue())
    moves = [tuple(map(float, move)) for move in re.findall(rb"q 1 0 0 1 (-?[\d.]+) (-?[\d.]+) cm", page)]
    width, height = 60 * POINTS_PER_MM, 40 * POINTS_PER_MM
    assert moves == [
        (pytest.approx(width, abs=0.01), 0),
        (pytest.approx(2 * width, abs=0.01), 0),
        (0, pytest.approx(-height, abs=0.01)),
    ]


def test_a_change_of_words_in_the_middle_is_drawn() -> None:
    first, second = serials(2)
    other = replace(label(second), maker_line="", brand="Ampero")
    same, mixed = BytesIO(), BytesIO()
    sheet_pdf([label(first), label(second)], same)
    sheet_pdf([label(first), other], mixed)
    assert len(re.findall(rb"q 1 0 0 1", pages(same.getvalue())[0])) == 1
    assert len(re.findall(rb"q 1 0 0 1", pages(mixed.getvalue())[0])) == 0
    assert mixed.getvalue() != same.getvalue()


def test_one_wrong_label_stops_the_job_and_nothing_is_written(tmp_path: Path) -> None:
    made = [label(serial) for serial in serials(5)]
    target = tmp_path / "labels.pdf"
    with pytest.raises(LabelContradictsItself):
        sheet_pdf([*made[:3], replace(made[3], serial=made[4].serial)], target)
    with pytest.raises(TextDoesNotFit):
        sheet_pdf([*made[:3], replace(made[3], product="much too long " * 9)], target)
    assert not target.exists()


def test_progress_is_told_after_every_sheet_and_contents_are_read_one_at_a_time() -> None:
    told: list[int] = []
    taken: list[int] = []

    def contents() -> Iterator[LabelContent]:
        for number, serial in enumerate(serials(45)):
            taken.append(len(told))
            yield label(serial)
            assert len(taken) == number + 1

    assert sheet_pdf(contents(), BytesIO(), told.append) == 45
    assert told == [21, 42, 45]
    assert (taken[20], taken[21], taken[44]) == (0, 1, 2)


def test_arabic_and_hebrew_words_are_embedded_with_their_fonts(tmp_path: Path) -> None:
    content = replace(label(serials(1)[0]), check_line="تحقق من الاستدعاء", address_line="בדקו אם יש החזרה")
    target = tmp_path / "labels.pdf"
    sheet_pdf([content], target)
    pdf = target.read_bytes()
    assert b"NotoSansArabic" in pdf
    assert b"NotoSansHebrew" in pdf


def test_a_batch_label_has_its_own_grid() -> None:
    batch = grid(templates()["batch"])
    assert (batch.columns, batch.rows) == (2, 4)
    content = replace(LABEL, serial=None, uri=build("vltr.example", gtin="09506000134352", batch="25W21-A"))
    stream = BytesIO()
    assert sheet_pdf([content] * 9, stream, template="batch") == 9
    assert [len(list(codes(page))) for page in pages(stream.getvalue())] == [8, 1]


def test_no_labels_make_an_empty_page() -> None:
    stream = BytesIO()
    assert sheet_pdf([], stream) == 0
    assert stream.getvalue().startswith(b"%PDF")
