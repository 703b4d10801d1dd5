"""Masks come back on exactly the grid they were written for, read by two readers."""

from __future__ import annotations

import json
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundglass.errors import OutputError
from groundglass.geometry import LPS_FROM_RAS, reversed_axes_affine
from groundglass.labels import LUNG_LABELS
from groundglass.outputs.masks import write_mask, write_probability


def grid(axes: tuple[int, ...], signs: tuple[int, ...], spacing: tuple[float, ...]) -> np.ndarray:
    """Affine whose array axis a runs along body axis axes[a]."""
    affine = np.zeros((4, 4))
    for array_axis, (body_axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[body_axis, array_axis] = sign * spacing[array_axis]
    affine[:, 3] = (-123.4, 87.65, -1012.3, 1)
    return affine


def rotation(angles: tuple[float, ...]) -> np.ndarray:
    out = np.eye(4)
    for axis, angle in enumerate(angles):
        i, j = [a for a in range(3) if a != axis]
        turn = np.eye(4)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        out = turn @ out
    return out


def check_round_trip(path: Path, mask: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    write_mask(path, mask, affine, LUNG_LABELS)
    image = nib.load(path)
    assert isinstance(image, nib.Nifti1Image)
    assert image.get_data_dtype() == np.uint8
    assert image.shape == mask.shape[::-1]
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, mask)
    back = reversed_axes_affine(LPS_FROM_RAS @ image.affine)
    np.testing.assert_allclose(back, affine, rtol=0, atol=1e-4)
    return image


def mask_of(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, shape, dtype=np.uint8)


@pytest.mark.parametrize("axes", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_all_48_orientations(tmp_path: Path, axes: tuple[int, ...], signs: tuple[int, ...]) -> None:
    affine = grid(axes, signs, (2.5, 0.7, 0.8))
    image = check_round_trip(tmp_path / "lungs.nii.gz", mask_of((3, 4, 5)), affine)
    assert int(image.header["sform_code"]) == 1
    assert int(image.header["qform_code"]) == 1


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 8.0)] * 3),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
)
def test_oblique_anisotropic_and_single_slices(
    tmp_path: Path,
    angles: tuple[float, ...],
    spacing: tuple[float, ...],
    shape: tuple[int, int, int],
) -> None:
    affine = rotation(angles) @ grid((2, 1, 0), (1, 1, 1), spacing)
    check_round_trip(tmp_path / "lungs.nii.gz", mask_of(shape), affine)


def test_sheared_grid_has_no_qform(tmp_path: Path) -> None:
    affine = grid((2, 1, 0), (1, 1, 1), (2.5, 0.7, 0.7))
    affine[1, 0] = 0.6
    image = check_round_trip(tmp_path / "lungs.nii.gz", mask_of((3, 4, 5)), affine)
    assert int(image.header["qform_code"]) == 0


def test_another_reader_sees_the_same_grid(tmp_path: Path) -> None:
    affine = rotation((0.1, -0.2, 0.3)) @ grid((2, 1, 0), (1, -1, 1), (2.5, 0.7, 0.8))
    mask = mask_of((3, 4, 5))
    path = tmp_path / "lungs.nii.gz"
    write_mask(path, mask, affine, LUNG_LABELS)
    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), mask)
    for index in ((0, 0, 0), (2, 3, 4), (1, 0, 2)):
        there = image.TransformIndexToPhysicalPoint(index[::-1])
        np.testing.assert_allclose(there, (affine @ (*index, 1))[:3], atol=1e-3)


def test_affine_and_shape_of_a_nifti_input_come_back(tmp_path: Path) -> None:
    ras = LPS_FROM_RAS @ rotation((0.0, 0.05, 0.02)) @ grid((0, 1, 2), (1, 1, 1), (0.7, 0.7, 5))
    source = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((5, 4, 3), dtype=np.int16), ras), source)
    image = nib.load(source)
    affine = reversed_axes_affine(LPS_FROM_RAS @ image.affine)  # type: ignore[attr-defined]
    write_mask(tmp_path / "lungs.nii.gz", mask_of((3, 4, 5)), affine, LUNG_LABELS)
    mask = nib.load(tmp_path / "lungs.nii.gz")
    assert mask.shape == image.shape  # type: ignore[attr-defined]
    np.testing.assert_allclose(mask.affine, image.affine, rtol=0, atol=1e-4)  # type: ignore[attr-defined]


