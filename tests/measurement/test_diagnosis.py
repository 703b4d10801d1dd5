"""The sentence: cautious wording, and the evidence that led to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from groundglass.findings import Diagnosis
from groundglass.intensity import Intensity
from groundglass.measurement import measure
from groundglass.volume import Volume

MakeScan = Callable[..., tuple[Volume, np.ndarray, np.ndarray]]


def diagnose(make_scan: MakeScan, *, hu: int | None, left: bool) -> Diagnosis:
    volume, lungs, lesions = make_scan()
    lesions[1:3, 1:4, 1:4] = 1
    if left:
        lesions[1:3, 1:4, 8:10] = 1
    array = volume.array.copy()
    if hu is None:
        eight_bit = np.full(array.shape, 80, dtype=np.uint8)
        volume = replace(volume, array=eight_bit, intensity=Intensity("uint8", "detected", ""))
    else:
        array[lesions > 0] = hu
        volume = replace(volume, array=array)
    return measure(volume, lungs, lesions).diagnosis


def test_bilateral_ground_glass_may_be_viral(make_scan: MakeScan) -> None:
    found = diagnose(make_scan, hu=-600, left=True)
    assert found.statement.startswith("Findings consistent with viral pneumonia, such as COVID-19")
    assert "among other causes" in found.statement
    assert "bilateral, mostly ground-glass lung opacities" in found.statement
    assert "mainly in the lower zones" in found.statement
    assert found.basis == "rule"
    assert "Both lungs are involved." in found.evidence
    assert any("100 % of the lesion volume is ground glass" in line for line in found.evidence)


@pytest.mark.parametrize(("hu", "left"), [(-600, False), (0, True), (0, False), (None, False)])
def test_other_patterns_name_no_virus(make_scan: MakeScan, hu: int | None, left: bool) -> None:
    found = diagnose(make_scan, hu=hu, left=left)
    assert found.statement.startswith("Findings consistent with pneumonia")
    assert "COVID" not in found.statement
    assert ("right-sided" in found.statement) is not left


def test_unknown_density_is_said(make_scan: MakeScan) -> None:
    found = diagnose(make_scan, hu=None, left=True)
    assert "viral or other" in found.statement
    assert any("intensities are not HU" in line for line in found.evidence)


@pytest.mark.parametrize("hu", [-600, 0, None])
def test_every_sentence_says_that_the_image_does_not_tell_the_cause(
    make_scan: MakeScan, hu: int | None
) -> None:
    assert diagnose(make_scan, hu=hu, left=True).statement.endswith("does not tell the cause.")
