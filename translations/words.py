"""What a page, a label or a letter says, in one language.

    words = words_for("ar", "buyer")
    words.plural("{count} product", "{count} products", 2)

Placeholders are named and in braces. Dates carry the month's name and times their zone, because 06/07 is
two days and 09:41 is twenty-four moments.
"""

import functools
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton, format_time, get_datetime_format, get_timezone_name
from babel.lists import format_list
from babel.numbers import format_compact_decimal, format_currency, format_decimal, get_currency_precision

from translations.catalog import Catalogue, Catalogues, catalogues

CLOCK = "HH:mm"  # twenty-four hours in every language: a proof's time is read by strangers


def mark(msgid: str) -> str:
    """`msgid` itself: says to the extraction that this text will be translated later."""
    return msgid


class Words:
    """One language's words in one domain. Immutable; `words_for` keeps one a pair.

    Raises KeyError when the language does not offer the domain.
    """

    __slots__ = ("_catalogue", "direction", "lang", "locale")

    def __init__(self, locale: str, domain: str, source: Catalogues | None = None) -> None:
        self._catalogue: Catalogue = (source or catalogues()).by_tag[locale, domain]
        self.lang = locale
        self.direction = self._catalogue.language.direction
        self.locale: Locale = self._catalogue.language.locale

    def text(self, msgid: str, **values: object) -> str:
        """The text in this language, its placeholders filled in."""
        return self.pattern(msgid).format(**values)

    def plural(self, singular: str, plural: str, count: int, **values: object) -> str:
        """The text for `count`, which also fills `{count}`, written as this language writes numbers."""
        return self.plural_pattern(singular, plural, count).format(count=self.number(count), **values)

    def context(self, context: str, msgid: str, **values: object) -> str:
        """The text of a word that means several things: `context` says which."""
        return self.pattern(msgid, context).format(**values)

    def pattern(self, msgid: str, context: str | None = None) -> str:
        """The translated text with its placeholders still open; the English one for an unknown msgid."""
        return self._catalogue.forms.get((context, msgid), (msgid,))[0]

    def plural_pattern(self, singular: str, plural: str, count: int) -> str:
        """The form for `count` with its placeholders still open."""
        forms = self._catalogue.forms.get((None, singular))
        if forms is None:
            return singular if count == 1 else plural
        return forms[self._catalogue.form_of(count)]

    def month(self, day: date) -> str:
        """February 2026."""
        return format_skeleton("yMMMM", day, locale=self.locale)

    def short_month(self, day: date) -> str:
        """Feb."""
        return format_skeleton("MMM", day, locale=self.locale)

    def date(self, day: date) -> str:
        """12 February 2026."""
        return format_date(day, "long", locale=self.locale)

    def day(self, moment: datetime, zone: str) -> str:
        """12 February 2026: the day of `moment` (aware) on the calendars of `zone` (IANA name)."""
        return self.date(moment.astimezone(ZoneInfo(zone)))

    def time(self, moment: datetime | time) -> str:
        """09:41, in the zone that `moment` is in."""
        clock = moment.timetz() if isinstance(moment, datetime) else moment
        return format_time(clock, CLOCK, locale=self.locale)

    def moment(self, moment: datetime, zone: str) -> str:
        """12 February 2026, 09:41 CET: `moment` (aware) as the clocks of `zone` (IANA name) show it."""
        return _moment(str(self.locale), int(moment.timestamp()) // 60, zone)

    def number(self, value: int | Decimal) -> str:
        """48,213."""
        return format_decimal(value, locale=self.locale)

    def compact(self, value: int) -> str:
        """48.2K: for the narrow place in a drawing whose table says it exactly."""
        return format_compact_decimal(value, locale=self.locale, fraction_digits=1)

    def money(self, minor_units: int, currency: str) -> str:
        """€34.90 from 3490 and EUR."""
        amount = Decimal(minor_units).scaleb(-get_currency_precision(currency))
        return format_currency(amount, currency, locale=self.locale)

    def country(self, code: str) -> str:
        """The country's name from its ISO 3166 code; the code itself where CLDR has no name."""
        return str(self.locale.territories.get(code, code))

    def list(self, items: Sequence[str]) -> str:
        """a, b and c."""
        return format_list(items, locale=self.locale)


@functools.cache
def words_for(locale: str, domain: str) -> Words:
    """The words of one language and domain of this installation. Raises KeyError where it has none."""
    return Words(locale, domain)


@functools.lru_cache(maxsize=4096)
def _moment(locale: str, minute: int, zone: str) -> str:
    """Cached by the minute: Babel takes about 100 µs, and every answer carries its time."""
    there = datetime.fromtimestamp(minute * 60, UTC).astimezone(ZoneInfo(zone))
    clock = f"{format_time(there.timetz(), CLOCK, locale=locale)} {_zone_name(there, locale)}"
    pattern = str(get_datetime_format("long", locale=locale))
    day = format_date(there, "long", locale=locale)
    return pattern.replace("'", "").replace("{1}", day).replace("{0}", clock)


def _zone_name(there: datetime, locale: str) -> str:
    """CET where the language has a short name for the zone, else UTC+1."""
    name = get_timezone_name(there, width="short", locale=locale)
    return _offset(there.tzinfo, there) if name[:1] in "+-" else name


def _offset(zone: tzinfo | None, there: datetime) -> str:
    shift = zone.utcoffset(there) if zone else None
    minutes = int(shift.total_seconds()) // 60 if shift else 0
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return "UTC" if not minutes else f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")
