"""What a form page needs besides its texts: what is wrong, and where."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to put right: the field's id, and a translated sentence that says how."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of one form, in the order of its fields."""

    all: tuple[Problem, ...] = ()

    def at(self, field: str) -> str:
        """The sentence for one field, "" where it is right."""
        return next((problem.text for problem in self.all if problem.field == field), "")


def problems(found: Iterable[Problem]) -> Problems:
    """The problems found."""
    return Problems(tuple(found))
