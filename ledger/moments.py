"""Times as the ledger writes them: UTC, milliseconds, `2025-11-03T10:15:30.123Z`; such texts sort by time."""

from datetime import UTC, datetime

from sqlalchemy import Dialect, String
from sqlalchemy.types import TypeDecorator


def format_moment(moment: datetime) -> str:
    """`moment` (aware) as text, cut to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def parse_moment(text: str) -> datetime:
    """The time that `format_moment` wrote. Raises ValueError for any other form."""
    moment = datetime.fromisoformat(text)
    try:
        is_ours = format_moment(moment) == text
    except OverflowError as error:  # the first or the last day of all years, in another zone
        raise ValueError(f"out of range: {text!r}") from error
    if not is_ours:
        raise ValueError(f"not a time in UTC with milliseconds and Z: {text!r}")
    return moment


class Moment(TypeDecorator[datetime]):
    """A column of times."""

    impl = String(24)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> str | None:
        return None if value is None else format_moment(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)
