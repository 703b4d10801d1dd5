"""Deliveries, taken from the queue one by one and handed to what speaks to peers."""

from __future__ import annotations

import logging
from pathlib import Path

from groundglass.errors import GroundglassError, LeaseLostError, QueueError, SendError
from groundglass.server.audit import AuditLog
from groundglass.server.contracts import Deliver
from groundglass.server.deliveries import Delivery
from groundglass.server.heartbeat import Heartbeat
from groundglass.server.job import Job
from groundglass.server.jobs import JobStore
from groundglass.server.leases import Lease
from groundglass.server.log import place_of
from groundglass.server.settings import ServeSettings
from groundglass.server.worker import BEATS_PER_LEASE

log = logging.getLogger(__name__)


class DeliveryLoop:
    """Sends what is due. Several threads may call `send_once` of one object."""

    def __init__(
        self, settings: ServeSettings, jobs: JobStore, deliver: Deliver, *, name: str
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._deliver = deliver
        self._name = name
        self._audit = AuditLog.from_settings(settings)

    def send_all(self) -> None:
        """Everything that is due now. Raises: QueueError, OutputError."""
        while self.send_once():
            pass

    def set_aside_dead(self) -> None:
        """Fail deliveries that ended their sender on every try. Raises: QueueError, OutputError."""
        for delivery in self._jobs.deliveries.set_aside_dead():
            self._note_failure(delivery, self._jobs.get(delivery.job_id), kind="Died")

    def send_once(self) -> bool:
        """The next delivery, or False where none is due. Raises: QueueError, OutputError."""
        taken = self._jobs.deliveries.claim(self._name)
        if taken is None:
            return False
        delivery, lease = taken
        job = self._jobs.get(delivery.job_id)
        try:
            self._send(delivery, lease, job)
        except LeaseLostError:
            log.warning("job %s: sending to %s was stopped", delivery.job_id, delivery.peer)
        return True

    def _send(self, delivery: Delivery, lease: Lease, job: Job | None) -> None:
        store = self._jobs.deliveries
        sent = list(delivery.sent)

        def note_sent(sop_uid: str) -> None:
            sent.append(sop_uid)
            store.note_sent(lease, sent)

        try:
            files = self._files(job)
            peer = self._settings.peers.get(delivery.peer)
            if peer is None:
                raise SendError(
                    f"peer {delivery.peer!r} is not in the settings any more", is_permanent=True
                )
            with Heartbeat(lambda: store.heartbeat(lease), store.lease_seconds / BEATS_PER_LEASE):
                self._deliver(
                    files,
                    peer,
                    settings=self._settings,
                    sent=frozenset(delivery.sent),
                    note_sent=note_sent,
                )
        except (LeaseLostError, QueueError):
            raise
        except Exception as error:  # whatever a network and a foreign server lead to
            self._failed(delivery, lease, job, error)
            return
        store.finish(lease)
        if job is not None:
            self._audit.write(
                "sent", job.study_uid, job=job.id, peer=delivery.peer, objects=len(files)
            )
        log.info("job %s: %d objects sent to %s", delivery.job_id, len(files), delivery.peer)

    def _files(self, job: Job | None) -> list[Path]:
        """The result's DICOM objects. Raises: SendError where there are none."""
        folder = (job.result or {}).get("folder") if job is not None else None
        found: list[Path] = []
        if folder is not None:
            found = sorted((self._settings.results_folder / folder / "dicom").glob("**/*.dcm"))
        if not found:
            raise SendError(
                "the result holds no DICOM objects",
                expected="some, where send_to names a peer",
                remedy="Name some under dicom, in the rule or in [analysis]",
                is_permanent=True,
            )
        return found

    def _failed(self, delivery: Delivery, lease: Lease, job: Job | None, error: Exception) -> None:
        kind = type(error).__name__
        text = (
            str(error)
            if isinstance(error, GroundglassError)
            else f"Sending broke off: {place_of(error)}."
        )
        can_retry = not (isinstance(error, SendError) and error.is_permanent)
        wait = error.wait_seconds if isinstance(error, SendError) else 0.0
        state = self._jobs.deliveries.fail(lease, text, can_retry=can_retry, at_least_seconds=wait)
        log.warning("job %s: sending to %s: %s", delivery.job_id, delivery.peer, text)
        if state == "failed":
            self._note_failure(delivery, job, kind=kind)

    def _note_failure(self, delivery: Delivery, job: Job | None, *, kind: str) -> None:
        if job is not None:
            self._audit.write(
                "send_failed", job.study_uid, job=job.id, peer=delivery.peer, kind=kind
            )
