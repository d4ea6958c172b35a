"""Every call that writes fails once: EIO, ENOSPC, and the process killed on the spot (strace, "inject").

Commands that write to the ledger alone and with a file; those that also write to the vault, and a backup, are struck
in `test_fault_syscalls_vault`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault_commands import Command, by_command_line
from tests.fault_strikes import Company, begin_company, strike_everywhere
from tests.faults import in_memory

pytestmark = pytest.mark.slow

SMALL = ("material", "register", "--code", "FILM", "--name", "Film", "--key", "film")
# A file, and rows that are staged before the event that makes them live.
BULK = ("unit", "make", "--batch", "B2", "--count", "500", "--key", "units")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the companies of these tests lie."""
    with in_memory(tmp_path_factory.mktemp("struck")) as folder:
        yield folder


@pytest.fixture(scope="module")
def company(blank: Path, base: Path) -> Company:
    return begin_company(blank, base)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("material.registered/1", SMALL), ("units.commissioned/1", BULK)],
    ids=["small", "bulk"],
)
def test_a_command_struck_at_any_call_leaves_nothing_half_done(
    kind: str, arguments: tuple[str, ...], company: Company, base: Path
) -> None:
    counts = strike_everywhere(kind, Command(by_command_line, arguments), company, base)
    print(f"{kind}: {counts}")
