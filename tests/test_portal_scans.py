"""What hand scanners type for our codes, and that it is read back."""

import os
from string import ascii_uppercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.digital_link import build, parse
from ledger.identifiers import new_serial, search_key
from portal.scans import (
    GS,
    LONGEST,
    TEST_TEXT,
    diagnose,
    element_paths,
    layouts,
    repairs,
    tidied,
    typed_by_scanner,
    unshifted,
)

COMPUTERS = [key for key in layouts() if key != "us"]
SET_TO = ["de", "fr", "es", "it", "tr", "he", "ja"]  # the others have no Latin letters to type our codes with
SERIAL = "7KQ4M9TXC2WHE3"
ADDRESS = "HTTPS://VLTR.EXAMPLE/01/09506000134352/10/25W21-A/21/7KQ4M9TXC2WHE3"

serials = st.binary(min_size=8, max_size=8).map(lambda drawn: new_serial(lambda _size: drawn))
codes = st.text(ascii_uppercase + digits + "-", min_size=1, max_size=20)
foreign = st.text(ascii_uppercase + digits + "-._~%:/", min_size=6, max_size=20)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """What our codes hold: an address with a GTIN or without, or a factory's number alone."""
    gtin = draw(st.sampled_from(["09506000134352", None]))
    address = build("vltr.example", gtin=gtin, batch=draw(codes), serial=draw(serials))
    return draw(st.sampled_from([address, draw(foreign)]))


def is_read_back(original: str, got: str) -> bool:
    """Whether one of the repairs says the original; its case does not matter where a layout has none."""
    ways = [tidied(got), *(one.text for one in repairs(got))]
    return tidied(original).upper() in [one.upper() for one in ways]


def has_tilde_key(key: str) -> bool:
    return key not in ("fr", "ja", "kana")


@pytest.mark.parametrize("caps", [False, True], ids=["caps off", "caps on"])
@pytest.mark.parametrize("computer", [key for key in COMPUTERS if key != "kana"])
@given(text=texts())
def test_what_a_scanner_set_to_us_types_on_any_computer_is_read_back(
    text: str, computer: str, caps: bool
) -> None:
    if not has_tilde_key(computer):
        text = text.replace("~", "")
    assert is_read_back(text, typed_by_scanner(text, computer=computer, is_caps=caps))


@given(serial=serials, batch=st.text(ascii_uppercase + digits + "-", min_size=1, max_size=20))
def test_kana_is_read_back_though_it_has_no_capitals_and_no_colon(serial: str, batch: str) -> None:
    address = build("vltr.example", gtin="09506000134352", batch=batch, serial=serial)
    assert is_read_back(address, typed_by_scanner(address, computer="kana"))


@pytest.mark.parametrize("scanner", SET_TO)
@given(serial=serials, batch=codes)
def test_what_a_scanner_set_to_another_country_types_on_a_us_keyboard_is_read_back(
    serial: str, batch: str, scanner: str
) -> None:
    address = build("vltr.example", gtin="09506000134352", batch=batch, serial=serial)
    got = typed_by_scanner(address, computer="us", scanner=scanner)
    assert is_read_back(address, got)


@pytest.mark.parametrize("computer", [key for key in COMPUTERS if key != "kana"])
@given(serial=serials)
def test_a_lost_shift_on_any_computer_is_read_back(serial: str, computer: str) -> None:
    address = f"HTTPS://VLTR.EXAMPLE/S/{serial}"
    got = typed_by_scanner(unshifted(address), computer=computer)
    if computer != "ar" or "gh" not in address.lower():  # one Arabic key prints what these two do
        assert is_read_back(address, got)


@given(text=st.text(max_size=60))
def test_any_text_at_all_has_a_bounded_number_of_readings_in_plain_characters(text: str) -> None:
    found = repairs(text)
    assert len(found) <= 100
    assert all(one.text.isascii() and one.text != text for one in found)
    assert len({one.text for one in found}) == len(found)


def test_a_text_longer_than_any_code_is_not_read_back() -> None:
    assert repairs("ß" * (LONGEST + 1)) == ()
    assert diagnose("ß" * (LONGEST + 1)) is None


@pytest.mark.parametrize(
    ("got", "layout"),
    [
        ("HTTPSÖ--VLTR.EXAMPLE-S-7KQ4M9TXC2WHE3", "de"),
        ("HTTPSM!!VLTR:EXQ?PLE!S!èKA'?çTXCéZHE\"", "fr"),
        ("HTTPSÑ--VLTR.EXAMPLE-S-7KQ4M9TXC2WHE3", "es"),
        ("HTTPSç--VLTR.EXAMPLE-S-7KQ4M9TXC2WHE3", "it"),
        ("HTTPSŞ..VLTRçEXAMPLE.S.7KQ4M9TXC2WHE3", "tr"),
        ("РЕЕЗЫЖ..МДЕКюУЧФЬЗДУ.Ы.7ЛЙ4Ь9ЕЧС2ЦРУ3", "ru"),
        ("HTTPS:..VLTRץEXAMPLE.S.7KQ4M9TXC2WHE3", "he"),
        ("ΗΤΤΠΣ¨//ΩΛΤΡ.ΕΧΑΜΠΛΕ/Σ/7Κ:4Μ9ΤΧΨ2΅ΗΕ3", "el"),
        ("HTTPS+//VLTR.EXAMPLE/S/7KQ4M9TXC2WHE3", "ja"),
    ],
)
def test_the_layout_is_told(got: str, layout: str) -> None:
    right = [one for one in repairs(got) if one.text == f"HTTPS://VLTR.EXAMPLE/S/{SERIAL}"]
    assert [one.layout for one in right] == [layout]
    assert not right[0].is_plain


