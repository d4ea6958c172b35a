"""Every noun, imported so that the registry is whole: a program that opens a ledger imports this module."""

from ledger.journal import key_changes, master_key
from ledger.people import account, approval, approval_check, token, webhook
from ledger.recall import claim, erasing, map_check, order, person, recall
from ledger.trace import (
    batch,
    bill_of_materials,
    legal_entity,
    material_lot,
    party,
    product,
    quality,
    seller,
    shipment,
    site,
    substitution,
    unit,
)

__all__ = [
    "account",
    "approval",
    "approval_check",
    "batch",
    "bill_of_materials",
    "claim",
    "erasing",
    "key_changes",
    "legal_entity",
    "map_check",
    "master_key",
    "material_lot",
    "order",
    "party",
    "person",
    "product",
    "quality",
    "recall",
    "seller",
    "shipment",
    "site",
    "substitution",
    "token",
    "unit",
    "webhook",
]
