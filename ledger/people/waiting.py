"""When a waiting time stands in for the second person: a function of rules, roles and times, and of nothing else.

Three things must be so, and one person alone can bring about none of them in a hurry:

- the waiting time has passed since the draft;
- nobody but the author may approve, nor could anybody in the last 72 hours: whoever shuts out the others waits;
- the strictest rule of the last 72 hours allows it: a rule that asks for less holds 72 hours after it was recorded,
  one that asks for more at once.

So who weakens the rule, or ends the other's account, can publish nothing for three days, in which the others find out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ledger.people.account import Held
from ledger.people.roles import may_do

StandIn = Literal["none", "waiting", "counsel"]
MOST_HOURS = 72
NOTICE = timedelta(hours=MOST_HOURS)  # never less than the longest waiting time, or shortening it would pay


@dataclass(frozen=True, slots=True)
class Rule:
    """What stands in for the second person, from when on it was recorded, and by whom."""

    recorded: int
    command: str
    stand_in: StandIn
    waiting_hours: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """A waiting time of so many hours stands in from `until` on, if nothing changes before."""

    hours: int
    until: datetime


def hours_at(rules: Sequence[Rule], when: datetime) -> int | None:
    """The waiting time by the strictest rule of the 72 hours before `when`; None where one of them allows none.

    `rules` are of one command, oldest first. Before the first there was none.
    """
    ends = [rule.at for rule in rules]
    in_force = [
        rule
        for rule, ended in zip([None, *rules], [*ends, None], strict=True)
        if ended is None or ended > when - NOTICE
    ]
    hours = [rule.waiting_hours for rule in in_force if rule is not None and rule.stand_in == "waiting"]
    return max(hours) if len(hours) == len(in_force) else None


def alone_since(held: Sequence[Held], command: str, author: str) -> datetime | None:
    """From when on nobody but `author` could carry out `command`; None where somebody else can, or they cannot.

    For somebody who always was alone: the time at which they could first.
    """
    able = [one for one in held if may_do(one.roles, command)]
    others = [one for one in able if f"account:{one.account}" != author]
    own = [one for one in able if f"account:{one.account}" == author]
    if not own or own[-1].until is not None or any(one.until is None for one in others):
        return None
    return max((one.until for one in others if one.until is not None), default=own[0].since - NOTICE)


def wait_for(
    rules: Sequence[Rule],
    held: Sequence[Held],
    *,
    command: str,
    author: str,
    drafted_at: datetime,
    now: datetime,
) -> Wait | None:
    """The waiting time that stands in, or will as things are now; None where none does."""
    alone = alone_since(held, command, author)
    if alone is None:
        return None
    earliest = max(now, alone + NOTICE)
    # What holds only changes when a stricter rule falls out of the window, 72 hours after the next was recorded.
    moments = [earliest, *(rule.at + NOTICE for rule in rules if rule.at + NOTICE > earliest)]
    waits = [
        Wait(hours, max(moment, drafted_at + timedelta(hours=hours)))
        for moment in moments
        if (hours := hours_at(rules, moment)) is not None
    ]
    return min(waits, key=lambda wait: wait.until, default=None)
