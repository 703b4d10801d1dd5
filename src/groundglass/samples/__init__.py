"""Two small real scans that ship with the project; each folder has a licence of its own.

`covid19-ct-seg`: 24 slices of a patient with COVID-19 pneumonia, 8 bit, with reference masks
(CC BY-NC-SA 4.0). `cip`: a whole chest CT of 64x64x79 voxels in HU as zipped DICOM, with a
reference lung mask (BSD style, Chest Imaging Platform).
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent

COVID_CASE = "coronacases_010"
"""What the scan is called in its data set, and in the `held_out` of weights that never saw it."""

COVID_SCAN = _HERE / "covid19-ct-seg" / "ct.nii.gz"
COVID_REFERENCE = {
    "lungs": _HERE / "covid19-ct-seg" / "lungs.nii.gz",
    "lesions": _HERE / "covid19-ct-seg" / "lesions.nii.gz",
}
CIP_SCAN = _HERE / "cip" / "ct-64Dicom.zip"
CIP_REFERENCE = {"lungs": _HERE / "cip" / "wholeLung-64.nrrd"}
