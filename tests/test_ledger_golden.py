"""Golden bytes: an entry of every kind, exactly as it is stored, hashed and served.

What stands in tests/golden/entries.json was once written and is never changed: from release 1.0 on these formats
are frozen. A kind that is new gets an event here and its bytes there; `python -m tests.test_ledger_golden` prints
the bytes of kinds that have none yet.
"""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from ledger import nouns
from ledger.files import FileRef
from ledger.journal import events, key_events, opening
from ledger.journal.registry import KIND_OF, KINDS, Event, MapChange, decode
from ledger.log.canonical import encode, parse
from ledger.log.checkpoint import Checkpoint
from ledger.log.entry import format_entry, format_request, parse_entry
from ledger.log.merkle import leaf_hash
from ledger.log.note import Signer
from ledger.log.statement import rotate, succeed
from ledger.people import account, approval, token, webhook
from ledger.people.signature import PasskeySignature
from ledger.quantities import Money, Quantity
from ledger.recall import claim, person, recall
from ledger.trace import (
    batch,
    bill_of_materials,
    legal_entity,
    material_lot,
    party,
    product,
    quality,
    seller,
    shipment,
    site,
    substitution,
    unit,
)

assert nouns
assert opening

GOLDEN = Path(__file__).parent / "golden" / "entries.json"
FROZEN = (
    "The bytes of {kind} have changed. Formats are frozen at 1.0: entries with the old bytes are in logs and stay "
    "there. Make a {next}, and go on reading {kind}."
)

A, B, C, D = (letter * 16 for letter in "ABCD")
DIGEST, OTHER = "ab" * 32, "cd" * 32
FILE = FileRef(DIGEST, 1_234)
MAP = MapChange(leaves=3, previous=0, root=DIGEST)
STATED = events.StatedMap(leaves=1, root=events.FIRST_MAP_ROOT, version=0)
OLD_KEY, NEW_KEY = (Signer("voltaro.example/log", seed * 32) for seed in (b"1", b"2"))
NEXT_KEY = Signer("voltaro.example/log/2", b"3" * 32)
LAST = Checkpoint("voltaro.example/log", 912, bytes.fromhex(OTHER))
DAY = date(2025, 5, 20)
SIGNATURE = PasskeySignature(  # its form alone: no key signed this
    authenticator_data=b"\x01" * 37,
    client_data=b'{"type":"webauthn.get"}',
    credential=b"\xff\xfe" * 8,
    nonce=b"\x02" * 16,
    public_key=b"\x03" * 77,
    signature=b"\x04" * 70,
)
TEXT = "Grün – 隔膜 “12 µm”\n<b>&amp;</b> \\ / \u2028 \U0001f50b"