@pytest.mark.parametrize(
    "got",
    [
        "ＨＴＴＰＳ：／／ＶＬＴＲ．ＥＸＡＭＰＬＥ／Ｓ／７ＫＱ４Ｍ９ＴＸＣ２ＷＨＥ３",
        "HTTPS：、、VLTR。EXAMPLE、S、7KQ4M9TXC2WHE3",
        "ＨＴＴＰＳ：・・ＶＬＴＲ。ＥＸＡＭＰＬＥ・Ｓ・７ＫＱ４Ｍ９ＴＸＣ２ＷＨＥ３",
    ],
)
def test_what_input_methods_make_of_an_address_is_read_back(got: str) -> None:
    right = [one for one in repairs(got) if one.text == f"HTTPS://VLTR.EXAMPLE/S/{SERIAL}"]
    assert [one.is_input_method for one in right] == [True]


@pytest.mark.parametrize("prefix", ["]Q1", "]d2", "]C1", "\x02", f"]d2{GS}"])
@pytest.mark.parametrize("suffix", ["", "\r\n", "\t", "\x03"])
def test_what_scanners_put_around_a_code_is_taken_away(prefix: str, suffix: str) -> None:
    assert tidied(f"{prefix}{ADDRESS}{suffix}") == ADDRESS
    assert tidied(f"{prefix}{SERIAL}{suffix}") == SERIAL


@pytest.mark.parametrize(
    "scheme", ["https://", "HTTPS://", "Https://", "hTTPS://", "https;//", "HTTPS//", "http:/"]
)
def test_an_address_s_scheme_is_put_right(scheme: str) -> None:
    assert parse(tidied(f"{scheme}vltr.example/S/{SERIAL}")).serial == SERIAL


@pytest.mark.parametrize(
    "text",
    [
        f"]d20109506000134352{'10'}25W21-A{GS}21{SERIAL}",
        f"]C10109506000134352{'10'}25W21-A␝21{SERIAL}",
        f"(01)09506000134352(10)25W21-A(21){SERIAL}",
        f"010950600013435221{SERIAL}{GS}1025W21-A",
        f"01095060001343521725053121{SERIAL}<GS>1025W21-A",
        f"01095060001343521025W21-A21{SERIAL}",  # GS was dropped
    ],
)
def test_element_strings_of_gs1_are_read(text: str) -> None:
    assert f"/01/09506000134352/10/25W21-A/21/{SERIAL}" in element_paths(tidied(text))
    assert f"/01/09506000134352/10/25W21-A/21/{SERIAL}" in [one.text for one in repairs(text)]


def test_no_element_string_is_seen_where_there_is_none() -> None:
    assert element_paths(SERIAL) == []
    assert element_paths("0109506000134352") == ["/01/09506000134352"]
    assert element_paths("010950600013435299XX") == []


@pytest.mark.parametrize("computer", layouts())
def test_the_test_code_tells_every_layout(computer: str) -> None:
    found = diagnose(typed_by_scanner(TEST_TEXT, computer=computer))
    assert found is not None
    assert found.is_fit == (computer == "us")
    assert computer == found.repair.layout
    assert found.has_gs


def test_the_test_code_tells_prefix_caps_lock_lost_shift_and_a_dropped_separator() -> None:
    prefixed = diagnose(f"]Q1{TEST_TEXT}")
    caps = diagnose(TEST_TEXT.swapcase())
    lost = diagnose(unshifted(TEST_TEXT))
    dropped = diagnose(TEST_TEXT.replace(GS, ""))
    wide = diagnose(TEST_TEXT.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}))
    assert prefixed
    assert caps
    assert lost
    assert dropped
    assert wide
    assert (prefixed.prefix, prefixed.is_fit) == ("]Q1", True)
    assert caps.repair.is_caps
    assert lost.has_lost_shift
    assert (dropped.has_gs, dropped.is_fit) == (False, True)
    assert wide.repair.is_input_method


@given(text=st.text(max_size=200))
def test_what_is_not_the_test_code_is_no_diagnosis(text: str) -> None:
    assert diagnose(text) is None


def test_every_layout_has_a_key_for_each_character_of_the_us_keyboard() -> None:
    us = layouts()["us"]
    assert len(us.places) == 94
    for layout in layouts().values():
        assert len(layout.prints) == len(us.prints), layout.key


def test_random_serials_keep_their_check_pair_on_the_way_back() -> None:
    serial = new_serial(os.urandom)
    for computer in COMPUTERS:
        got = typed_by_scanner(serial, computer=computer)
        assert serial in {search_key(one.text) for one in repairs(got)} | {search_key(got)}, computer
