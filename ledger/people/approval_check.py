"""Signed approvals verified again: what an audit asks of every approval with a passkey's signature."""

from collections.abc import Iterator, Sequence
from typing import Any

from ledger.journal.events import LogOpened
from ledger.journal.key_events import LogSucceeded
from ledger.journal.registry import Difference, Evidence, Recorded
from ledger.people.approval import APPROVAL, ApprovalGiven
from ledger.people.signature import BadSignature, PasskeySignature, demand_signature, host_of


@APPROVAL.checked(LogOpened, LogSucceeded, ApprovalGiven)
def check_signatures(_evidence: Evidence, recorded: Sequence[Recorded[Any]]) -> Iterator[Difference]:
    """Each signature must cover its digest at the log's host of that time; a passkey has one key and one holder."""
    host, holders = "", dict[bytes, tuple[str, bytes]]()
    for one in recorded:
        event = one.event
        if isinstance(event, LogOpened | LogSucceeded):
            host = host_of(event.origin)
        elif event.signature is not None:
            yield from _check(one.index, event, event.signature, host)
            holder = one.actor, event.signature.public_key
            if holders.setdefault(event.signature.credential, holder) != holder:
                problem = "this passkey has signed before with another key, or for somebody else"
                yield Difference(one.index, "data.signature.credential", problem)


def _check(index: int, event: ApprovalGiven, signed: PasskeySignature, host: str) -> Iterator[Difference]:
    try:
        demand_signature(signed, digest=event.digest, host=host)
    except BadSignature as error:
        yield Difference(
            index, "data.signature", f"the passkey's signature does not hold: {error.facts['reason']}"
        )
