"""Approval by two people: the part of a page that says who approves what, and the rules about what stands in."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Response
from markupsafe import Markup
from sqlalchemy import Connection

from ledger.people.account import roles_held
from ledger.people.approval import (
    TAKES_TWO,
    Approval,
    Matter,
    approval_of,
    rules_for,
    waiting_for,
    without_rule,
)
from ledger.people.roles import may_do, roles_that_may
from ledger.people.waiting import NOTICE, Rule, Wait, hours_at
from portal.console.desk import account_name, ledger, session, snapshot, words
from portal.console.listing import Cell, list_page, table
from portal.console.names import code, isolated
from portal.console.options import choice_label
from portal.console.settings_tabs import tabs
from portal.console.shell import address, console, entry_link, moment
from portal.console.timeline import actor
from portal.console.today import Waiting, waits
from portal.permissions import sees
from translations import Words, mark

RULE_HEADS = (
    (mark("What is approved"), False),
    (mark("Stands in for the second person"), False),
    (mark("May approve now"), False),
    (mark("Recorded"), False),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a matter is: approved, waiting until a moment, or neither."""

    approval: Approval | None
    wait: Wait | None
    is_free: bool  # two people agree, or the waiting time has passed


@dataclass(frozen=True, slots=True)
class ApprovalPart:
    """What a page shows of a matter: facts in order, and what is to be done next."""

    facts: tuple[tuple[str, Cell], ...]
    meaning: str
    next_step: str
    rules: str  # the address of the rules
    is_open: bool  # something is left to do, and for whoever is signed in


def progress_of(connection: Connection, matter: Matter) -> Progress:
    """How far it is, at this moment."""
    now = ledger().clock.now()
    approval = approval_of(connection, matter)
    wait = None if approval else waiting_for(connection, matter, now)
    return Progress(approval, wait, approval is not None or (wait is not None and wait.until <= now))


def approval_part(
    connection: Connection, matter: Matter, progress: Progress, what: str, *, is_done: bool
) -> ApprovalPart:
    """The part for a matter; `what` says in numbers what is approved, `is_done` that nothing is waited for."""
    spoken = words()
    drafted = Markup("{} {}").format(actor(spoken, matter.author), entry_link(matter.drafted))
    roles = [choice_label(spoken, role) for role in roles_that_may(matter.command)]
    facts: list[tuple[str, Cell]] = [
        (spoken.text("Drafted"), drafted),
        (spoken.text("What exactly"), Markup("{} {}").format(what, code(matter.digest[:8]))),
        (
            spoken.text("May approve"),
            spoken.text("{roles}, but not the author", roles=spoken.list(roles)),
        ),
    ]
    if progress.approval is not None:
        facts.append((spoken.text("Approved"), _approved(spoken, progress.approval)))
    meaning, next_step = ("", "") if is_done else _next_step(connection, matter, progress)
    is_open = not is_done and (progress.is_free or matter.author != session().account.actor)
    return ApprovalPart(tuple(facts), meaning, next_step, address("approval_rules"), is_open)


def _approved(spoken: Words, one: Approval) -> Markup:
    """Who approved, when and how."""
    if one.how == "waited":
        said = spoken.plural(
            "Nobody else could: a waiting time of {count} hour stood in",
            "Nobody else could: a waiting time of {count} hours stood in",
            one.waiting_hours or 0,
        )
        return Markup("{} · {} {}").format(said, moment(one.at), entry_link(one.recorded))
    how = (
        spoken.text("signed with a passkey")
        if one.credential
        else spoken.text("signed in, without a passkey’s signature")
    )
    who = actor(spoken, one.by)
    return Markup("{} · {} {} · {}").format(who, moment(one.at), entry_link(one.recorded), how)


def _next_step(connection: Connection, matter: Matter, progress: Progress) -> tuple[str, str]:
    """(meaning, sentence): what it waits for."""
    if progress.approval is not None:
        return "done", words().text("Two people agree. It can be carried out.")
    if matter.author != session().account.actor:
        return "person", words().text(
            "It waits for a second person. Look at it closely before you approve it."
        )
    return own_step(connection, matter, progress)


