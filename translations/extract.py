"""Brings the .po files up to what the code and templates say: `python -m translations.extract [--check]`.

Adds what is missing with an empty translation, drops what nobody says any more, keeps everything else; prints
what is to be translated. With --check it writes nothing and ends with 1 if a file is behind.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog
from babel.messages.pofile import write_po
from jinja2.ext import babel_extract

from translations.catalog import HERE, REFERENCE, catalogues, read_domain, read_language
from translations.extract_ledger import said_by_ledger

PROJECT = HERE.parent
SHARED = ("portal/templates/*.html", "portal/*.py")
SOURCES = {
    "buyer": (*SHARED, "portal/templates/buyer/**/*.html", "ledger/recall/data/hazards.toml"),
    "console": (
        *SHARED,
        "portal/templates/console/**/*.html",
        "portal/console/**/*.py",
        "portal/listings/*.py",
    ),
    "labels": ("translations/label_lines.py",),
}
# Among the shared files, those that the pages of one domain alone speak from: the other need not translate them.
ONLY = {
    "portal/answer_page.py": "buyer",
    "portal/buyer.py": "buyer",
    "portal/charts.py": "console",
    "portal/claims.py": "buyer",
    "portal/error_pages.py": "buyer",
    "portal/templates/error.html": "buyer",
}
TEMPLATE_KEYWORDS = ("_", "ngettext", "pgettext")


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """One text that the program can say."""

    msgid: str
    plural: str = ""
    context: str = ""


def said_in(domain: str, project: Path = PROJECT) -> dict[Said, str]:
    """Every text of a domain, with the file that says it first."""
    found: dict[Said, str] = {}
    for pattern in SOURCES[domain]:
        for path in sorted(project.glob(pattern)):
            name = path.relative_to(project).as_posix()
            if ONLY.get(name, domain) == domain:
                for said in read_source(path):
                    found.setdefault(said, name)
    if domain == "console":
        for text, name in said_by_ledger(project):
            found.setdefault(Said(text), name)
    return found


def read_source(path: Path) -> Iterator[Said]:
    """The texts that one template, module or data file says."""
    readers = {".html": _read_template, ".py": _read_module, ".toml": _read_hazards}
    yield from readers[path.suffix](path)


def _read_template(path: Path) -> Iterator[Said]:
    for _, function, message, _ in babel_extract(BytesIO(path.read_bytes()), TEMPLATE_KEYWORDS, (), {}):
        parts = [part for part in (message if isinstance(message, tuple) else (message,)) if part]
        if not parts:  # a variable: what it holds is marked where it is written
            continue
        if function == "ngettext":
            yield Said(parts[0], plural=parts[1])
        elif function == "pgettext":
            yield Said(parts[1], context=parts[0])
        else:
            yield Said(parts[0])


def _read_module(path: Path) -> Iterator[Said]:
    """`words.text("…")`, `.plural("…", "…")`, `.context("…", "…")` and `mark("…")`.

    Read from the syntax tree: Babel's own reader would also take SQLAlchemy's `text("SELECT …")`.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield from _read_call(node.func, _leading_texts(node))


def _read_call(function: ast.expr, texts: list[str]) -> Iterator[Said]:
    method = function.attr if isinstance(function, ast.Attribute) else ""
    is_mark = isinstance(function, ast.Name) and function.id == "mark"
    if texts and (is_mark or method == "text"):
        yield Said(texts[0])
    elif len(texts) > 1 and method == "plural":
        yield Said(texts[0], plural=texts[1])
    elif len(texts) > 1 and method == "context":
        yield Said(texts[1], context=texts[0])


def _leading_texts(call: ast.Call) -> list[str]:
    texts = []
    for argument in call.args:
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            break
        texts.append(argument.value)
    return texts


def _read_hazards(path: Path) -> Iterator[Said]:
    for hazard in tomllib.loads(path.read_text(encoding="utf-8")).values():
        yield Said(hazard["danger"])
        yield from map(Said, hazard["steps"])


def updated(existing: Catalog | None, said: dict[Said, str], tag: str, domain: str) -> Catalog:
    """A catalogue of exactly what is said, with the translations that `existing` has of it."""
    fresh = Catalog(locale=read_language(HERE / tag).locale, domain=domain)
    for one, source in sorted(said.items(), key=lambda pair: (pair[1], pair[0])):
        old = existing.get(one.msgid, one.context or None) if existing else None
        identity = (one.msgid, one.plural) if one.plural else one.msgid
        fresh.add(
            identity,
            string=old.string if old and tag != REFERENCE else None,
            locations=[(source, 0)],
            flags=(old.flags - {"python-format"}) if old else (),
            user_comments=old.user_comments if old else (),
            context=one.context or None,
        )
    return fresh


def as_po(catalogue: Catalog, tag: str) -> bytes:
    """The file's bytes: messages by the file that says them, without line numbers and dates, for small diffs."""
    buffer = BytesIO()
    write_po(buffer, catalogue, width=100, include_lineno=False, omit_header=True)
    headers = {
        "Language": tag,
        "Content-Type": "text/plain; charset=utf-8",
        "Plural-Forms": read_language(HERE / tag).plural_forms,
    }
    header = "".join(f'"{name}: {value}\\n"\n' for name, value in headers.items())
    return f'msgid ""\nmsgstr ""\n{header}\n'.encode() + buffer.getvalue()


def main(arguments: list[str]) -> int:
    """Updates, or with --check only reports; 1 when something is behind or untranslated."""
    behind = False
    for domain in SOURCES:
        said = said_in(domain)
        for path in sorted(HERE.glob(f"*/{domain}.po")):
            behind |= _bring_up(path, said, domain, write="--check" not in arguments)
    if not behind:
        catalogues()
    return int(behind)


def _bring_up(path: Path, said: dict[Said, str], domain: str, *, write: bool) -> bool:
    """Brings one file up to `said`; whether something is still to be done in it."""
    tag = path.parent.name
    new = updated(read_domain(HERE, tag, domain), said, tag, domain)
    content = as_po(new, tag)
    is_behind = content != path.read_bytes()
    if write and is_behind:
        path.write_bytes(content)
    untranslated = [
        message.id for message in new if tag != REFERENCE and _is_open(message.id, message.string)
    ]
    for msgid in untranslated:
        print(f"{tag}/{domain}: {msgid!r}")
    return bool(untranslated) or (is_behind and not write)


def _is_open(msgid: object, string: object) -> bool:
    texts = string if isinstance(string, (list, tuple)) else (string,)
    return bool(msgid) and not all(texts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
