"""portal.console.signing: a form that approves asks for a passkey's signature, and the log keeps it."""

import pytest

from ledger.database import reading
from ledger.journal.journal import read_recorded
from ledger.people.approval import ApprovalGiven
from ledger.people.signature import demand_signature
from ledger.trace.substitution import ProposeSubstitution
from tests.staff import Desk, text_of
from tests.test_portal_second_factor import add_passkey
from tests.world import World

APPROVE = "/console/record/recall.approve?recall=R-1"
DECIDE = "/console/record/substitution.decide?code=S-1"


@pytest.fixture
def desk(world: World) -> Desk:
    world.lot("SF-1", "4000 m")
    world.batch("B1", lots={"SF-1": "1200 m"}, units=3)
    world.draft("R-1", lots=["SF-1"])
    world.do(
        ProposeSubstitution(
            code="S-1",
            product="VS-10",
            material="FILM",
            declared="16 µm",
            wanted="14 µm",
            effective_on=world.today,
            statement="Cheaper.",
        )
    )
    return Desk.of(world)


def given_last(world: World) -> ApprovalGiven:
    with reading(world.ledger.engine) as connection:
        events = [read_recorded(connection, index).event for index in range(world.size())]
    return [one for one in events if isinstance(one, ApprovalGiven)][-1]


@pytest.mark.parametrize(
    ("place", "answers"),
    [
        (APPROVE, {"recall": "R-1", "statement": "Checked."}),
        (DECIDE, {"code": "S-1", "decision": "approve", "statement": "Tested."}),
    ],
)
def test_what_a_passkey_signed_is_kept_with_the_approval(
    desk: Desk, place: str, answers: dict[str, str]
) -> None:
    ben = desk.signed_in("Ben")
    phone = add_passkey(ben)
    page = ben.page(place)
    path = place.partition("?")[0]
    assert f'data-passkey-sign="{path}/signing"' in page
    fields = {**ben.hidden(place), **answers}
    options = ben.post(f"{path}/signing", fields)
    assert options.content_type == "application/json", text_of(options)
    answer = ben.post(path, {**fields, "credential": phone.get(options.text)})
    assert answer.status_code == 303, text_of(answer)
    approval = given_last(desk.world)
    assert approval.signature is not None
    demand_signature(approval.signature, digest=approval.digest, host="localhost")


def test_a_signature_over_another_version_is_none(desk: Desk) -> None:
    ben, world = desk.signed_in("Ben"), desk.world
    world.draft("R-2", batches=["B1"])
    phone = add_passkey(ben)
    other = {**ben.hidden("/console/record/recall.approve?recall=R-2"), "recall": "R-2"}
    options = ben.post("/console/record/recall.approve/signing", other)
    answers = {**ben.hidden(APPROVE), "recall": "R-1", "statement": "Checked."}
    size = world.size()
    answer = ben.post("/console/record/recall.approve", {**answers, "credential": phone.get(options.text)})
    assert answer.status_code in (401, 403, 409, 422)
    assert world.size() == size


def test_without_a_passkey_the_form_approves_unsigned(desk: Desk) -> None:
    ben = desk.signed_in("Ben")
    assert "data-passkey-sign" not in ben.page(APPROVE)
    assert ben.send(APPROVE, recall="R-1", statement="Checked.").status_code == 303
    assert given_last(desk.world).signature is None


def test_only_what_is_approved_by_two_is_signed(desk: Desk) -> None:
    ben = desk.signed_in("Ben")
    add_passkey(ben)
    assert "data-passkey-sign" not in ben.page("/console/record/hold.place")
    csrf = {"csrf": ben.hidden(APPROVE)["csrf"]}
    assert ben.post("/console/record/hold.place/signing", csrf).status_code == 404
    assert ben.post("/console/record/recall.approve/signing", {**csrf, "recall": "R-9"}).status_code == 404
