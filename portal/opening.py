"""The running application: ledger and state opened, services supplied, every part of the portal put in."""

import hmac
import multiprocessing
import signal

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
from portal.health import health
from portal.live import Live
from portal.logs import make_log
from portal.metrics import metrics
from portal.pictures import pictures
from portal.processes import watch_parent
from portal.proofs import proofs
from portal.staff import move_names
from portal.turns import with_turns
from portal.watch import Watch

assert ledger.nouns  # imported so that the registry is whole


def open_app(settings: Settings, *, accept_long_silence: bool = False) -> Flask:
    """The portal over the ledger that the settings point at. Raises what opening it raises."""
    opened = open_ledger(settings, accept_long_silence=accept_long_silence)
    # Keys of their own, derived so that nothing more has to be kept: for form tokens, for addresses in the log.
    secret_key = hmac.digest(opened.keys.links, b"web session", "sha256").hex()
    address_key = hmac.digest(opened.keys.links, b"log addresses", "sha256")
    watch = Watch(
        make_log(settings.log_form), address_key=address_key, trusts_ids=settings.trusted_proxies > 0
    )
    state = open_state(settings.state_db)
    move_names(opened, state)
    app = create_app(Live(opened, state), secret_key=secret_key, watch=watch)
    for part in (claims, api, pictures, proofs, console, health, metrics):
        app.register_blueprint(part)
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # as werkzeug documents it
            app.wsgi_app, x_for=settings.trusted_proxies, x_proto=settings.trusted_proxies
        )
    return app


def make_application() -> Flask:
    """The application of one of `lotproof serve`'s processes, which opens the ledger for itself and ends with it.

    Named in `portal.serving` and not imported there: that process must not have the figures of this one.
    """
    # A forked worker inherits the server's handlers, which would swallow a stop that comes while it opens.
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    watch_parent(parent.pid if parent else None)
    app = open_app(Settings.from_env())
    app.wsgi_app = with_turns(app.wsgi_app)  # type: ignore[assignment,method-assign]
    return app
