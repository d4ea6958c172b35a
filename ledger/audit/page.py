"""The report of an audit as one page that prints: nothing is loaded, so it can be filed and sent as it is."""

from collections.abc import Iterator
from html import escape

from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

from ledger.audit.advice import ADVICE
from ledger.audit.finding import Finding
from ledger.audit.told import Audited, by_code, how_many
from ledger.log.checkpoint import Checkpoint
from ledger.log.note import split_note
from ledger.moments import format_moment

QUIET_ZONE = 4  # modules of white on each side (ISO/IEC 18004)
MOST_SHOWN = 200  # of one code: a page is read by people, and --json has them all

_STYLE = """
@page { size: A4; margin: 18mm 16mm }
* { box-sizing: border-box }
body { font: 10.5pt/1.45 system-ui, "Noto Sans", sans-serif; color: #1a1c1e; max-width: 178mm; margin: 8mm auto;
padding: 0 4mm }
h1 { font-size: 17pt; margin: 0 0 1mm } h2 { font-size: 12pt; margin: 7mm 0 2mm; border-bottom: .4mm solid #1a1c1e }
h3 { font-size: 11pt; margin: 5mm 0 1mm } p { margin: 0 0 2mm } ul { margin: 0 0 2mm; padding-inline-start: 5mm }
.result { border: .6mm solid; padding: 3mm 4mm; margin: 4mm 0; font-size: 12pt; font-weight: 600 }
.clean { border-color: #1d6b3a } .found { border-color: #9c1c1c; border-width: 1.2mm }
table { border-collapse: collapse; width: 100%; font-size: 9.5pt } th, td { text-align: start; vertical-align: top;
padding: 1mm 2mm 1mm 0; border-bottom: .2mm solid #b9bec4; overflow-wrap: anywhere } th { font-weight: 600 }
dl { display: grid; grid-template-columns: 42mm 1fr; gap: .8mm 3mm; margin: 0 } dt { color: #4a5057 }
dd { margin: 0; overflow-wrap: anywhere } code, pre { font: 9pt/1.4 ui-monospace, "Noto Sans Mono", monospace }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; flex: 1 }
.paper { display: flex; gap: 6mm; align-items: start }
svg { width: 46mm; height: 46mm; flex: none } section { break-inside: avoid } tr { break-inside: avoid }
footer { margin-top: 8mm; color: #4a5057; font-size: 9pt }
@media screen and (max-width: 640px) { .paper { flex-direction: column } pre { width: 100% }
dl { grid-template-columns: 30mm 1fr } th { overflow-wrap: normal } }
"""


def page(audited: Audited) -> str:
    """The whole page, in English: the problems that it lists are the ledger's own words."""
    title = f"Audit of {audited.origin}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p>{_when(audited)}</p>"
        f"{_result(audited)}<h2>What was looked at</h2>{_facts(audited)}{_coverage(audited)}"
        f"{''.join(_findings(audited))}{_checkpoint(audited)}"
        "<footer>Made by <code>lotproof audit --report</code>. Whoever doubts it can run the audit again, or check "
        "an export with <code>lotproof verify</code> on a machine of their own.</footer></body></html>\n"
    )


def _when(audited: Audited) -> str:
    begun = f"{audited.begun:%d %B %Y, %H:%M:%S} UTC".lstrip("0")
    return f"Begun {escape(begun)}; took {audited.seconds:,.1f} seconds."


def _result(audited: Audited) -> str:
    count = how_many(audited.report)
    if not count:
        return '<p class="result clean">✓ Nothing wrong was found in what was looked at.</p>'
    return (
        f'<p class="result found">✗ {count:,} finding{"s" * (count > 1)}: something is not as it must be.</p>'
    )


def _facts(audited: Audited) -> str:
    report = audited.report
    facts = {
        "Log": audited.origin,
        "Entries": f"{report.size:,}",
        "Checkpoints": f"{report.checkpoints:,}",
        "Judged by the key": audited.key,
        "Version": f"Lotproof {audited.version}",
        "Begun at": format_moment(audited.begun),
    }
    return "<dl>" + "".join(f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in facts.items()) + "</dl>"


