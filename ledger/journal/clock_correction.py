"""When the clock was wrong: the one entry that may be earlier than the entry before."""

from typing import Annotated

from msgspec import Meta

from ledger.journal.events import ClockCorrected, LogOpened
from ledger.journal.fields import Prose, ask
from ledger.journal.journal import read_recorded
from ledger.journal.registry import Request, command
from ledger.journal.transaction import Tx


class CorrectClock(Request, frozen=True):
    """Record that the clock was wrong and has been set right."""

    reason: Annotated[Prose, Meta(min_length=1), ask("Reason", "What was wrong, and since when.")]


@command("clock.correct", may_step_back=True)
def correct_clock(tx: Tx, request: CorrectClock) -> None:
    """Times go on from what the clock says now."""
    opened = read_recorded(tx.connection, 0).event
    assert isinstance(opened, LogOpened)
    tx.record(ClockCorrected(reason=request.reason), f"log:{opened.log}")
