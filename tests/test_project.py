"""What holds for the project as a whole: its files, its locks, its documents and its own test rules."""

import base64
import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import NO_VECTORS, ROOT

MOST_LINES = 400
ADDRESS = re.compile(r"[\w.+-]+@(?:[\w-]+\.)+[a-zA-Z]{2,}\b")
MACHINE_PATH = re.compile(r"(?<![\w.})>*-])/(?:home|root|work|Users)/\w")
LOCKED = re.compile(r"[a-z0-9.-]+==[\w.!+-]+(?: ; [^:@]+)?(?: \\)?|    --hash=sha256:[0-9a-f]{64}(?: \\)?")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)")

SKIPS = f"""
import pytest

def test_that_skips(): pytest.skip("no browser here")

def test_without_vectors(): pytest.skip({NO_VECTORS!r})

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_to_fail(): raise AssertionError
"""
SKIPPED_MODULE = 'import pytest\npytest.skip("not on this machine", allow_module_level=True)\n'


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """Every file that git tracks and that is there, relative to the project's root."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    names = listed.stdout.split("\0")[:-1]
    return [Path(name) for name in names if (ROOT / name).is_file()]


def text_of(path: Path) -> str:
    """The file's text; empty for a picture or a font (bytes that hold a zero)."""
    content = (ROOT / path).read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", errors="replace")


def is_vendored(path: Path) -> bool:
    """Written by others and kept as it came."""
    return "vendor" in path.parts


def is_licence(path: Path) -> bool:
    return re.search(r"licen[cs]e|\bOFL\b|copying", path.name, re.IGNORECASE) is not None


def found(pattern: re.Pattern[str], paths: list[Path]) -> list[tuple[str, str]]:
    """Each place where the pattern stands, as `file:line` and the text that matched."""
    return [
        (f"{path}:{number}", match.group())
        for path in paths
        for number, line in enumerate(text_of(path).splitlines(), 1)
        for match in pattern.finditer(line)
    ]


def links(document: Path) -> set[Path]:
    """The files of this project that a Markdown document links to, relative to the root."""
    targets = LINK.findall(COMMENT.sub("", text_of(document)))
    here = [target for target in targets if "://" not in target]
    return {Path(os.path.normpath(document.parent / target)) for target in here}


