"""`/api/v1/studies`: a study as a browser or a script sends it, in one file or many.

A zip of DICOM files, a DICOM file, a NIfTI file, or several as parts of multipart/form-data or
multipart/related. What a file is, its bytes say, not its name or the type that is declared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from groundglass.server.http.access import Submitter
from groundglass.server.http.body import read_chunks
from groundglass.server.http.intake import (
    check_objects,
    keep_objects,
    origin_of,
    take_body,
    take_parts,
)
from groundglass.server.http.models import Problem, RefusedFile, Submission, SubmittedStudy
from groundglass.server.http.nifti_upload import check_nifti, keep_nifti
from groundglass.server.http.node import Node
from groundglass.server.http.parts import PartLimits, PartSplitter, boundary_of
from groundglass.server.http.problems import HttpError, without_paths
from groundglass.server.http.record import record
from groundglass.server.http.stow_reply import Outcome
from groundglass.server.http.upload_files import sort_files
from groundglass.server.spooled_study import Origin

_SHOWN = 20
_ANSWERS = {
    400: {"model": Problem, "description": "A damaged zip, or a body that is no whole multipart."},
    409: {"model": Problem, "description": "Nothing could be kept; `detail` says why."},
    413: {"model": Problem, "description": "Beyond the node's limits, packed or unpacked."},
    415: {"model": Problem, "description": "Neither DICOM nor a zip, or compressed by HTTP."},
    503: {"model": Problem, "description": "No room, or too many uploads; see Retry-After."},
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/zip": _BINARY,
            "application/dicom": _BINARY,
            "application/octet-stream": _BINARY,
        },
    }
}


def studies_router(node: Node) -> APIRouter:
    """The one address that takes studies."""
    router = APIRouter(prefix="/api/v1/studies", tags=["studies"])

    @router.post(
        "",
        summary="Submit a study",
        status_code=202,
        responses=_ANSWERS,  # type: ignore[arg-type]
        openapi_extra=_BODY,
    )
    async def submit(request: Request, caller: Submitter) -> Submission:
        """A zip of DICOM files, a DICOM file, NIfTI, or several of them in a multipart body.

        The job of a DICOM study appears under `jobs` when nothing came for it for
        `quiet_seconds`; that of a NIfTI file is there at once.
        """
        async with node.uploads.slot() as folder:
            files = await _take(node, request, folder)
            origin = origin_of(request, caller)
            return await run_in_threadpool(_keep, node, files, folder, origin)

    return router


async def _take(node: Node, request: Request, folder: Path) -> list[Path]:
    """The body's files on disk. Raises: HttpError."""
    content_type = request.headers.get("content-type", "")
    chunks = read_chunks(request, node.body_limits)
    if not content_type.strip().lower().startswith("multipart/"):
        path = folder / "body"
        await take_body(chunks, path, node.uploads)
        return [path]
    # A part may be a zip of a whole study.
    limits = PartLimits(node.part_limits.max_parts, node.body_limits.max_bytes)
    splitter = PartSplitter(boundary_of(content_type), folder, limits)
    parts = await take_parts(chunks, splitter, node.uploads)
    return [part.path for part in parts]


def _keep(node: Node, files: Iterable[Path], folder: Path, origin: Origin) -> Submission:
    """Check all files, then keep them; what became of each. Raises: HttpError."""
    found = sort_files(node, files, folder)
    for path in found.nifti:
        check_nifti(path, max_bytes=node.body_limits.max_bytes)
    taken = check_objects(found.dicom, max_bytes=node.max_object_bytes)
    outcome = keep_objects(taken, node.spool, origin)
    record(node, outcome, origin, front="rest")
    if not outcome.kept and not found.nifti:
        raise HttpError(
            outcome.status(),
            f"no object could be kept; the first: {outcome.failed[0].text}",
            retry_after=60 if outcome.status() == 503 else None,
        )
    queued = [keep_nifti(node, path, origin).study_uid for path in found.nifti]
    return _submission(outcome, queued, found.ignored, node.settings.quiet_seconds)


def _submission(
    outcome: Outcome, queued: list[str], ignored: int, quiet_seconds: float
) -> Submission:
    counted = Counter([one.found.study_uid for one in outcome.kept] + queued)
    return Submission(
        studies=[
            SubmittedStudy(study_uid=uid, objects=n, jobs=f"/api/v1/jobs?study_uid={uid}")
            for uid, n in counted.items()
        ],
        refused_count=len(outcome.failed),
        refused=[
            RefusedFile(file=one.file, reason=without_paths(one.text))
            for one in outcome.failed[:_SHOWN]
        ],
        ignored_count=ignored,
        quiet_seconds=quiet_seconds,
    )
