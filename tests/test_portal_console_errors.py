"""Every sentence with which the ledger may refuse something is in the console's catalogues."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import labels
import ledger
import portal
from ledger.errors import LedgerError
from ledger.journal.asking import BadAnswers, Question, build, questions
from ledger.journal.registry import COMMANDS
from ledger.trace.factory_check import Reason
from portal.console.forms import said
from portal.console.record import NOT_BY_FORM
from translations import catalogues, words_for
from translations.extract_ledger import NEVER_ON_A_PAGE

KNOWN = {msgid for _, msgid in catalogues().by_tag["en", "console"].forms}
NONSENSE = ("", "\x07", "?", "-1", "x" * 5_000, "2025-02-30", "99999999999999999999", "many words here")


def every_error() -> Iterator[type[LedgerError]]:
    """All errors of the ledger, of labels and of the portal, wherever they are defined."""
    for package in (ledger, labels, portal):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in found.name:
                importlib.import_module(found.name)
    yield from below(LedgerError)


def below(cls: type[LedgerError]) -> Iterator[type[LedgerError]]:
    yield cls
    for one in cls.__subclasses__():
        yield from below(one)


def reaches_a_page(error: type[LedgerError]) -> bool:
    return error.__module__.partition(".")[0] in ("ledger", "labels", "portal") and not (
        error.__module__.replace(".", "/") + ".py"
    ).startswith(NEVER_ON_A_PAGE)


def test_every_error_that_can_reach_a_page_can_be_said_there() -> None:
    errors = [error for error in every_error() if reaches_a_page(error)]
    assert len(errors) > 80
    missing = {f"{error.__module__}.{error.__name__}" for error in errors if error.message not in KNOWN}
    assert missing == set(), "run: python -m translations.extract, and translate what is new"


def test_every_reason_against_a_row_of_a_factorys_file_can_be_said() -> None:
    assert {reason.value for reason in Reason} <= KNOWN


def problems_with(name: str) -> Iterator[str]:
    """The messages that nonsense in each field of a command's form leads to."""
    asked = questions(COMMANDS[name].request)
    for nonsense in NONSENSE:
        try:
            build(COMMANDS[name].request, {one.name: nonsense_for(one, nonsense) for one in asked})
        except BadAnswers as error:
            yield from (problem.message for problem in error.problems)


def nonsense_for(one: Question, nonsense: str) -> object:
    if one.kind == "group":
        return {"0": {part.name: nonsense for part in one.parts}}
    return (
        [nonsense] * (one.highest + 1 if one.is_many and one.highest < 100 else 1)
        if one.is_many
        else nonsense
    )


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - NOT_BY_FORM))
def test_whatever_is_wrong_with_an_answer_can_be_said(name: str) -> None:
    found = set(problems_with(name))
    assert found
    assert found <= KNOWN, found - KNOWN


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - NOT_BY_FORM))
def test_every_word_of_a_form_can_be_said(name: str) -> None:
    def words(asked: tuple[Question, ...]) -> Iterator[str]:
        for one in asked:
            yield from (one.title, *([one.description] if one.description else []))
            yield from words(one.parts)

    assert {COMMANDS[name].summary, *words(questions(COMMANDS[name].request))} <= KNOWN


def test_the_words_among_an_errors_facts_are_translated_too() -> None:
    from ledger.recall.errors import CannotReplaceWith, WrongStanding

    chinese = words_for("zh-Hans", "console")
    assert (
        said(chinese, WrongStanding(code="R-1", standing="closed"))
        == "召回 R-1 的状态为“已结束”，现在不能这样做。"
    )
    refused = CannotReplaceWith(serial="X", reason="it is recalled itself.")
    assert said(chinese, refused) == "X 不能用来换新：它本身也在召回之列。"
