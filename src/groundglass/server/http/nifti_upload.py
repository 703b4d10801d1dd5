"""A NIfTI file sent by REST: a job of its own, without study, series or patient."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

from groundglass.server.disk import sync_folder
from groundglass.server.http.node import Node
from groundglass.server.http.problems import HttpError
from groundglass.server.http.record import audit
from groundglass.server.job import Job, Plan
from groundglass.server.spooled_study import Origin

RULE = "upload"
_GZIP = b"\x1f\x8b"


def keep_nifti(node: Node, path: Path, origin: Origin) -> Job:
    """Move the file to the uploads and queue it; the same file again is the same job.

    The job's `study_uid` is "upload-" and half of the file's SHA-256. No rule looks at it, for
    it has no header to look at, and nothing is sent to peers. Raises: HttpError, QueueError.
    """
    suffix = ".nii.gz" if _head(path) == _GZIP else ".nii"
    named = path.with_name(f"{path.name}{suffix}")  # nibabel goes by the name
    path.rename(named)
    _check(named, node.body_limits.max_bytes)
    _check_queue(node)
    with named.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        os.fsync(file.fileno())
    folder = node.settings.uploads_folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{digest}{suffix}"
    named.chmod(0o600)
    os.replace(named, folder / name)
    sync_folder(folder)
    analysis = node.settings.analysis
    plan = Plan(
        rule=RULE,
        upload=name,
        dicom=(),
        lesion_model=analysis.lesion_model,
        classifier=analysis.classifier,
    )
    job, is_new = node.jobs.submit(f"upload-{digest}", plan)
    audit(node, "received", job.study_uid, origin, objects=1)
    if is_new:
        audit(node, "queued", job.study_uid, origin, job=job.id, rule=RULE)
    return job


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2)


def _check(path: Path, max_bytes: int) -> None:
    """Read the header alone: a packed file of some bytes may claim to be any size."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image = nibabel.load(path)
        shape, values = image.shape, image.get_data_dtype().itemsize  # type: ignore[attr-defined]
    except (ImageFileError, HeaderDataError, OSError, ValueError, EOFError, zlib.error) as error:
        raise HttpError(
            400,
            f"file is gzip or NIfTI and its header cannot be read ({type(error).__name__})",
            expected="a whole NIfTI file",
        ) from error
    size = values
    for extent in shape:
        size *= max(1, int(extent))
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise HttpError(400, f"NIfTI has the shape {shape}", expected="three axes")
    if size > max_bytes:
        raise HttpError(
            413,
            f"NIfTI unpacks to {size} bytes",
            expected=f"at most {max_bytes} (limits.max_study_mib)",
        )


def _check_queue(node: Node) -> None:
    most = node.settings.limits.max_studies_waiting
    waiting = node.jobs.counts().jobs["waiting"]
    if waiting >= most:
        raise HttpError(
            503,
            f"{waiting} jobs are waiting",
            expected=f"fewer than {most} (limits.max_studies_waiting)",
            remedy="Send it again later",
            retry_after=60,
        )
