"""The web application: put together here, from services that somebody else supplies."""

import hashlib
from pathlib import Path

from flask import Flask, Response
from jinja2 import StrictUndefined

from portal import error_pages, language
from portal.address import NumberConverter
from portal.answer_page import AnswerPages
from portal.buyer import PAGES, buyer
from portal.plate import plate
from portal.services import EXTENSION, Services

STATIC = Path(__file__).parent / "static"
LARGEST_REQUEST_BYTES = 12 * 1024 * 1024
# Nothing is loaded from elsewhere, nothing is inline, nobody frames us: pages hold no script at all.
HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)


def create_app(services: Services, *, secret_key: str) -> Flask:
    """The application. `secret_key` signs form tokens; `services` supplies what pages show.

    Loads and checks every catalogue: raises IncompleteCatalogue before the first request.
    """
    app = Flask(__name__)
    app.secret_key = secret_key
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST_BYTES
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 31_536_000  # style sheets carry their digest in the address
    app.url_map.merge_slashes = False  # a serial may hold two slashes; no redirect may lose one
    app.url_map.converters["number"] = NumberConverter
    app.extensions[EXTENSION] = services
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals.update(plate=plate, style_sheet=_with_digest("portal.css"))
    language.install(app)
    error_pages.install(app)
    app.register_blueprint(buyer)
    app.extensions[PAGES] = AnswerPages(app)
    app.after_request(add_security_headers)
    return app


def add_security_headers(response: Response) -> Response:
    """The same for every answer, errors and static files included."""
    response.headers.extend(HEADERS)
    return response


def _with_digest(name: str) -> str:
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"
