"""Products: what is sold, by GTIN or own code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import JSON, Column, Connection, Index, Integer, String, Table, bindparam, select

from ledger.database import insert_into
from ledger.errors import NotFound, Refused
from ledger.files import FileRef
from ledger.identifiers import gtin14
from ledger.journal.fields import Code, Name, ask
from ledger.journal.registry import Event, Noun, Recorded, Request, State, command
from ledger.journal.transaction import Tx
from ledger.trace.party import TRACE

products = Table(
    "products",
    TRACE,
    Column("id", String(16), primary_key=True),
    Column("code", String, nullable=False, unique=True),
    Column("gtin", String(14), unique=True),
    Column("brand", String, nullable=False),
    Column("name", String, nullable=False),
    Column("model", String, nullable=False),
    Column("label_lines", JSON, nullable=False),
    Column("picture", String(64)),
    Column("recorded", Integer, nullable=False),
    Index("products_by_entry", "recorded"),
)

PRODUCT = Noun("product", version=1, tables=(products,))


class UnknownProduct(NotFound):
    """No product has this code or GTIN."""

    message = "No product has the code or GTIN “{code}”. Register it first, or check the code."


class ProductExists(Refused):
    """The code or the GTIN is taken."""

    message = "A product with the code or GTIN “{code}” exists already: {name}."


@PRODUCT.event("product.registered/1")
class ProductRegistered(Event, frozen=True):
    product: str
    code: str
    gtin: str | None
    brand: str
    name: str
    model: str
    label_lines: tuple[str, ...]
    picture: FileRef | None


@PRODUCT.applies(ProductRegistered)
def apply_registered(state: State, entries: Sequence[Recorded[ProductRegistered]]) -> None:
    rows = [
        {
            "id": one.event.product,
            "code": one.event.code,
            "gtin": one.event.gtin,
            "brand": one.event.brand,
            "name": one.event.name,
            "model": one.event.model,
            "label_lines": list(one.event.label_lines),
            "picture": one.event.picture.sha256 if one.event.picture else None,
            "recorded": one.index,
        }
        for one in entries
    ]
    insert_into(state.connection, products, rows)


LabelLine = Annotated[str, Meta(min_length=1, max_length=60)]


class RegisterProduct(Request, frozen=True):
    """Register a product that you sell."""

    code: Annotated[Code, ask("Code", "Your own, short.", example="VS-10")]
    brand: Annotated[Name, ask("Brand", example="Voltaro")]
    name: Annotated[Name, ask("Name", example="Slim 10K power bank")]
    model: Annotated[Name, ask("Model", example="VS-10")]
    gtin: Annotated[
        str, ask("GTIN", "From GS1, 8 to 14 digits. Leave empty if there is none.", example="4012345678901")
    ] = ""
    label_lines: Annotated[
        tuple[LabelLine, ...],
        ask("Lines for the label", "At most three.", example="10,000 mAh · 37 Wh · Li-ion"),
    ] = ()
    picture: FileRef | None = None


@command("product.register")
def register_product(tx: Tx, request: RegisterProduct) -> None:
    """Raises ProductExists, InvalidGtin, WrongCheckDigit."""
    gtin = gtin14(request.gtin) if request.gtin else None
    for code in (request.code, gtin):
        taken = find_product(tx.connection, code) if code else None
        if taken is not None:
            raise ProductExists(code=code, name=taken.name)
    product = tx.new_id()
    event = ProductRegistered(
        product=product,
        code=request.code,
        gtin=gtin,
        brand=request.brand,
        name=request.name,
        model=request.model,
        label_lines=request.label_lines,
        picture=request.picture,
    )
    tx.record(event, f"product:{product}")


@dataclass(frozen=True, slots=True)
class Product:
    """A product as registered; `gtin` has 14 digits, `picture` is a file's SHA-256."""

    id: str
    code: str
    gtin: str | None
    brand: str
    name: str
    model: str
    label_lines: tuple[str, ...]
    picture: str | None
    recorded: int


def _product(row: Any) -> Product:
    return Product(**{**row._mapping, "label_lines": tuple(row.label_lines)})


_BY_CODE = select(products).where(
    (products.c.code == bindparam("code"))
    | (products.c.gtin == bindparam("code"))
    | (products.c.id == bindparam("code"))
)


def find_product(connection: Connection, code: str) -> Product | None:
    """The product with this code, GTIN (14 digits) or id, or None."""
    row = connection.execute(_BY_CODE, {"code": code}).first()
    return None if row is None else _product(row)


def get_product(connection: Connection, code: str) -> Product:
    """The product with this code, GTIN or id. Raises UnknownProduct."""
    product = find_product(connection, code)
    if product is None:
        raise UnknownProduct(code=code)
    return product


def list_products(connection: Connection) -> list[Product]:
    """All products by code."""
    return [_product(row) for row in connection.execute(select(products).order_by(products.c.code))]
