"""The two applications that `pages` compares, on the same server with the same settings."""

from flask import Flask

from ledger.settings import Settings
from portal.opening import open_app


def empty() -> Flask:
    """The limit: a page with nothing on it."""
    app = Flask(__name__)

    @app.get("/<path:anything>")
    def page(anything: str) -> str:
        return "<!doctype html><title>Empty</title>"

    return app


def portal() -> Flask:
    """The portal over LOTPROOF_DATA."""
    return open_app(Settings.from_env(), accept_long_silence=True)
