"""Looking for a text wherever bytes lie, in whatever form it may have got there.

    hits(Scan.of("Zoë"), folder)     # {path: the form it was found in}

A page of a database that is free, a log of writes, a log of a server: all are read as bytes, whole.
"""

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

LEAST_BYTES = 8  # what is shorter turns up by chance


@dataclass(frozen=True, slots=True)
class Scan:
    """A text or some bytes, in every form that is looked for."""

    forms: dict[str, bytes]

    @classmethod
    def of(cls, text: str) -> "Scan":
        """A text: as UTF-8 and UTF-16, escaped for JSON, a URL and HTML, in hex and in base64."""
        plain = text.encode()
        found = {
            "UTF-8": plain,
            "Latin-1": text.encode("latin-1", errors="ignore"),
            "lower case": text.lower().encode(),
            "upper case": text.upper().encode(),
            "UTF-16 LE": text.encode("utf-16-le"),
            "UTF-16 BE": text.encode("utf-16-be"),
            "JSON": json.dumps(text)[1:-1].encode(),
            "URL": quote(text, safe="").encode(),
            "form": quote_plus(text).encode(),
        }
        return cls(
            {
                **found,
                **_encoded(plain),
                **{f"UTF-16 {k}": v for k, v in _encoded(found["UTF-16 LE"]).items()},
            }
        )

    @classmethod
    def of_bytes(cls, secret: bytes) -> "Scan":
        """Some bytes, as they are, in hex and in base64."""
        return cls({"bytes": secret, **_encoded(secret)})

    def __post_init__(self) -> None:
        assert all(len(form) >= LEAST_BYTES for form in self.forms.values()), "too short to mean anything"

    def found_in(self, content: bytes) -> list[str]:
        """The forms that stand in `content`."""
        return [name for name, form in self.forms.items() if form in content]


def _encoded(secret: bytes) -> dict[str, bytes]:
    """In hex, and in base64 at each of the three places within a group at which it may begin, without its ends."""
    forms = {"hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    for start in range(3):
        whole = base64.b64encode(bytes(start) + secret)
        inner = whole[(0, 2, 3)[start] : len(whole) - (0, 4, 3)[-(start + len(secret)) % 3]]
        forms[f"base64 at {start}"] = inner
        forms[f"base64url at {start}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return forms


def hits(scan: Scan, *places: Path) -> dict[str, list[str]]:
    """The files below these places (folders or files) in which it stands, and in which forms."""
    found = {}
    for path in sorted(every_file(*places)):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # a server at work removes files; what is gone holds nothing
        forms = scan.found_in(content)
        if forms:
            found[str(path)] = forms
    return found


def every_file(*places: Path) -> list[Path]:
    """The files below these places, links not followed."""
    files = [place for place in places if place.is_file()]
    for place in places:
        for folder, _, names in os.walk(place):
            files += [Path(folder, name) for name in names if Path(folder, name).is_file()]
    return files
