"""What can go wrong because of what was asked for.

An error's class is what went wrong, its facts are the parameters, and `message` is the English sentence
(the msgid that the portal translates) that says what happened and what to do. A broken invariant of ours is
not a LedgerError: it crashes. Tampering is a Finding: it is reported.
"""

import errno
from typing import ClassVar


class LedgerError(Exception):
    """The caller asked for something that cannot be done; nothing was written."""

    message: ClassVar[str] = "This cannot be done."
    http_status: ClassVar[int] = 422

    def __init__(self, **facts: object) -> None:
        super().__init__(type(self).__name__, facts)
        self.facts = facts

    def __str__(self) -> str:
        return self.message.format(**self.facts)


class NotFound(LedgerError):
    """Something named does not exist."""

    http_status = 404


class Refused(LedgerError):
    """The request is well formed, and the state of things forbids it."""

    http_status = 409


class DiskRefused(LedgerError):
    """The disk, or what stands between it and us, did not do what was asked."""

    message = (
        "The disk did not do what was asked of it ({reason}). What was confirmed before is safe; whether this was "
        "recorded is not known. Make room or look at the disk, then send the same again under the same key: it is "
        "recorded only once."
    )
    http_status = 503


class DatabaseDamaged(LedgerError):
    """A database's file is not what SQLite wrote."""

    message = (
        "A database file is damaged ({reason}). Stop every process, keep the damaged files as they are, "
        "and put the newest backup back; lotproof audit names what is wrong."
    )
    http_status = 503


class RightsMissing(LedgerError):
    """The role that we connect as may not do it: PostgreSQL refuses by role, whoever asks."""

    message = (
        "The role of the database may not do this ({reason}). What makes or changes tables (init, migrate, restore, "
        "log move) needs LOTPROOF_OWNER_URL, with the role that owns them. An init, restore or move that broke off "
        "leaves tables that only their owner sees: repeat it."
    )
    http_status = 503


_ERRNOS = frozenset(
    {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
    | {errno.EMFILE, errno.ENFILE}
)
# SQLite, "Result and Error Codes".
_REFUSING = {"SQLITE_READONLY": 8, "SQLITE_IOERR": 10, "SQLITE_FULL": 13, "SQLITE_CANTOPEN": 14}
_DAMAGED = {"SQLITE_CORRUPT": 11, "SQLITE_NOTADB": 26}
_INSUFFICIENT_PRIVILEGE = "42501"  # PostgreSQL, "Error Codes".


def storage_error(error: BaseException) -> LedgerError | None:
    """What disk or database refused, where `error` comes from that; None for anything else, such as our mistakes.

    SQLAlchemy wraps what the database says, and we what it undid: the cause is looked for behind both.
    """
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return DiskRefused(reason=error)
    return database_error(error) or (storage_error(error.__cause__) if error.__cause__ else None)


def database_error(error: BaseException) -> LedgerError | None:
    """The same for what the database alone says, whoever passes it on."""
    if getattr(error, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
        return RightsMissing(reason=str(error).strip())
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED.values():
        return DatabaseDamaged(reason=error)
    if code in _REFUSING.values():
        return DiskRefused(reason=error)
    return database_error(error.__cause__) if error.__cause__ else None
