"""Which language a request is answered in, and the words that templates speak with."""

import functools
from typing import Any, cast

from flask import Blueprint, Flask, Response, abort, g, redirect, request
from markupsafe import Markup, escape
from werkzeug.local import LocalProxy
from werkzeug.routing import BaseConverter

from translations import Words, catalogues, choose, words_for

COOKIE = "language"
A_YEAR = 365 * 86_400
chooser = Blueprint("language", __name__)


@functools.cache
def offered(domain: str = "buyer") -> tuple[str, ...]:
    """The tags of the languages that have the domain, English first."""
    return tuple(language.tag for language in catalogues().offering(domain))


def install(app: Flask) -> None:
    """Teaches the app `<language:locale>` in addresses, and its templates to translate."""
    tags = "|".join(offered())
    app.url_map.converters["language"] = type("LanguageConverter", (BaseConverter,), {"regex": tags})
    app.jinja_env.globals.update(
        _=_text, ngettext=_plural, pgettext=_context, words=LocalProxy(current_words), languages=_languages()
    )
    app.register_blueprint(chooser)


def negotiated(prefix: str | None = None) -> str:
    """The tag for this request: the address's, else the saved choice, else what the browser prefers."""
    if prefix is not None:
        return prefix
    environ = request.environ
    saved = request.cookies.get(COOKIE) if "HTTP_COOKIE" in environ else None
    return choose(None, saved, environ.get("HTTP_ACCEPT_LANGUAGE", ""), offered())


def speak(tag: str, domain: str = "buyer") -> Words:
    """Makes `tag` the language of this request's templates."""
    g.words = words_for(tag, domain)
    return cast(Words, g.words)


def current_words() -> Words:
    """The words of this request: those of its language, or negotiated ones where no view has spoken yet."""
    words = g.get("words")
    return words if words is not None else speak(negotiated())


@chooser.get("/<language:locale>/language")
def change_language(locale: str) -> Response:
    """Remembers the reader's choice and goes on to the same page in that language (`next`)."""
    place = request.args.get("next", "")
    if any(character in place for character in "\\\r\n\0") or place.startswith("/"):
        abort(400)
    response = cast(Response, redirect(f"/{locale}/{place}", code=303))
    response.set_cookie(
        COOKIE, locale, max_age=A_YEAR, secure=request.is_secure, httponly=True, samesite="Lax"
    )
    return response


def _languages() -> tuple[tuple[str, str], ...]:
    return tuple((one.tag, one.name) for one in catalogues().offering("buyer"))


def _text(msgid: str, **values: Any) -> str:
    return _filled(current_words().pattern(msgid), values)


def _plural(singular: str, plural: str, count: int, **values: Any) -> str:
    words = current_words()
    return _filled(words.plural_pattern(singular, plural, count), {"count": words.number(count), **values})


def _context(context: str, msgid: str, **values: Any) -> str:
    return _filled(current_words().pattern(msgid, context), values)


def _filled(pattern: str, values: dict[str, Any]) -> str:
    """The sentence with its values; markup in a value stays markup, all else is escaped by the template."""
    if any(hasattr(value, "__html__") for value in values.values()):
        return Markup(escape(pattern)).format(**values)  # noqa: S704  # escaped in this very line
    return pattern.format(**values) if values else pattern
