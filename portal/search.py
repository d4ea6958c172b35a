"""What a text may be: a number, a code, a name, an entry of the log, or a whole address out of a scanned code.

    found = search(connection, "7kq4 m9tx c2wh e3", sees=lambda area: True)
    found.hits                     # what carries it, the exact first

One snapshot and at most ten queries, whatever the text. Numbers and codes are looked up by an index; names, which only
parties, products and materials have, by reading those three short lists; hashes as `ledger.log.store` says. A text that
names nothing as it stands is read back as `portal.scans` proposes, and a reading counts only if the ledger knows it or
its check pair holds.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from ledger.digital_link import Link, NotADigitalLink, parse
from ledger.identifiers import (
    ALPHABET,
    SERIAL_LENGTH,
    InvalidGtin,
    gtin14,
    in_groups,
    is_own_serial,
    search_key,
)
from ledger.log import store
from ledger.recall.answer import Hint, hint_on
from portal.address import readable
from portal.scans import Repair, repairs, tidied
from portal.search_rows import (
    MOST_HITS,
    MOST_NEAR,
    Hit,
    batch_rows,
    by_name,
    coded_rows,
    marked,
    neighbours,
    unit_rows,
)

MOST_WAYS = 100  # to read one text, looked up together
LEAST_NAME, LEAST_SCAN = 2, 6  # characters
_HASH = re.compile(r"#?((?=[0-9]*[a-f])[0-9a-f]{8,64})", re.IGNORECASE)  # digits alone are an index
_INDEX = re.compile(r"#?\s?([0-9]{1,12})")

# Nouns in the order that they are shown, each with the area that it belongs to.
AREAS = {
    "unit": "units",
    "batch": "batches",
    "product": "products",
    "material_lot": "lots",
    "material": "materials",
    "party": "parties",
    "shipment": "shipments",
    "recall": "recalls",
    "substitution": "substitutions",
    "claim": "claims",
    "entry": "log",
}
Sees = Callable[[str], bool]


@dataclass(frozen=True)
class Reading:
    """One way to read the text: as it stands, or repaired."""

    repair: Repair

    @property
    def text(self) -> str:
        return self.repair.text

    @cached_property
    def link(self) -> Link | None:
        """What an address names, None for a text that is none."""
        try:
            return parse(self.text)
        except NotADigitalLink:
            return None

    @property
    def host(self) -> str:
        """The host that an address names, in lower case; "" for a path, or for no address."""
        address = self.text.partition("://")[2] or self.text
        return address.partition("/")[0].lower() if self.link is not None else ""

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """What is looked up, the first that is known counting; at most two."""
        if self.link is not None:
            return tuple(one for one in (self.link.serial, self.link.batch) if one)
        product, slash, code = self.text.partition("/")
        return (self.text, code) if product and slash and code and "/" not in code else (self.text,)

    @property
    def product_code(self) -> str:
        """The product in PRODUCT/BATCH, "" where the text is nothing of the kind."""
        return self.text.partition("/")[0] if self.link is None and len(self.numbers) == 2 else ""

    @cached_property
    def gtin(self) -> str | None:
        try:
            return self.link.gtin if self.link is not None else gtin14(self.text)
        except InvalidGtin:
            return None

    @property
    def shown(self) -> str:
        """The number that it names, as a label would show it."""
        number = next(iter(self.numbers), self.gtin or "")
        key = search_key(number)
        return in_groups(key) if is_own_serial(key) else number


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a text: how it was read, what was found, what was left out, what is near where nothing is."""

    text: str
    reading: Reading
    hits: tuple[Hit, ...] = ()
    left_out: tuple[str, ...] = ()  # areas that are for other roles
    near: tuple[Hit, ...] = ()
    hint: Hint = ""
    missed: str = ""  # the number that was scanned, where only its batch or product is known
    is_cut: bool = False  # there are more than are shown

    @property
    def exact(self) -> tuple[Hit, ...]:
        """What carries the very code or number."""
        return tuple(hit for hit in self.hits if hit.is_exact)


def search(connection: Connection, text: str, sees: Sees) -> Found:
    """What `text` may be, of all that somebody sees who sees these areas. At most ten queries."""
    seen = {noun for noun, area in AREAS.items() if sees(area)}
    typed = tidied(text)
    plain = Reading(Repair(readable(typed)))
    left_out = tuple(area for noun, area in AREAS.items() if noun not in seen)
    if not plain.text:
        return Found("", plain, left_out=left_out)
    meant = repairs(typed) if len(typed) >= LEAST_SCAN else ()
    ways = (plain, *map(Reading, meant))[:MOST_WAYS]
    looked = _looked_up(connection, ways, seen)
    found = ((way, *looked.of(way)) for way in ways)
    reading, hits, missed = next((one for one in found if one[1]), (_soundest(ways), [], ""))
    hits += [one for one in _others(connection, plain, seen) if one.id not in {hit.id for hit in hits}]
    if not hits and "entry" in seen:
        hits = _by_hash(connection, plain.text)
    near = () if hits else _near(connection, reading, seen)
    number = next(iter(reading.numbers), "")
    return Found(
        text=readable(text),
        reading=reading,
        hits=marked(connection, hits),
        left_out=left_out,
        near=marked(connection, near),
        hint="" if hits or not number else hint_on(number),
        missed=missed,
        is_cut=looked.is_cut,
    )


