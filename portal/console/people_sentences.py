"""What the entries about accounts say: an account by its person's name, which the log itself does not hold."""

from collections.abc import Sequence

from markupsafe import Markup

from ledger.people.account import AccountAdmitted, AccountEnd, AccountNamed, RolesGiven
from ledger.people.token import TokenIssued, TokenRevoked
from ledger.people.webhook import WebhookEnded, WebhookSubscribed
from portal.console.desk import account_name, token_behind
from portal.console.names import code, isolated
from portal.console.options import choice_label
from portal.console.scopes import scopes_said
from portal.console.sentences import MARKS, Say, says
from portal.console.shell import moment

ABOUT_ACCESS = (AccountAdmitted, AccountNamed, RolesGiven, AccountEnd, TokenIssued, TokenRevoked)
MARKS.update(dict.fromkeys(ABOUT_ACCESS, ("person", "triangle")))


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


@says(TokenIssued)
def _token_issued(say: Say, event: TokenIssued) -> Markup:
    facts = {
        "token": _whose(event.token),
        "moment": isolated(moment(event.ends_at)),
        "scopes": isolated(scopes_said(say.words, event.scopes)),
    }
    if event.about is None:
        return say.text("{token} was let in until {moment}: {scopes}.", **facts)
    return say.text(
        "{token} was let in until {moment}, about {subject} alone: {scopes}.",
        subject=say.link(*event.about.split(":")),
        **facts,
    )


@says(TokenRevoked)
def _token_revoked(say: Say, event: TokenRevoked) -> Markup:
    return say.text(
        "{token} was shut out: {reason}", token=_whose(event.token), reason=isolated(event.reason)
    )


def _whose(token: str) -> Markup:
    found = token_behind(f"token:{token}")
    return isolated(found.name) if found else code(token)
