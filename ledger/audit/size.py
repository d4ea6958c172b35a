"""How many entries there are to look at, also where somebody put a row at the end of the numbers."""

from sqlalchemy import Connection

from ledger.audit.rows import fetch, is_sqlite

LEAST_ENTRY_BYTES = 100  # a leaf, a salt and a hash in hex: no entry is as short as that
FAR_ENTRIES = 65_536  # so many may be missing in a row, and are named; a row behind them stands alone


def log_size(connection: Connection) -> int:
    """One more than the last entry's index; rows so far behind all others that they cannot belong are left aside."""
    last = int(fetch(connection, "SELECT coalesce(max(position), -1) FROM log_entries")[0][0])
    if last < _bytes_of_log(connection) // LEAST_ENTRY_BYTES:
        return last + 1
    # Counting reads the whole table: only where there cannot be as many entries as that.
    count = int(fetch(connection, "SELECT count(*) FROM log_entries WHERE position >= 0")[0][0])
    near = "SELECT coalesce(max(position), -1) FROM log_entries WHERE position < ?"
    return int(fetch(connection, near, count + FAR_ENTRIES)[0][0]) + 1


def _bytes_of_log(connection: Connection) -> int:
    """At least as many bytes as the entries take."""
    if is_sqlite(connection):
        return int(fetch(connection, "PRAGMA page_count")[0][0]) * int(
            fetch(connection, "PRAGMA page_size")[0][0]
        )
    return int(fetch(connection, "SELECT pg_total_relation_size('log_entries')")[0][0])