def _coverage(audited: Audited) -> str:
    """A table of what was checked and what was not."""
    report = audited.report
    tail = f" from entry {report.first:,} on" if report.first else ""
    rows = [
        (f"Entries{tail}: form, chain, order of time, links, files they name", True),
        (f"Tree and stored tiles; every checkpoint{tail}: root, and the keys of its time", True),
        ("Schema, triggers and what the database's own catalogue says", True),
        ("The guard beside the database", audited.has_guard),
        ("Every value derived from the log, made again and compared", audited.is_derived),
        (
            "The vault of personal data, every row opened"
            + (f" ({report.vault_rows:,})" if report.vault_rows is not None else ""),
            report.vault_rows is not None,
        ),
    ]
    if report.first:
        rows.append(
            (f"The {report.first:,} entries before: their words, and the checkpoints over them", False)
        )
    shown = "".join(
        f"<tr><td>{escape(what)}</td><td>{'✓ yes' if done else '— no'}</td></tr>" for what, done in rows
    )
    remarks = "".join(f"<p>{escape(remark)}</p>" for remark in report.remarks)
    return f"<h3>Checked</h3><table><tr><th>What</th><th>Checked</th></tr>{shown}</table>{remarks}"


def _findings(audited: Audited) -> Iterator[str]:
    if audited.report.findings:
        yield "<h2>Findings</h2>"
    for code, found in by_code(audited.report.findings):
        advice = ADVICE[code]
        steps = "".join(f"<li>{_with_code(step)}</li>" for step in advice.next)
        yield (
            f"<section><h3>{escape(advice.means)}</h3><p><code>{escape(code)}</code></p>"
            f"<p><b>Perhaps:</b> {escape(advice.harmless)}</p><p><b>Or:</b> {escape(advice.harmful)}</p>"
            f"<p><b>What to do</b></p><ul>{steps}</ul></section>{_places(found)}"
        )


def _places(found: list[Finding]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.table)}</td><td>{escape(one.row)}</td><td>{escape(one.field)}</td>"
        f"<td>{escape(one.problem)}{_shown_facts(one)}</td></tr>"
        for one in found[:MOST_SHOWN]
    )
    if len(found) > MOST_SHOWN:
        rows += f'<tr><td colspan="4">{len(found) - MOST_SHOWN:,} more: see --json.</td></tr>'
    return f"<table><tr><th>Table</th><th>Row</th><th>Field</th><th>Problem</th></tr>{rows}</table>"


def _shown_facts(one: Finding) -> str:
    pairs = [f"{name}: {value}" for name, value in one.facts.items() if name in ("stands", "should", "index")]
    return "".join(f"<br><code>{escape(pair[:300])}</code>" for pair in pairs)


def _with_code(step: str) -> str:
    """A step with what stands between backquotes as code."""
    pieces = step.split("`")
    return "".join(f"<code>{escape(p)}</code>" if place % 2 else escape(p) for place, p in enumerate(pieces))


def _checkpoint(audited: Audited) -> str:
    note = audited.report.note
    if note is None:
        return "<h2>Checkpoint</h2><p>The log has none.</p>"
    checkpoint = Checkpoint.parse(split_note(note)[0])
    return (
        "<section><h2>The newest checkpoint</h2><p>Keep this page: whoever holds it can tell later whether the log "
        f"still has these {checkpoint.size:,} entries, with <code>lotproof log compare</code>. "
        "The square holds the same text.</p>"
        f'<div class="paper">{_code(note)}<pre>{escape(note)}</pre></div></section>'
    )


def _code(text: str) -> str:
    """A QR code of level M as a picture of squares."""
    code = QRCode(error_correction=ERROR_CORRECT_M, border=QUIET_ZONE)
    code.add_data(text.encode())
    rows = code.get_matrix()
    path = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark
    )
    size = len(rows)
    return (
        f'<svg viewBox="0 0 {size} {size}" role="img" aria-label="The checkpoint as a QR code" '
        f'shape-rendering="crispEdges"><path d="{path}"/></svg>'
    )
