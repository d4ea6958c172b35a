"""Figures for whoever watches over the installation, in Prometheus' format at /metrics. No label holds a number,
a name or an address: routes are patterns, answers are kinds.

Several processes answer, and a scrape reaches one: where PROMETHEUS_MULTIPROC_DIR was set before this module was
imported (`lotproof serve` does), each keeps its figures in a file there, and whoever is asked adds them up.
"""

import hmac
import os
from collections.abc import Iterator
from typing import Protocol, cast

from flask import Blueprint, Response, abort, current_app, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select

from ledger.database import reading
from ledger.journal.opening import Ledger
from ledger.work import work
from portal.services import EXTENSION

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
JOB_STATES = ("waiting", "leased", "dead")

REGISTRY = CollectorRegistry()
REQUESTS = Histogram(
    "lotproof_request_seconds",
    "How long requests took, by route pattern.",
    ("route", "method", "status"),
    buckets=SECONDS,
    registry=REGISTRY,
)
ANSWERS = Counter(
    "lotproof_answers", "Answers to a number, by what they said.", ("status",), registry=REGISTRY
)
SIGN_INS_REFUSED = Counter(
    "lotproof_sign_ins_refused", "Sign-ins that were refused or had to wait.", registry=REGISTRY
)
LIMITS_HIT = Counter(
    "lotproof_limits_hit", "Requests that came too often, by purpose.", ("purpose",), registry=REGISTRY
)

metrics = Blueprint("metrics", __name__)


class Measured(Protocol):
    """What the figures are read from."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def state(self) -> Engine: ...


@metrics.get("/metrics")
def show() -> Response:
    """All figures, for who shows the token of LOTPROOF_METRICS_TOKEN; without that setting there is no such page.

    Being on this machine is no key: behind a proxy everybody seems to be.
    """
    house = cast(Measured, current_app.extensions[EXTENSION])
    token = house.ledger.settings.metrics_token
    if token is None:
        abort(404)
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode(), token.encode()):
        refused = Response("Send the token of LOTPROOF_METRICS_TOKEN.\n", status=401, mimetype="text/plain")
        refused.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        refused.headers["Cache-Control"] = "no-store"
        return refused
    answer = Response(generate_latest(_all_of(house)), content_type=CONTENT_TYPE_LATEST)
    answer.headers["Cache-Control"] = "no-store"
    return answer


class OfTheLedger(Collector):
    """What is read from the databases at each scrape."""

    def __init__(self, house: Measured) -> None:
        self._house = house

    def collect(self) -> Iterator[Metric]:
        """Log size, age of the checkpoint, whether the guard knows a newer one, jobs by state."""
        ledger = self._house.ledger
        with reading(ledger.engine) as connection:
            standing = ledger.journal.standing(connection)
        age = (ledger.clock.now() - standing.as_of).total_seconds()
        yield GaugeMetricFamily("lotproof_log_entries", "Entries that were published.", standing.size)
        yield GaugeMetricFamily("lotproof_checkpoint_age_seconds", "Age of the newest checkpoint.", age)
        yield GaugeMetricFamily(
            "lotproof_log_is_old",
            "1 where the guard knows a newer or another checkpoint.",
            int(standing.is_old),
        )
        yield self._jobs()

    def _jobs(self) -> Metric:
        counted = (
            select(work.c.state, func.count().label("jobs"))
            .where(work.c.state.in_(JOB_STATES))
            .group_by(work.c.state)
        )
        with reading(self._house.state) as connection:
            found = {row.state: row.jobs for row in connection.execute(counted)}
        jobs = GaugeMetricFamily(
            "lotproof_jobs", "Background jobs that are not done, by state.", labels=["state"]
        )
        for state in JOB_STATES:
            jobs.add_metric([state], found.get(state, 0))
        return jobs


def _all_of(house: Measured) -> CollectorRegistry:
    """A registry of this scrape: what the processes counted, and what the databases say."""
    found = CollectorRegistry()
    if SHARED_FOLDER in os.environ:
        MultiProcessCollector(found)  # type: ignore[no-untyped-call]
    else:
        found.register(_Here())
    found.register(OfTheLedger(house))
    return found


class _Here(Collector):
    """What this process counted."""

    def collect(self) -> Iterator[Metric]:
        yield from REGISTRY.collect()
