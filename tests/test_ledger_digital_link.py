"""Addresses on labels: built, scanned, pasted.

GS1's vectors apply where the key is 01 with qualifiers 22, 10, 21. Left out, and asserted as left out: other
keys (00, 253, 414, 8004, 8018, 401), qualifier 235, the removed names gtin and ser (all refused here: nothing
of ours is named by them), and faults among the attributes in the query, which we never read.
"""

import doctest
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import digital_link
from ledger.digital_link import Link, NotADigitalLink, build, escape, parse, unescape
from ledger.identifiers import AI_82

VECTORS = Path(__file__).parents[2] / "shared" / "vectors" / "gs1"
GTIN = "09506000134352"
OTHER_KEYS = ("/00/", "/253/", "/414/", "/8004/", "/8018/", "/401/", "/235/", "/gtin/")
ATTRIBUTE_FAULTS = ("?99=", "98=XYZ+987", "?99=XYZ789&99=XYZ789", "89=ABC123")

values = st.text(st.sampled_from(AI_82), min_size=1, max_size=20)


def vectors(name: str) -> list[dict[str, Any]]:
    if not VECTORS.exists():
        pytest.skip("../shared/vectors is not beside this checkout")
    cases: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())["cases"]
    return cases


def element_string(link: Link) -> str:
    """GS1's element string of what we read, FNC1 written as a caret after the first."""
    named = (("22", link.variant), ("10", link.batch), ("21", link.serial))
    return f"^01{link.gtin}" + "^".join(key + value for key, value in named if value)


def is_refused(text: str) -> bool:
    try:
        parse(text)
    except NotADigitalLink:
        return True
    return False


def test_the_example_in_the_module_holds() -> None:
    result = doctest.testmod(digital_link)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_gs1_addresses_of_other_keys_are_refused() -> None:
    cases = [case for case in vectors("dl_uri_parse.json") if any(key in case["uri"] for key in OTHER_KEYS)]
    assert len(cases) > 10
    for case in cases:
        assert is_refused(case["uri"]), case


def test_gs1_addresses_of_ours_are_read_as_gs1_reads_them() -> None:
    compared = 0
    for case in vectors("dl_uri_parse.json"):
        uri, expected = case["uri"], case["element_string_fnc1_as_caret"]
        if any(key in uri for key in OTHER_KEYS) or (
            not case["valid"] and any(f in uri for f in ATTRIBUTE_FAULTS)
        ):
            continue
        compared += 1
        assert is_refused(uri) is not case["valid"], case
        if case["valid"]:
            assert expected.startswith(element_string(parse(uri))), case
            assert "?" in uri or expected == element_string(parse(uri)), case
    assert compared > 35


def test_faults_among_attributes_leave_what_the_path_names() -> None:
    cases = [case["uri"] for case in vectors("dl_uri_parse.json") if "?99=XYZ789&99=XYZ789" in case["uri"]]
    assert [parse(uri) for uri in cases] == [Link(gtin="09520123456788", batch="ABC123")]


def test_addresses_are_built_as_gs1_builds_them() -> None:
    built = {
        "(01)12312312312326(21)abc123": build("id.gs1.org", gtin="12312312312326", serial="abc123"),
        "(21)XYZ(01)12312312312333(10)ABC123(99)XYZ": build(
            "example.com", gtin="12312312312333", batch="ABC123", serial="XYZ"
        ),
        "(01)12312312312333(10)ABC+123(99)XYZ+QWERTY": build(
            "example.com", gtin="12312312312333", batch="ABC+123"
        ),
    }
    cases = {case["ai_bracketed"]: case["uri"] for case in vectors("dl_uri_generate.json") if case["ok"]}
    for elements, uri in built.items():
        scheme, host, path = cases[elements].partition("?")[0].replace("://", "/").split("/", 2)
        assert uri == f"{scheme.upper()}://{host.upper()}/{path}"


