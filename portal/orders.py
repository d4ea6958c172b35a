"""Orders: which commands a program may ask for over the network, and how each is carried out, whoever asks.

Most are one write of the journal with the command's own request. A few are more than an entry; they stand here.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from ledger.database import reading
from ledger.journal.asking import is_for_people
from ledger.journal.fields import Prose, ask
from ledger.journal.journal import By, Receipt
from ledger.journal.opening import Ledger
from ledger.journal.registry import COMMANDS, Command, Request
from ledger.recall.erasing import carry_out_erasure
from ledger.trace.batch import get_batch
from ledger.trace.commissioning import MakeSerials, commission_made
from ledger.trace.unit import MoreThanMade, sets_of

# What belongs to the machine: keys and the log itself are changed by whoever has it in their hands. And webhooks, whose
# secret is shown to the person who asks for one.
NOT_FOR_PROGRAMS = ("log", "master_key", "webhook")
# Asked for by no form, and by programs all the same.
FOR_PROGRAMS = ("account.give_roles",)


class MakeUnits(MakeSerials, frozen=True):
    """Make random serials for units of a batch."""

    not_recalled_because: Annotated[
        Prose, ask("Not recalled because", "Only for a batch that stands in a recall these units are not of.")
    ] = ""


def make_units(ledger: Ledger, request: MakeUnits, by: By) -> Receipt:
    """Make the serials and commission them. Raises UnknownBatch, MoreThanMade, and what commissioning does."""
    refuse_too_many(ledger, request)
    reason = request.not_recalled_because
    return commission_made(ledger.journal, ledger.keys.units, request, by, not_recalled_because=reason)


def refuse_too_many(ledger: Ledger, request: MakeUnits) -> None:
    """Raise MoreThanMade for more serials than the batch has units at all, before any is made."""
    with reading(ledger.engine) as connection:
        batch = get_batch(connection, request.batch)
        commissioned = sum(one.count for one in sets_of(connection, batch.id))
    if request.count > batch.quantity:
        raise MoreThanMade(
            batch=batch.code, made=batch.quantity, commissioned=commissioned, count=request.count
        )


CARRIED_OUT: dict[str, Callable[[Ledger, Any, By], Receipt]] = {
    "person.erase": carry_out_erasure,
    "unit.commission": make_units,
}
# Where what is asked for is not the command's own request, which speaks of rows that were staged before.
ASKED_FOR: dict[str, type[Request]] = {"unit.commission": MakeUnits}


def orders() -> Mapping[str, type[Request]]:
    """What a program may ask for: the request of each command, by its name."""
    return {
        name: ASKED_FOR.get(name, command.request)
        for name, command in sorted(COMMANDS.items())
        if name in ASKED_FOR or name in FOR_PROGRAMS or _is_offered(command)
    }


def carry_out(ledger: Ledger, command: Command[Any], request: Any, by: By) -> Receipt:
    """Record it, and do what belongs to it besides. Raises what the command raises."""
    own = CARRIED_OUT.get(command.name)
    return own(ledger, request, by) if own else ledger.journal.write(command, request, by)


def _is_offered(command: Command[Any]) -> bool:
    """Whether people are asked for it in words: what only our own programs send has none."""
    return is_for_people(command.request) and command.name.partition(".")[0] not in NOT_FOR_PROGRAMS
