"""The web application: put together here, from services that somebody else supplies."""

import re
import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Request, has_request_context, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from jinja2 import StrictUndefined

from portal import error_pages, language
from portal.address import NumberConverter
from portal.answer_page import AnswerPages
from portal.assets import POLICY, asset
from portal.buyer import PAGES, buyer
from portal.kept_answers import with_kept_answers
from portal.plate import plate
from portal.services import EXTENSION, Services
from portal.style import style
from portal.uploads import LARGEST_REQUEST_BYTES, BoundedRequest
from portal.watch import Watch, note_routes

HEADERS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    # An answer of yesterday, shown from a cache, would hide the recall of this morning.
    ("Cache-Control", "no-cache"),
)
# Only of this name: what else stands below it is not ours to decide.
HTTPS_ONLY = ("Strict-Transport-Security", "max-age=31536000")


class Portal(Flask):
    """Flask, which leaves it to `watch` to log what nobody expected: its own words repeat the address."""

    watch: Watch | None = None

    def log_exception(
        self, exc_info: tuple[type, BaseException, TracebackType] | tuple[None, None, None]
    ) -> None:
        """Log the exception, once."""
        error = exc_info[1] or sys.exception()
        if self.watch is None or error is None:
            super().log_exception(exc_info)
        else:
            self.watch.crashed(request.environ, error)


class SparingSession(SecureCookieSessionInterface):
    """Flask's signed cookie, which form tokens live in; answers to a number and programs do without.

    Opening and saving a session takes a quarter of an answer, and no answer depends on one. Of a program no cookie is
    ever read.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """None (which Flask turns into a session that refuses to be written to) for answers and programs."""
        return None if _ANSWER.match(request.path) else super().open_session(app, request)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Over https the cookie is for https alone."""
        return has_request_context() and request.is_secure


_ANSWER = re.compile(r"/(?:[A-Za-z-]+/)?(?:s|S|01)/|/api/")


def create_app(services: Services, *, secret_key: str, watch: Watch | None = None) -> Flask:
    """The application. `secret_key` signs form tokens; `services` supplies what pages show; `watch` notes requests.

    Loads and checks every catalogue: raises IncompleteCatalogue before the first request.
    """
    app = Portal(__name__)
    app.watch = watch
    app.request_class = BoundedRequest
    app.secret_key = secret_key
    app.session_interface = SparingSession()
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST_BYTES
    app.config.update(
        SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_NAME="lotproof"
    )
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 31_536_000  # style sheets carry their digest in the address
    app.url_map.merge_slashes = False  # a serial may hold two slashes; no redirect may lose one
    app.url_map.converters["number"] = NumberConverter
    app.extensions[EXTENSION] = services
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals.update(plate=plate, asset=asset)
    language.install(app)
    error_pages.install(app)
    note_routes(app)
    app.register_blueprint(buyer)
    app.register_blueprint(style)
    pages = app.extensions[PAGES] = AnswerPages(app)
    quick = with_kept_answers(app.wsgi_app, pages, services)
    shown = with_headers(quick)
    app.wsgi_app = watch.around(shown) if watch else shown  # type: ignore[assignment,method-assign]  # Flask's own way to wrap it
    return app


def with_headers(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Adds HEADERS to every response, errors and static files included, unless a view has set its own; over https
    also that it is to be https from now on.

    Below Flask, because checking a few constant strings at each response costs a tenth of an answer.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        always = (*HEADERS, HTTPS_ONLY) if environ["wsgi.url_scheme"] == "https" else HEADERS

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            own = {name for name, _ in headers}
            return start_response(status, headers + [pair for pair in always if pair[0] not in own], *rest)

        return wsgi_app(environ, start)

    return answer
