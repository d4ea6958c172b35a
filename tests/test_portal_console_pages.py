"""The console's pages: what they show of a story, in two languages, in few reads; and the log that proves it."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text

from ledger import nouns
from ledger.database import writing
from ledger.journal.events import StatusStated
from ledger.journal.registry import KINDS, NOUN_OF
from ledger.log import store
from ledger.log.merkle import leaf_hash
from ledger.log.proof import TlogProof, verify
from ledger.trace.material_lot import get_material_lot
from ledger.trace.substitution import FindSubstitution, ProposeSubstitution
from portal.console import pages
from portal.console.figures import BAR, GAP, slices
from portal.console.known import late
from portal.console.sentences import SENTENCES
from tests.staff import Desk, text_of
from tests.world import ADA, MadeBatch, World
from translations import words_for

pytestmark = pytest.mark.slow

assert nouns
assert pages  # imported so that every sentence is there

MOST_QUERIES = 10
_PAGES = (
    *("/console/", "/console/products", "/console/batches", "/console/lots", "/console/materials"),
    *("/console/parties", "/console/shipments", "/console/substitutions", "/console/labels", "/console/log"),
    *("/console/recalls", "/console/claims", "/console/import", "/console/record", "/console/log/5"),
)
_LINK = re.compile(r'href="(/console/[a-z]+/[A-Z0-9]{16}(?:/units)?)"')


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk.of(world)


@pytest.fixture
def story(desk: Desk) -> MadeBatch:
    """A film is swapped in one lot; two batches hold it, one does not; it is found eight months later."""
    world = desk.world
    world.lot("SF-0398", "40000 m")
    world.lot("SF-0412", "40000 m")
    world.lot("C-2207", "100000 pcs", material="CELL", supplier="BAISHAN")
    world.batch("25W20-C", lots={"SF-0398": "1000 m", "C-2207": "100 pcs"}, quantity=7400).ships(
        to="FR", count=400
    )
    batch = world.batch("25W21-A", lots={"SF-0412": "1000 m", "C-2207": "100 pcs"}, quantity=8000)
    batch.ships(to="DE", count=4826)
    batch.ships(to="JP", count=684, channel="marketplace")
    world.batch("25W22-A", lots={"SF-0412": "1000 m"}, quantity=8118)
    effective = world.today
    world.later(days=253)
    found = FindSubstitution(
        code="S-1",
        lots=("SF-0412",),
        known="uncoated, 12 µm",
        effective_on=effective,
        statement="Opened cells.",
    )
    world.do(found)
    return batch


def address_of(browser_page: str, label: str) -> str:
    """The address that a code on a page leads to."""
    found = re.search(rf'href="([^"]+)"><bdi dir="ltr" class="code">{re.escape(label)}</bdi>', browser_page)
    assert found, label
    return found[1]


def every_page(desk: Desk, language: str) -> Iterator[str]:
    """The addresses of every list and of everything that the lists lead to."""
    browser = desk.signed_in(language=language)
    yield from _PAGES
    for place in _PAGES:
        yield from dict.fromkeys(_LINK.findall(browser.page(place)))


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_every_page_answers_in_at_most_ten_queries(desk: Desk, story: MadeBatch, language: str) -> None:
    serials = story.gets_units(5)
    desk.world.recall("R-1", lots=["SF-0412"])
    desk.world.claim(serials[0])
    pages = list(dict.fromkeys(every_page(desk, language)))
    assert len(pages) > 30
    browser = desk.signed_in(language=language)
    asked: list[str] = []
    for engine in (desk.world.ledger.engine, desk.state):
        event.listen(engine, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
    for place in pages:
        browser.page(place)  # what is kept is kept
        counts = []
        for _ in range(2):  # of the two, in case what is kept for a minute ran out just now
            asked.clear()
            page = browser.page(place)
            counts.append([one for one in asked if one.lstrip().startswith(("SELECT", "WITH"))])
        queries = min(counts, key=len)
        assert len(queries) <= MOST_QUERIES, f"{place}: {len(queries)}"
        assert f'lang="{language}"' in page


@pytest.mark.parametrize(
    ("language", "title", "step"),
    [("en", "First steps", "Register a product"), ("zh-Hans", "第一步做什么", "登记产品")],
)
def test_an_empty_company_is_told_what_to_do_first(desk: Desk, language: str, title: str, step: str) -> None:
    page = text_of(desk.signed_in(language=language).page("/console/"))
    assert title in page
    assert step in page


def test_today_says_what_waits(desk: Desk) -> None:
    world, browser = desk.world, desk.signed_in()
    desk.account("Ben")
    assert "Nothing waits for you" in text_of(browser.page("/console/"))
    world.batch("B1", quantity=5).is_held()
    world.material("FILM")
    world.do(
        ProposeSubstitution(
            code="S-9",
            material="FILM",
            product="VS-10",
            declared="16 µm",
            wanted="14 µm",
            effective_on=world.today,
            statement="Cheaper.",
        )
    )
    page = text_of(browser.page("/console/"))
    assert "2 things wait for you" in page
    assert "1 batch is on hold" in page
    assert "1 proposed substitution waits for your decision" in page


@pytest.mark.parametrize(
    ("language", "span", "found"),
    [
        ("en", "recorded 8 months late", "swapped, unauthorised"),
        ("zh-Hans", "晚记录 8 个月", "被替换，未经批准"),
    ],
)
def test_a_batch_shows_declared_and_known_side_by_side(
    desk: Desk, story: MadeBatch, language: str, span: str, found: str
) -> None:
    page = text_of(desk.signed_in(language=language).page(f"/console/batches/{story.found.id}"))
    for said in (span, found, "ceramic-coated, 16 µm", "uncoated, 12 µm", "SF-0412", "C-2207"):
        assert said in page


def test_a_batchs_units_add_up(desk: Desk, story: MadeBatch) -> None:
    page = text_of(desk.signed_in().page(f"/console/batches/{story.found.id}"))
    assert "8,000 made 5,510 shipped 2,490 in stock" in page
    assert "Germany own shop 4,826" in page
    assert "Japan marketplace 684" in page


def test_the_graph_holds_what_the_lot_touched_and_spares_what_it_did_not(
    desk: Desk, story: MadeBatch
) -> None:
    page = desk.signed_in().page(f"/console/batches/{story.found.id}")
    drawing = page.partition('<svg class="graph"')[2].partition("</svg>")[0]
    hit = re.findall(r'<g class="hit[^"]*"><rect[^>]*/><text class="id"[^>]*>([^<]+)', drawing)
    assert set(hit) == {"SF-0412", "25W21-A", "25W22-A"}
    assert "25W20-C" in drawing
    assert "16,118 units" in text_of(page)
    listed = text_of(page.partition('class="graph-list"')[2].partition("</ul></li>")[0])
    assert "25W21-A : 8,000 units, this batch" in listed
    assert "25W20-C" not in listed


def test_a_lot_shows_what_it_went_into(desk: Desk, story: MadeBatch) -> None:
    lot = desk.world.read(lambda connection: get_material_lot(connection, "SF-0412"))
    page = text_of(desk.signed_in().page(f"/console/lots/{lot.id}"))
    assert "16,118 made 5,510 shipped 10,608 in stock" in page
    assert "DE 4,826 · JP 684" in page
    assert "recorded 8 months late" in page


def test_a_finding_stands_in_the_history_of_the_batches_it_touches(desk: Desk, story: MadeBatch) -> None:
    browser = desk.signed_in()
    history = browser.page(f"/console/batches/{story.found.id}").partition('class="timeline"')[2]
    assert "found swapped in" in text_of(history)
    spared = browser.page(address_of(browser.page("/console/batches"), "25W20-C"))
    assert "found swapped in" not in text_of(spared.partition('class="timeline"')[2])


def test_only_somebody_else_is_offered_to_decide(desk: Desk) -> None:
    desk.world.material("FILM")
    desk.world.product("VS-10")
    ada, ben = desk.signed_in("Ada"), desk.signed_in("Ben")
    page = ada.recorded(
        "substitution.propose",
        code="S-9",
        material="FILM",
        product="VS-10",
        declared="16 µm",
        wanted="14 µm",
        effective_on="2025-05-01",
        statement="Cheaper.",
    )
    place = address_of(ada.page("/console/substitutions"), "S-9")
    assert "Somebody else has to approve it" in text_of(page)
    assert "substitution.decide" not in page
    assert "substitution.decide" in ben.page(place)
    refused = ada.record("substitution.decide", code="S-9", decision="approve", statement="Fine.")
    assert refused.status_code == 409
    assert "approved" in text_of(
        ben.recorded("substitution.decide", code="S-9", decision="approve", statement="Fine.")
    )


@pytest.mark.parametrize(("language", "said"), [("en", "There is nothing here"), ("zh-Hans", "这里没有内容")])
def test_what_is_not_there_is_said_so(desk: Desk, language: str, said: str) -> None:
    browser = desk.signed_in(language=language)
    for nothing in (
        "nothing",
        "batches/X",
        "lots/X",
        "products/X",
        "parties/X",
        "materials/X",
        "shipments/X",
        "substitutions/X",
        "recalls/X",
        "claims/X",
        "log/999",
        "work/7",
        "files/" + "0" * 64,
        "batches/X/units",
        "log/999/proof",
    ):
        assert said in text_of(browser.page(f"/console/{nothing}", status=404)), nothing


# --- the log


def test_the_logs_pages_show_every_entry_once(desk: Desk, story: MadeBatch) -> None:
    for _ in range(30):
        desk.world.ledger.journal.seal()
    browser, place, seen = desk.signed_in(), "/console/log", []
    while place:
        page = browser.page(place)
        seen += [int(index) for index in re.findall(r'<bdi dir="ltr">#(\d+)</bdi></a></span>', page)]
        older = re.search(r'class="older"><a class="button" href="([^"]+)"', page)
        place = older[1].replace("&amp;", "&") if older else ""
    assert seen == list(range(desk.world.size()))[::-1]


def test_the_log_narrows_to_what_a_code_names(desk: Desk, story: MadeBatch) -> None:
    page = text_of(desk.signed_in().page("/console/log?about=25W21-A"))
    assert "Batch 25W21-A made at" in page
    assert "SH-" in page
    assert "25W22-A" not in page
    assert "Sealed, with" not in page


def test_the_history_of_one_thing_goes_on_page_by_page(desk: Desk) -> None:
    batch = desk.world.batch("B1", quantity=200)
    for _ in range(60):
        batch.ships(to="DE", count=1)
    browser = desk.signed_in()
    first = browser.page("/console/log?about=B1")
    older = re.search(r'class="older"><a class="button" href="([^"]+)"', first)
    assert older
    second = browser.page(older[1].replace("&amp;", "&"))
    shown = [re.findall(r'<bdi dir="ltr">#(\d+)</bdi></a></span>', page) for page in (first, second)]
    assert len(set(shown[0] + shown[1])) == len(shown[0] + shown[1]) == 61


def test_a_place_that_is_not_about_the_subject_shows_nothing_of_it(desk: Desk, story: MadeBatch) -> None:
    page = text_of(desk.signed_in().page("/console/log?about=25W21-A&from=0"))
    assert "No entry is about" in page


@pytest.mark.parametrize(("language", "said"), [("en", "Checked just now"), ("zh-Hans", "刚刚核验")])
def test_an_entrys_proof_is_checked_and_says_no_more_than_it_shows(
    desk: Desk, story: MadeBatch, language: str, said: str
) -> None:
    index = story.found.recorded
    page = text_of(desk.signed_in(language=language).page(f"/console/log/{index}"))
    body = desk.world.read(lambda connection: store.read_body(connection, index))
    assert body is not None
    assert said in page
    assert leaf_hash(body).hex() in page
    assert body.decode() in page
    assert "safe" not in page


def test_an_entrys_proof_can_be_taken_away_and_checked_elsewhere(desk: Desk, story: MadeBatch) -> None:
    index = story.found.recorded
    answer = desk.signed_in().get(f"/console/log/{index}/proof")
    proof = TlogProof.parse(answer.text)
    assert proof.extra == desk.world.read(lambda connection: store.read_body(connection, index))
    assert proof.extra is not None
    checkpoint = verify(proof, leaf_hash(proof.extra), desk.world.ledger.keys.signer.verifier)
    assert (proof.index, checkpoint.size) == (index, desk.world.size())
    assert ".tlog-proof" in answer.headers["Content-Disposition"]


@pytest.mark.files
@pytest.mark.parametrize(("language", "said"), [("en", "The proof does not hold"), ("zh-Hans", "证明不成立")])
def test_an_entry_that_was_changed_fails_before_the_readers_eyes(
    desk: Desk, story: MadeBatch, language: str, said: str
) -> None:
    index = story.found.recorded
    with writing(desk.world.ledger.engine) as connection:
        for name in (
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        ):
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(
            text(
                "UPDATE log_entries SET body = CAST(replace(body, '25W21-A', '25W21-X') AS BLOB) WHERE position = :i"
            ),
            {"i": index},
        )
    page = text_of(desk.signed_in(language=language).page(f"/console/log/{index}"))
    assert said in page
    assert "lotproof audit" in page


def test_every_kind_of_event_has_a_sentence() -> None:
    assert set(KINDS.values()) == set(SENTENCES)
    assert StatusStated in NOUN_OF


# --- figures


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_a_bars_slices_fill_it_in_order_and_none_is_lost(counts: list[int]) -> None:
    cut = slices([("out", count) for count in counts])
    there = [count for count in counts if count]
    assert len(cut) == len(there)
    if there:
        assert cut[-1].start + cut[-1].width == pytest.approx(BAR, abs=0.5)
        assert sum(one.width for one in cut) + GAP * (len(cut) - 1) == pytest.approx(BAR, abs=0.5)
        assert all(one.width > 0 for one in cut)


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (1, "recorded 1 day late"),
        (59, "recorded 59 days late"),
        (62, "recorded 2 months late"),
        (253, "recorded 8 months late"),
    ],
)
def test_a_span_is_said_in_days_and_then_in_whole_months(days: int, said: str) -> None:
    assert late(words_for("en", "console"), days) == said


def test_what_was_known_at_once_has_no_caliper(desk: Desk) -> None:
    world = desk.world
    world.lot("SF-1", "10 m")
    world.do(
        FindSubstitution(
            code="S-1", lots=("SF-1",), known="12 µm", effective_on=world.today, statement="Seen."
        ),
        by=ADA,
    )
    lot = world.read(lambda connection: get_material_lot(connection, "SF-1"))
    assert 'class="late"' not in desk.signed_in().page(f"/console/lots/{lot.id}")
