"""A small world in words, on a real ledger in a folder of its own: what tests of trace, recall and pages stand on.

    world = World.begin(folder)                      # or the fixture `world`
    world.lot("SF-1", "4000 m")                      # its supplier and its material are registered on the way
    batch = world.batch("B1", lots={"SF-1": "1200 m"}, units=5)
    batch.ships(to="DE", count=3)
    world.later(days=30)
    recall = world.recall("R1", lots=["SF-1"])       # drafted by Ada, approved by Ben, published
    world.answer(batch.serials[0]).status            # 'recalled'
    claim = world.claim(batch.serials[0])            # a buyer files it through a form
    world.do(SettleClaim(claim=claim, amount=Money(3_490, "EUR")))

Nothing is faked: every sentence is one of the product's own commands, written through the journal and published.
`do` carries out any Request, found by its class; what is missing (party, product, material) is registered on
the way under the name given. Time stands still until `later` moves it. A world with a batch of five units takes
about 50 ms. `rows` gives every derived row, `bodies` every entry's bytes; `reopen` is a restart.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from sqlalchemy import Connection, Engine, Table, select

from ledger import nouns
from ledger.database import reading
from ledger.errors import LedgerError
from ledger.journal.clock import SetClock
from ledger.journal.journal import By, Receipt
from ledger.journal.opening import Ledger, create_ledger, open_ledger
from ledger.journal.publish import Standing
from ledger.journal.registry import COMMANDS, NOUNS, Command, Noun, Request
from ledger.log import store
from ledger.quantities import Quantity
from ledger.recall.answer import Answer, Match, find_answer
from ledger.recall.claiming import Wish, file_claim
from ledger.recall.links import new_form_token
from ledger.recall.requests import (
    ApproveRecall,
    CloseRecall,
    DraftRecall,
    DraftWidening,
    PublishRecall,
    RetractRecall,
    WidenRecall,
)
from ledger.settings import Settings
from ledger.trace.batch import Batch, Consumption, ProduceBatch, get_batch
from ledger.trace.bill_of_materials import RegisterMaterial, find_material
from ledger.trace.commissioning import MakeSerials, commission_made, commission_received
from ledger.trace.material_lot import ReceiveMaterialLot
from ledger.trace.party import RegisterParty, Role, find_party
from ledger.trace.product import RegisterProduct, find_product
from ledger.trace.quality import PlaceHold, ReleaseHold
from ledger.trace.shipment import LineToShip, SendShipment
from ledger.trace.site import OpenSite
from ledger.trace.unit import UnitsCommissioned, ranges_of, serials_in

assert nouns  # imported so that every command is registered

ADA = "account:AAAAAAAAAAAAAAAA"  # who does things
BEN = "account:BBBBBBBBBBBBBBBB"  # who approves them
BEGINNING = datetime(2025, 5, 1, 8, tzinfo=UTC)

Rows = dict[str, list[tuple[str, ...]]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MadeBatch:
    """A batch of the world; `serials` are those made or received with it, in order."""

    world: "World"
    code: str
    serials: tuple[str, ...]

    def ships(self, *, to: str, count: int, channel: str = "own shop", site: str = "") -> Receipt:
        """Send units to a country, and there to a site (its code)."""
        code = f"SH-{self.world.size()}"
        line = LineToShip(self.code, count)
        request = SendShipment(
            code=code,
            channel=channel,
            country=to,
            sent_on=self.world.today,
            lines=(line,),
            site=site,
        )
        return self.world.do(request)

    def is_held(self, reason: str = "A sample failed.") -> Receipt:
        """Put it on hold."""
        return self.world.do(PlaceHold(batch=self.code, reason=reason))

    def is_released(self, reason: str = "The sample was mixed up.") -> Receipt:
        """Let it go again."""
        return self.world.do(ReleaseHold(batch=self.code, reason=reason))

    def gets_units(self, count: int, *, not_recalled_because: str = "") -> tuple[str, ...]:
        """Commission further units; gives their serials."""
        ledger = self.world.ledger
        asked = MakeSerials(batch=self.code, count=count)
        receipt = commission_made(
            ledger.journal, ledger.keys.units, asked, By(ADA), not_recalled_because=not_recalled_because
        )
        return self.world.serials_of(receipt)

    def receives_units(self, serials: Sequence[str]) -> tuple[str, ...]:
        """Commission units under a factory's serials."""
        ledger = self.world.ledger
        received = ledger.files.put("\n".join(serials).encode())
        receipt = commission_received(
            ledger.journal, ledger.keys.units, batch=self.code, serials=serials, received=received, by=By(ADA)
        )
        return self.world.serials_of(receipt)

    @property
    def found(self) -> Batch:
        """As the ledger knows it."""
        return self.world.read(lambda connection: get_batch(connection, self.code))

    @property
    def ranges(self) -> tuple[tuple[int, int, int], ...]:
        """All its positions."""
        return self.world.read(lambda connection: ranges_of(connection, get_batch(connection, self.code)))


