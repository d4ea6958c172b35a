"""The status map computed again from the published scopes: what an audit asks of every entry that changes it."""

from collections.abc import Iterator, Sequence
from typing import Any

from ledger.journal.registry import Difference, Evidence, Recorded
from ledger.recall.recall import RECALL, RecallPublished, RecallRetracted, RecallWidened
from ledger.recall.status_map import status_map
from ledger.trace.positions import Range, parse_scope


@RECALL.checked(RecallPublished, RecallWidened, RecallRetracted)
def check_maps(evidence: Evidence, recorded: Sequence[Recorded[Any]]) -> Iterator[Difference]:
    """Each of these entries must carry the root and the number of leaves of the map as it stands after it."""
    scopes: dict[str, Sequence[Range]] = {}
    for one in recorded:
        event = one.event
        if isinstance(event, RecallRetracted):
            scopes.pop(event.recall, None)
        else:
            scopes[event.recall] = parse_scope(evidence.read_file(event.scope.sha256))
        made = status_map(scopes)
        if (made.root.hex(), len(made.leaves)) != (event.map.root, event.map.leaves):
            problem = (
                f"the scopes published by then make the root {made.root.hex()}, {len(made.leaves)} leaves"
            )
            yield Difference(one.index, "data.map", problem)
