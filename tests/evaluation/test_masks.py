"""Masks are compared in physical space, or not at all."""

from __future__ import annotations

import json
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.errors import GeometryError, InputError
from groundglass.evaluation.masks import MaskRules, read_pair
from groundglass.geometry import AxisOrder

from .conftest import AFFINE_LPS, WriteMask

Masks = tuple[np.ndarray, np.ndarray]
ANY = MaskRules()
ORDERS = [
    AxisOrder((p[0], p[1], p[2]), (f[0], f[1], f[2]))
    for p in permutations(range(3))
    for f in product((False, True), repeat=3)
]


def test_every_orientation_of_the_prediction_gives_the_same_pair(
    tmp_path: Path, masks: Masks, write_mask: WriteMask
) -> None:
    true = write_mask(tmp_path / "r.nii", masks[1])
    assert len(ORDERS) == 48
    for order in ORDERS:
        turned = order.apply(masks[0])
        affine = order.apply_to_affine(AFFINE_LPS, masks[0].shape)
        made = write_mask(tmp_path / "p.nii", turned, affine)
        pair = read_pair([made], [true], ANY)
        np.testing.assert_array_equal(pair.prediction, masks[0])
        np.testing.assert_array_equal(pair.reference, masks[1])
        assert pair.spacing_mm == pytest.approx((2.5, 0.7, 0.8))


def test_slices_are_axial_whatever_the_reference_is(
    tmp_path: Path, masks: Masks, write_mask: WriteMask
) -> None:
    order = AxisOrder((2, 0, 1), (False, True, False))
    affine = order.apply_to_affine(AFFINE_LPS, masks[1].shape)
    true = write_mask(tmp_path / "r.nii.gz", order.apply(masks[1]), affine)
    pair = read_pair([true], [true], ANY)
    np.testing.assert_array_equal(pair.reference, masks[1])
    assert pair.file_axis == "j"  # new axis 1 holds the slices, and files count backwards
    assert pair.file_slices == (5, 4, 3, 2, 1, 0)
    assert pair.voxel_ml == pytest.approx(2.5 * 0.7 * 0.8 / 1000)


def test_other_shapes_are_refused_with_both(
    tmp_path: Path, masks: Masks, write_mask: WriteMask
) -> None:
    made = write_mask(tmp_path / "p.nii", masks[0][:, :-1])
    true = write_mask(tmp_path / "r.nii", masks[1])
    with pytest.raises(GeometryError, match=r"6 x 11 x 14 voxels.*6 x 12 x 14.*nearest neighbor"):
        read_pair([made], [true], ANY)


def test_a_shift_is_refused_beyond_half_a_voxel(
    tmp_path: Path, masks: Masks, write_mask: WriteMask
) -> None:
    true = write_mask(tmp_path / "r.nii", masks[1])
    shifted = AFFINE_LPS.copy()
    shifted[0, 3] += 0.45 * 0.8
    near = write_mask(tmp_path / "near.nii", masks[0], shifted)
    np.testing.assert_array_equal(read_pair([near], [true], ANY).prediction, masks[0])
    shifted[0, 3] += 0.1 * 0.8
    far = write_mask(tmp_path / "far.nii", masks[0], shifted)
    with pytest.raises(GeometryError, match=r"up to 0\.55 voxels away.*--ignore-affine"):
        read_pair([far], [true], ANY)


def test_ignore_affine_compares_in_file_order(
    tmp_path: Path, masks: Masks, write_mask: WriteMask
) -> None:
    true = write_mask(tmp_path / "r.nii", masks[1])
    made = tmp_path / "p.nii"
    nib.save(nib.Nifti1Image(masks[0].T.astype(np.uint8), np.eye(4)), made)
    with pytest.raises(GeometryError):
        read_pair([made], [true], ANY)
    pair = read_pair([made], [true], MaskRules(ignore_affine=True))
    np.testing.assert_array_equal(pair.prediction, masks[0])
    assert pair.spacing_mm is not None  # the reference's header is still believed


def test_where_spacing_is_not_real_there_are_no_mm(
    tmp_path: Path, masks: Masks, write_mask: WriteMask
) -> None:
    true = write_mask(tmp_path / "r.nii", masks[1])
    said = read_pair([true], [true], MaskRules(spacing_is_nominal=True))
    assert said.spacing_mm is None
    assert said.voxel_ml is None
    assert "said to be nominal" in said.no_surface_because
    plain = tmp_path / "plain.nii"
    nib.save(nib.Nifti1Image(masks[1].T.astype(np.uint8), np.eye(4)), plain)
    assert "identity" in read_pair([plain], [plain], ANY).no_spacing_because


def test_a_tilted_grid_has_volumes_but_no_distances(
    tmp_path: Path, masks: Masks, write_mask: WriteMask
) -> None:
    tilted = AFFINE_LPS.copy()
    tilted[1, 0] = 0.5
    path = write_mask(tmp_path / "t.nii", masks[1], tilted)
    pair = read_pair([path], [path], ANY)
    assert pair.voxel_ml == pytest.approx(2.5 * 0.7 * 0.8 / 1000)
    assert "tilted by 11.3 degrees" in pair.no_surface_because


class TestLabels:
    def test_all_count_unless_chosen(
        self, tmp_path: Path, masks: Masks, write_mask: WriteMask
    ) -> None:
        both = write_mask(tmp_path / "r.nii", np.where(masks[0], 1, 0) + np.where(masks[1], 2, 0))
        pair = read_pair([both], [both], ANY)
        assert pair.reference.sum() == (masks[0] | masks[1]).sum()
        assert any("labels 1, 2, 3" in note for note in pair.notes)
        pair = read_pair([both], [both], MaskRules(labels=("1", "3"), reference_labels=("2", "3")))
        np.testing.assert_array_equal(pair.prediction, masks[0])
        np.testing.assert_array_equal(pair.reference, masks[1])
        assert not pair.notes

    @pytest.mark.parametrize(
        ("sidecar", "content"),
        [
            ("labels.json", {"r.nii": {"background": 0, "covid": 2}}),
            ("dataset.json", {"labels": {"background": 0, "covid": 2}}),
            ("dataset.json", {"labels": {"0": "background", "2": "covid"}}),
            ("../dataset.json", {"labels": {"background": 0, "covid": [2]}}),
        ],
    )
    def test_names_from_files_beside(
        self, tmp_path: Path, masks: Masks, write_mask: WriteMask, sidecar: str, content: object
    ) -> None:
        folder = tmp_path / "labelsTs"
        path = write_mask(folder / "r.nii", np.where(masks[1], 2, masks[0]))
        (folder / sidecar).write_text(json.dumps(content))
        pair = read_pair([path], [path], MaskRules(labels=("covid",)))
        np.testing.assert_array_equal(pair.reference, masks[1])
        with pytest.raises(InputError, match=r"'lung' of r\.nii is unknown; expected one of"):
            read_pair([path], [path], MaskRules(labels=("lung",)))

    def test_several_files_of_a_case_are_joined(
        self, tmp_path: Path, masks: Masks, write_mask: WriteMask
    ) -> None:
        files = [write_mask(tmp_path / f"{n}.nii", mask) for n, mask in enumerate(masks)]
        pair = read_pair(files, files[1:], ANY)
        np.testing.assert_array_equal(pair.prediction, masks[0] | masks[1])
        moved = write_mask(tmp_path / "m.nii", masks[0], AFFINE_LPS + np.eye(4, k=3))
        with pytest.raises(GeometryError, match="different grids"):
            read_pair([files[0], moved], files, ANY)
