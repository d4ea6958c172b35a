"""A report as text and as values for JSON; the page that prints is `ledger.audit.page`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from ledger.audit.advice import ADVICE
from ledger.audit.finding import Finding
from ledger.audit.log import Report
from ledger.moments import format_moment

MOST_SHOWN_AS_TEXT = 50  # of one code; --json and --report have them all


@dataclass(frozen=True, slots=True)
class Audited:
    """A report and how it came about."""

    report: Report
    origin: str
    key: str  # what signatures were judged by
    begun: datetime
    seconds: float
    version: str
    is_derived: bool
    has_guard: bool  # a mirror has none


def as_values(audited: Audited) -> dict[str, object]:
    """For `--json`."""
    report = audited.report
    return {
        "entries": report.size,
        "checkpoints": report.checkpoints,
        "checkpoint": report.note,
        "first_entry_read": report.first,
        "vault_rows": report.vault_rows,
        "staged": report.staged,
        "remarks": list(report.remarks),
        "begun": format_moment(audited.begun),
        "seconds": round(audited.seconds, 3),
        "version": audited.version,
        "findings": [_values(one) for one in report.findings],
        "advice": {code: _advice(code) for code in sorted({one.code for one in report.findings})},
    }


def _values(one: Finding) -> dict[str, object]:
    return {
        "code": one.code,
        "table": one.table,
        "row": one.row,
        "field": one.field,
        "problem": one.problem,
        "facts": {name: str(value) for name, value in one.facts.items()},
    }


def _advice(code: str) -> dict[str, object]:
    advice = ADVICE[code]
    return {
        "means": advice.means,
        "harmless": advice.harmless,
        "harmful": advice.harmful,
        "next": list(advice.next),
    }


def as_text(audited: Audited) -> str:
    """For a terminal: what was found, what it means and what to do, and what was looked at."""
    report = audited.report
    lines = [line for code, found in by_code(report.findings) for line in _code_lines(code, found)]
    lines += [f"{count} rows of {table} wait for their event." for table, count in report.staged.items()]
    lines += report.remarks
    looked_at = ", ".join(looked_at_lines(audited))
    if report.findings:
        return "\n".join([*lines, f"{how_many(report)} findings in {looked_at}."])
    return "\n".join([*lines, f"Nothing wrong found in {looked_at}."])


def by_code(findings: tuple[Finding, ...]) -> Iterator[tuple[str, list[Finding]]]:
    """The findings of each code together, codes in the order in which they were first found."""
    order = {code: place for place, code in enumerate(dict.fromkeys(one.code for one in findings))}
    for code, found in groupby(sorted(findings, key=lambda one: order[one.code]), key=attrgetter("code")):
        yield code, list(found)


def looked_at_lines(audited: Audited) -> list[str]:
    """What was looked at, a part each."""
    report = audited.report
    parts = [f"{report.size} entries and {report.checkpoints} checkpoints"]
    if report.first:
        parts[0] += f" (those before entry {report.first} by their tiles)"
    if audited.is_derived:
        parts.append("and every derived value")
    if report.vault_rows is not None:
        parts.append(f"and {report.vault_rows} rows of the vault")
    return parts


def _code_lines(code: str, found: list[Finding]) -> Iterator[str]:
    for one in found[:MOST_SHOWN_AS_TEXT]:
        yield f"{code}: {one}"
    if len(found) > MOST_SHOWN_AS_TEXT:
        yield f"{code}: {len(found) - MOST_SHOWN_AS_TEXT} more of these; --json and --report list them"
    advice = ADVICE[code]
    yield f"  What it means: {advice.means}"
    yield f"  Perhaps: {advice.harmless}"
    yield f"  Or: {advice.harmful}"
    for step in advice.next:
        yield f"  To do: {step}"
    yield ""


def how_many(report: Report) -> int:
    """How many findings there are, also those that are only counted."""
    return sum(int(str(one.facts["count"])) if one.code == "more" else 1 for one in report.findings)
