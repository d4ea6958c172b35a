"""A real browser: headless Chromium, driven by Playwright, and what tests measure in it.

    with chromium() as browser, visiting(browser, width=360, height=740) as visit:
        visit.page.goto(f"{shop.base}/en/")
        visit.expect_calm()

Nothing but the shop's own host is reached. `expect_calm` fails where a page complained: an error in the console, a
request that failed or went elsewhere, content that the security policy blocked, a page wider than its window.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, sync_playwright

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 10_000
OWN_HOSTS = ("127.0.0.1", "localhost", None)  # passkeys need the name


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser that the system has; skips, saying so, where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """One visitor: a page with a history of its own, and whatever went wrong in it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def expect_calm(self) -> None:
        """Nothing went wrong so far, and the page fits its window."""
        assert self.complaints == []
        assert self.overflow() <= 0, f"{self.page.url} is {self.overflow()} px wider than the window"

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(width))

    def bottom(self, selector: str) -> float:
        """Where the last of these elements ends, in pixels from the top of the page."""
        boxes = [one.bounding_box() for one in self.page.locator(selector).all()]
        assert boxes, f"no {selector} on {self.page.url}"
        return max(box["y"] + box["height"] for box in boxes if box is not None)

    def style(self, selector: str, name: str) -> str:
        """A computed property of the first of these elements."""
        return style_of(self.page.locator(selector).first, name)


@contextmanager
def visiting(browser: Browser, *, width: int, height: int, **how: Any) -> Iterator[Visit]:
    """A visitor with a window of this size; further options are those of a browser context."""
    context = browser.new_context(viewport={"width": width, "height": height}, **how)
    context.set_default_timeout(PATIENCE_MS)
    visit = Visit(context.new_page())

    def look(request: Request) -> None:
        if urlsplit(request.url).hostname not in OWN_HOSTS and not request.url.startswith("data:"):
            visit.complaints.append(f"asked somebody else: {request.url}")

    visit.page.on("request", look)
    visit.page.on("requestfailed", lambda one: visit.complaints.append(f"failed: {one.url}"))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on(
        "console", lambda said: visit.complaints.append(said.text) if said.type == "error" else None
    )
    try:
        yield visit
    finally:
        context.close()


def style_of(element: Locator, name: str) -> str:
    """A computed property."""
    return str(element.evaluate("(element, name) => getComputedStyle(element)[name]", name))


COLOURS = """elements => elements.map(element => {
    const painted = one => !/, 0\\)$|transparent/.test(getComputedStyle(one).backgroundColor);
    let behind = element;
    while (behind && !painted(behind)) behind = behind.parentElement;
    return [getComputedStyle(element).color, behind ? getComputedStyle(behind).backgroundColor : "rgb(255, 255, 255)"];
})"""


def contrasts(elements: Locator) -> list[float]:
    """The contrast of each element's text with what is painted behind it.  Source: WCAG 2.2, 1.4.3."""
    return [_ratio(text, ground) for text, ground in elements.evaluate_all(COLOURS)]


def _ratio(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of `rgb(…)` or `color(srgb …)`, opaque."""
    numbers = colour.partition("(")[2].rstrip(")").replace("srgb", "").replace(",", " ").split("/")[0].split()
    scale = 1.0 if colour.startswith("color(") else 255.0
    shares = [float(one) / scale for one in numbers[:3]]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
