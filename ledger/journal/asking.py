"""Questions made from a Request, and a Request made from the answers.

A command line's options and a form's fields come from here, so neither is written twice. What a person types is
text; `build` makes it a value, or says of every answer at once what is wrong with it.

>>> class ReceiveCake(Request, frozen=True):
...     weight: Annotated[Quantity, ask("Weight", example="2 kg")]
...     baked_on: Annotated[date, ask("Baked on")]
...     layers: Annotated[int, Meta(ge=1, le=20), ask("Layers")] = 1
>>> [(one.name, one.title, one.kind, one.required) for one in questions(ReceiveCake)]
[('weight', 'Weight', 'quantity', True), ('baked_on', 'Baked on', 'date', True), ('layers', 'Layers', 'number', False)]
>>> build(ReceiveCake, {"weight": "2 kg", "baked_on": "2025-05-20"})
ReceiveCake(weight=Quantity(amount=2, unit='kg'), baked_on=datetime.date(2025, 5, 20), layers=1)
>>> build(ReceiveCake, {"weight": "2 kg", "layers": "0"})
Traceback (most recent call last):
...
ledger.journal.asking.BadAnswers: Some answers cannot be taken as they stand.
baked_on: This is needed.
layers: Write a whole number from 1 to 20.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from msgspec import Struct

from ledger.errors import LedgerError
from ledger.files import FileRef
from ledger.journal.question import Kind, Question, is_for_people, questions, text_of
from ledger.journal.registry import Request
from ledger.journal.typed_text import NotTaken, read_value

__all__ = [
    "BadAnswers",
    "Kind",
    "Problem",
    "Question",
    "answers_to",
    "build",
    "is_for_people",
    "nested",
    "questions",
]

R = TypeVar("R", bound=Request)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an answer cannot be taken: `message.format(**facts)`. `path` names its field: `inputs.0.quantity`."""

    path: str
    message: str  # a msgid
    facts: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        said = self.message.format(**self.facts)
        return f"{self.path}: {said}" if self.path else said


class BadAnswers(LedgerError):
    """Answers that are no request: all their problems, in the order of the questions."""

    message = "Some answers cannot be taken as they stand."
    http_status = 400

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(problems=self.problems)

    def __str__(self) -> str:
        return "\n".join([self.message, *map(str, self.problems)])


def build(request: type[R], answers: Mapping[str, object]) -> R:
    """The request that these answers make, by field name.

    An answer is a text; a FileRef for a file; for a group a mapping of its own; where a question is many, a
    list of those, or a mapping by their numbers as `nested` makes. What is blank counts as not answered.
    Raises BadAnswers with every problem there is.
    """
    problems: list[Problem] = []
    values = _values(questions(request), answers, "", problems)
    if problems:
        raise BadAnswers(problems)
    try:
        return msgspec.convert(values, request)
    except msgspec.ValidationError as error:  # a rule that only the request itself knows
        raise BadAnswers([_from_msgspec(error)]) from error


def answers_to(request: Struct) -> dict[str, object]:
    """The answers that `build` makes this request from: to fill a form with what is there already."""
    return {one: _as_answer(getattr(request, one)) for one in request.__struct_fields__}


def nested(fields: Iterable[tuple[str, object]]) -> dict[str, object]:
    """A form's fields, named by their paths, as answers; a name that comes again makes a list.

    >>> nested([("code", "25W21-A"), ("inputs.0.lot", "SF-0412"), ("inputs.0.quantity", "3 m")])
    {'code': '25W21-A', 'inputs': {'0': {'lot': 'SF-0412', 'quantity': '3 m'}}}
    """
    answers: dict[str, object] = {}
    for path, value in fields:
        *groups, name = path.split(".")
        place = answers
        for group in groups:
            inner = place.get(group)
            if not isinstance(inner, dict):
                inner = place[group] = {}
            place = inner
        earlier = place.get(name)
        if isinstance(earlier, list):
            earlier.append(value)
        else:
            place[name] = value if name not in place else [earlier, value]
    return answers


def _values(
    asked: Iterable[Question], answers: Mapping[str, object], path: str, problems: list[Problem]
) -> dict[str, object]:
    """What msgspec makes the request from; whatever cannot be taken is added to `problems`."""
    values: dict[str, object] = {}
    left = dict(answers)
    for question in asked:
        answer, place = left.pop(question.name, None), f"{path}{question.name}"
        if question.is_many:
            values[question.name] = _several(question, answer, place, problems)
        elif not _is_blank(answer):
            values[question.name] = _value(question, answer, place, problems)
        elif question.required:
            problems.append(Problem(place, "This is needed."))
    problems += [Problem(f"{path}{name}", "There is no such field.") for name in left]
    return values


def _several(question: Question, answer: object, path: str, problems: list[Problem]) -> list[object]:
    given = [(place, one) for place, one in _rows(answer) if not _is_blank(one)]
    if not given and question.fewest:
        problems.append(Problem(path, "This is needed."))
    elif len(given) < question.fewest:
        problems.append(Problem(path, "Give at least {fewest}.", {"fewest": question.fewest}))
    elif len(given) > question.highest:
        problems.append(Problem(path, "Give at most {highest}.", {"highest": question.highest}))
        return []
    return [_value(question, one, f"{path}.{place}", problems) for place, one in given]


def _rows(answer: object) -> list[tuple[str, object]]:
    """The answers to a question that is many, each with its place in the form."""
    if isinstance(answer, list | tuple):
        return [(str(place), one) for place, one in enumerate(answer)]
    if isinstance(answer, Mapping) and all(re.fullmatch("[0-9]{1,4}", str(place)) for place in answer):
        return sorted(((str(place), one) for place, one in answer.items()), key=lambda row: int(row[0]))
    return [("0", answer)]


def _is_blank(answer: object) -> bool:
    """Nothing typed: also a row of a form of which no field was filled in."""
    if isinstance(answer, Mapping):
        return all(map(_is_blank, answer.values()))
    if isinstance(answer, list | tuple):
        return all(map(_is_blank, answer))
    return answer is None or (isinstance(answer, str) and not answer.strip())


def _value(question: Question, answer: object, path: str, problems: list[Problem]) -> object:
    if question.kind == "group":
        if isinstance(answer, Mapping):
            return _values(question.parts, answer, f"{path}.", problems)
        problems.append(Problem(path, "Several fields are wanted here."))
        return None
    try:
        return read_value(question, answer)
    except NotTaken as error:
        problems.append(Problem(path, error.message, error.facts))
    except LedgerError as error:
        problems.append(Problem(path, error.message, error.facts))
    return None


def _as_answer(value: object) -> object:
    if isinstance(value, FileRef):
        return value
    if isinstance(value, Struct):
        return answers_to(value)
    if isinstance(value, tuple | list):
        return [_as_answer(one) for one in value]
    return text_of(value)


def _from_msgspec(error: msgspec.ValidationError) -> Problem:
    reason, _, place = str(error).partition(" - at ")
    path = re.sub(r"\[([0-9]+)\]", r".\1", place.strip("`")).removeprefix("$").removeprefix(".")
    return Problem(path, "This cannot be taken: {reason}", {"reason": reason})
