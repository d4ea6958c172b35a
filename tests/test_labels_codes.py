"""Codes made by addition are the codes that the library makes."""

import random
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode
from qrcode.util import ALPHA_NUM

from labels.codes import CodeBook, Codes, code_of
from ledger.digital_link import build
from ledger.identifiers import new_serials

GTIN = "09506000134352"
ALPHANUMERIC = ALPHA_NUM.decode()


def rows_by_library(text: str, *, version: int, mask: int) -> list[list[bool]]:
    qr = QRCode(version=version, error_correction=ERROR_CORRECT_M, mask_pattern=mask, border=0)
    qr.add_data(text, optimize=0)
    qr.make(fit=False)
    return [[bool(module) for module in row] for row in qr.modules]


def serials(count: int) -> list[str]:
    return new_serials(count, random.Random(7).randbytes)


# Prefixes of even and odd length: the first pair of characters may straddle prefix and tail.
@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["HTTPS://VLTR.EXAMPLE/S/", "HTTPS://VLTR.EXAMPLES/S/"]),
    st.lists(st.text(st.sampled_from(ALPHANUMERIC), min_size=5, max_size=5), min_size=2, max_size=4),
)
def test_a_code_by_addition_equals_the_librarys_module_for_module(prefix: str, tails: list[str]) -> None:
    codes = Codes(prefix + tails[0], prefix)
    for tail in tails:
        code = codes.code(prefix + tail)
        library = rows_by_library(prefix + tail, version=code.version, mask=code.mask)
        assert [
            [bool(row >> place & 1) for place in reversed(range(code.size))] for row in code.rows()
        ] == library


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.text(st.characters(max_codepoint=126, min_codepoint=33), min_size=4, max_size=4), min_size=2)
)
def test_a_code_in_byte_mode_by_addition_equals_the_plain_one(tails: list[str]) -> None:
    prefix = "https://vltr.example/s/"
    codes = Codes(prefix + tails[0], prefix)
    for tail in tails[:5]:
        code = codes.code(prefix + tail)
        assert code == code_of(prefix + tail, version=code.version, mask=code.mask)


def test_a_texts_mode_is_its_own() -> None:
    book = CodeBook()
    for text in (
        "HTTPS://A.B/S/AB12",
        "HTTPS://A.B/S/Ab12",
        "HTTPS://A.B/S/ÄB1",
        "HTTPS://A.B/S/CD34",
        "x",
        "/",
    ):
        code = book.code(text)
        assert code == code_of(text, version=code.version, mask=code.mask)


def test_irregular_text_takes_the_plain_path() -> None:
    codes = Codes("HTTPS://A.B/S/AB12", "HTTPS://A.B/S/")
    for text in ("HTTPS://A.B/S/AB123", "HTTPS://A.C/S/AB12", "HTTPS://A.B/S/ab12"):
        assert codes.code(text) == code_of(text)


def test_our_own_address_is_a_code_of_33_modules_and_lower_case_costs_more() -> None:
    uri = build("vltr.example", gtin=GTIN, batch="25W21-A", serial=serials(1)[0])
    assert code_of(uri).size == 33
    assert code_of(uri.lower()).size > 33


def test_twenty_thousand_codes_take_no_noticeable_time() -> None:
    prefix, made = "HTTPS://VLTR.EXAMPLE/S/", serials(20_000)
    codes = Codes(prefix + made[0], prefix)
    started = time.process_time()
    pictures = {codes.code(prefix + serial).bits for serial in made}
    assert time.process_time() - started < 3.0, "0.2 s on the reference machine; 3 s allows for a busy one"
    assert len(pictures) == 20_000


def test_packed_rows_are_whole_bytes_with_white_padding() -> None:
    code = code_of("HTTPS://RECALLS.VLTR.EXAMPLE/S/" + serials(1)[0])
    packed = code.packed()
    assert len(packed) == code.size * -(-code.size // 8)
    unpacked = [int.from_bytes(packed[n : n + 4]) for n in range(0, len(packed), 4)]
    assert code.size == 29
    assert unpacked == [row << 3 for row in code.rows()]
