"""Free text: addresses and numbers of persons are found, codes and figures of the trade are not."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from ledger import nouns
from ledger.free_text import PersonalData, refuse_personal_data
from ledger.journal.fields import extras
from ledger.journal.registry import COMMANDS
from ledger.journal.transaction import check_free_text
from ledger.trace.quality import PlaceHold
from ledger.trace.substitution import DecideSubstitution

assert nouns

PERSONAL = [
    ("Ask ada@mail.example.", "ada@mail.example"),
    ("mail to: Ada.Muster+recall@mail.voltaro.example, please", "Ada.Muster+recall@mail.voltaro.example"),
    ("邮箱 ada@mail.example", "ada@mail.example"),
    ("ada＠mail.example", "ada@mail.example"),
    ("Call +49 30 1234567.", "+49 30 1234567"),
    ("Call +493012345678", "+493012345678"),
    ("0049 (30) 123 45 67", "0049 (30) 123 45 67"),
    ("(030) 123 45 678", "(030) 123 45 678"),
    ("030/12345678", "030/12345678"),
    ("+86 138 0013 8000", "+86 138 0013 8000"),
    ("电话+86 138 0013 8000转", "+86 138 0013 8000"),
    ("13800138000", "13800138000"),
    ("手机13800138000，张", "13800138000"),
    ("138 0013 8000", "138 0013 8000"),
    ("138-0013-8000", "138-0013-8000"),
    ("１３８００１３８０００", "13800138000"),
    ("Call (415) 555-2671.", "(415) 555-2671"),
]
OF_THE_TRADE = [
    "",
    "Three of twelve retained samples lost capacity.",
    "Lot SF-0412 went into 25W21-A and 25W22-B.",
    "TFW-250412 arrived on 2025-05-12 at 08:30.",
    "On 01.02.2025 and on 1/2/2025.",
    "Report 2025-10-08/3, 16 µm ± 0.5 µm, 10,000 mAh, 3.7 V.",
    "Am 01.02.2025 08:30, vom 01.02.2025-03.02.2025.",
    "0.012 0.013 0.011 0.014 0.012 mm",
    "UPC 012345678905",
    "GTIN 4012345678901",
    "GTIN 04012345678901",
    "Serials 7KQ4-M9TX-C2WH-E3 and 0077-0001 to 0077-0999.",
    "20000 of 20000 units; 1 000 000 mm; 100000 pcs.",
    "SHA-256 0123456789abcdef0123456789abcdef",
    "Position [17, 812] @ line 3",
    "2 pcs @ 3.50 EUR",
    "Container MSCU1234567, invoice 13800138000123",
]


@pytest.mark.parametrize(("text", "span"), PERSONAL)
def test_an_address_or_a_number_is_refused_with_its_span(text: str, span: str) -> None:
    with pytest.raises(PersonalData) as refused:
        refuse_personal_data("statement", text)
    assert refused.value.facts["field"] == "statement"
    assert str(refused.value.facts["span"]).endswith(span)
    assert span in str(refused.value)


@pytest.mark.parametrize("text", OF_THE_TRADE)
def test_codes_dates_and_figures_are_taken(text: str) -> None:
    refuse_personal_data("statement", text)


@pytest.mark.parametrize("text", ["x" * 4_000, "a@" * 2_000, "a@" + "b." * 2_000, "0 " * 2_000, "+1" * 2_000])
def test_no_text_takes_long(text: str) -> None:
    begun = time.perf_counter()
    with suppress(PersonalData):
        refuse_personal_data("statement", text)
    assert time.perf_counter() - begun < 0.5


def test_fields_marked_as_free_text_are_read_and_others_are_not() -> None:
    with pytest.raises(PersonalData) as refused:
        check_free_text(PlaceHold(batch="B1", reason="Ask ada@mail.example"))
    assert refused.value.facts["field"] == "reason"
    check_free_text(PlaceHold(batch="ada@mail.example", reason="A sample failed."))
    with pytest.raises(PersonalData):
        check_free_text(DecideSubstitution(code="S-1", decision="approve", statement="Call +49 30 1234567"))


def prose_fields(kind: Any) -> Iterator[tuple[str, Any]]:
    for one in msgspec.structs.fields(kind):
        if one.name in {"statement", "reason", "not_recalled_because"}:
            yield one.name, one.type


def test_every_statement_and_every_reason_of_a_request_is_free_text() -> None:
    found = [
        (name, field, kind)
        for name, command in COMMANDS.items()
        for field, kind in prose_fields(command.request)
    ]
    assert len(found) >= 10
    assert [one[:2] for one in found if not extras(one[2]).get("free_text")] == []
