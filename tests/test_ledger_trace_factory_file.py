"""Files of serials from factories: read in any form they come in, and every damaged row named."""

import csv
import doctest
import time
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError
from ledger.trace import factory_check, factory_columns, factory_file
from ledger.trace.factory_check import Problem, Reason
from ledger.trace.factory_columns import AmbiguousColumn, MissingColumn, NoHeadings, column_of
from ledger.trace.factory_file import FactoryFile, read_factory_file, with_reasons
from ledger.trace.factory_text import BrokenRow, IsWorkbook, UnreadableEncoding, decode, encode, quoted

KNOWN = {"25W21-A1", "25W23-B1"}


def vector(folder: Path, name: str) -> bytes:
    return (folder / "factory" / name).read_bytes()


def read(*lines: str, known: set[str] | None = None, default: str | None = None) -> FactoryFile:
    content = "\r\n".join(lines).encode()
    return read_factory_file(content, known_batches=known, default_batch=default)


def reasons(file: FactoryFile) -> list[tuple[int, str, Reason]]:
    return [(problem.line, problem.column, problem.reason) for problem in file.problems]


def only_problem(*lines: str, known: set[str] | None = None) -> Problem:
    file = read(*lines, known=known)
    assert len(file.problems) == 1, reasons(file)
    return file.problems[0]


def serials(file: FactoryFile) -> list[str]:
    return [row.serial for row in file.rows]


def test_the_examples_in_the_modules_hold() -> None:
    for module in (factory_file, factory_check):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0


# --- what factories have sent


def test_a_clean_file_is_read_whole(vectors: Path) -> None:
    file = read_factory_file(vector(vectors, "serials_clean.csv"), known_batches=KNOWN)
    assert file.is_clean
    assert (file.encoding, file.delimiter, file.language, file.unused) == ("utf-8", ",", "en", ())
    assert [row.line for row in file.rows] == list(range(2, 5002))
    assert [row.serial[:13] for row in file.rows] == [f"VTA2521{number:06}" for number in range(5000)]
    assert {row.made for row in file.rows} == {date(2025, 5, 20)}
    assert [row.carton for row in file.rows] == [f"CT{number // 50:05}" for number in range(5000)]
    assert {batch: len(rows) for batch, rows in file.by_batch().items()} == {"25W21-A1": 5000}


def test_a_chinese_file_with_padding_and_a_sum_is_read_whole(vectors: Path) -> None:
    file = read_factory_file(vector(vectors, "serials_gb18030.csv"), known_batches=KNOWN)
    assert file.is_clean
    assert (file.encoding, file.delimiter, file.language) == ("gb18030", ",", "zh")
    assert file.used == {"serial": "序列号", "batch": "生产批次", "carton": "箱号", "made": "生产日期"}
    assert file.unused == ("电芯批次", "备注")
    assert [row.serial[:13] for row in file.rows] == [f"VTB2523{number:06}" for number in range(3000)]
    assert {len(row.serial) for row in file.rows} == {14}  # the spaces around them belonged to the file
    assert {row.batch for row in file.rows} == {"25W23-B1"}
    assert {row.made for row in file.rows} == {date(2025, 6, 3), date(2025, 6, 4)}
    assert file.rows[0].carton == "箱001"
    assert (file.blank_rows, file.sum_rows) == ((3002,), (3003,))


def test_every_row_that_a_spreadsheet_damaged_is_named_and_no_other(vectors: Path) -> None:
    file = read_factory_file(vector(vectors, "serials_damaged.csv"), known_batches=KNOWN)
    damaged = {
        ("serial", Reason.ZEROS_LOST): [5, 94, 183, 272, 361],
        ("serial", Reason.SCIENTIFIC): [7, 104, 201, 298, 395],
        ("serial", Reason.REPEATED): [9, 122, 235, 348],
        ("serial", Reason.OTHER_LENGTH): [13, 144, 275],
        ("serial", Reason.MISSING): [15, 166, 317],
        ("batch", Reason.LIKELY_BATCH): [2, 201, 400],
        ("made", Reason.DAY_NUMBER): [2, 175, 348],
    }
    expected = sorted((line, *what) for what, lines in damaged.items() for line in lines)
    assert sorted(reasons(file)) == expected
    assert [problem.line for problem in file.problems] == sorted(problem.line for problem in file.problems)
    assert (file.encoding, file.delimiter, len(file.rows)) == ("utf-8-sig", ";", 397)
    assert not file.is_clean


