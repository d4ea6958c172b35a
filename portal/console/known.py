"""Declared and known, side by side: what a supplier said of a lot, and what was found to be in it.

Where a thing took effect before we knew of it, both times stand there with the span between: the caliper.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from markupsafe import Markup

from ledger.trace.substitution import Substitution
from portal.console.names import isolated, link
from portal.console.reads import LotLine
from portal.console.sentences import Say
from portal.console.shell import address, entry_link
from translations import Words

DAYS_SAID_AS_MONTHS = 60


@dataclass(frozen=True, slots=True)
class Caliper:
    """Two times and the span between them, in words."""

    occurred: str
    span: str
    known: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found to be in a lot, and since when it was so."""

    known: str
    said: Markup
    caliper: Caliper | None


@dataclass(frozen=True, slots=True)
class ComparedLot:
    """A row of the comparison."""

    material: Markup
    declared: str
    source: Markup
    found: tuple[Found, ...]


def compared(
    say: Say,
    lots: Sequence[LotLine],
    found: Mapping[str, Sequence[Substitution]],
    recorded_at: Mapping[int, datetime],
) -> list[ComparedLot]:
    """Rows for these lots; `recorded_at` gives the time of the entries that found something."""
    return [
        ComparedLot(
            material=link(address("material", subject_id=lot.material), isolated(lot.material_name)),
            declared=lot.declared,
            source=say.text(
                "{supplier}, lot {lot}",
                supplier=link(address("party", subject_id=lot.supplier), isolated(lot.supplier_name)),
                lot=link(address("material_lot", subject_id=lot.id), lot.code, is_code=True),
            ),
            found=tuple(found_as(say, one, recorded_at.get(one.recorded)) for one in found.get(lot.id, ())),
        )
        for lot in lots
    ]


def found_as(say: Say, one: Substitution, at: datetime | None) -> Found:
    """What one substitution found, with its caliper."""
    said = say.text(
        "Finding {finding}, {entry}",
        finding=link(address("substitution", subject_id=one.id), one.code, is_code=True),
        entry=entry_link(one.recorded),
    )
    return Found(one.known, said, caliper(say.words, one.effective_on, at.date()) if at else None)


def caliper(words: Words, occurred: date, known: date) -> Caliper | None:
    """The caliper between two days; None where it was known at once."""
    days = (known - occurred).days
    if days <= 0:
        return None
    return Caliper(
        occurred=words.text("in effect {day}", day=words.date(occurred)),
        span=late(words, days),
        known=words.text("known {day}", day=words.date(known)),
    )


def late(words: Words, days: int) -> str:
    """How late, in whole months once there are two."""
    if days < DAYS_SAID_AS_MONTHS:
        return words.plural("recorded {count} day late", "recorded {count} days late", days)
    months = int(days / 30.44)  # the mean month, rounded down: we never say more than it was
    return words.plural("recorded {count} month late", "recorded {count} months late", months)
