"""What the public is told about a number, in one shape, always with status 200, and to everybody."""

from flask import Response, request

from ledger.recall.answer import Answer
from ledger.recall.answer import PublicRecall as Recall
from portal.address import number_after, raw_path
from portal.api.frame import api
from portal.api.shapes import Checkpoint, PublicRecall, UnitAnswer, UnitMatch, answered, time_of
from portal.kept_answers import FOUND
from portal.services import current


@api.get("/v1/units/<number:number>")
def unit(number: str) -> Response:  # read from the raw path, where %2F is no slash
    """Whether a serial, a batch code or a date code stands in a recall, and as of when that is known."""
    answer = current().find_answer(number_after(raw_path(request.environ), "units"))
    request.environ[FOUND] = answer
    several = answer.matches if len(answer.matches) > 1 else ()
    return answered(
        UnitAnswer(
            status=answer.status,
            as_of=time_of(answer.spoken_for.as_of),
            is_old=answer.spoken_for.is_old,
            checkpoint=Checkpoint(size=answer.spoken_for.size, root=answer.spoken_for.root),
            recalls=tuple(_recall(one) for one in _recalls(answer)),
            matches=tuple(
                UnitMatch(
                    product=f"{one.brand} {one.product}",
                    picture=f"/pictures/{one.picture}" if one.picture else None,
                    status=one.status,
                )
                for one in several
            ),
            hint=answer.hint,
        )
    )


def _recalls(answer: Answer) -> dict[Recall, None]:
    """The recalls of all matches, each once."""
    return dict.fromkeys(recall for match in answer.matches for recall in match.recalls)


def _recall(recall: Recall) -> PublicRecall:
    return PublicRecall(
        code=recall.code,
        hazard=recall.hazard,
        published_at=time_of(recall.published_at),
        index=recall.index,
        closed=recall.is_closed,
    )
