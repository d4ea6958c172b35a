"""Hand scanners: a code to try one with, what is wrong with it, and how to set it right."""

from dataclasses import dataclass

from flask import Response, request

from labels.codes import QUIET_ZONE, code_of
from portal.console.desk import words
from portal.console.names import code
from portal.console.shell import console, page
from portal.papers import code_path_of
from portal.permissions import for_all
from portal.scans import TEST_TEXT, Diagnosis, diagnose
from translations import Words, mark

# What layouts are called, by their keys in portal/data/keyboard_layouts.toml.
LAYOUTS = {
    "us": mark("US English"),
    "de": mark("German"),
    "fr": mark("French"),
    "es": mark("Spanish"),
    "it": mark("Italian"),
    "tr": mark("Turkish"),
    "ru": mark("Russian"),
    "ar": mark("Arabic"),
    "he": mark("Hebrew"),
    "el": mark("Greek"),
    "ja": mark("Japanese"),
    "kana": mark("Japanese kana"),
}

KANA = "kana"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the test code has shown: how grave it is, what is so, what to set."""

    meaning: str
    said: str
    to_do: str


@console.get("/scanner")
@for_all
def scanner() -> Response:
    """The test code; with `scan`, what the scanner made of it."""
    text = request.args.get("scan", "")
    found = diagnose(text) if text else None
    drawn = code_of(TEST_TEXT)
    return page(
        "scanner.html",
        side=drawn.size + 2 * QUIET_ZONE,
        path=code_path_of(drawn),
        has_scan=bool(text),
        diagnosis=found,
        findings=_findings(found) if found else [],
        typed=code(text[:200]),
    )


def layout_said(spoken: Words, key: str) -> str:
    """What a layout is called."""
    return spoken.text(LAYOUTS[key])


def _findings(found: Diagnosis) -> list[Finding]:
    """Everything that the code has shown, the gravest first."""
    spoken, repair, is_kana = words(), found.repair, found.repair.layout == KANA
    computer, wanted = layout_said(spoken, repair.layout), layout_said(spoken, repair.scanner)
    rows = (
        (
            repair.is_input_method or is_kana,
            "person",
            spoken.text("An input method for Chinese or Japanese takes what the scanner types."),
            spoken.text("Switch it to plain Latin letters before you scan."),
        ),
        (
            repair.layout != repair.scanner and not is_kana,
            "person",
            spoken.text(
                "The scanner types as if this computer’s keyboard were {scanner}. It is {computer}.",
                scanner=wanted,
                computer=computer,
            ),
            spoken.text(
                "Set the scanner to {computer}. Its manual calls this the keyboard’s country or language.",
                computer=computer,
            ),
        ),
        (
            repair.is_caps,
            "person",
            spoken.text("Caps Lock is on: capitals and small letters are exchanged."),
            spoken.text("Switch Caps Lock off."),
        ),
        (
            found.has_lost_shift and not is_kana,
            "person",
            spoken.text("The shift key gets lost: there are no capitals."),
            spoken.text(
                "Let the scanner type more slowly. Its manual calls this the delay between characters."
            ),
        ),
        (
            bool(found.missing) and repair.layout == repair.scanner,
            "person",
            spoken.text(
                "These characters did not come through: {characters}", characters=" ".join(found.missing)
            ),
            spoken.text(
                "Scan once more with the cursor in the field below. If they are missing again, type such codes."
            ),
        ),
        (
            bool(found.prefix),
            "clear",
            spoken.text("The scanner puts {prefix} before each code.", prefix=found.prefix),
            spoken.text("We take it away. You may switch the AIM identifier off."),
        ),
        (
            not found.has_gs,
            "clear",
            spoken.text("The separator GS is not passed on."),
            spoken.text("Our own codes do without it. GS1 codes of others may be read in two ways then."),
        ),
    )
    return [Finding(meaning, said, to_do) for is_so, meaning, said, to_do in rows if is_so]
