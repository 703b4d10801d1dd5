"""`/api/v1/jobs`: what the node does, and the files that came of it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse

from groundglass.server.http.access import Administrator, Reader
from groundglass.server.http.intake import origin_of
from groundglass.server.http.models import (
    DeliveryAnswer,
    FileAnswer,
    FileList,
    JobAnswer,
    JobDetail,
    JobPage,
    Problem,
    State,
)
from groundglass.server.http.node import Node
from groundglass.server.http.problems import HttpError
from groundglass.server.http.record import audit
from groundglass.server.http.results import result_files
from groundglass.server.job import Job

JOBS = "/api/v1/jobs"
_PLAIN = r"^[\w.-]*$"
"""Ids and UIDs; above all no NUL, which PostgreSQL takes in no text."""
JobId = Annotated[str, Path(max_length=64, pattern=_PLAIN, description="The job's id.")]
_MOST = 500


def jobs_router(node: Node) -> APIRouter:
    """List, look, download, cancel."""
    unknown = {404: {"model": Problem, "description": "No such job or file."}}
    router = APIRouter(prefix=JOBS, tags=["jobs"])

    @router.get("", summary="List jobs")
    def list_jobs(
        _caller: Reader,
        state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
        study_uid: Annotated[
            str | None, Query(max_length=64, pattern=_PLAIN, description="Of one study.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> JobPage:
        """Jobs, the newest first, page by page."""
        found = node.jobs.list(state=state, study_uid=study_uid, limit=limit + 1, offset=offset)
        asked = {"state": state, "study_uid": study_uid, "limit": limit, "offset": offset + limit}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        following = f"{JOBS}?{query}" if len(found) > limit else None
        return JobPage(jobs=[JobAnswer.of(job) for job in found[:limit]], next=following)

    @router.get("/{job_id}", summary="Look at a job", responses=unknown)  # type: ignore[arg-type]
    def get_job(job_id: JobId, _caller: Reader) -> JobDetail:
        """State, error and deliveries of one job."""
        job = _job(node, job_id)
        return JobDetail(
            job=JobAnswer.of(job),
            deliveries=[DeliveryAnswer.of(one) for one in node.jobs.deliveries.of_job(job.id)],
            results=f"{JOBS}/{job.id}/results",
        )

    @router.delete("/{job_id}", summary="Cancel a job", status_code=204, responses=unknown)  # type: ignore[arg-type]
    def cancel_job(request: Request, job_id: JobId, caller: Administrator) -> Response:
        """Stop a job that waits or runs; 409 where it is at its end already."""
        job = _job(node, job_id)
        if not node.jobs.cancel(job.id):
            state = _job(node, job_id).state
            raise HttpError(409, f"job {job.id} is {state}", expected="one that waits or runs")
        audit(node, "canceled", job.study_uid, origin_of(request, caller), job=job.id)
        return Response(status_code=204)

    @router.get("/{job_id}/results", summary="List a job's files", responses=unknown)  # type: ignore[arg-type]
    def list_results(job_id: JobId, _caller: Reader) -> FileList:
        """The files that may be downloaded; none before the job is done."""
        job = _job(node, job_id)
        files = [
            FileAnswer(
                name=file.name,
                media_type=file.media_type,
                size_bytes=file.size_bytes,
                address=f"{JOBS}/{job.id}/results/{file.name}",
            )
            for file in result_files(job, node.settings.results_folder)
        ]
        return FileList(files=files)

    @router.get(
        "/{job_id}/results/{name:path}",
        summary="Download a file",
        response_class=FileResponse,
        responses=unknown,  # type: ignore[arg-type]
    )
    def get_result(
        job_id: JobId,
        name: Annotated[str, Path(max_length=200, examples=["findings.json"])],
        _caller: Reader,
    ) -> FileResponse:
        """One file, under a name of the list."""
        job = _job(node, job_id)
        for file in result_files(job, node.settings.results_folder):
            if file.name == name:
                return FileResponse(file.path, media_type=file.media_type, headers=file.headers)
        raise HttpError(
            404, f"job {job.id} has no file {name!r}", expected=f"a name of {JOBS}/{job.id}/results"
        )

    return router


def _job(node: Node, job_id: str) -> Job:
    """Raises: HttpError (404)."""
    job = node.jobs.get(job_id)
    if job is None:
        raise HttpError(404, f"there is no job {job_id!r}", expected=f"an id of {JOBS}")
    return job
