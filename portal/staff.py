"""Letting people in and out: the account with its secrets, and what the log says of it.

The account is made first and the log says so second: a crash between the two leaves an account that may do nothing, and
`give_roles` lets it in. Ending goes the other way round: once the log says it, no request is answered any more, and
then the sessions end.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy import Engine

from ledger.journal.journal import By, NothingRecorded
from ledger.journal.opening import Ledger
from ledger.people import account as people
from ledger.people.account import AdmitAccount, EndAccount, GiveRoles
from ledger.people.roles import check_roles, roles
from portal.accounts import Account, UnknownAccount, add_account, disable_account
from portal.invitations import invite
from portal.passwords import new_password

OPERATOR = By("system:operator")  # whoever has the machine in their hands
AUDITOR = "auditor"


def all_but_auditing() -> tuple[str, ...]:
    """For a company of one person: every role in which something is done."""
    return tuple(name for name in roles() if name != AUDITOR)


def let_in(
    ledger: Ledger,
    state: Engine,
    name: str,
    held: Sequence[str],
    *,
    now: datetime,
    by: By = OPERATOR,
    password: str | None = None,
) -> tuple[Account, str]:
    """A new account in these roles, with a password that is shown once. Raises UnknownRole, and as `add_account`."""
    secret = password or new_password(os.urandom)
    return _admit(ledger, state, name, held, secret, now=now, by=by), secret


def let_in_by_link(
    ledger: Ledger, state: Engine, name: str, held: Sequence[str], *, now: datetime, by: By
) -> tuple[Account, str]:
    """The same without a password: gives the token of the link by which they choose one."""
    account = _admit(ledger, state, name, held, None, now=now, by=by)
    # A crash here: no link yet; a new one is made on their page.
    return account, invite(state, account.id, now=now)


def set_roles(ledger: Ledger, account: str, held: Sequence[str], *, by: By = OPERATOR) -> bool:
    """Have the account of this id act in these roles and no others; False where it does already.

    One that a crash kept from being let in is let in. Raises UnknownRole, AccountEnded, LastManager.
    """
    held = check_roles(held)
    with suppress(NothingRecorded):  # it is in
        ledger.journal.write(people.admit_account, AdmitAccount(account=account, roles=held), by)
        return True
    with suppress(NothingRecorded):  # it has them
        ledger.journal.write(people.give_roles, GiveRoles(account=account, roles=held), by)
        return True
    return False


def end(
    ledger: Ledger, state: Engine, account: str, reason: str, *, now: datetime, by: By = OPERATOR
) -> None:
    """Let the account of this id do nothing any more. Raises UnknownStaff, AccountEnded, LastManager.

    Where `state.db` was lost and its name with it, the log alone is told.
    """
    ledger.journal.write(people.end_account, EndAccount(account=account, reason=reason), by)
    # A crash here: their sessions are open still, and every page says no.
    with suppress(UnknownAccount):
        disable_account(state, account, now=now)


def _admit(
    ledger: Ledger,
    state: Engine,
    name: str,
    held: Sequence[str],
    password: str | None,
    *,
    now: datetime,
    by: By,
) -> Account:
    held = check_roles(held)
    account = add_account(state, name, password, now=now)
    # A crash here: an account that sees and does nothing until `set_roles` lets it in.
    ledger.journal.write(people.admit_account, AdmitAccount(account=account.id, roles=held), by)
    return account
