"""How made-up scans on disk are told from patients: a file in their folder, a word in each header.

Written by `phantom`, heeded by `datasets`; kept here, as these two rooms do not know each other.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MARKER = "PHANTOM.json"
"""In the folder of a phantom cohort. That it is there is what counts, not what it says."""

HEADER_NOTE = "groundglass phantom, not a patient"
"""Description in the header of every NIfTI that a phantom is written to."""

DICOM_MANUFACTURER, DICOM_MODEL = "Groundglass", "procedural phantom"
"""Manufacturer and model in every DICOM object that a phantom is written to."""


def is_phantom_folder(folder: Path) -> bool:
    """Whether a folder is marked as holding phantoms."""
    return (folder / MARKER).exists()


def read_marker(folder: Path) -> dict[str, Any]:
    """What the marker says of how the phantoms were made; {} where it is missing or damaged."""
    try:
        found = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_phantom_header(header: dict[str, Any]) -> bool:
    """Whether a scan's header (`Volume.source.header`) is that of a NIfTI or DICOM phantom.

    De-identified DICOM may have lost its maker and model, and then passes for a patient's.
    """
    nifti, dataset = header.get("nifti_header"), header.get("dataset")
    if nifti is not None:
        return bytes(nifti["descrip"].item()).startswith(HEADER_NOTE.encode())
    if dataset is None:
        return False
    made_by = dataset.get("Manufacturer"), dataset.get("ManufacturerModelName")
    return made_by == (DICOM_MANUFACTURER, DICOM_MODEL)
