"""A NIfTI file sent by REST: a job of its own, without study, series or patient."""

from __future__ import annotations

import gzip
import hashlib
import math
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
_HEAD_BYTES = 540
"""A NIfTI-2 header; that of NIfTI-1 has 348."""


def keep_nifti(node: Node, path: Path, origin: Origin) -> Job:
    """Move the file to the uploads and queue it; the same file again is the same job.

    Call `check_nifti` first.

    The job's `study_uid` is "upload-" and half of the file's SHA-256. No rule looks at it, for
    it has no header to look at, and nothing is sent to peers. Raises: HttpError, QueueError.
    """
    _check_queue(node)
    suffix = ".nii.gz" if _is_packed(path) else ".nii"  # readers go by the name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
        os.fsync(file.fileno())
    folder = node.settings.uploads_folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{digest}{suffix}"
    path.chmod(0o600)
    os.replace(path, folder / name)
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


def check_nifti(path: Path, *, max_bytes: int) -> None:
    """Look at the header's first bytes alone, unpacked: the rest may be made to fill the memory.

    Raises: HttpError with 400, or 413 where the values would take more than `max_bytes`.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        head = _head(path)
        kind = Nifti2Header if head[4:8] == b"n+2\0" else Nifti1Header
        header = kind(head[: kind.template_dtype.itemsize], check=False)
        shape, value_bytes = header.get_data_shape(), header.get_data_dtype().itemsize
        is_single = bytes(header["magic"]).startswith((b"n+1", b"n+2"))
    except (
        *(HeaderDataError, WrapStructError, KeyError, ValueError),  # KeyError: an unknown type
        *(OSError, EOFError, zlib.error),  # damaged gzip
    ) as error:
        raise _no_nifti(type(error).__name__) from error
    if not is_single:
        raise _no_nifti("no magic number")
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise HttpError(400, f"NIfTI has the shape {shape}", expected="three axes")
    size = math.prod(int(extent) for extent in shape) * value_bytes
    if size > max_bytes:
        raise HttpError(
            413,
            f"NIfTI unpacks to {size} bytes",
            expected=f"at most {max_bytes} (limits.max_study_mib)",
        )


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _head(path: Path) -> bytes:
    """The first bytes, of the unpacked file where it is packed. Raises: OSError, EOFError."""
    if not _is_packed(path):
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    with gzip.open(path) as file:
        return file.read(_HEAD_BYTES)


def _no_nifti(why: str) -> HttpError:
    return HttpError(
        400,
        f"file is gzip or NIfTI and its header cannot be read ({why})",
        expected="a whole NIfTI file",
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
