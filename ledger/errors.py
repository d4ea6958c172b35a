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


_ERRNOS = frozenset(
    {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}
    | {errno.EMFILE, errno.ENFILE}
)
# SQLite, "Result and Error Codes".
_REFUSING = {"SQLITE_READONLY": 8, "SQLITE_IOERR": 10, "SQLITE_FULL": 13, "SQLITE_CANTOPEN": 14}
_DAMAGED = {"SQLITE_CORRUPT": 11, "SQLITE_NOTADB": 26}


def storage_error(error: BaseException) -> LedgerError | None:
    """What the disk did, where that is what `error` comes from; None for anything else, a mistake of ours above all.

    SQLAlchemy wraps what SQLite says, and we what it undid: the cause is looked for behind both.
    """
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return DiskRefused(reason=error)
    return database_error(error) or (storage_error(error.__cause__) if error.__cause__ else None)


def database_error(error: BaseException) -> LedgerError | None:
    """The same for what SQLite says alone, whoever passes it on."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED.values():
        return DatabaseDamaged(reason=error)
    if code in _REFUSING.values():
        return DiskRefused(reason=error)
    return database_error(error.__cause__) if error.__cause__ else None
