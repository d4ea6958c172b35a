"""The page that answers a number: the product's face, and the one that must stand a recall day.

All units of a batch get the same page but for the number, and all pages of one moment the same seal. So a
page is rendered once with slots for these, kept, and filled in anew for each number: filling in costs a hundredth of
rendering. A new checkpoint fills a kept page in again; nothing is rendered anew because of it.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import lru_cache

from flask import Flask
from markupsafe import Markup, escape

from ledger.recall.answer import Answer, Hint, Match, PublicRecall, SpokenFor
from ledger.recall.hazards import Hazard, gravest
from portal.address import as_segment
from portal.language import speak
from portal.plate import plate
from portal.services import House, RecalledModel
from translations import Words

PAGES = {
    "recalled": "buyer/recalled.html",
    "settled": "buyer/recalled.html",
    "not_recalled": "buyer/not_recalled.html",
    "unknown": "buyer/unknown.html",
    "choose": "buyer/choose.html",
}
# The order in which several products with one number are shown: a recall first.
URGENCY = {"recalled": 0, "settled": 1, "unknown": 2, "not_recalled": 3}
KEPT_PAGES = 1024  # about 8 KB each
OPEN = frozenset({"number", "plate", "segment", "next"})
_SLOT = re.compile("\0(\\w+)\0")
_NOWHERE = (0, 0)


class Slots:
    """Placeholders for what differs between two numbers with the same answer."""

    def __getattr__(self, name: str) -> Markup:
        return Markup("\0{}\0").format(name)


@dataclass(frozen=True, slots=True)
class AnswerView:
    """All that a page shows but the number and the seal: equal views are equal pages."""

    locale: str
    kind: str  # a key of PAGES
    house: House
    matches: tuple[Match, ...]  # the most urgent first, without positions
    models: tuple[RecalledModel, ...]  # where the number is unknown: how recalled ones look
    hint: Hint
    length: int  # characters typed, where the hint speaks of them, else 0
    is_batch_code: bool
    is_old: bool
    picked: str = ""  # the product's id, where the reader chose it among several

    @property
    def recalls(self) -> tuple[PublicRecall, ...]:
        """Every recall that the matches stand in, once each."""
        return tuple(dict.fromkeys(recall for match in self.matches for recall in match.recalls))

    @property
    def hazard(self) -> Hazard:
        """The gravest hazard of those recalls: its steps are the ones to follow."""
        return gravest(recall.hazard for recall in self.recalls)


class AnswerPages:
    """Answers as HTML, for one application."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._frames = lru_cache(maxsize=KEPT_PAGES)(self._render)
        self._pages: dict[Hashable, str] = {}  # frames with their seal, where only the number is open

    def page(
        self,
        words: Words,
        answer: Answer,
        house: House,
        models: tuple[RecalledModel, ...],
        picked: str | None,
    ) -> str:
        """The whole page; `picked` is the product chosen where several carry the number."""
        if picked is not None and all(match.product_id != picked for match in answer.matches):
            picked = None  # anybody can write anything there: it must not fill the memory
        key = _key(words.lang, answer, house, models, picked)
        page = self._pages.get(key) or self._keep(
            key, words, answer, view_of(words, answer, house, models, picked)
        )
        return _filled(page, answer)

    def kept(self, tag: str, answer: Answer, house: House, models: tuple[RecalledModel, ...]) -> str | None:
        """The same page, if it was made before for another unit with the same answer; else None."""
        page = self._pages.get(_key(tag, answer, house, models, None))
        return None if page is None else _filled(page, answer)

    def _keep(self, key: Hashable, words: Words, answer: Answer, view: AnswerView) -> str:
        """The page of this view at this moment, as a pattern for `%` with the slots in OPEN."""
        seal = seal_slots(words, answer.spoken_for, view.house.zone)
        filled = (
            (f"%({piece})s" if piece in OPEN else seal[piece].replace("%", "%%")) if is_slot else piece
            for is_slot, piece in self._frames(view)
        )
        if len(self._pages) >= KEPT_PAGES:
            self._pages.clear()
        return self._pages.setdefault(key, "".join(filled))

    def _render(self, view: AnswerView) -> tuple[tuple[bool, str], ...]:
        """The page in pieces: text (percent signs doubled) and names of slots, in turns."""
        template = self._app.jinja_env.get_template(PAGES[view.kind])
        to_do, slots = _to_do(speak(view.locale), view), Slots()
        page = template.render(view=view, slots=slots, house=view.house, next=slots.next, to_do=to_do)
        pieces = _SLOT.split(page.replace("%", "%%"))
        return tuple((bool(place % 2), piece) for place, piece in enumerate(pieces))


