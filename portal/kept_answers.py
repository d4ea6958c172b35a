"""Answers below Flask: what one batch's first buyer was shown, for the next ten thousand of that hour.

On a recall day nearly every request asks for a page that differs in the number alone. The look-up is made each
time, in a snapshot of its own; but routing, contexts and signals cost more than it does. So an answer whose page
is kept is sent from here. Everything else, the first of its kind and all that fails included, goes on to Flask.
"""

import re
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.http import parse_cookie

from ledger.digital_link import parse
from portal.address import number_after, raw_path
from portal.answer_page import AnswerPages
from portal.language import COOKIE, offered
from portal.services import Services
from translations import choose

CONTENT = ("Content-Type", "text/html; charset=utf-8")
FOUND = "lotproof.answer"  # where Flask finds the answer that was looked up here
ROUTE = "lotproof.route"  # where `watch` finds which pattern an address matched
LANGUAGE_ROUTE = "/<language:locale>/s/<number:number>"  # the patterns of `buyer`, where Flask was not asked
LINK_ROUTE = "/01/<number:rest>"
SCANNED_ROUTE = "/s/<number:number>"
VARY = ("Vary", "Accept-Language, Cookie")


def with_kept_answers(app: WSGIApplication, pages: AnswerPages, services: Services) -> WSGIApplication:
    """`app`, with the answers that `pages` keeps sent before it is asked."""
    addresses = re.compile(f"/(?:(?P<tag>{'|'.join(offered())})/s/|[sS]/|(?P<link>01/)).+", re.DOTALL)

    def kept(environ: WSGIEnvironment) -> tuple[str, bool] | None:
        """The page, and whether the reader's own language was chosen for it; None to go on."""
        found = addresses.fullmatch(environ["PATH_INFO"])
        if found is None or environ["REQUEST_METHOD"] != "GET" or environ.get("QUERY_STRING"):
            return None
        path, gtin = raw_path(environ), None
        if found["link"]:
            link = parse(path)
            number, gtin = link.serial or link.batch, link.gtin
        else:
            number = number_after(path, "s")
        if not number:
            return None
        environ[ROUTE] = LANGUAGE_ROUTE if found["tag"] else LINK_ROUTE if found["link"] else SCANNED_ROUTE
        answer = environ[FOUND] = services.find_answer(number, gtin)
        models = () if answer.matches else services.recalled_models()
        page = pages.kept(found["tag"] or _negotiated(environ), answer, services.house(), models)
        return None if page is None else (page, found["tag"] is None)

    def respond(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            ready = kept(environ)
        except Exception:  # noqa: BLE001 - Flask meets the same error, and has a page for it in the reader's language
            ready = None
        if ready is None:
            return app(environ, start_response)
        body = ready[0].encode()
        length = ("Content-Length", str(len(body)))
        start_response("200 OK", [CONTENT, length, VARY] if ready[1] else [CONTENT, length])
        return [body]

    return respond


def _negotiated(environ: WSGIEnvironment) -> str:
    """The language for an address without one, as `portal.language.negotiated` chooses it."""
    cookies = environ.get("HTTP_COOKIE")
    saved = parse_cookie(cookies).get(COOKIE) if cookies else None
    return choose(None, saved, environ.get("HTTP_ACCEPT_LANGUAGE", ""), offered())