def test_views_and_bool_are_written(tmp_path: Path) -> None:
    affine = grid((2, 1, 0), (1, 1, 1), (1, 1, 1))
    whole = mask_of((4, 5, 6)) > 1
    view = np.flip(whole.transpose(2, 0, 1), axis=1)
    write_mask(tmp_path / "lesions.nii.gz", view, affine, {"lesion": 1})
    back = np.asarray(nib.load(tmp_path / "lesions.nii.gz").dataobj).T  # type: ignore[attr-defined]
    np.testing.assert_array_equal(back, view)


def test_same_input_same_bytes_and_labels_are_named(tmp_path: Path) -> None:
    affine = grid((2, 1, 0), (1, 1, 1), (1, 1, 1))
    for name in ("lungs.nii.gz", "again.nii.gz"):
        write_mask(tmp_path / name, mask_of((3, 4, 5)), affine, LUNG_LABELS)
    write_mask(tmp_path / "lesions.nii.gz", mask_of((3, 4, 5)) > 0, affine, {"lesion": 1})
    assert (tmp_path / "lungs.nii.gz").read_bytes() == (tmp_path / "again.nii.gz").read_bytes()
    labels = json.loads((tmp_path / "labels.json").read_text())
    assert labels["lungs.nii.gz"] == {"background": 0, "right_lung": 1, "left_lung": 2}
    assert labels["lesions.nii.gz"] == {"background": 0, "lesion": 1}


def test_unnamed_labels_and_other_types_are_refused(tmp_path: Path) -> None:
    affine = grid((2, 1, 0), (1, 1, 1), (1, 1, 1))
    path = tmp_path / "lungs.nii.gz"
    with pytest.raises(OutputError, match=r"values \[3\], which have no name"):
        write_mask(path, np.full((2, 2, 2), 3), affine, LUNG_LABELS)
    with pytest.raises(OutputError, match="-1"):
        write_mask(path, np.full((2, 2, 2), -1), affine, LUNG_LABELS)
    with pytest.raises(OutputError, match="of integers"):
        write_mask(path, np.zeros((2, 2, 2)), affine, LUNG_LABELS)
    with pytest.raises(OutputError, match="different numbers"):
        write_mask(path, np.zeros((2, 2, 2), dtype=int), affine, {"a": 1, "b": 1})
    missing = tmp_path / "nowhere" / "lungs.nii.gz"
    with pytest.raises(OutputError, match="could not be written"):
        write_mask(missing, np.zeros((2, 2, 2), dtype=int), affine, LUNG_LABELS)


def test_probabilities_come_back_as_fractions(tmp_path: Path) -> None:
    affine = grid((2, 1, 0), (1, 1, 1), (1, 1, 1))
    values = np.random.default_rng(0).random((3, 4, 5)).astype(np.float16)
    values[0, 0, :2] = 0, 1
    path = tmp_path / "lesion_probability.nii.gz"
    write_probability(path, values, affine)
    back = nib.load(path).get_fdata().T  # type: ignore[attr-defined]
    np.testing.assert_allclose(back, values, atol=0.5 / 255 + 1e-6)
    assert back[0, 0, 1] == pytest.approx(1.0, abs=1e-6)
    assert SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).max() == pytest.approx(
        1, abs=1e-6
    )


@pytest.mark.parametrize("bad", [1.5, -0.1, float("nan")])
def test_values_that_are_no_probabilities_are_refused(tmp_path: Path, bad: float) -> None:
    with pytest.raises(OutputError, match="expected 0 to 1"):
        write_probability(tmp_path / "p.nii.gz", np.full((2, 2, 2), bad), np.eye(4))
