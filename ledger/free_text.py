"""Free text that goes into the log for ever must name nobody's address or telephone."""

import re

from ledger.errors import LedgerError

EMAIL = re.compile(r"[^\s@<>(),;:]+@[^\s@<>(),;:]+\.[^\s@<>(),;:.]{2,}")
# Nine digits or more, written as people write telephone numbers: a plus or a leading zero, parted or not.
# Codes and dates of the trade start otherwise, or hold letters.
TELEPHONE = re.compile(r"(?<![\w-])(?:\+|00|\(0|0)[\d](?:[\s()./-]?\d){7,14}(?![\w-])")


class PersonalData(LedgerError):
    """A text for the log holds an address or a number of a person."""

    message = (
        "The field “{field}” holds “{span}”, which looks like a person's address or number. What is "
        "recorded stays for ever: take it out, and keep it with the contact instead."
    )


def refuse_personal_data(field: str, text: str) -> None:
    """Raise PersonalData naming the span, if `text` holds an e-mail address or a telephone number."""
    found = EMAIL.search(text) or TELEPHONE.search(text)
    if found:
        raise PersonalData(field=field, span=found.group())
