"""`lotproof <noun> <verb>`: a command line for every command that people give, made from its Request."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from ledger.cli.support import Group
from ledger.files import FileRef
from ledger.journal.asking import BadAnswers, Kind, Problem, Question, build, is_for_people, questions
from ledger.journal.journal import By, Receipt
from ledger.journal.opening import Ledger
from ledger.journal.registry import COMMANDS, Command, Request
from portal.cli_acting import acting, acting_options, show_receipt

R = TypeVar("R", bound=Request)

METAVARS: dict[Kind, str] = {
    "text": "TEXT",
    "prose": "TEXT",
    "number": "NUMBER",
    "date": "YYYY-MM-DD",
    "quantity": "'350 m'",
    "money": "'34.90 EUR'",
    "country": "XX",
    "file": "FILE",
}


def noun_group(name: str, noun: str, about: str) -> Group:
    """The group `name` with a command for each verb of the registry's `noun` that is for people."""
    group = Group(name, help=about)
    for full_name, one in COMMANDS.items():
        of, _, verb = full_name.partition(".")
        if of == noun and is_for_people(one.request):
            group.add_command(command_line(verb.replace("_", "-"), one))
    return group


def command_line(verb: str, command: Command[Any]) -> click.Command:
    """The click command for one of the registry's."""

    def write(ledger: Ledger, request: Any, by: By) -> Receipt:
        return ledger.journal.write(command, request, by)

    return request_command(verb, command.name, command.request, write)


def request_command(
    verb: str, permission: str, request: type[R], write: Callable[[Ledger, R, By], Receipt]
) -> click.Command:
    """A click command with an option for each question of `request`; `write` records what was answered.

    `permission` is the name of the ledger's command that it comes down to.
    """
    asked = questions(request)

    def run(account: str | None, key: str | None, accept_clock: bool, as_json: bool, **given: object) -> None:
        answers, contents = read_answers(asked, given)
        wanted = _build(request, answers)
        with acting(permission, account, key, accept_clock=accept_clock) as (ledger, by):
            for content in contents:
                ledger.files.put(content)
            receipt = write(ledger, wanted, by)
        show_receipt(receipt, as_json=as_json)

    summary = (request.__doc__ or "").strip().partition("\n")[0]
    line = click.Command(verb, callback=run, params=[option(one) for one in asked], help=summary)
    return acting_options(line)


# --- options


def option(question: Question) -> click.Option:
    """The option that asks a question. None is `required` for click: all that is missing is said at once."""
    name = question.name.replace("_", "-")
    if question.kind == "yes_no":
        declared = [question.name, f"--{name}/--no-{name}"]
        return click.Option(declared, default=None, help=_help(question))
    kind = click.Path(exists=True, dir_okay=False, path_type=Path) if question.kind == "file" else None
    return click.Option(
        [question.name, f"--{name}"],
        type=kind,
        multiple=question.is_many,
        metavar=_metavar(question),
        help=_help(question),
    )


def _metavar(question: Question) -> str:
    if question.kind == "choice":
        return "|".join(question.choices)
    if question.kind != "group":
        return METAVARS[question.kind]
    if len(question.parts) == 2:
        return "=".join(part.name.upper() for part in question.parts)
    return ",".join(f"{part.name}=…" for part in question.parts)


def _help(question: Question) -> str:
    words = [question.title.rstrip(".") + ".", question.description]
    words += [f"Such as {question.example}." if question.example else ""]
    words += ["Can be given again." if question.is_many else ""]
    words += ["[required]" if question.required else ""]
    return " ".join(filter(None, words))


# --- answers


def read_answers(
    asked: tuple[Question, ...], given: Mapping[str, object]
) -> tuple[dict[str, object], list[bytes]]:
    """Answers from the options given, and the contents of the files that they name.

    Raises UsageError for a group that is not written as its metavar shows.
    """
    answers: dict[str, object] = {}
    contents: list[bytes] = []
    for question in asked:
        value = given[question.name]
        if isinstance(value, tuple):
            answers[question.name] = [_answer(question, one, contents) for one in value]
        elif value is not None:
            answers[question.name] = _answer(question, value, contents)
    return answers, contents


def _answer(question: Question, value: object, contents: list[bytes]) -> object:
    if isinstance(value, Path):
        content = value.read_bytes()
        contents.append(content)
        return FileRef(hashlib.sha256(content).hexdigest(), len(content))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return parts_of(question, str(value)) if question.kind == "group" else value


def parts_of(question: Question, text: str) -> dict[str, object]:
    """The parts of a group: `SF-0412=1200 m` for two fields, `a=…,b=…` for any number.

    A comma only parts fields where a field's name and `=` follow, so values may hold commas.
    """
    names = [part.name for part in question.parts]
    starts = list(re.finditer(rf"(?:^|,)\s*({'|'.join(map(re.escape, names))})=", text))
    if starts and starts[0].start() == 0 and (len(starts) > 1 or len(names) == 1):
        ends = [one.start() for one in starts[1:]] + [len(text)]
        return {one[1]: text[one.end() : end] for one, end in zip(starts, ends, strict=True)}
    first, mark, second = text.rpartition("=")
    if len(names) != 2 or not mark:
        raise click.UsageError(
            f"Write --{question.name.replace('_', '-')} as {_metavar(question)}; {text!r} is not that."
        )
    return {names[0]: first, names[1]: second}


def _build(request: type[R], answers: Mapping[str, object]) -> R:
    """The request. Raises BadAnswers whose problems name options instead of fields."""
    try:
        return build(request, answers)
    except BadAnswers as error:
        raise BadAnswers(map(_of_option, error.problems)) from error


def _of_option(problem: Problem) -> Problem:
    """`inputs.1.quantity` is `--inputs` (the second one), its quantity."""
    name, *rest = problem.path.split(".")
    inner = [f"number {int(part) + 1}" if part.isdecimal() else part for part in rest]
    return replace(problem, path=" ".join([f"--{name.replace('_', '-')}", *inner]))
