"""The running application: ledger and state opened, services supplied, every part of the portal put in."""

import hmac

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

import ledger.nouns
from ledger.journal.opening import open_ledger
from ledger.settings import Settings
from ledger.state import open_state
from portal.api.routes import api
from portal.app import create_app
from portal.claims import claims
from portal.console.pages import console
from portal.live import Live
from portal.pictures import pictures
from portal.proofs import proofs

assert ledger.nouns  # imported so that the registry is whole


def open_app(settings: Settings, *, accept_long_silence: bool = False) -> Flask:
    """The portal over the ledger that the settings point at. Raises what opening it raises."""
    opened = open_ledger(settings, accept_long_silence=accept_long_silence)
    # Form tokens are signed with a key of their own, derived so that nothing more has to be kept.
    secret_key = hmac.digest(opened.keys.links, b"web session", "sha256").hex()
    app = create_app(Live(opened, open_state(settings.state_db)), secret_key=secret_key)
    app.config.update(
        SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_NAME="lotproof"
    )
    for part in (claims, api, pictures, proofs, console):
        app.register_blueprint(part)
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # as werkzeug documents it
            app.wsgi_app, x_for=settings.trusted_proxies, x_proto=settings.trusted_proxies
        )
    return app
