"""Parties."""

import pytest

from ledger.trace.party import PartyExists, RegisterParty, UnknownParty, find_party, get_party, list_parties
from tests.world import World


def test_a_party_is_found_by_its_code(world: World) -> None:
    receipt = world.do(RegisterParty(code="QINGLUO", name="Qingluo Assembly", role="factory", country="CN"))
    found = world.read(lambda connection: get_party(connection, "QINGLUO"))
    assert (found.name, found.role, found.country) == ("Qingluo Assembly", "factory", "CN")
    assert found.recorded == receipt.entries[0].index
    assert receipt.entries[0].subjects == (f"party:{found.id}",)


def test_a_code_belongs_to_one_party(world: World) -> None:
    world.party("QINGLUO")
    with pytest.raises(PartyExists, match="QINGLUO"):
        world.do(RegisterParty(code="QINGLUO", name="Another", role="shop", country="DE"))


def test_an_unknown_code_is_no_party(world: World) -> None:
    world.party("QINGLUO")
    assert world.read(lambda connection: find_party(connection, "qingluo")) is None
    with pytest.raises(UnknownParty, match="BAISHAN"):
        world.read(lambda connection: get_party(connection, "BAISHAN"))


def test_parties_are_listed_by_code(world: World) -> None:
    for code in ("TALLOW", "BAISHAN"):
        world.party(code)
    assert [one.code for one in world.read(list_parties)] == ["BAISHAN", "TALLOW"]
