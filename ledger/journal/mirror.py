"""A mirror: somebody's log as a copy that can be read and never written to, and what readers need of any ledger.

A mirror's folder of data has `settings.json` (which says whose log it is, and by which key), the database and, where
they came along, the files. It has no keys, no guard, no vault and no state: nothing in it can be signed, and nobody's
personal data is in it. The one way to change it is to import a newer export of the same log.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from ledger.database import connect, reading
from ledger.files import Files
from ledger.journal.journal import read_recorded
from ledger.journal.key_events import read_keyring
from ledger.journal.opening import Ledger
from ledger.journal.projections import refuse_outdated
from ledger.journal.publish import Standing
from ledger.journal.whereabouts import demand_ledger
from ledger.log import store
from ledger.log.directory import NothingPublished
from ledger.settings import Settings


@dataclass(frozen=True, slots=True)
class Readable:
    """What whoever only reads needs, of a ledger of our own as of a mirror."""

    settings: Settings
    engine: Engine
    files: Files
    standing: Callable[[Connection], Standing]
    own: Ledger | None  # with keys and vault; a mirror has neither

    def vkey(self, connection: Connection) -> str:
        """The key that others check the newest checkpoint with; while two keys sign, the newer one."""
        keyring = read_keyring(connection)
        if keyring is None:
            raise NothingPublished()
        return keyring.newest.verifier.to_text()


def as_readable(ledger: Ledger) -> Readable:
    """A ledger of our own, to be read."""
    return Readable(ledger.settings, ledger.engine, ledger.files, ledger.journal.standing, ledger)


def open_mirror(settings: Settings) -> Readable:
    """The mirror that the settings point at. Its engine is the caller's to dispose of.

    Raises NothingThere, RebuildNeeded.
    """
    demand_ledger(settings)
    engine = connect(settings.ledger_db)
    try:
        with reading(engine) as connection:
            refuse_outdated(connection)
    except BaseException:
        engine.dispose()
        raise
    return Readable(settings, engine, Files(settings.files), mirror_standing, own=None)


def mirror_standing(connection: Connection) -> Standing:
    """The newest checkpoint that was imported. Whether the log's owner has published newer ones, nobody here knows.

    Raises NothingPublished.
    """
    note, checkpoint = store.newest_note(connection), store.newest_checkpoint(connection)
    if note is None or checkpoint is None:
        raise NothingPublished()
    as_of = read_recorded(connection, checkpoint.size - 1).at
    return Standing(checkpoint.size, checkpoint.root.hex(), note, as_of, is_old=False)
