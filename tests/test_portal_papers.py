"""Packing lists carry a checkpoint out of the house: what is printed is what `log compare` takes."""

import json
import re
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path

import click
import pytest
import zxingcpp
from click.testing import CliRunner, Result
from PIL import Image, ImageDraw

from labels.codes import QUIET_ZONE
from ledger.cli.support import Group
from ledger.log.checkpoint import Checkpoint
from ledger.log.compare import compare, parse_kept
from ledger.trace.shipment import list_shipments
from portal.cli_papers import paper, show_shipment
from portal.papers import Paper, code_png, code_text, paper_of
from tests.staff import Desk, text_of
from tests.world import World

WIDTH_MM = 36  # of the printed code


@pytest.fixture
def shipped(world: World) -> World:
    world.batch("B1", units=5).ships(to="DE", count=3)
    return world


def read_back(picture: Image.Image) -> str:
    read = zxingcpp.read_barcodes(picture.convert("L"))
    [found] = [
        one for one in read if one.format == zxingcpp.BarcodeFormat.QRCode
    ]  # bars are seen in chance patterns
    return str(found.text)


def drawn(path: str, side: int, *, pixels: int) -> Image.Image:
    """The SVG's path as a renderer fills it: rectangles only."""
    picture = Image.new("1", (side * pixels, side * pixels), 1)
    pen = ImageDraw.Draw(picture)
    for x, y, width, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", path):
        assert width == back
        left, top = int(x) * pixels, int(y) * pixels
        pen.rectangle((left, top, left + int(width) * pixels - 1, top + pixels - 1), 0)
    return picture


def from_terminal(text: str) -> Image.Image:
    """What a dark terminal shows: a light half is a light pixel."""
    lines = text.split("\n")
    picture = Image.new("1", (len(lines[0]) * 4, len(lines) * 8), 0)
    pen = ImageDraw.Draw(picture)
    for y, line in enumerate(lines):
        for x, half in enumerate(line):
            for part in (0, 1):
                if half in ("█▀" if part == 0 else "█▄"):
                    top = y * 8 + part * 4
                    pen.rectangle((x * 4, top, x * 4 + 3, top + 3), 1)
    return picture


def test_the_code_holds_the_signed_note_in_every_form_it_is_drawn_in(shipped: World) -> None:
    made = paper_of(shipped.standing())
    assert read_back(Image.open(BytesIO(code_png(made.code)))) == made.note
    assert read_back(drawn(made.code_path, made.code_side, pixels=3)) == made.note
    assert read_back(from_terminal(code_text(made.code))) == made.note


def test_a_module_is_wide_enough_for_an_office_printer_also_with_two_signatures(shipped: World) -> None:
    made = paper_of(shipped.standing())
    assert WIDTH_MM / made.code_side >= 0.5
    text, _, signature = made.note.partition("\n\n")
    two = paper_of(replace(shipped.standing(), note=f"{text}\n\n{signature}{signature}"))
    assert WIDTH_MM / two.code_side >= 0.4


def kept_on(paper: Paper) -> list[str]:
    """Both forms that somebody may keep."""
    return [paper.note, paper.short]


def test_what_is_printed_is_found_in_the_log_as_it_goes_on(shipped: World) -> None:
    made = paper_of(shipped.standing())
    shipped.batch("B2", units=3)
    standing = shipped.standing()
    newest = Checkpoint(shipped.ledger.settings.origin, standing.size, bytes.fromhex(standing.root))
    for text in kept_on(made):
        found = shipped.read(partial(compare, kept=parse_kept(text), newest=newest))
        assert found.verdict == "contained"


@pytest.mark.parametrize(
    ("language", "title", "told"),
    [("en", "Packing list", "Keep this paper."), ("zh-Hans", "装箱单", "请保留此纸。")],
)
def test_a_shipment_s_page_prints_as_a_packing_list_with_the_newest_checkpoint(
    shipped: World, language: str, title: str, told: str
) -> None:
    browser = Desk.of(shipped).signed_in(language=language)
    address = re.search(r'href="(/console/shipments/[A-Z0-9]{16})"', browser.page("/console/shipments"))
    assert address
    page = browser.page(address[1])
    said = text_of(page)
    note = shipped.standing().note
    assert title in said
    assert told in said
    printed = re.search(r'<pre class="paper-note" dir="ltr">([^<]*)</pre>', page)
    assert printed
    assert parse_kept(printed[1]).note == note
    path, side = (
        re.search(r'paper-white"[^>]*/><path d="([^"]+)"', page),
        re.search(r'paper-code" viewBox="0 0 (\d+)', page),
    )
    assert path
    assert side
    assert read_back(drawn(path[1], int(side[1]), pixels=3)) == note
    assert "seal is old" not in said


def test_a_seal_that_is_old_says_so_on_the_paper(shipped: World) -> None:
    browser = Desk.of(shipped).signed_in()
    shipped.ledger.guard.path.unlink()
    address = re.search(r'href="(/console/shipments/[A-Z0-9]{16})"', browser.page("/console/shipments"))
    assert address
    assert "This seal is old" in text_of(browser.page(address[1]))


def test_the_quiet_zone_is_left_white(shipped: World) -> None:
    picture = Image.open(BytesIO(code_png(paper_of(shipped.standing()).code)))
    edge = QUIET_ZONE * 8
    for box in ((0, 0, picture.width, edge), (0, 0, edge, picture.height)):
        assert picture.crop(box).convert("L").getextrema() == (255, 255)


# --- on the command line


def typed(world: World, command: click.Command, *words: str) -> Result:
    """The command over the world's folder, behind the border that every command has."""
    group = Group("shipment", commands={"typed": command})
    environ = {"LOTPROOF_DATA": str(world.ledger.settings.data)}
    return CliRunner().invoke(group, ["typed", *words], env=environ)


def code_of_shipment(world: World) -> str:
    return world.read(list_shipments)[0].code


@pytest.mark.files
def test_the_packing_list_on_the_command_line_carries_note_short_form_and_code(
    shipped: World, tmp_path: Path
) -> None:
    printed = typed(shipped, paper, code_of_shipment(shipped))
    assert printed.exit_code == 0
    note = shipped.standing().note
    assert note in printed.stdout
    assert paper_of(shipped.standing()).short in printed.stdout
    drawn_code = printed.stdout.rstrip("\n").split("\n\n")[-1]
    assert read_back(from_terminal(drawn_code)) == note
    picture = tmp_path / "code.png"
    said = typed(shipped, paper, code_of_shipment(shipped), "--out", str(picture), "--json")
    assert json.loads(said.stdout)["checkpoint"]["note"] == note
    assert read_back(Image.open(picture)) == note


@pytest.mark.files
def test_a_shipment_is_shown_with_its_goods_and_its_history(shipped: World) -> None:
    shown = typed(shipped, show_shipment, code_of_shipment(shipped), "--json")
    told = json.loads(shown.stdout)
    assert (told["country"], told["lines"][0]["batch"], told["lines"][0]["units"]) == ("DE", "B1", 3)
    assert [one["kind"] for one in told["history"]] == ["shipment.sent/1"]
    assert typed(shipped, show_shipment, "nothing").exit_code == 3
