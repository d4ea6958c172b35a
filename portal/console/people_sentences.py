"""What the entries about accounts say: an account by its person's name, which the log itself does not hold."""

from collections.abc import Sequence

from markupsafe import Markup

from ledger.people.account import AccountAdmitted, AccountEnd, AccountNamed, RolesGiven
from ledger.people.webhook import WebhookEnded, WebhookSubscribed
from portal.console.desk import account_name
from portal.console.names import code, isolated
from portal.console.options import choice_label
from portal.console.sentences import MARKS, Say, says

MARKS.update(dict.fromkeys((AccountAdmitted, AccountNamed, RolesGiven, AccountEnd), ("person", "triangle")))


@says(AccountAdmitted)
def _admitted(say: Say, event: AccountAdmitted) -> Markup:
    return say.text(
        "{account} was let in as: {roles}.", account=person_said(event.account), roles=_as(say, event.roles)
    )


@says(AccountNamed)
def _named(say: Say, event: AccountNamed) -> Markup:
    return say.text("The name of {account} lies in the vault.", account=person_said(event.account))


@says(RolesGiven)
def _roles_given(say: Say, event: RolesGiven) -> Markup:
    return say.text(
        "{account} now acts as: {roles}.", account=person_said(event.account), roles=_as(say, event.roles)
    )


@says(AccountEnd)
def _ended(say: Say, event: AccountEnd) -> Markup:
    return say.text(
        "{account} may do nothing any more: {reason}",
        account=person_said(event.account),
        reason=isolated(event.reason),
    )


@says(WebhookSubscribed)
def _subscribed(say: Say, event: WebhookSubscribed) -> Markup:
    return say.text(
        "{address} is told of new entries: {kinds}.",
        address=code(event.address),
        kinds=say.list([code(kind) for kind in event.kinds]),
    )


@says(WebhookEnded)
def _webhook_ended(say: Say, event: WebhookEnded) -> Markup:
    return say.text(
        "Webhook {webhook} is told of nothing any more: {reason}",
        webhook=code(event.webhook),
        reason=isolated(event.reason),
    )


def person_said(account: str) -> Markup:
    """An account (its id) by its person's name."""
    name = account_name(f"account:{account}")
    return isolated(name) if name else code(account)


def _as(say: Say, roles: Sequence[str]) -> Markup:
    if not roles:
        return say.text("nothing")
    return isolated(say.words.list([choice_label(say.words, role) for role in roles]))
