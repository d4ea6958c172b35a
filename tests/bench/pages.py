"""The answer page against an empty Flask page: same server, one blocking thread a worker."""

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ledger.nouns
from ledger.audit.derived import audit_derived
from ledger.database import reading
from ledger.journal.opening import open_ledger
from ledger.settings import Settings
from ledger.trace.batch import list_batches
from ledger.trace.unit import serials_in, sets_of
from portal import demo
from tests.bench.table import Row, timed

assert ledger.nouns

ROTATE = """
local paths = {%s}
local at = 0
request = function() at = at %% #paths + 1; return wrk.format("GET", paths[at]) end
"""


def rows(scale: float) -> Iterator[Row]:
    """The demo: how long it takes to tell and to audit, and the answer page on its own units."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder) / "data")
        telling = timed(lambda: demo.load(settings))
        yield Row("the demo told, seconds", f"{telling:.1f} s", "-", telling, 8.0, at_most=True)
        yield _audit_of_the_demo(settings)
        if shutil.which("wrk") is None:
            print("answer page: not measured, because wrk is missing (apt-get install wrk)")
            return
        yield _answer_page(settings, Path(folder), seconds=max(1, round(5 * scale)))


def _audit_of_the_demo(settings: Settings) -> Row:
    """Every derived value, the roots of its 80,000 units included."""
    opened = open_ledger(settings, accept_long_silence=True)
    keys = opened.keys
    start = time.perf_counter()
    report = audit_derived(
        opened.engine, opened.files, opened.guard, keys.signer.verifier, units_key=keys.units
    )
    seconds = time.perf_counter() - start
    opened.close()
    assert not report.findings, report.findings
    return Row("audit --derived of the demo, seconds", f"{seconds:.1f} s", "-", seconds, 4.0, at_most=True)


def _answer_page(settings: Settings, folder: Path, seconds: int) -> Row:
    script = folder / "rotate.lua"
    script.write_text(ROTATE % ",".join(f'"/en/s/{serial}"' for serial in _serials(settings)))
    with _served("portal", settings) as ours, _served("empty", settings) as limit:
        pairs = [(_load(ours, script, seconds), _load(limit, script, seconds)) for _ in range(3)]
    mine, empty = (statistics.median(pair[place] for pair in pairs) for place in (0, 1))
    ratio = statistics.median(one / other for one, other in pairs)
    return Row("answer page against an empty page", f"{mine:,.0f}/s", f"{empty:,.0f}/s", ratio, 0.40)


def _serials(settings: Settings) -> list[str]:
    """Some units of every batch of the demo: recalled ones and others."""
    ledger_ = open_ledger(settings, accept_long_silence=True)
    with reading(ledger_.engine) as connection:
        found = [
            serial
            for batch in list_batches(connection)
            for one in sets_of(connection, batch.id)
            for place in range(0, one.count, one.count // 50)
            for serial in serials_in(connection, (one.c, place, place + 1))
        ]
    ledger_.close()
    return found


@contextmanager
def _served(application: str, settings: Settings) -> Iterator[str]:
    """The address of one of `servers` on granian, one worker, one blocking thread."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "granian", f"tests.bench.servers:{application}", "--factory"]
    command += ["--interface", "wsgi", "--port", str(port), "--blocking-threads", "1", "--log-level", "error"]
    environ = os.environ | {"LOTPROOF_DATA": str(settings.data)}
    server = subprocess.Popen(command, env=environ)
    try:
        base = f"http://127.0.0.1:{port}"
        _wait_for(f"{base}/en/s/X")
        yield base
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(address: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(address, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(address)


def _load(base: str, script: Path, seconds: int) -> float:
    """Requests a second under eight connections; a page that is no 200 ends the measurement."""
    command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "-s", str(script), base]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in said, said
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found, said
    return float(found[1])
