"""Counts and times in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from vecstore.engine import Engine
from vecstore.server.limits import Gate
from vecstore.types import VectorStoreInfo

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Of one server. Routes are told by their pattern, so that no name or id gets into a label."""

    def __init__(self, engine: Engine, requests: Gate, uploads: Gate) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vecstore_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "vecstore_request_seconds",
            "Time to the answer's end.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Levels(engine, requests, uploads))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)


class _Levels(Collector):
    """What is asked of the engine when somebody looks."""

    def __init__(self, engine: Engine, requests: Gate, uploads: Gate) -> None:
        self._engine = engine
        self._requests = requests
        self._uploads = uploads

    def collect(self) -> Iterator[GaugeMetricFamily]:
        stores = self._engine.list()
        batches = [batch for batch in self._engine.batches() if batch.status == "in_progress"]
        levels = {
            "vecstore_requests_in_progress": ("Requests at work.", self._requests.inside),
            "vecstore_uploads_in_progress": ("Uploads on their way in.", self._uploads.inside),
            "vecstore_vector_stores": ("Vector stores that have not expired.", _live(stores)),
            "vecstore_usage_bytes": ("Bytes in use, as they are billed.", sum(each.usage_bytes for each in stores)),
            "vecstore_batches_in_progress": ("File batches with something left to do.", len(batches)),
            "vecstore_batch_files_in_progress": (
                "Files waiting to be indexed.",
                sum(batch.file_counts.in_progress for batch in batches),
            ),
        }
        for name, (said, value) in levels.items():
            yield GaugeMetricFamily(name, said, value=float(value))


def _live(stores: list[VectorStoreInfo]) -> int:
    return sum(store.status != "expired" for store in stores)
