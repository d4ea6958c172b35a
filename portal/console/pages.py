"""Every page of the console, imported so that its blueprint is whole: an application registers `console`."""

from typing import NoReturn

from flask import abort

from portal.console import (
    access,
    approval_sentences,
    approvals,
    batches,
    claims,
    company,
    confirming,
    exports,
    files,
    intake,
    log,
    lots,
    materials,
    own_account,
    own_factors,
    own_zone,
    parties,
    people,
    people_sentences,
    products,
    recall_sentences,
    recalls,
    record,
    scanner,
    search,
    shipments,
    sign_in,
    sites,
    substitutions,
    today,
    trace_sentences,
    unit,
    units,
    webhooks,
    work,
)
from portal.console.shell import console as console
from portal.permissions import for_all

__all__ = [
    "access",
    "approval_sentences",
    "approvals",
    "batches",
    "claims",
    "company",
    "confirming",
    "console",
    "exports",
    "files",
    "intake",
    "log",
    "lots",
    "materials",
    "own_account",
    "own_factors",
    "own_zone",
    "parties",
    "people",
    "people_sentences",
    "products",
    "recall_sentences",
    "recalls",
    "record",
    "scanner",
    "search",
    "shipments",
    "sign_in",
    "sites",
    "substitutions",
    "today",
    "trace_sentences",
    "unit",
    "units",
    "webhooks",
    "work",
]


@console.get("/<path:_anywhere>")
@for_all
def nowhere(_anywhere: str) -> NoReturn:
    """An address that no page has: answered in the console's own words."""
    abort(404)
