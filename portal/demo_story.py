"""The facts of the demo's story: who, what, when. All of it is made up."""

from datetime import date

from ledger.trace.party import Role

PARTIES: tuple[tuple[str, str, Role, str], ...] = (
    ("QINGLUO", "Qingluo Assembly", "factory", "CN"),
    ("BAISHAN", "Baishan Cell Works", "supplier", "CN"),
    ("TALLOW", "Tallow Film Works", "supplier", "CN"),
    ("SUYIN", "Suyin Circuits", "supplier", "CN"),
    ("LINDQVIST", "Lindqvist Laboratory", "laboratory", "SE"),
)
PRODUCTS = (
    ("VS-10", "Slim 10K power bank", "04012345000016", "10,000 mAh · 37 Wh · Li-ion"),
    ("VM-20", "Max 20K power bank", "04012345000023", "20,000 mAh · 74 Wh · Li-ion"),
    ("VN-5", "Nano 5K power bank", "04012345000030", "5,000 mAh · 18.5 Wh · Li-ion"),
)
MATERIALS = (("FILM", "Separator film"), ("CELL", "Cells"), ("BOARD", "Protection board"))
LOTS = (  # code, supplier's code, supplier, material, quantity, declared, arrived
    ("SF-0398", "TFW-250398", "TALLOW", "FILM", "90000 m", "ceramic-coated, 16 µm", date(2025, 4, 28)),
    ("SF-0412", "TFW-250412", "TALLOW", "FILM", "40000 m", "ceramic-coated, 16 µm", date(2025, 5, 12)),
    ("SF-0431", "TFW-250431", "TALLOW", "FILM", "60000 m", "ceramic-coated, 16 µm", date(2025, 6, 2)),
    ("C-2207", "BCW-2207", "BAISHAN", "CELL", "100000 pcs", "5,000 mAh, type 4", date(2025, 5, 6)),
    ("C-2219", "BCW-2219", "BAISHAN", "CELL", "120000 pcs", "5,000 mAh, type 4", date(2025, 5, 27)),
    ("PB-118", "SY-118", "SUYIN", "BOARD", "90000 pcs", "PB-2, revision 4", date(2025, 5, 6)),
)
BATCHES = (  # code, product, made, lots
    ("25W20-A", "VS-10", date(2025, 5, 15), (("SF-0398", "30000 m"), ("C-2207", "40000 pcs"))),
    ("25W21-A", "VS-10", date(2025, 5, 22), (("SF-0412", "30000 m"), ("C-2207", "40000 pcs"))),
    (
        "25W22-B",
        "VM-20",
        date(2025, 5, 30),
        (("SF-0398", "50000 m"), ("SF-0412", "10000 m"), ("C-2219", "80000 pcs")),
    ),
    ("25W24-C", "VN-5", date(2025, 6, 12), (("SF-0431", "15000 m"), ("C-2219", "20000 pcs"))),
)
SHIPMENTS = (  # code, batch, channel, country, units, sent
    ("SH-1001", "25W20-A", "own shop", "DE", 9_000, date(2025, 6, 4)),
    ("SH-1002", "25W20-A", "marketplace", "FR", 7_000, date(2025, 6, 5)),
    ("SH-1003", "25W21-A", "own shop", "DE", 6_200, date(2025, 6, 11)),
    ("SH-1004", "25W21-A", "marketplace", "FR", 4_100, date(2025, 6, 12)),
    ("SH-1005", "25W21-A", "marketplace", "GB", 3_300, date(2025, 6, 17)),
    ("SH-1006", "25W21-A", "own shop", "JP", 2_400, date(2025, 6, 20)),
    ("SH-1007", "25W22-B", "marketplace", "US", 8_500, date(2025, 6, 26)),
    ("SH-1008", "25W22-B", "marketplace", "ES", 3_900, date(2025, 7, 2)),
    ("SH-1009", "25W22-B", "own shop", "DE", 2_600, date(2025, 7, 3)),
    ("SH-1010", "25W24-C", "own shop", "DE", 12_000, date(2025, 7, 8)),
)
RECALL = "R-2025-01"
CLAIMANTS = (  # country, language, batch, remedy, what came of it
    ("DE", "de", "25W21-A", "refund", "settled"),
    ("DE", "de", "25W21-A", "replacement", "settled"),
    ("FR", "en", "25W21-A", "refund", "settled"),
    ("GB", "en", "25W21-A", "refund", "accepted"),
    ("JP", "en", "25W21-A", "replacement", "accepted"),
    ("FR", "en", "25W21-A", "replacement", "opened"),
    ("US", "en", "25W22-B", "refund", "opened"),
    ("US", "zh-Hans", "25W22-B", "refund", "settled"),
    ("ES", "en", "25W22-B", "refund", "opened"),
)
