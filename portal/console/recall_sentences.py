"""What the entries of recalls, claims and persons say."""

from markupsafe import Markup

from ledger.recall.claim import ClaimAccepted, ClaimDeclined, ClaimOpened, ClaimSettled
from ledger.recall.person import PersonErased, PersonExpired, RetentionSet
from ledger.recall.recall import (
    RecallApproved,
    RecallClosed,
    RecallDrafted,
    RecallPublished,
    RecallRetracted,
    RecallWidened,
    WideningDrafted,
)
from portal.console.names import code, isolated
from portal.console.options import choice_label
from portal.console.sentences import MARKS, Say, says

MARKS.update(
    {
        RecallDrafted: ("person", "octagon"),
        WideningDrafted: ("person", "octagon"),
        RecallApproved: ("done", "tick"),
        RecallPublished: ("recalled", "octagon"),
        RecallWidened: ("recalled", "octagon"),
        RecallClosed: ("clear", "text-circle"),
        RecallRetracted: ("clear", "text-circle"),
        ClaimDeclined: ("person", "triangle"),
        ClaimSettled: ("done", "tick"),
        PersonErased: ("clear", "text-circle"),
        PersonExpired: ("clear", "text-circle"),
    }
)


@says(RecallDrafted)
def _recall_drafted(say: Say, event: RecallDrafted) -> Markup:
    return say.plural(
        "Recall {recall} drafted: {count} unit. {statement}",
        "Recall {recall} drafted: {count} units. {statement}",
        event.units,
        recall=say.link("recall", event.recall),
        statement=isolated(event.statement),
    )


@says(WideningDrafted)
def _widening_drafted(say: Say, event: WideningDrafted) -> Markup:
    return say.plural(
        "A wider recall {recall} drafted: {count} unit. {statement}",
        "A wider recall {recall} drafted: {count} units. {statement}",
        event.units,
        recall=say.link("recall", event.recall),
        statement=isolated(event.statement),
    )


@says(RecallApproved)
def _recall_approved(say: Say, event: RecallApproved) -> Markup:
    return say.text(
        "Version {version} of recall {recall} approved: {statement}",
        version=event.version,
        recall=say.link("recall", event.recall),
        statement=isolated(event.statement),
    )


@says(RecallPublished)
def _recall_published(say: Say, event: RecallPublished) -> Markup:
    return say.text("Recall {recall} published.", recall=say.link("recall", event.recall))


@says(RecallWidened)
def _recall_widened(say: Say, event: RecallWidened) -> Markup:
    return say.text(
        "Recall {recall} widened to version {version}.",
        recall=say.link("recall", event.recall),
        version=event.version,
    )


@says(RecallClosed)
def _recall_closed(say: Say, event: RecallClosed) -> Markup:
    return say.text(
        "Recall {recall} closed; its units stay recalled. {statement}",
        recall=say.link("recall", event.recall),
        statement=isolated(event.statement),
    )


@says(RecallRetracted)
def _recall_retracted(say: Say, event: RecallRetracted) -> Markup:
    return say.text(
        "Recall {recall} retracted: {statement}",
        recall=say.link("recall", event.recall),
        statement=isolated(event.statement),
    )


@says(ClaimOpened)
def _claim_opened(say: Say, event: ClaimOpened) -> Markup:
    return say.text(
        "Claim {claim} opened for a unit of {batch}, from {country}: {remedy}.",
        claim=say.link("claim", event.claim),
        batch=say.link("batch", event.batch),
        country=say.words.country(event.country),
        remedy=choice_label(say.words, event.remedy),
    )


@says(ClaimAccepted)
def _claim_accepted(say: Say, event: ClaimAccepted) -> Markup:
    return say.text("Claim {claim} accepted.", claim=say.link("claim", event.claim))


@says(ClaimDeclined)
def _claim_declined(say: Say, event: ClaimDeclined) -> Markup:
    return say.text(
        "Claim {claim} declined: {statement}",
        claim=say.link("claim", event.claim),
        statement=isolated(event.statement),
    )


@says(ClaimSettled)
def _claim_settled(say: Say, event: ClaimSettled) -> Markup:
    claim = say.link("claim", event.claim)
    if event.amount is None:
        return say.text("Claim {claim} settled: a new unit was given.", claim=claim)
    paid = isolated(say.words.money(event.amount.minor, event.amount.currency))
    return say.text("Claim {claim} settled: {amount} paid.", claim=claim, amount=paid)


@says(PersonErased)
def _person_erased(say: Say, event: PersonErased) -> Markup:
    return say.text(
        "Person {person} erased: what was kept on them is destroyed. {reason}",
        person=code(event.person),
        reason=isolated(event.reason),
    )


@says(PersonExpired)
def _person_expired(say: Say, event: PersonExpired) -> Markup:
    return say.plural(
        "{count} value about person {person} destroyed: its time had run out.",
        "{count} values about person {person} destroyed: their time had run out.",
        len(event.items),
        person=code(event.person),
    )


@says(RetentionSet)
def _retention_set(say: Say, event: RetentionSet) -> Markup:
    return say.plural(
        "{kind} is kept for {count} day after a claim has ended. {reason}",
        "{kind} is kept for {count} days after a claim has ended. {reason}",
        event.days,
        kind=choice_label(say.words, event.kind),
        reason=isolated(event.reason),
    )
