"""Values from what people type: one reader for each kind of question that is not a group."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date

from ledger.files import FileRef
from ledger.journal.question import NO, YES, Kind, Question
from ledger.quantities import LARGEST, Money, Quantity

LONGEST_AMOUNT = 60  # characters of a number, day or amount: no honest one is longer


class NotTaken(Exception):
    """An answer that cannot be taken: why (a msgid), and its facts."""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message, self.facts = message, facts


def read_value(question: Question, answer: object) -> object:
    """The value of one answer. Raises NotTaken, or what Quantity and Money raise."""
    return _READ[question.kind](question, answer)


def _text(question: Question, answer: object) -> str:
    text = unicodedata.normalize("NFC", _typed_text(answer).replace("\r\n", "\n")).strip()
    for character in text:
        is_line = question.kind == "prose" and character in "\n\t"
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and not is_line:
            raise NotTaken("Take out the invisible character {code}.", code=f"U+{ord(character):04X}")
    if question.most is not None and len(text) > question.most:
        raise NotTaken(
            "This has {length} characters; at most {most} fit.", length=len(text), most=question.most
        )
    if question.least is not None and len(text) < question.least:
        raise NotTaken("This needs at least {least} characters.", least=question.least)
    if question.pattern and not re.search(question.pattern, text):
        if question.example:
            raise NotTaken("Write it in this form: {example}", example=question.example)
        raise NotTaken("This does not have the form that is wanted here.")
    return text


def _country(question: Question, answer: object) -> str:
    country = _plain(answer).upper()
    if not re.fullmatch("[A-Z]{2}", country):
        raise NotTaken("Write the country's two letters, such as DE.")
    return country


def _number(question: Question, answer: object) -> int:
    text = _plain(answer)
    least = -LARGEST if question.least is None else question.least
    most = LARGEST if question.most is None else question.most
    number = int(text) if re.fullmatch("0|-?[1-9][0-9]*", text) else None
    if number is None and question.least is None:
        raise NotTaken("Write a whole number, such as 20000.")
    if number is None or not least <= number <= most:
        raise NotTaken("Write a whole number from {least} to {most}.", least=least, most=most)
    return number


def _date(question: Question, answer: object) -> date:
    text = _plain(answer)
    try:
        # fromisoformat alone would also take 20250520 and 2025-W21-2.
        day = date.fromisoformat(text) if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        day = None
    if day is None:
        raise NotTaken("Write the day as year-month-day, such as 2025-05-20.")
    return day


def _yes_no(question: Question, answer: object) -> bool:
    word = _plain(answer).casefold()
    if word in (YES, "y", "true", "on", "1"):  # `on` is what a browser sends for a ticked box
        return True
    if word in (NO, "n", "false", "off", "0"):
        return False
    raise NotTaken("Answer yes or no.")


def _choice(question: Question, answer: object) -> str:
    wanted = _plain(answer).casefold()
    for choice in question.choices:
        if choice.casefold() == wanted:
            return choice
    raise NotTaken("Choose one of: {choices}.", choices=", ".join(question.choices))


def _file(question: Question, answer: object) -> FileRef:
    if isinstance(answer, FileRef):
        return answer
    raise NotTaken("Attach a file.")


_READ: dict[Kind, Callable[[Question, object], object]] = {
    "text": _text,
    "prose": _text,
    "number": _number,
    "date": _date,
    "quantity": lambda question, answer: Quantity.parse(_plain(answer)),
    "money": lambda question, answer: Money.parse(_plain(answer)),
    "yes_no": _yes_no,
    "choice": _choice,
    "country": _country,
    "file": _file,
}


def _typed_text(answer: object) -> str:
    if not isinstance(answer, str):
        raise NotTaken("Give one answer here.")
    return answer


def _plain(answer: object) -> str:
    """The text of a number, day or word: a Chinese keyboard's full-width digits are digits too (NFKC)."""
    text = unicodedata.normalize("NFKC", _typed_text(answer)).strip()
    if len(text) > LONGEST_AMOUNT:
        raise NotTaken(
            "This has {length} characters; at most {most} fit.", length=len(text), most=LONGEST_AMOUNT
        )
    return text
