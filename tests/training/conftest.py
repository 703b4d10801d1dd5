"""A made-up prepared set, small enough to train on in a second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from groundglass.datasets.index import IndexRow, PreparedScan, save_prepared, write_index
from groundglass.training.settings import TrainSettings

SIZE = 64
RECIPE = {"network_size": [32, 48], "frame_size": SIZE, "clahe_tiles": 4}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads cost more than they give on tiny tensors."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])


def made_up_scan(scan_id: str, *, group: str = "", healthy: bool = False, slices: int = 4):
    """Two bright ellipses for lungs in a gray body, a brighter spot for a lesion."""
    rng = np.random.default_rng(sum(map(ord, scan_id)))
    i, j = np.mgrid[:SIZE, :SIZE]
    lungs = np.zeros((slices, SIZE, SIZE), np.uint8)
    lesions = np.zeros_like(lungs)
    for d in range(1, slices):  # the first slice shows no lung
        for column in (20, 44):
            lungs[d][((i - 32) / 20) ** 2 + ((j - column) / (8 + d % 2)) ** 2 < 1] = 1
        if not healthy:
            lesions[d][(i - 30 - d) ** 2 + (j - 20) ** 2 < 16] = 1
    domain = "hu" if healthy else "uint8"
    air, body, spot = (-850, 40, -300) if healthy else (60, 180, 140)
    image = np.where(lungs > 0, air, body) + np.where(lesions > 0, spot - air, 0)
    image = image + rng.integers(-5, 6, image.shape)
    row = IndexRow(
        scan_id,
        group or scan_id,
        group or scan_id,
        f"{scan_id}.npz",
        domain,
        slices,
        int(lungs.sum()),
        int(lesions.sum()),
        "reference",
        "none",
        "made-up",
    )
    kind = np.int16 if healthy else np.uint8
    return PreparedScan(row, image.astype(kind), lungs, lesions)


@pytest.fixture
def scans() -> list[PreparedScan]:
    return [
        made_up_scan("one", group="patient"),
        made_up_scan("three", slices=5),
        made_up_scan("two", group="patient"),
        made_up_scan("well", healthy=True),
    ]


@pytest.fixture
def prepared(tmp_path: Path, scans: list[PreparedScan]) -> Path:
    """The scans as a prepared folder."""
    folder = tmp_path / "prepared"
    for scan in scans:
        save_prepared(folder, scan)
    write_index(folder, [scan.row for scan in scans])
    return folder


@pytest.fixture
def values() -> dict[str, Any]:
    """Settings of a run of six tiny steps in two phases, as a run file holds them."""
    return {
        "name": "tiny",
        "stage": "lesions",
        "index": "prepared",
        "network": "bu",
        "base": 2,
        "phases": [
            {"size": [16, 24], "steps": 2, "batch": 2, "lr": 1e-2, "lr_end": 1e-3, "warmup": 1},
            {"size": [32, 48], "steps": 4, "batch": 2, "lr": 1e-2, "lr_end": 1e-3},
        ],
        "recipe": {"stage": "lesions", **RECIPE},
        "healthy_share": 0.3,
        "checkpoint_every": 3,
        "threads": 1,
    }


@pytest.fixture
def lungs_values(values: dict[str, Any]) -> dict[str, Any]:
    """The same run for the lung stage."""
    return {**values, "stage": "lungs", "recipe": {**values["recipe"], "stage": "lungs"}}


@pytest.fixture
def tiny(values: dict[str, Any]) -> TrainSettings:
    return TrainSettings.model_validate(values)


@pytest.fixture
def run_file(tmp_path: Path, values: dict[str, Any], prepared: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({**values, "index": str(prepared)}))
    return path
