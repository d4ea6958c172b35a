"""What stands where on a label, and what is refused because it does not fit."""

from dataclasses import replace

import pytest

from labels.codes import QUIET_ZONE, code_of
from labels.fonts import FontMissing, is_right_to_left, runs
from labels.layout import (
    Bar,
    CodeDoesNotFit,
    LabelContent,
    Line,
    Ring,
    TextDoesNotFit,
    module_dots,
    plate_text,
    standing,
    templates,
)
from ledger.digital_link import build

SERIAL = "7KQ4M9TXC2WHE3"
LABEL = LabelContent(
    uri=build("vltr.example", gtin="09506000134352", batch="25W21-A", serial=SERIAL),
    brand="Voltaro",
    product="Slim 10K power bank",
    batch_word="Batch",
    batch="25W21-A",
    serial=SERIAL,
    lines=("Model VS-10 · 5 V ⎓ 3 A", "10,000 mAh · 37 Wh · Li-ion"),
    check_line="Check for recalls: scan or type it at vltr.example",
    address_line="Voltaro Europe GmbH, Musterkai 4, 20000 Beispielhafen, DE",
    contact_line="help@voltaro.example",
    maker_line="Made by Qingluo Assembly, CN",
    has_bin=True,
)
UNIT = templates()["unit"]


def lines(content: LabelContent) -> dict[str, Line]:
    return {shape.text: shape for shape in standing(content, UNIT) if isinstance(shape, Line)}


def measured(line: Line) -> float:
    return sum(run.width for run in line.runs) * line.size


@pytest.mark.parametrize("name", sorted(templates()))
def test_every_line_stays_within_its_place_and_the_label(name: str) -> None:
    template = templates()[name]
    placed = [shape for shape in standing(LABEL, template) if isinstance(shape, Line)]
    assert len(placed) == 10
    for line in (*placed, *plate_text(SERIAL, template)):
        assert measured(line) <= line.width
        assert 0 < line.x < line.x + line.width < template.width
        assert line.size < line.baseline < template.height


@pytest.mark.parametrize("name", sorted(templates()))
@pytest.mark.parametrize("size", [21, 25, 29, 33, 37, 41])
def test_a_code_keeps_its_quiet_zone_free(name: str, size: int) -> None:
    template = templates()[name]
    code = template.table["code"]
    module = module_dots(template, size=size, text="", dots_per_mm=24) / 24
    quiet = QUIET_ZONE * module
    right, bottom = code["x"] + size * module + quiet, code["y"] + size * module + quiet
    for shape in standing(LABEL, template):
        if isinstance(shape, Line):
            assert shape.x >= right or shape.baseline - 0.8 * shape.size >= bottom
        if isinstance(shape, Bar):
            assert shape.x >= right or shape.y >= bottom
    assert min(code["x"], code["y"]) >= quiet, "the label's own edge"


def test_our_serial_stands_in_four_cells_that_fill_the_plate() -> None:
    cells = list(plate_text(SERIAL, UNIT))
    assert [cell.text for cell in cells] == ["7KQ4", "M9TX", "C2WH", "E3"]
    assert cells[0].x == UNIT.table["plate"]["x"]
    assert sum(cell.width for cell in cells) == pytest.approx(UNIT.table["plate"]["width"])


def test_a_factory_serial_stands_in_one_cell_in_smaller_type() -> None:
    (cell,) = plate_text("SN-2025-000123456789", UNIT)
    assert cell.text == "SN-2025-000123456789"
    assert cell.size < UNIT.table["plate"]["sizes"][0]


@pytest.mark.parametrize(
    "field", ["brand", "product", "check_line", "address_line", "contact_line", "maker_line"]
)
def test_a_text_too_wide_for_its_place_is_refused(field: str) -> None:
    too_long = replace(LABEL, **{field: "Wide enough to be refused everywhere " * 3})  # type: ignore[arg-type]  # any
    with pytest.raises(TextDoesNotFit):
        standing(too_long, UNIT)


def test_one_line_too_many_and_a_serial_too_long_are_refused() -> None:
    with pytest.raises(TextDoesNotFit):
        standing(replace(LABEL, lines=("a", "b", "c")), UNIT)
    with pytest.raises(TextDoesNotFit):
        list(plate_text("X" * 60, UNIT))


def test_a_code_is_never_shrunk_below_the_smallest_module() -> None:
    dots = [module_dots(UNIT, size=size, text="", dots_per_mm=8) for size in (25, 33, 37, 41)]
    assert dots == [4, 4, 3, 3]
    with pytest.raises(CodeDoesNotFit):
        module_dots(UNIT, size=45, text="", dots_per_mm=8)
    long = build("a-very-long-host-name-for-a-label.recalls.example.com", gtin=None, serial="s" * 60)
    with pytest.raises(CodeDoesNotFit):
        module_dots(UNIT, size=code_of(long).size, text=long, dots_per_mm=8)


def test_a_right_to_left_line_begins_at_the_right_and_reads_from_there() -> None:
    text = "تحقق من الاستدعاء على vltr.example"
    line = lines(replace(LABEL, check_line=text))[text]
    assert line.align == "right"
    assert line.runs[0].text == "vltr.example", "runs go from left to right as they are seen"
    assert line.runs[-1].is_right_to_left
    assert is_right_to_left(text)
    assert not is_right_to_left("vltr.example تحقق")


def test_letters_that_join_are_measured_joined() -> None:
    (joined,) = runs("ببب", "regular")
    assert joined.width < sum(runs("ب", "regular")[0].width for _ in range(3))


def test_a_sign_that_the_text_font_lacks_comes_from_the_symbols() -> None:
    assert [run.face.name for run in runs("5 V ⎓", "regular")] == [
        "notosans-regular",
        "notosanssymbols-regular",
    ]


def test_a_character_that_no_font_has_names_what_to_install() -> None:
    with pytest.raises(FontMissing, match="fonts-noto"):
        runs("\U000f0000", "regular")


def test_the_bin_is_drawn_only_where_it_is_asked_for() -> None:
    assert any(isinstance(shape, Ring) for shape in standing(LABEL, UNIT))
    assert not any(isinstance(shape, Ring) for shape in standing(replace(LABEL, has_bin=False), UNIT))
