"""A reader's browser without scripts: cookies are kept, redirects followed, forms sent as they were rendered.

    reader = Reader(shop.base, "ar")
    page = reader.get("/s/7KQ4-M9TX-C2WH-E3")
    claim = reader.follow(page, "/claim/")
    sent = reader.submit(claim, claim.form("claim").filled({"remedy": "refund"}))

Hidden fields are sent along, and only what stands in a form can be filled in: a journey that gets through has
used the page as it is. Addresses are sent as they are written, so `%2F` stays what it is.
"""

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

MOST_REDIRECTS = 5


@dataclass
class Form:
    """A form as it was rendered: `values` are what it sends untouched, `fields` all it has names for."""

    id: str
    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    options: dict[str, list[str]] = field(default_factory=dict)  # of radio buttons and selects
    buttons: list[dict[str, str]] = field(default_factory=list)

    def filled(self, typed: Mapping[str, str]) -> "Form":
        """The same with something typed or chosen, where the form has such a field and such an option."""
        for name, value in typed.items():
            assert name in self.fields, f"the form has no field {name}, but {sorted(self.fields)}"
            assert name not in self.options or value in self.options[name], f"{value!r} cannot be chosen"
        return replace(self, values={**self.values, **typed})

    def pressed(self, name: str, value: str) -> "Form":
        """The same, to be sent by one of its named buttons."""
        button = next(b for b in self.buttons if (b.get("name"), b.get("value")) == (name, value))
        action = button.get("formaction", self.action)
        return replace(self, action=action, values={**self.values, name: value})


@dataclass(frozen=True)
class Page:
    """A response."""

    url: str
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def path(self) -> str:
        """Where it was found, in the end."""
        return urlsplit(self.url).path

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @cached_property
    def read(self) -> "_Markup":
        """What a reader's browser makes of it."""
        markup = _Markup()
        markup.feed(self.text)
        markup.close()
        return markup

    @property
    def says(self) -> str:
        """All that a reader reads, white space joined."""
        return " ".join("".join(self.read.said).split())

    def form(self, name: str = "") -> Form:
        """The form with this id, or the only one."""
        forms = [form for form in self.read.forms if not name or form.id == name]
        assert len(forms) == 1, f"{len(forms)} forms {name!r} on {self.url}"
        return forms[0]

    def link(self, part: str) -> str:
        """The first address linked from here that has this part."""
        found = [href for href in self.read.links if part in href]
        assert found, f"no link with {part!r} on {self.url}: {self.read.links}"
        return found[0]


class Reader:
    """A reader's browser without scripts: cookies are kept, redirects followed."""

    def __init__(self, base: str, language: str = "en") -> None:
        self.base = base
        self.language = language
        self.cookies: dict[str, str] = {}

    def get(self, address: str, *, method: str = "GET", follow: bool = True, **headers: str) -> Page:
        """Fetch an address, sent as it is written here; header names with underscores for hyphens."""
        return self._fetch(method, urljoin(f"{self.base}/", address), b"", headers, follow=follow)

    def follow(self, page: Page, part: str) -> Page:
        """Follow the first link of a page whose address has this part."""
        return self.get(urljoin(page.url, page.link(part)))

    def submit(self, page: Page, form: Form, *, follow: bool = True) -> Page:
        """Send a form of a page."""
        url = urljoin(page.url, form.action or page.url)
        sent = urlencode(form.values)
        if form.method == "get":
            return self._fetch("GET", f"{url.partition('?')[0]}?{sent}", b"", {}, follow=follow)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._fetch("POST", url, sent.encode(), kind, follow=follow)

    def _fetch(self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, follow: bool) -> Page:
        for _ in range(MOST_REDIRECTS):
            page = self._once(method, url, body, headers)
            if not follow or page.status not in (301, 302, 303, 307, 308):
                return page
            url = urljoin(url, page.headers["location"])
            if page.status in (301, 302, 303):
                method, body, headers = "GET", b"", {}
        raise AssertionError(f"redirected more than {MOST_REDIRECTS} times, last to {url}")

    def _once(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Page:
        parts = urlsplit(url)
        assert url.startswith(f"{self.base}/"), f"led away to {url}"
        sent = {"Accept-Language": self.language}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        target = url.removeprefix(f"{parts.scheme}://{parts.netloc}").partition("#")[0]
        with closing(http.client.HTTPConnection(parts.netloc, timeout=30)) as connection:
            connection.request(method, target, body or None, sent)
            response = connection.getresponse()
            content = response.read()
        for name, value in response.getheaders():
            if name.lower() == "set-cookie":
                self.cookies |= {key: one.value for key, one in SimpleCookie(value).items()}
        return Page(url, response.status, {k.lower(): v for k, v in response.getheaders()}, content)


class _Markup(HTMLParser):
    """The parts of a page that journeys need: its forms, links, whatever it loads, and its text."""

    SILENT = ("style", "script", "title", "svg", "head")
    LOADING = ("src", "href", "action", "formaction", "srcset", "poster", "data", "xlink:href")

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.addresses: list[str] = []  # in every attribute that makes a browser fetch or go somewhere
        self.said: list[str] = []
        self.root: dict[str, str] = {}  # attributes of <html>
        self.tags: list[tuple[str, dict[str, str]]] = []
        self._form: Form | None = None
        self._select = ""
        self._area: str | None = None
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        self.addresses += [given[name] for name in self.LOADING if given.get(name)]
        if tag in self.SILENT:
            self._silent.append(tag)
        match tag:
            case "html":
                self.root = given
            case "a":
                self.links.append(given.get("href", ""))
            case "form":
                method = given.get("method", "get").lower()
                self._form = Form(given.get("id", ""), given.get("action", ""), method)
                self.forms.append(self._form)
                self._form.buttons += [b for b in self._orphans() if b["form"] == self._form.id]
            case "button":
                self._button(given)
            case "input" | "select" | "textarea" if self._form is not None and "name" in given:
                self._form.fields.add(given["name"])
                self._begin_field(self._form, tag, given)
            case "option" if self._form is not None and self._select:
                self._option(self._form, given)
            case "p" | "li" | "h1" | "h2" | "h3" | "dt" | "dd" | "div" | "td" | "th" | "label" | "br":
                self.said.append(" ")

    def _orphans(self) -> list[dict[str, str]]:
        """Buttons met so far that name a form to belong to."""
        return [given for tag, given in self.tags if tag == "button" and given.get("form")]

    def _button(self, given: dict[str, str]) -> None:
        named = [form for form in self.forms if form.id == given.get("form")]
        owner = named[0] if named else None if given.get("form") else self._form
        if owner is not None:
            owner.buttons.append(given)

    def _begin_field(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, kind = given["name"], given.get("type", "text")
        if tag == "select":
            self._select = name
            form.options[name] = []
        elif tag == "textarea":
            self._area = name
            form.values[name] = ""
        elif kind in ("radio", "checkbox"):
            form.options.setdefault(name, []).append(given.get("value", "on"))
            if "checked" in given:
                form.values[name] = given.get("value", "on")
        elif kind != "submit":
            form.values[name] = given.get("value", "")

    def _option(self, form: Form, given: dict[str, str]) -> None:
        form.options[self._select].append(given.get("value", ""))
        if "selected" in given or self._select not in form.values:  # a browser chooses the first by itself
            form.values[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if self._silent and tag == self._silent[-1]:
            self._silent.pop()
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data: str) -> None:
        if self._area is not None and self._form is not None:
            self._form.values[self._area] += data
        elif not self._silent:
            self.said.append(data)
