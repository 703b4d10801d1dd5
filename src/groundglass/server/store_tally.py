"""What one association brought, for the log and the audit: counts per study, not per object."""

from __future__ import annotations

import logging
import threading
from collections import Counter

from groundglass.server.audit import AuditLog, study_label
from groundglass.server.spool import Receipt
from groundglass.server.spooled_study import Origin

_log = logging.getLogger(__name__)


class StoreTally:
    """Counts for one association; `write` says them once. `is_closed`: the association ended."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.is_closed = False
        self._lock = threading.Lock()
        self._objects: Counter[str] = Counter()
        self._new: Counter[str] = Counter()
        self._refused: Counter[tuple[str, str]] = Counter()

    def received(self, receipt: Receipt) -> None:
        """An object is kept, or was there already."""
        with self._lock:
            self._objects[receipt.study_uid] += 1
            self._new[receipt.study_uid] += receipt.is_new

    def refused(self, study_uid: str, why: str) -> None:
        """An object was not taken. `study_uid`: "" where it could not be read."""
        with self._lock:
            self._refused[study_uid, why] += 1

    def write(self, audit: AuditLog) -> None:
        """A log line per study, an audit line per kind of refusal. Raises: OutputError.

        That a study came is audited by the intake, once it is whole.
        """
        with self._lock:
            objects, new, refused = self._objects, self._new, self._refused
            self._objects, self._new, self._refused = Counter(), Counter(), Counter()
        sender = {"via": "dicom", "sender": self.origin.sender, "address": self.origin.address}
        for study_uid, count in objects.items():
            label, fresh = study_label(study_uid), new[study_uid]
            _log.info(
                "study %s: %d objects, %d new, from %s", label, count, fresh, self.origin.sender
            )
        for (study_uid, why), count in refused.items():
            audit.write("refused", study_uid, objects=count, why=why, **sender)