def test_a_problem_says_what_it_probably_was(vectors: Path) -> None:
    file = read_factory_file(vector(vectors, "serials_damaged.csv"), known_batches=KNOWN)
    facts = {(problem.line, problem.column): dict(problem.facts) for problem in file.problems}
    assert facts[5, "serial"] == {"usual": 12, "likely": "000000000003"}
    assert facts[9, "serial"] == {"first": "000000000000", "first_line": 2}
    assert facts[13, "serial"] == {"length": 13, "usual": 12}
    assert facts[2, "batch"] == {"likely": "25W21-A1"}
    assert facts[2, "made"] == {"likely": "2025-05-20"}
    assert [str(problem) for problem in file.problems[:2]] == [
        "No batch has this code. Did you mean 25W21-A1?",
        "This is a spreadsheet's number for a day, probably 2025-05-20: write the date in full.",
    ]


def test_ranges_are_written_out(vectors: Path) -> None:
    file = read_factory_file(vector(vectors, "ranges.csv"), known_batches=KNOWN)
    assert file.is_clean
    assert serials(file) == [f"VTA2521{5000 + i:06}" for i in range(1000)] + ["VTB2523003000"]
    assert {batch: len(rows) for batch, rows in file.by_batch().items()} == {"25W21-A1": 1000, "25W23-B1": 1}
    assert {row.line for row in file.rows} == {2, 3}


@pytest.mark.parametrize(
    "name", ["serials_clean.csv", "serials_gb18030.csv", "serials_damaged.csv", "ranges.csv"]
)
def test_a_file_sent_back_says_the_same_and_why(vectors: Path, name: str) -> None:
    content = vector(vectors, name)
    file = read_factory_file(content, known_batches=KNOWN)
    back = with_reasons(content, file)
    again = read_factory_file(back, known_batches=KNOWN)
    assert (again.rows, again.problems, again.sum_rows) == (file.rows, file.problems, file.sum_rows)
    assert again.unused == (*file.unused, "问题" if file.language == "zh" else "Problem")
    for before, after in zip(content.splitlines(), back.splitlines(), strict=True):
        assert after.startswith(before)
    said = dict(enumerate(back.decode(file.encoding).splitlines(), start=1))
    assert all(str(problem) in said[problem.line].replace('""', '"') for problem in file.problems)


# --- any form


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(',;|\t"\n箱'), max_size=12)
UNITS = st.lists(st.tuples(st.from_regex(r"[A-Z0-9]{12}", fullmatch=True), CELLS), max_size=12)


@st.composite
def written_files(draw: st.DrawFn) -> tuple[bytes, str, str, list[tuple[str, str]]]:
    """A file as some program would write it: its bytes, encoding, delimiter and units."""
    units = draw(UNITS)
    delimiter = draw(st.sampled_from(",;\t|"))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "gb18030", "utf-16-le", "utf-16-be"]))
    buffer = StringIO(newline="")
    ending = draw(st.sampled_from(["\r\n", "\n", "\r"]))
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(["序列号", "备注", "批次"])
    writer.writerows([serial, note, "25W21-A1"] for serial, note in units)
    text = buffer.getvalue()
    return (
        encode(text if draw(st.booleans()) else text.removesuffix(ending), encoding),
        encoding,
        delimiter,
        units,
    )


@given(written_files())
def test_what_a_program_wrote_is_read_in_any_form(
    written: tuple[bytes, str, str, list[tuple[str, str]]],
) -> None:
    content, encoding, delimiter, units = written
    file = read_factory_file(content)
    assert (file.encoding, file.delimiter) == (encoding, delimiter)
    assert serials(file) == [serial for serial, _ in units]
    assert {row.batch for row in file.rows} <= {"25W21-A1"}


