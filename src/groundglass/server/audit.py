"""What happened to which study, one JSON line per event, on disk before the call returns."""

from __future__ import annotations

import datetime
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from groundglass.errors import OutputError
from groundglass.server.settings import ServeSettings

Event = Literal[
    "received", "refused", "ignored", "queued", "analyzed", "failed", "canceled", "sent",
    "send_failed", "deleted",
]  # fmt: skip


def study_label(study_uid: str) -> str:
    """A study's name in logs: 16 hexadecimal digits of the SHA-256 of its UID.

    Who has the UID can find the lines of a study; who has the lines learns no UID.
    """
    return hashlib.sha256(study_uid.encode()).hexdigest()[:16]


class AuditLog:
    """The file; several threads and processes may append. `uids`: write UIDs, not their hashes."""

    def __init__(
        self, path: Path, *, uids: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = Path(path)
        self.uids = uids
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: ServeSettings) -> AuditLog:
        """The audit file of a node."""
        return cls(settings.audit_file, uids=settings.audit_uids)

    def write(
        self, event: Event, study_uid: str, *, job: str | None = None, **facts: str | int | float
    ) -> None:
        """Append one event. `facts` never hold what a header says about a patient.

        Raises: OutputError where the line cannot be written.
        """
        when = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        line = {
            "time": when.isoformat(timespec="milliseconds"),
            "event": event,
            "study": study_uid if self.uids else study_label(study_uid),
            **({} if job is None else {"job": job}),
            **facts,
        }
        data = json.dumps(line).encode() + b"\n"
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                if _is_torn(handle):
                    data = b"\n" + data
                # in one call, so that lines never mix
                if os.write(handle, data) < len(data):  # as much as the disk took
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise OutputError(
                f"audit file {self.path} cannot be written ({error.strerror})",
                remedy="Check that the disk has room and that this user may write there",
            ) from error


def _is_torn(handle: int) -> bool:
    """Whether the last line has no end: the disk was full when it was written."""
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"
