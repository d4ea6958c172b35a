"""The pages on which a company is set up: they stand beside each other under *Company*."""

from portal.console.desk import words
from portal.console.shell import address, is_open_to_me
from translations import mark

# Whoever adds a page adds a row: its endpoint, its words.
TABS = (
    ("company", mark("Who we are")),
    ("legal_entities", mark("Legal entities")),
    ("languages", mark("Languages and times")),
    ("approval_rules", mark("Approvals")),
    ("access", mark("Access for others")),
    ("webhooks", mark("Webhooks")),
)


def tabs(here: str) -> list[tuple[str, str, bool]]:
    """Words, address, is here."""
    return [
        (words().text(title), address(endpoint), endpoint == here)
        for endpoint, title in TABS
        if is_open_to_me(endpoint)
    ]
