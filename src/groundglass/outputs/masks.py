"""Masks and probabilities as NIfTI on exactly the scan's grid.

NIfTI orders axes (W, H, D) and its frame is RAS; both are converted here and nowhere else.
The same input gives the same bytes (no time stamp in the gzip header).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np

from groundglass.errors import OutputError
from groundglass.geometry import LPS_FROM_RAS, checked_affine, reversed_axes_affine

LABELS_FILE = "labels.json"
_GZIP_LEVEL = 1  # masks are runs of equal bytes: higher levels cost time and save little
_SCANNER = 1  # NIfTI code for scanner coordinates


def write_mask(
    path: Path, array: np.ndarray, affine: np.ndarray, labels: Mapping[str, int]
) -> None:
    """Write a label mask as uint8 .nii.gz and name its labels in `labels.json` beside it.

    Shape: `array` (D, H, W) of integers or bool; `affine` from index (d, h, w) to LPS mm.
    Sheared grids carry the sform only, for a qform cannot hold them. `labels` maps each name
    to its number; 0 is background.
    Raises: OutputError where a value has no name, does not fit, or the file cannot be written.
    """
    if array.ndim != 3 or array.dtype.kind not in "bui":
        raise OutputError(
            f"mask for {path.name} has shape {array.shape} and type {array.dtype}",
            expected="(D, H, W) of integers",
        )
    _check_labels(path, array, labels)
    _write(path, array.astype(np.uint8, copy=False), affine, slope=1.0)
    _name_labels(path, labels)


def write_probability(path: Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Write probabilities 0..1 as .nii.gz: uint8 with the scale 1/255 in the header.

    Readers apply the scale, so they see 0..1 in steps of 0.004, in a quarter of float32's
    size. Shape: (D, H, W). Raises: OutputError for values outside 0..1 or NaN.
    """
    if array.ndim != 3:
        raise OutputError(f"probability map has shape {array.shape}", expected="(D, H, W)")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # NaN fails this too
        raise OutputError(f"probabilities run from {low:g} to {high:g}", expected="0 to 1")
    scaled = np.empty(array.shape, dtype=np.uint8)
    for d, plane in enumerate(array):
        scaled[d] = np.rint(plane.astype(np.float32) * 255)
    _write(path, scaled, affine, slope=1 / 255)


def _check_labels(path: Path, array: np.ndarray, labels: Mapping[str, int]) -> None:
    numbers = list(labels.values())
    if not numbers or len(set(numbers)) != len(numbers) or not all(1 <= n <= 255 for n in numbers):
        raise OutputError(
            f"labels for {path.name} are {dict(labels)}", expected="different numbers, 1 to 255"
        )
    low, high = int(array.min()), int(array.max())
    if low >= 0 and set(range(1, high + 1)) <= set(numbers):
        return  # the usual case, without looking at every voxel
    found = np.zeros(256, dtype=bool)
    if low >= 0 and high <= 255:
        for plane in array.astype(np.uint8, copy=False):
            found |= np.bincount(plane.reshape(-1), minlength=256) > 0
    unnamed = sorted(set(np.flatnonzero(found).tolist()) - {0, *numbers})
    if low < 0 or high > 255 or unnamed:
        values = unnamed or [low, high]
        raise OutputError(
            f"mask for {path.name} holds the values {values}, which have no name",
            expected=f"0 or one of {dict(labels)}",
        )


def _write(path: Path, array: np.ndarray, affine: np.ndarray, *, slope: float) -> None:
    """Header, then the slices one after the other: (D, H, W) in C order is NIfTI's order."""
    header = _header(array.shape, affine, slope)
    try:
        with (
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=_GZIP_LEVEL, fileobj=raw, mtime=0) as packed,
        ):
            packed.write(header.binaryblock + bytes(4))  # four zeros: no header extensions
            for plane in array:
                packed.write(np.ascontiguousarray(plane).tobytes())
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error})",
            remedy="Check that the folder exists, is writable and has room",
        ) from error


def _header(shape: tuple[int, ...], affine: np.ndarray, slope: float) -> nib.Nifti1Header:
    ras = LPS_FROM_RAS @ reversed_axes_affine(checked_affine(affine))
    header = nib.Nifti1Header(endianness="<")
    header.set_data_dtype(np.uint8)
    header.set_data_shape(shape[::-1])
    header.set_xyzt_units("mm")
    header["descrip"] = b"groundglass, research use only"
    header["scl_slope"], header["scl_inter"] = slope, 0.0
    header["vox_offset"] = 352
    header.set_qform(ras, code=_SCANNER, strip_shears=True)
    held = np.asarray(header.get_qform())[:3, :3]
    if not np.allclose(held, ras[:3, :3], rtol=0, atol=1e-5):  # sheared
        header.set_qform(ras, code=0)
    header.set_sform(ras, code=_SCANNER)
    return header


def _name_labels(path: Path, labels: Mapping[str, int]) -> None:
    sidecar = path.with_name(LABELS_FILE)
    known: dict[str, dict[str, int]] = {}
    if sidecar.exists():
        known = json.loads(sidecar.read_text(encoding="utf-8"))
    known[path.name] = {"background": 0, **labels}
    sidecar.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
