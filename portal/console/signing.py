"""A passkey's signature over what is approved, asked for by the form that approves it; without a script, or without a
passkey, the form approves without one."""

from collections.abc import Callable

import msgspec
from flask import Response, abort, request
from sqlalchemy import Connection

from ledger.errors import LedgerError
from ledger.people.signature import host_of
from ledger.recall.approving import matter_of as matter_of_recall
from ledger.recall.recall import get_recall, versions_of
from ledger.trace.substitution import get_substitution
from ledger.trace.substitution import matter_of as matter_of_proposal
from portal.console.desk import desk, ledger, session, snapshot
from portal.console.passkey_forms import json_response, party
from portal.console.shell import address, console
from portal.links import Guest
from portal.passkeys import passkeys_of, sign, signing_options
from portal.permissions import does_named

CREDENTIAL = "credential"  # the field in which the browser's answer comes back


def _of_recall(connection: Connection) -> bytes:
    recall = get_recall(connection, request.form.get("recall", ""))
    newest = versions_of(connection, recall.id)[-1]
    return bytes.fromhex(matter_of_recall(connection, recall, newest).digest)


def _of_proposal(connection: Connection) -> bytes:
    found = get_substitution(connection, request.form.get("code", ""))
    return bytes.fromhex(matter_of_proposal(found).digest)


# What each approval covers: the digest (32 bytes) of what the form of this request names.
SIGNED: dict[str, Callable[[Connection], bytes]] = {
    "recall.approve": _of_recall,
    "substitution.decide": _of_proposal,
}


def signing_address(name: str) -> str:
    """Where the form of this command gets what a passkey is asked; "" where none can sign it.

    That takes a passkey of one's own, on a page of the very host that the log is named after.
    """
    if name not in SIGNED or isinstance(session().account, Guest):
        return ""
    try:
        is_ours = party().id == host_of(ledger().settings.origin)
    except LedgerError:
        return ""
    has_passkey = is_ours and passkeys_of(desk().state, session().account.id)
    return address("approval_options", name=name) if has_passkey else ""


@console.post("/record/<name>/signing")
@does_named("name")
def approval_options(name: str) -> Response:
    """What the browser needs to have one of the account's passkeys sign what the form names."""
    if name not in SIGNED:
        abort(404)
    digest, now = SIGNED[name](snapshot()), ledger().clock.now()
    return json_response(signing_options(desk().state, session().account, digest, party(), now=now))


def signed(name: str, asked: msgspec.Struct) -> msgspec.Struct:
    """The request with the signature that came with the form, if one did. Raises PasskeyRefused."""
    answer = request.form.get(CREDENTIAL, "")
    if not answer or name not in SIGNED:
        return asked
    digest, now = SIGNED[name](snapshot()), ledger().clock.now()
    made = sign(desk().state, session().account, digest, answer, party(), now=now)
    return msgspec.structs.replace(asked, signature=made)
