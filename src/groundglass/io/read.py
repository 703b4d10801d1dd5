"""The door: a path of any supported kind becomes a `Volume`.

Preconditions are checked, never assumed: whatever is not one gray volume with a grid raises an
`InputError` that says what was found.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from groundglass.errors import SeriesError, UnreadableError
from groundglass.intensity import IntensityChoice, resolve_intensity
from groundglass.io.dicom import read_dicom
from groundglass.io.found import Found, locate
from groundglass.io.pictures import read_pictures
from groundglass.io.volume_files import RawVolume, read_volume_file
from groundglass.volume import Source, Volume


def read_scan(
    path: Path,
    *,
    series: str | None = None,
    intensity: IntensityChoice | None = None,
    allow_gaps: bool = False,
) -> Volume:
    """Read a scan on its file's own grid.

    `path`: a DICOM folder, file or zip, NIfTI, NRRD, MHA/MHD, or PNG/JPEG slices. `series`: a
    SeriesInstanceUID or its unique end, '#n' for the n-th stack in it. `allow_gaps`: fill
    missing DICOM slices between their neighbors.
    Shape: (D, H, W). For NIfTI, NRRD and MetaImage that is the file's index order (i, j, k)
    turned around, so `array.T` on `reversed_axes_affine(affine)` is the input's grid again.
    Raises: UnreadableError, SeriesError, GeometryError, IntensityError, MissingExtraError.
    """
    path = Path(path)
    with locate(path) as found:
        if found.kind == "dicom":
            volume = read_dicom(
                found.files,
                scan_id=found.scan_id,
                path=str(path),
                series=series,
                intensity=intensity,
                allow_gaps=allow_gaps,
            )
            if path.is_file() and path.name.lower().endswith(".zip"):
                volume.source.header.update(paths=("",) * volume.shape[0])  # unpacked files go
            return volume
        if series:
            raise SeriesError(
                f"--series {series!r} was given, but {path.name} is {found.kind}",
                expected="DICOM",
                remedy="Leave --series out",
            )
        return _from_raw(read_raw(found), found, path, intensity)


def read_mask(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Labels from a NIfTI, NRRD or MetaImage file, and their affine to LPS mm.

    Shape: (D, H, W), uint8 where the labels fit, else int32; (4, 4).
    Raises: UnreadableError (also where values are no whole numbers), GeometryError,
    MissingExtraError.
    """
    raw = read_labels(path)
    if "shape_ijk" not in raw.header:
        raise UnreadableError(
            f"{Path(path).name} is pictures", expected="a NIfTI, NRRD or MHA/MHD mask"
        )
    return raw.array, raw.affine


def read_labels(path: Path) -> RawVolume:
    """As `read_mask`, with what the file says of its geometry; a picture is one slice.

    Raises: as `read_mask`.
    """
    with locate(Path(path)) as found:
        if found.kind == "dicom":
            raise UnreadableError(
                f"{Path(path).name} is dicom", expected="a NIfTI, NRRD or MHA/MHD mask"
            )
        raw = read_raw(found)
    values = raw.array
    whole = values if values.dtype.kind in "iub" else np.rint(values)
    if values.dtype.kind == "f" and not np.allclose(values, whole, atol=1e-3):
        raise UnreadableError(
            f"{Path(path).name} holds fractions", expected="a mask of whole labels"
        )
    small = whole.min() >= 0 and whole.max() <= 255
    return replace(raw, array=np.ascontiguousarray(whole.astype(np.uint8 if small else np.int32)))


def read_raw(found: Found) -> RawVolume:
    """Values and geometry of what was found, where that is not DICOM."""
    if found.kind == "pictures":
        return read_pictures(found.files)
    return read_volume_file(found.files[0], found.kind)


def _from_raw(
    raw: RawVolume, found: Found, path: Path, intensity: IntensityChoice | None
) -> Volume:
    array, domain = resolve_intensity(raw.array, intensity, name=found.scan_id)
    source = Source(
        scan_id=found.scan_id,
        kind=found.kind,
        path=str(path),
        choice="the only scan there",
        findings=raw.findings,
        header=raw.header,
    )
    array = np.ascontiguousarray(array)
    return Volume(array, raw.affine, domain, source, spacing_is_real=raw.spacing_is_real)
