"""A job of the queue, and what is to be done in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Plan:
    """What is to be done with a study: which rule says so, on which series, with what options.

    `series` are SeriesInstanceUIDs with their SOP instance UIDs: what comes later is another job.
    `dicom` None leaves the DICOM objects to the analysis.
    `upload` is the name of a file in the uploads folder instead, where no DICOM was sent.
    """

    rule: str
    series: dict[str, list[str]] = field(default_factory=dict)
    upload: str | None = None
    dicom: tuple[str, ...] | None = None
    lesion_model: str | None = None
    classifier: str | None = None
    send_to: tuple[str, ...] = ()

    @property
    def content(self) -> str:
        """What the job is about, as SHA-256: the same objects, or the same upload, are one job."""
        names = [f"{series}/{sop}" for series, sops in self.series.items() for sop in sops]
        return hashlib.sha256("\n".join([*sorted(names), self.upload or ""]).encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """A row of the queue. Times in seconds since 1970; `result` is there when it is done.

    `result["folder"]` is the folder's name in the results folder. `token` counts how often it was
    taken.
    """

    id: str
    study_uid: str
    content: str
    state: str
    plan: Plan
    tries: int
    token: int
    submitted: float
    started: float | None
    finished: float | None
    next_try: float
    owner: str | None
    error: str | None
    result: dict[str, Any] | None

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Job:
        """A job as the database gives it."""
        plan = dict(row["plan"])
        for name in ("dicom", "send_to"):  # JSON knows no tuples
            plan[name] = None if plan[name] is None else tuple(plan[name])
        names = [one.name for one in fields(cls) if one.name != "plan"]
        return cls(plan=Plan(**plan), **{name: row[name] for name in names})


@dataclass(frozen=True)
class Counts:
    """How many jobs and deliveries are in each state, and how long the oldest due job waits."""

    jobs: dict[str, int]
    deliveries: dict[str, int]
    oldest_waiting_seconds: float
