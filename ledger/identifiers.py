"""Serials, ids, codes and GTINs: made, checked, shown, searched.

A serial made here is 14 characters of `ALPHABET`, 12 random and GS1's check pair, printed in groups:

>>> serial = "7KQ4M9TXC2WH" + check_pair("7KQ4M9TXC2WH")
>>> grouped(serial)
'7KQ4-M9TX-C2WH-E3'
>>> search_key(" 7kq4 m9tx–c2wh e3") == serial
True

A factory's serial or code stays as the factory wrote it (`as_printed`); only `search_key` folds it.
"""

import re
import unicodedata
from array import array
from collections.abc import Callable

from ledger.errors import LedgerError

RandomBytes = Callable[[int], bytes]

# The 32 characters of GS1's check pair: digits and capitals without 0, O, 1 and I.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
NEVER_OCCURRING = "0O1I"
AI_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

ID_LENGTH = 16
SERIAL_LENGTH = 14
BATCH_CODE_LENGTH = 20
FOREIGN_CODE_LENGTH = 60


class InvalidGtin(LedgerError):
    """A number that cannot be a GTIN."""

    message = "A GTIN has 8, 12, 13 or 14 digits; {text!r} does not. Copy it from the barcode."


class WrongCheckDigit(InvalidGtin):
    """The right number of digits, and the last one does not follow from the others."""

    message = "The last digit of {text} should be {expected}. Compare the number with the barcode."


class InvalidBatchCode(LedgerError):
    """A batch code made here that could be misread or does not fit a label."""

    message = "{text!r} cannot be a batch code: use at most 20 of A-Z, 0-9 and hyphen, but not O and I."


class InvalidForeignCode(LedgerError):
    """A factory's code or serial that cannot be kept as it is."""

    message = (
        "{text!r} cannot be kept as a code: it needs 1 to 60 visible characters and no control characters."
    )


# --- the check pair: GS1 General Specifications, "check-character pair", modulus 1021, prime weights

_CHECK_MODULUS = 1021
_CHECK_VALUES = {character: value for value, character in enumerate(AI_82)}
# 97 primes, up to 509: the longest text that GS1's own vectors give a pair to.
_CHECK_WEIGHTS = tuple(n for n in range(2, 510) if all(n % divisor for divisor in range(2, int(n**0.5) + 1)))


def check_pair(text: str) -> str:
    """The two characters that follow `text` (0 to 97 characters of GS1's set of 82).

    Finds every single wrong character and every swap in a serial. Raises ValueError for other texts.
    """
    if len(text) > len(_CHECK_WEIGHTS) or not _CHECK_VALUES.keys() >= set(text):
        raise ValueError(f"no check pair for {text!r}")
    weighted = zip(reversed(text), _CHECK_WEIGHTS, strict=False)
    return _pair_of(sum(_CHECK_VALUES[character] * weight for character, weight in weighted))


def has_valid_pair(text: str) -> bool:
    """Whether the last two characters are the check pair of those before them."""
    try:
        return len(text) >= 2 and check_pair(text[:-2]) == text[-2:]
    except ValueError:
        return False


def _pair_of(weighted_sum: int) -> str:
    remainder = weighted_sum % _CHECK_MODULUS
    return ALPHABET[remainder >> 5] + ALPHABET[remainder & 31]


# --- made here

# Ten random bits choose two characters at once; the weighted value of both is looked up by place. So a
# serial costs six look-ups, and a batch of 80,000 a quarter of a second.
_TWO = tuple(first + second for first in ALPHABET for second in ALPHABET)
_TWO_WEIGHTED = tuple(
    tuple(
        _CHECK_VALUES[two[0]] * _CHECK_WEIGHTS[11 - place]
        + _CHECK_VALUES[two[1]] * _CHECK_WEIGHTS[10 - place]
        for two in _TWO
    )
    for place in range(0, 12, 2)
)
_PAIRS = tuple(_pair_of(remainder) for remainder in range(_CHECK_MODULUS))


