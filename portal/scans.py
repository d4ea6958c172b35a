"""What a hand scanner meant, where what it typed is not what the code says.

A scanner in keyboard mode presses keys; the computer's layout, Caps Lock or an input method make other characters of
them. `repairs` reads a text back in every way that we know. It only proposes: whether one of them is a number of ours
is for the ledger, or the check pair, to say.

>>> typed_by_scanner("HTTPS://VLTR.EXAMPLE/S/7KQ4M9TXC2WHE3", computer="de")
'HTTPSÖ--VLTR.EXAMPLE-S-7KQ4M9TXC2WHE3'
>>> [one.layout for one in repairs("HTTPSÖ--VLTR.EXAMPLE-S-7KQ4M9TXC2WHE3") if "://" in one.text]
['de']
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import cache
from itertools import islice
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits

from ledger.digital_link import escape

DATA = Path(__file__).parent / "data" / "keyboard_layouts.toml"
FACTORY = "us"  # what scanners are set to, unless somebody has set them
KEYS = 47  # that print, on each of two levels
NO_KEY = "∅"
GS = "\x1d"  # ends a value of unknown length in GS1's element strings
LONGEST = 400  # characters; no code of ours is half as long
# Every character that our codes hold, in one code to try a scanner with.
TEST_TEXT = f"LOTPROOF-TEST:{ascii_uppercase}/{ascii_lowercase}/{digits}._~%{GS}END"
LIKE_TEST = 0.85  # this share of the test code must have come through for it to be one


@dataclass(frozen=True, slots=True)
class Layout:
    """One keyboard: what its keys print. Places are those of the US keyboard; the second level begins at KEYS."""

    key: str
    name: str
    prints: tuple[str, ...]
    shifted_by_caps: frozenset[int]
    places: Mapping[str, int] = field(hash=False)
    pattern: re.Pattern[str] = field(hash=False)

    def presses(self, text: str, *, is_caps: bool) -> list[int | str] | None:
        """The places that print this text; white space and controls stand for themselves; None where no key does."""
        parts = self.pattern.findall(text)
        if "".join(parts) != text:
            return None
        found: list[int | str] = [self.places.get(part, part) for part in parts]
        return [self._caps(one) if is_caps else one for one in found]

    def printed(self, presses: Sequence[int | str], *, is_caps: bool) -> str:
        """What these presses print here."""
        found = (self._caps(one) if is_caps else one for one in presses)
        return "".join(self.prints[one] if isinstance(one, int) else one for one in found)

    def _caps(self, press: int | str) -> int | str:
        is_shifted = isinstance(press, int) and press % KEYS in self.shifted_by_caps
        return (press + KEYS) % (2 * KEYS) if isinstance(press, int) and is_shifted else press


@dataclass(frozen=True, slots=True)
class Repair:
    """A way to read a text: what it says then, the computer's layout, and what else stood in between.

    `scanner` is the layout that the scanner types for; both are "us" where layouts were not the matter.
    """

    text: str
    layout: str = FACTORY
    scanner: str = FACTORY
    is_caps: bool = False
    is_input_method: bool = False

    @property
    def is_plain(self) -> bool:
        """Nothing stood in between that somebody could set right."""
        return self.layout == self.scanner and not self.is_caps and not self.is_input_method


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the test code shows about a scanner."""

    repair: Repair
    prefix: str  # the AIM identifier that it puts before each code, "" for none
    has_lost_shift: bool
    has_gs: bool
    missing: tuple[str, ...]  # characters that did not come through

    @property
    def is_fit(self) -> bool:
        """Our codes come through as they are."""
        return self.repair.is_plain and not self.has_lost_shift and not self.missing


@cache
def layouts() -> Mapping[str, Layout]:
    """All layouts by their key, in the order of the data."""
    table = tomllib.loads(DATA.read_text(encoding="utf-8"))
    us = table[FACTORY]["base"].split()
    return {key: _layout(key, row, us) for key, row in table.items()}


