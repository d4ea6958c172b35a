"""Hazards: what can happen, and what an owner does at once. The words are msgids of the domain `buyer`."""

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data" / "hazards.toml"
DEFAULT = "other"


@dataclass(frozen=True, slots=True)
class Hazard:
    """One kind of danger; `no_post` forbids every ordinary parcel."""

    key: str
    danger: str
    steps: tuple[str, ...]
    no_post: bool


@functools.cache
def hazards() -> Mapping[str, Hazard]:
    """All hazards by key, the gravest first."""
    table = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return {
        key: Hazard(key, row["danger"], tuple(row["steps"]), row["no_post"]) for key, row in table.items()
    }


def hazard_of(key: str) -> Hazard:
    """The hazard, or the default one for a key that has no text: a buyer always gets an answer."""
    return hazards().get(key, hazards()[DEFAULT])


def gravest(keys: Iterable[str]) -> Hazard:
    """The gravest of several hazards, for a unit that stands in more than one recall. Never fails."""
    order = list(hazards())
    known = [key if key in order else DEFAULT for key in keys]
    return hazard_of(min(known, key=order.index, default=DEFAULT))