EVENTS: tuple[Event, ...] = (
    events.LogOpened(
        demo=False,
        format="lotproof-log/1",
        log=A,
        map=STATED,
        origin="voltaro.example/log",
        product="lotproof",
        vkey="voltaro.example/log+3ac8cf6a+AY/Zsl2Skka9Ld7sdeVm3ekSvlQa29QW6JVBnhvKKTpf",
    ),
    events.StatusStated(map=STATED),
    events.SubjectsContinued(of=7),
    events.ClockCorrected(reason=TEXT),
    key_events.KeyRotated(
        compromised=False,
        new=NEW_KEY.verifier.to_text(),
        old=OLD_KEY.verifier.to_text(),
        reason=TEXT,
        statement=rotate(OLD_KEY, NEW_KEY),
    ),
    key_events.KeyRetired(reason="The overlap is over.", vkey=OLD_KEY.verifier.to_text()),
    key_events.LogSucceeded(
        kept=812,
        last=key_events.LastKnown(origin=LAST.origin, root=LAST.root.hex(), size=LAST.size),
        origin=NEXT_KEY.name,
        reason="The disk broke; the newest copy was a day old.",
        statement=succeed(LAST, 812, [NEW_KEY], NEXT_KEY),
        vkey=NEXT_KEY.verifier.to_text(),
    ),
    key_events.LogResumed(guard="missing", known=None, reason="The guard was on a disk that broke."),
    key_events.MasterKeyRotated(persons=31, reason="A year has passed."),
    account.AccountAdmitted(account=A, roles=("warehouse", "quality")),
    account.RolesGiven(account=A, roles=("auditor",)),
    account.AccountEnd(account=A, reason=TEXT),
    webhook.WebhookSubscribed(
        webhook=A, address="https://erp.example/lotproof", kinds=("recall.*", "batch.produced")
    ),
    webhook.WebhookEnded(webhook=A, reason=TEXT),
    account.AccountNamed(account=A, name=account.SealedName(B, C, DIGEST)),
    approval.ApprovalGiven(
        command="recall.approve", subject=f"recall:{A}", digest=DIGEST, statement=TEXT, signature=SIGNATURE
    ),
    approval.ApprovalWaited(
        command="recall.approve", subject=f"recall:{A}", digest=DIGEST, drafted=7, waiting_hours=24
    ),
    approval.ApprovalRuleSet(command="recall.approve", stand_in="counsel", waiting_hours=0),
    token.TokenIssued(
        token=A,
        scopes=("see:recalls", "do:recall.approve"),
        ends_at=datetime(2025, 12, 1, 12, tzinfo=UTC),
        about=f"recall:{B}",
    ),
    token.TokenRevoked(token=A, reason=TEXT),
    party.PartyRegistered(party=A, code="QINGLUO", name="Qingluo Assembly", role="factory", country="CN"),
    product.ProductRegistered(
        product=A,
        code="VS-10",
        gtin="04012345678901",
        brand="Voltaro",
        name="Slim 10K power bank",
        model="VS-10",
        label_lines=("Model VS-10", "10,000 mAh · 37 Wh · Li-ion"),
        picture=FILE,
    ),
    bill_of_materials.MaterialRegistered(material=A, code="FILM", name="Separator film"),
    bill_of_materials.BillOfMaterialsRevised(
        product=A,
        revision="C",
        lines=(
            bill_of_materials.BomLine(B, Quantity(1_500, "mm"), "ceramic-coated, 16 µm"),
            bill_of_materials.BomLine(C, Quantity(2, "pcs"), "type 4"),
        ),
    ),
    material_lot.MaterialLotReceived(
        lot=A,
        code="SF-0412",
        supplier_code="TFW-250412",
        supplier=B,
        material=C,
        quantity=Quantity(4_000, "m"),
        declared="ceramic-coated, 16 µm",
        occurred_on=DAY,
    ),
    batch.BatchProduced(
        batch=A,
        code="25W21-A",
        product=B,
        revision=None,
        factory=C,
        line="",
        made_on=DAY,
        quantity=20_000,
        inputs=(batch.ConsumedLot(D, Quantity(1_200, "m")),),
        date_codes=("2025-W21",),
    ),
    unit.UnitsCommissioned(
        unit_set=A,
        batch=B,
        product=C,
        count=20_000,
        root=OTHER,
        list_file=FILE,
        received_file=None,
        not_recalled_because=None,
    ),
    quality.HoldPlaced(hold=A, batch=B, reason=TEXT),
    quality.HoldReleased(hold=A, batch=B, reason="Its film is as declared."),
    substitution.SubstitutionProposed(
        substitution=A,
        code="S-2025-01",
        material=B,
        product=C,
        declared="ceramic-coated, 16 µm",
        wanted="ceramic-coated, 14 µm",
        effective_on=DAY,
        statement="It is thinner.",
    ),
    substitution.SubstitutionApproved(substitution=A, statement="Tested."),
    substitution.SubstitutionRefused(substitution=A, statement="Not tested."),
    substitution.SubstitutionFound(
        substitution=A,
        code="S-2025-02",
        material=B,
        lots=(C, D),
        declared="ceramic-coated, 16 µm",
        known="uncoated, 12 µm",
        effective_on=DAY,
        statement=TEXT,
        evidence=(FILE,),
    ),
    shipment.ShipmentRouted(shipment=A, site=B),
    shipment.ShipmentReceived(shipment=A, received_on=date(2025, 7, 1), statement=TEXT),
    site.SiteOpened(
        site=A, code="HAM-1", name="Musterlager Hamburg", party=B, country="DE", zone="Europe/Berlin"
    ),
    site.SiteStaffed(account=A, site=B),
    shipment.ShipmentSent(
        shipment=A,
        code="SH-1042",
        channel="own shop",
        country="DE",
        sent_on=DAY,
        lines=(
            shipment.ShippedLine(B, 9_000, ((17, 0, 9_000),)),
            shipment.ShippedLine(C, 1, ()),
        ),
    ),
    seller.SellerDescribed(
        seller=A,
        brand="Voltaro",
        company="Voltaro Europe GmbH",
        address=("Musterkai 4", "20000 Beispielhafen, DE"),
        support_email="help@voltaro.example",
        support_phone="",
        only_own_serials=True,
        zone="Europe/Berlin",
    ),
    seller.SellerStyled(seller=A, logo=FILE, accent="#0b5d57"),
    legal_entity.LegalEntityRecorded(
        legal_entity=A,
        code="EU",
        name="Voltaro Europe GmbH",
        address=("Musterkai 4", "20000 Beispielhafen"),
        country="DE",
        registration="HRB 00000",
        vat="DE000000000",
        email="compliance@voltaro.example",
        roles=("importer", "eu_responsible_person"),
        markets=("DE", "FR"),
    ),
    legal_entity.LegalEntityEnd(legal_entity=A, reason=TEXT),
    recall.RecallDrafted(
        recall=A,
        code="R-2025-01",
        hazard="battery_fire",
        statement=TEXT,
        lots=(B,),
        batches=(C, D),
        scope=FILE,
        units=40_000,
    ),
    recall.WideningDrafted(
        recall=A, version=2, statement="More.", lots=(), batches=(C,), scope=FILE, units=60_000
    ),
    recall.RecallApproved(recall=A, version=1, statement="Checked."),
    recall.RecallPublished(recall=A, version=1, scope=FILE, map=MAP),
    recall.RecallWidened(recall=A, version=2, scope=FILE, map=MapChange(leaves=5, previous=1, root=OTHER)),
    recall.RecallClosed(recall=A, statement="Every unit is accounted for."),
    recall.RecallRetracted(recall=A, statement="The sample was mixed up.", map=MAP),
    claim.ClaimOpened(
        claim=A,
        recalls=(B,),
        product=C,
        batch=D,
        position=(17, 812),
        remedy="refund",
        country="DE",
        language="zh-Hans",
        doubt="claimed_before",
        person=B,
        contact=claim.Sealed(C, DIGEST),
        payout=claim.Sealed(D, OTHER),
    ),
    claim.ClaimAccepted(claim=A, statement=""),
    claim.ClaimDeclined(claim=A, statement="Another product."),
    claim.ClaimSettled(claim=A, remedy="refund", amount=Money(3_490, "EUR"), replacement=None),
    person.PersonErased(person=A, reason=TEXT),
    person.PersonExpired(person=A, items=(person.ExpiredItem(B, "contact"), person.ExpiredItem(C, "payout"))),
    person.RetentionSet(kind="payout", days=90, reason="A shorter time serves."),
)
BY_KIND = {KIND_OF[type(one)]: one for one in EVENTS}


