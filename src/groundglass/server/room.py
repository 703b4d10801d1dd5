"""How much the spool may take: counted per study, checked before anything is written."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from groundglass.errors import SpoolFullError, TooLargeError
from groundglass.server.disk import MIB
from groundglass.server.settings import Limits
from groundglass.server.spooled_study import read_study

_KEPT_COUNTS = 1000


@dataclass(frozen=True)
class StudySize:
    """What is kept of a study."""

    instances: int
    size_bytes: int


class Room:
    """Limits, and counts of the studies being received; the caller holds a lock around calls.

    A study is listed once and counted on from there: to list it for every object would take
    time that grows with the square of its size. What other processes receive for the same study
    in the meantime is not counted, so limits per study hold per process.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder = folder
        self.limits = limits
        self._sizes: dict[str, StudySize] = {}

    def check_object(self, size_bytes: int) -> None:
        """Raises: TooLargeError."""
        if size_bytes > self.limits.max_object_mib * MIB:
            raise TooLargeError(
                f"object of {size_bytes / MIB:.1f} MiB",
                expected=f"at most {self.limits.max_object_mib} MiB (limits.max_object_mib)",
            )

    def check_disk(self, coming_bytes: int = 0) -> None:
        """Raises: SpoolFullError where `coming_bytes` would leave too little room."""
        free = shutil.disk_usage(self.folder).free - coming_bytes
        if free < self.limits.free_disk_mib * MIB:
            raise SpoolFullError(
                f"the node's disk would have {max(free, 0) // MIB} MiB free",
                expected=f"{self.limits.free_disk_mib} MiB (limits.free_disk_mib)",
                remedy="Send again later",
            )

    def take(self, study_uid: str, size_bytes: int) -> None:
        """Count one more object. Raises: TooLargeError, SpoolFullError; then nothing is counted."""
        known = self._known(study_uid)
        limits = self.limits
        if known.instances == 0:
            self._check_waiting()
        if known.instances + 1 > limits.max_instances:
            raise TooLargeError(
                f"study {study_uid} has {known.instances} objects already",
                expected=f"at most {limits.max_instances} (limits.max_instances)",
            )
        total = known.size_bytes + size_bytes
        if total > limits.max_study_mib * MIB:
            raise TooLargeError(
                f"study {study_uid} would have {total / MIB:.0f} MiB",
                expected=f"at most {limits.max_study_mib} MiB (limits.max_study_mib)",
            )
        self.check_disk(size_bytes)
        self._sizes[study_uid] = StudySize(known.instances + 1, total)

    def forget(self, study_uid: str) -> None:
        """Count the study anew the next time: something was not kept, or was removed."""
        self._sizes.pop(study_uid, None)

    def waiting(self) -> int:
        """Studies that are not dealt with yet."""
        return sum(
            not (folder / "settled").exists() for folder in (self.folder / "studies").iterdir()
        )

    def _check_waiting(self) -> None:
        waiting, most = self.waiting(), self.limits.max_studies_waiting
        if waiting >= most:
            raise SpoolFullError(
                f"{waiting} studies are waiting",
                expected=f"fewer than {most} (limits.max_studies_waiting)",
                remedy="Send again later",
            )

    def _known(self, study_uid: str) -> StudySize:
        if study_uid not in self._sizes:
            if len(self._sizes) >= _KEPT_COUNTS:
                self._sizes.clear()
            study = read_study(self.folder / "studies" / study_uid)
            size = StudySize(study.instances, study.size_bytes) if study else StudySize(0, 0)
            self._sizes[study_uid] = size
        return self._sizes[study_uid]
