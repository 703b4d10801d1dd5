"""The files of one try at a job: its input, linked aside, and its result, put in place."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from groundglass.errors import OutputError, UnreadableError
from groundglass.server.disk import sync_folder
from groundglass.server.job import Job
from groundglass.server.jobs import JobStore
from groundglass.server.leases import Lease
from groundglass.server.settings import ServeSettings

_TRY = re.compile(r"([0-9a-f]{32})-(\d+)")


class JobFiles:
    """work/<job>-<token>/ while the try lasts, results/<job>-<token>/ when it is done.

    The token in the name keeps a late worker from writing over the result of the one that took
    its place; which folder counts is what the queue says.
    """

    def __init__(self, settings: ServeSettings, job: Job, lease: Lease) -> None:
        self._settings = settings
        self._job = job
        self.name = f"{lease.id}-{lease.token}"
        self.folder = settings.work_folder / self.name
        self.result = self.folder / "result"
        self.published = settings.results_folder / self.name

    def link_input(self) -> Path:
        """The job's own objects, and none that came later, as hard links. Returns their place.

        Raises: UnreadableError where one is gone, OutputError where nothing can be written.
        """
        plan = self._job.plan
        self.remove()
        try:
            self.folder.mkdir(mode=0o700, parents=True)
            if plan.upload is not None:
                return _link(self._settings.uploads_folder / plan.upload, self.folder)
            study = self._settings.spool_folder / "studies" / self._job.study_uid
            place = self.folder / self._job.id
            for series, sops in plan.series.items():
                (place / series).mkdir(parents=True)
                for sop in sops:
                    _link(study / series / f"{sop}.dcm", place / series)
        except FileNotFoundError as error:
            raise UnreadableError(
                f"job {self._job.id} misses objects of its study",
                expected="all that it was made of",
                remedy="They were deleted; send the study again",
            ) from error
        except OSError as error:
            raise OutputError(
                f"work folder cannot be written ({error.strerror})",
                remedy="Check that the node's disk has room",
            ) from error
        return place

    def publish(self) -> None:
        """Put the result in place, on disk for good. Raises: OutputError."""
        try:
            self.published.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder, _, names in os.walk(self.result):
                for name in names:
                    _sync(Path(folder) / name)
                sync_folder(Path(folder))
            os.rename(self.result, self.published)
            sync_folder(self.published.parent)
        except OSError as error:
            raise OutputError(
                f"result of job {self._job.id} cannot be put in place ({error.strerror})",
                remedy="Check that the node's disk has room",
            ) from error

    def withdraw(self) -> None:
        """Remove a result that turned out not to count."""
        shutil.rmtree(self.published, ignore_errors=True)

    def remove(self) -> None:
        """Remove what the try left."""
        shutil.rmtree(self.folder, ignore_errors=True)


def remove_dead_tries(settings: ServeSettings, jobs: JobStore) -> int:
    """Remove folders of tries that nobody works on, and results that do not count.

    A result whose job the queue does not know stays: somebody may have begun a new queue. Returns
    how many were removed. Raises: QueueError.
    """
    removed = 0
    for place in (settings.work_folder, settings.results_folder):
        for folder in place.iterdir() if place.is_dir() else ():
            match = _TRY.fullmatch(folder.name)
            if match is None:
                continue
            job = jobs.get(match[1])
            if job is None:
                is_needed = place == settings.results_folder
            else:
                counts = job.state == "done" and place == settings.results_folder
                is_needed = job.token == int(match[2]) and (counts or job.state == "running")
            if not is_needed:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed


def _link(source: Path, folder: Path) -> Path:
    place = folder / source.name
    os.link(source, place)
    return place


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
