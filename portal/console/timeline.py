"""Entries as rows of a timeline: when, what happened, who recorded it, and where the entry itself stands."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from ledger.journal.events import StatusStated
from ledger.journal.registry import Recorded
from portal.console.desk import account_name, snapshot, token_behind, words
from portal.console.names import Names, code, isolated, names_of
from portal.console.sentences import MARKS, Say, sentence
from portal.console.shell import address, moment
from translations import Words, mark


@dataclass(frozen=True, slots=True)
class Happening:
    """One row."""

    when: str
    index: int
    address: str
    meaning: str
    icon: str
    sentence: Markup
    actor: Markup | str
    is_seal: bool


ACTORS = {
    "system:log": mark("the log itself"),
    "system:operator": mark("whoever runs the machine"),
    "system:worker": mark("background work"),
}
WHOSE_TOKEN = {
    "program": mark("a program (token {name})"),
    "auditor": mark("auditor (link {name})"),
    "counsel": mark("counsel (link {name})"),
    None: mark("an auditor’s program (token {name})"),  # of before tokens ended: it reads entries
}
KINDS_OF_ACTOR = {
    "token": mark("a program, by its token"),
    "claim": mark("a buyer, by the link of their claim"),
    "system": mark("the system"),
}


def happenings(entries: Iterable[Recorded[Any]], names: Names | None = None) -> list[Happening]:
    """The rows of these entries, in their order; names are looked up in one query unless given."""
    listed = list(entries)
    if names is None:
        names = names_of(snapshot(), (subject for one in listed for subject in one.subjects))
    say = Say(words(), names)
    return [_happening(say, one) for one in listed]


def actor(spoken: Words, name: str) -> Markup | str:
    """Who recorded something, in words; an account by its person's name."""
    known = account_name(name)
    if known:
        return isolated(known)
    token = token_behind(name)
    if token is not None:
        return escape(spoken.pattern(WHOSE_TOKEN[token.use])).format(name=isolated(token.name))
    kind = name.partition(":")[0]
    msgid = ACTORS.get(name) or KINDS_OF_ACTOR.get(kind)
    return spoken.text(msgid) if msgid else code(name)


def _happening(say: Say, one: Recorded[Any]) -> Happening:
    meaning, icon = MARKS.get(type(one.event), ("", ""))
    return Happening(
        when=moment(one.at),
        index=one.index,
        address=address("entry", index=one.index),
        meaning=meaning,
        icon=icon,
        sentence=sentence(say, one.event),
        actor=actor(say.words, one.actor),
        is_seal=isinstance(one.event, StatusStated),
    )
