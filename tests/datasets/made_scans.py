"""Prepared scans made of nothing but a seed: a round body with ribs, vessels and two lungs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from groundglass.datasets.index import IndexRow, PreparedScan, save_prepared, write_index

SIZE = 64


def made_scan(scan_id: str, *, seed: int, slices: int = 6, patient: str = "") -> PreparedScan:
    """HU (slices, 64, 64); another seed is another patient. Slice 0 has no lesion."""
    rng = np.random.default_rng(seed)
    axis = np.arange(SIZE) - SIZE / 2
    radius = np.hypot(axis[:, None] / rng.uniform(0.7, 1), axis[None] / rng.uniform(0.8, 1))
    body = radius < 28
    lungs = np.zeros((slices, SIZE, SIZE), np.uint8)
    lungs[:, 18:46, 14:28], lungs[:, 18:46, 36:50] = 1, 1
    image = np.where(body, 40, -1000) * np.ones((slices, 1, 1))
    image[lungs > 0] = -850
    texture = rng.normal(size=(slices, SIZE, SIZE))
    texture = np.stack([cv2.GaussianBlur(one, (0, 0), 2.5) for one in texture])
    image += 250 * texture / texture.std()
    lesions = np.zeros_like(lungs)
    lesions[1:, 20:26, 16:22] = 1
    row = IndexRow(
        scan_id, patient or scan_id, patient or scan_id, f"{scan_id}.npz", "hu", slices,
        int(lungs.sum()), int(lesions.sum()), "made up", "none", "made-up",
    )  # fmt: skip
    return PreparedScan(row, np.clip(image, -1024, 3071).astype(np.int16), lungs, lesions)


def write_scans(folder: Path, *scans: PreparedScan) -> list[IndexRow]:
    rows = [save_prepared(folder, scan) for scan in scans]
    write_index(folder, rows)
    return rows
