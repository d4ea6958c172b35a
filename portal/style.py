"""The seller's accent as a style sheet: nothing may be inline, so the colour stands in the address.

The same address is the same colour for ever; a page links the one that holds now.
"""

from flask import Blueprint, Response, abort

from ledger.trace.accent import DARK_GROUNDS, Accent, NoColour, TooPale, accent_of

style = Blueprint("style", __name__)

PAGE = """\
:root {{ --accent: {light}; --on-accent: #ffffff; }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; --on-accent: {ink}; }} }}
"""
# Both schemes side by side, whatever the reader's own is: the grounds stand in console.css.
PREVIEW = """\
.in-light {{ --accent: {light}; --on-accent: #ffffff; }}
.in-dark {{ --accent: {dark}; --on-accent: {ink}; }}
"""
SHEETS = {"accent": PAGE, "preview": PREVIEW}


@style.get("/style/<any(accent, preview):sheet>-<colour>.css")
def accent_sheet(sheet: str, colour: str) -> Response:
    """The sheet of an accent that may be used; 404 for every other."""
    accent = _accent(colour)
    # Text on the accent is the darkest ground: the contrast is the one that was checked.
    text = SHEETS[sheet].format(light=accent.light, dark=accent.dark, ink=DARK_GROUNDS[-1])
    response = Response(text, content_type="text/css; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def _accent(colour: str) -> Accent:
    try:
        return accent_of(f"#{colour}")
    except (NoColour, TooPale):
        abort(404)
