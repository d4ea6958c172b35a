"""Imports only go down.

The layers are those of docs/decisions/0001-the-spine.md. Every import of every module is read, wherever it
stands, and so is every name that a CLI loads by a string. The rules are first tried on small trees that
break them, one each, and then on the project.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import ROOT

GROUND = (
    "settings",
    "errors",
    "identifiers",
    "digital_link",
    "quantities",
    "moments",
    "free_text",
    "durable",
    "location",
    "database",
    "installing",
    "state",
    "migrations",
)
LAYERS: tuple[tuple[str, ...], ...] = (  # from the ground up
    ("ledger", *(f"ledger.{name}" for name in GROUND)),
    ("ledger.log",),
    ("ledger.keys", "ledger.vault", "ledger.files", "ledger.work"),
    ("ledger.journal", "ledger.audit"),
    ("ledger.people",),
    ("ledger.trace",),
    ("ledger.recall",),
    ("ledger.nouns",),
    ("ledger.custody",),
    ("ledger.cli.border", "ledger.cli.support"),
    ("ledger.cli",),
    ("labels",),
    ("portal",),
    ("wsgi",),
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}
OURS = {"ledger", "labels", "portal", "translations", "wsgi", "tests"}
MAY_TRANSLATE = ("ledger.recall", "labels", "portal", "translations")
DECISION = "docs/decisions/0001-the-spine.md"
ENVIRONMENT = "ledger.migrations.environment"
LOADERS = ("ledger.cli", "portal.cli")  # these may load GROUPS, "module:attribute", by name
LOADED = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name, its path from the root, its syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @cached_property
    def package(self) -> str:
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def place(self, node: ast.stmt | ast.expr) -> str:
        return f"{self.path}:{node.lineno}"


@dataclass(frozen=True)
class Import:
    """`importer` imports `imported`, one of our modules, at `place` (file:line)."""

    importer: str
    imported: str
    place: str

    def __str__(self) -> str:
        return f"{self.place}: {self.importer} imports {self.imported}"


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def layer(module: str) -> str | None:
    """The longest name in LAYERS that the module stands under; a loose module of `ledger` stands in none."""
    homes = [name for name in RANKS if module == name or (name != "ledger" and is_within(module, name))]
    return max(homes, key=len, default=None)


def read_modules(root: Path) -> dict[str, Module]:
    """Every source file of ours under `root` but the tests, by dotted name."""
    paths = [
        path for name in sorted(OURS - {"tests", "wsgi"}) for path in sorted((root / name).rglob("*.py"))
    ]
    paths += [path for path in [root / "wsgi.py"] if path.is_file()]
    modules = {}
    for path in paths:
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = Module(name, path.relative_to(root), ast.parse(path.read_bytes()))
    return modules


def targets(module: Module, node: ast.Import | ast.ImportFrom) -> list[str]:
    """The dotted names that one import statement names: `from a import b` may mean the module a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    above = module.package.split(".")
    base = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
    source = ".".join(part for part in (base, node.module) if part)
    return [f"{source}.{alias.name}" for alias in node.names]


def written_imports(modules: dict[str, Module]) -> Iterator[Import]:
    """Every import of one of our modules by another, wherever in the file it stands."""
    for module in modules.values():
        for node in imports_under(module.tree):
            named = {as_module(name, modules) for name in targets(module, node) if name.split(".")[0] in OURS}
            for imported in sorted(named):
                yield Import(module.name, imported, module.place(node))


def as_module(target: str, modules: dict[str, Module]) -> str:
    """The module that `target` is, or the one that it is a name in."""
    return target if target in modules or "." not in target else target.rpartition(".")[0]


def groups(module: Module) -> list[tuple[ast.expr, str, str]]:
    """The names in a loader's GROUPS: where each stands, its module, its attribute."""
    return [
        (part, match[1], match[2])
        for node in module.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id == "GROUPS"
        for part in ast.walk(node.value)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
        if (match := LOADED.fullmatch(part.value))
    ]


def loaded_imports(modules: dict[str, Module]) -> Iterator[Import]:
    """What the CLI loads by name, as if it had been written as an import."""
    for loader in LOADERS:
        if loader in modules:
            for node, name, _attribute in groups(modules[loader]):
                yield Import(loader, name, modules[loader].place(node))


def all_imports(modules: dict[str, Module]) -> list[Import]:
    return [*written_imports(modules), *loaded_imports(modules)]


