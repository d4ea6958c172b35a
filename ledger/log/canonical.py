"""One value, one sequence of bytes: JSON by RFC 8785 within the limits of an entry.

    >>> encode({"b": [1, None], "a": "Grün"})
    b'{"a":"Gr\\xc3\\xbcn","b":[1,null]}'
    >>> parse(b'{"a":1}')
    {'a': 1}
    >>> parse(b'{"a": 1}')
    Traceback (most recent call last):
    ...
    ledger.log.canonical.NotCanonical: This is no canonical JSON: white space, order or spelling differs.

The limits: ASCII keys, text in normalization form C, integers within ±(2**53 - 1), no floats. Under them
RFC 8785 is "keys sorted, no white space, shortest escapes", because its two hard parts, the printing of
floats and the order of keys by UTF-16 code units, never come up.
"""

from typing import Annotated, Any, cast
from unicodedata import is_normalized

import msgspec
import orjson

from ledger.errors import LedgerError

JSON = None | bool | int | str | list["JSON"] | dict[str, "JSON"]

LARGEST_INTEGER = 2**53 - 1
Integer = Annotated[int, msgspec.Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
QUICK_DEPTH = 6  # containers within containers; what is deeper is right too, but walked in Python

# orjson writes dates, dataclasses and subclasses of its own accord unless told to pass them on.
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


class NotCanonical(LedgerError):
    """The value has no canonical form, or the bytes are not it; `reason` says where and why."""

    message = "This is no canonical JSON: {reason}."


def encode(value: object) -> bytes:
    """The canonical bytes of `value`: dicts, lists (or tuples), text, integers, booleans, None.

    Raises NotCanonical for floats, keys outside ASCII, text that is not NFC, integers beyond ±(2**53 - 1)
    and every other type.  About 2 µs for 500 bytes.
    """
    body = _write(value)
    # What comes back different (NaN as null, a UUID as text) was something that JSON does not have.
    if not (body.isascii() and _quickly_read(body) == value):
        _check(value, "the value")
    return body


def parse(body: bytes) -> dict[str, JSON]:
    """The object that `body` is the canonical form of: `encode(parse(body)) == body`.

    Raises NotCanonical for any other bytes.  About 2 µs for 500 bytes.
    """
    value = _quickly_read(body)
    suspicious = value is None or not body.isascii()
    if suspicious:
        value = _read(body)
    if _write(value) != body:
        raise NotCanonical(reason="white space, order or spelling differs")
    if suspicious:
        _check(value, "the value")
    if not isinstance(value, dict):
        raise NotCanonical(reason="it is not an object")
    return cast(dict[str, JSON], value)


def _limited(depth: int) -> Any:
    """The type of JSON without floats, `depth` containers deep: msgspec has no recursive unions."""
    if depth == 0:
        return None | bool | str | Integer
    inner: Any = _limited(depth - 1)
    return None | bool | str | Integer | list[inner] | dict[str, inner]


_DECODER = msgspec.json.Decoder(_limited(QUICK_DEPTH))


def _quickly_read(body: bytes) -> object:
    """What `body` says, or None where that needs a closer look: floats, long integers, great depth."""
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _read(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotCanonical(reason=str(error)) from error


def _write(value: object) -> bytes:
    try:
        return orjson.dumps(value, option=_OPTIONS)
    except TypeError as error:
        raise NotCanonical(reason=str(error)) from error


def _check(value: object, where: str) -> None:
    """Walk `value`, which orjson could write, and raise NotCanonical at the first thing out of bounds."""
    match value:
        case None | bool():
            pass
        case int():
            if abs(value) > LARGEST_INTEGER:
                raise NotCanonical(reason=f"{where} is an integer beyond 2**53 - 1")
        case str():
            if not is_normalized("NFC", value):
                raise NotCanonical(reason=f"{where} is text that is not in normalization form C")
        case dict():
            for key, item in value.items():
                if not key.isascii():
                    raise NotCanonical(reason=f"{where} has the key {key!r}, which is not ASCII")
                _check(item, f"{where}.{key}")
        case list() | tuple():
            for index, item in enumerate(value):
                _check(item, f"{where}[{index}]")
        case _:
            raise NotCanonical(reason=f"{where} is of type {type(value).__name__}, which is not recorded")
