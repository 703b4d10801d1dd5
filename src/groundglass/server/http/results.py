"""Which files of a result may be downloaded: those that are there under names we know.

A name from a request is only ever compared with these names; it never becomes a path.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from groundglass.server.http.headers import REPORT
from groundglass.server.job import Job

_TYPES = {
    "findings.json": "application/json",
    "run.json": "application/json",
    "labels.json": "application/json",
    "report.html": "text/html; charset=utf-8",
    "report.pdf": "application/pdf",
    "lungs.nii.gz": "application/gzip",
    "lesions.nii.gz": "application/gzip",
    "lesion_probability.nii.gz": "application/gzip",
}
_DICOM_FOLDER = "dicom"


@dataclass(frozen=True)
class ResultFile:
    """A file of a result; `name` is as in an address, `path` on the node's disk."""

    name: str
    path: Path
    media_type: str
    size_bytes: int

    @property
    def headers(self) -> dict[str, str]:
        """Shown by a browser in a sandbox (the reports), or saved (everything else)."""
        if self.name == "report.html":
            return dict(REPORT)
        kind = "inline" if self.name == "report.pdf" else "attachment"
        return {"Content-Disposition": f'{kind}; filename="{self.path.name}"'}


def result_files(job: Job, results_folder: Path) -> list[ResultFile]:
    """The files of a job's result, by name; none where there is no result (any more)."""
    folder = (job.result or {}).get("folder")
    if not isinstance(folder, str) or folder in ("", ".", "..") or Path(folder).name != folder:
        return []
    return sorted(_files(results_folder / folder), key=lambda file: file.name)


def _files(folder: Path) -> Iterator[ResultFile]:
    for name, media_type in _TYPES.items():
        yield from _file(name, folder / name, media_type)
    try:
        children = list((folder / _DICOM_FOLDER).iterdir())
    except OSError:
        return
    for child in children:
        if child.suffix == ".dcm" and child.name.isascii() and '"' not in child.name:
            yield from _file(f"{_DICOM_FOLDER}/{child.name}", child, "application/dicom")


def _file(name: str, path: Path, media_type: str) -> Iterator[ResultFile]:
    """The file, unless it is absent or no plain file: a link could lead anywhere."""
    try:
        found = os.lstat(path)
    except OSError:
        return
    if stat.S_ISREG(found.st_mode):
        yield ResultFile(name, path, media_type, found.st_size)
