"""How long each kind of personal value is kept, and why: the defaults, as data.

The days count from the end of the purpose. A kind of value without a rule must not exist: `Kind` is the list of kinds
that may be put into the vault, and a test holds it against the data.
"""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

DATA = Path(__file__).parent / "data" / "retention.toml"

Kind = Literal["contact", "payout", "staff_name"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of value: what it is held for, how many days after that, and why so long."""

    kind: str
    days: int
    purpose: str
    reason: str


@functools.cache
def default_rules() -> Mapping[str, Rule]:
    """The rules that hold where the seller has recorded no other, by kind."""
    table = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return {kind: Rule(kind, row["days"], row["purpose"], row["reason"]) for kind, row in table.items()}
