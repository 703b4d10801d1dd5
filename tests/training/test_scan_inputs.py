"""What a network is shown of a scan: as in use, slice by slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundglass.datasets.index import PreparedScan
from groundglass.ops.slice_image import LungBox, frame_image, lesion_input, lung_input
from groundglass.recipe import SliceRecipe
from groundglass.training.scan_inputs import ScanInputs

from .conftest import RECIPE

DIRECT = SliceRecipe.from_dict({**RECIPE, "stage": "direct"})
LESIONS = replace(DIRECT, stage="lesions")


@pytest.mark.parametrize("stage", ["direct", "lungs"])
def test_whole_slices_are_all_shown(scans: list[PreparedScan], stage: str) -> None:
    scan, recipe = scans[3], replace(DIRECT, stage=stage)
    inputs = ScanInputs.of(scan, recipe)
    assert inputs.picks.tolist() == [0, 1, 2, 3]
    assert inputs.box is None
    batch = inputs.batch(np.array([2, 0]))
    assert batch.shape == (2, 1, 32, 48)
    assert batch.dtype == np.float32
    for one, d in zip(batch[:, 0], (2, 0), strict=True):
        image = frame_image(scan.image[d], recipe, is_hu=True, is_equalized=False)
        assert np.array_equal(one, lung_input(image, recipe))


def test_the_lesion_stage_is_shown_the_lungs_box(scans: list[PreparedScan]) -> None:
    scan = scans[3]
    inputs = ScanInputs.of(scan, LESIONS)
    assert inputs.picks.tolist() == [1, 2, 3]  # slice 0 has no lung
    box = LungBox.around(scan.lungs.any(axis=0), LESIONS)
    assert inputs.box == box
    image = frame_image(scan.image[2], LESIONS, is_hu=True, is_equalized=False)
    expected = lesion_input(image, scan.lungs[2], box, LESIONS)
    assert np.array_equal(inputs.batch(np.array([2]))[0, 0], expected)


def test_other_lungs_and_slices(scans: list[PreparedScan]) -> None:
    scan = scans[1]
    lungs = scan.lungs.copy()
    lungs[3] = 0
    inputs = ScanInputs.of(scan, LESIONS, lungs=lungs, slices=np.array([0, 3, 4]))
    assert inputs.picks.tolist() == [4]
    assert np.array_equal(inputs.mask, lungs > 0)


def test_a_scan_without_lungs_shows_the_lesion_stage_nothing(scans: list[PreparedScan]) -> None:
    inputs = ScanInputs.of(scans[1], LESIONS, lungs=np.zeros_like(scans[1].lungs))
    assert inputs.picks.size == 0
    assert inputs.box is None
