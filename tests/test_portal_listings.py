"""Lists: what their filters let through, pages that go on without missing a row, and files of all their rows."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from itertools import chain, count
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, event

from ledger.database import connect, insert_into, migrate, reading, writing
from ledger.identifiers import search_key
from ledger.moments import format_moment
from ledger.quantities import Quantity
from ledger.trace.party import RegisterParty, parties
from ledger.trace.product import RegisterProduct
from ledger.trace.substitution import FindSubstitution, ProposeSubstitution
from portal.listings import LISTINGS, Asked, FilterNotUnderstood, NoSuchPlace, Page, Row, key_from
from portal.listings.files import COMPUTED, TooManyForASheet, csv_of, heads, values, write_xlsx
from portal.listings.listing import values_of
from tests.world import World

PARTIES = LISTINGS["parties"]
ATTACKS = (
    "' OR 1=1 --",
    "') UNION SELECT 1,2,3 --",
    "%",
    "_",
    "a%b_",
    "\\",
    '"; DROP TABLE parties',
    "＇",
)


# --- pages


@pytest.fixture(scope="module")
def scratch() -> Iterator[Engine]:
    """A database with the ledger's tables and nothing in them."""
    engine = connect(None)
    migrate(engine, "lotproof")
    yield engine
    engine.dispose()


def add_parties(connection: Connection, entries: Sequence[int], country: str = "DE") -> None:
    """Parties, recorded by these entries of the log."""
    insert_into(
        connection,
        parties,
        [
            {
                "id": f"P{entry:015d}",
                "code": f"P-{entry}",
                "name": f"Works {entry}",
                "role": "factory",
                "country": country,
                "recorded": entry,
            }
            for entry in entries
        ],
    )


def entries_of(page: Page) -> list[int]:
    return [row["entry"] for row in page.rows]


@given(
    there=st.sets(st.integers(0, 60), max_size=40),
    elsewhere=st.sets(st.integers(0, 60), max_size=20),
    limit=st.integers(1, 7),
    added=st.lists(st.integers(0, 3), min_size=30, max_size=30),
)
def test_paging_meets_every_row_once_and_in_order_both_ways_while_rows_are_added(
    scratch: Engine, there: set[int], elsewhere: set[int], limit: int, added: list[int]
) -> None:
    asked, later, adding = Asked({"country": "DE"}), count(100), iter(added)
    with writing(scratch) as connection:
        connection.execute(delete(parties))
        add_parties(connection, sorted(there))
        add_parties(connection, sorted(elsewhere - there), country="FR")

    def page(**key: Any) -> Page:
        with reading(scratch) as connection:
            found = PARTIES.rows(connection, asked, limit=limit, **key)
        with writing(scratch) as connection:
            add_parties(connection, [next(later) for _ in range(next(adding, 0))])
        return found

    down = page()
    seen = entries_of(down)
    assert down.newer is None
    while down.older is not None:
        down = page(before=down.older)
        seen += entries_of(down)
    assert seen == sorted(there, reverse=True)

    up, risen = down, entries_of(down)
    while up.newer is not None:
        up = page(after=up.newer)
        risen = entries_of(up) + risen
    with reading(scratch) as connection:
        stand = entries_of(PARTIES.rows(connection, asked, limit=1000))
    if down.newer is not None:  # there was more than one page
        assert risen == [one for one in stand if one <= max(risen)]
        assert set(risen) >= there


@given(there=st.sets(st.integers(0, 200), max_size=60), chunk=st.integers(1, 9))
def test_a_file_holds_every_row_of_its_beginning_once_though_rows_are_added(
    scratch: Engine, there: set[int], chunk: int
) -> None:
    with writing(scratch) as connection:
        connection.execute(delete(parties))
        add_parties(connection, sorted(there))
    seen, later = [], count(1000)
    for rows in PARTIES.all_rows(scratch, Asked(), chunk=chunk):
        seen += [row["entry"] for row in rows]
        with writing(scratch) as connection:
            add_parties(connection, [next(later)])
    assert seen == sorted(there, reverse=True)


