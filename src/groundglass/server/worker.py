"""A worker process: takes a job, holds it, has it analyzed, puts the result in place."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from typing import Any

from groundglass.errors import GroundglassError, LeaseLostError, QueueError
from groundglass.server.analysis import AnalysisRequest, MakeAnalyze, PipelineAnalysis
from groundglass.server.analysis_process import AnalysisProcess, StoppedError, TryFailedError
from groundglass.server.audit import AuditLog, study_label
from groundglass.server.heartbeat import Heartbeat
from groundglass.server.job import Job
from groundglass.server.job_files import JobFiles
from groundglass.server.jobs import JobStore
from groundglass.server.leases import Lease
from groundglass.server.log import set_up_node_logging
from groundglass.server.settings import ServeSettings

log = logging.getLogger(__name__)

_IDLE_SECONDS = 0.5
BEATS_PER_LEASE = 3
"""Two heartbeats may fail before a lease is lost."""


class Worker:
    """Works on one job after the other until told to stop."""

    def __init__(
        self,
        settings: ServeSettings,
        jobs: JobStore,
        *,
        make: MakeAnalyze = PipelineAnalysis,
        name: str | None = None,
    ) -> None:
        self.settings = settings
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._jobs = jobs
        self._audit = AuditLog.from_settings(settings)
        self._analysis = AnalysisProcess(make, settings.analysis)
        self._stop_at: float | None = None
        self._wake = threading.Event()

    def stop(self, within_seconds: float | None = None) -> None:
        """Take no more jobs, and give back the one at hand if it takes longer than that."""
        seconds = self.settings.drain_seconds if within_seconds is None else within_seconds
        until = time.monotonic() + seconds
        self._stop_at = until if self._stop_at is None else min(self._stop_at, until)
        self._wake.set()

    def run(self) -> None:
        """Work until stopped. A database that is away is waited for."""
        seen = 0.0
        try:
            while self._stop_at is None:
                try:
                    if time.monotonic() - seen > self.settings.lease_seconds / BEATS_PER_LEASE:
                        self._jobs.worker_seen(self.name)
                        seen = time.monotonic()
                    if not self.work_once():
                        self._wake.wait(_IDLE_SECONDS)
                except GroundglassError as error:
                    log.error("worker %s: %s", self.name, error)
                    self._wake.wait(5)
        finally:
            self._analysis.stop()

    def work_once(self) -> bool:
        """Take the next job and bring it to an end; False where there is none.

        Raises: QueueError.
        """
        taken = self._jobs.claim(self.name)
        if taken is None:
            return False
        job, lease = taken
        label = study_label(job.study_uid)
        log.info("job %s: study %s, try %d", job.id, label, job.tries)
        files = JobFiles(self.settings, job, lease)
        try:
            self._work_on(job, lease, files)
        except (LeaseLostError, StoppedError):
            log.warning("job %s: canceled, or another worker's by now", job.id)
            files.withdraw()
        finally:
            files.remove()
        return True

    def _work_on(self, job: Job, lease: Lease, files: JobFiles) -> None:
        def beat() -> None:
            self._jobs.heartbeat(lease)
            self._jobs.worker_seen(self.name, job.id)

        with Heartbeat(beat, self.settings.lease_seconds / BEATS_PER_LEASE) as heart:
            try:
                request = AnalysisRequest(files.link_input(), files.result, job.id, job.plan)
                facts = self._analysis.run(
                    request, is_wanted=lambda: not heart.is_lost and not self._is_late()
                )
                self._jobs.heartbeat(lease)  # a result that does not count is not shown
                files.publish()
            except StoppedError:
                if not heart.is_lost:
                    self._jobs.release(lease)
                    log.info("job %s: given back untried", job.id)
                    return
                raise
            except TryFailedError as error:
                files.remove()  # what filled the disk must go before the queue can be told of it
                self._failed(job, lease, str(error), kind=error.kind, can_retry=error.can_retry)
                return
            except (QueueError, LeaseLostError):
                raise
            except GroundglassError as error:
                files.remove()
                kind = type(error).__name__
                self._failed(job, lease, str(error), kind=kind, can_retry=kind == "OutputError")
                return
            self._finish(job, lease, files, facts)

    def _finish(self, job: Job, lease: Lease, files: JobFiles, facts: dict[str, Any]) -> None:
        try:
            self._jobs.finish(lease, {**facts, "folder": files.name}, send_to=job.plan.send_to)
        except QueueError:  # the job runs again when its lease is over; this result is not known
            files.withdraw()
            raise
        seconds = round(time.time() - (job.started or 0), 1)
        self._audit.write("analyzed", job.study_uid, job=job.id, tries=job.tries, seconds=seconds)
        log.info("job %s: done after %.1f s", job.id, seconds)

    def _failed(self, job: Job, lease: Lease, text: str, *, kind: str, can_retry: bool) -> None:
        """The text goes to the job, which tokens guard; logs get its kind."""
        state = self._jobs.fail(lease, text, can_retry=can_retry)
        log.warning("job %s: %s on try %d, now %s", job.id, kind, job.tries, state)
        if state == "failed":
            self._audit.write("failed", job.study_uid, job=job.id, tries=job.tries, kind=kind)

    def _is_late(self) -> bool:
        return self._stop_at is not None and time.monotonic() > self._stop_at


def work(settings: ServeSettings, make: MakeAnalyze = PipelineAnalysis) -> None:
    """The life of a worker process: until SIGTERM, or until the node that started it is gone."""
    os.umask(0o077)
    set_up_node_logging()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the whole group
    jobs = _open(settings)
    worker = Worker(settings, jobs, make=make)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    threading.Thread(target=_stop_with_parent, args=(worker,), daemon=True).start()
    try:
        worker.run()
    finally:
        jobs.close()


def _open(settings: ServeSettings) -> JobStore:
    """The queue, waited for: the database may start after the node."""
    while True:
        try:
            return JobStore.from_settings(settings)
        except QueueError as error:
            log.error("%s", error)
            time.sleep(5)


def _stop_with_parent(worker: Worker) -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    with contextlib.suppress(OSError):
        parent.join()
    worker.stop(within_seconds=0)  # the next node has workers of its own
