"""The console's pages on the server, with 1,000,000 units and 100,000 entries behind them."""

import gzip
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ledger.journal.journal import By
from ledger.trace.commissioning import MakeSerials, commission_made
from portal.assets import STATIC
from tests.bench.appending import NoteMany, note_many
from tests.bench.table import Row, timed
from tests.staff import Browser, Desk
from tests.world import ADA, World

BATCHES = 50
TIMES = 15
MOST_MS, MOST_KILOBYTES = 40.0, 100.0
LOADED = ("portal.css", "console.css", "scan.js")
PLACES = (
    *("", "products", "batches", "lots", "materials", "substitutions", "parties", "shipments", "sites"),
    *("labels", "recalls", "claims", "log", "company", "people", "record", "record/batch.produce"),
)


def rows(scale: float) -> Iterator[Row]:
    """The slowest page, and how much a first visit loads."""
    with tempfile.TemporaryDirectory() as folder:
        world = World.begin(Path(folder) / "var")
        serial = _tell(world, entries=int(100_000 * scale), units=int(1_000_000 * scale))
        browser = Desk.of(world).signed_in("Ada")
        places = [f"/console/{place}" for place in PLACES]
        places += [f"/console/search?q={serial}", "/console/search?q=B7", *_details(browser)]
        measured = {place: _median_ms(browser, place) for place in places}
        slowest = max(measured, key=lambda place: measured[place])
        said = ", ".join(
            f"{place} {ms:.0f}" for place, ms in sorted(measured.items(), key=lambda one: -one[1])[:5]
        )
        print(f"the slowest pages, ms: {said}")
        figure = measured[slowest]
        yield Row(
            "slowest console page at the median, ms", f"{figure:.1f} ms", "-", figure, MOST_MS, at_most=True
        )
        loaded = _first_load(browser)
        yield Row("first load, compressed, KB", f"{loaded:.0f} KB", "-", loaded, MOST_KILOBYTES, at_most=True)
        world.close()


def _tell(world: World, *, entries: int, units: int) -> str:
    """A long log, many units, and a story on top; gives a serial that is recalled."""
    world.ledger.journal.write(note_many, NoteMany(count=entries), By(ADA))
    world.lot("SF-1", "400000 m")
    each = max(10, units // BATCHES)
    made = []
    for number in range(BATCHES):
        lots = {"SF-1": "10 m"} if number % 10 == 7 else {}
        made.append(world.batch(f"B{number}", lots=lots, quantity=each))
        asked = MakeSerials(batch=made[-1].code, count=each - 1)
        commission_made(world.ledger.journal, world.ledger.keys.units, asked, By(ADA))
    for batch in made[:20]:
        batch.ships(to="DE", count=5)
    serials = made[7].gets_units(1)
    world.recall("R-1", lots=["SF-1"])
    for _ in range(3):
        world.claim(serials[0])
    return serials[0]


def _details(browser: Browser) -> list[str]:
    """A page of each noun, found on its list."""
    found = []
    for place in ("batches", "lots", "parties", "shipments", "recalls", "claims", "products"):
        page = browser.page(f"/console/{place}")
        rows = page.partition("<tbody")[2]
        found.append(rows.partition('href="')[2].partition('"')[0])
    return found


def _median_ms(browser: Browser, place: str) -> float:
    browser.get(place)  # what is kept is kept
    return statistics.median(timed(lambda: browser.get(place)) for _ in range(TIMES)) * 1_000


def _first_load(browser: Browser) -> float:
    """Kilobytes of the first page with all that it loads, each compressed."""
    parts = [browser.page("/console/").encode(), *((STATIC / name).read_bytes() for name in LOADED)]
    return sum(len(gzip.compress(part)) for part in parts) / 1_000
