"""What the REST interface answers: field by field, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from groundglass.server.deliveries import Delivery
from groundglass.server.http.problems import without_paths
from groundglass.server.job import Job

State = Literal["waiting", "running", "done", "failed", "canceled"]
_UID_EXAMPLE = "1.2.826.0.1.3680043.8.498.1"
_ID_EXAMPLE = "0f5f3a5c7d1e4b43a1f0f8b0a9c6d2e1"


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Problem(_Answer):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: Annotated[str, Field(examples=["Not Found"])]
    status: Annotated[int, Field(examples=[404])]
    detail: Annotated[str, Field(examples=["there is no job 'x'; expected an id of /api/v1/jobs."])]


class JobAnswer(_Answer):
    """One analysis of one study. Times are seconds since 1970."""

    id: Annotated[str, Field(examples=[_ID_EXAMPLE])]
    study_uid: Annotated[str, Field(examples=[_UID_EXAMPLE])]
    state: State
    rule: Annotated[str, Field(description="The rule that chose what is done.")]
    tries: int
    submitted: float
    started: float | None
    finished: float | None
    error: Annotated[str | None, Field(description="Why the last try failed.")]

    @classmethod
    def of(cls, job: Job) -> JobAnswer:
        """The job without what is nobody's business: paths, workers, tokens."""
        return cls(
            id=job.id,
            study_uid=job.study_uid,
            state=job.state,  # type: ignore[arg-type]
            rule=job.plan.rule,
            tries=job.tries,
            submitted=job.submitted,
            started=job.started,
            finished=job.finished,
            error=None if job.error is None else without_paths(job.error),
        )


class JobPage(_Answer):
    """Jobs, the newest first. `next` is the address of the next page, where there is one."""

    jobs: list[JobAnswer]
    next: Annotated[str | None, Field(examples=["/api/v1/jobs?limit=50&offset=50"])]


class DeliveryAnswer(_Answer):
    """A result on its way to a peer."""

    peer: str
    state: State
    tries: int
    sent: Annotated[int, Field(description="Objects that the peer has taken.")]
    error: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> DeliveryAnswer:
        """Without the UIDs of the objects."""
        return cls(
            peer=delivery.peer,
            state=delivery.state,  # type: ignore[arg-type]
            tries=delivery.tries,
            sent=len(delivery.sent),
            error=None if delivery.error is None else without_paths(delivery.error),
        )


class JobDetail(_Answer):
    """A job with its deliveries and the addresses of its files."""

    job: JobAnswer
    deliveries: list[DeliveryAnswer]
    results: Annotated[str, Field(examples=[f"/api/v1/jobs/{_ID_EXAMPLE}/results"])]


class FileAnswer(_Answer):
    """A file of a result."""

    name: Annotated[str, Field(examples=["findings.json"])]
    media_type: Annotated[str, Field(examples=["application/json"])]
    size_bytes: int
    address: Annotated[str, Field(examples=[f"/api/v1/jobs/{_ID_EXAMPLE}/results/findings.json"])]


class FileList(_Answer):
    """The files of a result."""

    files: list[FileAnswer]


class SubmittedStudy(_Answer):
    """A study of which objects were kept. Its job appears when nothing came for a while."""

    study_uid: Annotated[str, Field(examples=[_UID_EXAMPLE])]
    objects: Annotated[int, Field(description="Objects kept with this request.", examples=[300])]
    jobs: Annotated[str, Field(examples=[f"/api/v1/jobs?study_uid={_UID_EXAMPLE}"])]


class RefusedFile(_Answer):
    """A file of the request that was not kept."""

    file: Annotated[int, Field(description="Its number among the DICOM files, from 1.")]
    reason: str


class Submission(_Answer):
    """What became of an upload. `quiet_seconds`: studies are analyzed after so long a silence."""

    studies: list[SubmittedStudy]
    refused_count: int
    refused: Annotated[list[RefusedFile], Field(description="The first 20 of them.")]
    ignored_count: Annotated[int, Field(description="Files of a zip that are no DICOM.")]
    quiet_seconds: float
