"""Forms made from the questions of a request: what a page shows, and what comes back from it.

A field is named by its path (`inputs.0.quantity`), so answers find their way back and problems find their field.
Everything works without a script: more rows come with a button, files are kept while answers are put right.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from flask import Request
from sqlalchemy import Connection

from ledger.errors import LedgerError
from ledger.files import FileRef
from ledger.journal.asking import BadAnswers, Question, nested
from ledger.moments import parse_moment
from portal.console.desk import house
from portal.console.options import FEW, Option, choice_label, countries, options_of
from portal.forms import Problem
from portal.uploads import (
    ACCEPTED,
    LARGEST_FILE_MEGABYTES,
    MOST_FILES,
    Keeper,
    NoRoom,
    Purpose,
    content_of,
)
from translations import Words, mark

FORM_TOKEN, MORE, CONFIRMED, TYPED = "form_token", "more", "confirmed", "typed"
KEPT = ".kept"  # a file sent before stands in a hidden field of this name, as SHA-256 and size
NOT_ANSWERS = ("csrf", "credential", FORM_TOKEN, MORE, CONFIRMED, TYPED)
BLANK_ROWS, ROWS_AT_ONCE, MOST_ROWS = 2, 5, 200
REFS_LIST = "list-"
A_PICTURE = mark(
    "A photo as your camera made it (JPEG, PNG, WebP, GIF, HEIC, AVIF), at most {megabytes} MB. Where and with what it "
    "was taken is left out of what is shown."
)
DOCUMENTS = mark(
    "PDF, pictures, XLSX, DOCX, CSV or plain text: at most {megabytes} MB each, {most} files and 12 MB together."
)
WIDGETS = {"prose": "area", "date": "date", "file": "file", "number": "number"}


@dataclass(frozen=True, slots=True)
class FormField:
    """One input: its path, its words, what it offers and what stands in it."""

    path: str
    label: str
    hint: str
    widget: str  # text, area, date, number, select, listed or file
    value: str = ""
    options: Sequence[Option] = ()
    list_id: str = ""  # of the datalist that it suggests from
    is_optional: bool = False
    is_code: bool = False
    is_many: bool = False  # several files
    accept: str = ""  # the files that it takes, as HTML's `accept` has them
    kept: tuple[str, ...] = ()  # files that were sent before


@dataclass(frozen=True, slots=True)
class FormRows:
    """A question with several answers: rows of one field or of a group's fields."""

    path: str
    label: str
    hint: str
    heads: tuple[str, ...]
    rows: tuple[tuple[FormField, ...], ...]
    can_grow: bool


@dataclass(frozen=True, slots=True)
class Form:
    """A form as a page shows it; `lists` are the datalists its fields name."""

    items: tuple[FormField | FormRows, ...]
    lists: Mapping[str, Sequence[Option]] = field(default_factory=dict)


