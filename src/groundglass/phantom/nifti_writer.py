"""A phantom as NIfTI, and its truth (masks, truth.json) for either form.

NIfTI orders axes (W, H, D) and its frame is RAS; both are converted here.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from groundglass.errors import OutputError, SettingsError
from groundglass.geometry import LPS_FROM_RAS, reversed_axes_affine
from groundglass.io.phantom_mark import HEADER_NOTE
from groundglass.labels import LESION_LABELS, LUNG_LABELS
from groundglass.phantom.chest import Phantom

DOMAINS = ("hu", "hu+1024", "uint8")
UINT8_WINDOW_HU = (-1350.0, 150.0)
_SCANNER = 1  # NIfTI code for scanner coordinates


def write_nifti(phantom: Phantom, path: Path, domain: str = "hu") -> None:
    """Write the scan as .nii.gz: 'hu' and 'hu+1024' int16, 'uint8' a window of 1500 at -600 HU.

    Raises: SettingsError for another domain, OutputError where it cannot be written.
    """
    hu = phantom.volume.array
    if domain == "hu":
        array = hu
    elif domain == "hu+1024":
        array = (hu + np.int16(1024)).astype(np.int16)
    elif domain == "uint8":
        low, high = UINT8_WINDOW_HU
        table = np.clip((np.arange(-1024, 3072) - low) / (high - low) * 255, 0, 255)
        array = np.rint(table).astype(np.uint8)[hu.astype(np.int32) + 1024]
    else:
        raise SettingsError(f"domain is {domain!r}", expected="hu, hu+1024 or uint8")
    write_array(path, array, phantom.volume.affine)


def write_reference(
    phantom: Phantom, folder: Path, *, written: dict[str, Any] | None = None
) -> None:
    """Write lungs.nii.gz, lesions.nii.gz and truth.json into an existing folder.

    The masks are on the whole grid, also where slices of the scan were left out; `written`
    (how the scan was written) is kept in truth.json. Raises: OutputError.
    """
    write_array(folder / "lungs.nii.gz", phantom.lungs, phantom.volume.affine)
    write_array(folder / "lesions.nii.gz", phantom.lesions, phantom.volume.affine)
    truth = {
        **phantom.truth,
        "labels": {"lungs.nii.gz": LUNG_LABELS, "lesions.nii.gz": LESION_LABELS},
        "written": written or {},
    }
    save_bytes(folder / "truth.json", (json.dumps(truth, indent=2) + "\n").encode())


def write_array(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Write (D, H, W) with its affine to LPS mm as .nii.gz that says that it is a phantom.

    The same array gives the same bytes. Raises: OutputError.
    """
    ras = LPS_FROM_RAS @ reversed_axes_affine(affine)
    image = nib.Nifti1Image(array.transpose(2, 1, 0), ras)
    header = image.header
    header.set_xyzt_units("mm")
    header["descrip"] = HEADER_NOTE.encode()
    image.set_qform(ras, code=_SCANNER, strip_shears=True)
    if not np.allclose(
        np.asarray(header.get_qform()), ras, rtol=0, atol=1e-4
    ):  # sheared: sform alone
        image.set_qform(None, code=0)
    image.set_sform(ras, code=_SCANNER)
    # No time stamp: the same phantom gives the same bytes.
    save_bytes(path, gzip.compress(image.to_bytes(), 1, mtime=0))


def save_bytes(path: Path, content: bytes) -> None:
    """Write a file. Raises: OutputError."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error})",
            remedy="Check that the folder exists, is writable and has room",
        ) from error
