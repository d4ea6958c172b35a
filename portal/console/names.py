"""Subjects by the names that people know them by: `batch:K7Q2…` is shown as 25W21-A and leads to its page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from markupsafe import Markup, escape
from sqlalchemy import Connection, String, Table, bindparam, literal, or_, select, union_all
from sqlalchemy.sql.elements import BindParameter, ColumnElement

from ledger.recall.claim import claims
from ledger.recall.recall import recalls
from ledger.trace.batch import batches
from ledger.trace.bill_of_materials import materials
from ledger.trace.legal_entity import legal_entities
from ledger.trace.material_lot import material_lots
from ledger.trace.party import parties
from ledger.trace.product import products
from ledger.trace.shipment import shipments
from ledger.trace.site import sites
from ledger.trace.substitution import substitutions
from portal.console.shell import address


@dataclass(frozen=True, slots=True)
class Shown:
    """How one noun is shown: its table, the column people know it by, the endpoint of its page."""

    table: Table
    label: str
    endpoint: str
    is_code: bool

    @property
    def code(self) -> ColumnElement[str]:
        """What people type for it: a claim has its reference alone."""
        return self.table.c.get("code", self.table.c.id)

    @property
    def column(self) -> ColumnElement[str]:
        return self.table.c[self.label]


SHOWN: dict[str, Shown] = {
    "claim": Shown(claims, "id", "claim", is_code=True),
    "recall": Shown(recalls, "code", "recall", is_code=True),
    "site": Shown(sites, "name", "site", is_code=False),
    "shipment": Shown(shipments, "code", "shipment", is_code=True),
    "batch": Shown(batches, "code", "batch", is_code=True),
    "substitution": Shown(substitutions, "code", "substitution", is_code=True),
    "material_lot": Shown(material_lots, "code", "material_lot", is_code=True),
    "product": Shown(products, "name", "product", is_code=False),
    "material": Shown(materials, "name", "material", is_code=False),
    "legal_entity": Shown(legal_entities, "code", "legal_entity", is_code=True),
    "party": Shown(parties, "name", "party", is_code=False),
}


@dataclass(frozen=True, slots=True)
class Names:
    """The names of some subjects."""

    labels: Mapping[str, str] = field(default_factory=dict)

    def link(self, noun: str, subject_id: str) -> Markup:
        """The name as a link to its page; the bare id where nothing has a name."""
        subject = f"{noun}:{subject_id}"
        label, place = self.labels.get(subject), page_of(subject)
        if label is None or place is None:
            return code(subject_id)
        return Markup('<a href="{}">{}</a>').format(
            place, code(label) if SHOWN[noun].is_code else isolated(label)
        )


def code(text: object) -> Markup:
    """A code or a number of the trade: monospace, isolated, left to right."""
    return Markup('<bdi dir="ltr" class="code">{}</bdi>').format(text)


def isolated(text: object) -> Markup:
    """A name that somebody gave, so that its direction does not touch the sentence around it."""
    return Markup("<bdi>{}</bdi>").format(text)


def page_of(subject: str) -> str | None:
    """The address of a subject's page, or None for what has none."""
    noun, _, subject_id = subject.partition(":")
    return address(SHOWN[noun].endpoint, subject_id=subject_id) if noun in SHOWN else None


def first_page_of(subjects: Iterable[str], noun: str = "") -> str | None:
    """The page of the subject that an entry is about in the first place; `noun` comes before all others."""
    order = [noun, *SHOWN]
    by_noun = {subject.partition(":")[0]: subject for subject in subjects}
    return next((page_of(by_noun[one]) for one in order if one in by_noun and one in SHOWN), None)


_IDS: BindParameter[list[str]] = bindparam("ids", expanding=True)
_LABELS = union_all(
    *(
        select(literal(noun, String).label("noun"), shown.table.c.id, shown.column.label("label")).where(
            shown.table.c.id.in_(_IDS)
        )
        for noun, shown in SHOWN.items()
    )
)
_BY_CODE = union_all(
    *(
        select(literal(noun, String).label("noun"), shown.table.c.id).where(
            or_(shown.code == bindparam("code"), shown.table.c.id == bindparam("code"))
        )
        for noun, shown in SHOWN.items()
    )
)


def names_of(connection: Connection, subjects: Iterable[str]) -> Names:
    """The names of these subjects, in one query; ids are random, so one never stands for two nouns."""
    ids = {subject.partition(":")[2] for subject in subjects}
    if not ids:
        return Names()
    rows = connection.execute(_LABELS, {"ids": sorted(ids)})
    return Names({f"{row.noun}:{row.id}": row.label for row in rows})


def subjects_named(connection: Connection, text: str) -> list[str]:
    """The subjects with this code or id; several nouns may use the same code."""
    rows = connection.execute(_BY_CODE, {"code": text.strip()})
    return [f"{row.noun}:{row.id}" for row in rows]


def link(place: str, label: object, *, is_code: bool = False) -> Markup:
    """A link; the label in monospace where it is a code."""
    return Markup('<a href="{}">{}</a>').format(place, code(label) if is_code else escape(label))


def badge(meaning: str, shape: str, text: str) -> Markup:
    """A state: its shape and its word, in the colour of its meaning."""
    return Markup(
        ' <span class="badge is-{}"><svg class="icon" aria-hidden="true"><use href="#{}"/></svg>{}</span>'
    ).format(meaning, shape, text)
