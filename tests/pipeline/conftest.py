"""The small chest in every form a scan comes in, and a cascade that finds its lungs."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from groundglass.phantom.chest import Phantom
from groundglass.phantom.dicom_writer import DicomOptions, write_dicom_series
from groundglass.phantom.nifti_writer import write_nifti
from groundglass.predictor.cascade import Cascade
from groundglass.weights.store import Weights


@pytest.fixture(scope="session")
def rule_cascade(rule_weights: Weights) -> Cascade:
    return Cascade(rule_weights)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory, small_chest: Phantom) -> dict[str, Path]:
    """nifti, dicom (a folder with a scout and strays), zip, png (a folder), slice (one PNG)."""
    root = tmp_path_factory.mktemp("inputs")
    write_nifti(small_chest, root / "chest.nii.gz")
    series = root / "study"
    write_dicom_series(small_chest, series, DicomOptions(scout="same", shuffle_names=True))
    (series / "README.txt").write_text("no image")
    shutil.make_archive(str(root / "zipped"), "zip", series)
    pictures = root / "pictures"
    pictures.mkdir()
    shown = np.clip((small_chest.volume.array + 1350.0) / 1500 * 255, 0, 255).astype(np.uint8)
    for number, image in enumerate(shown[::-1]):  # from head to foot
        large = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(pictures / f"slice{number}.png"), large)
    return {
        "nifti": root / "chest.nii.gz",
        "dicom": series,
        "zip": root / "zipped.zip",
        "png": pictures,
        "slice": pictures / "slice8.png",
    }


@pytest.fixture(scope="session")
def no_lung(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PNG that shows no lung."""
    path = tmp_path_factory.mktemp("bad") / "wall.png"
    image = np.full((64, 64), 200, np.uint8)
    image[0, 0] = 0
    cv2.imwrite(str(path), image)
    return path
