"""What a person is asked for a Request: one Question a field, made from its type and its words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct, inspect
from msgspec.structs import fields

from ledger.files import FileRef
from ledger.quantities import Money, Quantity

Kind = Literal[
    "text",
    "prose",
    "number",
    "date",
    "quantity",
    "money",
    "yes_no",
    "choice",
    "country",
    "file",
    "group",
]
YES, NO = "yes", "no"
MOST_ANSWERS = 1_000  # to one question, where the request itself sets no limit


@dataclass(frozen=True, slots=True)
class Question:
    """One field of a request as a person is asked for it; `title` and `description` are msgids.

    `least` and `most` bound a number, or the characters of a text; `fewest` and `highest` how many answers
    there may be where it `is_many`. `default` is the answer that silence stands for. `parts` are a group's.
    """

    name: str
    title: str
    description: str
    example: str
    kind: Kind
    required: bool
    default: str
    choices: tuple[str, ...] = ()
    ref: str = ""  # the noun whose code is wanted
    is_many: bool = False
    parts: tuple["Question", ...] = ()
    least: int | None = None
    most: int | None = None
    pattern: str = ""
    fewest: int = 0
    highest: int = MOST_ANSWERS


def questions(request: type[Struct]) -> tuple[Question, ...]:
    """The questions of a request, or of a group within one, in the order of its fields; none for what is UNASKED.

    Raises TypeError for a field that nobody could be asked for: a new type needs a kind here first.
    """
    return _questions(request)


@cache
def _questions(request: Any) -> tuple[Question, ...]:
    return tuple(
        _question(one, written)
        for one, written in _fields(request)
        if not _peel(one.type).extra.get("unasked")
    )


def is_for_people(request: type[Struct]) -> bool:
    """Whether its fields carry words to ask for them: what only programs send has none."""
    return any("title" in _peel(one.type).words for one, _written in _fields(request))


def _fields(request: type[Struct]) -> list[tuple[inspect.Field, Any]]:
    """Each field as msgspec understands it, and its annotation as written."""
    asked = inspect.type_info(request)
    assert isinstance(asked, inspect.StructType)
    return [(one, written.type) for one, written in zip(asked.fields, fields(request), strict=True)]


@dataclass(frozen=True, slots=True)
class _Peeled:
    """A type without its annotations and without None, and what the annotations said."""

    type: inspect.Type
    words: Mapping[str, Any]
    extra: Mapping[str, Any]


def _peel(found: inspect.Type) -> _Peeled:
    words: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    while True:
        if isinstance(found, inspect.Metadata):
            words = (found.extra_json_schema or {}) | words
            extra = (found.extra or {}) | extra
            found = found.type
        elif isinstance(found, inspect.UnionType):
            rest = [one for one in found.types if not isinstance(one, inspect.NoneType)]
            if len(rest) != 1:
                raise TypeError(f"no question can ask for one of several types: {rest}")
            found = rest[0]
        else:
            return _Peeled(found, words, extra)


def _question(one: inspect.Field, written: Any) -> Question:
    whole = _peel(one.type)
    item = whole
    is_many = isinstance(whole.type, inspect.VarTupleType | inspect.ListType)
    if isinstance(whole.type, inspect.VarTupleType | inspect.ListType):
        inner = _peel(whole.type.item_type)
        item = _Peeled(inner.type, {**inner.words, **whole.words}, {**inner.extra, **whole.extra})
    question = replace(
        _typed(item.type, item.extra),
        name=one.encode_name,
        title=item.words.get("title") or one.encode_name.replace("_", " ").capitalize(),
        description=item.words.get("description") or "",
        example=str((item.words.get("examples") or [""])[0]),
        required=one.required,
        default="" if one.required else _default(one, is_many=is_many),
        ref=str(item.extra.get("ref") or ""),
    )
    if question.kind == "choice":
        question = replace(question, choices=tuple(_in_order(written)))
    return _many(question, whole.type) if is_many else question


def _in_order(written: Any) -> Iterator[str]:
    """The words of a Literal as they were written; msgspec gives them sorted."""
    if get_origin(written) is Literal:
        yield from get_args(written)
    else:
        for part in get_args(written):
            yield from _in_order(part)


def _many(question: Question, several: inspect.Type) -> Question:
    assert isinstance(several, inspect.VarTupleType | inspect.ListType)
    fewest = max(several.min_length or 0, int(question.required))
    return replace(question, is_many=True, fewest=fewest, highest=several.max_length or MOST_ANSWERS)


def _default(one: inspect.Field, *, is_many: bool) -> str:
    """The default as it is typed: a form can show no other than a text, and of several only none."""
    value = one.default if one.default is not msgspec.NODEFAULT else one.default_factory()
    if is_many and not value:
        return ""
    if is_many or isinstance(value, Struct | FileRef):
        raise TypeError(f"the default of {one.name} cannot be shown in a form: {value!r}")
    return text_of(value)


def text_of(value: object) -> str:
    """A value as a person types it; nothing for None."""
    if isinstance(value, bool):
        return YES if value else NO
    return "" if value is None else str(value)


_DATACLASSES: dict[type, Kind] = {Quantity: "quantity", Money: "money", FileRef: "file"}


def _typed(found: inspect.Type, extra: Mapping[str, Any]) -> Question:
    """A question without words, for one type."""
    match found:
        case inspect.StrType():
            question = _text(found, extra)
        case inspect.IntType():
            question = _blank("number", least=found.ge, most=found.le)
        case inspect.BoolType():
            question = _blank("yes_no")
        case inspect.DateType():
            question = _blank("date")
        case inspect.LiteralType() if all(isinstance(one, str) for one in found.values):
            question = _blank("choice")
        case inspect.DataclassType() if found.cls in _DATACLASSES:
            question = _blank(_DATACLASSES[found.cls])
        case inspect.StructType():
            question = _blank("group", parts=questions(found.cls))
        case _:
            raise TypeError(f"no question asks for {found}")
    return question


def _text(found: inspect.StrType, extra: Mapping[str, Any]) -> Question:
    kind: Kind = "country" if extra.get("country") else "prose" if extra.get("free_text") else "text"
    return _blank(kind, least=found.min_length, most=found.max_length, pattern=found.pattern or "")


def _blank(kind: Kind, **limits: Any) -> Question:
    return Question(
        name="", title="", description="", example="", kind=kind, required=True, default="", **limits
    )