def entry_of(event: Event) -> bytes:
    """The entry around an event, everything in it fixed."""
    return format_entry(
        actor=f"account:{A}",
        at="2025-11-03T10:15:30.123Z",
        data=encode(msgspec.to_builtins(event)),
        kind=KIND_OF[type(event)],
        prev=bytes.fromhex(OTHER),
        request=format_request(DIGEST, OTHER),
        salt=bytes(range(16)),
        subjects={f"batch:{B}": 812, f"log:{A}": None},
    )


def golden() -> dict[str, str]:
    stored: dict[str, str] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return stored


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_golden_bytes(kind: str) -> None:
    assert kind in BY_KIND, f"{kind} has no event in {Path(__file__).name}"
    assert kind in golden(), f"{kind} has no bytes in {GOLDEN.name}"


@pytest.mark.parametrize("kind", sorted(golden()))
def test_the_bytes_of_a_kind_never_change(kind: str) -> None:
    name, _, version = kind.partition("/")
    assert kind in KINDS, f"{kind} stands in logs and must be understood for ever"
    assert entry_of(BY_KIND[kind]).decode() == golden()[kind], FROZEN.format(
        kind=kind, next=f"{name}/{int(version) + 1}"
    )


@pytest.mark.parametrize("kind", sorted(golden()))
def test_golden_bytes_are_read_as_the_event_that_they_were_made_of(kind: str) -> None:
    body = golden()[kind].encode()
    entry = parse_entry(body)
    assert encode(parse(body)) == body
    assert entry.kind == kind
    event = decode(entry.kind, entry.data)
    assert event == BY_KIND[kind]
    assert entry_of(event) == body


@pytest.mark.parametrize("kind", sorted(golden()))
def test_data_with_a_field_too_many_or_too_few_is_not_read(kind: str) -> None:
    data = parse_entry(golden()[kind].encode()).data
    with pytest.raises(msgspec.ValidationError):
        decode(kind, {**data, "further": 1})
    for name in data:
        with pytest.raises(msgspec.ValidationError):
            decode(kind, {other: value for other, value in data.items() if other != name})


def test_no_event_has_a_default() -> None:
    # A field that may be left out would be a second form of the same kind.
    for kind, cls in KINDS.items():
        assert all(one.required for one in msgspec.structs.fields(cls)), kind


def test_the_leaf_of_a_golden_entry_is_this_hash() -> None:
    assert (
        leaf_hash(golden()["status.stated/1"].encode()).hex()
        == "1902b1e11ee5fa6190ca0fec811a9a1eefe851715abb2b2e5d6bdbe173e9a1f0"
    )


if __name__ == "__main__":
    known = golden() if GOLDEN.exists() else {}
    fresh = {kind: entry_of(one).decode() for kind, one in BY_KIND.items() if kind not in known}
    print(json.dumps(dict(sorted(fresh.items())), ensure_ascii=False, indent=2))
