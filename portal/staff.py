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

from ledger.database import reading
from ledger.journal.journal import By, NothingRecorded
from ledger.journal.opening import Ledger
from ledger.people import account as people
from ledger.people.account import AdmitAccount, EndAccount, GiveRoles, NameAccount, find_staff
from ledger.people.roles import check_roles, roles
from portal.accounts import (
    Account,
    UnknownAccount,
    add_account,
    disable_account,
    forget_name,
    names_in_clear,
    set_name,
)
from portal.invitations import invite
from portal.names import Names
from portal.passwords import new_password

OPERATOR = By("system:operator")  # whoever has the machine in their hands
AUDITOR = "auditor"


def all_but_auditing() -> tuple[str, ...]:
    """For a company of one person: every role of its own in which something is done."""
    return tuple(name for name, role in roles().items() if name != AUDITOR and not role.is_confined)


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


def give_name(ledger: Ledger, state: Engine, account: str, text: str, *, by: By = OPERATOR) -> None:
    """Have the account of this id go by this name; the one before is destroyed within an hour.

    Raises InvalidAccountName, NameTaken, UnknownAccount, UnknownStaff, AccountEnded.
    """
    kept = Names.of(ledger).keep(text, now=ledger.clock.now())
    set_name(state, account, kept)
    # A crash here: they sign in by it, and it stands nowhere else; giving it once more puts that right.
    ledger.journal.write(people.name_account, NameAccount(account=account, name=kept.sealed), by)


def move_names(ledger: Ledger, state: Engine) -> None:
    """Move the names that `state.db` still holds in clear, of before, into the vault."""
    for account, name in names_in_clear(state).items():
        with reading(ledger.engine) as connection:
            found = find_staff(connection, account)
        if found is not None and found.ended_at is None:
            give_name(ledger, state, account, name)
        else:
            forget_name(state, account)


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
    kept = Names.of(ledger).keep(name, now=now)
    # A crash here: a name in the vault that no entry names; the worker sweeps it.
    account = add_account(state, kept, password, now=now)
    # A crash here: an account that sees and does nothing until `set_roles` lets it in.
    request = AdmitAccount(account=account.id, roles=held, name=kept.sealed)
    ledger.journal.write(people.admit_account, request, by)
    return account
