"""What can go wrong because of what was asked for.

An error's class is what went wrong, its facts are the parameters, and `message` is the English sentence
(the msgid that the portal translates) that says what happened and what to do. A broken invariant of ours is
not a LedgerError: it crashes. Tampering is a Finding: it is reported.
"""

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
