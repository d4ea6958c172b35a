"""Orders: `POST /api/v1/commands/NOUN.VERB` with the command's request as JSON."""

import re
from collections.abc import Iterator

import msgspec
from flask import Response, abort, request
from msgspec import Struct

from ledger.database import reading
from ledger.errors import LedgerError
from ledger.files import FileMissing, FileRef
from ledger.journal.journal import By, Receipt
from ledger.journal.registry import COMMANDS, Request
from ledger.log import store
from portal.about import demand_about
from portal.api.entries import entry_told
from portal.api.frame import api, caller, house, snapshot
from portal.api.problems import BadFields, NotJson
from portal.api.shapes import JSON, Recorded, answered
from portal.orders import carry_out, orders
from portal.permissions import does_named

KEY = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class KeyNeeded(LedgerError):
    """An order without a key of its own."""

    message = (
        "Send the header Idempotency-Key with every order: 1 to 200 visible ASCII characters, new for a new order, "
        "the same when you send one again. So an order is recorded once, whatever the network does."
    )
    http_status = 400


@api.post("/v1/commands/<name>")
@does_named("name")
def give_order(name: str) -> Response:
    """Carries an order out, once for each key, and gives what it recorded."""
    wanted = orders().get(name)
    if wanted is None:
        abort(404)
    key = request.headers.get(KEY, "")
    if not _KEY.fullmatch(key):
        raise KeyNeeded()
    asked = _decoded(wanted)
    demand_about(snapshot(), caller().holding.about, asked)
    _demand_files(asked)
    receipt = carry_out(house().ledger, COMMANDS[name], asked, By(caller().actor, key))
    return answered(_told(receipt))


def _decoded(wanted: type[Request]) -> Request:
    """The body as the request. Raises BadFields, NotJson, and what a value of it does."""
    if request.mimetype != JSON:
        abort(415)
    try:
        return msgspec.json.decode(request.get_data(), type=wanted)
    except msgspec.ValidationError as error:
        raise BadFields(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJson(reason=error) from error


def _demand_files(asked: Struct) -> None:
    """Raise FileMissing unless every file that the request names is stored here, with that size."""
    files = house().ledger.files
    for one in _files(asked):
        if not files.exists(one.sha256) or files.path(one.sha256).stat().st_size != one.size_bytes:
            raise FileMissing(sha256=one.sha256)


def _files(value: object) -> Iterator[FileRef]:
    if isinstance(value, FileRef):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _files(one)
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from _files(getattr(value, name))


def _told(receipt: Receipt) -> Recorded:
    """What was recorded, read as it now stands in the log."""
    with reading(house().ledger.engine) as connection:
        bodies = [(one.index, store.read_body(connection, one.index)) for one in receipt.entries]
    return Recorded(entries=tuple(entry_told(index, body) for index, body in bodies if body is not None))
