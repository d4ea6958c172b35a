"""When something went wrong: what happened and what to do next, in the reader's language."""

from dataclasses import dataclass

from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from ledger.digital_link import NotADigitalLink
from portal.language import current_words, negotiated, offered, speak
from portal.limits import LimitReached, wait_seconds
from portal.services import current
from portal.uploads import UploadRefused
from portal.watch import ID
from translations import mark


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error page's words, as msgids."""

    title: str
    what: str
    then: str


TROUBLES = {
    400: Trouble(
        mark("This address is not complete"),
        mark("We cannot read a number from it."),
        mark("Scan the code again, or type the number on the product."),
    ),
    404: Trouble(
        mark("There is no page here"),
        mark("The address is mistyped, or the page has moved."),
        mark("Check the number on your product instead."),
    ),
    405: Trouble(
        mark("This page cannot do that"),
        mark("The form was sent to the wrong address."),
        mark("Go back to the start and try again."),
    ),
    413: Trouble(
        mark("This file is too large"),
        mark("Nothing was sent."),
        mark("Choose a smaller picture and try again."),
    ),
    429: Trouble(
        mark("Please wait a little"),
        mark("Too much came from your network in a short time. Nothing was sent."),
        mark("Try again in a few minutes. You can check a number meanwhile."),
    ),
    500: Trouble(
        mark("We cannot answer right now"),
        mark("The fault is ours."),
        mark("Until you have an answer, don’t use the product. Try again in a minute."),
    ),
}


def install(app: Flask) -> None:
    """Answers every error with a page that says what to do next."""
    app.register_error_handler(HTTPException, _show_http_error)
    app.register_error_handler(NotADigitalLink, lambda _error: _error_page(400))
    app.register_error_handler(LimitReached, _show_limit)
    app.register_error_handler(UploadRefused, lambda _error: _error_page(413))
    app.register_error_handler(500, lambda _error: _error_page(500))


def _show_http_error(error: HTTPException) -> Response:
    response = _error_page(error.code or 500)
    if (allowed := getattr(error, "valid_methods", None)) is not None:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _show_limit(error: LimitReached) -> Response:
    response = _error_page(error.http_status)
    response.headers["Retry-After"] = str(wait_seconds(error))
    return response


def _error_page(status: int) -> Response:
    trouble = TROUBLES.get(status, TROUBLES[404 if status < 500 else 500])
    _speak_as_the_address()
    page = render_template(
        "error.html",
        trouble=trouble,
        lang=current_words().lang,
        brand=_brand(status),
        reference=request.environ.get(ID, "") if status >= 500 else "",
    )
    return Response(page, status=status, content_type="text/html; charset=utf-8")


def _speak_as_the_address() -> None:
    """The language of a prefixed address, also where no route matched it."""
    prefix = request.path.split("/")[1]
    speak(prefix if prefix in offered() else negotiated())


def _brand(status: int) -> str:
    """The seller's name; after a fault of ours nobody is asked for it, as asking might fail again."""
    return current().house().brand if status < 500 else ""
