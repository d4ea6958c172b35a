"""Pictures for a label printer: black or white, on its dots, and readable."""

from dataclasses import replace
from io import BytesIO

import pytest
import zxingcpp
from PIL import Image

from labels import LabelContent, unit_png
from labels.check import LabelContradictsItself, LabelUnreadable, check_code, check_picture, check_words
from labels.codes import code_of
from labels.draw import draw
from labels.layout import templates
from ledger.digital_link import build
from tests.test_labels_layout import LABEL, SERIAL

UNIT = templates()["unit"]


def opened(png: bytes) -> Image.Image:
    return Image.open(BytesIO(png))


@pytest.mark.parametrize(("dpi", "size"), [(203, (480, 320)), (300, (720, 480)), (600, (1440, 960))])
def test_a_label_has_one_bit_a_dot_and_its_true_size(dpi: int, size: tuple[int, int]) -> None:
    picture = opened(unit_png(LABEL, dpi))
    assert (picture.mode, picture.size) == ("1", size)
    assert picture.info["dpi"][0] / 25.4 * 60 == pytest.approx(size[0], rel=1e-4)


@pytest.mark.parametrize("dpi", [203, 300])
def test_a_phone_reads_the_address_even_from_a_blurred_and_turned_picture(dpi: int) -> None:
    picture = opened(unit_png(LABEL, dpi)).convert("L")
    poor = picture.resize((picture.width * 3 // 2, picture.height * 3 // 2)).rotate(
        7, expand=True, fillcolor=255
    )
    assert [code.text for code in zxingcpp.read_barcodes(poor)] == [LABEL.uri]


def test_a_batch_label_shows_the_batch_and_reads_as_it() -> None:
    content = replace(LABEL, serial=None, uri=build("vltr.example", gtin="09506000134352", batch="25W21-A"))
    picture = opened(unit_png(content, template="batch"))
    assert picture.size == (800, 480)
    assert [code.text for code in zxingcpp.read_barcodes(picture.convert("L"))] == [content.uri]


def test_every_word_leaves_ink_in_its_place_and_nothing_at_the_edge() -> None:
    full = draw(LABEL, UNIT, dots_per_mm=8)
    for field in ("brand", "product", "check_line", "address_line", "contact_line", "maker_line"):
        without = draw(replace(LABEL, **{field: ""}), UNIT, dots_per_mm=8)  # type: ignore[arg-type]  # any field
        assert ink(without) < ink(full), field
    inner = Image.new("1", full.size, 1)
    inner.paste(full.crop((16, 16, 464, 310)), (16, 16))
    assert ink(inner) == ink(full)


def ink(picture: Image.Image) -> int:
    return picture.convert("L").histogram()[0]


@pytest.mark.parametrize(
    "text", ["تحقق من الاستدعاء: امسح الرمز", "בדקו אם יש החזרה", "Проверьте отзыв товара", "Đã thu hồi"]
)
def test_the_check_line_is_drawn_in_other_scripts(text: str) -> None:
    with_text, without = (draw(replace(LABEL, check_line=line), UNIT, dots_per_mm=8) for line in (text, ""))
    assert ink(with_text) > ink(without) + 200


def test_a_label_whose_code_names_another_unit_is_refused() -> None:
    with pytest.raises(LabelContradictsItself):
        unit_png(replace(LABEL, serial="7KQ4M9TXC2WHE4"))
    with pytest.raises(LabelContradictsItself):
        unit_png(replace(LABEL, batch="25W22-B"))
    check_words(replace(LABEL, uri=build("vltr.example", gtin=None, serial=SERIAL)))


def test_a_damaged_picture_is_refused_and_names_the_serial() -> None:
    picture = draw(LABEL, UNIT, dots_per_mm=8)
    check_picture(picture, LABEL)
    picture.paste(1, (60, 60, 110, 110))
    with pytest.raises(LabelUnreadable, match=SERIAL):
        check_picture(picture, LABEL)


def test_a_picture_of_another_label_is_refused() -> None:
    other: LabelContent = replace(LABEL, uri=LABEL.uri.replace(SERIAL, "7KQ4M9TXC2WHE4"))
    with pytest.raises(LabelUnreadable, match=r"WHE3.*WHE4"):
        check_picture(draw(LABEL, UNIT, dots_per_mm=8), other)


def test_code_data_that_says_something_else_is_refused() -> None:
    code = code_of(LABEL.uri)
    check_code(code.packed(), code, LABEL)
    with pytest.raises(LabelUnreadable):
        check_code(code_of(LABEL.uri.replace("E3", "E4")).packed(), code, LABEL)
    with pytest.raises(LabelUnreadable):
        check_code(bytes(len(code.packed())), code, LABEL)
