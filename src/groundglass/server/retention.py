"""What is deleted, and when: studies and results that were dealt with so many days ago."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable

from groundglass.server.audit import AuditLog, study_label
from groundglass.server.job_files import remove_dead_tries
from groundglass.server.jobs import JobStore
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool

log = logging.getLogger(__name__)

_DAY_SECONDS = 86400.0


class Retention:
    """Deletes by the settings. What waits, runs, or is on its way to a peer is never deleted."""

    def __init__(
        self,
        settings: ServeSettings,
        spool: Spool,
        jobs: JobStore,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._jobs = jobs
        self._audit = AuditLog.from_settings(settings)
        self._clock = clock

    def sweep(self) -> None:
        """Delete what is due. Raises: QueueError, OutputError."""
        self._sweep_studies()
        self._sweep_results()
        remove_dead_tries(self._settings, self._jobs)

    def _sweep_studies(self) -> None:
        before = self._clock() - self._settings.retention.studies_days * _DAY_SECONDS
        waited_for = self._jobs.open_studies()
        for study in self._spool.studies(settled_before=before):
            if study.study_uid not in waited_for and self._spool.remove(study):
                self._audit.write(
                    "deleted", study.study_uid, what="study", instances=study.instances
                )
                log.info("study %s: deleted", study_label(study.study_uid))

    def _sweep_results(self) -> None:
        before = self._clock() - self._settings.retention.results_days * _DAY_SECONDS
        for job in self._jobs.finished_before(before):
            # The row goes last: what a kill leaves undone, the next round finds by it.
            if job.result is not None:
                folder = self._settings.results_folder / str(job.result["folder"])
                shutil.rmtree(folder, ignore_errors=True)
            if job.plan.upload is not None:
                (self._settings.uploads_folder / job.plan.upload).unlink(missing_ok=True)
            if self._jobs.forget(job.id):
                self._audit.write("deleted", job.study_uid, job=job.id, what="result")
                log.info("job %s: result deleted", job.id)
