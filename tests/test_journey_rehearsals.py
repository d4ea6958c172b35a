"""docs/rehearsals.md, carried out: every command of the page is run, and every line that it promises must be seen."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journeys import LOTPROOF

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parent.parent / "docs" / "rehearsals.md"
WITHIN_SECONDS = 300
BORDER = "=== rehearsal: a block ends ==="
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Step:
    """A block of commands, and the lines that the page says must be seen under it."""

    commands: str
    seen: tuple[str, ...]


def sections() -> dict[str, str]:
    """The page's rehearsals by their title; what stands before the first is under ""."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def steps(text: str) -> list[Step]:
    found: list[Step] = []
    for kind, body in _BLOCK.findall(text):
        if kind == "sh":
            found.append(Step(body, ()))
        else:
            found[-1] = Step(found[-1].commands, tuple(body.splitlines()))
    return found


def carried_out(folder: Path, wanted: list[Step]) -> list[str]:
    """What each block printed, run one after another in one shell; any that fails ends the rehearsal."""
    script = f'\necho "{BORDER}"\n'.join(step.commands for step in wanted)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOTPROOF_")}
    environ = {**kept, "PATH": f"{LOTPROOF.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WITHIN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.split(f"{BORDER}\n")


def missing(promised: tuple[str, ...], printed: str) -> list[str]:
    """The promised lines that were not printed, in their order; … stands for anything."""
    left = printed
    gone = []
    for line in promised:
        found = re.search(".*?".join(map(re.escape, line.split("…"))), left)
        if found is None:
            gone.append(line)
        else:
            left = left[found.end() :]
    return gone


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo, made as the page says."""
    folder = tmp_path_factory.mktemp("rehearsals")
    carried_out(folder, steps(sections()[""]))
    assert (folder / "demo").is_dir()
    return folder


REHEARSALS = [title for title, text in sections().items() if title and steps(text)]


def test_the_page_rehearses_every_loss() -> None:
    assert len(REHEARSALS) >= 6
    for word in ("machine", "guard", "database", "keys", "key", "erased"):
        assert any(word in title for title in REHEARSALS), word


@pytest.mark.parametrize("title", REHEARSALS)
def test_what_the_page_says_is_what_happens(title: str, prepared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    shutil.copytree(prepared / "demo", folder / "demo")
    wanted = steps(sections()[title])
    for step, printed in zip(wanted, carried_out(folder, wanted), strict=True):
        assert missing(step.seen, printed) == [], printed
