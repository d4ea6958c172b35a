"""What the entries about approvals say."""

from markupsafe import Markup

from ledger.people.approval import ApprovalGiven, ApprovalRuleSet, ApprovalWaited
from portal.console.names import code
from portal.console.options import choice_label
from portal.console.sentences import MARKS, Say, says

MARKS.update({ApprovalGiven: ("done", "tick"), ApprovalWaited: ("waiting", "pause")})


@says(ApprovalGiven)
def _given(say: Say, event: ApprovalGiven) -> Markup:
    facts = {"subject": _subject(say, event.subject), "digest": code(event.digest[:8])}
    if event.signature is not None:
        return say.text(
            "A second person approved {subject}, content {digest}, signed with a passkey.", **facts
        )
    return say.text("A second person approved {subject}, content {digest}.", **facts)


@says(ApprovalWaited)
def _waited(say: Say, event: ApprovalWaited) -> Markup:
    return say.plural(
        "Nobody but its author could approve {subject}: a waiting time of {count} hour stood in.",
        "Nobody but its author could approve {subject}: a waiting time of {count} hours stood in.",
        event.waiting_hours,
        subject=_subject(say, event.subject),
    )


@says(ApprovalRuleSet)
def _rule_set(say: Say, event: ApprovalRuleSet) -> Markup:
    matter = choice_label(say.words, event.command)
    if event.stand_in == "waiting":
        return say.plural(
            "Where one person alone may approve, a waiting time of {count} hour stands in: {matter}.",
            "Where one person alone may approve, a waiting time of {count} hours stands in: {matter}.",
            event.waiting_hours,
            matter=matter,
        )
    if event.stand_in == "counsel":
        return say.text(
            "Where one person alone may approve, outside counsel stands in: {matter}.", matter=matter
        )
    return say.text("Where one person alone may approve, nothing stands in: {matter}.", matter=matter)


def _subject(say: Say, subject: str) -> Markup:
    noun, _, subject_id = subject.partition(":")
    return say.link(noun, subject_id)
