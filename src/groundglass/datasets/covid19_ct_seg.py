"""The 20-case set "COVID-19 CT Lung and Infection Segmentation", brought into frames.

Source: Ma et al., Zenodo 3757476; the second source of CHS-Net's fused set and the
'Dataset-2' of CovTANet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundglass.datasets.frames import frame_images, frame_masks, frame_of
from groundglass.datasets.index import IndexRow, PreparedScan, save_prepared, write_index
from groundglass.errors import DatasetError, InputError
from groundglass.geometry import axial_order
from groundglass.io.read import read_mask, read_scan
from groundglass.volume import Volume

log = logging.getLogger(__name__)

IMAGES = "COVID-19-CT-Seg_20cases"
LUNGS = "Lung_Mask"
INFECTIONS = "Infection_Mask"
LICENSE = "CC BY-NC-SA 4.0"
NAME = "covid19-ct-seg"

GROUPS = {
    "radiopaedia_29_86490_1": "radiopaedia_29",
    "radiopaedia_29_86491_1": "radiopaedia_29",
}
"""Scans that share a Radiopaedia case number and may be one patient; any other is its own."""

ProgressCallback = Callable[[int, int, str], None]
"""Called with (cases done, cases in all, scan id) after each case."""


@dataclass(frozen=True)
class _Case:
    scan_id: str
    image: Path
    lungs: Path
    infection: Path


def prepare_covid19_ct_seg(
    source: Path, destination: Path, *, progress: ProgressCallback | None = None
) -> list[IndexRow]:
    """Read the official layout under `source`; write frames, masks and index to `destination`.

    Each volume and mask is turned to axial order by its own affine. Lung masks may be 1 and 2
    (left and right) or binary; they are merged. Infection outside the lungs is counted, logged
    and kept. Values stay in HU, or in 8 bit where the file holds that.
    Raises: DatasetError naming the files that are missing, unreadable or do not fit.
    """
    cases = _find_cases(source)
    rows = []
    for done, case in enumerate(cases, start=1):
        scan = _prepare_case(case)
        save_prepared(destination, scan)
        rows.append(scan.row)
        if progress is not None:
            progress(done, len(cases), case.scan_id)
    write_index(destination, rows)
    return rows


def _find_cases(source: Path) -> list[_Case]:
    """Every image with both its masks."""
    files = {folder: _files_by_id(source / folder) for folder in (IMAGES, LUNGS, INFECTIONS)}
    scan_ids = sorted(set().union(*files.values()))
    missing = [
        f"{folder}/{scan_id}.nii.gz"
        for scan_id in scan_ids
        for folder in files
        if scan_id not in files[folder]
    ]
    if missing:
        raise DatasetError(
            f"{source} lacks {', '.join(missing)}",
            expected=f"every case in each of {IMAGES}, {LUNGS} and {INFECTIONS}",
            remedy="Unpack all three archives, or remove the case from all three folders",
        )
    if not scan_ids:
        raise DatasetError(f"{source / IMAGES} holds no NIfTI file", expected="*.nii.gz or *.nii")
    return [_Case(i, files[IMAGES][i], files[LUNGS][i], files[INFECTIONS][i]) for i in scan_ids]


def _files_by_id(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} is missing",
            expected=f"the official layout: {IMAGES}/, {LUNGS}/ and {INFECTIONS}/",
            remedy="Unpack the archives of Zenodo record 3757476 side by side",
        )
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.name.endswith((".nii", ".nii.gz")):
            continue
        scan_id = _scan_id(path)
        if scan_id in found:
            raise DatasetError(
                f"{folder} has {found[scan_id].name} and {path.name}",
                expected=f"one file for case {scan_id}",
            )
        found[scan_id] = path
    return found


def _scan_id(path: Path) -> str:
    """The case's name; some copies of the images spell it out, as in coronacases_org_001."""
    name = path.name.removesuffix(".gz").removesuffix(".nii").removesuffix("-dcm")
    return name.replace("_org_covid-19-pneumonia-", "_").replace("_org_", "_")


def _prepare_case(case: _Case) -> PreparedScan:
    try:
        volume, _ = read_scan(case.image).to_axial()
    except InputError as error:
        raise DatasetError(f"{case.image} cannot be used: {error.problem}") from error
    lungs = _axial_mask(case.lungs, volume, case.image, labels={0, 1, 2})
    lesions = _axial_mask(case.infection, volume, case.image, labels={0, 1})
    if not lungs.any():
        raise DatasetError(f"{case.lungs} marks no lung", expected="a lung mask with voxels in it")
    outside = int((lesions & ~lungs).sum())
    if outside:
        log.warning(
            "%s: %d of %d infection voxels lie outside the lung mask; kept",
            case.scan_id,
            outside,
            int(lesions.sum()),
        )
    frame = frame_of(volume)
    image, lung_frames = frame_images(volume.array, frame), frame_masks(lungs, frame)
    lesion_frames = frame_masks(lesions, frame)
    group = GROUPS.get(case.scan_id, case.scan_id)
    row = IndexRow(
        scan_id=case.scan_id,
        patient_id=group,
        group=group,
        file=f"{case.scan_id}.npz",
        domain=volume.intensity.domain,
        slices=len(image),
        lung_voxels=int(lung_frames.sum()),
        lesion_voxels=int(lesion_frames.sum()),
        lungs_by="reference",
        license=LICENSE,
        source=NAME,
    )
    return PreparedScan(row, image, lung_frames, lesion_frames)


def _axial_mask(path: Path, volume: Volume, image: Path, *, labels: set[int]) -> np.ndarray:
    """A mask in the axial order of its own affine, bool (D, H, W) on the scan's grid."""
    try:
        values, affine = read_mask(path)
    except InputError as error:
        raise DatasetError(f"{path} cannot be used: {error.problem}") from error
    found = {int(value) for value in np.unique(values)}
    if not found <= labels:
        raise DatasetError(
            f"{path} has labels {sorted(found)}",
            expected=f"only {sorted(labels)}",
            remedy="Check that the file is the mask, not the image",
        )
    order = axial_order(affine)
    mask = np.ascontiguousarray(order.apply(values)) > 0
    if mask.shape != volume.shape:
        raise DatasetError(
            f"{path} has shape {mask.shape} and {image} has {volume.shape} (slices, rows, columns)",
            expected="equal shapes",
            remedy="Take both files from the same release of the data set",
        )
    shift = np.abs(order.apply_to_affine(affine, values.shape) - volume.affine).max()
    if shift > 0.5 * min(volume.spacing_mm):
        log.warning("%s: its affine differs from the scan's by up to %.2f mm", path, shift)
    return mask