def misplaced(modules: dict[str, Module]) -> list[str]:
    """Modules that no layer names."""
    return [
        f"{module.path}: {name} stands in no layer; name it in LAYERS and in {DECISION}"
        for name, module in modules.items()
        if layer(name) is None and not is_within(name, "translations")
    ]


def refusal(found: Import) -> str | None:
    """The rule that one import breaks, if it breaks one."""
    importer, imported = layer(found.importer), layer(found.imported)
    if is_within(found.imported, "tests"):
        return "nothing of ours imports the tests"
    if is_within(found.imported, "translations"):
        may = any(is_within(found.importer, name) for name in MAY_TRANSLATE)
        return None if may else "only ledger.recall, labels and portal may import translations"
    if is_within(found.importer, "translations"):
        return "translations imports nothing of ours"
    if is_within(found.importer, "ledger.migrations") and found.imported != ENVIRONMENT:
        return "a migration imports nothing of ours: it must still run when the code has moved on"
    if importer and imported and RANKS[imported] > RANKS[importer]:
        return f"imports only go down, and {imported} stands above {importer}"
    return None


def upward(modules: dict[str, Module]) -> list[str]:
    """Imports that break the order of the layers."""
    return [f"{found}: {rule}" for found in all_imports(modules) if (rule := refusal(found))]


def absent(modules: dict[str, Module]) -> list[str]:
    """Names in GROUPS that are not there. (Of written imports mypy says so.)"""
    return [
        f"{modules[loader].place(node)}: {loader} loads {name}:{attribute}, and there is no such thing"
        for loader in LOADERS
        if loader in modules
        for node, name, attribute in groups(modules[loader])
        if name not in modules or attribute not in top_names(modules[name])
    ]


def top_names(module: Module) -> set[str]:
    """What a module defines at its top: functions, classes and assigned names."""
    names = set()
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            written = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in written if isinstance(target, ast.Name)}
    return names


def hidden(modules: dict[str, Module]) -> list[str]:
    """Imports inside functions, imports for types only, and modules loaded by name outside the CLI."""
    return [line for module in modules.values() for line in hidden_in(module)]


def hidden_in(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in imports_under(node):
                yield f"{module.place(part)}: imported inside {node.name}(); imports stand at the top"
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in names_in(node.test):
            for part in imports_under(node):
                yield f"{module.place(part)}: imported for types only, which hides a real dependency"
        elif isinstance(node, ast.Call) and module.name not in LOADERS and loads_by_name(node):
            yield f"{module.place(node)}: loads a module by name; only {LOADERS} may, from GROUPS"


def loads_by_name(call: ast.Call) -> bool:
    return bool(names_in(call.func) & {"import_module", "__import__"})


def imports_under(node: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Import | ast.ImportFrom)]


def names_in(node: ast.AST) -> set[str]:
    """Every bare name and every attribute's name in an expression."""
    parts = list(ast.walk(node))
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return names | {part.attr for part in parts if isinstance(part, ast.Attribute)}


def circular(modules: dict[str, Module]) -> list[str]:
    """The imports of one cycle, if there is a cycle; a module that imports itself is one."""
    found = all_imports(modules)
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for edge in found:
        graph[edge.importer].add(edge.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1][::-1]  # graphlib names the imported before the importer
        steps = set(pairwise(cycle))
        return [f"{edge}: part of a cycle" for edge in found if (edge.importer, edge.imported) in steps]
    return []


RULES = (misplaced, upward, absent, hidden, circular)


def broken_rules(modules: dict[str, Module]) -> list[str]:
    return sorted(line for rule in RULES for line in rule(modules))


def tree(root: Path, files: dict[str, str]) -> dict[str, Module]:
    """The modules of a small project written under `root`."""
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return read_modules(root)


