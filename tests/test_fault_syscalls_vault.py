"""Every call that writes fails once, of a claim with its values in the vault and of a backup (strace, "inject")."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fault_commands import ERRORS, Command, by_a_buyer, by_command_line, run, strike
from tests.fault_strikes import (
    Company,
    assert_was_said,
    begin_company,
    bodies_of,
    chosen,
    strike_everywhere,
    told_in,
)
from tests.faults import chance, in_memory
from tests.tampering import copied

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the companies of these tests lie."""
    with in_memory(tmp_path_factory.mktemp("struck")) as folder:
        yield folder


@pytest.fixture(scope="module")
def company(blank: Path, base: Path) -> Company:
    return begin_company(blank, base)


def test_a_claim_struck_at_any_call_leaves_nothing_half_done(company: Company, base: Path) -> None:
    """Two values in the vault before the entry that names them."""
    command = Command(by_a_buyer, (company.form, company.number))
    counts = strike_everywhere("claim.opened/1", command, company, base)
    print(f"claim.opened/1: {counts}")


def test_a_backup_struck_at_any_call_is_finished_by_the_next(company: Company, base: Path) -> None:
    folder, backup = copied(company.folder, base / "backed"), base / "backup"
    command = Command(by_command_line, ("backup", str(backup)))
    check = Command(by_command_line, ("backup", str(backup), "--check"))
    before, counts = bodies_of(folder), dict.fromkeys(ERRORS, 0)
    with chance("backup") as random:
        seen = strike(command, folder, told_in(base), beside=backup)
        assert seen.code == 0, seen.error
        for error in ERRORS:
            for call in chosen(seen.calls, random):
                shutil.rmtree(backup)
                ended = strike(command, folder, told_in(base), error, call, beside=backup)
                about = f"{call}: {ended.struck}: {ended.code} {ended.out}{ended.error}"
                assert_was_said(ended, about)
                assert run(check, folder, told_in(base)).code == 0 if ended.code == 0 else True, about
                again = run(command, folder, told_in(base))
                assert again.code == 0, f"{about}\nand then: {again.error}"
                assert run(check, folder, told_in(base)).code == 0, about
                counts[error] += ended.struck == call
    assert bodies_of(folder) == before
    assert min(counts.values()) > 0
    print(f"backup: {counts}")
