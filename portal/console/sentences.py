"""What an entry says, as one sentence: each kind of event its own, names and codes as links.

Here are the machinery and the log's own events; `trace_sentences` and `recall_sentences` speak for all others. A
kind that has no sentence is shown by its name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from markupsafe import Markup, escape

from ledger.journal.events import ClockCorrected, LogOpened, StatusStated, SubjectsContinued
from ledger.journal.key_events import KeyRetired, KeyRotated, LogResumed, LogSucceeded, MasterKeyRotated
from ledger.journal.registry import KIND_OF, Event
from portal.console.names import Names, code, isolated
from translations import Words


@dataclass(frozen=True, slots=True)
class Say:
    """One language and the names that sentences of a page may use. What it gives is safe markup."""

    words: Words
    names: Names

    def text(self, msgid: str, **values: object) -> Markup:
        """The sentence in this language; values that are markup stay so, all others are escaped."""
        return escape(self.words.pattern(msgid)).format(**values)

    def plural(
        self, singular: str, plural: str, count: int, *, is_bold: bool = False, **values: object
    ) -> Markup:
        """The sentence for `count`, which it may name as `{count}`; where `is_bold` the number stands out."""
        pattern = self.words.plural_pattern(singular, plural, count)
        number = self.words.number(count)
        shown = Markup("<b>{}</b>").format(number) if is_bold else number
        return escape(pattern).format(count=shown, **values)

    def link(self, noun: str, subject_id: str) -> Markup:
        return self.names.link(noun, subject_id)

    def day(self, day: date) -> str:
        return self.words.date(day)

    def list(self, items: list[Markup]) -> Markup:
        """Links in a row, as the language writes lists."""
        # The joined text holds nothing but the escaped items and the language's own commas.
        return Markup(self.words.list([str(item) for item in items]))  # noqa: S704


Sentence = Callable[[Say, Any], Markup]
SENTENCES: dict[type[Event], Sentence] = {}
# Meaning and shape of what deserves one; all else is plain.
MARKS: dict[type[Event], tuple[str, str]] = dict.fromkeys(
    (ClockCorrected, KeyRetired, KeyRotated, LogResumed, LogSucceeded, MasterKeyRotated), ("person", "clock")
)


def sentence(say: Say, event: Event) -> Markup:
    """What this event says."""
    spoken = SENTENCES.get(type(event))
    return spoken(say, event) if spoken else code(KIND_OF[type(event)])


def says(cls: type[Event]) -> Callable[[Sentence], Sentence]:
    """Register the sentence of a kind of event."""

    def register(spoken: Sentence) -> Sentence:
        SENTENCES[cls] = spoken
        return spoken

    return register


@says(LogOpened)
def _log_opened(say: Say, event: LogOpened) -> Markup:
    if event.demo:
        return say.text("The log {origin} was opened, as a demonstration.", origin=code(event.origin))
    return say.text("The log {origin} was opened.", origin=code(event.origin))


@says(StatusStated)
def _status_stated(say: Say, event: StatusStated) -> Markup:
    return say.text("Sealed, with recall status {root}.", root=code(event.map.root[:8]))


@says(SubjectsContinued)
def _subjects_continued(say: Say, event: SubjectsContinued) -> Markup:
    return say.text("More subjects of entry {entry}.", entry=code(f"#{event.of}"))


@says(ClockCorrected)
def _clock_corrected(say: Say, event: ClockCorrected) -> Markup:
    return say.text("The clock was corrected: {reason}", reason=isolated(event.reason))


@says(KeyRotated)
def _key_rotated(say: Say, event: KeyRotated) -> Markup:
    facts = {"old": code(_key(event.old)), "new": code(_key(event.new)), "reason": isolated(event.reason)}
    if event.compromised:
        return say.text(
            "The log's key {old} was compromised; {new} alone signs from here on: {reason}", **facts
        )
    return say.text(
        "The log has a new key, {new}; {old} signs beside it until it is retired: {reason}", **facts
    )


@says(KeyRetired)
def _key_retired(say: Say, event: KeyRetired) -> Markup:
    return say.text(
        "The log's key {key} was retired: {reason}",
        key=code(_key(event.vkey)),
        reason=isolated(event.reason),
    )


@says(LogSucceeded)
def _log_succeeded(say: Say, event: LogSucceeded) -> Markup:
    return say.text(
        "The log goes on as {origin} with {kept} entries; of {old}, {size} had been published: {reason}",
        origin=code(event.origin),
        kept=isolated(say.words.number(event.kept)),
        old=code(event.last.origin),
        size=isolated(say.words.number(event.last.size)),
        reason=isolated(event.reason),
    )


@says(LogResumed)
def _log_resumed(say: Say, event: LogResumed) -> Markup:
    return say.text(
        "The log was resumed after its guard was lost or differed: {reason}", reason=isolated(event.reason)
    )


@says(MasterKeyRotated)
def _master_key_rotated(say: Say, event: MasterKeyRotated) -> Markup:
    return say.text(
        "The master key was replaced, and the keys of {persons} persons were wrapped anew: {reason}",
        persons=isolated(say.words.number(event.persons)),
        reason=isolated(event.reason),
    )


def _key(vkey: str) -> str:
    """A key's id: the eight characters in its middle."""
    return vkey.split("+")[1]


def amount(words: Words, number: int, unit: str) -> Markup:
    """A quantity as people read it: 4,000 m."""
    return isolated(f"{words.number(number)} {unit}")
