"""Each reason to abstain alone, with its value and its limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundglass.intensity import Intensity
from groundglass.metrics.familiarity import Familiar, LungLook
from groundglass.predictor.familiar_scan import ShownScan, reasons_to_abstain
from groundglass.volume import Source, Volume
from groundglass.weights.classifier_manifest import ClassifierManifest, Span

from ..made_classifier import phantom_header, write_classifier_weights

FAMILIAR = Familiar(np.zeros(2), np.ones(2), np.eye(2))
SPANS = {
    "slices": {"low": 4, "high": 12},
    "shown_mm": {"low": 5.0, "high": 20.0},
    "lungs_ml": {"low": 2.0, "high": 5.0},
    "lung_median": {"low": -930.0, "high": -700.0},
    "lung_noise": {"low": 5.0, "high": 40.0},
}


def manifest(tmp_path: Path, **changes: Any) -> ClassifierManifest:
    made = write_classifier_weights(tmp_path / "w").manifest
    known = {**made.known.model_dump(), **SPANS}
    values = {**made.model_dump(), "known": known, "phantoms": True, **changes}
    return ClassifierManifest.model_validate(values)


def scan(**changes: Any) -> ShownScan:
    """Ten slices of 10 mm, every other one shown; 3,000 lung voxels of 1 mm3: 3 ml."""
    affine = np.diag([1.0, 1.0, 10.0, 1.0])[:, [2, 1, 0, 3]]
    affine[:3, 1:3] /= np.sqrt(10)  # a voxel is 1 mm3
    source = Source("a", "nifti", "a.nii", header=phantom_header())
    array = np.zeros((10, 40, 40), np.int16)
    volume = Volume(array, affine, Intensity("hu", "given", ""), source)
    lungs = np.zeros(array.shape, bool)
    lungs.reshape(-1)[:3000] = True
    made = ShownScan(volume, lungs, np.arange(0, 10, 2), np.zeros(2), LungLook(-850.0, 12.0))
    return replace(made, **changes)


def test_a_familiar_scan_has_none(tmp_path: Path) -> None:
    assert scan().axial.voxel_volume_ml == pytest.approx(1e-3)
    assert reasons_to_abstain(manifest(tmp_path), FAMILIAR, scan()) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"slices": np.array([0, 2, 4])},
            "The number of slices shown to it is 3; the scans that the classifier learned from "
            "have 4 to 12, margin included.",
        ),
        (
            {"lungs": np.ones((10, 40, 40), bool)},
            "The lungs have 16 ml; the scans that the classifier learned from have 2 to 5 ml, "
            "margin included.",
        ),
        (
            {"look": LungLook(-600.0, 12.0)},
            "The median of the lungs is -600 HU; the scans that the classifier learned from have "
            "-930 to -700 HU, margin included.",
        ),
        (
            {"look": LungLook(-850.0, 41.0)},
            "Neighboring pixels of the lungs differ in the median by 41 HU; the scans that the "
            "classifier learned from have 5 to 40 HU, margin included.",
        ),
        (
            {"pooled": np.array([3.0, 3.0])},
            "The scan looks unlike the 3 scans that the classifier learned from: its distance from "
            "them is 3.00, the limit is 1.50 (the largest of the distances of 2 held-out scans).",
        ),
    ],
)
def test_one_thing_is_unlike(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert reasons_to_abstain(manifest(tmp_path), FAMILIAR, scan(**changes)) == (words,)


def test_counts_have_whole_limits(tmp_path: Path) -> None:
    made = manifest(tmp_path)
    known = made.known.model_copy(update={"slices": Span(low=3.2, high=12.5)})
    (reason,) = reasons_to_abstain(
        made.model_copy(update={"known": known}), FAMILIAR, scan(slices=np.array([4, 5, 6]))
    )
    assert "have 4 to 12, margin included" in reason


def test_slices_far_apart(tmp_path: Path) -> None:
    far = scan(slices=np.array([0, 3, 6, 9]))
    (reason,) = reasons_to_abstain(manifest(tmp_path), FAMILIAR, far)
    assert reason.startswith("The distance of the slices shown to it is 30 mm; ")
    assert "5 to 20 mm" in reason


def test_a_patient_for_phantoms(tmp_path: Path) -> None:
    made = scan()
    patient = replace(made.axial, source=replace(made.axial.source, header={}))
    (reason,) = reasons_to_abstain(manifest(tmp_path), FAMILIAR, scan(axial=patient))
    assert "trained on made-up phantoms, and this scan is not marked as one" in reason
    assert reasons_to_abstain(manifest(tmp_path, phantoms=False), FAMILIAR, made) == ()


def test_other_intensities_are_not_compared_in_numbers(tmp_path: Path) -> None:
    made = scan(look=LungLook(60.0, 2.0))
    gray = replace(made.axial, intensity=Intensity("uint8", "given", ""))
    (reason,) = reasons_to_abstain(manifest(tmp_path), FAMILIAR, replace(made, axial=gray))
    assert reason == "Intensities are 8-bit gray levels; the classifier was trained on HU."


def test_without_physical_units(tmp_path: Path) -> None:
    made = scan()
    flat = replace(made.axial, spacing_is_real=False)
    (reason,) = reasons_to_abstain(manifest(tmp_path), FAMILIAR, replace(made, axial=flat))
    assert reason.startswith("The scan has no physical spacing, and the classifier was trained on")
    known = {**manifest(tmp_path).known.model_dump(), "shown_mm": None}
    unknown = manifest(tmp_path, known=known)
    assert reasons_to_abstain(unknown, FAMILIAR, replace(made, axial=flat)) == ()