@given(written_files())
def test_a_file_sent_back_keeps_its_rows_and_every_cell(
    written: tuple[bytes, str, str, list[tuple[str, str]]],
) -> None:
    content, encoding, delimiter, _units = written
    file = read_factory_file(content, known_batches={"another"})
    back = with_reasons(content, file)
    again = read_factory_file(back, known_batches={"another"})
    assert (again.rows, again.problems) == (file.rows, file.problems)

    def rows(some: bytes) -> list[list[str]]:
        return list(csv.reader(StringIO(decode(some)[1], newline=""), delimiter=delimiter))

    assert [row[:-1] for row in rows(back)] == rows(content)
    assert rows(back)[0] == ["序列号", "备注", "批次", "问题"]
    assert decode(back)[0] == encoding
    # Only added to: what was there stands there still, in its order.
    kept = iter(back)
    assert all(byte in kept for byte in content)


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: not text.startswith("\ufeff")))
def test_text_comes_back_from_every_marked_encoding(text: str) -> None:
    for encoding in ("utf-8-sig", "utf-16-le", "utf-16-be"):
        assert decode(encode(text, encoding)) == (encoding, text)


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: b"SN,Lot,range\r\n" + tail))
def test_no_bytes_can_do_more_than_be_refused(content: bytes) -> None:
    try:
        file = read_factory_file(content, default_batch="B")
    except LedgerError as error:
        said = str(error)
    else:
        said = with_reasons(content, file).decode(file.encoding)
    assert said


@given(st.lists(st.text("0123456789-TtSumOoal合计 ,:=E+\"'\n", max_size=40), max_size=6))
def test_no_cell_can_do_more_than_be_a_problem(cells: list[str]) -> None:
    for heading in ("SN", "range"):
        rows = [[heading, "Lot", "Date"], *([cell, cell, cell] for cell in cells)]
        buffer = StringIO(newline="")
        csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows(rows)
        content = buffer.getvalue().encode()
        file = read_factory_file(content)
        assert all(str(problem) for problem in file.problems)
        assert read_factory_file(with_reasons(content, file)).rows == file.rows


def test_bytes_that_are_no_text_are_refused_with_their_place() -> None:
    with pytest.raises(UnreadableEncoding) as caught:
        read_factory_file("SN,Lot\r\nVT1,批次".encode() + b"\xff\xff\r\n")
    assert caught.value.facts == {"position": 18}
    assert "GB18030" in str(caught.value)
    with pytest.raises(UnreadableEncoding):
        read_factory_file(b"\xff\xfeS\x00N")  # half a character
    with pytest.raises(IsWorkbook):
        read_factory_file(b"PK\x03\x04\x14\x00\x06\x00")


# --- headings


def test_headings_are_known_in_three_languages_and_in_any_dress() -> None:
    for heading in (
        "SN",
        "S/N",
        "Serial No.",
        " serial_number ",
        "Serien-Nr.",
        "序列号（SN）",
        "Code/序列号",
    ):
        assert (column_of(heading) or ("none",))[0] == "serial", heading
    for heading in ("Lot", "Batch No.", "Chargen-Nr.", "生产批次", "批号", "批次"):
        assert (column_of(heading) or ("none",))[0] == "batch", heading
    assert column_of("Herstellungsdatum") == ("made", "de")
    assert column_of("箱号") == ("carton", "zh")
    for heading in ("电芯批次", "备注", "cell lot", "ship date", ""):
        assert column_of(heading) is None, heading


def test_no_heading_names_two_columns() -> None:
    every = [
        (factory_columns.fold(heading), column)
        for column, languages in factory_columns.HEADINGS.items()
        for headings in languages.values()
        for heading in headings
    ]
    assert len(dict(every)) == len(set(every))
    assert {language for languages in factory_columns.HEADINGS.values() for language in languages} == set(
        factory_columns.PROBLEM_HEADINGS
    )


def test_a_file_without_a_serial_is_refused_with_what_it_has() -> None:
    with pytest.raises(MissingColumn) as caught:
        read("Nummer;Lot", "VT1;B1")
    assert caught.value.facts["needed"] == "serial"
    assert caught.value.facts["found"] == "Nummer, Lot"
    assert "Seriennummer" in str(caught.value)


def test_a_file_without_a_batch_needs_one_from_the_caller() -> None:
    with pytest.raises(MissingColumn) as caught:
        read("SN", "VT1")
    assert caught.value.facts["needed"] == "batch"
    file = read("SN", "VT1", default="25W21-A1")
    assert file.is_clean
    assert file.by_batch().keys() == {"25W21-A1"}


