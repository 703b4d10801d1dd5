"""Small synthetic DICOM series: any grid, any damage, any encoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

AXIAL = np.array(
    [[0.0, 0, 0.7, -20], [0, 0.8, 0, -30], [2.0, 0, 0, -100], [0, 0, 0, 1]], dtype=float
)


def chest(shape: tuple[int, int, int] = (12, 24, 20), seed: int = 0) -> np.ndarray:
    """HU with air outside, tissue, two unequal lungs and noise; no symmetry. (D, H, W), int16."""
    rng = np.random.default_rng(seed)
    d, h, w = shape
    out = np.full(shape, -1000, np.int16)
    out[:, h // 8 : -h // 8, w // 8 : -w // 8] = 40
    out[d // 5 :, h // 4 : -h // 4, w // 5 : w // 2 - 1] = -850
    out[d // 4 :, h // 3 : -h // 4, w // 2 + 1 : -w // 5] = -780
    return (out + rng.integers(-20, 20, shape)).astype(np.int16)


def rotation(angles_degrees: tuple[float, float, float]) -> np.ndarray:
    """Rotation about x, then y, then z; (3, 3)."""
    out = np.eye(3)
    for axis, angle in enumerate(np.radians(angles_degrees)):
        one, two = [index for index in range(3) if index != axis]
        step = np.eye(3)
        step[one, one] = step[two, two] = np.cos(angle)
        step[one, two], step[two, one] = -np.sin(angle), np.sin(angle)
        out = step @ out
    return out


def grid(
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
    steps: tuple[float, float, float] = (2.0, 0.8, 0.7),
    order: tuple[int, ...] = (2, 1, 0),
    tilt: float = 0.0,
) -> np.ndarray:
    """An affine whose axes are the columns of a rotation; `tilt` shears the slice axis."""
    turn = rotation(angles)[:, list(order)]
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array(steps)
    affine[:3, 0] += turn[:, 1] * steps[0] * np.tan(np.radians(tilt))
    affine[:3, 3] = (-20, -30, -100)
    if np.linalg.det(affine[:3, [2, 1, 0]]) < 0:  # slices are sorted along the normal
        affine[:3, 3] += affine[:3, 0] * 11
        affine[:3, 0] *= -1
    return affine


def write_series(  # noqa: PLR0913
    folder: Path,
    hu: np.ndarray,
    affine: np.ndarray = AXIAL,
    *,
    series_uid: str | None = None,
    change: Callable[[Dataset, int], Any] | None = None,
    skip: tuple[int, ...] = (),
    prefix: str = "",
    syntax: str = ExplicitVRLittleEndian,
    intercept: int = -1024,
) -> str:
    """Write each slice of `hu` (D, H, W) as one CT file; returns the series UID.

    `change(dataset, index)` may alter a data set; slices in `skip` are left out. File names
    do not follow the slice order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = series_uid or generate_uid()
    for index in range(len(hu)):
        if index in skip:
            continue
        dataset = slice_dataset(hu[index], affine, index, series_uid, intercept)
        if change:
            change(dataset, index)
        save(dataset, folder / f"{prefix}I{(index * 7919) % 1000:04d}{index}", syntax)
    return series_uid


def slice_dataset(
    hu: np.ndarray, affine: np.ndarray, index: int, series_uid: str, intercept: int = -1024
) -> Dataset:
    dataset = _common(hu.shape, affine, series_uid)
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.InstanceNumber = index + 1
    position = affine[:3, 3] + affine[:3, 0] * index
    dataset.ImagePositionPatient = [f"{value:.9g}" for value in position]
    row, column = _directions(affine)
    dataset.ImageOrientationPatient = [f"{value:.9g}" for value in (*row, *column)]
    dataset.PixelSpacing = [f"{step:.9g}" for step in _in_plane(affine)]
    dataset.RescaleIntercept, dataset.RescaleSlope = intercept, 1
    dataset.SliceThickness = "9.5"  # deliberately not the distance between slices
    stored = hu.astype(np.int32) - intercept
    dataset.PixelData = stored.clip(0, 4095).astype("<u2").tobytes()
    return dataset


def _common(shape: tuple[int, ...], affine: np.ndarray, series_uid: str) -> Dataset:
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID = "Secret^Name", "SECRET-ID"
    dataset.StudyInstanceUID = "1.2.3.4"
    dataset.SeriesInstanceUID = series_uid
    dataset.FrameOfReferenceUID = "1.2.3.5"
    dataset.Modality = "CT"
    dataset.Manufacturer = "Synthetic"
    dataset.StudyDate, dataset.StudyTime = "20200101", "120000"
    dataset.SeriesNumber = 3
    dataset.PatientPosition = "HFS"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Rows, dataset.Columns = shape[-2:]
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    return dataset


def write_enhanced(
    path: Path,
    hu: np.ndarray,
    affine: np.ndarray = AXIAL,
    *,
    syntax: str = ExplicitVRLittleEndian,
) -> str:
    """One multi-frame CT whose frames lie in a shuffled order; returns the series UID."""
    uid = generate_uid()
    dataset = _common(hu.shape, affine, uid)
    dataset.SOPClassUID = EnhancedCTImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.NumberOfFrames = len(hu)
    row, column = _directions(affine)
    shared, measures, plane, value = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(_in_plane(affine)), 9.5
    plane.ImageOrientationPatient = [*row, *column]
    value.RescaleIntercept, value.RescaleSlope, value.RescaleType = -1024, 1, "HU"
    shared.PixelMeasuresSequence = DicomSequence([measures])
    shared.PlaneOrientationSequence = DicomSequence([plane])
    shared.PixelValueTransformationSequence = DicomSequence([value])
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    order = np.random.default_rng(1).permutation(len(hu))
    groups = []
    for index in order:
        group, place = Dataset(), Dataset()
        place.ImagePositionPatient = list(affine[:3, 3] + affine[:3, 0] * index)
        group.PlanePositionSequence = DicomSequence([place])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(groups)
    dataset.PixelData = (hu[order].astype(np.int32) + 1024).astype("<u2").tobytes()
    save(dataset, path, syntax)
    return uid


def save(dataset: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> None:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    if syntax != ExplicitVRLittleEndian:
        if syntax.startswith("1.2.840.10008.1.2.4") or syntax.endswith(".1.2.5"):
            dataset.compress(syntax, generate_instance_uid=False)
        else:
            dataset.file_meta.TransferSyntaxUID = syntax
    dataset["PixelData"].VR = "OW" if dataset["PixelData"].VR != "OB" else "OB"
    dataset.save_as(path, enforce_file_format=True)


def _directions(affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (
        affine[:3, 2] / np.linalg.norm(affine[:3, 2]),
        affine[:3, 1] / np.linalg.norm(affine[:3, 1]),
    )


def _in_plane(affine: np.ndarray) -> tuple[float, float]:
    return float(np.linalg.norm(affine[:3, 1])), float(np.linalg.norm(affine[:3, 2]))
