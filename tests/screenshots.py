"""Pictures of the console for the documents, made in a real browser over the demo: `python -m tests.screenshots`.

Each page at 1,280 and 360 px, in English, Chinese and Arabic, into docs/screens, and the page that shows them all.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browsing import chromium, visiting
from tests.conftest import ROOT
from tests.journeys import Lotproof, Shop, served

FOLDER = ROOT / "docs" / "screens"
WINDOWS = {1280: 800, 360: 740}
LANGUAGES = {"en": "English", "zh-Hans": "Chinese", "ar": "Arabic"}
TALLEST = 1_400  # px: what comes below is more of the same
COLOURS = 64
# The page's name, what it shows, its address, and what to follow there.
PAGES = (
    ("today", "Today: what waits for somebody, and what was recorded just now", "", ""),
    ("batches", "A list: narrowed, taken along as a file", "batches", ""),
    ("batch", "A batch: what was declared and what was found, where its units went", "batches", "25W21-A"),
    ("recall", "A recall: whom it reaches, who approved it, how far it has come", "recalls", "R-2025-01"),
    ("company", "The company: who we are, and what it is set up with", "company", ""),
)


def main() -> None:
    """Make them all anew."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        told = Path(folder) / "var"
        assert Lotproof(told).run("demo").code == 0
        with served(told) as shop:
            for language in LANGUAGES:
                for width, height in WINDOWS.items():
                    _visit(browser, shop, language, width, height)
    (ROOT / "docs" / "screens.md").write_text(_document(), encoding="utf-8")


def _visit(browser: Browser, shop: Shop, language: str, width: int, height: int) -> None:
    locale = {"zh-Hans": "zh-CN"}.get(language, language)
    with visiting(browser, width=width, height=height, locale=locale, reduced_motion="reduce") as visit:
        page = visit.page
        page.goto(f"{shop.base}/console/")
        page.fill("#name", shop.demo["login"]["name"])
        page.fill("#password", shop.demo["login"]["password"])
        page.click("form button")
        page.wait_for_url(f"{shop.base}/console/")
        for name, _, place, follow in PAGES:
            page.goto(f"{shop.base}/console/{place}")
            if follow:
                page.goto(shop.base + str(page.get_by_role("link", name=follow).first.get_attribute("href")))
            visit.expect_calm()
            _keep(page, FOLDER / f"{name}-{language}-{width}.png")


def _keep(page: Page, path: Path) -> None:
    """A picture of few colours: small enough for a repository."""
    with Image.open(io.BytesIO(page.screenshot(full_page=True))) as whole:
        cut = whole.convert("RGB").crop((0, 0, whole.width, min(whole.height, TALLEST)))
    cut.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def _document() -> str:
    lines = ["# The console in pictures", "", "Made from the demo by `python -m tests.screenshots`.", ""]
    for name, says, _, _ in PAGES:
        lines += [f"## {says}", ""]
        for language, called in LANGUAGES.items():
            wide, narrow = (f"screens/{name}-{language}-{width}.png" for width in WINDOWS)
            lines += [f"{called}, 1,280 and 360 px wide:", "", f"![{says}, {called}]({wide})"]
            lines += [f"![{says}, {called}, on a phone]({narrow})", ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
