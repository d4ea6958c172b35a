"""A company made from nothing by `lotproof …`: seller, suppliers, products, lots, batches and factories' serials."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.journeys import Lotproof, Shop
from tests.reader import Reader

ADA, BEN = "Ada Muster", "Ben Beispiel"
GTIN_A, GTIN_B = "04099999000012", "04099999000029"
CLEAN, CHINESE, DAMAGED = "serials_clean.csv", "serials_gb18030.csv", "serials_damaged.csv"
FILM = "ceramic-coated, 16 µm"


@dataclass
class Company:
    """The company as it was set up; `imported` is what each import printed."""

    lotproof: Lotproof
    vkey: str
    password: str
    imported: dict[str, Any] = field(default_factory=dict)
    shop: Shop | None = None

    @property
    def folder(self) -> Path:
        return self.lotproof.folder

    @property
    def base(self) -> str:
        assert self.shop is not None
        return self.shop.base

    def size(self) -> int:
        """How many entries the log has published."""
        return int(Reader(self.base).get("/log/checkpoint").text.split("\n")[1])

    def status(self, number: str) -> str:
        """What the API says of a number."""
        address = f"/api/v1/units/{quote(number, safe='')}"
        return str(Reader(self.base).get(address).json["status"])


def found_company(folder: Path, factory: Path) -> Company:
    """An empty company, told everything up to the day before a lot of film is opened: about 20 commands.

    `factory` is the folder of files that factories sent.
    """
    lotproof = Lotproof(folder)
    said = lotproof.run("init", "--account", ADA, "--host", "lots.example")
    assert said.code == 0, said.error
    vkey = re.search(r"lots\.example/log\+\S+", said.out)
    password = re.search(r"Password +(\S+)", said.out)
    assert vkey is not None
    assert password is not None
    company = Company(lotproof, vkey[0], password[1])
    _register(company)
    _make(company)
    for name in (CLEAN, CHINESE):
        company.imported[name] = lotproof("unit", "import", factory / name)
    for batch, count in (("25W24-A2", 40), ("25W26-A3", 30)):
        lotproof("unit", "make", "--batch", batch, "--count", count)
    ship(company, "SH-1", "DE", "25W21-A1=3000")
    ship(company, "SH-2", "FR", "25W21-A1=500", "25W24-A2=10")
    assert lotproof.run("account", "add", BEN, "--role", "coordinator", "--role", "seller").code == 0
    return company


def _register(company: Company) -> None:
    """Seller, parties, products and what they are made of."""
    do = company.lotproof
    do("seller", "describe", "--brand", "Tallyho", "--company", "Tallyho GmbH", "--address", "Musterkai 1",
       "--support-email", "help@tallyho.example", "--zone", "Europe/Berlin")  # fmt: skip
    do("party", "register", "--code", "MILL", "--name", "Film Mill", "--role", "supplier", "--country", "CN")
    do("party", "register", "--code", "PLANT", "--name", "Plant", "--role", "factory", "--country", "CN")
    do("material", "register", "--code", "FILM", "--name", "Separator film")
    for code, gtin in (("VTA", GTIN_A), ("VTB", GTIN_B)):
        do("product", "register", "--code", code, "--brand", "Tallyho", "--name", f"Bank {code}",
           "--model", code, "--gtin", gtin, "--label-lines", "10,000 mAh · 37 Wh")  # fmt: skip
    line = f"material=FILM,quantity=100 mm,specification={FILM}"
    do("bom", "revise", "--product", "VTA", "--revision", "C", "--lines", line)


def _make(company: Company) -> None:
    """Three lots of film, four batches."""
    do = company.lotproof
    for code in ("F-1", "F-2", "F-3"):
        do("lot", "receive", "--code", code, "--supplier-code", f"M{code}", "--supplier", "MILL", "--material",
           "FILM", "--quantity", "1000 m", "--declared", FILM, "--occurred-on", "2025-05-02")  # fmt: skip
    produce(company, "25W21-A1", "VTA", 5_000, "F-1=500 m", "--revision", "C")
    produce(company, "25W23-B1", "VTB", 3_000, "F-2=300 m")
    produce(company, "25W24-A2", "VTA", 40, "F-1=4 m", "--revision", "C")
    produce(company, "25W26-A3", "VTA", 30, "F-3=3 m")


def produce(company: Company, code: str, product: str, units: int, *more: object) -> None:
    lot, *options = more
    company.lotproof("batch", "produce", "--code", code, "--product", product, "--factory", "PLANT",
                     "--made-on", "2025-05-20", "--quantity", units, "--inputs", lot, *options)  # fmt: skip


def shipping(code: str, country: str, *lines: str) -> list[str]:
    """The command line of a shipment."""
    goods = [part for line in lines for part in ("--lines", line)]
    sent = ["--sent-on", "2025-06-20"]
    return ["shipment", "send", "--code", code, "--channel", "own shop", "--country", country, *sent, *goods]


def ship(company: Company, code: str, country: str, *lines: str) -> None:
    company.lotproof(*shipping(code, country, *lines))