def _soundest(ways: Sequence[Reading]) -> Reading:
    """Of readings that name nothing here, the first whose serial has its check pair, else the text as it stands."""
    sound = (way for way in ways if any(is_own_serial(search_key(number)) for number in way.numbers))
    return next(sound, ways[0])


# --- by number and code


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """What the ledger has for all readings at once: hits by what finds them."""

    units: Mapping[str, Sequence[tuple[Hit, str | None]]]  # by search key; with the product's GTIN
    batches: Mapping[str, Sequence[tuple[Hit, str]]]  # by search key; with the product's code
    coded: Mapping[str, Sequence[Hit]]  # by code, in capitals
    is_cut: bool

    def of(self, way: Reading) -> tuple[list[Hit], str]:
        """What carries the first of its numbers that is known, else the product; and the number that is not known."""
        missed = way.shown if way.link and way.numbers else ""
        for number in way.numbers:
            if hits := self._carrying(way, number):
                return hits, "" if number == way.numbers[0] else missed
        return list(self.coded.get(way.gtin, ())) if way.gtin else [], missed

    def _carrying(self, way: Reading, number: str) -> list[Hit]:
        key = search_key(number)
        of_units = self.units.get(key, ()) if key else ()
        own = [hit for hit, gtin in of_units if way.link and gtin == way.gtin] or [hit for hit, _ in of_units]
        of_batches = self.batches.get(key, ()) if key else ()
        if number != way.text and way.product_code:
            return [hit for hit, code in of_batches if code.upper() == way.product_code.upper()]
        coded = self.coded.get(number.upper(), ()) or self.coded.get(key, ())
        return own + [hit for hit, _ in of_batches] + ([] if way.link else list(coded))


def _looked_up(connection: Connection, ways: Sequence[Reading], seen: Iterable[str]) -> _LookedUp:
    numbers = [number for way in ways for number in way.numbers]
    keys = sorted({key for number in numbers if (key := search_key(number))})
    codes = sorted({one for number in numbers for one in (number, number.upper(), search_key(number))} - {""})
    gtins = sorted({way.gtin for way in ways if way.gtin})
    found_units = _grouped(unit_rows(connection, keys)) if "unit" in seen else {}
    found_batches = _grouped(batch_rows(connection, keys)) if "batch" in seen else {}
    is_cut = any(len(found) > MOST_HITS for found in (*found_units.values(), *found_batches.values()))
    return _LookedUp(
        units={key: found[:MOST_HITS] for key, found in found_units.items()},
        batches={key: found[:MOST_HITS] for key, found in found_batches.items()},
        coded=_grouped(coded_rows(connection, codes, gtins, seen)),
        is_cut=is_cut,
    )


def _grouped(pairs: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for key, one in pairs:
        found.setdefault(key, []).append(one)
    return found


# --- by name, index and hash


def _others(connection: Connection, plain: Reading, seen: Iterable[str]) -> list[Hit]:
    """Things whose name holds the text, and the entry with this index."""
    found = by_name(connection, plain.text, seen) if len(plain.text) >= LEAST_NAME and not plain.link else []
    index = _INDEX.fullmatch(plain.text)
    if index and "entry" in seen and int(index[1]) < store.size(connection):
        found.append(Hit("entry", str(int(index[1])), f"#{int(index[1])}"))
    return found


def _by_hash(connection: Connection, text: str) -> list[Hit]:
    named = _HASH.fullmatch(text)
    if named is None:
        return []
    return [
        Hit("entry", str(index), f"#{index}")
        for index in store.find_leaves(connection, named[1].lower(), limit=MOST_HITS)
    ]


# --- where nothing is found


def _near(connection: Connection, reading: Reading, seen: Iterable[str]) -> Sequence[Hit]:
    """Serials that one slip of the pen makes of the number, else codes that stand beside it and look like it."""
    number = next(iter(reading.numbers), "")
    key = search_key(number)
    if not key:
        return ()
    slips = one_slip(key) if "unit" in seen else []
    found = [hit for _, (hit, _) in unit_rows(connection, slips)] if slips else []
    return found[:MOST_NEAR] or neighbours(connection, number, seen)


def one_slip(key: str) -> list[str]:
    """The serials that differ from `key` in one character, or in two neighbours swapped: check pair included.

    The pair leaves a handful of the 450. Nothing for what has another length.
    """
    if len(key) != SERIAL_LENGTH:
        return []
    changed = (key[:at] + one + key[at + 1 :] for at in range(len(key)) for one in ALPHABET)
    swapped = (key[:at] + key[at + 1] + key[at] + key[at + 2 :] for at in range(len(key) - 1))
    return sorted({one for one in (*changed, *swapped) if one != key and is_own_serial(one)})
