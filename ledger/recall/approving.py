"""What is approved of a recall: a version, by all that will be public of it."""

from sqlalchemy import Connection, literal, select, union_all

from ledger.people.approval import Matter, digest_of, takes_two
from ledger.recall.recall import Recall, RecallVersion, recall_batches, recall_lots

APPROVING = takes_two("recall.approve")


def matter_of(connection: Connection, recall: Recall, version: RecallVersion) -> Matter:
    """The matter of this version: its digest covers hazard, statement, scope, batches, lots and the number of units."""
    subject = f"recall:{recall.id}"
    batches, lots = _batches_and_lots(connection, version)
    content = {
        "batches": batches,
        "code": recall.code,
        "hazard": recall.hazard,
        "lots": lots,
        "scope": version.scope,
        "statement": version.statement,
        "units": version.units,
    }
    return Matter(
        APPROVING, subject, digest_of(APPROVING, subject, content), version.drafted_by, version.drafted
    )


def _batches_and_lots(connection: Connection, version: RecallVersion) -> tuple[list[str], list[str]]:
    """The ids of a version's batches, and of its lots, sorted. One query."""
    listed = union_all(
        *(
            select(literal(column.table.name).label("noun"), column.label("id")).where(
                column.table.c.recall == version.recall, column.table.c.version == version.version
            )
            for column in (recall_batches.c.batch, recall_lots.c.lot)
        )
    )
    rows = connection.execute(listed).all()
    return (
        sorted(row.id for row in rows if row.noun == recall_batches.name),
        sorted(row.id for row in rows if row.noun == recall_lots.name),
    )
