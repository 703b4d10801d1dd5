"""A made-up graded set: scans whose lungs hold nothing, a small or a large bright spot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from groundglass.datasets.folds import Fold, Folds
from groundglass.datasets.index import IndexRow, PreparedScan, save_prepared, write_index

SIZE = 64
LABELS = {
    "normal": ("normal", "", "CT-0"),
    "mild": ("findings", "mild", "CT-1"),
    "severe": ("findings", "severe", "CT-3"),
}


def graded_scan(scan_id: str, scan_class: str, *, slices: int = 5) -> PreparedScan:
    """Drawn lesions of mild scans, as in MosMedData; those of severe ones nobody drew."""
    rng = np.random.default_rng(sum(map(ord, scan_id)))
    i, j = np.mgrid[:SIZE, :SIZE]
    lungs, spots = np.zeros((2, slices, SIZE, SIZE), np.uint8)
    radius = {"normal": 0, "mild": 3, "severe": 9}[scan_class]
    for d in range(1, slices):  # the first slice shows no lung
        for column in (20, 44):
            lungs[d][((i - 32) / 20) ** 2 + ((j - column) / 9) ** 2 < 1] = 1
        spots[d][(i - 30) ** 2 + (j - 20) ** 2 < radius**2] = 1
    image = np.where(lungs > 0, -850, 40) + np.where(spots > 0, 550, 0)
    image = (image + rng.integers(-20, 21, image.shape)).astype(np.int16)
    lesions = spots if scan_class == "mild" else np.zeros_like(spots)
    diagnosis, severity, grade = LABELS[scan_class]
    row = IndexRow(
        scan_id=scan_id,
        patient_id=scan_id,
        group=scan_id,
        file=f"{scan_id}.npz",
        domain="hu",
        slices=slices,
        lung_voxels=int(lungs.sum()),
        lesion_voxels=int(lesions.sum()),
        lungs_by="reference",
        license="none",
        source="made-up",
        diagnosis=diagnosis,
        severity=severity,
        grade=grade,
        lesions_by={"normal": "grade", "mild": "reference", "severe": "none"}[scan_class],
    )
    return PreparedScan(row, image, lungs, lesions)


def write_cohort_index(folder: Path, *, each: int = 3, source: str = "made-up") -> list[IndexRow]:
    """Prepare `each` scans of every class, of 5 slices and on."""
    rows = []
    for name in LABELS:
        for number in range(each):
            scan = graded_scan(f"{name}_{number}", name, slices=5 + number)
            rows.append(replace(save_prepared(folder, scan), source=source))
    write_index(folder, rows)
    return sorted(rows, key=lambda row: row.scan_id)


def write_folds(path: Path, rows: list[IndexRow]) -> Path:
    """Fold 0 tests the last scan of every class, fold 1 the first."""
    numbers = sorted({row.scan_id[-1] for row in rows})
    folds = tuple(
        Fold(n, {row.scan_id: None for row in rows if row.scan_id.endswith(end)})
        for n, end in enumerate((numbers[-1], numbers[0]))
    )
    Folds("patients", 0, tuple(row.scan_id for row in rows), folds).save(path)
    return path
