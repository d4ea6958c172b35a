"""What the ledger says through the console: errors, questions, what a command does, why a row cannot be taken.

Read from the syntax trees, because a catalogue imports nothing of ours:

    class UnknownBatch(NotFound): message = "No batch has …"           errors
    code: Annotated[Code, ask("Batch code", "As printed on it.")]      the words of a form's fields
    class ProduceBatch(Request): \"\"\"Record a batch that was made.\"\"\"   what a command does: the first line
    class Reason(StrEnum): MISSING = "There is no serial …"            why a row cannot be taken
    raise NotTaken("Attach a file.")                                   what is wrong with an answer
"""

import ast
from collections.abc import Iterator
from pathlib import Path

# Raised before any page is there, or only where somebody types commands.
NEVER_ON_A_PAGE = (
    "ledger/audit/",
    "ledger/cli",
    "ledger/custody/",
    "ledger/journal/carrying.py",
    "ledger/journal/key_changes.py",
    "ledger/journal/master_key.py",
    "ledger/journal/projections.py",
    "ledger/journal/whereabouts.py",
    "ledger/keys/",
    "ledger/location.py",
    "ledger/log/checkpoint.py",
    "ledger/log/compare.py",
    "ledger/log/consistency.py",
    "ledger/log/directory.py",
    "ledger/log/key_list.py",
    "ledger/log/keyring.py",
    "ledger/log/layout.py",
    "ledger/log/note.py",
    "ledger/log/proof.py",
    "ledger/log/statement.py",
    "ledger/settings.py",
    "portal/api/",
    "portal/cli",
    "portal/demo.py",
    "portal/running.py",
    "portal/serving.py",
    "portal/worker.py",
)
SOURCES = ("labels/**/*.py", "ledger/**/*.py", "portal/*.py", "portal/listings/*.py")
REASONED = ("ledger/recall/", "ledger/trace/")  # here `reason=` is said to a person
MESSAGE_FIRST, MESSAGE_SECOND = {"NotTaken"}, {"Problem"}


def said_by_ledger(project: Path) -> Iterator[tuple[str, str]]:
    """(text, file) of everything that the ledger may say on a page of the console."""
    for pattern in SOURCES:
        for path in sorted(project.glob(pattern)):
            name = path.relative_to(project).as_posix()
            if not name.startswith(NEVER_ON_A_PAGE):
                for text in _said_in(ast.parse(path.read_text(encoding="utf-8")), name):
                    yield text, name


def _said_in(tree: ast.Module, name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from _said_by_class(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _messages(node)
        elif isinstance(node, ast.Call):
            yield from _said_by_call(node, name)


def _said_by_class(node: ast.ClassDef) -> Iterator[str]:
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    if "Request" in bases:
        yield (ast.get_docstring(node) or "").partition("\n")[0]
    if "StrEnum" in bases:
        for statement in node.body:
            if isinstance(statement, ast.Assign):
                yield from _texts(statement.value)


def _messages(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    """Every text that is given the name `message`, both branches of a condition included."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if node.value is not None and any(isinstance(one, ast.Name) and one.id == "message" for one in targets):
        yield from _texts(node.value)


def _said_by_call(node: ast.Call, name: str) -> Iterator[str]:
    called = node.func.id if isinstance(node.func, ast.Name) else ""
    if called == "ask":
        for argument in node.args[:2]:
            yield from _texts(argument)
    elif called in MESSAGE_FIRST and node.args:
        yield from _texts(node.args[0])
    elif called in MESSAGE_SECOND and len(node.args) > 1:
        yield from _texts(node.args[1])
    if name.startswith(REASONED):
        for keyword in node.keywords:
            if keyword.arg == "reason":
                yield from _texts(keyword.value)


def _texts(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be: itself, or the branches of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
