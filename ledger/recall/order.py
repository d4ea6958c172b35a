"""The orders that move a recall: draft, approve, publish, widen, close, retract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.database import reading
from ledger.files import FileRef
from ledger.journal.journal import Journal
from ledger.journal.registry import MapChange, command
from ledger.journal.transaction import StaleMap, Tx, read_map
from ledger.people.approval import approval_of, demand_approval, give_approval
from ledger.recall.approving import matter_of
from ledger.recall.errors import (
    BatchRecalled,
    IntoRecalledBatch,
    NothingAffected,
    NothingToApprove,
    NotWider,
    RecallExists,
    ScopeOutgrown,
    UnknownHazard,
    WrongStanding,
)
from ledger.recall.hazards import hazards
from ledger.recall.recall import (
    Recall,
    RecallApproved,
    RecallClosed,
    RecallDrafted,
    RecallPublished,
    RecallRetracted,
    RecallVersion,
    RecallWidened,
    WideningDrafted,
    batches_in,
    find_recall,
    get_recall,
    lots_in,
    public_scopes,
    recalls_over,
    versions_of,
)
from ledger.recall.requests import (
    ApproveRecall,
    CloseRecall,
    DraftRecall,
    DraftWidening,
    PublishRecall,
    RetractRecall,
    WidenRecall,
)
from ledger.recall.status_map import status_map
from ledger.trace.batch import Batch, get_batch
from ledger.trace.genealogy import Trace, trace_batches, trace_forward
from ledger.trace.positions import Range, count, covers, format_scope, joined, parse_scope
from ledger.trace.shipment import SendShipment, send_shipment
from ledger.trace.unit import CommissionUnits, commission_units, ranges_of


def preview(connection: Connection, lots: Sequence[str], batches: Sequence[str]) -> Trace:
    """What a recall from these lots and batches (codes) would take in. Raises NothingAffected and for unknown codes."""
    found: dict[str, Batch] = {}
    forward = trace_forward(connection, lots)
    for one in (
        *(item.batch for item in forward.batches),
        *(get_batch(connection, code) for code in batches),
    ):
        found[one.id] = one
    if not found:
        raise NothingAffected()
    named = [batch for batch in found.values() if batch.id not in {item.batch.id for item in forward.batches}]
    further = trace_batches(connection, named)
    affected = tuple(sorted((*forward.batches, *further.batches), key=lambda item: item.batch.recorded))
    return Trace(forward.lots, affected, joined((*forward.ranges, *further.ranges)))


@command("recall.draft")
def draft_recall(tx: Tx, request: DraftRecall) -> None:
    """Raises RecallExists, UnknownHazard, NothingAffected, and for unknown codes."""
    if find_recall(tx.connection, request.code) is not None:
        raise RecallExists(code=request.code)
    if request.hazard not in hazards():
        raise UnknownHazard(hazard=request.hazard, known=", ".join(hazards()))
    trace = preview(tx.connection, request.lots, request.batches)
    recall = tx.new_id()
    event = RecallDrafted(
        recall=recall,
        code=request.code,
        hazard=request.hazard,
        statement=request.statement,
        lots=tuple(lot.id for lot in trace.lots),
        batches=tuple(item.batch.id for item in trace.batches),
        scope=_store(tx, trace.ranges),
        units=trace.made,
    )
    tx.record(event, *_subjects(recall, event.batches, event.lots))


@command("recall.draft_widening")
def draft_widening(tx: Tx, request: DraftWidening) -> None:
    """Raises UnknownRecall, WrongStanding, NotWider, NothingAffected, and for unknown codes."""
    recall = get_recall(tx.connection, request.recall)
    _expect(recall, "published")
    earlier = [
        get_batch(tx.connection, batch) for batch in batches_in(tx.connection, recall.id, recall.version)
    ]
    added = preview(tx.connection, request.lots, request.batches)
    before = _public_ranges(tx.connection, recall)
    ranges = joined((*before, *added.ranges))
    if covers(before, ranges):
        raise NotWider(code=recall.code)
    batches = {batch.id: batch for batch in (*earlier, *(item.batch for item in added.batches))}
    event = WideningDrafted(
        recall=recall.id,
        version=versions_of(tx.connection, recall.id)[-1].version + 1,
        statement=request.statement,
        lots=tuple(lot.id for lot in added.lots),
        batches=tuple(batches),
        scope=_store(tx, ranges),
        units=sum(batch.quantity for batch in batches.values()),
    )
    tx.record(event, *_subjects(recall.id, event.batches, event.lots))


@command("recall.approve")
def approve_recall(tx: Tx, request: ApproveRecall) -> None:
    """Raises UnknownRecall, NothingToApprove, SameAuthor, BadSignature."""
    recall = get_recall(tx.connection, request.recall)
    newest = versions_of(tx.connection, recall.id)[-1]
    matter = matter_of(tx.connection, recall, newest)
    is_done = newest.published is not None or approval_of(tx.connection, matter) is not None
    if is_done or recall.standing in ("closed", "retracted"):
        raise NothingToApprove(code=recall.code)
    give_approval(tx, matter, request.statement, request.signature)
    event = RecallApproved(recall=recall.id, version=newest.version, statement=request.statement)
    tx.record(event, *_subjects(recall.id, batches_in(tx.connection, recall.id, newest.version)))


@dataclass(frozen=True, slots=True)
class PreparedMap:
    """The map once this version of a recall is public."""

    version: int
    change: MapChange


def _map_with(journal: Journal, request: PublishRecall | WidenRecall) -> PreparedMap:
    """The map once the newest version of this recall is public, computed before the lock."""
    with reading(journal.engine) as connection:
        recall = get_recall(connection, request.recall)
        newest = versions_of(connection, recall.id)[-1]
        ranges = parse_scope(journal.files.read(newest.scope))
        return PreparedMap(newest.version, _changed(connection, {recall.id: ranges}))


def _map_without(journal: Journal, request: RetractRecall) -> MapChange:
    with reading(journal.engine) as connection:
        return _changed(connection, {get_recall(connection, request.recall).id: ()})


def _prepared(tx: Tx, version: RecallVersion) -> MapChange:
    """The prepared map. Raises StaleMap if a further version was approved since: it was not computed from that."""
    prepared: PreparedMap = tx.prepared
    if prepared.version != version.version:
        raise StaleMap()
    return prepared.change


def _changed(connection: Connection, replaced: Mapping[str, Sequence[Range]]) -> MapChange:
    scopes: dict[str, Sequence[Range]] = {**public_scopes(connection), **replaced}
    made = status_map(scopes)
    return MapChange(leaves=len(made.leaves), previous=read_map(connection).version, root=made.root.hex())


@command("recall.publish", prepare=_map_with)
def publish_recall(tx: Tx, request: PublishRecall) -> None:
    """Raises UnknownRecall, WrongStanding, ScopeOutgrown, StaleMap, and what `demand_approval` does."""
    recall = get_recall(tx.connection, request.recall)
    _expect(recall, "drafted", "approved")
    newest = _approved(tx, recall)
    event = RecallPublished(
        recall=recall.id, version=newest.version, scope=_ref(tx, newest), map=_prepared(tx, newest)
    )
    tx.record(event, *_subjects(recall.id, batches_in(tx.connection, recall.id, newest.version)))


@command("recall.widen", prepare=_map_with)
def widen_recall(tx: Tx, request: WidenRecall) -> None:
    """Raises UnknownRecall, WrongStanding, ScopeOutgrown, StaleMap, and what `demand_approval` does."""
    recall = get_recall(tx.connection, request.recall)
    _expect(recall, "published")
    newest = _approved(tx, recall)
    event = RecallWidened(
        recall=recall.id, version=newest.version, scope=_ref(tx, newest), map=_prepared(tx, newest)
    )
    tx.record(event, *_subjects(recall.id, batches_in(tx.connection, recall.id, newest.version)))


@command("recall.close")
def close_recall(tx: Tx, request: CloseRecall) -> None:
    """Raises UnknownRecall, WrongStanding."""
    recall = get_recall(tx.connection, request.recall)
    _expect(recall, "published")
    event = RecallClosed(recall=recall.id, statement=request.statement)
    tx.record(event, *_subjects(recall.id, batches_in(tx.connection, recall.id, recall.version)))


@command("recall.retract", prepare=_map_without)
def retract_recall(tx: Tx, request: RetractRecall) -> None:
    """Raises UnknownRecall, WrongStanding, StaleMap."""
    recall = get_recall(tx.connection, request.recall)
    if not recall.is_public:
        raise WrongStanding(code=recall.code, standing=recall.standing)
    event = RecallRetracted(recall=recall.id, statement=request.statement, map=tx.prepared)
    tx.record(event, *_subjects(recall.id, batches_in(tx.connection, recall.id, recall.version)))


@send_shipment.objects
def refuse_recalled_goods(tx: Tx, request: SendShipment) -> None:
    """Raises BatchRecalled."""
    for line in request.lines:
        batch = get_batch(tx.connection, line.batch)
        standing = recalls_over(tx.connection, ranges_of(tx.connection, batch))
        if standing:
            raise BatchRecalled(batch=batch.code, recall=standing[0].code)


@commission_units.objects
def refuse_units_past_a_recall(tx: Tx, request: CommissionUnits) -> None:
    """Raises IntoRecalledBatch unless a named person records why they are not affected."""
    batch = get_batch(tx.connection, request.batch)
    standing = recalls_over(tx.connection, ranges_of(tx.connection, batch))
    if standing and not request.not_recalled_because:
        raise IntoRecalledBatch(batch=batch.code, recall=standing[0].code)


def _expect(recall: Recall, *standings: str) -> None:
    if recall.standing not in standings:
        raise WrongStanding(code=recall.code, standing=recall.standing)


def _approved(tx: Tx, recall: Recall) -> RecallVersion:
    """The newest version, where two people agree to it or something stands in, and nothing has outgrown it."""
    newest = versions_of(tx.connection, recall.id)[-1]
    if newest.published is not None:
        raise WrongStanding(code=recall.code, standing=recall.standing)
    _refuse_outgrown(tx, recall, newest)
    about = _subjects(recall.id, batches_in(tx.connection, recall.id, newest.version))
    demand_approval(tx, matter_of(tx.connection, recall, newest), about)
    return newest


def _refuse_outgrown(tx: Tx, recall: Recall, version: RecallVersion) -> None:
    """Nothing that its lots and batches lead to may have been recorded after the draft."""
    lots = lots_in(tx.connection, recall.id, version.version)
    batches = batches_in(tx.connection, recall.id, version.version)
    later = [one for one in preview(tx.connection, lots, batches).ranges if one[0] > version.drafted]
    if later:
        raise ScopeOutgrown(code=recall.code, count=count(later))


def _public_ranges(connection: Connection, recall: Recall) -> tuple[Range, ...]:
    return joined(public_scopes(connection).get(recall.id, ()))


def _store(tx: Tx, ranges: Sequence[Range]) -> FileRef:
    return tx.put_file(format_scope(ranges))


def _ref(tx: Tx, version: RecallVersion) -> FileRef:
    return FileRef(version.scope, len(tx.read_file(version.scope)))


def _subjects(recall: str, batches: Sequence[str], lots: Sequence[str] = ()) -> list[str]:
    return [
        f"recall:{recall}",
        *(f"batch:{one}" for one in batches),
        *(f"material_lot:{one}" for one in lots),
    ]
