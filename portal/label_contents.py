"""What stands on a batch's labels: the seller's, the product's and the batch's words, in one language."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from labels import LabelContent
from ledger.digital_link import build
from ledger.trace.batch import Batch
from ledger.trace.product import Product, get_product
from ledger.trace.seller import get_seller
from ledger.trace.unit import serials_in, sets_of
from translations.label_lines import BATCH, CHECK_FOR_RECALLS
from translations.words import words_for


def batch_label(connection: Connection, host: str, batch: Batch, language: str) -> LabelContent:
    """The label of a batch, for its cartons and for goods without a serial.

    Raises KeyError for a language that has no words for labels.
    """
    words = words_for(language, "labels")
    product, seller = get_product(connection, batch.product), get_seller(connection)
    return LabelContent(
        uri=build(host, gtin=product.gtin, batch=batch.code),
        brand=product.brand,
        product=product.name,
        batch_word=words.text(BATCH),
        batch=batch.code,
        lines=product.label_lines,
        check_line=words.text(CHECK_FOR_RECALLS),
        address_line=", ".join((seller.company, *seller.address)) if seller else "",
        contact_line=(seller.support_email or seller.support_phone) if seller else "",
    )


def unit_labels(
    batch_content: LabelContent, host: str, product: Product, batch: Batch, serials: Sequence[str]
) -> Iterator[LabelContent]:
    """A label for each serial; all but the number and its address is the batch's."""
    for serial in serials:
        uri = build(host, gtin=product.gtin, batch=batch.code, serial=serial)
        yield replace(batch_content, uri=uri, serial=serial)


def serials_of(connection: Connection, batch: Batch, start: int, end: int) -> list[str]:
    """The serials of a batch from place `start` to before `end`, counted through its sets in order."""
    found: list[str] = []
    for one in sets_of(connection, batch.id):
        low, high = max(0, start), min(one.count, end)
        if low < high:
            found += serials_in(connection, (one.c, low, high))
        start, end = start - one.count, end - one.count
    return found
