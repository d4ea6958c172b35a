"""Staff of a world, signed in at its console through a real application: what tests of the console stand on.

desk = Desk.of(world)
ada = desk.signed_in("Ada")                      # a browser with a session, in English
page = ada.page("/console/")
ada.record("party.register", code="QINGLUO", …)   # fills in the form as a person does, and sends it
"""

import html
import re
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from ledger.people.roles import roles
from ledger.state import open_state
from portal.accounts import Account
from portal.api.routes import api
from portal.app import create_app
from portal.console.pages import console
from portal.live import Live
from portal.names import Names
from portal.staff import let_in
from tests.world import World

PASSWORD = "a rather long sentence"
ENGLISH, CHINESE = "en", "zh-CN,zh;q=0.9"
LANGUAGES = {"en": ENGLISH, "zh-Hans": CHINESE}
_TAG = re.compile(r"<[^>]*>")


class ToTheEnd(FlaskClient):
    """A client that reads every answer to its end, as browsers do: only then is a request over."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, buffered=True, **kwargs)


@dataclass
class Desk:
    """The application over a world, with its accounts."""

    world: World
    app: Flask
    state: Engine
    accounts: dict[str, Account] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        return Names.of(self.world.ledger)

    @classmethod
    def of(cls, world: World) -> "Desk":
        state = open_state(world.ledger.settings.state_db)
        world.closed_too.append(state)
        app = create_app(Live(world.ledger, state), secret_key="only for tests")
        for part in (api, console):
            app.register_blueprint(part)
        return cls(world, app, state)

    def account(self, name: str, *roles_given: str) -> Account:
        """The account of this name, made at the first call in these roles; in all of them, where none are named."""
        if name not in self.accounts:
            now = self.world.clock.now()
            held = roles_given or tuple(roles())
            made, _ = let_in(self.world.ledger, self.state, name, held, now=now, password=PASSWORD)
            self.accounts[name] = made
        return self.accounts[name]

    def browser(self, language: str = "en") -> "Browser":
        """Somebody who is not signed in."""
        return Browser(self, self.app.test_client(), LANGUAGES[language])

    def signed_in(self, name: str = "Ada", *, language: str = "en") -> "Browser":
        """Somebody who is."""
        self.account(name)
        browser = self.browser(language)
        answer = browser.post("/console/sign-in", {"name": name, "password": PASSWORD})
        assert answer.status_code == 303, text_of(answer)
        return browser


@dataclass
class Browser:
    """One browser: its cookies and the language it asks for."""

    desk: Desk
    client: FlaskClient
    language: str

    def page(self, address: str, *, status: int = 200) -> str:
        """The page's HTML; fails unless it answers with this status."""
        answer = self.get(address)
        assert answer.status_code == status, text_of(answer)
        return answer.text

    def get(self, address: str, **headers: str) -> TestResponse:
        """The whole answer: what is streamed is read to its end."""
        asked = {"Accept-Language": self.language, **headers}
        return self.client.get(address, headers=asked, buffered=True)

    def post(self, address: str, data: dict[str, Any], **headers: str) -> TestResponse:
        return self.client.post(address, data=data, headers={"Accept-Language": self.language, **headers})

    def hidden(self, address: str) -> dict[str, str]:
        """The hidden fields of the last form on a page that has any: its tokens."""
        forms = self.page(address).split("<form")[1:]
        return next((found for form in reversed(forms) if (found := hidden_in(form))), {})

    def send(self, address: str, /, **answers: Any) -> TestResponse:
        """Opens the form at an address and sends it with these answers, where `__` stands for a dot."""
        named = {name.replace("__", "."): value for name, value in answers.items()}
        return self.post(address.partition("?")[0], {**self.hidden(address), **named})

    def record(self, command: str, /, **answers: Any) -> TestResponse:
        """Fills in the form of a command and sends it."""
        return self.send(f"/console/record/{command}", **answers)

    def recorded(self, command: str, /, **answers: Any) -> str:
        """The same, where it must succeed: the page that it leads to."""
        answer = self.record(command, **answers)
        assert answer.status_code == 303, text_of(answer)
        return self.page(answer.headers["Location"])


def hidden_in(form: str) -> dict[str, str]:
    """The hidden fields in a piece of HTML."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in found}


def text_of(answer: TestResponse | str) -> str:
    """What a person reads: no tags, white space as one space."""
    body = answer if isinstance(answer, str) else answer.text
    return html.unescape(" ".join(_TAG.sub(" ", body).split()))