def test_beyond_either_end_there_is_a_way_back(scratch: Engine) -> None:
    with writing(scratch) as connection:
        connection.execute(delete(parties))
        add_parties(connection, [5, 6, 7])
    with reading(scratch) as connection:
        below = PARTIES.rows(connection, Asked(), before=5)
        above = PARTIES.rows(connection, Asked(), after=7)
        assert (below.rows, above.rows) == ((), ())
        assert below.newer is not None
        assert above.older is not None
        assert entries_of(PARTIES.rows(connection, Asked(), after=below.newer)) == [7, 6, 5]
        assert entries_of(PARTIES.rows(connection, Asked(), before=above.older)) == [7, 6, 5]


@pytest.mark.parametrize("key", ["-1", "x", "1e3", "９", "99999999999999999999", " 1", "0x1"])
def test_what_is_no_log_index_is_no_place_in_a_list(key: str) -> None:
    with pytest.raises(NoSuchPlace):
        key_from(key)


def test_a_key_is_a_log_index_or_nothing() -> None:
    assert [key_from(one) for one in ("12", "", None)] == [12, None, None]


@pytest.mark.parametrize("name", LISTINGS)
def test_no_list_walks_through_a_whole_table_to_show_its_newest_rows(scratch: Engine, name: str) -> None:
    asked: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    event.listen(scratch, "before_cursor_execute", remember)
    with reading(scratch) as connection:
        LISTINGS[name].rows(connection, Asked())
        event.remove(scratch, "before_cursor_execute", remember)
        [(statement, parameters)] = asked
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    steps = [row[3] for row in plan]
    assert [one for one in steps if one.startswith("SCAN") and " USING " not in one] == []


