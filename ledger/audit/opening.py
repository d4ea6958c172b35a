"""How a log begins, and whether the key at hand has to do with it."""

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ledger.audit.finding import Findings
from ledger.audit.reading import BadBody, EntryReader, UnknownKind
from ledger.audit.rows import DRIVER_ERRORS, fetch, recover
from ledger.errors import LedgerError
from ledger.journal.events import LogOpened
from ledger.journal.key_events import read_keyring
from ledger.log.checkpoint import Checkpoint
from ledger.log.keyring import Keyring
from ledger.log.note import Verifier, split_note

_FIRST = "SELECT body FROM log_entries WHERE position = 0"


def first_keyring(connection: Connection, verifier: Verifier, findings: Findings) -> Keyring:
    """The keyring that entry 0 begins; where it does not open a log, the key at hand has to do."""
    event = _first_event(connection)
    if not isinstance(event, LogOpened):
        findings.add("opening", "log_entries", 0, "body", "does not open a log")
        return Keyring.begin(verifier)
    try:
        first = Verifier.parse(event.vkey)
    except LedgerError as error:
        findings.add("opening", "log_entries", 0, "data.vkey", f"names no key: {error}")
        return Keyring.begin(verifier)
    if first.name != event.origin:
        problem = f"opens the log {event.origin}, and its key is that of {first.name}"
        findings.add("opening", "log_entries", 0, "data.origin", problem)
    return Keyring.begin(first)


def known_keyring(connection: Connection, verifier: Verifier) -> Keyring:
    """The keyring as the derived table has it: quick, and to be held against the entries; else the key at hand."""
    try:
        return read_keyring(connection) or Keyring.begin(verifier)
    except (LedgerError, SQLAlchemyError, *DRIVER_ERRORS):
        recover(connection)
        return Keyring.begin(verifier)


def check_key(keyring: Keyring, verifier: Verifier, note: str | None, findings: Findings) -> None:
    """Name a key at hand that neither signs the newest checkpoint nor leads, by statements, to one that does."""
    if note is None:
        return
    try:
        size = Checkpoint.parse(split_note(note)[0]).size
        keyring.way(verifier, size)
    except LedgerError as error:
        problem = f"the key at hand cannot vouch for this log: {error}"
        newest = note.split("\n", 2)[1]
        findings.add("key", "log_checkpoints", newest, "note", problem, key=verifier.to_text())


def _first_event(connection: Connection) -> object:
    try:
        body = fetch(connection, _FIRST)
        return EntryReader().read(body[0][0] if body else b"")[1]
    except DRIVER_ERRORS:
        recover(connection)
    except (BadBody, UnknownKind, TypeError):
        pass  # the entries' own check says why
    return None
