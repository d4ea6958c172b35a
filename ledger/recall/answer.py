"""What the public is told about a number.

A recall beats everything, sold or not, shipped or not. The order is: recalled; recalled and put right; in no
recall published as of a time; unknown. Never "safe".
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal["recalled", "settled", "not_recalled", "unknown"]
Hint = Literal["", "check_pair", "never_occurring", "length"]


@dataclass(frozen=True, slots=True)
class SpokenFor:
    """The moment an answer speaks for: the newest checkpoint in the same snapshot."""

    as_of: datetime
    size: int
    root: str  # hex
    is_old: bool  # the database is behind or beside its last published checkpoint: say so


@dataclass(frozen=True, slots=True)
class PublicRecall:
    """A published recall as the public may see it."""

    id: str
    code: str
    hazard: str  # a key of recall/data/hazards.toml
    published_at: datetime
    index: int  # log index of the entry that published it
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Match:
    """One product and batch that carry the number."""

    product_id: str
    brand: str
    product: str
    model: str
    picture: str | None  # SHA-256 of the picture's file
    batch: str  # the batch's code
    status: Status
    recalls: tuple[PublicRecall, ...]
    retracted: tuple[PublicRecall, ...]
    position: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one number; `matches` has more than one member when several products carry it."""

    number: str  # what was asked, normalised for showing
    shown: str  # as printed on the label; the number itself when unknown
    is_own_serial: bool  # 14 characters, shown in groups of four
    is_batch_code: bool
    status: Status
    matches: tuple[Match, ...]
    spoken_for: SpokenFor
    hint: Hint
