"""For any WSGI server: one application a process, over the ledger that LOTPROOF_DATA points at."""

from ledger.settings import Settings
from portal.opening import open_app

application = open_app(Settings.from_env())
