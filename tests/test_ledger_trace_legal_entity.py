"""Legal entities: who answers for what."""

import pytest

from ledger.trace.legal_entity import (
    EndLegalEntity,
    LegalEntityEnded,
    RecordLegalEntity,
    UnknownLegalEntity,
    find_legal_entity,
    get_legal_entity,
    list_legal_entities,
)
from tests.world import World

EUROPE = RecordLegalEntity(
    code="EU",
    name="Voltaro Europe GmbH",
    country="DE",
    address=("Musterkai 4",),
    roles=("importer", "eu_responsible_person"),
    markets=("DE", "FR", "DE"),
)


def test_the_same_code_again_corrects_what_stands(world: World) -> None:
    world.do(EUROPE)
    first = world.read(lambda connection: get_legal_entity(connection, "EU"))
    world.do(
        RecordLegalEntity(
            code="EU", name="Voltaro SAS", country="FR", address=("1, quai",), roles=("importer",)
        )
    )
    [found] = world.read(list_legal_entities)
    assert first.markets == ("DE", "FR")
    assert (found.id, found.name, found.roles, found.markets) == (
        first.id,
        "Voltaro SAS",
        ("importer",),
        ("FR",),
    )
    assert world.read(lambda connection: find_legal_entity(connection, first.id)) == found


def test_what_ended_stays_and_answers_for_nothing_more(world: World) -> None:
    world.do(EUROPE)
    world.do(EndLegalEntity(legal_entity="EU", reason="It was sold."))
    [found] = world.read(list_legal_entities)
    assert found.ended_at == world.clock.moment
    with pytest.raises(LegalEntityEnded):
        world.do(EUROPE)
    with pytest.raises(LegalEntityEnded):
        world.do(EndLegalEntity(legal_entity="EU", reason="Once more."))


def test_one_that_nobody_recorded_cannot_end(world: World) -> None:
    with pytest.raises(UnknownLegalEntity):
        world.do(EndLegalEntity(legal_entity="UK", reason="It was sold."))