def pins(lock: Path) -> dict[str, str]:
    """Package and version of every line of a lock that has one."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text_of(lock), re.MULTILINE))


def run_pytest(folder: Path, *, ci: bool) -> str:
    """The closing line of pytest over `folder`, under the rules of tests/conftest.py."""
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"CI": "true"} if ci else {})
    arguments = ["-q", "-c", os.devnull, "-p", "tests.conftest", "-p", "no:cacheprovider", str(folder)]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        capture_output=True,
        check=False,
        cwd=folder,
        env=environment,
        text=True,
    )
    return result.stdout.splitlines()[-1]


def test_no_module_is_longer_than_400_lines(tracked: list[Path]) -> None:
    source = [path for path in tracked if path.suffix == ".py" and path.parts[0] != "tests"]
    modules = {path: len(text_of(path).splitlines()) for path in source}
    assert modules
    long = [
        f"{path}: {lines} lines; it has become two nouns"
        for path, lines in modules.items()
        if lines > MOST_LINES
    ]
    assert not long, "\n".join(long)


def test_no_file_holds_an_email_address_outside_example(tracked: list[Path]) -> None:
    ours = [path for path in tracked if not is_licence(path) and not is_vendored(path)]
    places = found(ADDRESS, ours)
    real = [f"{place}: {address}" for place, address in places if not address.endswith(".example")]
    assert not real, "\n".join(real)


def test_no_file_holds_a_path_of_one_machine(tracked: list[Path]) -> None:
    ours = [path for path in tracked if not is_vendored(path)]
    places = [f"{place}: {path}" for place, path in found(MACHINE_PATH, ours)]
    assert not places, "\n".join(places)


def test_what_others_wrote_is_as_it_came_and_has_its_licence(tracked: list[Path]) -> None:
    vendored = {path for path in tracked if is_vendored(path) and path.suffix in {".js", ".css"}}
    lists = [path for path in tracked if path.name == "VENDOR.toml"]
    listed = {path.parent / name: row for path in lists for name, row in tomllib.loads(text_of(path)).items()}
    assert vendored == listed.keys()
    for path, row in listed.items():
        digest = hashlib.sha384((ROOT / path).read_bytes()).digest()
        assert base64.b64encode(digest).decode() == row["sha384"], path
        assert path.with_suffix(".LICENSE") in tracked, path


def test_a_lock_holds_versions_and_hashes_and_nothing_else(tracked: list[Path]) -> None:
    locks = [path for path in tracked if path.parent.name == "requirements" and path.suffix == ".txt"]
    assert {lock.stem for lock in locks} == {"development", "runtime", "uv"}
    for lock in locks:
        for number, line in enumerate(text_of(lock).splitlines(), 1):
            assert LOCKED.fullmatch(line), f"{lock}:{number}: {line}"


def test_development_runs_on_the_versions_that_are_shipped() -> None:
    shipped = pins(Path("requirements/runtime.txt"))
    assert shipped
    assert shipped.items() <= pins(Path("requirements/development.txt")).items()


def test_every_document_is_linked_from_the_index(tracked: list[Path]) -> None:
    index = Path("docs/README.md")
    documents = {path for path in tracked if path.parts[0] == "docs" and path.suffix == ".md"} - {index}
    assert documents
    lost = documents - links(index)
    assert not lost, f"not linked from {index}: {sorted(map(str, lost))}"


def test_every_picture_of_the_docs_is_shown_in_a_document(tracked: list[Path]) -> None:
    shown = {link for path in tracked if path.suffix == ".md" for link in links(path)}
    lost = {path for path in tracked if path.parts[0] == "docs" and path.suffix != ".md"} - shown
    assert not lost, f"linked from no document: {sorted(map(str, lost))}"


def test_no_document_links_to_a_file_that_is_not_there(tracked: list[Path]) -> None:
    documents = [path for path in tracked if path.suffix == ".md"]
    broken = [
        f"{document}: {link}"
        for document in documents
        for link in links(document)
        if not (ROOT / link).exists()
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    "text", ["anna AT shop.test", "a.b+c AT mail.shop.de", "<anna AT shop.co.uk>", "anna AT SHOP.COM"]
)
def test_an_email_address_is_seen(text: str) -> None:
    assert ADDRESS.search(text.replace(" AT ", "@"))


@pytest.mark.parametrize("folder", ["home", "root", "work", "Users"])
def test_a_path_of_a_machine_is_seen_and_a_route_of_ours_is_not(folder: str) -> None:
    assert MACHINE_PATH.search(f"open('/{folder}/anna/notes')")
    assert not MACHINE_PATH.search(f"https://shop.example/{folder}/anna")
    assert not MACHINE_PATH.search(f"/console/{folder}/anna")


@pytest.mark.parametrize(
    "line",
    ["https://files.example/uv.whl", "uv @ file:///uv.whl", "--index-url https://x.example", "uv>=0.13"],
)
def test_a_lock_line_that_is_no_version_is_seen(line: str) -> None:
    assert not LOCKED.fullmatch(line)


@pytest.mark.slow
def test_where_ci_is_set_a_skip_fails_but_for_absent_vectors(tmp_path: Path) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPS)
    assert run_pytest(tmp_path, ci=True).startswith("1 failed, 1 skipped, 1 xfailed")
    assert run_pytest(tmp_path, ci=False).startswith("2 skipped, 1 xfailed")


@pytest.mark.slow
def test_where_ci_is_set_a_module_that_skips_itself_fails(tmp_path: Path) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPPED_MODULE)
    assert run_pytest(tmp_path, ci=True).startswith("1 error")
    assert run_pytest(tmp_path, ci=False).startswith("1 skipped")
