"""What can be asked of a recall: draft, widen, approve, publish, close, retract."""

from typing import Annotated

from msgspec import Meta

from ledger.journal.fields import UNASKED, Code, Prose, ask
from ledger.journal.registry import Request
from ledger.people.signature import PasskeySignature


class DraftRecall(Request, frozen=True):
    """Draft a recall from material lots, or from batches."""

    code: Annotated[Code, ask("Recall", "Your number for it.", example="R-2025-01")]
    hazard: Annotated[Code, ask("Hazard", ref="hazard")]
    statement: Annotated[Prose, Meta(min_length=1), ask("What was found", "For staff and auditors.")]
    lots: Annotated[
        tuple[Code, ...],
        Meta(max_length=60),
        ask("Material lots", "Every batch that holds one.", ref="material_lot"),
    ] = ()
    batches: Annotated[
        tuple[Code, ...], Meta(max_length=60), ask("Batches", "Further ones.", ref="batch")
    ] = ()


class DraftWidening(Request, frozen=True):
    """Draft a wider scope for a published recall. What it has already stays in."""

    recall: Annotated[Code, ask("Recall", ref="recall")]
    statement: Annotated[Prose, Meta(min_length=1), ask("Why", "For staff and auditors.")]
    lots: Annotated[tuple[Code, ...], Meta(max_length=60), ask("Material lots", ref="material_lot")] = ()
    batches: Annotated[tuple[Code, ...], Meta(max_length=60), ask("Batches", ref="batch")] = ()


class ApproveRecall(Request, frozen=True):
    """Approve the newest draft of a recall. Somebody other than its author approves."""

    recall: Annotated[Code, ask("Recall", ref="recall")]
    statement: Annotated[Prose, Meta(min_length=1), ask("What you checked")]
    signature: Annotated[PasskeySignature | None, UNASKED] = None


class PublishRecall(Request, frozen=True):
    """Publish an approved recall: from then on buyers are told."""

    recall: Annotated[Code, ask("Recall", ref="recall")]


class WidenRecall(Request, frozen=True):
    """Publish the approved wider scope of a recall."""

    recall: Annotated[Code, ask("Recall", ref="recall")]


class CloseRecall(Request, frozen=True):
    """Close a recall. Its units stay recalled, and buyers are still told."""

    recall: Annotated[Code, ask("Recall", ref="recall")]
    statement: Annotated[Prose, Meta(min_length=1), ask("Why it can be closed")]


class RetractRecall(Request, frozen=True):
    """Retract a recall that was wrong. The retraction stays visible."""

    recall: Annotated[Code, ask("Recall", ref="recall")]
    statement: Annotated[Prose, Meta(min_length=1), ask("Why it was wrong")]
