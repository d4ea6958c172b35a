"""The demo: a made-up brand of power banks, and what befell it in 2025.

The cell maker's sub-supplier changes the separator film of one lot without a word. Two batches consume it, one of
them partly; ageing tests in autumn find it. The substitution is recorded as found and dated back; a recall opens,
is widened a week later, and claims arrive from six countries. Told through the product's own commands, on a
clock that is set; the first entry says that it is a demo.
"""

import json
import os
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.database import reading
from ledger.errors import Refused
from ledger.files import FileRef
from ledger.identifiers import grouped, new_serial
from ledger.journal.clock import SetClock
from ledger.journal.journal import By
from ledger.journal.opening import Ledger, create_ledger, open_ledger
from ledger.journal.registry import Command, R
from ledger.quantities import Money, Quantity
from ledger.recall.answer import find_answer
from ledger.recall.claim import AcceptClaim, SettleClaim, accept_claim, settle_claim
from ledger.recall.claiming import Wish, file_claim
from ledger.recall.links import new_form_token
from ledger.recall.order import (
    approve_recall,
    draft_recall,
    draft_widening,
    publish_recall,
    widen_recall,
)
from ledger.recall.requests import ApproveRecall, DraftRecall, DraftWidening, PublishRecall, WidenRecall
from ledger.settings import Settings
from ledger.state import open_state
from ledger.trace.batch import Consumption, ProduceBatch, get_batch, produce_batch
from ledger.trace.bill_of_materials import (
    NeededMaterial,
    RegisterMaterial,
    ReviseBillOfMaterials,
    register_material,
    revise_bill_of_materials,
)
from ledger.trace.commissioning import MakeSerials, commission_made
from ledger.trace.material_lot import ReceiveMaterialLot, receive_material_lot
from ledger.trace.party import RegisterParty, register_party
from ledger.trace.product import RegisterProduct, register_product
from ledger.trace.quality import PlaceHold, ReleaseHold, place_hold, release_hold
from ledger.trace.seller import DescribeSeller, describe_seller
from ledger.trace.shipment import LineToShip, SendShipment, send_shipment
from ledger.trace.substitution import FindSubstitution, find_substitution
from ledger.trace.unit import serials_in, sets_of
from portal.demo_story import BATCHES, CLAIMANTS, LOTS, MATERIALS, PARTIES, PRODUCTS, RECALL, SHIPMENTS
from portal.founding import founding
from portal.staff import all_but_auditing, let_in

HOST = "VOLTARO.EXAMPLE"
UNITS = 20_000
PICTURES = Path(__file__).parent / "demo_pictures"
PEOPLE = ("Ada Muster", "Ben Beispiel")  # made up, and look it


class NotADemo(Refused):
    """Something else stands where the demo would go."""

    message = "There is something in {folder} that is not a demo. Choose another folder with LOTPROOF_DATA."


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password to sign in with."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DemoFacts:
    """What a visitor of the demo needs, as it stands in `demo.json`."""

    portal: str
    console: str
    login: Login
    second_login: Login
    log: dict[str, str]
    serials: dict[str, list[str]]

    def at(self, port: int) -> "DemoFacts":
        """The same with the addresses of this port."""
        base = f"http://127.0.0.1:{port}"
        log = {**self.log, "url": f"{base}/log/"}
        return replace(self, portal=f"{base}/", console=f"{base}/console/", log=log)


def load(settings: Settings, *, progress: Callable[[str], None] = lambda _: None) -> DemoFacts:
    """Tell the story into an empty folder. Raises NotADemo; with a demo there already, only gives its facts.

    Told beside the folder and moved in whole, so that an interrupted telling leaves nothing half told.
    """
    if settings.has_ledger:
        return _facts_of_demo(settings)
    host = HOST.lower()  # as settings keep names; a code on a label has it in capitals
    told = replace(settings, host=host, origin=f"{host}/log", log_entries="open")
    with founding(told) as beside:
        return _tell(beside, progress)