def _filled(page: str, answer: Answer) -> str:
    segment = as_segment(answer.number)
    return page % {
        "number": escape(answer.shown),
        "plate": plate(answer.shown, is_own_serial=answer.is_own_serial),
        "segment": segment,
        "next": "s/" + segment.replace("%", "%25"),
    }


def _key(
    locale: str, answer: Answer, house: House, models: tuple[RecalledModel, ...], picked: str | None
) -> Hashable:
    """All that a page depends on but the number, quickly: this runs for every answer."""
    spoken, hint = answer.spoken_for, answer.hint
    return (
        locale,
        picked,
        house,
        models,
        answer.is_batch_code,
        answer.status,
        hint,
        _length(answer) if hint == "length" else 0,
        (spoken.as_of, spoken.size, spoken.root, spoken.is_old),
        *[
            (m.product_id, m.brand, m.product, m.model, m.picture, m.batch, m.status, m.recalls, m.retracted)
            for m in answer.matches
        ],
    )


def _length(answer: Answer) -> int:
    return sum(map(str.isalnum, answer.number))


def view_of(
    words: Words, answer: Answer, house: House, models: tuple[RecalledModel, ...], picked: str | None
) -> AnswerView:
    """The view of an answer; `picked` is one of several products that carry the number."""
    matches = tuple(match for match in answer.matches if match.product_id == picked) or answer.matches
    matches = tuple(sorted(matches, key=lambda match: URGENCY[match.status])) if matches[1:] else matches
    kind = "choose" if matches[1:] else matches[0].status if matches else "unknown"
    hint = answer.hint if house.only_own_serials or answer.hint == "check_pair" else ""
    return AnswerView(
        locale=words.lang,
        kind=kind,
        house=house,
        matches=tuple(replace(match, position=_NOWHERE) for match in matches),
        models=models if kind == "unknown" else (),
        hint=hint,
        length=_length(answer) if hint == "length" else 0,
        is_batch_code=answer.is_batch_code,
        is_old=answer.spoken_for.is_old,
        picked=picked if picked and answer.matches[1:] else "",
    )


def _to_do(words: Words, view: AnswerView) -> tuple[str, ...]:
    """What the reader does now, one sentence or two a step."""
    if view.kind in ("recalled", "settled"):
        return tuple(map(words.text, view.hazard.steps))
    if view.kind == "unknown":
        return (
            _about_the_number(words, view),
            words.text("Is there a batch code on it? Type that instead."),
            words.text("Until you have an answer, don’t use it."),
        )
    return (
        words.text("Compare every character with the number on your product."),
        words.text("Is it hot, swollen, or does it smell? Stop using it and write to us."),
    )


def _about_the_number(words: Words, view: AnswerView) -> str:
    """What is odd about an unknown number: a hint, never a correction."""
    if view.hint == "never_occurring":
        return words.text("Our numbers never have 0, O, 1 or I. Look at those again.")
    if view.hint == "check_pair":
        return words.text("The last two characters don’t fit the others. Compare each one.")
    if view.hint == "length":
        return words.plural(
            "You typed {count} character. Our numbers have 14.",
            "You typed {count} characters. Our numbers have 14.",
            view.length,
        )
    return words.text("Compare every character with the number on your product.")


def seal_slots(words: Words, spoken: SpokenFor, zone: str) -> dict[str, str]:
    """What a seal says, escaped: the time and checkpoint that a page speaks for."""
    root = spoken.root
    return {
        "as_of": str(escape(words.moment(spoken.as_of, zone))),
        "size": _number(words, spoken.size),
        "root_start": f"{root[:4]} {root[4:8]}",
        "root": " ".join(root[start : start + 8] for start in range(0, len(root), 8)),
    }


@lru_cache(maxsize=64)
def _number(words: Words, value: int) -> str:
    return words.number(value)