def new_id(random_bytes: RandomBytes) -> str:
    """An id for anything but a serial: 16 characters, 80 random bits. `random_bytes` is `os.urandom`."""
    number = int.from_bytes(random_bytes(ID_LENGTH * 5 // 8))
    return "".join(_TWO[number >> shift & 1023] for shift in range(0, ID_LENGTH * 5, 10))


def new_serial(random_bytes: RandomBytes) -> str:
    """A serial in canonical form: 14 characters, 60 random bits and their check pair."""
    return new_serials(1, random_bytes)[0]


def new_serials(count: int, random_bytes: RandomBytes) -> list[str]:
    """`count` different serials in the order drawn; about 2 microseconds each."""
    serials: dict[str, None] = {}
    while len(serials) < count:
        numbers = array("Q", random_bytes(8 * (count - len(serials))))
        serials.update(dict.fromkeys(map(_serial_of, numbers)))
    return list(serials)


def _serial_of(number: int) -> str:
    """The serial that the low 60 bits of `number` choose."""
    a, b, c = number & 1023, number >> 10 & 1023, number >> 20 & 1023
    d, e, f = number >> 30 & 1023, number >> 40 & 1023, number >> 50 & 1023
    wa, wb, wc, wd, we, wf = _TWO_WEIGHTED
    remainder = (wa[a] + wb[b] + wc[c] + wd[d] + we[e] + wf[f]) % _CHECK_MODULUS
    return _TWO[a] + _TWO[b] + _TWO[c] + _TWO[d] + _TWO[e] + _TWO[f] + _PAIRS[remainder]


# --- shown

_OWN_SERIAL = re.compile(f"[{ALPHABET}]{{{SERIAL_LENGTH}}}")


def is_own_serial(text: str) -> bool:
    """Whether `text` has the canonical form of a serial made here, check pair included."""
    return _OWN_SERIAL.fullmatch(text) is not None and has_valid_pair(text)


def groups(serial: str) -> tuple[str, ...]:
    """The cells of the plate: 4, 4, 4 and 2 for a serial made here; a factory's in one piece."""
    if not is_own_serial(serial):
        return (serial,)
    return serial[:4], serial[4:8], serial[8:12], serial[12:]


def grouped(serial: str) -> str:
    """`XXXX-XXXX-XXXX-CC` for a serial made here; a factory's as printed."""
    return in_groups(serial) if is_own_serial(serial) else serial


def in_groups(serial: str) -> str:
    """`XXXX-XXXX-XXXX-CC`, for a serial that is known to be made here: the check pair is not computed again."""
    return f"{serial[:4]}-{serial[4:8]}-{serial[8:12]}-{serial[12:]}"


# --- typed and searched

# People part groups with what their keyboard offers: any space, any dash, the minus sign, the hyphen bullet,
# the long-vowel mark that a Japanese keyboard types for one. Copying adds zero-width and direction marks.
# Dots, slashes and underscores stay: factories number with them.
_SEPARATOR_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Pd"})
_SEPARATOR_CHARACTERS = frozenset("−⁃ー")
_ASCII_SEPARATORS = dict.fromkeys((*range(33), 127, ord("-")))


def search_key(text: str) -> str:
    """What a serial or code is found by: NFKC, upper case, separators and leading apostrophes out.

    0 O 1 I stay what they are: a key never turns one number into another. A key is its own key.
    """
    key, last = _folded(text), text
    # Taking a separator out can bring a letter and its accent together, which NFKC then joins.
    while not key.isascii() and key != last:
        key, last = _folded(key), key
    return key


def _folded(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).upper()
        text = "".join(filter(_is_kept, unicodedata.normalize("NFKC", text)))
    return text.upper().translate(_ASCII_SEPARATORS).lstrip("'")


def _is_kept(character: str) -> bool:
    if character in _SEPARATOR_CHARACTERS:
        return False
    return unicodedata.category(character) not in _SEPARATOR_CATEGORIES


def never_occurring(text: str) -> tuple[str, ...]:
    """Which of 0, O, 1, I stand in `text`: no serial made here has them, so a hint can name them."""
    key = search_key(text)
    return tuple(character for character in NEVER_OCCURRING if character in key)


def as_printed(text: str) -> str:
    """A factory's serial or code without what belongs to its file: white space around it, a spreadsheet's
    leading apostrophe. Everything else stays, byte for byte.
    """
    return text.strip().removeprefix("'").strip()


# --- checked

_BATCH_CODE = re.compile(f"[A-HJ-NP-Z0-9-]{{1,{BATCH_CODE_LENGTH}}}")
_GTIN = re.compile("[0-9]{8}|[0-9]{12,14}")


def check_batch_code(text: str) -> str:
    """`text` if it may be the code of a batch made here, else raises InvalidBatchCode."""
    if not _BATCH_CODE.fullmatch(text) or not text.strip("-"):
        raise InvalidBatchCode(text=text)
    return text


def check_foreign_code(text: str) -> str:
    """A factory's code `as_printed` if it can be recorded unchanged, else raises InvalidForeignCode.

    Refused: nothing, or dashes alone, which nobody could find again; more than 60 characters; anything invisible
    (controls, direction overrides, spaces other than U+0020); and text that Unicode's form C would change,
    because entries hold NFC alone.
    """
    code = as_printed(text)
    is_stable = unicodedata.is_normalized("NFC", code)
    is_found = bool(search_key(code))
    if not (is_found and len(code) <= FOREIGN_CODE_LENGTH and code.isprintable() and is_stable):
        raise InvalidForeignCode(text=text)
    return code


def check_digit(digits: str) -> str:
    """GS1's check digit for the digits before it: weights 3, 1, 3, ... from the right."""
    weighted = (int(digit) * (3, 1)[place % 2] for place, digit in enumerate(reversed(digits)))
    return str(-sum(weighted) % 10)


def gtin14(text: str) -> str:
    """The GTIN in 14 digits, from 8, 12, 13 or 14 of them. Raises InvalidGtin or WrongCheckDigit."""
    digits = search_key(text)
    if not _GTIN.fullmatch(digits):
        raise InvalidGtin(text=text)
    expected = check_digit(digits[:-1])
    if digits[-1] != expected:
        raise WrongCheckDigit(text=text, expected=expected)
    return digits.zfill(14)
