"""The filters above a list: each as a field with what it offers, and what it is set to in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from portal.console.options import FEW, Option, choice_label, hazard_said, options_of
from portal.listings import Asked, Filter, Listing
from portal.listings.listing import values_of
from translations import Words


@dataclass(frozen=True, slots=True)
class FilterField:
    """One filter as a page shows it; `said` is what it is set to, "" where it is not set."""

    name: str
    label: str
    widget: str  # search, date, select or listed
    value: str
    said: str
    options: Sequence[Option] = ()


def fields(connection: Connection, words: Words, listing: Listing, asked: Asked) -> list[FilterField]:
    """The filters of a list, the free text first. One query for each that offers what stands in the ledger."""
    return [_field(connection, words, one, asked.values.get(one.name, "")) for one in listing.filters]


def _field(connection: Connection, words: Words, one: Filter, value: str) -> FilterField:
    label = words.text(one.title)
    if one.kind == "text":
        return FilterField(one.name, label, "search", value, value)
    if one.kind in ("since", "until"):
        return FilterField(one.name, label, "date", value, _day_said(words, value))
    options = _options(connection, words, one)
    said = next((option.label for option in options if option.value == value), value)
    widget = "select" if one.kind != "noun" or len(options) <= FEW else "listed"
    return FilterField(one.name, label, widget, value, said, options)


def _options(connection: Connection, words: Words, one: Filter) -> list[Option]:
    if one.kind == "noun":
        return options_of(connection, words, one.noun)
    if one.kind == "choice":
        said = hazard_said if one.name == "hazard" else choice_label
        return [Option(value, said(words, value)) for value in one.choices]
    found = [] if one.column is None else values_of(connection, one.column)
    if one.kind == "country":
        return sorted((Option(value, words.country(value)) for value in found), key=lambda each: each.label)
    return [Option(value, value) for value in found]


def _day_said(words: Words, value: str) -> str:
    """The day in words; what was typed instead of one as it is."""
    try:
        return words.date(date.fromisoformat(value)) if value else ""
    except ValueError:
        return value
