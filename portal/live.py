"""The services of a running portal: the ledger, the state beside it, and what pages ask of both."""

import time
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, func, select

from ledger.database import Snapshot, reading
from ledger.journal.opening import Ledger
from ledger.recall.answer import Answer, SpokenFor, find_answer
from ledger.recall.recall import Recall, batches_in, find_recall, list_recalls
from ledger.trace.batch import Batch, get_batch
from ledger.trace.product import Product, get_product
from ledger.trace.seller import Seller, get_seller
from ledger.trace.shipment import shipment_lines, shipments
from portal.names import Names
from portal.services import House, Notice, NoticeProduct, RecalledModel

NOBODY = House("Lotproof", "", "", None, "UTC", only_own_serials=False)


@dataclass
class Live:
    """What pages are told: an answer always from a fresh snapshot, what changes rarely kept for a moment."""

    ledger: Ledger
    state: Engine
    names: Names = field(init=False)
    _house: tuple[float, House] | None = None  # good until this monotonic time
    _answering: Snapshot = field(init=False)
    _models: tuple[int, tuple[RecalledModel, ...]] | None = None  # at this size of the log

    def __post_init__(self) -> None:
        self._answering = Snapshot(self.ledger.engine)
        self.names = Names.of(self.ledger)

    def house(self) -> House:
        """Who speaks, as described a second ago or later."""
        kept = self._house
        if kept is None or kept[0] < time.monotonic():
            with reading(self.ledger.engine) as connection:
                kept = self._house = (time.monotonic() + 1.0, _house(get_seller(connection)))
        return kept[1]

    def spoken_for(self) -> SpokenFor:
        """The newest published checkpoint."""
        with reading(self.ledger.engine) as connection:
            return self._spoken_for(connection)

    def find_answer(self, number: str, gtin: str | None = None) -> Answer:
        """What the public is told about a number, in one snapshot with the checkpoint it speaks for."""
        with self._answering as connection:
            return find_answer(connection, self.ledger.journal.standing(connection), number, gtin)

    def find_notice(self, code: str) -> Notice | None:
        """A published recall in full, retracted ones included; None for a draft or nothing."""
        with reading(self.ledger.engine) as connection:
            recall = find_recall(connection, code) or find_recall(connection, code.upper())
            if recall is None or recall.published_at is None or recall.published_index is None:
                return None
            return self._notice(connection, recall)

    def recalled_models(self) -> tuple[RecalledModel, ...]:
        """The models in recalls that stand, newest recall first."""
        with reading(self.ledger.engine) as connection:
            size = self._spoken_for(connection).size
            kept = self._models
            if kept is None or kept[0] != size:
                kept = self._models = (size, tuple(_models(connection)))
            return kept[1]

    def _spoken_for(self, connection: Connection) -> SpokenFor:
        standing = self.ledger.journal.standing(connection)
        return SpokenFor(standing.as_of, standing.size, standing.root, standing.is_old)

    def _notice(self, connection: Connection, recall: Recall) -> Notice:
        assert recall.published_at is not None
        assert recall.published_index is not None
        batches = [get_batch(connection, one) for one in batches_in(connection, recall.id, recall.version)]
        sold = connection.execute(
            select(func.min(shipments.c.sent_on), func.max(shipments.c.sent_on))
            .join(shipment_lines, shipment_lines.c.shipment == shipments.c.id)
            .where(shipment_lines.c.batch.in_([batch.id for batch in batches]))
        ).one()
        return Notice(
            code=recall.code,
            hazard=recall.hazard,
            published_at=recall.published_at,
            index=recall.published_index,
            is_closed=recall.standing == "closed",
            is_retracted=recall.standing == "retracted",
            products=tuple(_notice_products(connection, batches)),
            sold_from=sold[0],
            sold_until=sold[1],
            countries=_shipped(connection, batches, "country"),
            sold_by=_shipped(connection, batches, "channel"),
            spoken_for=self._spoken_for(connection),
        )


def _house(seller: Seller | None) -> House:
    if seller is None:
        return NOBODY
    return House(
        brand=seller.brand,
        operator=", ".join((seller.company, *seller.address)),
        support_email=seller.support_email,
        support_phone=seller.support_phone or None,
        zone=seller.zone,
        only_own_serials=seller.only_own_serials,
        logo=seller.logo,
        accent=seller.accent,
    )


def _shipped(connection: Connection, batches: list[Batch], column: str) -> tuple[str, ...]:
    found = connection.execute(
        select(shipments.c[column])
        .join(shipment_lines, shipment_lines.c.shipment == shipments.c.id)
        .where(shipment_lines.c.batch.in_([batch.id for batch in batches]))
        .distinct()
        .order_by(shipments.c[column])
    )
    return tuple(found.scalars())


def _products(connection: Connection, batches: list[Batch]) -> dict[Product, list[str]]:
    codes: dict[Product, list[str]] = {}
    for batch in batches:
        codes.setdefault(get_product(connection, batch.product), []).append(batch.code)
    return codes


def _notice_products(connection: Connection, batches: list[Batch]) -> list[NoticeProduct]:
    return [
        NoticeProduct(product.brand, product.name, product.model, product.picture, tuple(codes))
        for product, codes in _products(connection, batches).items()
    ]


def _models(connection: Connection) -> list[RecalledModel]:
    models = []
    for recall in list_recalls(connection):
        if recall.is_public and recall.published_at is not None:
            batches = [
                get_batch(connection, one) for one in batches_in(connection, recall.id, recall.version)
            ]
            for product in _products(connection, batches):
                models.append(
                    RecalledModel(
                        recall.code, product.name, product.model, product.picture, recall.published_at
                    )
                )
    return models
