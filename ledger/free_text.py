"""Free text that goes into the log for ever must name nobody's address or telephone."""

import re
import unicodedata

from ledger.errors import LedgerError
from ledger.identifiers import check_digit

EMAIL = re.compile(r"[^\s@<>(),;:]+@[^\s@<>(),;:]+\.[^\s@<>(),;:.]{2,}")
# Numbers as people write them, parted or not. Not within a code, nor in a row of decimals, dates and times: what
# stands before and after is asked in ASCII, because Chinese puts no space between a word and a number.
_BEFORE = r"(?<![A-Za-z0-9_-])(?<!\d[.,])"
_AFTER = r"(?![A-Za-z0-9_-]|[.,:/]\d)"
TELEPHONES = tuple(
    re.compile(_BEFORE + form + _AFTER)
    for form in (
        r"(?:\+|00)[1-9](?:[\s()./-]{0,3}[0-9]){7,14}",  # with the country
        r"\(?0[0-9](?:[\s()./-]{0,2}[0-9]){7,10}",  # within a country that dials 0 first
        r"1[3-9][0-9](?:[ -]?[0-9]{4}){2}",  # a mobile in China
        r"\([0-9]{3}\) ?[0-9]{3}[-. ][0-9]{4}",  # in North America
    )
)


class PersonalData(LedgerError):
    """A text for the log holds an address or a number of a person."""

    message = (
        "The field “{field}” holds “{span}”, which looks like a person's address or number. What is "
        "recorded stays for ever: take it out, and keep it with the contact instead."
    )


def refuse_personal_data(field: str, text: str) -> None:
    """Raise PersonalData naming the span, if `text` holds an e-mail address or a telephone number."""
    text = unicodedata.normalize("NFKC", text)  # a Chinese keyboard's full-width digits are digits too
    found = EMAIL.search(text) or _find_telephone(text)
    if found:
        raise PersonalData(field=field, span=found.group())


def _find_telephone(text: str) -> re.Match[str] | None:
    for form in TELEPHONES:
        for found in form.finditer(text):
            if not _is_gtin(found.group()):
                return found
    return None


def _is_gtin(digits: str) -> bool:
    """Whether it is a number of a product that begins with a zero, as North American ones do."""
    if not re.fullmatch("0[1-9][0-9]{10,12}", digits):
        return False
    return digits[-1] == check_digit(digits[:-1])