@dataclass(slots=True)
class FormMaker:
    """Makes the fields of one form in one language, looking up each noun's codes once."""

    connection: Connection
    words: Words
    answers: Mapping[str, object]
    extra_rows: Mapping[str, int] = field(default_factory=dict)
    offers_codes: bool = True  # not to somebody who may not see what others have
    lists: dict[str, Sequence[Option]] = field(default_factory=dict)
    _known: dict[str, list[Option]] = field(default_factory=dict)

    def make(self, questions: Sequence[Question]) -> Form:
        """The whole form."""
        items = tuple(self._item(one) for one in questions)
        return Form(items, self.lists)

    def _item(self, one: Question) -> FormField | FormRows:
        answer = self.answers.get(one.name)
        if one.is_many and one.kind != "file":
            return self._rows(one, answer)
        return self._field(one, one.name, answer)

    def _rows(self, one: Question, answer: object) -> FormRows:
        given = _numbered(answer)
        last = max((int(number) for number in given), default=-1) + 1
        wanted = min(last + BLANK_ROWS + self.extra_rows.get(one.name, 0), MOST_ROWS, max(one.highest, last))
        rows = tuple(self._row(one, number, given.get(str(number))) for number in range(wanted))
        return FormRows(
            path=one.name,
            label=self._text(one.title),
            hint=self._hint(one),
            heads=tuple(self._head(part) for part in one.parts),
            rows=rows,
            can_grow=wanted < min(one.highest, MOST_ROWS),
        )

    def _row(self, one: Question, number: int, answer: object) -> tuple[FormField, ...]:
        path = f"{one.name}.{number}"
        if one.kind != "group":
            return (self._field(one, path, answer, in_row=True),)
        given = answer if isinstance(answer, Mapping) else {}
        return tuple(
            self._field(part, f"{path}.{part.name}", given.get(part.name), in_row=True) for part in one.parts
        )

    def _field(self, one: Question, path: str, answer: object, *, in_row: bool = False) -> FormField:
        widget, options, list_id = self._widget(one)
        value = answer if isinstance(answer, str) else "" if answer is not None else one.default
        return FormField(
            path=path,
            label=self._text(one.title),
            hint="" if in_row else self._hint(one),
            widget=widget,
            value=value,
            options=options,
            list_id=list_id,
            is_optional=not one.required and not in_row and one.kind != "yes_no",
            is_code=bool(one.ref) or one.kind in ("quantity", "money"),
            is_many=one.is_many,
            accept=ACCEPTED[purpose_of(one.name)] if widget == "file" else "",
            kept=tuple(_kept_names(answer)),
        )

    def _widget(self, one: Question) -> tuple[str, Sequence[Option], str]:
        """(widget, options, id of a datalist)."""
        if one.kind in ("choice", "yes_no"):
            values = one.choices or ("yes", "no")
            return "select", [Option(value, choice_label(self.words, value)) for value in values], ""
        if one.kind == "country":
            return "listed", (), self._list("country", countries(self.words.lang))
        if one.ref:
            known = self._options(one.ref)
            if 0 < len(known) <= FEW:
                return "select", known, ""
            return "listed", (), self._list(one.ref, known)
        return WIDGETS.get(one.kind, "text"), (), ""

    def _options(self, noun: str) -> list[Option]:
        if noun not in self._known:
            self._known[noun] = options_of(self.connection, self.words, noun) if self.offers_codes else []
        return self._known[noun]

    def _list(self, name: str, options: Sequence[Option]) -> str:
        self.lists[REFS_LIST + name] = options
        return REFS_LIST + name

    def _head(self, part: Question) -> str:
        """What stands over the fields of a group's rows: one example for all of them."""
        title = self._text(part.title)
        if not part.example:
            return title
        return self.words.text("{title}, such as {example}", title=title, example=part.example)

    def _hint(self, one: Question) -> str:
        said = [self._text(one.description)] if one.description else []
        if one.example and not one.ref:
            said.append(self.words.text("For example {example}.", example=one.example))
        if one.kind == "file":
            said.append(self._file_hint(one))
        return " ".join(said)

    def _file_hint(self, one: Question) -> str:
        """Which files are taken, and how large."""
        if purpose_of(one.name) == "picture":
            return self.words.text(A_PICTURE, megabytes=LARGEST_FILE_MEGABYTES)
        return self.words.text(DOCUMENTS, megabytes=LARGEST_FILE_MEGABYTES, most=MOST_FILES)

    def _text(self, msgid: str) -> str:
        return self.words.text(msgid)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a form brought: its answers, files kept and named by their content, and why others were not kept."""

    answers: dict[str, object]
    refused: tuple[tuple[str, LedgerError], ...]  # the field's path, and what is wrong with the file


def answers_from(request: Request, keeper: Keeper) -> Sent:
    """The answers of a form that was sent. A file that is empty counts as not sent. Raises NoRoom."""
    fields: list[tuple[str, object]] = []
    refused: list[tuple[str, LedgerError]] = []
    for name, value in request.form.items(multi=True):
        if name not in NOT_ANSWERS and not name.endswith(KEPT):
            fields.append((name, value))
    for name, keep in _files_of(request, keeper):
        try:
            ref = keep()
        except NoRoom:
            raise
        except LedgerError as error:
            refused.append((name, error))
        else:
            fields += [(name, ref)] if ref else []
    return Sent(nested(fields), tuple(refused))


def _files_of(request: Request, keeper: Keeper) -> Iterator[tuple[str, Callable[[], FileRef | None]]]:
    """Each file that was sent now or before: its field, and how to keep it."""
    for name, kept in request.form.items(multi=True):
        if name.endswith(KEPT):
            field_name = name.removesuffix(KEPT)
            yield field_name, partial(keeper.kept, kept, purpose_of(field_name))
    for name, upload in request.files.items(multi=True):
        if content := content_of(upload):
            yield name, partial(keeper.keep, content, purpose_of(name))


PUBLIC_PICTURES = ("picture", "logo")


def purpose_of(name: str) -> Purpose:
    """What the file in the field of this name is for: some are pictures that everybody is shown."""
    return "picture" if name in PUBLIC_PICTURES else "document"


def problems_of(words: Words, error: LedgerError, answers: Mapping[str, object]) -> list[Problem]:
    """What is wrong, each with its field where one can be named."""
    if isinstance(error, BadAnswers):
        return [Problem(one.path, _filled(words, one.message, one.facts)) for one in error.problems]
    return [Problem(_field_of(error, answers), said(words, error))]


def is_typed(wanted: str, request: Request) -> bool:
    """Whether somebody typed what an order with no way back is confirmed by; letter case counts for nothing."""
    return request.form.get(TYPED, "").strip().casefold() == wanted.strip().casefold()


def not_typed(words: Words, wanted: str) -> Problem:
    """What is said where they did not."""
    return Problem(TYPED, words.text("Type {name} here, to be sure that it is this one.", name=wanted))


def said(words: Words, error: LedgerError) -> str:
    """An error's sentence in this language; those of its facts that are words of ours are translated too."""
    facts = {**error.facts}
    if "standing" in facts:
        facts["standing"] = choice_label(words, str(facts["standing"]))
    if "until" in facts:
        facts["until"] = words.moment(parse_moment(str(facts["until"])), house().zone)
    if "roles" in facts:
        facts["roles"] = words.list([choice_label(words, one) for one in str(facts["roles"]).split(", ")])
    if "reason" in facts:
        facts["reason"] = words.pattern(str(facts["reason"]))
    return _filled(words, error.message, facts)


def flat(answers: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    """The answers by their fields' paths."""
    for name, value in answers.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _field_of(error: LedgerError, answers: Mapping[str, object]) -> str:
    """The one field in which stands the code or number that the error speaks of, else ""."""
    named = {str(value) for value in error.facts.values()}
    places = [path for path, value in flat(answers) if isinstance(value, str) and value.strip() in named]
    return places[0] if len(places) == 1 and places[0] else ""


def _filled(words: Words, msgid: str, facts: Mapping[str, Any]) -> str:
    return words.pattern(msgid).format(**facts)


def _numbered(answer: object) -> dict[str, object]:
    """The rows of an answer by their numbers, as the form had them."""
    if isinstance(answer, Mapping):
        return {
            number: value
            for number, value in answer.items()
            if number.isdecimal() and int(number) < MOST_ROWS
        }
    if isinstance(answer, list | tuple):
        return {str(number): value for number, value in enumerate(answer)}
    return {} if answer in (None, "") else {"0": answer}


def _kept_names(answer: object) -> Iterator[str]:
    for one in answer if isinstance(answer, list | tuple) else (answer,):
        if isinstance(one, FileRef):
            yield f"{one.sha256}.{one.size_bytes}"