def save(settings: Settings, facts: DemoFacts) -> None:
    """Write `demo.json`, whole or not at all; it holds passwords, so only its owner reads it."""
    temporary = settings.demo_json.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(facts), file, indent=2, ensure_ascii=False)
    temporary.replace(settings.demo_json)


def read(settings: Settings) -> DemoFacts:
    """The facts in `demo.json`. Raises NotADemo where there is none."""
    if not settings.demo_json.exists():
        raise NotADemo(folder=settings.data)
    value = json.loads(settings.demo_json.read_text(encoding="utf-8"))
    login, second = (Login(**value.pop(name)) for name in ("login", "second_login"))
    return DemoFacts(login=login, second_login=second, **value)


def _facts_of_demo(settings: Settings) -> DemoFacts:
    opened = open_ledger(settings, accept_long_silence=True)
    is_demo = opened.opened().demo
    opened.close()
    if not is_demo:
        raise NotADemo(folder=settings.data)
    return read(settings)


def _tell(settings: Settings, progress: Callable[[str], None]) -> DemoFacts:
    clock = SetClock(datetime(2025, 4, 14, 7, 30, tzinfo=UTC))
    ledger = create_ledger(settings, demo=True, clock=clock)
    story = Story(ledger, clock, _people(ledger, settings, clock))
    for chapter in (story.begin, story.make, story.ship, story.find, story.recall, story.claims):
        progress((chapter.__doc__ or "").partition("\n")[0])
        chapter()
    facts = story.facts(f"https://{settings.origin}/", ledger.keys.signer.verifier.to_text())
    ledger.close()
    save(settings, facts)
    return facts


def _people(ledger: Ledger, settings: Settings, clock: SetClock) -> list[tuple[str, Login]]:
    state = open_state(settings.state_db)
    people = []
    for name in PEOPLE:
        account, password = let_in(ledger, state, name, all_but_auditing(), now=clock.moment)
        people.append((account.actor, Login(name, password)))
    state.dispose()
    return people