def test_segments_are_escaped_and_read_as_gs1_does() -> None:
    for case in vectors("uri_escape.json"):
        assert escape(case["raw"]) == case["path"]
    for case in vectors("uri_unescape.json"):
        # Bytes above 127 are Latin-1 there; here they are UTF-8, and in a /01/ address refused either way.
        if "ÿ" not in case["path"]:
            assert unescape(case["encoded"]) == case["path"]
        else:
            assert is_refused(f"/01/{GTIN}/10/{case['encoded']}")


@given(values, values)
def test_every_batch_and_serial_of_gs1s_set_comes_back(batch: str, serial: str) -> None:
    link = Link(gtin=GTIN, batch=batch, serial=serial)
    assert parse(build("vltr.example", gtin=GTIN, batch=batch, serial=serial)) == link


@given(st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable()))
def test_every_printable_number_comes_back_without_a_gtin(serial: str) -> None:
    assert parse(build("vltr.example", gtin=None, serial=serial)) == Link(serial=serial)


def test_an_address_of_our_own_serial_is_wholly_upper_case() -> None:
    uri = build("vltr.example", gtin=GTIN, batch="25W21-A", serial="7KQ4M9TXC2WHE3")
    assert uri == uri.upper()


def test_a_batch_alone_is_addressed_under_its_product_or_like_a_serial() -> None:
    assert build("vltr.example", gtin=GTIN, batch="25W21-A").endswith(f"/01/{GTIN}/10/25W21-A")
    assert build("vltr.example", gtin=None, batch="25W21-A").endswith("/S/25W21-A")


@pytest.mark.parametrize("serial", ["x" * 21, "Ä1", "A B", "№7"])
def test_what_gs1_cannot_carry_goes_to_our_own_path(serial: str) -> None:
    uri = build("vltr.example", gtin=GTIN, batch="B1", serial=serial)
    assert "/S/" in uri
    assert parse(uri) == Link(serial=serial)


@pytest.mark.parametrize(
    "text",
    [
        "HTTPS://VLTR.EXAMPLE/S/7KQ4M9TXC2WHE3",
        "https://vltr.example/s/7KQ4M9TXC2WHE3",
        "vltr.example/s/7KQ4M9TXC2WHE3",
        "/S/7KQ4M9TXC2WHE3",
        " /s/7KQ4M9TXC2WHE3/ ",
        "https://vltr.example/de/s/7KQ4M9TXC2WHE3?utm_source=mail#top",
        "http://localhost:8000/s/7KQ4M9TXC2WHE3",
    ],
)
def test_a_pasted_address_names_its_serial(text: str) -> None:
    assert parse(text) == Link(serial="7KQ4M9TXC2WHE3")


def test_an_escaped_slash_is_part_of_the_value() -> None:
    assert parse(f"/01/{GTIN}/10/A%2F21%2fB/21/01") == Link(gtin=GTIN, batch="A/21/B", serial="01")
    assert parse("/s/A%2FB") == Link(serial="A/B")


@pytest.mark.parametrize(
    "text",
    [
        "7KQ4-M9TX-C2WH-E3",
        "A/S/12",
        "/s/",
        "/s/A/B",
        f"/01/{GTIN}/21/A/10/B",
        f"/01/{GTIN}/10/A/10/B",
        f"/01/{GTIN}/10",
        f"/01/{GTIN}/10/" + "A" * 21,
        f"/01/{GTIN}/10/%C3%84",
        f"/01/{GTIN}?21=ABC",
        "/01/09506000134353",
        "/01/",
        f"Https://vltr.example/01/{GTIN}",
        f"ftp://vltr.example/01/{GTIN}",
        f"https://user@vltr.example/01/{GTIN}",
    ],
)
def test_what_is_no_address_of_a_label_is_refused(text: str) -> None:
    with pytest.raises(NotADigitalLink):
        parse(text)


@given(st.text(max_size=60), st.sampled_from(["", "/01/", "/s/", "https://a/01/", "HTTPS://a.b/S/"]))
def test_any_text_is_read_or_refused_and_never_breaks(text: str, stem: str) -> None:
    if not is_refused(stem + text):
        link = parse(stem + text)
        assert link.gtin or link.serial
