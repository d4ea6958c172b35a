"""What the buyer's pages need to be told, and by whom it is supplied.

`Services` is filled in where the application is put together; pages know nothing of databases. Everything
here is finished: a page shows it and decides nothing.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol, cast

from flask import current_app

from ledger.recall.answer import Answer, SpokenFor

EXTENSION = "lotproof"


@dataclass(frozen=True, slots=True)
class House:
    """Who speaks to the buyer."""

    brand: str
    operator: str  # the legal entity that answers for the recall, with its address
    support_email: str
    support_phone: str | None
    zone: str  # IANA name: times are shown as its clocks show them
    only_own_serials: bool  # every product sold carries serials made here, so 0 O 1 I never occur
    logo: str | None = None  # SHA-256 of its picture
    accent: str = ""  # #rrggbb, "" for our own

    @property
    def accent_sheet(self) -> str:
        """The address of the style sheet that brings the accent, "" where there is none."""
        return f"/style/accent-{self.accent[1:]}.css" if self.accent else ""


@dataclass(frozen=True, slots=True)
class RecalledModel:
    """A model that stands in a recall, for somebody who has no number to go by."""

    code: str  # the recall's
    product: str
    model: str
    picture: str | None  # SHA-256 of the picture's file
    published_at: datetime


@dataclass(frozen=True, slots=True)
class NoticeProduct:
    """One product in a recall, and how to tell the affected ones."""

    brand: str
    product: str
    model: str
    picture: str | None
    batches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """A published recall in full.  Fields: Regulation (EU) 2023/988, Article 36(2)."""

    code: str
    hazard: str
    published_at: datetime
    index: int  # log index of the entry that published it
    is_closed: bool
    is_retracted: bool
    products: tuple[NoticeProduct, ...]
    sold_from: date | None
    sold_until: date | None
    countries: tuple[str, ...]  # ISO 3166
    sold_by: tuple[str, ...]  # names of shops and marketplaces
    spoken_for: SpokenFor


class Services(Protocol):
    """The answers that the buyer's pages ask for, each read in one snapshot."""

    def house(self) -> House:
        """Who speaks. The same value until something about it is changed."""

    def spoken_for(self) -> SpokenFor:
        """The newest published checkpoint."""

    def find_answer(self, number: str, gtin: str | None = None) -> Answer:
        """What the public is told about a number; `gtin` (14 digits) narrows it to one product's."""

    def find_notice(self, code: str) -> Notice | None:
        """The published recall with this code, any case; None for a draft, a drill or nothing."""

    def recalled_models(self) -> tuple[RecalledModel, ...]:
        """The models in published recalls that were not retracted, newest first."""


def current() -> Services:
    """The services of the application that answers this request."""
    return cast(Services, current_app.extensions[EXTENSION])