def test_a_default_batch_fills_no_empty_cell() -> None:
    file = read("SN,Lot", "VT1,", default="25W21-A1")
    assert reasons(file) == [(2, "batch", Reason.NO_BATCH)]


@pytest.mark.parametrize("headings", ["SN,序列号,Lot", "SN,range,Lot", "SN,Lot,batch"])
def test_two_headings_for_one_column_are_refused(headings: str) -> None:
    with pytest.raises(AmbiguousColumn):
        read(headings, "a,b,c")


@pytest.mark.parametrize("content", [b"", b"\r\n\r\n", b"\xef\xbb\xbf", b" \n\t\n"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    with pytest.raises(NoHeadings):
        read_factory_file(content)


def test_headings_without_a_unit_are_nothing_to_take() -> None:
    file = read("SN,Lot")
    assert (file.rows, file.problems, file.is_clean) == ((), (), False)


def test_blank_rows_may_stand_anywhere() -> None:
    file = read("", " ,", "SN,Lot", "", "VT1,B1", ",,", "VT2,B1", "")
    assert serials(file) == ["VT1", "VT2"]
    assert [row.line for row in file.rows] == [5, 7]
    assert file.blank_rows == (1, 2, 4, 6)
    assert file.is_clean


# --- serials


def test_a_serial_stays_as_the_factory_wrote_it() -> None:
    file = read("SN,Lot", " 007-aB/9 ,B1", "'000-aB/8,B1")
    assert serials(file) == ["007-aB/9", "000-aB/8"]
    assert file.is_clean


def test_a_file_without_a_rule_of_its_own_is_not_judged_by_one() -> None:
    assert read("SN,Lot", *(f"{'7' * length},B1" for length in range(3, 12))).is_clean


def test_a_random_serial_may_lack_letters_or_digits() -> None:
    mixed = [f"AB{number:04},B1" for number in range(30)]
    assert read("SN,Lot", *mixed, "234567,B1", "KLMNPQ,B1").is_clean


def test_a_character_that_the_others_lack_is_named() -> None:
    usual = [f"AB{number:04},B1" for number in range(30)]
    problem = only_problem("SN,Lot", *usual, "AB00é#,B1")
    assert (problem.line, problem.reason) == (32, Reason.OTHER_CHARACTERS)
    assert problem.facts == {"odd": "# é"}


def test_a_short_number_among_mixed_serials_has_not_lost_zeros() -> None:
    usual = [f"AB{number:04},B1" for number in range(30)]
    assert only_problem("SN,Lot", *usual, "31,B1").reason is Reason.OTHER_LENGTH


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1.2E+15", Reason.SCIENTIFIC),
        ("9,0E+12", Reason.SCIENTIFIC),
        ("4e+11", Reason.SCIENTIFIC),
        ("-", Reason.MISSING),
        ("VT\x071", Reason.INVISIBLE),
        ("VT\u200b1", Reason.INVISIBLE),
        ("VT\n1", Reason.INVISIBLE),
        ("VTe\u0301", Reason.NOT_COMPOSED),
        ("V" * 61, Reason.TOO_LONG),
        ('=""007""', Reason.FORMULA),
    ],
)
def test_a_serial_that_cannot_be_kept_is_named(cell: str, reason: Reason) -> None:
    assert only_problem("SN;Lot", f'"{cell}";B1').reason is reason


@pytest.mark.parametrize("cell", ["12E345", "1234E5", "V" * 60, "VT 1"])
def test_a_serial_that_only_looks_odd_is_kept(cell: str) -> None:
    assert serials(read("SN,Lot", f"{cell},B1")) == [cell]
    assert read("SN,Lot", f"{cell},B1").is_clean


def test_serials_that_would_be_found_as_one_are_named() -> None:
    problem = only_problem("SN,Lot", "VT-001a,B1", "VT-002a,B1", "vt 001A,B2")
    assert (problem.line, problem.reason) == (4, Reason.ALIKE)
    assert problem.facts == {"first": "VT-001a", "first_line": 2}