BROKEN: dict[str, tuple[dict[str, str], str]] = {
    "up by a layer": (
        {"ledger/log/tree.py": "from ledger.trace import batch\n", "ledger/trace/batch.py": ""},
        "ledger/log/tree.py:1: ledger.log.tree imports ledger.trace.batch: imports only go down",
    ),
    "up from the ground": (
        {"ledger/errors.py": "\nimport ledger.keys\n", "ledger/keys.py": ""},
        "ledger/errors.py:2: ledger.errors imports ledger.keys: imports only go down",
    ),
    "up by a relative import": (
        {"ledger/log/tree.py": "from ..journal import write\n", "ledger/journal/write.py": ""},
        "imports ledger.journal.write: imports only go down",
    ),
    "up by a name in GROUPS": (
        {"ledger/cli.py": 'GROUPS = ["portal.worker:group"]\n', "portal/worker.py": "def group(): ..."},
        "ledger/cli.py:1: ledger.cli imports portal.worker: imports only go down",
    ),
    "a ledger that knows the web": (
        {"ledger/recall/notice.py": "import portal.app", "portal/app.py": ""},
        "portal stands above ledger.recall",
    ),
    "a loose module": ({"ledger/helpers.py": ""}, "ledger/helpers.py: ledger.helpers stands in no layer"),
    "translations that import": (
        {"translations/__init__.py": "import ledger.errors", "ledger/errors.py": ""},
        "translations imports nothing of ours",
    ),
    "a log that speaks": (
        {"ledger/log/tree.py": "import translations", "translations/__init__.py": ""},
        "only ledger.recall, labels and portal may import translations",
    ),
    "a migration that imports": (
        {"ledger/migrations/lotproof/versions/0001.py": "import ledger.database", "ledger/database.py": ""},
        "versions/0001.py:1: ledger.migrations.lotproof.versions.0001 imports ledger.database: a migration",
    ),
    "an import of the tests": ({"portal/demo.py": "from tests.world import World"}, "imports the tests"),
    "an import in a function": (
        {"labels/draw.py": "def draw():\n    import json\n"},
        "labels/draw.py:2: imported inside draw()",
    ),
    "an import for types": (
        {"labels/draw.py": "import typing\nif typing.TYPE_CHECKING:\n    import json\n"},
        "labels/draw.py:3: imported for types only",
    ),
    "a module loaded by name": (
        {"labels/draw.py": "import importlib\nimportlib.import_module('json')\n"},
        "labels/draw.py:2: loads a module by name",
    ),
    "a cycle": (
        {"labels/draw.py": "import labels.layout", "labels/layout.py": "from labels.draw import x"},
        "labels/layout.py:1: labels.layout imports labels.draw: part of a cycle",
    ),
    "a cycle through GROUPS": (
        {"portal/cli.py": "GROUPS = ('portal.demo:demo',)", "portal/demo.py": "import portal.cli\ndemo = 1"},
        "portal/cli.py:1: portal.cli imports portal.demo: part of a cycle",
    ),
    "a group that is not there": (
        {"portal/cli.py": "GROUPS: list[str] = ['portal.demo:demo']", "portal/demo.py": "def other(): ..."},
        "portal/cli.py:1: portal.cli loads portal.demo:demo, and there is no such thing",
    ),
    "a group of a module that is not there": (
        {"portal/cli.py": "GROUPS = {'demo': 'portal.gone:demo'}"},
        "portal/cli.py:1: portal.cli loads portal.gone:demo, and there is no such thing",
    ),
}
ALLOWED = {
    "ledger/__init__.py": "",
    "ledger/errors.py": "import json",
    "ledger/log/__init__.py": "",
    "ledger/log/tree.py": "from ledger.errors import LedgerError",
    "ledger/log/store.py": "from ledger.log import tree\nfrom ..errors import LedgerError\n",
    "ledger/migrations/environment.py": "from alembic import context",
    "ledger/migrations/lotproof/env.py": "from ledger.migrations.environment import run",
    "ledger/cli.py": "import importlib\nGROUPS = ('ledger.log.store:log',)\nimportlib.import_module('json')",
    "labels/text.py": "from translations import translate",
    "translations/__init__.py": "",
    "wsgi.py": "import labels.text",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named_with_its_file_and_line(name: str, tmp_path: Path) -> None:
    files, expected = BROKEN[name]
    assert any(expected in line for line in broken_rules(tree(tmp_path, files)))


def test_imports_that_go_down_pass(tmp_path: Path) -> None:
    files = ALLOWED | {"ledger/log/store.py": ALLOWED["ledger/log/store.py"] + "log = 1\n"}
    assert broken_rules(tree(tmp_path, files)) == []


def test_the_project_keeps_its_rules() -> None:
    modules = read_modules(ROOT)
    assert {"ledger.errors", "ledger.database", "ledger.migrations.lotproof.env"} <= modules.keys()
    broken = broken_rules(modules)
    assert not broken, "\n" + "\n".join(broken)
