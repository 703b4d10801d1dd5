"""A mask beside a scan, turned by its own affine or by the scan's order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from groundglass.datasets.axial_masks import read_axial_mask
from groundglass.errors import DatasetError
from groundglass.io.read import read_scan

from .made_mosmed import chest, lesion, save

LABELS = frozenset({0, 1})


@pytest.mark.parametrize("orientation", ["LPS", "RAI"])
@pytest.mark.parametrize("mask_orientation", ["LPS", "LAS", "RAI"])
def test_its_own_affine_or_the_order_given(
    tmp_path: Path, orientation: str, mask_orientation: str
) -> None:
    image = save(tmp_path / "image.nii.gz", chest(), orientation)
    path = save(tmp_path / "mask.nii.gz", lesion(), mask_orientation)
    volume, order = read_scan(image).to_axial()
    mask, affine = read_axial_mask(path, volume, image, labels=LABELS)
    assert np.array_equal(mask, lesion())
    assert np.allclose(affine, volume.affine)
    taken, affine = read_axial_mask(path, volume, image, labels=LABELS, order=order)
    same = orientation == mask_orientation
    assert np.array_equal(taken, lesion()) == same
    assert np.allclose(affine, volume.affine) == same


def test_what_is_no_mask_of_this_scan(tmp_path: Path) -> None:
    image = save(tmp_path / "image.nii.gz", chest())
    volume, _ = read_scan(image).to_axial()
    for array, said in (
        (lesion()[:5], r"mask\.nii\.gz has shape \(5, 64, 64\) and .*image\.nii\.gz has \(8, 64"),
        (3 * lesion(), r"mask\.nii\.gz has labels \[0, 3\]; expected only \[0, 1\]"),
    ):
        path = save(tmp_path / "mask.nii.gz", array)
        with pytest.raises(DatasetError, match=said):
            read_axial_mask(path, volume, image, labels=LABELS)
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(DatasetError, match=r"mask\.nii\.gz cannot be used"):
        read_axial_mask(path, volume, image, labels=LABELS)
