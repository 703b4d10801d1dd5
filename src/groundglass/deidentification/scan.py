"""A scan that was read, without its patient: what `analyze --deidentify` works with."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, replace
from typing import Any

from pydicom.dataset import Dataset

from groundglass.deidentification.dataset import deidentify_dataset
from groundglass.deidentification.profiles import NOT_REMOVED, TABLE, Profile
from groundglass.deidentification.secret_key import SecretKey
from groundglass.deidentification.values import clean_words
from groundglass.deidentification.volume_files import NRRD_KEPT, clean_nifti_header
from groundglass.errors import UnreadableError
from groundglass.volume import Finding, Source, Volume

_GRID = (
    "frames",
    "positions",
    "orientation",
    "pixel_spacing",
    "slice_thickness_mm",
    "affine_ras",
    "shape_ijk",
)
"""Entries of `Source.header` that say where slices lie, and nothing else."""

_UID = re.compile(r"\d+(?:\.\d+){3,}")


@dataclass(frozen=True)
class Deidentification:
    """By which profile, and with which key."""

    profile: Profile
    key: SecretKey

    def provenance(self) -> dict[str, Any]:
        """What `run.json` and the report say of it."""
        return {
            "profile": self.profile.name,
            "options": [meaning for _, meaning in self.profile.codes],
            "table": f"DICOM PS3.15 E.1-1, {TABLE}",
            "key": "from a file" if self.key.is_kept else "random, for this run alone",
            "not_removed": NOT_REMOVED,
        }


def scan_pseudonym(key: SecretKey, scan_id: str) -> str:
    """The name that stands for a scan's own name, which is that of its file or folder."""
    return f"S-{key.pseudonym('scan', scan_id)}"


def deidentified(volume: Volume, how: Deidentification, *, scan_id: str | None = None) -> Volume:
    """The same values and grid with a `Source` that no longer says who the patient is.

    `scan_id`: the scan's new name, where it is not made from its own. UIDs become those that
    `deidentify` gives with the same key; paths are gone; the headers that writers use are
    cleaned as files are. Raises: UnreadableError where a header is too damaged for that.
    """
    source, key, profile = volume.source, how.key, how.profile
    return replace(
        volume,
        source=replace(
            source,
            scan_id=scan_id or scan_pseudonym(key, source.scan_id),
            path="",
            series_uid=key.uid(source.series_uid) if source.series_uid else "",
            description=clean_words(source.description) if profile.clean_descriptors else "",
            choice=_without_uids(source.choice, key),
            slice_uids=tuple(_frame_uid(uid, key) for uid in source.slice_uids),
            findings=tuple(_finding(finding, key) for finding in source.findings),
            header=_clean_header(source, key, profile),
        ),
    )


def _clean_header(source: Source, key: SecretKey, profile: Profile) -> dict[str, Any]:
    """`Source.header` by an allow list: what is not known here is dropped."""
    header = source.header
    out: dict[str, Any] = {name: header[name] for name in _GRID if name in header}
    if "paths" in header:
        out["paths"] = ("",) * len(header["paths"])
    if "dataset" in header:
        out["dataset"] = _clean_dataset(header["dataset"], key, profile)
    if "nifti_header" in header:
        out["nifti_header"] = header["nifti_header"].copy()
        clean_nifti_header(out["nifti_header"])
    if "nrrd_header" in header:
        texts = header["nrrd_header"]
        out["nrrd_header"] = {name: texts[name] for name in NRRD_KEPT if name in texts}
    return out


def _clean_dataset(dataset: Dataset, key: SecretKey, profile: Profile) -> Dataset:
    try:
        clean = copy.deepcopy(dataset)
        deidentify_dataset(clean, key, profile)
    except Exception as error:  # odd headers fail in any way, and nothing of them may stay
        raise UnreadableError(
            f"the scan's header cannot be de-identified ({type(error).__name__})",
            expected="a whole DICOM header",
            remedy="Export the series again",
        ) from error
    return clean


def _frame_uid(uid: str, key: SecretKey) -> str:
    """The instance's new UID; '#n' of a frame stays."""
    instance, mark, frame = uid.partition("#")
    return key.uid(instance) + mark + frame if instance else ""


def _without_uids(text: str, key: SecretKey) -> str:
    return _UID.sub(lambda found: key.uid(found[0]), text)


def _finding(finding: Finding, key: SecretKey) -> Finding:
    return replace(finding, message=_without_uids(finding.message, key))