# --- filters


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The story below, told once: tests only read it."""
    world = World.begin(tmp_path_factory.mktemp("told") / "var")
    tell(world)
    yield world
    world.close()


def tell(world: World) -> None:
    """A story in which every filter has something to find and something to leave out."""
    world.product("VS-10", gtin="04099999000012")
    world.do(RegisterProduct(code="NÄ-5", brand="Voltaro", name="Straße ÄÖÜ 100%", model="N5"))
    world.lot("SF-0398", "4000 m", arrived=date(2025, 4, 1))
    world.lot("SF-0412", "4000 m", arrived=date(2025, 4, 20))
    world.lot("C-1", "500 pcs", material="CELL", supplier="BAISHAN")
    world.party("SHOP_1", role="shop", country="DE")
    made = world.batch("25W21-A", lots={"SF-0412": "10 m"}, units=3, quantity=50, made=date(2025, 4, 22))
    world.batch("25W22-B", lots={"SF-0398": "10 m"}, quantity=50, factory="SUYIN").is_held()
    world.batch("26W01-C", product="NÄ-5", quantity=10)
    world.site("HAM-1")
    world.site("ROT-1", zone="Europe/Amsterdam")
    made.ships(to="DE", count=2, site="HAM-1")
    world.later(days=2)
    world.batch("25W23-D").ships(to="FR", count=1, channel="marketplace")
    found = FindSubstitution(
        code="S-1", lots=("SF-0412",), known="uncoated", effective_on=date(2025, 4, 19), statement="Opened."
    )
    world.do(found)
    proposed = ProposeSubstitution(
        code="S-2",
        product="VS-10",
        material="CELL",
        declared="A",
        wanted="B",
        effective_on=world.today,
        statement="Cheaper.",
    )
    world.do(proposed)
    world.recall("R-1", lots=["SF-0412"])
    world.draft("R-2", batches=["VS-10/25W22-B"], hazard="burn")
    world.claim(made.serials[0])


def rows(world: World, name: str, **arguments: str) -> list[Row]:
    listing = LISTINGS[name]
    asked = listing.read(arguments, "Europe/Berlin")
    return list(world.read(lambda connection: listing.rows(connection, asked)).rows)


FILTERED = [
    ("products", {"q": "vs1"}, {"VS-10"}),
    ("products", {"q": "04099999"}, {"VS-10"}),
    ("products", {"q": "STRASSE"}, {"NÄ-5"}),
    ("products", {"q": "straße äö"}, {"NÄ-5"}),
    ("products", {"q": "100%"}, {"NÄ-5"}),
    ("products", {"q": "nä"}, {"NÄ-5"}),
    ("products", {"q": "voltaro product"}, {"VS-10"}),
    ("materials", {"q": "aterial ce"}, {"CELL"}),
    ("material_lots", {"q": "sf 04"}, {"SF-0412"}),
    ("material_lots", {"q": "their-sf-0398"}, {"SF-0398"}),
    ("material_lots", {"q": "baish"}, {"C-1"}),
    ("material_lots", {"material": "CELL"}, {"C-1"}),
    ("material_lots", {"supplier": "TALLOW"}, {"SF-0398", "SF-0412"}),
    ("material_lots", {"state": "swapped"}, {"SF-0412"}),
    ("material_lots", {"arrived_until": "2025-04-19"}, {"SF-0398"}),
    ("material_lots", {"arrived_from": "2025-04-20", "arrived_until": "2025-04-20"}, {"SF-0412"}),
    ("batches", {"q": "25w2"}, {"25W21-A", "25W22-B", "25W23-D"}),
    ("batches", {"q": "25W21A"}, {"25W21-A"}),
    ("batches", {"q": "SUYIN"}, {"25W22-B"}),
    ("batches", {"product": "NÄ-5"}, {"26W01-C"}),
    ("batches", {"factory": "SUYIN"}, {"25W22-B"}),
    ("batches", {"factory": "NOBODY"}, set()),
    ("batches", {"state": "recalled"}, {"25W21-A"}),
    ("batches", {"state": "on_hold"}, {"25W22-B"}),
    ("batches", {"state": "swapped"}, {"25W21-A"}),
    ("batches", {"made_until": "2025-04-22", "q": "25"}, {"25W21-A"}),
    ("labels", {"q": "26w"}, {"26W01-C"}),
    ("labels", {"product": "NÄ-5"}, {"26W01-C"}),
    ("parties", {"role": "shop"}, {"SHOP_1"}),
    ("parties", {"country": "DE"}, {"SHOP_1", "HAFEN"}),
    ("parties", {"q": "shop_"}, {"SHOP_1"}),
    ("parties", {"q": "allow w"}, {"TALLOW"}),
    ("substitutions", {"standing": "proposed"}, {"S-2"}),
    ("substitutions", {"material": "FILM"}, {"S-1"}),
    ("substitutions", {"q": "UNCOAT"}, {"S-1"}),
    ("substitutions", {"effective_until": "2025-04-30"}, {"S-1"}),
    ("recalls", {"standing": "drafted"}, {"R-2"}),
    ("recalls", {"hazard": "battery_fire"}, {"R-1"}),
    ("recalls", {"published_from": "2025-05-03", "published_until": "2025-05-03"}, {"R-1"}),
    ("recalls", {"published_until": "2025-05-02"}, set()),
    ("recalls", {"q": "r2"}, {"R-2"}),
]


def codes_in(world: World, name: str, arguments: Mapping[str, str]) -> set[str]:
    code = next(one.name for one in LISTINGS[name].columns if one.kind == "code")
    return {row[code] for row in rows(world, name, **arguments)}


@pytest.mark.parametrize(("name", "arguments", "codes"), FILTERED)
def test_a_filter_lets_through_what_it_says(
    told: World, name: str, arguments: Mapping[str, str], codes: set[str]
) -> None:
    assert codes_in(told, name, arguments) == codes


@pytest.mark.slow
def test_filters_and_offers_are_the_same_on_both_databases(world: World) -> None:
    tell(world)
    for name, arguments, codes in FILTERED:
        assert codes_in(world, name, arguments) == codes, (name, arguments)
    for name, listing in LISTINGS.items():
        for one in listing.filters:
            for attack in (*ATTACKS, "Ä"):
                if one.kind in ("text", "value", "noun"):
                    rows(world, name, **{one.name: attack})
        assert len(csv_rows(world, name)) == len(rows(world, name)) > 0
    column = next(one.column for one in LISTINGS["shipments"].filters if one.name == "channel")
    assert column is not None
    assert world.read(lambda connection: values_of(connection, column)) == ["marketplace", "own shop"]


@pytest.mark.parametrize(
    ("arguments", "count_"),
    [
        ({"standing": "opened"}, 1),
        ({"standing": "settled"}, 0),
        ({"country": "DE"}, 1),
        ({"country": "FR"}, 0),
        ({"recall": "R-1"}, 1),
        ({"recall": "R-2"}, 0),
        ({"product": "VS-10"}, 1),
        ({"product": "NÄ-5"}, 0),
        ({"opened_from": "2025-05-03"}, 1),
        ({"opened_from": "2025-05-04"}, 0),
        ({"q": "product vs"}, 1),
        ({"q": "nothing"}, 0),
    ],
)
def test_claims_are_found_by_what_was_asked_and_never_by_who(
    told: World, arguments: Mapping[str, str], count_: int
) -> None:
    found = rows(told, "claims", **arguments)
    assert len(found) == count_
    assert rows(told, "claims", q="buyer") == []
    assert not {"person", "contact", "payout"} & set(LISTINGS["claims"].public(rows(told, "claims")[0]))


@pytest.mark.parametrize(
    ("arguments", "count_"),
    [
        ({"country": "FR"}, 1),
        ({"channel": "marketplace", "country": "FR"}, 1),
        ({"channel": "marketplace", "country": "DE"}, 0),
        ({"sent_from": "2025-05-02"}, 1),
        ({"sent_until": "2025-05-02"}, 1),
        ({"q": "sh"}, 2),
        ({"q": "sh_"}, 0),
    ],
)
def test_shipments_are_narrowed(told: World, arguments: Mapping[str, str], count_: int) -> None:
    assert len(rows(told, "shipments", **arguments)) == count_


@pytest.mark.parametrize("name", LISTINGS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_is_typed_into_a_filter_becomes_part_of_a_statement(
    told: World, name: str, attack: str
) -> None:
    whole = rows(told, name)
    for one in LISTINGS[name].filters:
        if one.kind in ("choice", "since", "until"):
            with pytest.raises(FilterNotUnderstood):
                rows(told, name, **{one.name: attack})
        else:
            for row in rows(told, name, **{one.name: attack}):
                assert attack in " ".join(value for value in row.values() if isinstance(value, str))
    assert rows(told, name) == whole != []


@given(typed=st.text(max_size=120), name=st.sampled_from(list(LISTINGS)))
def test_any_text_is_looked_for_or_refused(scratch: Engine, typed: str, name: str) -> None:
    listing = LISTINGS[name]
    with reading(scratch) as connection:
        for one in listing.filters:
            try:
                asked = listing.read({one.name: typed})
            except FilterNotUnderstood:
                continue
            listing.rows(connection, asked)


@given(name=st.text(min_size=1, max_size=8).filter(str.isprintable))
def test_a_name_is_found_by_itself_in_any_case(scratch: Engine, name: str) -> None:
    with writing(scratch) as connection:
        connection.execute(delete(parties))
        add_parties(connection, [1])
        connection.execute(parties.update().values(name=f"a{name}z"))
    with reading(scratch) as connection:
        for typed in {name, name.lower()}:
            asked = PARTIES.read({"q": typed})
            if len(typed.casefold()) == len(typed) and typed.strip() == typed:
                assert entries_of(PARTIES.rows(connection, asked)) == [1], typed


@pytest.mark.parametrize("day", ["2025-02-30", "gestern", "1969-12-31", "9999-12-31", "2025-1-1", "'"])
def test_what_is_no_day_is_refused_in_words(day: str) -> None:
    with pytest.raises(FilterNotUnderstood, match="is no day"):
        LISTINGS["batches"].read({"made_from": day})


def test_a_day_is_one_of_the_sellers_calendar(world: World) -> None:
    """23:30 in Berlin on 3 May is 21:30 of that day in UTC, and 00:30 is the day before."""
    world.batch("B1", quantity=5)
    world.clock.moment = datetime(2025, 5, 3, 22, 30, tzinfo=UTC)  # 00:30 on 4 May
    world.recall("R-1", batches=["VS-10/B1"])
    listing = LISTINGS["recalls"]
    for zone, day in (("Europe/Berlin", "2025-05-04"), ("UTC", "2025-05-03")):
        asked = listing.read({"published_from": day, "published_until": day}, zone)
        with reading(world.ledger.engine) as connection:
            assert len(listing.rows(connection, asked).rows) == 1


def test_what_stands_in_a_column_is_offered_once_and_in_order(told: World) -> None:
    column = next(one.column for one in LISTINGS["shipments"].filters if one.name == "country")
    assert column is not None
    assert told.read(lambda connection: values_of(connection, column)) == ["DE", "FR"]


def test_a_key_in_a_statement_is_the_key_that_the_ledger_makes_of_a_code(told: World) -> None:
    assert {search_key("sf-0412"), search_key("SF 0412")} == {"SF0412"}
    assert [row["code"] for row in rows(told, "material_lots", q=" sf-04 12 ")] == ["SF-0412"]


# --- what a row says


def test_a_row_says_of_a_batch_what_is_known_of_it(told: World) -> None:
    said = {row["code"]: LISTINGS["batches"].public(row) for row in rows(told, "batches")}
    first = said["25W21-A"]
    assert (first["is_recalled"], first["is_swapped"], first["is_held"]) == (True, True, False)
    assert (first["product_code"], first["made_on"], first["units"]) == ("VS-10", "2025-04-22", 50)
    assert said["25W22-B"]["is_held"] is True
    assert (next(iter(first)), next(reversed(first))) == ("id", "entry")


def test_sums_are_those_of_the_row_alone(told: World) -> None:
    products = {row["code"]: (row["batches"], row["units"]) for row in rows(told, "products")}
    assert products == {"VS-10": (3, 101), "NÄ-5": (1, 10)}
    materials = {row["code"]: (row["products"], row["lots"]) for row in rows(told, "materials")}
    assert materials == {"FILM": (0, 2), "CELL": (0, 1)}
    assert sorted(row["serials"] for row in rows(told, "labels")) == [0, 0, 0, 3]
    assert sorted(row["units"] for row in rows(told, "shipments")) == [1, 2]


@pytest.mark.parametrize("name", LISTINGS)
def test_rows_hold_plain_values_of_their_columns_kinds(told: World, name: str) -> None:
    kinds: dict[str, type | tuple[type, ...]] = {
        "date": date,
        "moment": datetime,
        "count": int,
        "quantity": Quantity,
        "flag": bool,
    }
    for row in rows(told, name):
        for column in LISTINGS[name].columns:
            value = row[column.name]
            assert value is None or isinstance(value, kinds.get(column.kind, str)), column.name
            assert not isinstance(value, datetime) or value.tzinfo is not None
        public = LISTINGS[name].public(row)
        assert all(isinstance(one, str | int | bool | dict | None) for one in public.values())
    assert len({row["entry"] for row in rows(told, name)}) == len(rows(told, name))


# --- files


def csv_rows(world: World, name: str, **arguments: str) -> list[dict[str, str]]:
    listing = LISTINGS[name]
    pieces = csv_of(listing, listing.all_rows(world.ledger.engine, listing.read(arguments), chunk=2))
    content = b"".join(pieces).decode()
    assert content.startswith("\ufeff")
    return list(csv.DictReader(StringIO(content.removeprefix("\ufeff"), newline="")))


def xlsx_rows(world: World, name: str, **arguments: str) -> tuple[list[str], list[list[Any]], Any]:
    listing, file = LISTINGS[name], BytesIO()
    write_xlsx(listing, listing.all_rows(world.ledger.engine, listing.read(arguments), chunk=2), file)
    sheet = openpyxl.load_workbook(file).active
    head, *lines = [[cell.value for cell in row] for row in sheet.iter_rows()]
    return head, lines, sheet


@pytest.mark.parametrize("name", LISTINGS)
def test_both_files_hold_what_the_list_holds(told: World, name: str) -> None:
    listing, found = LISTINGS[name], rows(told, name)
    told_csv = csv_rows(told, name)
    head, lines, sheet = xlsx_rows(told, name)
    assert head == heads(listing) == list(told_csv[0])
    assert len(lines) == len(told_csv) == len(found)
    for row, line, said in zip(found, lines, told_csv, strict=True):
        expected = values(listing, row)
        assert [_as_sheet(one) for one in expected] == line
        assert [_as_csv(one) for one in expected] == list(said.values())
    assert {cell.data_type for cell in chain.from_iterable(sheet.iter_rows())} <= {"s", "n", "d", "b"}


def _as_sheet(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001  # a day, as a sheet holds it
    return None if value == "" else value


def _as_csv(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_moment(value)
    return "" if value is None else str(value)


@pytest.mark.parametrize(
    "start", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", '=HYPERLINK("http://evil.example")']
)
def test_no_cell_of_a_file_is_a_formula_or_a_link(world: World, start: str) -> None:
    world.do(RegisterParty(code=start, name=f"{start} Works", role="shop", country="DE"))
    [said] = csv_rows(world, "parties")
    assert (said["code"], said["name"]) == (f"'{start}", f"'{start} Works")
    head, [line], sheet = xlsx_rows(world, "parties")
    assert line[head.index("code")] == start
    cell = sheet.cell(2, head.index("code") + 1)
    assert (cell.data_type, cell.hyperlink) == ("s", None)


@given(text_=st.text(max_size=12))
def test_a_cell_of_csv_never_begins_a_formula(scratch: Engine, text_: str) -> None:
    row = {"id": "P", "name": text_, "code": "x", "role": "shop", "country": "DE", "entry": 1}
    content = b"".join(csv_of(PARTIES, [[row]])).decode().removeprefix("\ufeff")
    [said] = csv.DictReader(StringIO(content, newline=""))
    assert not said["name"].startswith(COMPUTED)
    assert said["name"] in (text_, f"'{text_}")


def test_codes_keep_their_leading_zeros_and_all_their_digits(world: World) -> None:
    world.do(RegisterProduct(code="000123", brand="Voltaro", name="Slim", model="1e5", gtin="04099999000012"))
    head, [line], _ = xlsx_rows(world, "products")
    said = dict(zip(head, line, strict=True))
    assert (said["code"], said["gtin"], said["model"]) == ("000123", "04099999000012", "1e5")


def test_a_quantity_is_an_amount_and_a_unit(world: World) -> None:
    world.lot("SF-1", "4000 m")
    [said] = csv_rows(world, "material_lots")
    assert (said["quantity_amount"], said["quantity_unit"]) == ("4000", "m")
    [row] = rows(world, "material_lots")
    assert LISTINGS["material_lots"].public(row)["quantity"] == {"amount": 4000, "unit": "m"}


def test_a_file_holds_all_rows_that_the_filter_lets_through(told: World) -> None:
    assert {row["code"] for row in csv_rows(told, "batches", state="on_hold")} == {"25W22-B"}
    assert len(csv_rows(told, "batches")) == 4


def test_a_csv_is_made_while_it_is_read(world: World) -> None:
    world.party("A")
    [row] = rows(world, "parties")
    taken = []

    def chunks() -> Iterator[Sequence[Row]]:
        for number in range(3):
            taken.append(number)
            yield [row]

    pieces = csv_of(PARTIES, chunks())
    next(pieces)
    assert taken == []
    next(pieces)
    assert taken == [0]


def test_a_list_that_no_sheet_can_hold_is_refused(world: World) -> None:
    for code in ("A", "B", "C"):
        world.party(code)
    everything = PARTIES.all_rows(world.ledger.engine, Asked())
    with pytest.raises(TooManyForASheet, match="takes 2 rows"):
        write_xlsx(PARTIES, everything, BytesIO(), most=2)
