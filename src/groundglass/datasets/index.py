"""The index of a prepared data set: one row per scan, with patient, files, licence, provenance."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.errors import DatasetError

INDEX_NAME = "index.csv"


@dataclass(frozen=True)
class IndexRow:
    """One prepared scan.

    `group` is what folds keep together (the patient, or scans that may be one patient);
    `file` is an .npz beside the index with `image`, `lungs` and `lesions`, each (D, S, S).
    """

    scan_id: str
    patient_id: str
    group: str
    file: str
    domain: str
    slices: int
    lung_voxels: int
    lesion_voxels: int
    lungs_by: str
    license: str
    source: str

    @property
    def is_healthy(self) -> bool:
        return self.lesion_voxels == 0


@dataclass(frozen=True)
class PreparedScan:
    """Frames of one scan and its masks: `image` (D, S, S) int16 HU or uint8, masks uint8 0/1."""

    row: IndexRow
    image: np.ndarray
    lungs: np.ndarray
    lesions: np.ndarray

    @property
    def is_hu(self) -> bool:
        return self.row.domain == "hu"


def write_index(folder: Path, rows: list[IndexRow]) -> None:
    """Write `folder`/index.csv; rows of scans prepared earlier stay, same ids are replaced."""
    kept = {
        row.scan_id: row for row in (read_index(folder) if (folder / INDEX_NAME).exists() else [])
    }
    kept.update({row.scan_id: row for row in rows})
    partial = folder / f".{INDEX_NAME}.partial"
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(IndexRow)])
        writer.writeheader()
        writer.writerows(asdict(kept[scan_id]) for scan_id in sorted(kept))
    partial.replace(folder / INDEX_NAME)


def read_index(folder: Path) -> list[IndexRow]:
    """Rows of a prepared folder. Raises: DatasetError where it is none or a row is damaged."""
    path = folder / INDEX_NAME
    if not path.is_file():
        raise DatasetError(
            f"{folder} has no {INDEX_NAME}",
            expected="a folder that `groundglass prepare` wrote",
            remedy="Run: groundglass prepare --help",
        )
    numbers = {"slices", "lung_voxels", "lesion_voxels"}
    rows = []
    with path.open(newline="", encoding="utf-8") as stream:
        for line, values in enumerate(csv.DictReader(stream), start=2):
            try:
                fields_read: dict[str, Any] = {
                    name: int(value) if name in numbers else value for name, value in values.items()
                }
                rows.append(IndexRow(**fields_read))
            except (TypeError, ValueError) as error:
                raise DatasetError(f"{path} line {line} is damaged: {error}") from error
    return rows


def save_prepared(folder: Path, scan: PreparedScan) -> None:
    """Write one scan's .npz beside the index, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{scan.row.file}.partial"
    with partial.open("wb") as stream:
        np.savez_compressed(stream, image=scan.image, lungs=scan.lungs, lesions=scan.lesions)
    partial.replace(folder / scan.row.file)


def load_prepared(folder: Path, row: IndexRow) -> PreparedScan:
    """Read one scan's frames and masks. Raises: DatasetError where the file is missing or odd."""
    path = folder / row.file
    if not path.is_file():
        raise DatasetError(f"{path} of scan {row.scan_id} is missing", remedy="Prepare it again")
    with np.load(path) as stored:
        scan = PreparedScan(row, stored["image"], stored["lungs"], stored["lesions"])
    if not scan.image.shape == scan.lungs.shape == scan.lesions.shape:
        raise DatasetError(
            f"{path} has image {scan.image.shape}, lungs {scan.lungs.shape}, "
            f"lesions {scan.lesions.shape}",
            expected="equal shapes",
            remedy="Prepare it again",
        )
    return scan
