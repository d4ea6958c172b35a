"""The address in a label's code, and back: a GS1 Digital Link, or our own `/S/` path without a GTIN.

>>> uri = build("vltr.example", gtin="09506000134352", batch="25W21-A", serial="7KQ4M9TXC2WHE3")
>>> uri
'HTTPS://VLTR.EXAMPLE/01/09506000134352/10/25W21-A/21/7KQ4M9TXC2WHE3'
>>> parse(uri)
Link(gtin='09506000134352', variant=None, batch='25W21-A', serial='7KQ4M9TXC2WHE3')
>>> build("vltr.example", gtin=None, serial="7KQ4M9TXC2WHE3")
'HTTPS://VLTR.EXAMPLE/S/7KQ4M9TXC2WHE3'

Scheme, host and key words are upper case, so that a serial made here gives a code in alphanumeric mode:
fewer, larger modules. Source: GS1 Digital Link Standard, URI Syntax 1.3.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from ledger.errors import LedgerError
from ledger.identifiers import AI_82, InvalidGtin, gtin14

QUALIFIERS = ("22", "10", "21")  # variant, batch, serial: a Digital Link has them in this order alone
QUALIFIER_LENGTH = 20


class NotADigitalLink(LedgerError):
    """The text is no address of a product, batch or unit."""

    message = "This is not the address of a label: {reason}."
    http_status = 400


@dataclass(frozen=True, slots=True)
class Link:
    """What an address names. From `/S/` only `serial` is known, and it may be the code of a batch."""

    gtin: str | None = None
    variant: str | None = None
    batch: str | None = None
    serial: str | None = None


def build(host: str, *, gtin: str | None, batch: str | None = None, serial: str | None = None) -> str:
    """The address to print for a unit (with a serial), a batch (without one) or a product (the GTIN alone).

    `gtin` has 14 digits. What GS1's identifiers 10 and 21 cannot carry (over 20 characters, or outside its
    set of 82) goes to the `/S/` path, like anything without a GTIN. Raises ValueError if nothing is named.
    """
    stem = f"HTTPS://{host.upper()}"
    values = {"10": batch, "21": serial}
    if gtin is not None and all(value is None or _fits_qualifier(value) for value in values.values()):
        qualified = "".join(f"/{key}/{escape(value)}" for key, value in values.items() if value is not None)
        return f"{stem}/01/{gtin}{qualified}"
    named = serial or batch
    if not named:
        raise ValueError("neither GTIN nor serial nor batch")
    return f"{stem}/S/{escape(named)}"


def escape(value: str) -> str:
    """`value` as one segment of a path: all but A-Z a-z 0-9 - . _ ~ percent-encoded, as UTF-8."""
    return quote(value, safe="")


def unescape(segment: str) -> str:
    """The value of one raw segment. A percent sign without two hex digits stays; a plus is a plus."""
    return unquote(segment)


def _fits_qualifier(value: str) -> bool:
    return 1 <= len(value) <= QUALIFIER_LENGTH and set(value) <= _AI_82


def parse(text: str) -> Link:
    """What a scanned or pasted address names: a whole one, one without its scheme, or the path alone.

    Stems before `/01/` or `/S/` are allowed; the fragment is ignored, and so is a query that names nothing of
    ours. Give it the raw request target: `%2F` is part of a value. Raises NotADigitalLink; under a plain
    `/S/` path only when not one value follows.
    """
    segments = _path(text).split("/")
    key = next((place for place, segment in enumerate(segments) if segment in _KEYS), None)
    if key is None:
        raise NotADigitalLink(reason="it has neither /01/ nor /S/")
    values = segments[key + 1 :]
    return _parse_gtin(values) if segments[key] == "01" else _parse_own(values)


_AI_82 = frozenset(AI_82)
_KEYS = frozenset({"01", "S", "s"})
_SCHEMES = frozenset({"http", "https", "HTTP", "HTTPS"})
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
_NEVER_IN_A_PATH = re.compile(r'[\x00-\x20\x7f<>"{}|\\^`]')
# A key or qualifier in the query would name something else than the path does.
_KEY_IN_QUERY = re.compile(r"(?:^|[&;])(01|22|10|21)=")


def _path(text: str) -> str:
    """The raw path of `text`, from its first slash after the host."""
    address, _, _fragment = text.strip().partition("#")
    address, _, query = address.partition("?")
    if _NEVER_IN_A_PATH.search(address):
        raise NotADigitalLink(reason="it has a character that no address can have")
    if _KEY_IN_QUERY.search(query):
        raise NotADigitalLink(reason="product, batch or serial stand behind the question mark")
    scheme, separator, rest = address.partition("://")
    if separator:
        _check_scheme(scheme)
    else:
        rest = address
    host, _, path = rest.partition("/")
    if (host or separator) and not _is_host(host, is_alone=not separator):
        raise NotADigitalLink(reason=f"{host!r} is not the name of a site")
    return path


def _check_scheme(scheme: str) -> None:
    if scheme not in _SCHEMES:
        raise NotADigitalLink(reason="it should begin with https:// or HTTPS://")


def _is_host(host: str, *, is_alone: bool) -> bool:
    """Without a scheme only a name with a dot: `A/S/12` is a factory's number, not a site's page."""
    return _HOST.fullmatch(host) is not None and (not is_alone or "." in host)


def _parse_own(values: list[str]) -> Link:
    if not values or not values[0] or values[1:] not in ([], [""]):
        raise NotADigitalLink(reason="one number should follow /S/")
    return Link(serial=unescape(values[0]))


def _parse_gtin(values: list[str]) -> Link:
    if len(values) % 2 == 0:
        raise NotADigitalLink(reason="a key stands without its value")
    keys, qualifiers = values[1::2], [unescape(value) for value in values[2::2]]
    if keys != [key for key in QUALIFIERS if key in keys]:
        raise NotADigitalLink(reason="only 22, 10 and 21 may follow the GTIN, once and in this order")
    for value in qualifiers:
        if not _fits_qualifier(value):
            raise NotADigitalLink(
                reason=f"{value!r} is not 1 to {QUALIFIER_LENGTH} characters of GS1's set of 82"
            )
    named = dict(zip(keys, qualifiers, strict=True))
    return Link(_parse_digits(values[0]), named.get("22"), named.get("10"), named.get("21"))


def _parse_digits(segment: str) -> str:
    digits = unescape(segment)
    if not (digits.isascii() and digits.isdigit()):
        raise NotADigitalLink(reason="a GTIN has digits only")
    try:
        return gtin14(digits)
    except InvalidGtin as error:
        raise NotADigitalLink(reason=str(error).rstrip(".")) from error