def own_step(connection: Connection, matter: Matter, progress: Progress) -> tuple[str, str]:
    """(meaning, sentence) for its author."""
    spoken, wait = words(), progress.wait
    if wait is not None and progress.is_free:
        return "waiting", spoken.text(
            "You drafted this, nobody else may approve it, and the waiting time has passed. You can carry it out; "
            "the log will say for ever that nobody else approved it."
        )
    if wait is not None:
        return "waiting", spoken.text(
            "You drafted this, and nobody else may approve it. From {moment} on the waiting time stands in.",
            moment=moment(wait.until),
        )
    if able_besides(connection, matter.command, matter.author):
        return "person", spoken.text("You drafted this. Somebody else has to approve it.")
    return "person", spoken.text(
        "You drafted this. Somebody else has to approve it, and no other account may: let somebody in, or an outside "
        "counsel by a link."
    )


def able_besides(connection: Connection, command: str, author: str) -> list[str]:
    """The accounts (as actors) other than `author` that may carry out a command now."""
    now = [one for one in roles_held(connection) if one.until is None and may_do(one.roles, command)]
    return [f"account:{one.account}" for one in now if f"account:{one.account}" != author]


@console.get("/approvals")
@sees("log")
def approval_rules() -> Response:
    """What takes two people, what stands in where there is only one, and every rule that was ever set."""
    connection = snapshot()
    rows = [_row(connection, name) for name in TAKES_TWO]
    past = [rule for name in TAKES_TWO for rule in rules_for(connection, name)]
    return list_page(
        here="approval_rules",
        place="company",
        tabs=tabs("approval_rules"),
        title=mark("Approvals"),
        listing=table(RULE_HEADS, rows),
        commands=("approval.set_rule",),
        empty=mark("Nothing takes two people."),
        template="approvals.html",
        past=[_past(rule) for rule in sorted(past, key=lambda rule: rule.recorded, reverse=True)],
    )


def _row(connection: Connection, name: str) -> tuple[Cell, ...]:
    spoken, rules = words(), rules_for(connection, name)
    able = [_name(one) for one in able_besides(connection, name, author="")]
    recorded = Markup("{} {}").format(moment(rules[-1].at), entry_link(rules[-1].recorded)) if rules else ""
    return (
        choice_label(spoken, name),
        _rule_said(spoken, rules),
        Markup(spoken.list([str(one) for one in able])) if able else spoken.text("nobody"),  # noqa: S704
        recorded,
    )


def _rule_said(spoken: Words, rules: Sequence[Rule]) -> str:
    """What the newest rule says, and from when on it holds where it asks for less than the one before."""
    if not rules:
        return spoken.text("nothing")
    newest, now = rules[-1], ledger().clock.now()
    if newest.stand_in == "waiting" and hours_at(rules, now) != newest.waiting_hours:
        return spoken.text(
            "{rule}, from {moment} on", rule=stand_in_said(spoken, newest), moment=moment(newest.at + NOTICE)
        )
    return stand_in_said(spoken, newest)


def stand_in_said(spoken: Words, rule: Rule) -> str:
    """A rule in a few words."""
    if rule.stand_in == "waiting":
        return spoken.plural(
            "a waiting time of {count} hour", "a waiting time of {count} hours", rule.waiting_hours
        )
    return spoken.text("outside counsel, by a link") if rule.stand_in == "counsel" else spoken.text("nothing")


def _past(rule: Rule) -> tuple[Cell, ...]:
    spoken = words()
    return (
        Markup("{} {}").format(moment(rule.at), entry_link(rule.recorded)),
        choice_label(spoken, rule.command),
        stand_in_said(spoken, rule),
        actor(spoken, rule.by),
    )


def _name(who: str) -> Markup:
    return isolated(account_name(who) or who.partition(":")[2])


@waits("approval.set_rule")
def nobody_stands_in(connection: Connection, spoken: Words) -> list[Waiting]:
    """Says beforehand that this person alone may approve, and nothing stands in: a rule is of no use the same day."""
    missing = without_rule(connection, session().account.actor)
    if not missing:
        return []
    said = spoken.text("Nobody but you may approve, and nothing stands in")
    reason = spoken.text(
        "{matters}: whoever works alone says beforehand what stands in for the second person.",
        matters=spoken.list([choice_label(spoken, name) for name in missing]),
    )
    place = address("approval_rules")
    return [Waiting("waiting", Markup("{}").format(said), reason, spoken.text("Look at it"), place)]
