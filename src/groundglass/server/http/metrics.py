"""Figures for Prometheus, in a registry of our own: nothing of them is about a patient."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from groundglass.server.http.audit_tail import AuditTail

if TYPE_CHECKING:
    from groundglass.server.job import Job
    from groundglass.server.jobs import JobStore
    from groundglass.server.settings import ServeSettings
    from groundglass.server.spool import Spool

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STAGE_SECONDS = (0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 600, 1800)
_REQUEST_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
_NEWEST_JOBS = 200


class Metrics:
    """Counters of this process and, when asked, the state of queue and spool."""

    def __init__(self, settings: ServeSettings, spool: Spool, jobs: JobStore) -> None:
        self.registry = CollectorRegistry()
        self._jobs, self._results = jobs, settings.results_folder
        self._started = time.time()
        self._seen: set[str] = set()
        self._tail = AuditTail(settings.audit_file)
        self._lock = threading.Lock()
        self._events = self._counter(
            "events", "Events in the audit file, of all listeners, workers and senders.", "event"
        )
        self._studies_objects = self._counter(
            "received_objects",
            "Objects of studies that were taken up; a study that grows counts again.",
        )
        self._studies_bytes = self._counter("received_bytes", "Their bytes.")
        self._objects = self._counter(
            "http_objects", "DICOM objects sent by HTTP.", "front", "outcome"
        )
        self._bytes = self._counter("http_object_bytes", "Bytes of those that were kept.", "front")
        self._requests = Histogram(
            "groundglass_http_request_seconds",
            "HTTP requests, by route and status.",
            ("route", "status"),
            buckets=_REQUEST_SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "groundglass_stage_seconds",
            "Seconds per stage of analyses that ended since this process started.",
            ("stage",),
            buckets=_STAGE_SECONDS,
            registry=self.registry,
        )
        self._uploads = Gauge(
            "groundglass_http_uploads", "Bodies being received now.", registry=self.registry
        )
        self.registry.register(_State(spool, jobs))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"groundglass_{name}", text, labels, registry=self.registry)

    def received(self, front: str, kept: int, kept_bytes: int, refused: int) -> None:
        """Count objects that came through `front` ("stow" or "rest")."""
        self._objects.labels(front, "kept").inc(kept)
        self._objects.labels(front, "refused").inc(refused)
        self._bytes.labels(front).inc(kept_bytes)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, str(status)).observe(seconds)

    def text(self, uploads: int) -> bytes:
        """The exposition format. Raises: QueueError."""
        self._uploads.set(uploads)
        with self._lock:
            self._look_for_ended_jobs()
            self._count_events()
        return generate_latest(self.registry)

    def _look_for_ended_jobs(self) -> None:
        """Stages of jobs that ended since last time, from their run.json.

        Workers are other processes; what they measured lies in the results.
        """
        done = self._jobs.list(state="done", limit=_NEWEST_JOBS)
        for job in done:
            if job.id not in self._seen and (job.finished or 0.0) >= self._started:
                for stage, seconds in self._seconds_of(job):
                    self._stages.labels(stage).observe(seconds)
        self._seen = {job.id for job in done}

    def _count_events(self) -> None:
        for event in self._tail.new_events():
            self._events.labels(str(event.get("event", ""))[:40]).inc()
            objects, size = event.get("instances"), event.get("bytes")
            if event.get("event") == "received" and isinstance(objects, int):
                self._studies_objects.inc(objects)
                self._studies_bytes.inc(size if isinstance(size, int) else 0)

    def _seconds_of(self, job: Job) -> Iterator[tuple[str, float]]:
        folder = (job.result or {}).get("folder")
        if not isinstance(folder, str) or Path(folder).name != folder:
            return
        with contextlib.suppress(OSError, ValueError, AttributeError):
            run = json.loads((self._results / folder / "run.json").read_text(encoding="utf-8"))
            for stage, seconds in run.get("seconds", {}).items():
                if isinstance(seconds, int | float):
                    yield str(stage), float(seconds)


class _State(Collector):
    """Queue and spool as they are when asked."""

    def __init__(self, spool: Spool, jobs: JobStore) -> None:
        self._spool, self._jobs = spool, jobs

    def describe(self) -> list[Metric]:
        """Nothing is read when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Raises: QueueError."""
        counts = self._jobs.counts()
        for what, states in (("jobs", counts.jobs), ("deliveries", counts.deliveries)):
            family = GaugeMetricFamily(
                f"groundglass_{what}", f"{what.capitalize()} by state.", labels=["state"]
            )
            for state, number in states.items():
                family.add_metric([state], number)
            yield family
        yield GaugeMetricFamily(
            "groundglass_queue_age_seconds",
            "How long the oldest job that is due has waited.",
            value=counts.oldest_waiting_seconds,
        )
        yield GaugeMetricFamily(
            "groundglass_studies_waiting",
            "Studies received and not dealt with.",
            value=self._spool.waiting(),
        )
