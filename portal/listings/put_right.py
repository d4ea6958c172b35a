"""The lists of what is done about it: recalls, and what buyers ask for. Who they are stands in neither."""

from typing import get_args
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select

from ledger.recall import recall as recall_module
from ledger.recall.claim import STEPS, claim_recalls, claims
from ledger.recall.hazards import hazards
from ledger.recall.recall import recall_versions, recalls
from ledger.trace.batch import batches
from ledger.trace.product import products
from portal.listings.filters import Filter, code_of, moments, one_of, same, words
from portal.listings.listing import Column, Listing
from translations import mark

_units = select(func.max(recall_versions.c.units)).where(recall_versions.c.recall == recalls.c.id)
RECALLS = Listing(
    name="recalls",
    area="recalls",
    page="recall",
    table=recalls,
    source=recalls,
    key=recalls.c.recorded,
    columns=(
        Column("code", "code", recalls.c.code, mark("Recall")),
        Column("standing", "state", recalls.c.standing),
        Column("hazard", "hazard", recalls.c.hazard, mark("Hazard")),
        Column("version", "count", recalls.c.version),
        Column("published_at", "moment", recalls.c.published_at, mark("Published")),
        Column("units", "count", _units.scalar_subquery(), mark("Units")),
    ),
    filters=(
        words(codes=(recalls.c.code,)),
        one_of("standing", mark("State"), recalls.c.standing, get_args(recall_module.Standing)),
        one_of("hazard", mark("Hazard"), recalls.c.hazard, tuple(hazards())),
        *moments("published", mark("Published from"), mark("Published until"), recalls.c.published_at),
    ),
)


def _of_recall(code: str, _zone: ZoneInfo) -> ColumnElement[bool]:
    of_it = select(claim_recalls.c.claim).join(recalls, recalls.c.id == claim_recalls.c.recall)
    return claims.c.id.in_(of_it.where(recalls.c.code == code))


CLAIMS = Listing(
    name="claims",
    area="claims",
    page="claim",
    table=claims,
    source=claims.join(products, products.c.id == claims.c.product).join(
        batches, batches.c.id == claims.c.batch
    ),
    key=claims.c.opened,
    columns=(
        Column("claim", "code", claims.c.id, mark("Claim")),
        Column("standing", "state", claims.c.standing),
        Column("doubt", "state", claims.c.doubt),
        Column("product", "text", products.c.name, mark("Product")),
        Column("product_code", "code", products.c.code),
        Column("batch_code", "code", batches.c.code),
        Column("country", "country", claims.c.country, mark("Country")),
        Column("opened_at", "moment", claims.c.opened_at, mark("Opened")),
        Column("moved_at", "moment", claims.c.moved_at),
        Column("remedy", "state", claims.c.remedy, mark("Wanted")),
    ),
    filters=(
        words(codes=(claims.c.id,), names=((claims.c.product, products.c.name),)),
        one_of("standing", mark("State"), claims.c.standing, tuple(STEPS)),
        same("country", mark("Country"), claims.c.country, "country"),
        Filter("recall", mark("Recall"), "noun", _of_recall, noun="recall"),
        code_of("product", mark("Product"), "product", claims.c.product, products),
        *moments("opened", mark("Opened from"), mark("Opened until"), claims.c.opened_at),
    ),
)
