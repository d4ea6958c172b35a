"""The public API: what is known of a number, in one shape, always with status 200."""

from flask import Blueprint, Response, jsonify, request

from ledger.moments import format_moment
from ledger.recall.answer import Answer, Match, PublicRecall
from portal.address import number_after, raw_path
from portal.kept_answers import FOUND
from portal.services import current

api = Blueprint("api", __name__, url_prefix="/api/v1")


@api.get("/units/<number:number>")
def unit(number: str) -> Response:  # read from the raw path, where %2F is no slash
    """Whether a serial, a batch code or a date code stands in a recall, and as of when that is known."""
    answer = current().find_answer(number_after(raw_path(request.environ), "units"))
    request.environ[FOUND] = answer
    response = jsonify(
        status=answer.status,
        as_of=format_moment(answer.spoken_for.as_of),
        is_old=answer.spoken_for.is_old,
        checkpoint={"size": answer.spoken_for.size, "root": answer.spoken_for.root},
        recalls=_recalls(answer),
        matches=[_match(match) for match in answer.matches] if len(answer.matches) > 1 else [],
        hint=answer.hint,
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _recalls(answer: Answer) -> list[dict[str, object]]:
    found = dict.fromkeys(recall for match in answer.matches for recall in match.recalls)
    return [_recall(recall) for recall in found]


def _recall(recall: PublicRecall) -> dict[str, object]:
    return {
        "code": recall.code,
        "hazard": recall.hazard,
        "published_at": format_moment(recall.published_at),
        "index": recall.index,
        "closed": recall.is_closed,
    }


def _match(match: Match) -> dict[str, object]:
    return {
        "product": f"{match.brand} {match.product}",
        "picture": f"/pictures/{match.picture}" if match.picture else None,
        "status": match.status,
    }