@dataclass(frozen=True, slots=True)
class MadeRecall:
    """A recall of the world."""

    world: "World"
    code: str

    def widen(self, *, lots: Iterable[str] = (), batches: Iterable[str] = ()) -> Self:
        """Ada drafts a wider scope, Ben approves it, Ada publishes it."""
        draft = DraftWidening(
            recall=self.code, statement="There is more.", lots=tuple(lots), batches=tuple(batches)
        )
        self.world.do(draft)
        self.approve()
        self.world.do(WidenRecall(recall=self.code))
        return self

    def approve(self, *, by: str = BEN) -> Self:
        self.world.do(ApproveRecall(recall=self.code, statement="Checked."), by=by)
        return self

    def publish(self) -> Self:
        self.world.do(PublishRecall(recall=self.code))
        return self

    def close(self) -> Self:
        self.world.do(CloseRecall(recall=self.code, statement="Every unit is accounted for."))
        return self

    def retract(self) -> Self:
        self.world.do(RetractRecall(recall=self.code, statement="The sample was mixed up."))
        return self


class World:
    """A seller's ledger and the words to fill it."""

    def __init__(self, ledger: Ledger, clock: SetClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.closed_too: list[Engine] = []  # other databases of this company that a test opened

    @classmethod
    def begin(cls, folder: Path, database_url: str | None = None, **more: Any) -> "World":
        """An empty ledger in a folder that does not exist yet (and an empty database): about 60 ms.

        `more` are further settings.
        """
        clock = SetClock(BEGINNING)
        settings = Settings(data=folder, database_url=database_url, **more)
        return cls(create_ledger(settings, clock=clock), clock)

    @classmethod
    def begin_as(cls, blank: Path, folder: Path, database_url: str | None = None) -> "World":
        """The same from the copy of a ledger (and of its database) that nobody has open: about 15 ms."""
        clock = SetClock(BEGINNING)
        shutil.copytree(blank, folder)
        settings = Settings(data=folder, database_url=database_url)
        return cls(open_ledger(settings, clock=clock), clock)

    def reopen(self, **how: Any) -> None:
        """Stop and start again."""
        self.ledger.close()
        self.ledger = open_ledger(self.ledger.settings, clock=self.clock, **how)

    def close(self) -> None:
        self.ledger.close()
        for engine in self.closed_too:
            engine.dispose()

    def do(self, request: Request, *, by: str = ADA, key: str | None = None) -> Receipt:
        """Carry out any request, found by its class."""
        return self.ledger.journal.write(command_for(request), request, By(by, key))

    def read(self, query: Callable[[Connection], T]) -> T:
        """What a query of the ledger gives."""
        with reading(self.ledger.engine) as connection:
            return query(connection)

    def later(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """Let time pass."""
        self.clock.moment += timedelta(days=days, hours=hours, seconds=seconds)

    @property
    def today(self) -> date:
        return self.clock.moment.date()

    def party(self, code: str, *, role: Role = "factory", country: str = "CN") -> str:
        """Register a party, unless the code is known."""
        if self.read(lambda connection: find_party(connection, code)) is None:
            self.do(RegisterParty(code=code, name=f"{code.title()} Works", role=role, country=country))
        return code

    def site(self, code: str, *, party: str = "HAFEN", zone: str = "Europe/Berlin") -> str:
        """Record a site of a warehouse."""
        self.party(party, role="warehouse", country="DE")
        self.do(OpenSite(code=code, name=f"Site {code}", party=party, country="DE", zone=zone))
        return code

    def product(self, code: str, *, gtin: str = "") -> str:
        """Register a product, unless the code is known."""
        if self.read(lambda connection: find_product(connection, code)) is None:
            name = f"Product {code}"
            self.do(RegisterProduct(code=code, brand="Voltaro", name=name, model=code, gtin=gtin))
        return code

    def material(self, code: str) -> str:
        """Register a material, unless the code is known."""
        if self.read(lambda connection: find_material(connection, code)) is None:
            self.do(RegisterMaterial(code=code, name=f"Material {code}"))
        return code

    def lot(
        self,
        code: str,
        quantity: str,
        *,
        material: str = "FILM",
        supplier: str = "TALLOW",
        arrived: date | None = None,
    ) -> str:
        """Receive a lot of a material."""
        request = ReceiveMaterialLot(
            code=code,
            supplier_code=f"THEIR-{code}",
            supplier=self.party(supplier, role="supplier"),
            material=self.material(material),
            quantity=Quantity.parse(quantity),
            declared="ceramic-coated, 16 µm",
            occurred_on=arrived or self.today,
        )
        self.do(request)
        return code

    def batch(
        self,
        code: str,
        *,
        lots: Mapping[str, str] | None = None,
        units: int = 0,
        quantity: int | None = None,
        product: str = "VS-10",
        factory: str = "QINGLUO",
        made: date | None = None,
        date_codes: Sequence[str] = (),
    ) -> MadeBatch:
        """Produce a batch and give serials to `units` of its `quantity` units (all of them, or at least one)."""
        inputs = [Consumption(lot, Quantity.parse(amount)) for lot, amount in (lots or {}).items()]
        request = ProduceBatch(
            code=code,
            product=self.product(product),
            factory=self.party(factory),
            made_on=made or self.today,
            quantity=quantity or units or 1,
            inputs=tuple(inputs),
            date_codes=tuple(date_codes),
        )
        self.do(request)
        made_batch = MadeBatch(self, f"{product}/{code}", ())
        return MadeBatch(self, made_batch.code, made_batch.gets_units(units)) if units else made_batch

    def draft(
        self,
        code: str,
        *,
        lots: Iterable[str] = (),
        batches: Iterable[str] = (),
        hazard: str = "battery_fire",
    ) -> MadeRecall:
        """Ada drafts a recall."""
        request = DraftRecall(
            code=code,
            hazard=hazard,
            statement="A sample caught fire.",
            lots=tuple(lots),
            batches=tuple(batches),
        )
        self.do(request)
        return MadeRecall(self, code)

    def recall(
        self,
        code: str,
        *,
        lots: Iterable[str] = (),
        batches: Iterable[str] = (),
        hazard: str = "battery_fire",
    ) -> MadeRecall:
        """Ada drafts a recall, Ben approves it, Ada publishes it."""
        return self.draft(code, lots=lots, batches=batches, hazard=hazard).approve().publish()

    def answer(self, number: str, gtin: str | None = None) -> Answer:
        """What the public is told."""

        def ask(connection: Connection) -> Answer:
            return find_answer(connection, self.ledger.journal.standing(connection), number, gtin)

        return self.read(ask)

    def form(self) -> str:
        """The token of a claim's form, as the server issues it."""
        return new_form_token(self.ledger.keys.links, os.urandom)

    def wish(self, match: Match, *, remedy: Literal["refund", "replacement"] = "refund") -> Wish:
        """What a buyer with this unit asks for."""
        return Wish(match.product_id, match.batch_id, match.position, remedy, "DE", "de")

    def claim(
        self,
        number: str,
        *,
        remedy: Literal["refund", "replacement"] = "refund",
        form: str | None = None,
        email: str = "buyer@mail.example",
    ) -> str:
        """A buyer claims for a number; gives the claim's reference."""
        wish = self.wish(self.answer(number).matches[0], remedy=remedy)
        payout = {"account": email} if remedy == "refund" else None
        return file_claim(
            self.ledger,
            wish,
            form_token=form or self.form(),
            contact={"email": email},
            payout=dict(payout) if payout else None,
        )

    def standing(self) -> Standing:
        """The checkpoint that an answer speaks for."""
        return self.read(self.ledger.journal.standing)

    def size(self) -> int:
        """How many entries the log has."""
        return self.read(store.size)

    def bodies(self) -> list[bytes]:
        """Every entry's bytes."""
        return self.read(lambda connection: store.read_bodies(connection, 0, 1_000_000))

    def rows(self, of: Iterable[Noun] | None = None) -> Rows:
        """Every row of the derived tables of these nouns (of all), sorted; each value as `repr` shows it."""
        tables = [table for noun in (NOUNS.values() if of is None else of) for table in noun.tables]

        def all_rows(connection: Connection) -> Rows:
            return {table.name: rows_of(connection, table) for table in tables}

        return self.read(all_rows)

    def serials_of(self, receipt: Receipt) -> tuple[str, ...]:
        """The serials of the set that a receipt commissioned."""
        made = receipt.first(UnitsCommissioned)
        span = (made.index, 0, made.event.count)
        return tuple(self.read(lambda connection: serials_in(connection, span)))


def rows_of(connection: Connection, table: Table) -> list[tuple[str, ...]]:
    """A table's rows, sorted; as `repr`, because None does not sort beside a text."""
    return sorted(tuple(repr(value) for value in row) for row in connection.execute(select(table)))


def command_for(request: Request) -> Command[Any]:
    """The command that takes requests of this class."""
    for command in COMMANDS.values():
        if command.request is type(request):
            return command
    raise LookupError(type(request).__name__)


def refusal(action: Callable[[], object]) -> LedgerError | None:
    """The error with which an action is refused, or None."""
    try:
        action()
    except LedgerError as error:
        return error
    return None
