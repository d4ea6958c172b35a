"""The address that was asked for, as it was sent: `%2F` in a serial is not a slash between segments."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from werkzeug.routing import BaseConverter

# Where only the decoded path is known, a Digital Link's values are what stands between its key words.
_DECODED_LINK = re.compile(r"/01/([^/]+)(?:/22/(.+?))?(?:/10/(.+?))?(?:/21/(.+))?/?", re.DOTALL)
LONGEST_NUMBER = 200


class NumberConverter(BaseConverter):
    """Any text as a number in a route, slashes and line ends included: it is looked up, never refused."""

    part_isolating = False
    regex = r"[\s\S]+"
    weight = 200


def raw_path(environ: Mapping[str, Any]) -> str:
    """The path as the client wrote it, still percent-encoded.

    Servers hand it on as RAW_URI or REQUEST_URI; behind one that does not (granian's WSGI), it is written
    anew from the decoded path.
    """
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if raw:
        return urlsplit(raw).path if "://" in raw else str(raw).partition("?")[0]
    return _encoded(str(environ["PATH_INFO"]).encode("latin-1").decode("utf-8", "replace"))


def _encoded(path: str) -> str:
    if (link := _DECODED_LINK.fullmatch(path)) is None:
        return quote(path)
    pairs = zip(("01", "22", "10", "21"), link.groups(), strict=True)
    return "".join(f"/{key}/{quote(value, safe='')}" for key, value in pairs if value is not None)


def number_after(path: str, key: str) -> str:
    """The number after `/<key>/` in a raw path, key in any case: decoded, without what cannot be seen.

    Invisible characters go: a direction override would show another number than the one that was looked up.
    """
    start = path.lower().find(f"/{key}/") + len(key) + 2
    return readable(unquote(path[start:], errors="replace"))


def readable(text: str) -> str:
    """`text` without control and format characters and outer white space, cut where no number is as long."""
    seen = text if text.isprintable() else "".join(filter(str.isprintable, text))
    return seen.strip()[:LONGEST_NUMBER]


def as_segment(number: str) -> str:
    """A number as one segment of a path."""
    return quote(number, safe="")
