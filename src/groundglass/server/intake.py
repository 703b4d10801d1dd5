"""From the spool to the queue: studies that are complete, by the rules; and what is settled."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from groundglass.server.audit import AuditLog, study_label
from groundglass.server.jobs import JobStore
from groundglass.server.routing import plan_study
from groundglass.server.settings import ServeSettings
from groundglass.server.spool import Spool
from groundglass.server.spooled_study import SpooledStudy

log = logging.getLogger(__name__)


class Intake:
    """Looks at the spool again and again; a kill between any two steps only repeats the first."""

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

    def look(self) -> None:
        """Queue what is quiet, set aside what kills workers, settle what is at its end.

        Raises: QueueError, OutputError, SpoolFullError.
        """
        for study in self._spool.quiet_studies(self._clock(), self._settings.quiet_seconds):
            self._submit(study)
        for job in self._jobs.set_aside_dead():
            label = study_label(job.study_uid)
            log.error("job %s: study %s set aside after %d tries", job.id, label, job.tries)
            self._audit.write("failed", job.study_uid, job=job.id, tries=job.tries, kind="Died")
        waited_for = self._jobs.open_studies()
        for study in self._spool.submitted_studies(without=waited_for):
            self._spool.mark_settled(study)

    def _submit(self, study: SpooledStudy) -> None:
        uid, label = study.study_uid, study_label(study.study_uid)
        senders = sorted({origin.sender or origin.via for origin in study.origins.values()})
        self._audit.write(
            "received",
            uid,
            senders=", ".join(senders),
            instances=study.instances,
            bytes=study.size_bytes,
        )
        plan = plan_study(study, self._settings)
        if plan is None:
            self._audit.write("ignored", uid)
            log.info("study %s: %d objects, no rule asks for an analysis", label, study.instances)
        else:
            job, is_new = self._jobs.submit(uid, plan)
            if is_new:
                self._audit.write("queued", uid, job=job.id, rule=plan.rule)
                log.info("study %s: %d objects, job %s", label, study.instances, job.id)
                for old in self._jobs.supersede(job):
                    self._audit.write("canceled", uid, job=old, by=job.id)
        self._spool.mark_submitted(study)
