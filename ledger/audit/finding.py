"""What an audit finds: where it stands, and what should stand there."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

MOST_OF_A_CODE = 1_000  # a database that was replaced whole has millions of wrong rows

Progress = Callable[[str, int, int], None]
"""Told what is being done (`entries`, `derived`, `vault`), and how much of it is done, of how much."""


def no_progress(_what: str, _done: int, _all: int) -> None:
    """For callers that do not show any."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be.

    `row` is the primary key as text, its parts joined by slashes, empty where the table as a whole is meant;
    `facts` hold what stands there and what should, as far as they can be shown.
    """

    code: str
    table: str
    row: str
    field: str
    problem: str
    facts: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        place = " ".join(part for part in (self.table, self.row, self.field) if part)
        return f"{place}: {self.problem}"


@dataclass(slots=True)
class Findings:
    """A list that stays short: of each code the first thousand, and how many more there were."""

    found: list[Finding] = dataclasses.field(default_factory=list)
    counts: dict[str, int] = dataclasses.field(default_factory=dict)

    def add(self, code: str, table: str, row: object, name: str, problem: str, /, **facts: object) -> None:
        """Note a finding; of one code at most `MOST_OF_A_CODE` are kept."""
        if self._counted(code, 1) <= MOST_OF_A_CODE:
            # SQLAlchemy's names are a kind of str that nothing else can write.
            self.found.append(Finding(code, str(table), str(row), str(name), problem, facts))

    def take(self, other: "Findings") -> None:
        """Add the findings of a part."""
        room = {code: MOST_OF_A_CODE - self.counts.get(code, 0) for code in other.counts}
        for finding in other.found:
            room[finding.code] -= 1
            if room[finding.code] >= 0:
                self.found.append(finding)
        for code, count in other.counts.items():
            self._counted(code, count)

    def are_about(self, *tables: str) -> bool:
        """Whether any of them is about one of these tables."""
        return any(finding.table in tables for finding in self.found)

    def all(self) -> tuple[Finding, ...]:
        """Everything, with a last word about what was left out."""
        return (*self.found, *self._left_out())

    def _left_out(self) -> Iterable[Finding]:
        for code, count in self.counts.items():
            if count > MOST_OF_A_CODE:
                more = count - MOST_OF_A_CODE
                yield Finding("more", "", "", "", f"{more} more findings like {code}", {"count": more})

    def _counted(self, code: str, count: int) -> int:
        self.counts[code] = self.counts.get(code, 0) + count
        return self.counts[code]