# --- ranges


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("A-008-A-011", ["A-008", "A-009", "A-010", "A-011"]),
        ("098 - 101", ["098", "099", "100", "101"]),
        ("V1至V2", ["V1", "V2"]),
        ("V9~V9", ["V9"]),
    ],
)
def test_a_range_keeps_its_zeros_and_both_ends(cell: str, expected: list[str]) -> None:
    assert serials(read("range,Lot", f"{cell},B1")) == expected


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("V001", Reason.NOT_A_RANGE),
        ("V001-V02", Reason.NOT_A_RANGE),
        ("V001-W002", Reason.NOT_A_RANGE),
        ("VA-VB", Reason.NOT_A_RANGE),
        ("V0A-V09", Reason.NOT_A_RANGE),
        ("V002-V001", Reason.REVERSED_RANGE),
        ("0000000-1000000", Reason.TOO_MANY),
        ("0" * 40 + "-" + "9" * 40, Reason.TOO_MANY),
        ("1" * 5000 + "-" + "9" * 5000, Reason.NOT_A_RANGE),
    ],
)
def test_a_wrong_range_is_a_problem_and_no_unit(cell: str, reason: Reason) -> None:
    file = read("range,Lot", f"{cell},B1", "W1-W2,B1")
    assert reasons(file) == [(2, "range", reason)]
    assert serials(file) == ["W1", "W2"]


def test_the_bound_holds_for_all_ranges_of_a_file() -> None:
    file = read("range,Lot", "V000001-V000010,B1", "W0000000-W0999990,B1")
    assert reasons(file) == [(3, "range", Reason.TOO_MANY)]
    assert len(file.rows) == 10


def test_ranges_that_overlap_have_one_problem_a_row() -> None:
    file = read("range,Lot", "V001-V100,B1", "V050-V200,B1")
    assert reasons(file) == [(3, "serial", Reason.REPEATED)]
    assert file.problems[0].value == "V050"


# --- batches, dates, cartons


def test_a_batch_that_is_not_known_is_named_with_the_likely_one() -> None:
    known = {"25W21-A1", "25W23-B8"}
    for cell in ("25W2I-A1", "25w21 a1", "2SW2l-A1"):
        assert only_problem("SN,Lot", f"V1,{cell}", known=known).facts == {"likely": "25W21-A1"}
    assert only_problem("SN,Lot", "V1,25W22-A1", known=known).reason is Reason.UNKNOWN_BATCH
    assert read("SN,Lot", "V1,25W22-A1").is_clean


DAYS = ("2025-06-03", "2025/6/3", "2025.6.3", "20250603", "2025年6月3日", "２０２５-06-03", "2025/6/3 0:00")


@pytest.mark.parametrize("cell", [*DAYS, " 2025-6-03 "])
def test_a_day_is_read_as_factories_write_it(cell: str) -> None:
    file = read("SN,Lot,Date", f"V1,B1,{cell}")
    assert file.is_clean
    assert file.rows[0].made == date(2025, 6, 3)


@pytest.mark.parametrize(
    "cell",
    ["03/06/2025", "2025-02-30", "2025-6/3", "25-06-03", "99990101", "soon", "2025-06-03 14:00", "123"],
)
def test_a_day_that_could_be_another_is_not_guessed(cell: str) -> None:
    problem = only_problem("SN,Lot,Date", f"V1,B1,{cell}")
    assert (problem.column, problem.value, problem.reason) == ("made", cell, Reason.NO_DATE)


def test_a_day_may_be_missing() -> None:
    file = read("SN,Lot,Date", "V1,B1,", "V2,B1")
    assert file.is_clean
    assert [row.made for row in file.rows] == [None, None]


def test_a_carton_is_anything_that_can_be_printed() -> None:
    assert read("SN,Lot,箱号", "V1,B1,箱 001 / 50 ✓").rows[0].carton == "箱 001 / 50 ✓"
    assert only_problem("SN,Lot,箱号", "V1,B1,C\x1b1").column == "carton"


# --- rows as a whole


@pytest.mark.parametrize(
    "row",
    ["合计,,2", "总计：2,,", ",Total,2", ",Total: 2,", "Summe,,2 Stück", "sum,,2", ",,合计2件", "合计,1,2"],
)
def test_a_sum_is_no_unit(row: str) -> None:
    file = read("SN,Lot,note", "V1,B1,", "V2,B1,", row)
    assert file.is_clean
    assert serials(file) == ["V1", "V2"]
    assert file.sum_rows == (4,)


