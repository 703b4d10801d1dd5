"""Volume files: NIfTI, NRRD and MetaImage as raw values (D, H, W) with an LPS affine."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.errors import GeometryError, MissingExtraError, UnreadableError
from groundglass.geometry import LPS_FROM_RAS, reversed_axes_affine
from groundglass.io.volume_checks import (
    check_metaimage,
    check_nifti,
    check_nifti_values,
    check_nrrd,
)
from groundglass.volume import Finding


@dataclass(frozen=True)
class RawVolume:
    """Values as the file means them, before their intensity domain is known.

    Shape: `array` (D, H, W), any number type; `affine` (4, 4) index to LPS mm.
    """

    array: np.ndarray
    affine: np.ndarray
    findings: tuple[Finding, ...]
    header: dict[str, Any]
    spacing_is_real: bool = True


def read_volume_file(path: Path, kind: str) -> RawVolume:
    """Read a nifti, nrrd or metaimage file.

    Raises: UnreadableError, GeometryError (no three axes, no grid), MissingExtraError.
    """
    try:
        return _READERS[kind](path)
    except (UnreadableError, GeometryError, MissingExtraError):
        raise
    except Exception as error:  # each library fails in its own ways on damaged files
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise UnreadableError(
            f"{path.name} cannot be read as {kind} ({reason})",
            expected="a whole file of that kind",
            remedy="Copy or export it again",
        ) from error


def _read_nifti(path: Path) -> RawVolume:
    import nibabel

    check_nifti(path)
    image: Any = nibabel.load(path)
    header = image.header
    stored = np.dtype(image.get_data_dtype())
    check_nifti_values(path, image.shape, stored)
    if stored.fields or stored.kind == "c":
        raise UnreadableError(
            f"{path.name} holds colors or complex numbers ({stored})", expected="gray values"
        )
    slope, intercept = header.get_slope_inter()
    if slope in (None, 1) and intercept in (None, 0):
        data = np.asarray(image.dataobj)
    else:
        data = image.dataobj.get_scaled(dtype=np.float32)
    data = _three_axes(data, path)
    findings: list[Finding] = []
    real = True
    codes = int(header["sform_code"]), int(header["qform_code"])
    if codes == (0, 0):
        steps = [float(step) for step in header.get_zooms()[:3]]
        real = not np.allclose(steps, 1.0)
        findings.append(
            Finding("no_affine", "warning", "no orientation in the header; RAS axes assumed")
        )
    elif all(codes) and not np.allclose(header.get_sform(), header.get_qform(), atol=1e-2):
        findings.append(
            Finding("affine_conflict", "warning", "sform and qform differ; the sform is used")
        )
    unit = header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        findings.append(Finding("units", "warning", f"lengths are said to be in {unit}; mm taken"))
    affine = reversed_axes_affine(LPS_FROM_RAS @ np.asarray(image.affine, dtype=np.float64))
    keep = {"nifti_header": header.copy(), "affine_ras": image.affine, "shape_ijk": data.shape}
    return RawVolume(data.T, affine, tuple(findings), keep, real)


_NRRD_TO_LPS = {"left-posterior-superior": (1, 1, 1), "right-anterior-superior": (-1, -1, 1)}
_NRRD_TO_LPS["left-anterior-superior"] = (1, -1, 1)
_NRRD_SHORT = {"lps": "left-posterior-superior", "ras": "right-anterior-superior"}
_NRRD_SHORT["las"] = "left-anterior-superior"


def _read_nrrd(path: Path) -> RawVolume:
    import nrrd

    with path.open("rb") as file:
        header = nrrd.read_header(file)
        check_nrrd(path, header)
        data = nrrd.read_data(header, file, str(path), index_order="F")
    directions = header.get("space directions")
    findings: list[Finding] = []
    real = True
    space = str(header.get("space", "")).lower().removesuffix("-time").strip()
    space = _NRRD_SHORT.get(space[:3] if len(space) <= 4 else space, space)
    if directions is None:
        steps = np.abs(np.asarray(header.get("spacings", [np.nan] * data.ndim), dtype=float))
        real = bool(np.isfinite(steps[:3]).all() and not np.allclose(steps[:3], 1.0))
        rows = np.diag(np.where(np.isfinite(steps), steps, 1.0))[:, :3]
        findings.append(
            Finding("no_affine", "warning", "no orientation in the header; LPS axes assumed")
        )
        signs, origin = (1, 1, 1), np.zeros(3)
    else:
        rows = np.array(
            [[np.nan] * 3 if row is None else list(row)[:3] for row in directions], dtype=float
        )
        origin = np.nan_to_num(np.asarray(header.get("space origin", [0, 0, 0]), float)[:3])
        if space not in _NRRD_TO_LPS:
            findings.append(
                Finding("no_affine", "warning", f"space is {space or 'not given'}; LPS assumed")
            )
        signs = _NRRD_TO_LPS.get(space, (1, 1, 1))
    spatial = [axis for axis in range(data.ndim) if np.isfinite(rows[axis]).all()]
    if directions is not None and len(spatial) == 3 < data.ndim:
        rest = [axis for axis in range(data.ndim) if axis not in spatial]
        if any(data.shape[axis] != 1 for axis in rest):
            raise UnreadableError(
                f"{path.name} has shape {data.shape} with color or time", expected="one gray volume"
            )
        data, rows = np.squeeze(data, tuple(rest)), rows[spatial]
    data = _three_axes(data, path)
    if len(rows) < 3:
        raise GeometryError(f"{path.name} has two axes only", expected="three")
    affine = np.eye(4)
    affine[:3, :3] = rows[:3].T
    affine[:3, 3] = origin
    affine = reversed_axes_affine(np.diag([*signs, 1.0]) @ affine)
    keep = {"nrrd_header": dict(header), "shape_ijk": data.shape}
    return RawVolume(data.T, affine, tuple(findings), keep, real)


def _read_metaimage(path: Path) -> RawVolume:
    try:
        sitk: Any = importlib.import_module("SimpleITK")
    except ImportError as error:
        raise MissingExtraError("SimpleITK", "formats", f"Reading {path.name}") from error
    check_metaimage(path)
    image = sitk.ReadImage(str(path), imageIO="MetaImageIO")
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise UnreadableError(f"{path.name} holds colors", expected="gray values")
    data = sitk.GetArrayFromImage(image)
    size = image.GetDimension()
    if size < 3:
        raise GeometryError(f"{path.name} has {size} axes", expected="three")
    data = _three_axes(data.T, path)
    affine = np.eye(4)
    directions = np.array(image.GetDirection()).reshape(size, size)[:3, :3]
    affine[:3, :3] = directions @ np.diag(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    return RawVolume(data.T, reversed_axes_affine(affine), (), {"shape_ijk": data.shape})


def _three_axes(data: np.ndarray, path: Path) -> np.ndarray:
    """(i, j, k): axes of length 1 past the third dropped, a plane gets one slice."""
    shape = data.shape
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim == 2:
        data = data[..., None]
    if data.ndim != 3 or 0 in data.shape:
        raise UnreadableError(
            f"{path.name} has shape {shape}",
            expected="one volume with three axes",
            remedy="Split time points or channels into files of their own",
        )
    if data.dtype.kind not in "iufb":
        raise UnreadableError(f"{path.name} holds {data.dtype}", expected="numbers")
    return data


_READERS: dict[str, Callable[[Path], RawVolume]] = {
    "nifti": _read_nifti,
    "nrrd": _read_nrrd,
    "metaimage": _read_metaimage,
}
