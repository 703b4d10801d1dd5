"""A DICOM scan on disk with masks that fit it, and the objects made of both."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from groundglass.findings import Findings
from groundglass.io.read import read_scan
from groundglass.measurement import measure
from groundglass.outputs.dicom.identity import Algorithm, Identity, make_identity
from groundglass.outputs.dicom.report_sr import make_report
from groundglass.outputs.dicom.save import save_dicom
from groundglass.outputs.dicom.segmentation import make_segmentation
from groundglass.volume import Volume

from ...io.dicom_builder import AXIAL, chest, write_series

ALGORITHMS = {"lungs": Algorithm("chs-net", "1.0"), "lesions": Algorithm("ta-segnet", "2.1")}
KEY = uuid.UUID("12345678-1234-5678-1234-567812345678")
CREATED = datetime.datetime(2026, 3, 4, 5, 6, 7, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Made:
    volume: Volume
    lungs: np.ndarray
    lesions: np.ndarray
    findings: Findings
    identity: Identity

    def segmentation(self) -> Dataset:
        made = make_segmentation(self.volume, self.lungs, self.lesions, identity=self.identity)
        assert made is not None
        return made

    def save(self, folder: Path) -> tuple[Path, Path]:
        """seg.dcm and sr.dcm in `folder`."""
        segmentation = self.segmentation()
        report = make_report(self.findings, identity=self.identity, segmentation=segmentation)
        save_dicom(segmentation, folder / "seg.dcm")
        save_dicom(report, folder / "sr.dcm")
        return folder / "seg.dcm", folder / "sr.dcm"


def made_masks(
    shape: tuple[int, int, int], seed: int = 0, *, ill: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Two unequal lungs with ragged edges, one of them ending early, and lesions in both."""
    rng = np.random.default_rng(seed)
    d, h, w = shape
    lungs = np.zeros(shape, np.uint8)
    lungs[1:, h // 5 : -h // 5, w // 6 : w // 2] = 1
    lungs[d // 3 :, h // 4 : -h // 6, w // 2 :] = 2
    lungs[rng.random(shape) < 0.1] = 0
    lesions = (rng.random(shape) < 0.2) & (lungs > 0)
    lesions[: d // 2] = False
    return lungs, (lesions & ill).astype(np.uint8)


def made(path: Path, *, seed: int = 0, ill: bool = True, key: uuid.UUID = KEY) -> Made:
    """Objects' parts for the scan at `path`, read with gaps allowed."""
    volume = read_scan(path, allow_gaps=True)
    lungs, lesions = made_masks(volume.shape, seed, ill=ill)
    return Made(
        volume,
        lungs,
        lesions,
        measure(volume, lungs, lesions),
        make_identity(volume, ALGORITHMS, created=CREATED, key=key),
    )


def made_axial(folder: Path, *, ill: bool = True, **how: Any) -> Made:
    """The same for a new axial series of 12 slices; `how`: of `write_series`."""
    write_series(folder, chest(), how.pop("affine", AXIAL), **how)
    return made(folder, ill=ill)