@pytest.mark.parametrize(
    ("row", "stated"), [("合计,,3", "3"), ('Total,,"2,000"', "2000"), ("Sum,1,3", "1, 3")]
)
def test_a_sum_that_is_wrong_is_a_problem(row: str, stated: str) -> None:
    problem = only_problem("SN,Lot,note", "V1,B1,", "V2,B1,", row)
    assert (problem.line, problem.reason) == (4, Reason.WRONG_SUM)
    assert problem.facts == {"stated": stated, "counted": 2}


def test_a_sum_in_thousands_is_read() -> None:
    file = read("SN,Lot", *(f"V{number:04},B1" for number in range(1200)), 'Total,"1,200 pcs"')
    assert file.is_clean


def test_a_sum_without_a_number_is_a_problem() -> None:
    assert only_problem("SN,Lot,note", "V1,B1,", "合计,,").reason is Reason.NO_SUM


def test_a_word_for_a_sum_makes_no_unit_vanish() -> None:
    assert serials(read("SN,Lot,note", "SUM-0001,B1,", "TOTAL2,B1,Total", "S3,B1,合计 1")) == [
        "SUM-0001",
        "TOTAL2",
        "S3",
    ]


def test_a_cell_without_a_heading_is_a_problem() -> None:
    problem = only_problem("SN,note,Lot,,", "V1,fine,B1,,", "V2,one, two,B1,")
    assert (problem.line, problem.reason) == (3, Reason.SHIFTED)
    assert read("SN,Lot", "V1,B1,,,").is_clean


def test_rows_inside_a_cell_are_not_lost_unseen() -> None:
    problem = only_problem("SN,Lot,note", 'V1,B1,"5', "V2,B1,", "V3,B1,fine", 'V4,B1,5"')
    assert (problem.line, problem.reason) == (2, Reason.SWALLOWED)
    assert read("SN,Lot,note", 'V1,B1,"a note', 'of two lines, no more"', "V2,B1,").is_clean


@pytest.mark.parametrize("rows", [['V1,B1,"open', "V2,B1,"], ['V1,B1,"5" wide', "V2,B1,"]])
def test_quotation_marks_that_do_not_pair_are_refused_with_their_line(rows: list[str]) -> None:
    with pytest.raises(BrokenRow) as caught:
        read("SN,Lot,note", "V0,B1,", *rows)
    assert caught.value.facts == {"line": 3}


def test_an_open_quotation_mark_in_a_large_file_is_refused() -> None:
    with pytest.raises(BrokenRow) as caught:
        read('"SN,Lot', *(f"V{number:06},B1" for number in range(20_000)))
    assert caught.value.facts == {"line": 1}


# --- sent back


def test_a_reason_stands_under_its_heading_whatever_the_row_lacks() -> None:
    content = b'SN,Lot,note\nV1,,"two\nlines"\nV2\n\nV3,,x,\n,,\nV4,B1,x'
    back = with_reasons(content, read_factory_file(content))
    assert back.decode().split("\n") == [
        "SN,Lot,note,Problem",
        'V1,,"two',
        'lines",There is no batch in this row.',
        "V2,,,There is no batch in this row.",
        "",
        "V3,,x,There is no batch in this row.",
        ",,,",
        "V4,B1,x,",
    ]


def test_a_reason_is_said_in_the_words_of_the_reader() -> None:
    content = "序列号;批次\r\nV1;\r\n".encode("gb18030")
    back = with_reasons(
        content, read_factory_file(content), say=lambda problem: f"第{problem.line}行;没有批次"
    )
    assert back.decode("gb18030") == '序列号;批次;问题\r\nV1;;"第2行;没有批次"\r\n'


@pytest.mark.parametrize("start", "=+-@")
def test_what_is_added_is_never_a_formula(start: str) -> None:
    assert quoted(f'{start}HYPERLINK("x")', ",") == f'"\'{start}HYPERLINK(""x"")"'
    assert quoted("two\r\nlines", ",") == "two  lines"


def test_a_large_file_is_read_in_time() -> None:
    rows = (f"VTA{i:010}L,25W21-A1,CT{i // 50:05},2025-05-{i % 28 + 1:02}\r\n" for i in range(20_000))
    content = ("serial,batch,carton,made\r\n" + "".join(rows)).encode()
    started = time.process_time()
    assert read_factory_file(content).is_clean
    assert time.process_time() - started < 0.6  # 100,000 rows in less than 3 s of a slow machine's time