class Story:
    """The story's chapters, each a few of the product's own commands."""

    def __init__(self, ledger: Ledger, clock: SetClock, people: list[tuple[str, Login]]) -> None:
        self.ledger = ledger
        self.clock = clock
        (self.ada, self.first_login), (self.ben, self.second_login) = people
        self.chance = random.Random(2025)  # noqa: S311  # which buyers claim, nothing secret
        self.claimed: list[tuple[str, str]] = []  # (serial, what came of its claim)

    def do(self, when: datetime, command: Command[R], request: R, *, by: str | None = None) -> Any:
        """Carry out a command at a time of the story."""
        self.clock.moment = max(when, self.clock.moment + timedelta(minutes=1))
        return self.ledger.journal.write(command, request, By(by or self.ada))

    def begin(self) -> None:
        """The seller, who supplies what, and what the products are made of."""
        when = self.clock.moment
        seller = DescribeSeller(
            brand="Voltaro",
            company="Voltaro Europe GmbH",
            address=("Musterkai 4", "20000 Beispielhafen, DE"),
            support_email="help@voltaro.example",
            only_own_serials=True,
            zone="Europe/Berlin",
        )
        self.do(when, describe_seller, seller)
        for code, name, role, country in PARTIES:
            self.do(when, register_party, RegisterParty(code=code, name=name, role=role, country=country))
        for code, name in MATERIALS:
            self.do(when, register_material, RegisterMaterial(code=code, name=name))
        for code, name, gtin, line in PRODUCTS:
            product = RegisterProduct(
                code=code,
                brand="Voltaro",
                name=name,
                model=code,
                gtin=gtin,
                label_lines=(f"Model {code}", line),
                picture=self.ledger.files.put((PICTURES / f"{code}.png").read_bytes()),
            )
            self.do(when, register_product, product)
            lines = (
                NeededMaterial("FILM", Quantity(1_500, "mm"), "ceramic-coated, 16 µm"),
                NeededMaterial("CELL", Quantity(2, "pcs"), "5,000 mAh, type 4"),
                NeededMaterial("BOARD", Quantity(1, "pcs"), "PB-2, revision 4"),
            )
            bill = ReviseBillOfMaterials(product=code, revision="C", lines=lines)
            self.do(when, revise_bill_of_materials, bill)

    def make(self) -> None:
        """Lots arrive, batches are made, every unit gets a serial."""
        for code, theirs, supplier, material, quantity, declared, arrived in LOTS:
            lot = ReceiveMaterialLot(
                code=code,
                supplier_code=theirs,
                supplier=supplier,
                material=material,
                quantity=Quantity.parse(quantity),
                declared=declared,
                occurred_on=arrived,
            )
            self.do(_at(arrived, 8), receive_material_lot, lot)
        for code, product, made, lots in BATCHES:
            inputs = [Consumption(lot, Quantity.parse(quantity)) for lot, quantity in lots]
            inputs.append(Consumption("PB-118", Quantity(UNITS, "pcs")))
            batch = ProduceBatch(
                code=code,
                product=product,
                factory="QINGLUO",
                made_on=made,
                quantity=UNITS,
                inputs=tuple(inputs),
                revision="C",
                line="3",
            )
            self.do(_at(made, 9), produce_batch, batch)
            self.clock.moment += timedelta(hours=1)
            asked = MakeSerials(batch=code, count=UNITS)
            commission_made(self.ledger.journal, self.ledger.keys.units, asked, By(self.ada))

    def ship(self) -> None:
        """The goods leave for six countries."""
        for code, batch, channel, country, units, sent in SHIPMENTS:
            shipment = SendShipment(
                code=code, channel=channel, country=country, sent_on=sent, lines=(LineToShip(batch, units),)
            )
            self.do(_at(sent, 10), send_shipment, shipment)

    def find(self) -> None:
        """Ageing tests in autumn find another film than was declared."""
        hold = PlaceHold(
            batch="25W21-A", reason="Three of twelve retained samples lost capacity in ageing tests."
        )
        self.do(_at(date(2025, 9, 29), 8), place_hold, hold)
        clear = PlaceHold(
            batch="25W20-A", reason="Retained samples are being tested, as those of 25W21-A are."
        )
        self.do(_at(date(2025, 9, 29), 9), place_hold, clear)
        found = FindSubstitution(
            code="S-2025-01",
            lots=("SF-0412",),
            known="uncoated, 12 µm",
            effective_on=date(2025, 5, 12),
            statement=(
                "The laboratory opened retained cells: the film of lot SF-0412 is uncoated and 12 µm thin. The "
                "film maker changed it without telling anybody."
            ),
            evidence=(self._report(),),
        )
        self.do(_at(date(2025, 10, 8), 14), find_substitution, found)
        release = ReleaseHold(batch="25W20-A", reason="Its film is of lot SF-0398 and as declared.")
        self.do(_at(date(2025, 10, 9), 9), release_hold, release)

    def _report(self) -> FileRef:
        text = "Lindqvist Laboratory (made up)\nSamples 25W21-A-03, -07, -11: separator 12 µm, no ceramic coating.\n"
        return self.ledger.files.put(text.encode())

    def recall(self) -> None:
        """A recall opens, and is widened a week later."""
        draft = DraftRecall(
            code=RECALL,
            hazard="battery_fire",
            statement="Cells with uncoated film can short and burn. All failing samples are of batch 25W21-A.",
            batches=("25W21-A",),
        )
        self.do(_at(date(2025, 10, 9), 10), draft_recall, draft)
        agreed = ApproveRecall(recall=RECALL, statement="Report and scope checked.")
        self.do(_at(date(2025, 10, 9), 12), approve_recall, agreed, by=self.ben)
        self.do(_at(date(2025, 10, 9), 13), publish_recall, PublishRecall(recall=RECALL), by=self.ben)
        wider = DraftWidening(
            recall=RECALL,
            statement="Lot SF-0412 went into part of batch 25W22-B too. Nobody can say which units.",
            lots=("SF-0412",),
        )
        self.do(_at(date(2025, 10, 16), 9), draft_widening, wider)
        self.do(_at(date(2025, 10, 16), 11), approve_recall, agreed, by=self.ben)
        self.do(_at(date(2025, 10, 16), 12), widen_recall, WidenRecall(recall=RECALL), by=self.ben)

    def claims(self) -> None:
        """Claims arrive from six countries; some are settled."""
        new_ones = iter(self._some_serials("25W20-A", 40))
        for number, (country, language, batch, remedy, outcome) in enumerate(CLAIMANTS):
            self.clock.moment = max(
                self.clock.moment, _at(date(2025, 10, 17) + timedelta(days=2 * number), 18)
            )
            serial = self._some_serials(batch, 1)[0]
            claim = self._claim(serial, country, language, remedy, number)
            when = self.clock.moment + timedelta(hours=15)
            if outcome in ("accepted", "settled"):
                self.do(when, accept_claim, AcceptClaim(claim=claim))
            if outcome == "settled":
                given = (
                    SettleClaim(claim=claim, amount=Money(3_490, "USD" if country == "US" else "EUR"))
                    if remedy == "refund"
                    else SettleClaim(claim=claim, replacement=next(new_ones))
                )
                self.do(when + timedelta(hours=30), settle_claim, given)
            self.claimed.append((serial, outcome))

    def _claim(self, serial: str, country: str, language: str, remedy: str, number: int) -> str:
        with reading(self.ledger.engine) as connection:
            answer = find_answer(connection, self.ledger.journal.standing(connection), serial)
        match = answer.matches[0]
        wish = Wish(
            match.product_id,
            match.batch_id,
            match.position,
            "refund" if remedy == "refund" else "replacement",
            country,
            language,
        )
        buyer = f"buyer{number}@mail.example"
        is_refund = remedy == "refund"
        return file_claim(
            self.ledger,
            wish,
            form_token=new_form_token(self.ledger.keys.links, os.urandom),
            contact={"email": buyer, "name": ""}
            | ({} if is_refund else {"address": f"Sample Street {number}"}),
            payout={"account": buyer} if is_refund else None,
        )

    def _some_serials(self, batch: str, count: int) -> list[str]:
        """Serials of a batch that nobody claimed."""
        with reading(self.ledger.engine) as connection:
            units = sets_of(connection, get_batch(connection, batch).id)[0]
            claimed = {serial for serial, _ in self.claimed}
            places = self.chance.sample(range(units.count), count + len(claimed))
            found = [serials_in(connection, (units.c, place, place + 1))[0] for place in places]
        return [serial for serial in found if serial not in claimed][:count]

    def facts(self, url: str, vkey: str) -> DemoFacts:
        """What to try, with what each will show."""
        recalled = [*self._some_serials("25W21-A", 3), *self._some_serials("25W22-B", 2)]
        clear = [*self._some_serials("25W20-A", 2), *self._some_serials("25W24-C", 2)]
        settled = [serial for serial, outcome in self.claimed if outcome == "settled"]
        unknown = [new_serial(os.urandom), f"{recalled[0][:-1]}{_other(recalled[0][-1])}"]
        groups = {"recalled": recalled, "clear": clear, "settled": settled, "unknown": unknown}
        return DemoFacts(
            portal="",
            console="",
            login=self.first_login,
            second_login=self.second_login,
            log={"url": url, "vkey": vkey},
            serials={name: [grouped(serial) for serial in serials] for name, serials in groups.items()},
        ).at(8000)


def _other(character: str) -> str:
    return "7" if character != "7" else "8"


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, 5, tzinfo=UTC)
