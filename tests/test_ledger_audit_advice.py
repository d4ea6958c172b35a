"""Whatever an audit can find, somebody is told what it means and what to do."""

import ast
from pathlib import Path

from ledger import nouns
from ledger.audit.advice import ADVICE
from ledger.journal.registry import NOUNS
from tests.conftest import ROOT

assert nouns  # imported so that the registry is whole

SOURCES = (*sorted((ROOT / "ledger" / "audit").glob("*.py")), ROOT / "ledger" / "cli" / "audit.py")


def codes_in(path: Path) -> set[str]:
    """The codes of findings that a module makes: the first argument of `add` and `Finding`, where it is a text."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("add", "Finding", "_name_body") and isinstance(node.args[0].value, str):
                found.add(node.args[0].value)
    return found


def test_every_code_has_its_advice_and_no_advice_is_left_over() -> None:
    made = set().union(*map(codes_in, SOURCES))
    made |= {noun.name for noun in NOUNS.values() if noun.checks}
    assert len(made) > 30  # the reading of the sources still finds them
    assert made == ADVICE.keys()


def test_every_advice_is_whole_sentences_and_says_what_to_do() -> None:
    for code, advice in ADVICE.items():
        sentences = (advice.means, advice.harmless, advice.harmful, *advice.next)
        assert all(one[0].isupper() and one.endswith((".", "`.")) for one in sentences), code
        assert advice.next, code


def test_every_command_that_an_advice_names_exists() -> None:
    said = "\n".join(step for advice in ADVICE.values() for step in advice.next)
    known = {
        "restore",
        "log compare",
        "rebuild",
        "audit",
        "log succeed",
        "log resume",
        "keys list",
        "migrate",
    }
    named = {piece.removeprefix("lotproof ") for piece in said.split("`")[1::2]}
    assert {name.split(" --")[0].removesuffix(" FILE") for name in named} <= known