def _layout(key: str, row: Mapping[str, str], us: Sequence[str]) -> Layout:
    prints = (*row["base"].split(), *row["shift"].split())
    assert len(prints) == 2 * KEYS, f"{key}: {len(prints)} keys"
    places: dict[str, int] = {}
    for place, character in enumerate(prints):
        if character != NO_KEY:
            places.setdefault(character, place)
    shifted = frozenset(us.index(one) for one in (*ascii_lowercase, *row.get("caps", "")))
    longest_first = sorted(places, key=len, reverse=True)
    pattern = re.compile("|".join((*map(re.escape, longest_first), r"[\x00-\x20]")))
    return Layout(
        key, row["name"], tuple("" if one == NO_KEY else one for one in prints), shifted, places, pattern
    )


def typed_by_scanner(text: str, *, computer: str, scanner: str = FACTORY, is_caps: bool = False) -> str:
    """What a computer makes of a code that a scanner types. Raises ValueError if the scanner has no keys for it."""
    presses = layouts()[scanner].presses(text, is_caps=False)
    if presses is None:
        raise ValueError(f"a scanner set to {scanner} has no keys for {text!r}")
    return layouts()[computer].printed(presses, is_caps=is_caps)


def repairs(text: str) -> Sequence[Repair]:
    """What `text` may have been meant to say, each once, likelier ones first; never `text` itself.

    Only printable ASCII, with GS: our codes hold nothing else. At most some hundred; no more for a text that is longer
    than any code.
    """
    if len(text) > LONGEST:
        return ()
    found: dict[str, Repair] = {}
    for one in _ways(text):
        for said in (tidied(one.text), *element_paths(tidied(one.text))):
            if said and said != text and _PRINTED.fullmatch(said):
                found.setdefault(said, replace(one, text=said))
    return tuple(found.values())


def tidied(text: str) -> str:
    """`text` without what scanners put around a code; GS as one character, an address's scheme as it should be."""
    shown = _GS_SHOWN.sub(GS, text.strip(_AROUND))
    plain = _AIM.sub("", shown).strip(_AROUND)
    return _SCHEME.sub(_scheme, plain, count=1)


def element_paths(text: str) -> list[str]:
    """The path of a Digital Link for each way to read GS1's element strings: `(01)…(21)…`, or without brackets.

    Where the scanner drops GS, a value may end before anything that looks like the next identifier.
    """
    text = _BRACKETED.sub(GS + r"\1", text).strip(GS) if text.startswith("(01)") else text
    if not re.match(r"01\d{14}", text):
        return []
    return [_path(one) for one in islice(_elements(text), MOST_WAYS)]


def diagnose(text: str) -> Diagnosis | None:
    """What is wrong with a scanner that typed `text` for the test code; None where it is no test code."""
    if not len(TEST_TEXT) / 2 <= len(text) <= LONGEST:
        return None
    best = max(_ways(text), key=lambda one: _likeness(_bare(one.text)))
    said = _bare(best.text)
    if _likeness(said) < LIKE_TEST:
        return None
    has_lost_shift = said == said.lower()
    expected = unshifted(TEST_TEXT) if has_lost_shift else TEST_TEXT.replace(GS, "")
    return Diagnosis(
        repair=best,
        prefix=prefix.group() if (prefix := _AIM.match(best.text.strip())) else "",
        has_lost_shift=has_lost_shift,
        has_gs=GS in _GS_SHOWN.sub(GS, text),
        missing=tuple(sorted(set(expected.lower()) - set(said.lower()))),
    )


def unshifted(text: str) -> str:
    """What a scanner types that loses the shift key."""
    us = layouts()[FACTORY]
    presses = us.presses(text, is_caps=False) or ()
    return us.printed([one % KEYS if isinstance(one, int) else one for one in presses], is_caps=False)


# --- each way back

