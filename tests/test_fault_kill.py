"""`kill -9` under load, at moments nobody chose: what was acknowledged is there, and the next start goes on."""

import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random

import pytest

from ledger.journal.opening import open_ledger
from ledger.settings import Settings
from ledger.trace.commissioning import drop_leftovers
from tests.faults import SEED, Witness, Writers, begin, chance, times, wait_until
from tests.tampering import audited

pytestmark = pytest.mark.slow

KILLS = times(200)
PROCESSES = 3
LONGEST_LIFE_SECONDS = 0.1  # after its first words
AUDIT_EVERY = 50


class Herd:
    """Processes that write; whoever is killed is followed by one of the same name, who asks for the same again."""

    def __init__(self, writers: Writers, chance: Random) -> None:
        self._writers, self._chance = writers, chance
        self._running = {f"{number}": writers.start(f"{number}") for number in range(PROCESSES)}
        self._lives = dict.fromkeys(self._running, 1)
        self.kills = 0

    def kill(self, *, all_of_them: bool) -> None:
        """Kill one of them, or all at the same moment, and check that it was our signal that ended them."""
        names = list(self._running) if all_of_them else [self._chance.choice(list(self._running))]
        wait_until(lambda: all(self._is_at_work(name) for name in names))
        time.sleep(self._chance.random() * LONGEST_LIFE_SECONDS)
        for name in names:
            assert self._running[name].is_alive(), f"process {name} ended by itself"
            self._running[name].kill()
        for name in names:
            self._running[name].join()
            assert self._running[name].exitcode == -signal.SIGKILL
            self.kills += 1

    def follow(self) -> None:
        """Start a successor for each that was killed: it sends again what may not have been answered."""
        for name, process in self._running.items():
            if not process.is_alive():
                self._running[name] = self._writers.start(name)
                self._lives[name] += 1

    def _is_at_work(self, name: str) -> bool:
        said = self._writers.told.read_bytes() if self._writers.told.exists() else b""
        return said.count(b'{"what": "start", "name": "%s"}\n' % name.encode()) == self._lives[name]

    def end(self) -> list[BaseProcess]:
        """Kill all of them, for good."""
        self.kill(all_of_them=True)
        return list(self._running.values())


def test_nothing_acknowledged_is_lost_when_writers_are_killed(blank: Path, tmp_path: Path) -> None:
    folder, told = tmp_path / "var", tmp_path / "told"
    begin(blank, folder)
    witness = Witness(folder, told)
    with chance("kill") as random:
        herd = Herd(Writers(folder, told), random)
        audits = 0
        while herd.kills < KILLS:
            herd.kill(all_of_them=random.random() < 0.25)
            witness.check()
            herd.follow()
            if herd.kills // AUDIT_EVERY > audits:
                audits = herd.kills // AUDIT_EVERY
                assert audited(folder).findings == ()
        herd.end()
        witness.check()
        # The next start publishes what the last kill left unpublished, and has nothing to complain of.
        ledger = open_ledger(Settings(data=folder))
        ledger.journal.seal()
        drop_leftovers(ledger.journal)
        ledger.close()
        witness.check()
        assert audited(folder, derived=True).findings == ()
    witness.close()
    assert witness.written > KILLS
    print(f"{herd.kills} kills, {witness.written} writes, {len(witness.served)} checkpoints; seed {SEED}")
