"""How orders are carried out, whoever gives them: most are one write of the journal, some are more than an entry."""

from collections.abc import Callable
from typing import Any

from ledger.journal.journal import By, Receipt
from ledger.journal.opening import Ledger
from ledger.journal.registry import Command
from ledger.recall.erasing import carry_out_erasure

CARRIED_OUT: dict[str, Callable[[Ledger, Any, By], Receipt]] = {"person.erase": carry_out_erasure}


def carry_out(ledger: Ledger, command: Command[Any], request: Any, by: By) -> Receipt:
    """Record it, and do what belongs to it besides. Raises what the command raises."""
    own = CARRIED_OUT.get(command.name)
    return own(ledger, request, by) if own else ledger.journal.write(command, request, by)