MOST_WAYS = 8
_AROUND = " \t\r\n\x02\x03\x04\x00"  # white space, and the controls that frame a message
_PRINTED = re.compile(f"[{GS}!-~]+")
# ISO/IEC 15424: "]", a letter for the kind of code, a modifier.
_AIM = re.compile(rf"^\][A-Za-z][0-9A-Za-z]{GS}?")
_GS_SHOWN = re.compile(r"␝|[<{\[](?:GS|gs)[>}\]]|\\x1[dD]|\^\]")
_SCHEME = re.compile(r"^(https?)[:;¨΄ ]*/{1,2}(?=[\w\[])", re.IGNORECASE)
_BRACKETED = re.compile(r"\((\d{2,4})\)")
_FIXED = {"01": 14, "11": 6, "13": 6, "15": 6, "17": 6, "20": 2}  # GS1 General Specifications, figure 7.8.5-2
_VARIABLE = {"10": 20, "21": 20, "22": 20}
# What Chinese and Japanese input methods print for keys of our codes; NFKC makes the rest narrow.
_INPUT_METHOD = str.maketrans(
    {
        "。": ".",
        "、": "/",
        "・": "/",
        "·": "`",
        "ー": "-",
        "「": "[",
        "」": "]",
        "【": "[",
        "】": "]",
        "￥": "$",
    }
    | dict.fromkeys("“”", '"')
    | dict.fromkeys("‘’", "'")
    | dict.fromkeys("‐‑‒–−", "-")
    | dict.fromkeys("〜～", "~")
)


def _ways(text: str) -> Iterator[Repair]:
    """As it stands, then without the input method, each through every layout, without Caps Lock and with it."""
    narrow = _narrowed(text)
    sources = [(text, False)] if narrow == text else [(text, False), (narrow, True)]
    for source, is_input_method in sources:
        yield Repair(source, is_input_method=is_input_method)
        for scanner, computer in _pairs():
            for is_caps in (False, True):
                said = _read_back(source, scanner, computer, is_caps=is_caps)
                if said is not None and (scanner, is_caps) != (computer, False):
                    yield Repair(said, computer.key, scanner.key, is_caps, is_input_method)


@cache
def _pairs() -> tuple[tuple[Layout, Layout], ...]:
    """(what the scanner is set to, what the computer has): US on one of the two sides."""
    us, *others = layouts().values()
    return (us, us), *((us, one) for one in others), *((one, us) for one in others)


def _read_back(text: str, scanner: Layout, computer: Layout, *, is_caps: bool) -> str | None:
    presses = computer.presses(text, is_caps=is_caps)
    return None if presses is None else scanner.printed(presses, is_caps=False)


def _narrowed(text: str) -> str:
    return unicodedata.normalize("NFKC", text.replace("——", "_").translate(_INPUT_METHOD))


def _scheme(found: re.Match[str]) -> str:
    scheme = found[1]
    return f"{scheme.upper() if scheme.isupper() else scheme.lower()}://"


def _elements(text: str) -> Iterator[dict[str, str]]:
    """Every way to cut element strings into values by identifier."""
    if not text:
        yield {}
        return
    key, rest = text[:2], text[2:]
    for end in _ends(key, rest):
        value, more = rest[:end], rest[end:].removeprefix(GS)
        for others in _elements(more):
            yield {key: value, **others}


def _ends(key: str, rest: str) -> Iterator[int]:
    """Where the value may end that `rest` begins with; nowhere for an identifier that we do not know."""
    if key in _FIXED:
        if len(rest) >= _FIXED[key]:
            yield _FIXED[key]
    elif key in _VARIABLE:
        whole = len(rest.partition(GS)[0])
        if 1 <= whole <= _VARIABLE[key]:
            yield whole
        inside = (end for end in range(1, min(whole, _VARIABLE[key] + 1)) if rest[end : end + 2] in _VARIABLE)
        yield from inside


def _path(elements: Mapping[str, str]) -> str:
    return "".join(f"/{key}/{escape(elements[key])}" for key in ("01", "22", "10", "21") if key in elements)


def _bare(text: str) -> str:
    return tidied(text).replace(GS, "")


def _likeness(said: str) -> float:
    """How much of the test code this is, 0 to 1; a lost shift counts for little."""
    whole = TEST_TEXT.replace(GS, "")
    if said == whole:
        return 1.0
    exact = SequenceMatcher(None, said, whole, autojunk=False).ratio()
    lower = SequenceMatcher(None, said, unshifted(whole), autojunk=False).ratio()
    return max(exact, lower * 0.99)
